//! Pronounceable invented words.

use super::WordClass;
use crate::core::random::Random;

// Sounds chosen so that every combination can be spoken and none of the endings below makes an English word often.
const ONSETS: [&str; 24] = [
    "b", "br", "d", "dr", "f", "g", "gl", "gr", "k", "kr", "l", "m", "n", "p", "pl", "r", "s", "sk", "st", "t", "tr",
    "v", "vl", "z",
];
const VOWELS: [&str; 7] = ["a", "e", "i", "o", "u", "ai", "ou"];
const CODAS: [&str; 10] = ["k", "l", "m", "n", "nd", "r", "rk", "sk", "st", "t"];

/// A word of the class. Frequent words are short and rare ones long, as in natural languages, so that a reader sees
/// which rows are hard; the ending tells the class (`-ous`, `-ish`: adjectives; `-ates`, `-ens`: verbs).
pub fn word(random: &mut Random, class: WordClass, rank: usize) -> String {
    // Ranks at which words get longer: arbitrary near the tenth and the hundredth word.
    let n_syllables = 1 + usize::from(rank > 12) + usize::from(rank > 120);
    let mut text = String::new();
    for _ in 0..n_syllables {
        text.push_str(pick(random, &ONSETS));
        text.push_str(pick(random, &VOWELS));
    }
    match class {
        WordClass::Noun => text.push_str(pick(random, &CODAS)),
        WordClass::Adjective => {
            text.push_str(pick(random, &["l", "m", "n", "r", "t", "v"]));
            text.push_str(pick(random, &["ous", "ish", "ic", "al"]));
        }
        WordClass::Verb => {
            text.push_str(pick(random, &["l", "m", "n", "r", "t", "v"]));
            text.push_str(pick(random, &["ates", "ens", "izes", "ends"]));
        }
    }
    text
}

fn pick<'a>(random: &mut Random, items: &[&'a str]) -> &'a str {
    items.get(random.below(items.len())).copied().unwrap_or_default()
}
