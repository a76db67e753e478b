//! Pairs: a sentence to begin with and two that may follow it, of which the one with the higher verdict is preferred.

use super::grammar::Facts;
use super::tasks::{Writer, check_counts, test_words};
use super::{Kind, TaskOptions, VERSION, WordClass, World, WorldError, about};
use crate::core::digest::Digest;
use crate::core::random::Random;
use std::collections::{BTreeMap, BTreeSet};

/// How many pairs, and which.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PairOptions {
    /// Which of the adjectives are for testing, and the rows.
    pub seed: u64,
    /// Rows of the train split.
    pub n_train: usize,
    /// Rows of the test split.
    pub n_test: usize,
    /// Into so many pools the train split's adjectives and prompts are cut. With 1 a row's group is its prompt, and from version 2
    /// of the world on the test split has the same adjectives. With more the pools are the groups, so that a supervisor who
    /// learns words by heart knows none of the words that it labels, and the test split has adjectives of its own.
    pub pools: usize,
}

/// As many as of a task.
impl Default for PairOptions {
    fn default() -> Self {
        let TaskOptions { seed, n_train, n_test, .. } = TaskOptions::default();
        PairOptions { seed, n_train, n_test, pools: 1 }
    }
}

/// One pair with its truth; whoever makes a data set of it seals the truth.
#[derive(Debug, Clone, PartialEq)]
pub struct PairRow {
    pub id: String,
    /// A sentence without a judgement. Prompts of one split are none of the other.
    pub prompt: String,
    /// Two sentences about the same subject, in the same mood, era and register as the prompt: one judges high, one low.
    pub continuations: [String; 2],
    /// The prompt, or the pool of words.
    pub group: String,
    pub is_test: bool,
    /// The mean of the two sentences' difficulties.
    pub difficulty: f32,
    /// The place of the continuation that judges high.
    pub preferred: usize,
}

/// The pairs of a world: the train split first.
#[derive(Debug, Clone, PartialEq)]
pub struct PairRows {
    /// `world/preference`.
    pub name: String,
    pub rows: Vec<PairRow>,
    /// Of world and options.
    pub digest: Digest,
}

/// What `data::load` calls them after `world/`.
pub const PAIRS: &str = "preference";

/// Sentences that are drawn in search of a prompt before there is said to be none: arbitrary, far beyond bad luck.
const MAX_DRAWS: usize = 10_000;

/// Draws pairs. Each place is the preferred one in half of the rows of each split, to a row. In version 1, and with pools, the
/// adjectives of the test split never decide a row of the train split.
pub fn pairs(world: &World, options: &PairOptions) -> Result<PairRows, WorldError> {
    let &PairOptions { seed, n_train, n_test, pools } = options;
    check_counts(n_train, n_test)?;
    let verdict = about("verdict")?;
    // From version 2 on, words are kept apart only where pools are asked for.
    let are_apart = world.options().version == 1 || pools > 1;
    let for_test = if are_apart { test_words(world, verdict, seed) } else { BTreeSet::new() };
    let task = TaskOptions { seed, n_train, n_test, ask: false };
    let train_side = other_words(world, &for_test, pools, seed)?;
    let mut rows = Vec::with_capacity(n_train + n_test);
    for (is_test, n_rows) in [(false, n_train), (true, n_test)] {
        let sides = if is_test { std::slice::from_ref(&for_test) } else { &train_side };
        let writers: Vec<Writer> = sides
            .iter()
            .map(|others| Writer::new(world, verdict, &task, is_test, are_apart.then_some(others)))
            .collect();
        if n_rows > 0 && !writers.iter().all(Writer::has_kinds) {
            return Err(WorldError::NoSentence { task: PAIRS });
        }
        let split = if is_test { "test" } else { "train" };
        let mut random = Random::new(seed, &format!("world/{PAIRS}/{split}"));
        let mut preferred = 0;
        for idx in 0..n_rows {
            // Of each two rows one prefers the first continuation, in a random order; both are of one pool.
            preferred = if idx.is_multiple_of(2) { random.below(2) } else { 1 - preferred };
            let pool = idx / 2 % writers.len().max(1);
            let Some(writer) = writers.get(pool) else { continue };
            let side = Side { world, writer, options, is_test, pool };
            rows.push(side.pair(format!("{PAIRS}-{seed}-{split}-{idx}"), preferred, &mut random)?);
        }
    }
    let digest = Digest::of("world/pairs", VERSION)
        .digest("world", world.digest())
        .int("seed", seed as i64)
        .int("n_train", n_train as i64)
        .int("n_test", n_test as i64)
        .int("pools", pools as i64)
        .finish();
    Ok(PairRows { name: format!("world/{PAIRS}"), rows, digest })
}

