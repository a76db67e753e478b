//! Which rows a session knows as test rows, so that they stay test rows in data sets that are made later.
//!
//! A row is known by its id within its data set, by the ids that a frame of test rows brings along, or by what a model reads of
//! it ([`super::same::identity`]). It is known from the moment at which a data set with it was made: what a script did before is not undone.
//! A script that takes a text apart and drops its id makes another row of it, which nothing here knows.
//!
//! Where the program drew the split, another seed is another draw: each is a split of its own, and what is a test row in one may be a
//! train row in the next, on the record. A model that was trained on it does not predict it as a test row then (`train::trained`).
//!
//! Cells of a sweep do not know each other's test rows ([`TestRows::apart`]): so their order, and the process that runs them, change nothing.
//!
//! Rows of the generated world are never moved. Another seed of version 1 keeps other words for testing: where the words that decide
//! train rows decide test rows of an earlier data set, that is told. In version 2 words are shared by all splits, so there the same
//! is told of whole texts.

use super::read::Records;
use super::same::identity;
use super::vault::{ExchangedTruth, exchanged};
use super::{Data, DataError, Row, Source, Split, TargetKind, VaultSize};
use crate::core::context::{Context, DryRun, Event, Form};
use crate::core::digest::Digest;
use crate::frames::Sources;
use hashbrown::HashTable;
use hashbrown::hash_table::Entry;
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
    /// Whether the program drew which rows are test rows, and for which share of them.
    pub drawn: Option<f64>,
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
            drawn: None,
            content: records.content.clone(),
            vault: None,
        }
    }

    /// The same for all draws of a split of these rows, if the program draws it.
    fn draw(&self, source: &Source) -> Option<Digest> {
        let builder = Digest::of("data/draw", 1).float("test_share", self.drawn?);
        let builder = builder.text("ids_of", self.ids_of.as_deref().unwrap_or_default());
        // Rows of no file and no named set are known by what they are.
        let named = match (&self.ids_of, self.content.is_empty()) {
            (None, true) => source.rows.iter().fold(builder, |builder, row| builder.digest("of", identity(&row.input))),
            _ => self.content.iter().fold(builder, |builder, digest| builder.digest("of", *digest)),
        };
        Some(named.finish())
    }
}

/// The test rows of a session, kept by its context.
#[derive(Default)]
pub struct TestRows(Mutex<Known>);

#[derive(Default)]
struct Known {
    /// By what a model reads.
    inputs: Rows,
    /// By data set and id, as [`known_as`] has them.
    ids: Rows,
    /// The words that decide test rows and those that decide train rows, by question and language: of each data set.
    words: HashMap<String, Vec<Words>>,
    /// How many cells, one in the other, are at work, and what each change of theirs replaced.
    depth: usize,
    log: Vec<Undo>,
}

/// Rows by a digest, whose first bytes are its place: of a row of which these are not here, the whole is not made.
#[derive(Default)]
struct Rows(HashTable<(Digest, Arc<KnownFrom>)>);

impl Rows {
    fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Makes room for so many more.
    fn reserve(&mut self, n: usize) {
        self.0.reserve(n, |(held, _)| held.brief());
    }

    fn get(&self, brief: u64, whole: impl FnOnce() -> Digest) -> Option<&Arc<KnownFrom>> {
        let whole = std::cell::LazyCell::new(whole);
        let found = self.0.find(brief, |(held, _)| held.brief() == brief && *held == *whole);
        found.map(|(_, from)| from)
    }

    fn insert(&mut self, digest: Digest, from: Arc<KnownFrom>) -> Option<Arc<KnownFrom>> {
        match self.0.entry(digest.brief(), |(held, _)| *held == digest, |(held, _)| held.brief()) {
            Entry::Occupied(mut found) => Some(std::mem::replace(&mut found.get_mut().1, from)),
            Entry::Vacant(place) => {
                place.insert((digest, from));
                None
            }
        }
    }

    fn remove(&mut self, digest: &Digest) -> Option<Arc<KnownFrom>> {
        let found = self.0.find_entry(digest.brief(), |(held, _)| held == digest).ok()?;
        Some(found.remove().0.1)
    }
}

/// What a change replaced.
enum Undo {
    Input(Digest, Option<Arc<KnownFrom>>),
    Id(Digest, Option<Arc<KnownFrom>>),
    Words(String),
}

