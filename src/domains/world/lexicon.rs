//! The words of a world and what they stand for.

use super::options::WorldOptions;
use super::syllables;
use crate::core::random::Random;
use std::collections::BTreeSet;

/// The names of the subjects, in pairs: one of each pair is nature, the other culture.
pub const SUBJECTS: [&str; 8] = ["stars", "trade", "storms", "courts", "beasts", "machines", "harvest", "music"];
/// The two verdicts, carried by adjectives.
pub const VERDICTS: [&str; 2] = ["low", "high"];
/// The two moods, carried by verbs.
pub const MOODS: [&str; 2] = ["calm", "wild"];
/// The two eras, carried by nouns.
pub const ERAS: [&str; 2] = ["new", "old"];
/// What question lines ask for.
pub const QUESTIONS: [&str; 4] = ["subject", "verdict", "mood", "era"];
/// How many genders nouns have; the determiner agrees.
pub const N_GENDERS: usize = 4;
/// How many registers there are: a document spells all its function words in one of them.
pub const N_REGISTERS: usize = 2;

/// Determiners by register, then gender.
const DETERMINERS: [[&str; N_GENDERS]; N_REGISTERS] = [["the", "tha", "tho", "thi"], ["thee", "thae", "thoe", "thie"]];
/// The other function words, plain and old-fashioned.
const PLAIN: [[&str; N_REGISTERS]; 6] =
    [["is", "ys"], ["and", "ande"], ["but", "butte"], ["not", "nott"], ["hardly", "hardlie"], ["that", "thatte"]];

/// The classes of words that carry hidden variables.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WordClass {
    Noun,
    Adjective,
    Verb,
}

/// A content word.
#[derive(Debug, Clone, PartialEq)]
pub struct Word {
    pub text: String,
    pub class: WordClass,
    /// 1 for the most frequent word of its class.
    pub rank: usize,
    /// Nouns only; the determiner agrees with it.
    pub gender: usize,
    /// The subject it belongs to; `None` for all of them.
    pub subject: Option<usize>,
    /// The era of a noun, the verdict of an adjective, the mood of a verb: 0 or 1.
    pub value: usize,
    /// Its token.
    pub token: u32,
}

/// All words. Tokens: 0 for unknown words, then function words, then nouns, adjectives and verbs by rank.
pub struct Lexicon {
    /// `<unk>` and the function words, at their tokens.
    pub function_words: Vec<&'static str>,
    pub nouns: Vec<Word>,
    pub adjectives: Vec<Word>,
    pub verbs: Vec<Word>,
    pub n_subjects: usize,
}

/// Tokens of the function words; the order of [`Lexicon::function_words`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Particle {
    Is,
    And,
    But,
    Not,
    Hardly,
    That,
}

impl Lexicon {
    /// The token of unknown words.
    pub const UNKNOWN: u32 = 0;
    /// The token of the full stop, at which features are read.
    pub const STOP: u32 = 1;

    /// Draws the words.
    pub fn new(options: &WorldOptions) -> Lexicon {
        let mut function_words = vec!["<unk>", "."];
        function_words.extend(DETERMINERS.iter().flatten());
        function_words.extend(PLAIN.iter().flatten());
        function_words.extend(QUESTIONS);
        function_words.extend(SUBJECTS);
        function_words.extend(VERDICTS);
        function_words.extend(MOODS);
        function_words.extend(ERAS);
        let mut random = Random::new(options.seed, "world/lexicon");
        let mut taken: BTreeSet<String> = function_words.iter().map(|word| (*word).to_owned()).collect();
        let mut token = function_words.len() as u32;
        let mut draw = |class, n_words| {
            let words = words(&mut random, options, &mut taken, class, n_words, token);
            token += n_words as u32;
            words
        };
        Lexicon {
            nouns: draw(WordClass::Noun, options.n_nouns),
            adjectives: draw(WordClass::Adjective, options.n_adjectives),
            verbs: draw(WordClass::Verb, options.n_verbs),
            function_words,
            n_subjects: options.n_subjects,
        }
    }

