//! Pairs: a sentence to begin with and two that may follow it, of which the one with the higher verdict, or with the higher golden reward
//! of several properties, is preferred.

use super::grammar::Facts;
use super::tasks::{Writer, check_counts, test_words};
use super::{GoldenReward, Kind, N_PROPERTIES, Sentence, TaskOptions, VERSION, WordClass, World, WorldError, about};
use crate::core::digest::Digest;
use crate::core::random::Random;
use std::collections::{BTreeMap, BTreeSet};

/// How many pairs, and which.
#[derive(Debug, Clone, Copy, PartialEq)]
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
    /// What is preferred; without it the higher verdict, in sentences of all kinds that judge. With it the continuations are of the kind
    /// [`Kind::That`], which shows every property, and each property of each is drawn evenly.
    pub golden: Option<GoldenReward>,
}

/// As many as of a task.
impl Default for PairOptions {
    fn default() -> Self {
        let TaskOptions { seed, n_train, n_test, .. } = TaskOptions::default();
        PairOptions { seed, n_train, n_test, pools: 1, golden: None }
    }
}

/// One pair with its truth; whoever makes a data set of it seals the truth.
#[derive(Debug, Clone, PartialEq)]
pub struct PairRow {
    pub id: String,
    /// A sentence without a judgement. Prompts of one split are none of the other.
    pub prompt: String,
    /// Two sentences about the same subject and in the same register as the prompt. One judges high, one low, in the same mood and era; or they differ in
    /// properties.
    pub continuations: [String; 2],
    /// The prompt, or the pool of words.
    pub group: String,
    pub is_test: bool,
    /// The mean of the two sentences' difficulties.
    pub difficulty: f32,
    /// The place of the continuation that is preferred.
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
    let &PairOptions { seed, n_train, n_test, pools, golden } = options;
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
        if n_rows > 0 && golden.is_none() && !writers.iter().all(Writer::has_kinds) {
            return Err(WorldError::NoSentence { task: PAIRS });
        }
        let split = if is_test { "test" } else { "train" };
        let (by, called) = if golden.is_some() { ("/properties", "properties") } else { ("", PAIRS) };
        let mut random = Random::new(seed, &format!("world/{PAIRS}{by}/{split}"));
        let mut preferred = 0;
        for idx in 0..n_rows {
            // Of each two rows one prefers the first continuation, in a random order; both are of one pool.
            preferred = if idx.is_multiple_of(2) { random.below(2) } else { 1 - preferred };
            let pool = idx / 2 % writers.len().max(1);
            let Some(writer) = writers.get(pool) else { continue };
            let side = Side { world, writer, options, is_test, pool };
            rows.push(side.pair(format!("{called}-{seed}-{split}-{idx}"), preferred, &mut random)?);
        }
    }
    let mut digest = Digest::of("world/pairs", VERSION)
        .digest("world", world.digest())
        .int("seed", seed as i64)
        .int("n_train", n_train as i64)
        .int("n_test", n_test as i64)
        .int("pools", pools as i64);
    // Pairs of before there were properties keep their names.
    if let Some(golden) = golden {
        for weight in golden.weights {
            digest = digest.float("weight", weight);
        }
        digest = digest.int("decides", golden.decides.map_or(-1, |at| at as i64));
    }
    Ok(PairRows { name: format!("world/{PAIRS}"), rows, digest: digest.finish() })
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
            let sentences = match self.options.golden {
                None => {
                    let mut said = |place: usize| {
                        let verdict = usize::from(place == preferred);
                        writer.said(Facts { verdict, ..facts }, random)
                    };
                    [said(0), said(1)]
                }
                Some(golden) => {
                    let [better, worse] = wanted(&golden, random);
                    let both = if preferred == 0 { [better, worse] } else { [worse, better] };
                    let [one, two] = both.map(|properties| self.with(properties, facts, random));
                    [one?, two?]
                }
            };
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

    /// A sentence with these properties, about the subject and in the register of `facts`.
    fn with(&self, wanted: [f64; N_PROPERTIES], facts: Facts, random: &mut Random) -> Result<Sentence<'_>, WorldError> {
        let [verdict, calm, old, ..] = wanted.map(|value| usize::from(value > 0.0));
        let facts = Facts { verdict, mood: 1 - calm, era: old, ..facts };
        for _ in 0..MAX_DRAWS {
            let sentence = self.writer.sentence(Kind::That, facts, random);
            if self.world.properties(&self.world.vocabulary().text(&sentence.tokens)) == wanted {
                return Ok(sentence);
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

/// The properties of the preferred continuation and of the other one: each drawn evenly, until the rewards differ; where one decides it is
/// the only one that differs.
fn wanted(golden: &GoldenReward, random: &mut Random) -> [[f64; N_PROPERTIES]; 2] {
    let mut drawn = || [(); N_PROPERTIES].map(|()| if random.below(2) == 0 { 1.0 } else { -1.0 });
    loop {
        let (one, other) = (drawn(), drawn());
        let differs = |at: usize| one.get(at) != other.get(at);
        let fits = golden.decides.is_none_or(|decides| (0..N_PROPERTIES).all(|at| differs(at) == (at == decides)));
        let (first, second) = (golden.of(&one), golden.of(&other));
        if fits && first != second {
            return if first > second { [one, other] } else { [other, one] };
        }
    }
}
