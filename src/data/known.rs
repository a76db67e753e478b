//! Which rows a session knows as test rows, so that they stay test rows in data sets that are made later.
//!
//! A row is known by its id within its data set, by the ids that a frame of test rows brings along, or by what a model reads of
//! it ([`super::same::identity`]). It is known from the moment at which a data set with it was made: what a script did before is not undone.
//! A script that takes a text apart and drops its id makes another row of it, which nothing here knows.
//!
//! Rows of the generated world are never moved: another seed keeps other words for testing. Where the words that decide train
//! rows decide test rows of an earlier data set, that is told.

use super::read::Records;
use super::{Data, DataError, Row, Source, Split, TargetKind};
use crate::core::context::{Context, DryRun, Event, Form};
use crate::core::digest::Digest;
use crate::frames::Sources;
use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::{Arc, Mutex, PoisonError};

/// Where a data set comes from, as far as its rows are known again by it.
#[derive(Debug, Clone, Default)]
pub struct Origin {
    /// What ids are unique in: the same for data sets whose equal ids are the same row. None where ids say nothing.
    pub ids_of: Option<String>,
    /// Ids of test rows that a frame brought along.
    pub test_ids: Arc<BTreeSet<String>>,
    /// Whether a row that is known as a test row may be a train row.
    pub lets_in: bool,
    /// The hash of the file that holds the rows with their truth.
    pub content: Option<Digest>,
}

impl Origin {
    /// What records say that come from a frame or a file. `ids_of` is the set in which their ids are unique, if they have some;
    /// else rows are known by their number in the file.
    pub fn of_records(records: &Records, ids_of: Option<String>, lets_in: bool) -> Origin {
        let numbered = records.content.map(|content| content.to_hex());
        Origin {
            ids_of: ids_of.or(numbered),
            test_ids: records.sealed.test_ids.clone(),
            lets_in,
            content: records.content,
        }
    }
}

/// The test rows of a session, kept by its context.
#[derive(Default)]
pub struct TestRows(Mutex<Known>);

#[derive(Default)]
struct Known {
    /// By what a model reads.
    inputs: HashMap<Digest, KnownFrom>,
    /// By data set and id.
    ids: HashMap<(String, String), KnownFrom>,
    /// The words that decide test rows and those that decide train rows, by question and language: of each data set.
    words: HashMap<String, Vec<Words>>,
}

/// The data sets that a test row is known from: one, or several.
#[derive(Clone, Copy, PartialEq)]
enum KnownFrom {
    One(Digest),
    Several,
}

impl KnownFrom {
    fn and(self, source: Digest) -> KnownFrom {
        if self == KnownFrom::One(source) { self } else { KnownFrom::Several }
    }

    /// Whether another data set than `own` knows the row.
    fn is_other(self, own: Digest) -> bool {
        self != KnownFrom::One(own)
    }
}

/// The words that decide the rows of a data set.
struct Words {
    source: Digest,
    train: HashSet<String>,
    /// Each with the number of test rows that it decides.
    test: HashMap<String, usize>,
}

/// How many rows are known as test rows, by what, and which.
#[derive(Default)]
struct Met {
    is_known: Vec<bool>,
    n_by_id: usize,
    n_by_input: usize,
    n_by_group: usize,
}

impl Met {
    fn n(&self) -> usize {
        self.n_by_id + self.n_by_input + self.n_by_group
    }

    /// In words: `3 by their id, 1 by their input`.
    fn shown(&self) -> String {
        let parts = [("id", self.n_by_id), ("input", self.n_by_input), ("group", self.n_by_group)];
        let parts = parts.iter().filter(|(_, n)| *n > 0).map(|(by, n)| format!("{n} by their {by}"));
        parts.collect::<Vec<_>>().join(", ")
    }
}

impl Data {
    /// The data set that a script made or loaded. Its rows that the session knows as test rows are test rows here, with the
    /// rest of their groups, and a warning says how many; from now on its own test rows are known.
    pub fn entered(ctx: &Context, source: Source, origin: &Origin) -> Result<Data, DataError> {
        let own = source.digest;
        let known = ctx.state::<TestRows>();
        let mut known = known.0.lock().unwrap_or_else(PoisonError::into_inner);
        warn_of_repeats(ctx, &source);
        let met = known.met(&source, origin);
        let n = met.n();
        let name = source.name.clone();
        let source = if n == 0 || origin.lets_in { source } else { source.with_test_rows_at(&met.is_known)? };
        let data = Data::new(Arc::new(source));
        known.note_rows(&data, own, origin);
        drop(known);
        if let Some(content) = origin.content.filter(|_| data.has_truth()) {
            ctx.state::<Sources>().note_sealed(ctx, content, data.reading("", "", Form::File));
        }
        if n > 0 {
            let (became, said) = if origin.lets_in {
                (Split::Train, "stay train rows, as `keep_test: false` asks")
            } else {
                (Split::Test, "become test rows here")
            };
            ctx.warn(format!(
                "{n} rows of `{name}` are test rows of data that was made before ({}): they {said}",
                met.shown()
            ));
            for (known_by, n_rows) in [("id", met.n_by_id), ("input", met.n_by_input), ("group", met.n_by_group)] {
                if n_rows > 0 {
                    let (data, digest) = (name.clone(), data.digest().to_string());
                    ctx.tell(Event::TestRows { data, digest, n_rows, known_by, became: became.name() });
                }
            }
        }
        Ok(data)
    }

