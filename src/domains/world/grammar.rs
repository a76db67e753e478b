//! Sentences and documents: what is said, given what a document hides.

use super::lexicon::{Lexicon, N_REGISTERS, Particle, QUESTIONS, Word, WordClass};
use super::options::WorldOptions;
use super::{concepts, episodes};
use crate::core::math::{exp, pow};
use crate::core::random::Random;

/// What a document hides. Every variable holds to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Facts {
    pub subject: usize,
    pub verdict: usize,
    pub mood: usize,
    pub era: usize,
    pub register: usize,
}

impl Facts {
    /// Facts drawn evenly.
    pub fn draw(random: &mut Random, n_subjects: usize) -> Facts {
        Facts {
            subject: random.below(n_subjects),
            verdict: random.below(2),
            mood: random.below(2),
            era: random.below(2),
            register: random.below(N_REGISTERS),
        }
    }
}

/// The kinds of sentence, in the order of [`WorldOptions::kinds`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// `the N is ADJ and ADJ .`
    And,
    /// `the N is ADJ but ADJ .`: the first has the opposite verdict.
    But,
    /// `the N VERB the N .` or `the N VERB and VERB the N .`
    Act,
    /// `the N that VERB the N is ADJ .`
    That,
    /// `the N is not ADJ .` or `hardly`: the adjective has the opposite verdict.
    Not,
}

impl Kind {
    /// All kinds in order.
    pub const ALL: [Kind; 5] = [Kind::And, Kind::But, Kind::Act, Kind::That, Kind::Not];
}

/// One sentence: its tokens, and the content words in their order.
#[derive(Debug, Clone, Default)]
pub struct Sentence<'a> {
    pub tokens: Vec<u32>,
    pub words: Vec<&'a Word>,
    /// How many adjectives stand after `not` or `hardly`.
    pub n_negated: usize,
    /// Whether it has `but`.
    pub has_but: bool,
}

/// Where a question line stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Line {
    /// An index into the questions: subject, verdict, mood, era.
    pub asked: usize,
    /// Whether it opens the document.
    pub opens: bool,
}

/// Cumulative word weights of each class for each (subject, value).
pub struct Tables {
    nouns: Vec<Vec<f64>>,
    adjectives: Vec<Vec<f64>>,
    verbs: Vec<Vec<f64>>,
    n_subjects: usize,
}

impl Tables {
    /// Weights `zipf^flatness · e^(−strength · mismatches)` over the words that `keep` admits. A flatness of 1 is the
    /// corpus's own frequencies, 0.5 their square root.
    pub fn new(lexicon: &Lexicon, options: &WorldOptions, flatness: f64, keep: impl Fn(&Word) -> bool) -> Tables {
        let tables = |class: WordClass| -> Vec<Vec<f64>> {
            let cells = (0..options.n_subjects).flat_map(|subject| [(subject, 0), (subject, 1)]);
            cells
                .map(|(subject, value)| {
                    let mut sum = 0.0;
                    let weigh = |word: &Word| {
                        if !keep(word) {
                            return 0.0;
                        }
                        let misfit =
                            u8::from(word.subject.is_some_and(|own| own != subject)) + u8::from(word.value != value);
                        pow(word.rank as f64 + options.zipf_shift, -flatness)
                            * exp(-options.strength * f64::from(misfit))
                    };
                    let add = |word: &Word| {
                        sum += weigh(word);
                        sum
                    };
                    lexicon.words(class).iter().map(add).collect()
                })
                .collect()
        };
        Tables {
            nouns: tables(WordClass::Noun),
            adjectives: tables(WordClass::Adjective),
            verbs: tables(WordClass::Verb),
            n_subjects: options.n_subjects,
        }
    }

    /// A word of the class, by the frequencies of subject and value.
    pub fn draw<'a>(
        &self,
        lexicon: &'a Lexicon,
        class: WordClass,
        subject: usize,
        value: usize,
        random: &mut Random,
    ) -> Option<&'a Word> {
        let tables = match class {
            WordClass::Noun => &self.nouns,
            WordClass::Adjective => &self.adjectives,
            WordClass::Verb => &self.verbs,
        };
        let sums = tables.get(2 * subject.min(self.n_subjects - 1) + value)?;
        let at = random.uniform() * sums.last()?;
        // The first word whose cumulative weight lies above the draw: never one of weight zero.
        lexicon.words(class).get(sums.partition_point(|sum| *sum <= at))
    }
}

/// Builds one sentence token by token.
pub struct Speaker<'a, 'r> {
    pub lexicon: &'a Lexicon,
    pub tables: &'r Tables,
    pub facts: Facts,
    pub negation: f64,
    pub attributes: f64,
    pub coordination: f64,
    pub random: &'r mut Random,
}

