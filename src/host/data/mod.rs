//! Data sets: rows with ids, splits and groups; truth apart from inputs, and sealed.
#![cfg_attr(not(test), deny(clippy::indexing_slicing))]

use super::digest::Digest;
use std::sync::Arc;

/// Which side a row is on for good.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Split {
    Train,
    Test,
}

/// One row, without its truth.
#[derive(Debug, Clone, PartialEq)]
pub struct Row {
    /// Unique within the data set; frames are joined by it.
    pub id: String,
    pub text: String,
    /// Rows of one group stay on one side of every split.
    pub group: String,
    pub split: Split,
    /// 0 (easy) to 1 (hard), NaN where unknown.
    pub difficulty: f32,
}

/// A data set as loaded: shared by every view of it.
pub struct Source {
    pub name: String,
    pub rows: Vec<Row>,
    pub classes: Vec<String>,
    /// Class index per row. Private: reading it is an act that the record keeps.
    truth: Option<Vec<u16>>,
    pub digest: Digest,
}

/// A view of a data set: some of its rows, in an order. Cheap to clone.
#[derive(Clone)]
pub struct Data {
    source: Arc<Source>,
    rows: Arc<[u32]>,
    digest: Digest,
}

impl Data {
    /// How many rows.
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// Whether there is no row.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// The rows in order.
    pub fn rows(&self) -> impl Iterator<Item = &Row> {
        self.rows.iter().filter_map(|idx| self.source.rows.get(*idx as usize))
    }

    /// Class names; the index is what labels and predictions hold.
    pub fn classes(&self) -> &[String] {
        &self.source.classes
    }

    /// The derivation of this view.
    pub fn digest(&self) -> Digest {
        self.digest
    }
}