    /// Rows of the generated world in the language `world`, which a script drew: their test rows are known from now on. A group
    /// is the word that decides a row.
    #[must_use]
    pub fn generated(self, ctx: &Context, world: Digest) -> Data {
        let known = ctx.state::<TestRows>();
        let mut known = known.0.lock().unwrap_or_else(PoisonError::into_inner);
        // A pair's group is its prompt or a pool.
        if self.target() == TargetKind::Classes {
            // The sentences with a negation or a `but` ask for the verdict too.
            let question = if self.name() == "world/contrast" { "world/verdict" } else { self.name() };
            known.note_words(ctx, &format!("{question} {world}"), &self);
        }
        known.note_rows(&self, self.source().digest, &Origin::default());
        self
    }
}

impl Known {
    /// Which train rows of `source` another data set has as test rows.
    fn met(&self, source: &Source, origin: &Origin) -> Met {
        let own = source.digest;
        if self.inputs.is_empty() && origin.test_ids.is_empty() {
            return Met::default();
        }
        let mut met = Met { is_known: vec![false; source.rows.len()], ..Met::default() };
        let mut groups: HashSet<u32> = HashSet::new();
        let places = source.identities.iter().zip(&source.group_of).zip(&mut met.is_known);
        for (row, ((input, group), is_known)) in source.rows.iter().zip(places) {
            if row.split != Split::Train {
                continue;
            }
            if origin.test_ids.contains(&row.id) || self.has_id(row, origin, own) {
                met.n_by_id += 1;
            } else if self.inputs.get(input).is_some_and(|from| from.is_other(own)) {
                met.n_by_input += 1;
            } else {
                continue;
            }
            *is_known = true;
            groups.insert(*group);
        }
        for (row, (is_known, group)) in source.rows.iter().zip(met.is_known.iter_mut().zip(&source.group_of)) {
            if !*is_known && row.split == Split::Train && groups.contains(group) {
                *is_known = true;
                met.n_by_group += 1;
            }
        }
        met
    }

    fn has_id(&self, row: &Row, origin: &Origin, own: Digest) -> bool {
        let key = |set: &String| (set.clone(), row.id.clone());
        origin.ids_of.as_ref().and_then(|set| self.ids.get(&key(set))).is_some_and(|from| from.is_other(own))
    }

    /// Knows the test rows of `data`, which was made of the source `own`, from now on.
    fn note_rows(&mut self, data: &Data, own: Digest, origin: &Origin) {
        let rows = data.source().rows.iter().zip(&data.source().identities);
        for (row, input) in rows.filter(|(row, _)| row.split != Split::Train) {
            let from = self.inputs.entry(*input).or_insert(KnownFrom::One(own));
            *from = from.and(own);
            if let Some(set) = &origin.ids_of {
                let from = self.ids.entry((set.clone(), row.id.clone())).or_insert(KnownFrom::One(own));
                *from = from.and(own);
            }
        }
    }

    /// Tells where words that decide train rows of one data set decide test rows of another one.
    fn note_words(&mut self, ctx: &Context, words_of: &str, data: &Data) {
        let held = self.words.entry(words_of.to_owned()).or_default();
        let mut test = HashMap::new();
        for row in data.rows().filter(|row| row.split != Split::Train) {
            *test.entry(row.group.clone()).or_insert(0) += 1;
        }
        let train = data.rows().filter(|row| row.split == Split::Train).map(|row| row.group.clone()).collect();
        let here = Words { source: data.digest(), train, test };
        // A look may be run again, and what it told is then forgotten.
        let is_look = ctx.dry_run() == Some(DryRun::Look);
        if !is_look && held.iter().any(|other| other.source == here.source) {
            return;
        }
        for other in held.iter().filter(|other| other.source != here.source) {
            for (taught, tested) in [(&here, other), (other, &here)] {
                let shared = tested.test.iter().filter(|(word, _)| taught.train.contains(*word));
                let n_rows: usize = shared.map(|(_, n)| n).sum();
                if n_rows > 0 {
                    let (data, digest) = (data.name().to_owned(), tested.source.to_string());
                    let became = Split::Train.name();
                    ctx.tell(Event::TestRows { data, digest, n_rows, known_by: "words", became });
                }
            }
        }
        if !is_look {
            held.push(here);
        }
    }
}

/// Warns where a data set that states its own split has the same input in train and in test.
fn warn_of_repeats(ctx: &Context, source: &Source) {
    let side = |is_train: bool| {
        let rows = source.rows.iter().zip(&source.identities);
        rows.filter(move |(row, _)| (row.split == Split::Train) == is_train).map(|(_, input)| *input)
    };
    let test: HashSet<Digest> = side(false).collect();
    let seen: HashSet<Digest> = side(true).filter(|input| test.contains(input)).collect();
    let n = side(false).filter(|input| seen.contains(input)).count();
    if n > 0 {
        let name = &source.name;
        ctx.warn(format!(
            "{n} test rows of `{name}` have the same input as a train row, in the split that its rows state"
        ));
    }
}