impl<'a> Speaker<'a, '_> {
    /// A sentence of the kind.
    pub fn sentence(&mut self, kind: Kind) -> Sentence<'a> {
        let mut said = Sentence::default();
        let verdict = self.facts.verdict;
        self.noun(&mut said);
        match kind {
            Kind::And => {
                self.particle(&mut said, Particle::Is);
                self.adjective(&mut said, verdict, self.negation);
                self.particle(&mut said, Particle::And);
                self.adjective(&mut said, verdict, self.negation);
            }
            Kind::But => {
                said.has_but = true;
                self.particle(&mut said, Particle::Is);
                self.adjective(&mut said, 1 - verdict, self.negation);
                self.particle(&mut said, Particle::But);
                self.adjective(&mut said, verdict, self.negation);
            }
            Kind::Act => {
                self.verb(&mut said);
                if self.random.uniform() < self.coordination {
                    self.particle(&mut said, Particle::And);
                    self.verb(&mut said);
                }
                self.noun(&mut said);
            }
            Kind::That => {
                self.particle(&mut said, Particle::That);
                self.verb(&mut said);
                self.noun(&mut said);
                self.particle(&mut said, Particle::Is);
                self.adjective(&mut said, verdict, self.negation);
            }
            Kind::Not => {
                self.particle(&mut said, Particle::Is);
                self.adjective(&mut said, verdict, 1.0);
            }
        }
        said.tokens.push(Lexicon::STOP);
        said
    }

    fn particle(&mut self, said: &mut Sentence, particle: Particle) {
        said.tokens.push(Lexicon::particle(self.facts.register, particle));
    }

    fn noun(&mut self, said: &mut Sentence<'a>) {
        let Facts { subject, verdict, era, register, .. } = self.facts;
        if let Some(word) = self.tables.draw(self.lexicon, WordClass::Noun, subject, era, self.random) {
            said.tokens.push(Lexicon::determiner(register, word.gender));
            if self.random.uniform() < self.attributes {
                self.adjective(said, verdict, 0.0);
            }
            said.tokens.push(word.token);
            said.words.push(word);
        }
    }

    fn verb(&mut self, said: &mut Sentence<'a>) {
        let Facts { subject, mood, .. } = self.facts;
        if let Some(word) = self.tables.draw(self.lexicon, WordClass::Verb, subject, mood, self.random) {
            said.tokens.push(word.token);
            said.words.push(word);
        }
    }

    /// An adjective that means `meant`; negated, the word itself has the opposite verdict.
    fn adjective(&mut self, said: &mut Sentence<'a>, meant: usize, negation: f64) {
        let negated = self.random.uniform() < negation;
        if negated {
            said.n_negated += 1;
            let particle = if self.random.below(2) == 0 { Particle::Not } else { Particle::Hardly };
            self.particle(said, particle);
        }
        let value = if negated { 1 - meant } else { meant };
        if let Some(word) = self.tables.draw(self.lexicon, WordClass::Adjective, self.facts.subject, value, self.random)
        {
            said.tokens.push(word.token);
            said.words.push(word);
        }
    }
}

/// A document's tokens: facts, some sentences, and one or two question lines before or after them; or an episode, or lines of ordered
/// concepts, where the options say so.
pub fn document(lexicon: &Lexicon, options: &WorldOptions, tables: &Tables, random: &mut Random) -> Vec<u32> {
    // Neither draws anything where it is not asked for, so that worlds without them keep their documents.
    if let Some(depth) = options.depth {
        return concepts::document(lexicon, options, tables, depth, random);
    }
    if options.episodes > 0.0 && random.uniform() < options.episodes {
        return episodes::document(lexicon, options, tables, random);
    }
    let facts = Facts::draw(random, options.n_subjects);
    let n_sentences = options.min_sentences + random.below(options.max_sentences - options.min_sentences + 1);
    let lines = if options.questions { lines(options, random) } else { Vec::new() };
    let mut tokens = Vec::new();
    for line in lines.iter().filter(|line| line.opens) {
        tokens.extend(said(facts, *line));
    }
    for _ in 0..n_sentences {
        let kind = draw_kind(&options.kinds, random);
        let WorldOptions { negation, attributes, coordination, .. } = *options;
        let mut speaker = Speaker { lexicon, tables, facts, negation, attributes, coordination, random };
        tokens.extend(speaker.sentence(kind).tokens);
    }
    for line in lines.iter().filter(|line| !line.opens) {
        tokens.extend(said(facts, *line));
    }
    tokens
}

/// One or two different questions.
fn lines(options: &WorldOptions, random: &mut Random) -> Vec<Line> {
    let n_lines = 1 + random.below(2);
    let asked = random.permutation(QUESTIONS.len());
    asked.into_iter().take(n_lines).map(|asked| Line { asked, opens: random.uniform() < options.heading }).collect()
}

/// The line's tokens: question, answer, full stop.
pub fn said(facts: Facts, line: Line) -> [u32; 3] {
    let answers = [facts.subject, facts.verdict, facts.mood, facts.era];
    let [question, answer] = Lexicon::question(line.asked, answers.get(line.asked).copied().unwrap_or_default());
    [question, answer, Lexicon::STOP]
}

/// A kind by its share; never one of share zero.
pub fn draw_kind(shares: &[f64; 5], random: &mut Random) -> Kind {
    let mut left = random.uniform() * shares.iter().sum::<f64>();
    for (kind, share) in Kind::ALL.into_iter().zip(shares) {
        if left < *share {
            return kind;
        }
        left -= share;
    }
    // Rounding can leave a rest above the last share: the last kind that has one.
    Kind::ALL.into_iter().zip(shares).rev().find(|(_, share)| **share > 0.0).map_or(Kind::And, |(kind, _)| kind)
}
