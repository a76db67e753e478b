//! Costly operations of both runs: by digest where they have one counterpart, else by kind and description.

use super::super::pairs::pair;
use super::super::schema::{How, Record};
use super::super::verdict::{NONE, Tally, moved_to};
use super::super::versions::derivation;
use crate::core::digest::Digest;
use crate::core::operation::Operation;
use crate::store::memo::key_of;
use std::collections::{BTreeMap, BTreeSet};

/// An operation of a record and its number, from 1, among the operations.
type Numbered<'a> = (usize, &'a Operation);

fn label((number, operation): Numbered) -> String {
    format!("operation {number}, `{}` of {}", operation.name, operation.what)
}

/// Whether the store could be asked for it.
fn lookup(operation: &Operation) -> &'static str {
    if operation.key.is_empty() { "never looked up" } else { "looked up" }
}

/// Whether the operations of a record were looked up on the machine that it names.
pub(super) fn keys(tally: &mut Tally, record: &Record) {
    let settings = &record.settings;
    if tally.moved.contains_key("memo/key") {
        return;
    }
    let all = record.operations().enumerate().map(|(idx, (operation, _))| (idx + 1, operation));
    for (number, operation) in all.filter(|(_, operation)| !operation.key.is_empty()) {
        let digest = Digest::from_hex(&operation.digest);
        let key = digest.map_or_else(|| NONE.to_owned(), |d| key_of(d, &settings.device, &settings.kernels).to_hex());
        let on = format!("its key on {} with {}", settings.device, settings.kernels);
        tally.judge("record", format!("{}, {on}", label((number, operation))), &operation.key, &key, true);
    }
}

/// Operations are compared by their digest, whatever their order: cells of a sweep end in any. One that has no
/// counterpart is held against the next of the same kind that has none either. What workers computed and the script did
/// not come to is chance, and nothing depends on it.
pub(super) fn operations(tally: &mut Tally, old: &Record, new: &Record) {
    fn needed(record: &Record) -> Vec<Numbered<'_>> {
        let all = record.operations().enumerate();
        all.filter(|(_, (_, how))| !matches!(how, How::Ahead { .. })).map(|(idx, (one, _))| (idx + 1, one)).collect()
    }
    let (old, new) = (needed(old), needed(new));
    let by_digest: BTreeMap<&str, &Operation> = new.iter().map(|(_, one)| (one.digest.as_str(), *one)).collect();
    let known: BTreeSet<&str> = old.iter().map(|(_, one)| one.digest.as_str()).collect();
    let mut lone = Vec::new();
    for numbered in &old {
        match by_digest.get(numbered.1.digest.as_str()) {
            Some(other) => of_one_digest(tally, &label(*numbered), numbered.1, other),
            None => lone.push(*numbered),
        }
    }
    let come: Vec<Numbered> = new.iter().filter(|(_, one)| !known.contains(one.digest.as_str())).copied().collect();
    let pairs = pair(&names(&lone), &names(&come));
    let mut spare = vec![true; come.len()];
    for (numbered, at) in lone.iter().zip(pairs) {
        let now = at.and_then(|at| Some((come.get(at)?, spare.get_mut(at)?)));
        let Some(((_, now), spare)) = now else {
            let what = format!("{}, digest", label(*numbered));
            tally.judge_made("operation", what, &numbered.1.digest, NONE, false);
            continue;
        };
        *spare = false;
        of_two_digests(tally, &label(*numbered), numbered.1, now);
    }
    for ((_, operation), _) in come.iter().zip(spare).filter(|(_, spare)| *spare) {
        let label = format!("an operation that was not recorded, `{}` of {}", operation.name, operation.what);
        tally.judge_made("operation", label, NONE, &operation.digest, false);
    }
}

fn names<'a>(operations: &[Numbered<'a>]) -> Vec<(&'a str, &'a str)> {
    operations.iter().map(|(_, operation)| (operation.name.as_str(), operation.what.as_str())).collect()
}

/// One derivation: what was computed is the same, however it is worded.
fn of_one_digest(tally: &mut Tally, label: &str, old: &Operation, new: &Operation) {
    tally.judge("operation", format!("{label}, name"), &old.name, &new.name, true);
    tally.judge_words("operation", format!("{label}, what"), &old.what, &new.what, true);
    tally.judge_words("operation", format!("{label}, options"), &old.options, &new.options, true);
    looked_up(tally, label, old, new);
    if tally.same && !tally.moved.contains_key("memo/key") {
        tally.judge("operation", format!("{label}, key"), &old.key, &new.key, true);
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
    curve(tally, label, &old.curve, &new.curve);
}

/// Two derivations in one place. A version that moved explains it, of the operation or of something that it was made from.
fn of_two_digests(tally: &mut Tally, label: &str, old: &Operation, new: &Operation) {
    let own = tally.moved.get(&derivation(&old.name)).copied();
    match own {
        Some((then, now)) => {
            let what = format!("{label}, version {}", moved_to(then, now));
            tally.unjudged("operation", what, &old.digest, &new.digest);
        }
        // Nothing that it was made from is another thing: then its digest is made up.
        None if old.inputs == new.inputs && old.options == new.options => {
            tally.judge("operation", format!("{label}, digest"), &old.digest, &new.digest, false);
        }
        None => tally.judge_made("operation", format!("{label}, digest"), &old.digest, &new.digest, false),
    }
    if tally.moved.is_empty() {
        tally.judge("operation", format!("{label}, options"), &old.options, &new.options, false);
    } else {
        tally.judge_words("operation", format!("{label}, options"), &old.options, &new.options, false);
    }
    looked_up(tally, label, old, new);
    curve(tally, label, &old.curve, &new.curve);
}

/// Whether the store may be asked for a result depends on the script alone, so a record without keys is no way around them.
fn looked_up(tally: &mut Tally, label: &str, old: &Operation, new: &Operation) {
    if lookup(old) != lookup(new) {
        tally.judge_made("operation", format!("{label}, key"), lookup(old), lookup(new), true);
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
