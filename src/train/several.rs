//! Rows of several sequences: each continuation of a row's prompt goes through the model as a sequence of its own, and
//! the scores of a row's sequences are the row's logits.

use super::job::{Hold, Learner};
use super::weights::Weights;
use crate::models::ModelError;

/// A learner of sequences as a learner of rows that have `n` of them each. Outputs lie row after row, so that one output for
/// each of `n` sequences is `[n_rows, n]`, and nothing else changes.
pub(super) struct Several<'a> {
    inner: &'a mut dyn Learner,
    n: usize,
    sequences: Vec<u32>,
}

impl<'a> Several<'a> {
    /// Of `n` sequences a row.
    pub fn new(inner: &'a mut dyn Learner, n: usize) -> Self {
        Several { inner, n, sequences: Vec::new() }
    }
}

impl Learner for Several<'_> {
    fn weights(&mut self) -> &mut dyn Weights {
        self.inner.weights()
    }

    fn prepare(&mut self, step: Option<usize>) -> Result<(), ModelError> {
        self.inner.prepare(step)
    }

    fn logits(&mut self, rows: &[u32], hold: Hold, logits: &mut Vec<f32>) -> Result<(), ModelError> {
        let n = self.n as u32;
        self.sequences.clear();
        self.sequences.extend(rows.iter().flat_map(|row| row * n..(row + 1) * n));
        self.inner.logits(&self.sequences, hold, logits)
    }

    fn gradient(&mut self, d_logits: &[f32]) -> Result<(), ModelError> {
        self.inner.gradient(d_logits)
    }
}

#[cfg(test)]
mod tests;
