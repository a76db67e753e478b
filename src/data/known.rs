//! Which rows a session knows as test rows, so that they stay test rows in data sets that are made later.
//!
//! A row is known by its id within its data set, by the ids that a frame of test rows brings along, or by what a model reads of
//! it ([`super::same::identity`]). It is known from the moment at which a data set with it was made: what a script did before is not undone.
//! A script that takes a text apart and drops its id makes another row of it, which nothing here knows.
//!
//! Rows of the generated world are never moved. Another seed of version 1 keeps other words for testing: where the words that decide
//! train rows decide test rows of an earlier data set, that is told. In version 2 words are shared by all splits, so there the same
//! is told of whole texts.

use super::read::Records;
use super::vault::exchanged;
use super::{Data, DataError, Row, Source, Split, TargetKind, VaultSize};
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
    /// Ids of test and vault rows that a frame brought along.
    pub test_ids: Arc<BTreeSet<String>>,
    pub vault_ids: Arc<BTreeSet<String>>,
    /// Whether a row that is known as a test row may be a train row.
    pub lets_in: bool,
    /// The hash of the file that holds the rows with their truth.
    pub content: Vec<Digest>,
    /// How many of the test rows are to be a vault, and the seed that draws them.
    pub vault: Option<(VaultSize, u64)>,
}