/// What a cell of a sweep came to know.
#[derive(Default)]
pub struct Learned(Vec<Lesson>);

enum Lesson {
    Input(Digest, Arc<KnownFrom>),
    Id(Digest, Arc<KnownFrom>),
    Words(String, Words),
}

impl TestRows {
    /// Runs something that knows the test rows of before, and of which the session knows nothing afterwards, but by
    /// [`TestRows::learn`].
    pub fn apart<T>(&self, run: impl FnOnce() -> T) -> (T, Learned) {
        let lock = || self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mark = lock().begin();
        let outcome = run();
        let learned = lock().undo(mark);
        (outcome, learned)
    }

    /// Knows what a cell came to know.
    pub fn learn(&self, learned: Learned) {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for lesson in learned.0 {
            match lesson {
                Lesson::Input(input, from) => known.note_input(input, from),
                Lesson::Id(id, from) => known.note_id(id, from),
                Lesson::Words(of, words) => known.add_words(&of, words),
            }
        }
    }
}

/// A row that is known as a test or vault row: of which data set, if it is of one alone. Who was ever in a vault stays there.
#[derive(Clone, Copy, PartialEq)]
struct KnownFrom {
    source: Option<Digest>,
    /// The draws of which the data sets are, if it is the same for all.
    draw: Option<Digest>,
    split: Split,
}

impl KnownFrom {
    fn and(self, other: KnownFrom) -> KnownFrom {
        KnownFrom {
            source: self.source.filter(|held| Some(*held) == other.source),
            draw: self.draw.filter(|held| Some(*held) == other.draw),
            split: self.split.max(other.split),
        }
    }

    /// On which side another data set than `own` has the row, if one has: not where only other draws of the same rows have it
    /// among their test rows.
    fn in_other(self, own: KnownFrom) -> Option<Split> {
        (self.source != own.source && !self.is_redrawn(own)).then_some(self.split)
    }

    /// Whether it is a test row of other draws alone.
    fn is_redrawn(self, own: KnownFrom) -> bool {
        self.source != own.source && self.draw.is_some() && self.draw == own.draw && self.split == Split::Test
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
    held.into_iter().find(|(_, ids)| ids.contains(&*row.id)).map(|(split, _)| split)
}

/// How many rows are held out elsewhere, by what they are known, and where each belongs.
#[derive(Default)]
struct Met {
    held_out: Vec<Option<Split>>,
    n_by_id: usize,
    n_by_input: usize,
    n_by_group: usize,
    /// Train rows that are test rows of another draw, and stay train rows.
    n_redrawn: usize,
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

    /// Lets the rows in that are not vault rows; how many.
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
        let (n, name) = (self.n(), data.name());
        if self.n_redrawn > 0 {
            let (data, digest) = (name.to_owned(), data.digest().to_string());
            let became = Split::Train.name();
            ctx.tell(Event::TestRows { data, digest, n_rows: self.n_redrawn, known_by: "seed", became });
        }
        if n == 0 {
            return;
        }
        let (became, said) = match (let_in, self.held_out.iter().flatten().max()) {
            (0, Some(split)) => (*split, format!("become {} rows here", split.name())),
            (0, None) => (Split::Test, "become test rows here".to_owned()),
            (_, _) => (Split::Train, "stay train rows, as `keep_test: false` asks".to_owned()),
        };
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
        let source = Source { draw: origin.draw(&source), ..source };
        let own = made_as(&source, origin.vault);
        let known = ctx.state::<TestRows>();
        let mut known = known.0.lock().unwrap_or_else(PoisonError::into_inner);
        warn_of_repeats(ctx, &source);
        warn_of_alike_classes(ctx, &source);
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

