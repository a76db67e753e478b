//! Frames: polars tables that know their digest. Predictions, labels, agreement statistics and results are frames.
//!
//! A tidy frame has columns of four kinds: `bool`, `int` (64 bits), `float` (64 bits) and `string`, each with nulls.
//! Readers and verbs give tidy frames, so that everything above them has four cases and no more.

mod classes;
mod content;
mod error;
pub mod expr;
mod features;
mod guard;
mod io;
pub mod json;
mod npy;
mod pages;
pub mod parquet;
mod render;
mod reshape;
mod rows;
mod sealed;
mod sources;
pub mod text;
mod verbs;

pub use classes::{KEY as CLASSES, read_by_index};
pub use content::Kind;
pub use error::FrameError;
pub use io::{EMPTY, Format, MAX_FILE, Pieces, Reading, content};
pub use render::{BOUNDS, Bounds, NULL, Shown, escape_markdown, interval};
pub use rows::{Classes, Probabilities, argmax};
pub use sealed::{KEY as SEALED, Sealed, stored as stored_sealed};
pub use sources::Sources;
pub use verbs::{How, MAX_ROWS};

use crate::core::digest::Digest;
use classes::ClassNames;
use polars::prelude::DataFrame;
use std::sync::{Arc, OnceLock};

/// An immutable table.
///
/// Frames of predictions and labels have a string column `id` and float columns `p0`, `p1`, … that sum to 1 in each
/// row; predictions add the integer column `prediction`, labels and truth the integer column `label`. Rows are joined
/// by `id`, never aligned by order. A frame may know the names of its classes; then classes meet by name. It knows what it has
/// of sealed data.
#[derive(Clone)]
pub struct Frame {
    table: Arc<DataFrame>,
    /// How it came to be, where that is known.
    derivation: Option<Digest>,
    /// The digest of what it holds, computed when first asked for.
    content: Arc<OnceLock<Digest>>,
    classes: Option<ClassNames>,
    /// What is said below it when it is shown; no part of what it is.
    note: Option<Arc<str>>,
    sealed: Option<Arc<Sealed>>,
}

impl Frame {
    /// Wraps a polars table; its digest is that of its content, computed when first asked for.
    pub fn new(table: DataFrame) -> Self {
        Frame {
            table: Arc::new(table),
            derivation: None,
            content: Arc::default(),
            classes: None,
            note: None,
            sealed: None,
        }
    }

    /// Wraps a table whose derivation is known.
    pub fn derived(table: DataFrame, digest: Digest) -> Self {
        Frame { derivation: Some(digest), ..Frame::new(table) }
    }

    fn with_names(self, classes: Option<ClassNames>) -> Self {
        Frame { classes, content: Arc::default(), ..self }
    }

    /// The same frame with a text below it where it is shown. Whatever is made of it does not have the text.
    #[must_use]
    pub fn with_note(&self, note: &str) -> Frame {
        Frame { note: (!note.is_empty()).then(|| note.into()), ..self.clone() }
    }

    /// The polars table.
    pub fn table(&self) -> &DataFrame {
        &self.table
    }

    /// The derivation where it is known, else the digest of the content: names, kinds and values in order, and class
    /// names where there are some.
    pub fn digest(&self) -> Digest {
        self.derivation.unwrap_or_else(|| {
            *self.content.get_or_init(|| {
                let content = content::digest(&self.table);
                self.classes.as_ref().map_or(content, |classes| classes.digest(content))
            })
        })
    }

    /// How many rows.
    pub fn height(&self) -> usize {
        self.table.height()
    }

    /// How many columns.
    pub fn width(&self) -> usize {
        self.table.width()
    }

    /// The column names in order.
    pub fn columns(&self) -> Vec<String> {
        self.table.get_column_names().iter().map(|name| name.to_string()).collect()
    }
}
