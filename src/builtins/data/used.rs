//! Who used truth that was read before: a training or a score names the readings that its frames were made from.

use crate::bind::prelude::*;
use crate::core::context::{Event, Reading};
use crate::frames::Frame;
use std::collections::BTreeSet;

/// How deep values are looked for in each other. Arbitrary: deeper than any script nests what a closure captures.
const MAX_DEPTH: usize = 16;

/// The readings that a frame was made from.
pub fn readings_of(frame: &Frame) -> BTreeSet<Reading> {
    frame.sealed().map(|sealed| sealed.readings.clone()).unwrap_or_default()
}

/// The readings that frames in a value were made from: in arrays, in maps, in what a closure captures.
pub fn readings_in(value: &Dynamic) -> BTreeSet<Reading> {
    let mut found = BTreeSet::new();
    look(value, &mut found, 0);
    found
}

fn look(value: &Dynamic, found: &mut BTreeSet<Reading>, depth: usize) {
    if depth > MAX_DEPTH {
        return;
    }
    if let Some(frame) = value.read_lock::<Frame>() {
        found.extend(readings_of(&frame));
    } else if let Some(items) = value.read_lock::<Array>() {
        items.iter().for_each(|item| look(item, found, depth + 1));
    } else if let Some(map) = value.read_lock::<Map>() {
        map.values().for_each(|item| look(item, found, depth + 1));
    } else if let Some(closure) = value.read_lock::<FnPtr>() {
        closure.curry().iter().for_each(|item| look(item, found, depth + 1));
    }
}

/// Tells that the running call used these readings; `result` is the digest of what came of it, or empty.
pub fn note_use(call: &Call, readings: BTreeSet<Reading>, result: &str) {
    for reading in readings {
        call.ctx().tell(Event::TruthUsed { reading, by: call.function.path(), result: result.to_owned() });
    }
}