    /// Rows of the generated world, which a script drew: their test rows are known from now on, and `vault` of them are a vault.
    ///
    /// `words_of` is the language whose words are the groups of rows: each decides its rows, and where it decides train rows here and test rows of another
    /// draw the record says so. `None` where a group is the text of a row, as in version 2: equal texts are known as equal inputs.
    pub fn generated(
        self,
        ctx: &Context,
        words_of: Option<Digest>,
        vault: Option<(VaultSize, u64)>,
    ) -> Result<Data, DataError> {
        let source = self.into_source();
        let own = made_as(&source, vault);
        let known = ctx.state::<TestRows>();
        let mut known = known.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut met = known.met(&source, &Origin::default(), own);
        met.keep_vault(&source);
        let data = if met.n() == 0 && vault.is_none() && ctx.extension::<ExchangedTruth>().is_none() {
            // As it was drawn, and shared with whoever draws it again.
            Data::new(source)
        } else {
            let source = Arc::try_unwrap(source).unwrap_or_else(|shared| shared.as_ref().clone());
            let source = if met.n() == 0 { source } else { source.with_held_out(&met.held_out)? };
            let source = match vault {
                Some((size, seed)) => source.with_vault(size, seed)?,
                None => source,
            };
            Data::new(Arc::new(exchanged(ctx, source)))
        };
        // A pair's group is its prompt or a pool.
        if let (Some(world), TargetKind::Classes) = (words_of, data.target()) {
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

/// What a row is known by that has this id in this set.
fn known_as(set: &str, id: &str) -> Digest {
    Digest::of("data/known", 1).text("set", set).text("id", id).finish()
}

/// What is known of a row after `fresh`.
fn both(before: Option<&Arc<KnownFrom>>, fresh: Arc<KnownFrom>) -> Arc<KnownFrom> {
    match before {
        None => fresh,
        Some(before) if **before == *fresh => fresh,
        Some(before) => Arc::new(before.and(*fresh)),
    }
}

/// What tells two ways of making data sets apart: the rows, and whether there is to be a vault. Of a test row of theirs.
fn made_as(source: &Source, vault: Option<(VaultSize, u64)>) -> KnownFrom {
    let builder = Digest::of("data/made", 1).digest("source", source.digest);
    let made = match vault {
        Some(vault) => builder.text("vault", &format!("{vault:?}")).finish(),
        None => builder.finish(),
    };
    KnownFrom { source: Some(made), draw: source.draw, split: Split::Test }
}

impl Known {
    /// Which rows of `source` another data set holds out further than they are here: train rows that are test rows there, train
    /// and test rows that are in a vault there.
    fn met(&self, source: &Source, origin: &Origin, own: KnownFrom) -> Met {
        let brought = !origin.test_ids.is_empty() || !origin.vault_ids.is_empty();
        if self.inputs.is_empty() && !brought {
            return Met::default();
        }
        let mut met = Met { held_out: vec![None; source.rows.len()], ..Met::default() };
        let mut groups: HashMap<u32, Split> = HashMap::new();
        let places = source.identities.iter().zip(&source.group_of).zip(&mut met.held_out);
        for (row, ((brief, group), slot)) in source.rows.iter().zip(places) {
            let known_id = self.known_id(row, origin).map(|from| **from);
            let by_id = known_id.and_then(|from| from.in_other(own)).max(brought_as(row, origin));
            let known_input = self.inputs.get(*brief, || identity(&row.input)).map(|from| **from);
            let by_input = known_input.and_then(|from| from.in_other(own));
            let mut redrawn = [known_id, known_input].into_iter().flatten().map(|from| from.is_redrawn(own));
            if row.split == Split::Train && by_id.max(by_input).is_none() && redrawn.any(|is| is) {
                met.n_redrawn += 1;
            }
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

    fn known_id(&self, row: &Row, origin: &Origin) -> Option<&Arc<KnownFrom>> {
        let id = known_as(origin.ids_of.as_ref()?, &row.id);
        self.ids.get(id.brief(), || id)
    }

    /// Knows the held-out rows of `data`, which was made as `own`, from now on.
    fn note_rows(&mut self, data: &Data, own: KnownFrom, origin: &Origin) {
        let held_out = || data.source().rows.iter().filter(|row| row.split != Split::Train);
        let n = held_out().count();
        self.inputs.reserve(n);
        self.ids.reserve(if origin.ids_of.is_some() { n } else { 0 });
        let [in_test, in_vault] = [Split::Test, Split::Vault].map(|split| Arc::new(KnownFrom { split, ..own }));
        for row in held_out() {
            let fresh = if row.split == Split::Vault { &in_vault } else { &in_test };
            self.note_input(identity(&row.input), fresh.clone());
            if let Some(set) = &origin.ids_of {
                self.note_id(known_as(set, &row.id), fresh.clone());
            }
        }
    }

    fn note_input(&mut self, input: Digest, fresh: Arc<KnownFrom>) {
        let before = self.inputs.get(input.brief(), || input).cloned();
        self.inputs.insert(input, both(before.as_ref(), fresh));
        if self.depth > 0 {
            self.log.push(Undo::Input(input, before));
        }
    }

    fn note_id(&mut self, id: Digest, fresh: Arc<KnownFrom>) {
        let before = self.ids.get(id.brief(), || id).cloned();
        self.ids.insert(id, both(before.as_ref(), fresh));
        if self.depth > 0 {
            self.log.push(Undo::Id(id, before));
        }
    }

    fn add_words(&mut self, of: &str, words: Words) {
        let held = self.words.entry(of.to_owned()).or_default();
        if held.iter().any(|other| other.source == words.source) {
            return;
        }
        held.push(words);
        if self.depth > 0 {
            self.log.push(Undo::Words(of.to_owned()));
        }
    }

    /// From here on changes can be undone; how many there were.
    fn begin(&mut self) -> usize {
        self.depth += 1;
        self.log.len()
    }

    /// Undoes the changes since `mark`, which are the answer.
    fn undo(&mut self, mark: usize) -> Learned {
        let mut learned = Learned::default();
        for undo in self.log.split_off(mark.min(self.log.len())).into_iter().rev() {
            match undo {
                Undo::Input(input, before) => {
                    let now = match before {
                        Some(before) => self.inputs.insert(input, before),
                        None => self.inputs.remove(&input),
                    };
                    learned.0.extend(now.map(|now| Lesson::Input(input, now)));
                }
                Undo::Id(id, before) => {
                    let now = match before {
                        Some(before) => self.ids.insert(id, before),
                        None => self.ids.remove(&id),
                    };
                    learned.0.extend(now.map(|now| Lesson::Id(id, now)));
                }
                Undo::Words(of) => {
                    let words = self.words.get_mut(&of).and_then(Vec::pop);
                    learned.0.extend(words.map(|words| Lesson::Words(of, words)));
                }
            }
        }
        self.depth = self.depth.saturating_sub(1);
        learned
    }

    /// Tells where words that decide train rows of one data set decide test rows of another one.
    fn note_words(&mut self, ctx: &Context, words_of: &str, data: &Data) {
        let held = self.words.entry(words_of.to_owned()).or_default();
        let mut test = HashMap::new();
        for row in data.rows().filter(|row| row.split != Split::Train) {
            *test.entry(row.group.to_string()).or_insert(0) += 1;
        }
        let train = data.rows().filter(|row| row.split == Split::Train).map(|row| row.group.to_string()).collect();
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
            self.add_words(words_of, here);
        }
    }
}

/// Warns of classes whose names differ in case, in spaces or in how a number is written: one class was probably meant.
fn warn_of_alike_classes(ctx: &Context, source: &Source) {
    let plain = |name: &str| {
        let plain = name.trim().to_lowercase();
        plain.parse::<f64>().map(|number| number.to_string()).unwrap_or(plain)
    };
    let mut seen: HashMap<String, &str> = HashMap::new();
    for class in &source.classes {
        if let Some(other) = seen.insert(plain(class), class) {
            let name = &source.name;
            ctx.warn(format!(
                "`{name}` has the classes `{other}` and `{class}`: where one is meant, write it in one way"
            ));
        }
    }
}

/// Warns where a data set that states its own split has the same input in train and in test.
fn warn_of_repeats(ctx: &Context, source: &Source) {
    let side = |is_train: bool| {
        let rows = source.rows.iter().zip(&source.identities);
        rows.filter(move |(row, _)| (row.split == Split::Train) == is_train)
    };
    // First by the first bytes, which are equal of few rows.
    let test: HashSet<u64> = side(false).map(|(_, brief)| *brief).collect();
    let alike = side(true).filter(|(_, brief)| test.contains(brief));
    let seen: HashMap<Digest, u64> = alike.map(|(row, brief)| (identity(&row.input), *brief)).collect();
    let briefs: HashSet<u64> = seen.values().copied().collect();
    let repeated = |(row, brief): &(&Row, &u64)| briefs.contains(brief) && seen.contains_key(&identity(&row.input));
    let n = side(false).filter(repeated).count();
    if n > 0 {
        let name = &source.name;
        ctx.warn(format!(
            "{n} test rows of `{name}` have the same input as a train row, in the split that its rows state"
        ));
    }
}