impl Origin {
    /// What records say that come from a frame or a file. `ids_of` is the set in which their ids are unique, if they have some;
    /// else rows are known by their number in the file.
    pub fn of_records(records: &Records, ids_of: Option<String>, lets_in: bool) -> Origin {
        let files: Vec<String> = records.content.iter().map(|content| content.to_hex()).collect();
        let numbered = (!files.is_empty()).then(|| files.join(" "));
        Origin {
            ids_of: ids_of.or(numbered),
            test_ids: records.sealed.test_ids.clone(),
            vault_ids: records.sealed.vault_ids.clone(),
            lets_in,
            content: records.content.clone(),
            vault: None,
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

/// A row that is known as a test or vault row: of which data set, if it is of one alone. Who was ever in a vault stays there.
#[derive(Clone, Copy)]
struct KnownFrom {
    source: Option<Digest>,
    split: Split,
}

impl KnownFrom {
    fn and(self, source: Digest, split: Split) -> KnownFrom {
        KnownFrom { source: self.source.filter(|held| *held == source), split: self.split.max(split) }
    }

    /// On which side another data set than `own` has the row, if one has.
    fn in_other(self, own: Digest) -> Option<Split> {
        (self.source != Some(own)).then_some(self.split)
    }
}

/// The words that decide the rows of a data set.
struct Words {
    source: Digest,
    train: HashSet<String>,
    /// Each with the number of test rows that it decides.
    test: HashMap<String, usize>,
}

/// What a frame says of a row.
fn brought_as(row: &Row, origin: &Origin) -> Option<Split> {
    let held = [(Split::Vault, &origin.vault_ids), (Split::Test, &origin.test_ids)];
    held.into_iter().find(|(_, ids)| ids.contains(&row.id)).map(|(split, _)| split)
}

/// How many rows are held out elsewhere, by what they are known, and where each belongs.
#[derive(Default)]
struct Met {
    held_out: Vec<Option<Split>>,
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

    /// Lets the rows in that are no vault rows; how many.
    fn let_in(&mut self) -> usize {
        let mut n = 0;
        for slot in self.held_out.iter_mut().filter(|slot| **slot == Some(Split::Test)) {
            *slot = None;
            n += 1;
        }
        n
    }

    /// Forgets all but test rows that are in a vault elsewhere.
    fn keep_vault(&mut self, source: &Source) {
        for (slot, row) in self.held_out.iter_mut().zip(&source.rows) {
            *slot = slot.filter(|split| *split == Split::Vault && row.split == Split::Test);
        }
        let n = self.held_out.iter().flatten().count();
        (self.n_by_id, self.n_by_input, self.n_by_group) = (0, n, 0);
    }

    /// Tells which rows of `data` are held out for what another data set has of them; `let_in` of them are not.
    fn tell(&self, ctx: &Context, data: &Data, let_in: usize) {
        let n = self.n();
        if n == 0 {
            return;
        }
        let (became, said) = match (let_in, self.held_out.iter().flatten().max()) {
            (0, Some(split)) => (*split, format!("become {} rows here", split.name())),
            (0, None) => (Split::Test, "become test rows here".to_owned()),
            (_, _) => (Split::Train, "stay train rows, as `keep_test: false` asks".to_owned()),
        };
        let name = data.name();
        ctx.warn(format!(
            "{n} rows of `{name}` are test rows of data that was made before ({}): they {said}",
            self.shown()
        ));
        for (known_by, n_rows) in [("id", self.n_by_id), ("input", self.n_by_input), ("group", self.n_by_group)] {
            if n_rows > 0 {
                let (data, digest) = (name.to_owned(), data.digest().to_string());
                ctx.tell(Event::TestRows { data, digest, n_rows, known_by, became: became.name() });
            }
        }
    }
}

impl Data {
    /// The data set that a script made or loaded. Its rows that the session knows as test rows are test rows here, with the
    /// rest of their groups, and a warning says how many; from now on its own test rows are known.
    pub fn entered(ctx: &Context, source: Source, origin: &Origin) -> Result<Data, DataError> {
        let own = made_as(&source, origin.vault);
        let known = ctx.state::<TestRows>();
        let mut known = known.0.lock().unwrap_or_else(PoisonError::into_inner);
        warn_of_repeats(ctx, &source);
        let mut met = known.met(&source, origin, own);
        // A vault is for good.
        let let_in = if origin.lets_in { met.let_in() } else { 0 };
        let source = if met.n() == let_in { source } else { source.with_held_out(&met.held_out)? };
        let source = match origin.vault {
            Some((size, seed)) => source.with_vault(size, seed)?,
            None => source,
        };
        let data = Data::new(Arc::new(exchanged(ctx, source)));
        known.note_rows(&data, own, origin);
        drop(known);
        for content in origin.content.iter().filter(|_| data.has_truth()) {
            ctx.state::<Sources>().note_sealed(ctx, *content, data.reading("", "", Form::File));
        }
        met.tell(ctx, &data, let_in);
        Ok(data)
    }

    /// Rows of the generated world in the language `world`, which a script drew: their test rows are known from now on, and
    /// `vault` of them are a vault. A group is the word that decides a row, or its text (version 2).
    pub fn generated(self, ctx: &Context, world: Digest, vault: Option<(VaultSize, u64)>) -> Result<Data, DataError> {
        let source = Arc::try_unwrap(self.into_source()).unwrap_or_else(|shared| shared.as_ref().clone());
        let own = made_as(&source, vault);
        let known = ctx.state::<TestRows>();
        let mut known = known.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut met = known.met(&source, &Origin::default(), own);
        met.keep_vault(&source);
        let source = if met.n() == 0 { source } else { source.with_held_out(&met.held_out)? };
        let source = match vault {
            Some((size, seed)) => source.with_vault(size, seed)?,
            None => source,
        };
        let data = Data::new(Arc::new(exchanged(ctx, source)));
        // A pair's group is its prompt or a pool.
        if data.target() == TargetKind::Classes {
            // The sentences with a negation or a `but` ask for the verdict too.
            let question = if data.name() == "world/contrast" { "world/verdict" } else { data.name() };
            known.note_words(ctx, &format!("{question} {world}"), &data);
        }
        known.note_rows(&data, own, &Origin::default());
        drop(known);
        met.tell(ctx, &data, 0);
        Ok(data)
    }
}

/// What tells two ways of making data sets apart: the rows, and whether there is to be a vault.
fn made_as(source: &Source, vault: Option<(VaultSize, u64)>) -> Digest {
    let builder = Digest::of("data/made", 1).digest("source", source.digest);
    match vault {
        Some(vault) => builder.text("vault", &format!("{vault:?}")).finish(),
        None => builder.finish(),
    }
}

impl Known {
    /// Which rows of `source` another data set holds out further than they are here: train rows that are test rows there, train
    /// and test rows that are in a vault there.
    fn met(&self, source: &Source, origin: &Origin, own: Digest) -> Met {
        let brought = !origin.test_ids.is_empty() || !origin.vault_ids.is_empty();
        if self.inputs.is_empty() && !brought {
            return Met::default();
        }
        let mut met = Met { held_out: vec![None; source.rows.len()], ..Met::default() };
        let mut groups: HashMap<u32, Split> = HashMap::new();
        let places = source.identities.iter().zip(&source.group_of).zip(&mut met.held_out);
        for (row, ((input, group), slot)) in source.rows.iter().zip(places) {
            let by_id = self.by_id(row, origin, own).max(brought_as(row, origin));
            let by_input = self.inputs.get(input).and_then(|from| from.in_other(own));
            let Some(split) = by_id.max(by_input).filter(|split| *split > row.split) else { continue };
            if by_id >= by_input {
                met.n_by_id += 1;
            } else {
                met.n_by_input += 1;
            }
            *slot = Some(split);
            let held = groups.entry(*group).or_insert(split);
            *held = (*held).max(split);
        }
        for (row, (slot, group)) in source.rows.iter().zip(met.held_out.iter_mut().zip(&source.group_of)) {
            let split = groups.get(group).copied().filter(|split| slot.is_none() && *split > row.split);
            if split.is_some() {
                *slot = split;
                met.n_by_group += 1;
            }
        }
        met
    }

    fn by_id(&self, row: &Row, origin: &Origin, own: Digest) -> Option<Split> {
        let key = |set: &String| (set.clone(), row.id.clone());
        origin.ids_of.as_ref().and_then(|set| self.ids.get(&key(set))).and_then(|from| from.in_other(own))
    }

    /// Knows the held-out rows of `data`, which was made as `own`, from now on.
    fn note_rows(&mut self, data: &Data, own: Digest, origin: &Origin) {
        let rows = data.source().rows.iter().zip(&data.source().identities);
        for (row, input) in rows.filter(|(row, _)| row.split != Split::Train) {
            let fresh = KnownFrom { source: Some(own), split: row.split };
            let from = self.inputs.entry(*input).or_insert(fresh);
            *from = from.and(own, row.split);
            if let Some(set) = &origin.ids_of {
                let from = self.ids.entry((set.clone(), row.id.clone())).or_insert(fresh);
                *from = from.and(own, row.split);
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
