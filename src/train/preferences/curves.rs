//! What is measured of the steps of a preference finetuning: as a loss curve, means over stretches of steps.
//!
//! The result of a training holds the first sums of each stretch ([`Curves::points`]), as it always did; what else is measured is kept
//! beside it ([`Curves::beside`]).

use crate::core::digest::Digest;
use crate::domains::preference::measured::{N_FIRST, N_SUMS, NAMES, Sums};
use crate::frames::{Frame, FrameError};
use polars::prelude::{Column, DataFrame};
use serde_json::{Value, json};

/// Points at most. Arbitrary, as many as a loss curve has.
const POINTS: usize = 50;
/// Numbers of a point while a training is at work: its last step, tokens read, sums over its pairs.
const HELD: usize = 2 + N_SUMS;
/// Numbers of a point in a training's result: its last step, the first sums.
const NUMBERS: usize = 1 + N_FIRST;
/// Of the columns of [`NAMES`] those that the first sums tell: `loss`, `chosen`, `rejected`, `margin`, `accuracy`, `weight`.
const N_TOLD: usize = N_FIRST - 1;
/// Numbers of a point beside: the other columns, and tokens.
pub(super) const N_BESIDE: usize = NAMES.len() - N_TOLD + 1;

/// The points so far, the last of which may not be complete.
pub(super) struct Curves {
    steps: usize,
    /// [`HELD`] for each point.
    held: Vec<f64>,
}

/// Steps of a point.
fn stretch(steps: usize) -> usize {
    steps.div_ceil(POINTS).max(1)
}

/// How many points a training of so many steps has.
pub(super) fn n_points(steps: usize) -> usize {
    steps.div_ceil(stretch(steps))
}

impl Curves {
    /// For a training of so many steps.
    pub fn new(steps: usize) -> Curves {
        Curves { steps, held: Vec::new() }
    }

    /// Notes a step, counted from 1, that read so many tokens.
    pub fn note(&mut self, step: usize, n_tokens: usize, sums: &Sums) {
        if (step - 1).is_multiple_of(stretch(self.steps)) {
            self.held.extend([0.0; HELD]);
        }
        let from = self.held.len().saturating_sub(HELD);
        if let Some([last, tokens, held @ ..]) = self.held.get_mut(from..) {
            *last = step as f64;
            *tokens += n_tokens as f64;
            held.iter_mut().zip(sums.0).for_each(|(sum, number)| *sum += number);
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

    /// Of all points last step and first sums, flat.
    pub fn points(&self) -> Vec<f64> {
        let of_point = |point: &[f64]| match point {
            [last, _, sums @ ..] => std::iter::once(*last).chain(sums.iter().copied().take(N_FIRST)).collect(),
            _ => Vec::new(),
        };
        self.held.chunks_exact(HELD).flat_map(of_point).collect()
    }

    /// Of all points what is kept beside, flat: the columns behind [`N_TOLD`], and tokens.
    pub fn beside(&self) -> Vec<f32> {
        let of_point = |point: &[f64]| match point {
            [_, tokens, sums @ ..] => {
                let mut all = Sums::default();
                all.0.iter_mut().zip(sums).for_each(|(sum, held)| *sum = *held);
                let shown = all.shown();
                shown.iter().skip(N_TOLD).chain([tokens]).map(|number| *number as f32).collect::<Vec<f32>>()
            }
            _ => Vec::new(),
        };
        self.held.chunks_exact(HELD).flat_map(of_point).collect()
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

/// Points and what is beside them of a training that is not run.
pub(super) fn stand_in(steps: usize) -> (Vec<f64>, Vec<f32>) {
    let last = |point: usize| ((point + 1) * stretch(steps)).min(steps) as f64;
    let of_point = |point: usize| std::iter::once(last(point)).chain([1.0; N_FIRST]);
    ((0..n_points(steps)).flat_map(of_point).collect(), vec![1.0; n_points(steps) * N_BESIDE])
}

/// What the curves of a training are called.
pub(super) fn digest(model: Digest) -> Digest {
    Digest::of("model/curves", 2).digest("model", model).finish()
}

/// A frame: `step`, the last of a stretch, the means and spreads over the pairs of its steps, and the tokens read until then.
pub(super) fn frame(points: &[f64], beside: &[f32], digest: Digest) -> Result<Frame, FrameError> {
    let points = || points.chunks_exact(NUMBERS);
    let n = |point: &[f64]| point.last().copied().unwrap_or(1.0);
    let at = |point: &[f64], idx: usize| point.get(idx).copied().unwrap_or(f64::NAN);
    let steps: Vec<i64> = points().map(|point| at(point, 0) as i64).collect();
    let mut columns = vec![Column::new("step".into(), steps)];
    let (told, others) = NAMES.split_at_checked(N_TOLD).unwrap_or_default();
    for (idx, name) in told.iter().enumerate() {
        let means: Vec<f64> = points().map(|point| at(point, idx + 1) / n(point)).collect();
        columns.push(Column::new((*name).into(), means));
    }
    let of = |idx: usize| beside.iter().skip(idx).step_by(N_BESIDE).copied();
    for (idx, name) in others.iter().enumerate() {
        columns.push(Column::new((*name).into(), of(idx).map(f64::from).collect::<Vec<f64>>()));
    }
    let mut read = 0;
    let so_far = |tokens: f32| {
        read += tokens as i64;
        read
    };
    columns.push(Column::new("n_tokens".into(), of(N_BESIDE - 1).map(so_far).collect::<Vec<i64>>()));
    let table = DataFrame::new(points().count(), columns)?;
    Ok(Frame::derived(table, digest))
}
