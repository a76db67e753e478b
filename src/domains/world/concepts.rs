//! Ordered concepts: what a deeper pretraining knows and a shallower one does not, and a task whose rows hold neighbouring ones.
//!
//! Subjects are taken as concepts in an order. A document ([`document`]) is some lines of nouns of two concepts, each concept with a
//! value of its own (the era of its nouns), which holds to the end; so a model makes the value of each concept that its corpus shows a
//! feature, one beside the other. The corpus shows the concepts up to its depth. A row of the task ([`concepts`]) has a level: it holds
//! nouns of the concept of that level and of the next, all of the value that is asked for, and, where there is a habit, one of concept 0,
//! which every depth knows. High levels are rare.
//!
//! A model of depth d answers the levels up to d and falls back on the habit above, or guesses. Labels of level d are right and show
//! concept d + 1 too: a student that knows it can learn it there, and no concept beyond. From level d + 1 on labels are not about what is
//! asked, and a student that knows the concepts of those rows has more features with which to learn these labels by heart.
//!
//! This stands for chess in Burns et al. (2023): a right answer needs insight of some depth, and who lacks it plays what often works.

use super::grammar::Tables;
use super::lexicon::{ERAS, Lexicon, WordClass};
use super::options::WorldOptions;
use super::tasks::{TaskRow, TaskRows, check_counts};
use super::{VERSION, World, WorldError};
use crate::core::digest::Digest;
use crate::core::math::pow;
use crate::core::random::Random;

/// How many rows, and which.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ConceptOptions {
    /// The rows.
    pub seed: u64,
    /// Rows of the train split.
    pub n_train: usize,
    /// Rows of the test split.
    pub n_test: usize,
    /// Each level is as frequent as this share of the level below it; 1: all alike.
    pub share: f64,
    /// Nouns of the level's own concept and of the next one in a row.
    pub n_own: usize,
    pub n_next: usize,
    /// Probability that the noun of concept 0 has the answer's value. `None`: rows have no such noun.
    pub habit: Option<f64>,
}

/// What `world::concepts` calls its rows after `world/`.
pub const CONCEPTS: &str = "concepts";
/// Nouns of a line of a document: arbitrary, some more than a row has.
const PER_LINE: usize = 4;
/// Concepts of a document: with more of them each is shown less often, and is learned later.
const PER_DOCUMENT: usize = 2;
/// The most nouns of a concept in a row: arbitrary, as many as a line of a document has.
const MAX_NOUNS: usize = PER_LINE;
/// Rows that are drawn in search of one on the right side: arbitrary, far beyond bad luck.
const MAX_DRAWS: usize = 10_000;

/// A document of a corpus of this depth: lines of nouns of two concepts out of 0 to `depth`.
pub fn document(
    lexicon: &Lexicon,
    options: &WorldOptions,
    tables: &Tables,
    depth: usize,
    random: &mut Random,
) -> Vec<u32> {
    let order = random.permutation(depth + 1);
    let shown = order.get(..PER_DOCUMENT).unwrap_or(&order);
    let first = random.below(2);
    let values: Vec<usize> = shown.iter().map(|_| if options.one_concept { first } else { random.below(2) }).collect();
    let n_lines = options.min_sentences + random.below(options.max_sentences - options.min_sentences + 1);
    let mut tokens = Vec::new();
    for _ in 0..n_lines {
        for _ in 0..PER_LINE {
            let at = random.below(shown.len());
            if let (Some(concept), Some(value)) = (shown.get(at), values.get(at)) {
                tokens.extend(noun(lexicon, tables, *concept, *value, random));
            }
        }
        tokens.push(Lexicon::STOP);
    }
    tokens
}

fn noun(lexicon: &Lexicon, tables: &Tables, concept: usize, value: usize, random: &mut Random) -> Option<u32> {
    tables.draw(lexicon, WordClass::Noun, concept, value, random).map(|word| word.token)
}