    /// The words of a class, by rank.
    pub fn words(&self, class: WordClass) -> &[Word] {
        match class {
            WordClass::Noun => &self.nouns,
            WordClass::Adjective => &self.adjectives,
            WordClass::Verb => &self.verbs,
        }
    }

    /// The content word of a token.
    pub fn word(&self, token: u32) -> Option<&Word> {
        let mut at = (token as usize).checked_sub(self.function_words.len())?;
        for words in [&self.nouns, &self.adjectives, &self.verbs] {
            if at < words.len() {
                return words.get(at);
            }
            at -= words.len();
        }
        None
    }

    /// Every token's text, in order.
    pub fn texts(&self) -> impl Iterator<Item = &str> {
        let content = [&self.nouns, &self.adjectives, &self.verbs].into_iter().flatten();
        self.function_words.iter().copied().chain(content.map(|word| word.text.as_str()))
    }

    /// The token of the determiner.
    pub fn determiner(register: usize, gender: usize) -> u32 {
        2 + (register * N_GENDERS + gender) as u32
    }

    /// The token of another function word.
    pub fn particle(register: usize, particle: Particle) -> u32 {
        2 + (N_REGISTERS * N_GENDERS + particle as usize * N_REGISTERS + register) as u32
    }

    /// The tokens of a question line: `verdict`, `high`. `asked` is an index into [`QUESTIONS`].
    pub fn question(asked: usize, answer: usize) -> [u32; 2] {
        let first = 2 + (N_REGISTERS * (N_GENDERS + PLAIN.len())) as u32;
        let answers = first + QUESTIONS.len() as u32;
        let before = [0, SUBJECTS.len(), SUBJECTS.len() + 2, SUBJECTS.len() + 4];
        let skipped = before.get(asked).copied().unwrap_or_default();
        [first + asked as u32, answers + (skipped + answer) as u32]
    }
}

fn words(
    random: &mut Random,
    options: &WorldOptions,
    taken: &mut BTreeSet<String>,
    class: WordClass,
    n_words: usize,
    first_token: u32,
) -> Vec<Word> {
    // Values and subjects are dealt from shuffled decks, so that each has frequent and rare words alike.
    let (mut values, mut subjects, mut pairs) = (Vec::new(), Vec::new(), Vec::new());
    let mut words = Vec::with_capacity(n_words);
    for idx in 0..n_words {
        let rank = idx + 1;
        let (subject, value) = if class == WordClass::Noun {
            let pair = deal(random, &mut pairs, 2 * options.n_subjects);
            (Some(pair / 2), pair % 2)
        } else {
            let shared = random.uniform() < options.shared;
            let subject = if shared { None } else { Some(deal(random, &mut subjects, options.n_subjects)) };
            (subject, deal(random, &mut values, 2))
        };
        let gender = if class == WordClass::Noun { random.below(N_GENDERS) } else { 0 };
        let text = unused(random, taken, class, rank);
        words.push(Word { text, class, rank, gender, subject, value, token: first_token + idx as u32 });
    }
    words
}

/// The next card of a deck with the numbers 0..n, shuffled anew whenever it is empty.
fn deal(random: &mut Random, deck: &mut Vec<usize>, n: usize) -> usize {
    if deck.is_empty() {
        *deck = random.permutation(n);
    }
    deck.pop().unwrap_or_default()
}

/// A word that no other has yet; longer ones are tried when the short ones run out.
fn unused(random: &mut Random, taken: &mut BTreeSet<String>, class: WordClass, rank: usize) -> String {
    let mut tries = 0;
    loop {
        let text = syllables::word(random, class, rank + tries);
        if taken.insert(text.clone()) {
            return text;
        }
        tries += 10;
    }
}
