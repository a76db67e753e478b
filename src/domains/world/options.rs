//! The parameters of a world, in one place, and what may be wrong with them.

use super::VERSION;
use crate::core::context::NEWEST_WORLD;
use crate::core::digest::Digest;
use crate::core::explain::explained;

/// What decides a language and its documents. Everything else about a world follows from these and a seed.
#[derive(Debug, Clone, PartialEq)]
pub struct WorldOptions {
    /// How task rows and pairs are drawn, and what the other parameters are where nobody states them. 1: the words that decide
    /// test rows decide no train row, frequencies are flattened. 2: all splits are drawn alike, at the corpus's frequencies.
    pub version: usize,
    /// Chooses the words and what they stand for.
    pub seed: u64,
    /// Nouns: each has a gender, a subject and an era.
    pub n_nouns: usize,
    /// Adjectives: each has a verdict, and a subject or none.
    pub n_adjectives: usize,
    /// Verbs: each has a mood, and a subject or none.
    pub n_verbs: usize,
    /// How many subjects there are; even, at most 8.
    pub n_subjects: usize,
    /// A value prefers its words by odds of e^strength over other values' words.
    pub strength: f64,
    /// A word's frequency is 1 / (rank + shift), rank from 1.
    pub zipf_shift: f64,
    /// Share of adjectives and verbs that belong to all subjects.
    pub shared: f64,
    /// Probability that an adjective which the sentence's kind leaves open is negated.
    pub negation: f64,
    /// Probability that a noun of a document has an adjective before it, never negated. Task rows have none.
    pub attributes: f64,
    /// Probability that a document's sentence of the kind act has a second verb. Task rows have none.
    pub coordination: f64,
    /// How often the five kinds of sentence come, in the order of [`super::Kind`]: and, but, act, that, not.
    pub kinds: [f64; 5],
    /// Fewest sentences in a document.
    pub min_sentences: usize,
    /// Most sentences in a document.
    pub max_sentences: usize,
    /// Whether documents carry question lines such as `verdict high`: human supervision that leaks into pretraining.
    pub questions: bool,
    /// Probability that a question line opens the document instead of ending it.
    pub heading: f64,
    /// Share of documents that are episodes: unrelated sentences, each followed by the same question and its own answer.
    pub episodes: f64,
    /// Documents are lines of nouns of the subjects 0 to `depth`, taken as ordered concepts, each with a value of its own
    /// ([`super::concepts`]). `None`: documents are sentences.
    pub depth: Option<usize>,
    /// With `depth`: whether all concepts of a document have one value, so that they are one concept in many words.
    pub one_concept: bool,
}

/// The newest version's world.
impl Default for WorldOptions {
    fn default() -> Self {
        WorldOptions {
            version: NEWEST_WORLD,
            n_nouns: 1200,
            n_adjectives: 800,
            n_verbs: 600,
            min_sentences: 3,
            max_sentences: 5,
            ..WorldOptions::first()
        }
    }
}

impl WorldOptions {
    /// The world of a version, as its ladder was pretrained on it.
    ///
    /// Version 2 has four times the words and longer documents, so that a half of 800 rows holds some hundred deciding words, each
    /// of them rare: measured, errors of supervisors then are many and small instead of few and whole (LOG.md).
    pub fn of(version: usize) -> Result<WorldOptions, WorldError> {
        match version {
            1 => Ok(WorldOptions::first()),
            NEWEST_WORLD => Ok(WorldOptions::default()),
            _ => Err(WorldError::Version { version }),
        }
    }

    /// The world of ordered concepts, as the ladder `concepts` was pretrained on it: 500 nouns a concept, all about as frequent, in
    /// short documents. So a word of a row is seldom another row's: with the frequencies of the other worlds a model learned what words of
    /// concepts stand for that its corpus had not shown, from a few hundred labels (LOG.md).
    pub fn ordered(depth: usize) -> WorldOptions {
        WorldOptions {
            depth: Some(depth),
            n_nouns: 4000,
            n_adjectives: 32,
            n_verbs: 32,
            zipf_shift: 20_000.0,
            min_sentences: 2,
            max_sentences: 3,
            ..WorldOptions::default()
        }
    }