/// Draws the rows: the train split first, the levels by their shares, classes balanced within each. Equal texts are on one side.
///
/// `difficulty` is the level over the number of levels, which are 1 to `n_subjects` − 2.
pub fn concepts(world: &World, options: &ConceptOptions) -> Result<TaskRows, WorldError> {
    let &ConceptOptions { seed, n_train, n_test, share, n_own, n_next, habit } = options;
    check_counts(n_train, n_test)?;
    if let Some(value) = habit.filter(|habit| !(0.0..=1.0).contains(habit)) {
        return Err(WorldError::Real { name: "habit", value, least: 0.0, most: 1.0 });
    }
    if !(0.01..=1.0).contains(&share) {
        return Err(WorldError::Real { name: "share", value: share, least: 0.01, most: 1.0 });
    }
    for (name, value) in [("n_own", n_own), ("n_next", n_next)] {
        if !(1..=MAX_NOUNS).contains(&value) {
            return Err(WorldError::Count { name, value, least: 1, most: MAX_NOUNS });
        }
    }
    let n_levels = world.options().n_subjects.saturating_sub(2);
    if n_levels == 0 {
        return Err(WorldError::Count { name: "n_subjects", value: world.options().n_subjects, least: 4, most: 8 });
    }
    let weights: Vec<f64> = (0..n_levels).map(|level| pow(share, level as f64)).collect();
    let mut rows = Vec::with_capacity(n_train + n_test);
    for (is_test, n_rows) in [(false, n_train), (true, n_test)] {
        let split = if is_test { "test" } else { "train" };
        let mut random = Random::new(seed, &format!("world/{CONCEPTS}/{split}"));
        let (mut class, mut level) = (0, 1);
        for idx in 0..n_rows {
            // Each two rows hold both classes, in a random order, and are of one level.
            class = if idx.is_multiple_of(2) { random.below(2) } else { 1 - class };
            if idx.is_multiple_of(2) {
                level = 1 + drawn_level(&weights, &mut random);
            }
            let text = row(world, options, [level, class, usize::from(is_test)], &mut random)?;
            rows.push(TaskRow {
                id: format!("{CONCEPTS}-{seed}-{split}-{idx}"),
                group: text.clone(),
                text,
                is_test,
                difficulty: level as f32 / n_levels as f32,
                truth: class as u16,
            });
        }
    }
    let digest = Digest::of("world/concepts", VERSION)
        .digest("world", world.digest())
        .int("seed", seed as i64)
        .int("n_train", n_train as i64)
        .int("n_test", n_test as i64)
        .float("share", share)
        .int("n_own", n_own as i64)
        .int("n_next", n_next as i64)
        .float("habit", habit.unwrap_or(-1.0))
        .finish();
    let classes = ERAS.map(str::to_owned).to_vec();
    Ok(TaskRows { name: format!("world/{CONCEPTS}"), classes, rows, digest })
}

/// A level from 0 on, by its weight.
fn drawn_level(weights: &[f64], random: &mut Random) -> usize {
    let mut left = random.uniform() * weights.iter().sum::<f64>();
    for (level, weight) in weights.iter().enumerate() {
        if left < *weight {
            return level;
        }
        left -= weight;
    }
    weights.len().saturating_sub(1)
}

/// The text of a row: nouns of the level's two concepts and of the habit in a random order.
fn row(
    world: &World,
    options: &ConceptOptions,
    [level, class, side]: [usize; 3],
    random: &mut Random,
) -> Result<String, WorldError> {
    for _ in 0..MAX_DRAWS {
        let mut tokens = Vec::new();
        for (concept, n_nouns) in [(level, options.n_own), (level + 1, options.n_next)] {
            for _ in 0..n_nouns {
                tokens.extend(noun(world.lexicon(), world.tables(), concept, class, random));
            }
        }
        if let Some(share) = options.habit {
            let value = if random.uniform() < share { class } else { 1 - class };
            tokens.extend(noun(world.lexicon(), world.tables(), 0, value, random));
        }
        random.shuffle(&mut tokens);
        tokens.push(Lexicon::STOP);
        let text = world.vocabulary().text(&tokens);
        if Random::new(options.seed, &format!("world/{CONCEPTS}/side/{text}")).below(2) == side {
            return Ok(text);
        }
    }
    Err(WorldError::NoSentence { task: CONCEPTS })
}

#[cfg(test)]
mod tests;
