//! The generated world: short documents in an invented language whose hidden variables persist to the document's end.
//!
//! A language model turns a hidden variable into a feature when that variable helps to predict the rest of the
//! document, and only then. Every document here draws a subject, a verdict, a mood, an era and a register; each of
//! them decides which words come. A task shows one sentence and asks for one variable. A model that was pretrained
//! long and wide enough carries it as a nearly linear feature; a smaller one has it in part or not at all.
//!
//! There are versions, and old records mean the one that they were made with. Version 1 keeps the words that decide test rows out of
//! the train rows, but not out of one another's halves, so that a supervisor labels the other half better than it answers test rows.
//! Version 2 draws all rows alike ([`natural`]).
//!
//! Beside them there are documents and rows of ordered concepts ([`concepts`]), documents that are episodes of worked examples
//! ([`WorldOptions::episodes`]), the other register of a text ([`World::rephrased`]), and the
//! properties of a text that preferences may be about ([`World::properties`]).
//!
//! What lives here: the language ([`Lexicon`]), its documents ([`World::document`]), the tasks ([`task`]) and the
//! tokenizer. What does not: pretraining (`train`) and the ladder's weights (`models`).

mod concepts;
mod data;
mod episodes;
mod grammar;
mod lexicon;
mod natural;
mod options;
mod pairs;
mod properties;
mod registers;
mod syllables;
mod tasks;
mod vocabulary;

pub use concepts::{ConceptOptions, concepts};
pub use grammar::{Facts, Kind, Line, Sentence};
pub use lexicon::{ERAS, Lexicon, MOODS, SUBJECTS, VERDICTS, Word, WordClass};
pub use options::{WorldError, WorldOptions};
pub use pairs::{PAIRS, PairOptions, PairRow, PairRows, pairs};
pub use properties::{GoldenReward, N_PROPERTIES, PROPERTIES};
pub use tasks::{TaskAbout, TaskOptions, TaskRow, TaskRows, about, task, tasks};
pub use vocabulary::Vocabulary;

use crate::core::digest::Digest;
use crate::core::random::Random;
use crate::kernels::packed::Packed;
use std::sync::Arc;

/// Raised whenever equal options and seeds give another language, other documents or other task rows. The version of the world is
/// one of the options: programs go on making the worlds of every version.
pub const VERSION: u32 = 1;

/// One language with its documents. Cheap to clone.
#[derive(Clone)]
pub struct World {
    inner: Arc<Inner>,
}

struct Inner {
    options: WorldOptions,
    lexicon: Lexicon,
    vocabulary: Vocabulary,
    documents: grammar::Tables,
    digest: Digest,
}

impl World {
    /// The world that `options` describe. The same options give the same world on every machine.
    pub fn new(options: WorldOptions) -> Result<World, WorldError> {
        options.check()?;
        let lexicon = Lexicon::new(&options);
        let vocabulary = Vocabulary::new(&lexicon)?;
        let documents = grammar::Tables::new(&lexicon, &options, 1.0, |_| true);
        let digest = options.digest();
        Ok(World { inner: Arc::new(Inner { options, lexicon, vocabulary, documents, digest }) })
    }

    /// The parameters.
    pub fn options(&self) -> &WorldOptions {
        &self.inner.options
    }

    /// The words and what they stand for.
    pub fn lexicon(&self) -> &Lexicon {
        &self.inner.lexicon
    }

    /// The tokens: one per word.
    pub fn vocabulary(&self) -> &Vocabulary {
        &self.inner.vocabulary
    }

    /// The derivation: version and options.
    pub fn digest(&self) -> Digest {
        self.inner.digest
    }

    /// The language whose words decide rows of its tasks and are their groups: in version 1. From version 2 on a group is a row's text.
    pub fn words(&self) -> Option<Digest> {
        (self.options().version == 1).then(|| self.digest())
    }

    pub(self) fn tables(&self) -> &grammar::Tables {
        &self.inner.documents
    }

    /// The next document of the stream `random`, as tokens.
    pub fn document(&self, random: &mut Random) -> Vec<u32> {
        grammar::document(&self.inner.lexicon, &self.inner.options, &self.inner.documents, random)
    }

    /// The next `n` documents of the stream, each a row that starts at the document's start and is cut at
    /// `max_tokens`.
    pub fn windows(&self, random: &mut Random, n: usize, max_tokens: usize) -> Packed {
        let rows: Vec<Vec<u32>> = (0..n).map(|_| self.document(random)).collect();
        Packed::new(rows.iter().map(|row| row.get(..max_tokens).unwrap_or(row)))
    }

    /// `n` documents of the stream that belongs to `seed`, as text.
    pub fn texts(&self, seed: u64, n: usize) -> Vec<String> {
        let mut random = Random::new(seed, "world/text");
        (0..n).map(|_| self.vocabulary().text(&self.document(&mut random))).collect()
    }
}

#[cfg(test)]
mod tests;