    /// Version 1. All values chosen, in a search over pretraining runs, so that models of rising compute learn the
    /// variables one after the other within minutes. What mattered most: adjectives that all subjects share (`shared`)
    /// delay the verdict beyond any patience, and adjectives before nouns (`attributes`) and second verbs (`coordination`)
    /// bring verdict and mood forward, because a document then shows each of them often.
    fn first() -> WorldOptions {
        WorldOptions {
            version: 1,
            seed: 0,
            n_nouns: 320,
            n_adjectives: 200,
            n_verbs: 150,
            n_subjects: 8,
            strength: 6.0,
            zipf_shift: 2.7,
            shared: 0.0,
            negation: 0.12,
            attributes: 0.35,
            coordination: 0.5,
            kinds: [0.36, 0.08, 0.28, 0.22, 0.06],
            min_sentences: 2,
            max_sentences: 4,
            questions: true,
            heading: 0.5,
            episodes: 0.0,
            depth: None,
            one_concept: false,
        }
    }
}

/// The most words of one class: arbitrary far above any use, so that a slip in a script cannot exhaust memory.
const MAX_WORDS: usize = 20_000;

impl WorldOptions {
    /// Fails where the options describe no world.
    pub fn check(&self) -> Result<(), WorldError> {
        WorldOptions::of(self.version)?;
        let count = |name, value, least, most| {
            if (least..=most).contains(&value) { Ok(()) } else { Err(WorldError::Count { name, value, least, most }) }
        };
        let real = |name, value: f64, least, most| {
            if value >= least && value <= most { Ok(()) } else { Err(WorldError::Real { name, value, least, most }) }
        };
        count("n_subjects", self.n_subjects, 2, super::lexicon::SUBJECTS.len())?;
        if !self.n_subjects.is_multiple_of(2) {
            return Err(WorldError::OddSubjects { value: self.n_subjects });
        }
        // Two words at least for each pair of values, so that a task's train and test side both have one.
        count("n_nouns", self.n_nouns, 4 * self.n_subjects, MAX_WORDS)?;
        count("n_adjectives", self.n_adjectives, 4 * self.n_subjects, MAX_WORDS)?;
        count("n_verbs", self.n_verbs, 4 * self.n_subjects, MAX_WORDS)?;
        count("min_sentences", self.min_sentences, 1, 64)?;
        count("max_sentences", self.max_sentences, self.min_sentences, 64)?;
        real("strength", self.strength, 0.0, 50.0)?;
        real("zipf_shift", self.zipf_shift, 0.0, 1e6)?;
        real("shared", self.shared, 0.0, 1.0)?;
        real("negation", self.negation, 0.0, 1.0)?;
        real("attributes", self.attributes, 0.0, 1.0)?;
        real("coordination", self.coordination, 0.0, 1.0)?;
        real("heading", self.heading, 0.0, 1.0)?;
        real("episodes", self.episodes, 0.0, 1.0)?;
        match self.depth {
            Some(depth) => count("depth", depth, 1, self.n_subjects - 1)?,
            None if self.one_concept => return Err(WorldError::NoDepth),
            None => (),
        }
        for value in self.kinds {
            real("kinds", value, 0.0, 1e6)?;
        }
        if self.kinds.iter().sum::<f64>() <= 0.0 {
            return Err(WorldError::NoKinds);
        }
        Ok(())
    }

