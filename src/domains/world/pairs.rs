//! Pairs: a sentence to begin with and two that may follow it, of which the one with the higher verdict is preferred.

use super::grammar::Facts;
use super::tasks::{Writer, check_counts, test_words};
use super::{Kind, TaskOptions, VERSION, World, WorldError, about};
use crate::core::digest::Digest;
use crate::core::random::Random;

/// How many pairs, and which.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PairOptions {
    /// Which of the adjectives are for testing, and the rows.
    pub seed: u64,
    /// Rows of the train split.
    pub n_train: usize,
    /// Rows of the test split.
    pub n_test: usize,
}

/// As many as of a task.
impl Default for PairOptions {
    fn default() -> Self {
        let TaskOptions { seed, n_train, n_test, .. } = TaskOptions::default();
        PairOptions { seed, n_train, n_test }
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

/// Draws pairs. Each place is the preferred one in half of the rows of each split, to a row. As in tasks, the adjectives of
/// the test split never decide a row of the train split.
pub fn pairs(world: &World, options: &PairOptions) -> Result<PairRows, WorldError> {
    let &PairOptions { seed, n_train, n_test } = options;
    check_counts(n_train, n_test)?;
    let verdict = about("verdict")?;
    let for_test = test_words(world, verdict, seed);
    let task = TaskOptions { seed, n_train, n_test, ask: false };
    let mut rows = Vec::with_capacity(n_train + n_test);
    for (is_test, n_rows) in [(false, n_train), (true, n_test)] {
        let writer = Writer::new(world, verdict, &task, is_test, &for_test);
        if n_rows > 0 && !writer.has_kinds() {
            return Err(WorldError::NoSentence { task: PAIRS });
        }
        let split = if is_test { "test" } else { "train" };
        let mut random = Random::new(seed, &format!("world/{PAIRS}/{split}"));
        let mut preferred = 0;
        for idx in 0..n_rows {
            // Of each two rows one prefers the first continuation, in a random order.
            preferred = if idx.is_multiple_of(2) { random.below(2) } else { 1 - preferred };
            let id = format!("{PAIRS}-{seed}-{split}-{idx}");
            rows.push(pair(world, &writer, id, is_test, seed, preferred, &mut random)?);
        }
    }
    let digest = Digest::of("world/pairs", VERSION)
        .digest("world", world.digest())
        .int("seed", seed as i64)
        .int("n_train", n_train as i64)
        .int("n_test", n_test as i64)
        .finish();
    Ok(PairRows { name: format!("world/{PAIRS}"), rows, digest })
}

fn pair(
    world: &World,
    writer: &Writer,
    id: String,
    is_test: bool,
    seed: u64,
    preferred: usize,
    random: &mut Random,
) -> Result<PairRow, WorldError> {
    for _ in 0..MAX_DRAWS {
        let facts = Facts::draw(random, world.options().n_subjects);
        let opening = writer.sentence(Kind::Act, facts, random);
        let prompt = world.vocabulary().text(&opening.tokens);
        // A prompt's side follows from itself, so that no prompt is on both, however many rows are drawn.
        if (Random::new(seed, &format!("world/{PAIRS}/side/{prompt}")).below(2) == 1) != is_test {
            continue;
        }
        let mut said = |place: usize| {
            let verdict = usize::from(place == preferred);
            writer.said(Facts { verdict, ..facts }, random)
        };
        let sentences = [said(0), said(1)];
        let continuations = [&sentences[0], &sentences[1]].map(|sentence| world.vocabulary().text(&sentence.tokens));
        let [one, two] = [&sentences[0], &sentences[1]].map(|sentence| writer.difficulty_of(sentence));
        if continuations[0] != continuations[1] {
            return Ok(PairRow { id, prompt, continuations, is_test, difficulty: (one + two) / 2.0, preferred });
        }
    }
    Err(WorldError::NoSentence { task: PAIRS })
}
