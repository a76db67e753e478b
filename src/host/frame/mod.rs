//! Frames: polars tables that know their digest. Predictions, labels, agreement statistics and results are frames.

use super::digest::Digest;
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
}