/// For each pool of the train split the adjectives that are not its own. Of so many neighbours in rank, in each cell of subject
/// and value, each goes to another pool, so that all have frequent and rare words alike.
fn other_words(
    world: &World,
    for_test: &BTreeSet<u32>,
    pools: usize,
    seed: u64,
) -> Result<Vec<BTreeSet<u32>>, WorldError> {
    let mut cells: BTreeMap<(Option<usize>, usize), Vec<u32>> = BTreeMap::new();
    for word in world.lexicon().words(WordClass::Adjective) {
        if !for_test.contains(&word.token) {
            cells.entry((word.subject, word.value)).or_default().push(word.token);
        }
    }
    let most = cells.values().map(Vec::len).min().unwrap_or(1);
    if !(1..=most).contains(&pools) {
        return Err(WorldError::Count { name: "pools", value: pools, least: 1, most });
    }
    let mut random = Random::new(seed, &format!("world/{PAIRS}/pools"));
    let mut others = vec![for_test.clone(); pools];
    for neighbours in cells.values().flat_map(|cell| cell.chunks(pools)) {
        for (token, own) in neighbours.iter().zip(random.permutation(pools)) {
            let elsewhere = others.iter_mut().enumerate().filter(|(pool, _)| *pool != own);
            elsewhere.for_each(|(_, others)| {
                others.insert(*token);
            });
        }
    }
    Ok(others)
}

/// What the pairs of one split and pool have in common.
struct Side<'a> {
    world: &'a World,
    writer: &'a Writer<'a>,
    options: &'a PairOptions,
    is_test: bool,
    pool: usize,
}

impl Side<'_> {
    fn pair(&self, id: String, preferred: usize, random: &mut Random) -> Result<PairRow, WorldError> {
        let &Side { world, writer, is_test, .. } = self;
        for _ in 0..MAX_DRAWS {
            let facts = Facts::draw(random, world.options().n_subjects);
            let prompt = world.vocabulary().text(&writer.sentence(Kind::Act, facts, random).tokens);
            if !self.has(&prompt) {
                continue;
            }
            let mut said = |place: usize| {
                let verdict = usize::from(place == preferred);
                writer.said(Facts { verdict, ..facts }, random)
            };
            let sentences = [said(0), said(1)];
            let continuations = sentences.each_ref().map(|sentence| world.vocabulary().text(&sentence.tokens));
            let [one, two] = sentences.each_ref().map(|sentence| writer.difficulty_of(sentence));
            if continuations[0] != continuations[1] {
                let of_pool = !is_test && self.options.pools > 1;
                let group = if of_pool { format!("words-{}", self.pool) } else { prompt.clone() };
                let difficulty = (one + two) / 2.0;
                return Ok(PairRow { id, prompt, continuations, group, is_test, difficulty, preferred });
            }
        }
        Err(WorldError::NoSentence { task: PAIRS })
    }

    /// Whether a prompt belongs here. That follows from itself, so that no prompt is in two places, however many rows are drawn.
    fn has(&self, prompt: &str) -> bool {
        let PairOptions { seed, pools, .. } = self.options;
        let mut random = Random::new(*seed, &format!("world/{PAIRS}/side/{prompt}"));
        let is_test = random.below(2) == 1;
        is_test == self.is_test && (is_test || random.below(*pools) == self.pool)
    }
}
