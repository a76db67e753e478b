//! What leaves the library while it works: progress, reads of truth, costly operations, files, warnings. Whoever owns the
//! context decides what becomes of an event.

use crate::core::digest::Digest;
use crate::core::operation::Operation;
use serde::{Deserialize, Serialize};
use std::path::PathBuf;

/// Something that happened.
#[derive(Debug, Clone)]
pub enum Event {
    /// Long work began: `total` steps under the name `what` (such as `finetune world-3`).
    Started { what: String, total: u64 },
    /// The work named `what` did its `done`th step; `note` is short (such as `loss 0.412`).
    Progress { what: String, done: u64, note: String },
    /// The work named `what` ended, well or not.
    Ended { what: String },
    /// Sealed truth was read.
    TruthRead(Reading),
    /// A training or a score, `by`, used truth that was read before. `result` is the digest of what came of it, or empty.
    TruthUsed { reading: Reading, by: String, result: String },
    /// Rows that the session knows as test rows came again in the data `data`, whose rows `digest` names: `n_rows`, known by
    /// `known_by` (`id`, `input`, `group` or `words`). They `became` rows of this split.
    TestRows { data: String, digest: String, n_rows: usize, known_by: &'static str, became: &'static str },
    /// A vault, the `n_rows` rows `digest` of `data`, was scored by `metric` for predictions: the `opening`th of the `budget` that
    /// the store counts, or again the same one.
    VaultOpened {
        data: String,
        digest: String,
        n_rows: usize,
        predictions: String,
        metric: String,
        opening: usize,
        budget: usize,
        is_new: bool,
    },
    /// A costly operation was answered: looked up, computed, or only planned.
    Operation {
        operation: Operation,
        /// Floating-point operations, estimated.
        work: f64,
        found: Found,
    },
    /// A worker process of this run computed a result that this process has not asked for yet.
    Ahead(Box<Operation>),
    /// Something that the user should know and that is not an error.
    Warning { text: String },
    /// A `table`, `figure`, `page`, `frame` or `model` (its kind) was written, as one file or several.
    /// `caption` is what the script says of it, or empty.
    Written { kind: String, name: String, caption: String, files: Vec<PathBuf> },
    /// A file was read; its real path, and the hash and size of its content.
    FileRead { path: PathBuf, blake3: Digest, bytes: u64 },
    /// A file of the fetched artefact `id` was read from the store.
    FetchedRead { id: String, file: String, sha256: String, bytes: u64 },
    /// A seed was used, stated or not.
    Seed { seed: u64 },
}

/// Where a costly operation's result came from.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Found {
    /// This process computed it.
    Computed,
    /// The store had it; computing it took this many seconds once. It may have come out of an archive.
    Stored { seconds: f64, imported: bool },
    /// A worker process of this run computed it, which took it this many seconds.
    Worker { seconds: f64 },
    /// A plan only names it.
    Planned,
}

/// A reading of sealed truth.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Reading {
    /// The data set's name.
    pub data: String,
    /// Of the rows: equal digests, equal rows in the same order.
    pub digest: String,
    pub n_rows: usize,
    /// `train`, `test` or `vault`, or several, such as `train and test`; empty in records of earlier programs.
    #[serde(default)]
    pub split: String,
    /// The call that read.
    pub by: String,
    pub purpose: String,
    /// What came out of the seal.
    #[serde(default)]
    pub form: Form,
}

/// What a reading of truth let out.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Form {
    /// Classes, row by row: to the script, or to a function that gives numbers.
    #[default]
    Classes,
    /// Which rows a part has: it was balanced by class.
    Draw,
    /// The rule by which classes come about.
    Rule,
    /// A file that holds the classes, read as a table.
    File,
}

impl Form {
    /// As records and pages call it.
    pub fn name(self) -> &'static str {
        match self {
            Form::Classes => "classes",
            Form::Draw => "draw",
            Form::Rule => "rule",
            Form::File => "file",
        }
    }
}
