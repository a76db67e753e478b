//! What a session knows of files by their content: which hold the classes of sealed data, which were written from frames of
//! test rows or of truth, which were read as tables. So a table from a file has what the frame had that was written there,
//! and whoever reads sealed classes past the seal is told of.

use super::{Frame, Sealed};
use crate::core::context::{Context, Event, Form, Reading};
use crate::core::digest::Digest;
use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Files by their content, kept by a session's context.
#[derive(Default)]
pub struct Sources(Mutex<Known>);

#[derive(Default)]
struct Known {
    /// What frames that were written had of sealed data.
    written: HashMap<Digest, Sealed>,
    /// The sealed data that a file holds, as a reading of all of it.
    sealed: HashMap<Digest, Reading>,
    /// By which call a file was read as a table.
    tables: HashMap<Digest, &'static str>,
}

impl Sources {
    fn known(&self) -> MutexGuard<'_, Known> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What the frame that was written as this content had of sealed data.
    pub fn of(&self, content: Digest) -> Sealed {
        self.known().written.get(&content).cloned().unwrap_or_default()
    }

    /// A frame was written as this content.
    pub(super) fn note_written(&self, content: Digest, frame: &Frame) {
        if let Some(sealed) = frame.sealed() {
            self.known().written.insert(content, sealed.clone());
        }
    }

    /// The file holds sealed data, of which `all` is a reading. If it was read as a table before, that reading is told now.
    pub fn note_sealed(&self, ctx: &Context, content: Digest, all: Reading) {
        let mut known = self.known();
        let is_new = known.sealed.insert(content, all.clone()).is_none();
        let read = known.tables.get(&content).copied().filter(|_| is_new);
        drop(known);
        if let Some(by) = read {
            ctx.tell(Event::TruthRead(past(all, by)));
        }
    }

    /// The file was read as a table, whose frame is `frame`. If it holds sealed data, that is told, and the frame knows.
    pub(super) fn note_table(&self, ctx: &Context, content: Digest, by: &'static str, frame: Frame) -> Frame {
        let mut known = self.known();
        known.tables.insert(content, by);
        let (written, sealed) = (known.written.get(&content).cloned(), known.sealed.get(&content).cloned());
        drop(known);
        let held = frame.sealed().cloned().unwrap_or_default().and(&written.unwrap_or_default());
        let readings = sealed.map(|all| past(all, by));
        if let Some(reading) = &readings {
            ctx.tell(Event::TruthRead(reading.clone()));
        }
        frame.with_sealed(held.and(&Sealed { readings: readings.into_iter().collect(), ..Sealed::default() }))
    }
}

/// A reading of everything in a file as a table.
fn past(all: Reading, by: &str) -> Reading {
    Reading { by: by.to_owned(), purpose: "a table with the classes".to_owned(), form: Form::File, ..all }
}
