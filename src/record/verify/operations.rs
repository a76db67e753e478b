//! Costly operations of both runs: by digest where they have one counterpart, else by kind and description.

use super::super::pairs::pair;
use super::super::schema::{How, Record, What};
use super::super::verdict::{NONE, Tally, moved_to};
use super::super::versions::derivation;
use crate::core::digest::Digest;
use crate::store::memo::key_of;
use std::collections::{BTreeMap, BTreeSet};

/// An operation of a record.
struct Operation<'a> {
    /// From 1, among the operations.
    number: usize,
    name: &'a str,
    what: &'a str,
    digest: &'a str,
    key: &'a str,
    inputs: &'a [(String, String)],
    options: &'a str,
    curve: &'a [(u64, f64)],
    is_ahead: bool,
}

impl Operation<'_> {
    fn label(&self) -> String {
        format!("operation {}, `{}` of {}", self.number, self.name, self.what)
    }

    /// Whether the store could be asked for it.
    fn lookup(&self) -> &'static str {
        if self.key.is_empty() { "never looked up" } else { "looked up" }
    }
}

fn operations_of(record: &Record) -> Vec<Operation<'_>> {
    let mut operations = Vec::new();
    for event in &record.events {
        if let What::Operation { name, what, digest, key, inputs, options, found, seconds: _, curve } = &event.what {
            let (number, is_ahead) = (operations.len() + 1, matches!(found, How::Ahead { .. }));
            operations.push(Operation { number, name, what, digest, key, inputs, options, curve, is_ahead });
        }
    }
    operations
}

/// Whether the operations of a record were looked up on the machine that it names.
pub(super) fn keys(tally: &mut Tally, record: &Record) {
    let settings = &record.settings;
    if tally.moved.contains_key("memo/key") {
        return;
    }
    for operation in operations_of(record).iter().filter(|operation| !operation.key.is_empty()) {
        let digest = Digest::from_hex(operation.digest);
        let key = digest.map_or_else(|| NONE.to_owned(), |d| key_of(d, &settings.device, &settings.kernels).to_hex());
        let what = format!("{}, its key on {} with {}", operation.label(), settings.device, settings.kernels);
        tally.judge("record", what, operation.key, &key, true);
    }
}

/// Operations are compared by their digest, whatever their order: cells of a sweep end in any. One that has no
/// counterpart is held against the next of the same kind that has none either. What workers computed and the script did
/// not come to is chance, and nothing depends on it.
pub(super) fn operations(tally: &mut Tally, old: &Record, new: &Record) {
    let needed = |record| operations_of(record).into_iter().filter(|o: &Operation| !o.is_ahead).collect::<Vec<_>>();
    let (old, new) = (needed(old), needed(new));
    let by_digest: BTreeMap<&str, &Operation> = new.iter().map(|operation| (operation.digest, operation)).collect();
    let known: BTreeSet<&str> = old.iter().map(|operation| operation.digest).collect();
    let mut lone = Vec::new();
    for operation in &old {
        match by_digest.get(operation.digest) {
            Some(other) => of_one_digest(tally, &operation.label(), operation, other),
            None => lone.push(operation),
        }
    }
    let come: Vec<&Operation> = new.iter().filter(|operation| !known.contains(operation.digest)).collect();
    let pairs = pair(&names(&lone), &names(&come));
    let mut spare = vec![true; come.len()];
    for (operation, at) in lone.iter().zip(pairs) {
        let now = at.and_then(|at| Some((come.get(at)?, spare.get_mut(at)?)));
        let Some((now, spare)) = now else {
            let what = format!("{}, digest", operation.label());
            tally.judge_made("operation", what, operation.digest, NONE, false);
            continue;
        };
        *spare = false;
        of_two_digests(tally, operation, now);
    }
    for (operation, _) in come.iter().zip(spare).filter(|(_, spare)| *spare) {
        let label = format!("an operation that was not recorded, `{}` of {}", operation.name, operation.what);
        tally.judge_made("operation", label, NONE, operation.digest, false);
    }
}

