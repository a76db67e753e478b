//! Objectives: from the outputs of a head for some rows, and what is known of those rows, to a loss and its gradient at
//! the outputs.
//!
//! Outputs are few: logits of classes, scores of continuations, log-probabilities of sequences. Where there are as many as
//! tokens in a vocabulary, loss and gradient are made in the kernel, and the training is a [`super::training::Training`] of
//! its own ([`super::pretrain`]).

use super::carried::Carried;
use super::{At, Loss, LossBatch, LossError, LossValue};

/// Where a training stands.
#[derive(Debug, Clone, Copy)]
pub(super) struct Moment {
    /// Steps done.
    pub step: usize,
    pub steps: usize,
    /// Passes over the data that are complete.
    pub epoch: usize,
}

/// What a head is trained for. It holds what is known of every row: labels, weights.
pub(super) trait Objective {
    /// The head's outputs for a row.
    fn n_outputs(&self) -> usize;

    /// The loss of these rows, whose outputs are row-major `[n_rows, n_outputs]`, and its gradient at the outputs.
    fn ask(&mut self, rows: &[u32], outputs: &[f32], moment: Moment) -> Result<LossValue, LossError>;

    /// What later steps read of the earlier ones.
    fn carried(&self) -> Carried {
        Carried::default()
    }

    /// Takes up what a training that was ended carried.
    fn take_up(&mut self, _carried: Carried) {}
}

/// A [`Loss`] on labels that are a probability for each output.
pub(super) struct Labelled<'a> {
    pub loss: &'a dyn Loss,
    /// Row-major `[n_rows, n_classes]`.
    pub labels: &'a [f32],
    /// Of each row; empty where all count alike.
    pub weights: &'a [f64],
    pub ids: &'a [&'a str],
    pub n_classes: usize,
    held: Held<'a>,
    carried: Carried,
}

/// What is known of one batch.
#[derive(Default)]
struct Held<'a> {
    labels: Vec<f32>,
    weights: Vec<f64>,
    ids: Vec<&'a str>,
}

impl<'a> Labelled<'a> {
    /// Of all rows: labels row-major `[n_rows, n_classes]`, weights or none, ids.
    pub fn new(
        loss: &'a dyn Loss,
        labels: &'a [f32],
        weights: &'a [f64],
        ids: &'a [&'a str],
        n_classes: usize,
    ) -> Self {
        Labelled { loss, labels, weights, ids, n_classes, held: Held::default(), carried: Carried::default() }
    }
}

impl Objective for Labelled<'_> {
    fn n_outputs(&self) -> usize {
        self.n_classes
    }

    fn ask(&mut self, rows: &[u32], outputs: &[f32], moment: Moment) -> Result<LossValue, LossError> {
        let Held { labels, weights, ids } = &mut self.held;
        labels.clear();
        weights.clear();
        ids.clear();
        for row in rows.iter().map(|row| *row as usize) {
            let start = row * self.n_classes;
            labels.extend_from_slice(self.labels.get(start..start + self.n_classes).unwrap_or_default());
            weights.extend(self.weights.get(row));
            ids.extend(self.ids.get(row));
        }
        let Moment { step, steps, epoch } = moment;
        let at = At { step, steps, epoch, rows: ids, weights, earlier: &self.carried.earlier };
        let batch = LossBatch { logits: outputs, weak: labels, n_classes: self.n_classes, at };
        let found = self.loss.step(&batch)?;
        if let Some(n_kept) = self.loss.n_kept(&batch) {
            self.carried.count(n_kept, rows.len());
        }
        match self.loss.n_earlier() {
            0 => {}
            most => self.carried.look_at(outputs, self.n_classes, most),
        }
        Ok(found)
    }

    fn carried(&self) -> Carried {
        self.carried.clone()
    }

    fn take_up(&mut self, carried: Carried) {
        self.carried = carried;
    }
}
