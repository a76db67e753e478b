//! Rows of version 2: the sentence of a fresh document, train and test alike.
//!
//! A row is drawn as the corpus draws: a document's facts, a kind of sentence by its share, words by their frequencies, adjectives
//! before nouns and second verbs as often as there. What does not show what is asked is drawn again. All splits have one
//! distribution, so a supervisor is as good on the rows that it labels as on the test rows, to sampling. The words that decide are shared by
//! all splits, frequent ones often and rare ones seldom; equal texts are on one side.

use super::grammar::{Facts, Kind, Sentence, Speaker, draw_kind};
use super::lexicon::WordClass;
use super::tasks::{TaskAbout, TaskOptions, TaskRow, decisive, difficulty, facts, text};
use super::{World, WorldError};
use crate::core::random::Random;

/// Sentences that are drawn in search of one that shows what is asked, and lies on the right side, before there is said to be none:
/// arbitrary, far beyond bad luck.
const MAX_DRAWS: usize = 10_000;

/// The rows of a task: the train split first. The classes of each split are balanced to a row; fewer rows are a prefix of more.
pub(super) fn rows(world: &World, about: TaskAbout, options: &TaskOptions) -> Result<Vec<TaskRow>, WorldError> {
    let mut rows = Vec::with_capacity(options.n_train + options.n_test);
    for (is_test, n_rows) in [(false, options.n_train), (true, options.n_test)] {
        let split = if is_test { "test" } else { "train" };
        let mut random = Random::new(options.seed, &format!("world/natural/{}/{split}", about.name));
        let mut class = 0;
        for idx in 0..n_rows {
            // Each two rows hold both classes, in a random order.
            class = if idx.is_multiple_of(2) { random.below(2) } else { 1 - class };
            let (sentence, text) = row(world, about, options, [class, usize::from(is_test)], &mut random)?;
            let difficulty = difficulty(world, about, &sentence);
            let id = format!("{}-{}-{split}-{idx}", about.name, options.seed);
            rows.push(TaskRow { id, group: text.clone(), text, is_test, difficulty, truth: class as u16 });
        }
    }
    Ok(rows)
}

/// A sentence of the class that shows what is asked and belongs to the side, with its text.
fn row<'a>(
    world: &'a World,
    about: TaskAbout,
    options: &TaskOptions,
    [class, side]: [usize; 2],
    random: &mut Random,
) -> Result<(Sentence<'a>, String), WorldError> {
    for _ in 0..MAX_DRAWS {
        let facts = facts(world, about, class, random);
        let kind = draw_kind(&world.options().kinds, random);
        let sentence = sentence(world, kind, facts, random);
        if shows(about, kind, &sentence) {
            let text = text(world, about, &sentence, options.ask);
            if side_of(&text, about.name, options.seed) == side {
                return Ok((sentence, text));
            }
        }
    }
    Err(WorldError::NoSentence { task: about.name })
}

/// A sentence as documents have it.
pub(super) fn sentence<'a>(world: &'a World, kind: Kind, facts: Facts, random: &mut Random) -> Sentence<'a> {
    let options = world.options();
    Speaker {
        lexicon: world.lexicon(),
        tables: world.tables(),
        facts,
        negation: options.negation,
        attributes: options.attributes,
        coordination: options.coordination,
        random,
    }
    .sentence(kind)
}

/// Whether a sentence shows what is asked: it has a word that decides, and for `contrast` a negation or a `but` about it.
pub(super) fn shows(about: TaskAbout, kind: Kind, sentence: &Sentence) -> bool {
    let turned = about.name != "contrast" || kind == Kind::But || sentence.n_negated > 0;
    turned && (about.decided_by == WordClass::Noun || !decisive(about, sentence).is_empty())
}

/// On which side a text is: train 0, test 1. That follows from itself and the seed, a coin for each text, so that no text is on both
/// sides however many rows are drawn, and neither side has other texts than the other would have had.
pub(super) fn side_of(text: &str, task: &str, seed: u64) -> usize {
    Random::new(seed, &format!("world/natural/{task}/side/{text}")).below(2)
}

#[cfg(test)]
mod tests;