    /// The derivation of the world.
    pub fn digest(&self) -> Digest {
        let mut digest = Digest::of("world", VERSION)
            .int("seed", self.seed as i64)
            .int("n_nouns", self.n_nouns as i64)
            .int("n_adjectives", self.n_adjectives as i64)
            .int("n_verbs", self.n_verbs as i64)
            .int("n_subjects", self.n_subjects as i64)
            .float("strength", self.strength)
            .float("zipf_shift", self.zipf_shift)
            .float("shared", self.shared)
            .float("negation", self.negation)
            .float("attributes", self.attributes)
            .float("coordination", self.coordination);
        for share in self.kinds {
            digest = digest.float("kinds", share);
        }
        // Version 1's worlds were named before there was another one.
        if self.version > 1 {
            digest = digest.int("version", self.version as i64);
        }
        // Worlds of before there were episodes and concepts keep their names.
        if self.episodes > 0.0 {
            digest = digest.float("episodes", self.episodes);
        }
        if let Some(depth) = self.depth {
            digest = digest.int("depth", depth as i64).int("one_concept", i64::from(self.one_concept));
        }
        digest
            .int("min_sentences", self.min_sentences as i64)
            .int("max_sentences", self.max_sentences as i64)
            .int("questions", i64::from(self.questions))
            .float("heading", self.heading)
            .finish()
    }
}

explained! {
    /// What can be wrong with a world or a task of it.
    #[derive(Debug, Clone, PartialEq, thiserror::Error)]
    pub enum WorldError {
        /// No such version.
        #[error("the generated world has no version `{version}`")]
        #[code("world/version")]
        #[hint("versions: 1 to {NEWEST_WORLD}")]
        Version { version: usize },
        /// A count outside its bounds.
        #[error("`{name}` must be from `{least}` to `{most}`, got `{value}`")]
        #[code("world/count")]
        Count { name: &'static str, value: usize, least: usize, most: usize },
        /// A number outside its bounds, or not a number.
        #[error("`{name}` must be from `{least}` to `{most}`, got `{value}`")]
        #[code("world/number")]
        Real { name: &'static str, value: f64, least: f64, most: f64 },
        /// Subjects come in pairs, one for each class of the task.
        #[error("`n_subjects` must be even, got `{value}`")]
        #[code("world/odd-subjects")]
        #[hint(format!("n_subjects: {}", value + 1))]
        OddSubjects { value: usize },
        /// No sentence could be made.
        #[error("`kinds` are all zero: no sentence could be made")]
        #[code("world/no-kinds")]
        #[hint("leave `kinds` out for the default shares")]
        NoKinds,
        /// One concept in many words is a property of documents of ordered concepts.
        #[error("`one_concept` is about documents of ordered concepts, and `depth` is left out")]
        #[code("world/no-depth")]
        #[hint("say how many concepts documents show, such as depth: 3")]
        NoDepth,
        /// No such task.
        #[error("the world has no task `{name}`")]
        #[code("world/unknown-task")]
        #[hint(format!("tasks: {}", super::tasks().iter().map(|task| task.name).collect::<Vec<_>>().join(", ")))]
        UnknownTask { name: String },
        /// No such property.
        #[error("texts of the world have no property `{name}`")]
        #[code("world/unknown-property")]
        #[hint(format!("properties: {}", super::PROPERTIES.join(", ")))]
        UnknownProperty { name: String },
        /// A golden reward that prefers nothing.
        #[error("`properties` weigh nothing: all weights are 0")]
        #[code("world/no-property")]
        #[hint("properties: #{{ verdict: 1.0, agreement: 1.0 }}")]
        NoProperty,
        /// What decides weighs nothing.
        #[error("`{name}` is to decide, and `properties` give it no weight")]
        #[code("world/no-property")]
        #[hint("leave `properties` out, or give `{name}` a weight there")]
        Undecided { name: &'static str },
        /// The world's sentences never show what the task asks for.
        #[error("this world makes no sentence that the task `{task}` could show")]
        #[code("world/no-sentence")]
        #[hint("raise `negation` or the shares in `kinds`")]
        NoSentence { task: &'static str },
        /// The tokenizer could not be built.
        #[error("the tokenizer could not be built: {reason}")]
        #[code("world/tokenizer")]
        Tokenizer { reason: String },
    }
    from { }
}
