//! Episodes: documents of worked examples.
//!
//! In other documents every variable holds to the end, so worked examples with mixed answers contradict what a model was pretrained
//! on. An episode is what a few-shot prompt looks like: sentences of unrelated documents, each followed by the same question and its
//! own answer.

use super::grammar::{Facts, Line, Speaker, Tables, draw_kind, said};
use super::lexicon::{Lexicon, QUESTIONS};
use super::natural::shows;
use super::options::WorldOptions;
use super::tasks;
use crate::core::random::Random;

/// Items of an episode: arbitrary, five worked examples and a question. Some twelve tokens each, so a rung that reads 80 tokens reads all.
pub const N_ITEMS: usize = 6;
/// Sentences that are drawn in search of one that shows what is asked, before the last is taken as it is: a world whose sentences never
/// show it has episodes that cannot be answered.
const MAX_DRAWS: usize = 100;

/// An episode's tokens.
pub fn document(lexicon: &Lexicon, options: &WorldOptions, tables: &Tables, random: &mut Random) -> Vec<u32> {
    let asked = random.below(QUESTIONS.len());
    let about = QUESTIONS.get(asked).and_then(|name| tasks::about(name).ok());
    let WorldOptions { negation, attributes, coordination, .. } = *options;
    let mut tokens = Vec::new();
    for _ in 0..N_ITEMS {
        let facts = Facts::draw(random, options.n_subjects);
        let mut item = Vec::new();
        for _ in 0..MAX_DRAWS {
            let kind = draw_kind(&options.kinds, random);
            let mut speaker = Speaker { lexicon, tables, facts, negation, attributes, coordination, random };
            let sentence = speaker.sentence(kind);
            let is_shown = about.is_none_or(|about| shows(about, kind, &sentence));
            item = sentence.tokens;
            if is_shown {
                break;
            }
        }
        tokens.extend(item);
        tokens.extend(said(facts, Line { asked, opens: false }));
    }
    tokens
}