fn names<'a>(operations: &[&Operation<'a>]) -> Vec<(&'a str, &'a str)> {
    operations.iter().map(|operation| (operation.name, operation.what)).collect()
}

/// One derivation: what was computed is the same, however it is worded.
fn of_one_digest(tally: &mut Tally, label: &str, old: &Operation, new: &Operation) {
    tally.judge("operation", format!("{label}, name"), old.name, new.name, true);
    tally.judge_words("operation", format!("{label}, what"), old.what, new.what, true);
    tally.judge_words("operation", format!("{label}, options"), old.options, new.options, true);
    looked_up(tally, label, old, new);
    if tally.same && !tally.moved.contains_key("memo/key") {
        tally.judge("operation", format!("{label}, key"), old.key, new.key, true);
    }
    let digests = |operation: &Operation| -> Vec<String> {
        let mut digests: Vec<String> = operation.inputs.iter().map(|(_, digest)| digest.clone()).collect();
        digests.sort_unstable();
        digests
    };
    if digests(old) == digests(new) {
        let called = |operation: &Operation| -> String {
            operation.inputs.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>().join(", ")
        };
        tally.judge_look("operation", format!("{label}, names of inputs"), &called(old), &called(new), true);
    } else {
        let inputs = |operation: &Operation| -> BTreeMap<String, String> {
            operation.inputs.iter().map(|(name, digest)| (format!("{label}, input `{name}`"), digest.clone())).collect()
        };
        tally.judge_sets("operation", inputs(old), inputs(new));
    }
    curve(tally, label, old.curve, new.curve);
}

/// Two derivations in one place. A version that moved explains it, of the operation or of something that it was made from.
fn of_two_digests(tally: &mut Tally, old: &Operation, new: &Operation) {
    let label = old.label();
    let own = tally.moved.get(&derivation(old.name)).copied();
    match own {
        Some((then, now)) => {
            let what = format!("{label}, version {}", moved_to(then, now));
            tally.unjudged("operation", what, old.digest, new.digest);
        }
        // Nothing that it was made from is another thing: then its digest is made up.
        None if old.inputs == new.inputs && old.options == new.options => {
            tally.judge("operation", format!("{label}, digest"), old.digest, new.digest, false);
        }
        None => tally.judge_made("operation", format!("{label}, digest"), old.digest, new.digest, false),
    }
    if tally.moved.is_empty() {
        tally.judge("operation", format!("{label}, options"), old.options, new.options, false);
    } else {
        tally.judge_words("operation", format!("{label}, options"), old.options, new.options, false);
    }
    looked_up(tally, &label, old, new);
    curve(tally, &label, old.curve, new.curve);
}

/// Whether the store may be asked for a result depends on the script alone, so a record without keys is no way around them.
fn looked_up(tally: &mut Tally, label: &str, old: &Operation, new: &Operation) {
    if old.lookup() != new.lookup() {
        tally.judge_made("operation", format!("{label}, key"), old.lookup(), new.lookup(), true);
    }
}

/// Every recorded loss comes again. Between them another build may keep more.
fn curve(tally: &mut Tally, label: &str, old: &[(u64, f64)], new: &[(u64, f64)]) {
    let points = |curve: &[(u64, f64)]| -> BTreeMap<u64, String> {
        curve.iter().map(|(step, loss)| (*step, format!("{loss:?}"))).collect()
    };
    let (old, mut new) = (points(old), points(new));
    for (step, loss) in old {
        let now = new.remove(&step).unwrap_or_else(|| NONE.to_owned());
        tally.judge_made("number", format!("{label}, loss at step {step}"), &loss, &now, false);
    }
    for (step, now) in new {
        tally.judge_look("number", format!("{label}, loss at step {step}"), NONE, &now, false);
    }
}
