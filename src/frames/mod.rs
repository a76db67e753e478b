//! Frames: polars tables that know their digest. Predictions, labels, agreement statistics and results are frames.
//!
//! A tidy frame has columns of four kinds: `bool`, `int` (64 bits), `float` (64 bits) and `string`, each with nulls.
//! Readers and verbs give tidy frames, so that everything above them has four cases and no more.

mod content;
mod error;
pub mod expr;
mod guard;
mod io;
pub mod json;
mod pages;
pub mod parquet;
mod render;
mod reshape;
mod rows;
pub mod text;
mod verbs;

pub use content::Kind;
pub use error::FrameError;
pub use io::{Format, MAX_FILE, Reading, content};
pub use render::{BOUNDS, Bounds, NULL, Shown, escape_markdown};
pub use rows::{Classes, Probabilities, argmax};
pub use verbs::{How, MAX_ROWS};

use crate::core::digest::Digest;
use polars::prelude::DataFrame;
use std::sync::{Arc, OnceLock};

/// An immutable table.
///
/// Frames of predictions and labels have a string column `id` and float columns `p0`, `p1`, … that sum to 1 in each
/// row; predictions add the integer column `prediction`, labels and truth the integer column `label`. Rows are joined
/// by `id`, never aligned by order.
#[derive(Clone)]
pub struct Frame {
    table: Arc<DataFrame>,
    digest: Arc<OnceLock<Digest>>,
}

impl Frame {
    /// Wraps a polars table; its digest is that of its content, computed when first asked for.
    pub fn new(table: DataFrame) -> Self {
        Frame { table: Arc::new(table), digest: Arc::new(OnceLock::new()) }
    }

    /// Wraps a table whose derivation is known.
    pub fn derived(table: DataFrame, digest: Digest) -> Self {
        Frame { table: Arc::new(table), digest: Arc::new(OnceLock::from(digest)) }
    }

    /// The polars table.
    pub fn table(&self) -> &DataFrame {
        &self.table
    }

    /// The derivation where it is known, else the digest of the content: names, kinds and values in order.
    pub fn digest(&self) -> Digest {
        *self.digest.get_or_init(|| content::digest(&self.table))
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
