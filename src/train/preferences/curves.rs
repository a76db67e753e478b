//! What is measured of the steps of a preference finetuning: as a loss curve, means over stretches of steps.

use crate::core::digest::Digest;
use crate::domains::preference::loss::{PairBatch, PairValue};
use crate::frames::{Frame, FrameError};
use polars::prelude::{Column, DataFrame};
use serde_json::{Value, json};

/// Points at most. Arbitrary, as many as a loss curve has.
const POINTS: usize = 50;
/// What is measured, in order.
const NAMES: [&str; 7] = ["loss", "chosen", "rejected", "margin", "accuracy", "weight", "n_pairs"];
/// Numbers of a point: its last step, and the sums of what was measured over its pairs.
const NUMBERS: usize = 1 + NAMES.len();

/// What was measured of a step: sums over its pairs, and how many those are.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Measured([f64; NAMES.len()]);

impl Measured {
    /// Of a batch and what its loss answered.
    pub fn of(batch: &PairBatch, found: &PairValue) -> Measured {
        let n = batch.n_pairs() as f64;
        let (mut margin, mut right) = (0.0, 0.0);
        for pair in 0..batch.n_pairs() {
            let delta = batch.pair(pair).delta();
            margin += delta;
            right += if delta > 0.0 { 1.0 } else { 0.5 * f64::from(u8::from(delta == 0.0)) };
        }
        let sum = |numbers: &[f64]| numbers.iter().sum::<f64>();
        Measured([found.value * n, sum(batch.chosen), sum(batch.rejected), margin, right, sum(&found.pull), n])
    }
}

/// The points so far, the last of which may not be complete.
pub(super) struct Curves {
    steps: usize,
    /// [`NUMBERS`] for each point.
    held: Vec<f64>,
}

impl Curves {
    /// For a training of so many steps.
    pub fn new(steps: usize) -> Curves {
        Curves { steps, held: Vec::new() }
    }

    /// Notes a step, counted from 1.
    pub fn note(&mut self, step: usize, measured: Measured) {
        let stretch = self.steps.div_ceil(POINTS).max(1);
        if (step - 1).is_multiple_of(stretch) {
            self.held.extend([0.0; NUMBERS]);
        }
        let from = self.held.len().saturating_sub(NUMBERS);
        if let Some((last, sums)) = self.held.get_mut(from..).and_then(<[f64]>::split_first_mut) {
            *last = step as f64;
            sums.iter_mut().zip(measured.0).for_each(|(sum, number)| *sum += number);
        }
    }

    /// What a saved state holds.
    pub fn held(&self) -> &[f64] {
        &self.held
    }

    /// Takes up what was held.
    pub fn take_up(&mut self, held: Vec<f64>) {
        self.held = held;
    }

    /// All points, flat.
    pub fn points(&self) -> Vec<f64> {
        self.held.clone()
    }
}

/// As facts of a content have them: numbers by their bits, which JSON gives back.
pub(super) fn to_json(points: &[f64]) -> Value {
    points.iter().map(|number| json!(number.to_bits())).collect()
}

/// What [`to_json`] made.
pub(super) fn from_json(held: &Value) -> Option<Vec<f64>> {
    held.as_array()?.iter().map(|bits| bits.as_u64().map(f64::from_bits)).collect()
}

/// A frame: `step`, the last of a stretch, and the means over the pairs of its steps.
pub(super) fn frame(points: &[f64], model: Digest) -> Result<Frame, FrameError> {
    let points = || points.chunks_exact(NUMBERS);
    let n = |point: &[f64]| point.last().copied().unwrap_or(1.0);
    let at = |point: &[f64], idx: usize| point.get(idx).copied().unwrap_or(f64::NAN);
    let steps: Vec<i64> = points().map(|point| at(point, 0) as i64).collect();
    let mut columns = vec![Column::new("step".into(), steps)];
    for (idx, name) in NAMES.iter().enumerate().take(NAMES.len() - 1) {
        let means: Vec<f64> = points().map(|point| at(point, idx + 1) / n(point)).collect();
        columns.push(Column::new((*name).into(), means));
    }
    let table = DataFrame::new(points().count(), columns)?;
    Ok(Frame::derived(table, Digest::of("model/curves", 1).digest("model", model).finish()))
}
