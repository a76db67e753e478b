//! Steps on labelled rows: batches, the objective, its gradient.
//!
//! What is trained (a whole model, adapters, a head alone; on the own kernels or on a device) is a [`Learner`]: it gives
//! outputs and takes gradients. On the own kernels it is made of [`Passes`] over flat buffers. What it is trained for is an
//! [`Objective`].

use super::carried::Carried;
use super::objective::{Moment, Objective};
use super::predict::{clear, head_forward, push_row};
use super::training::Training;
use super::validation::{Evaluation, Watch};
use super::weights::{OnHost, Weights};
use super::{Batches, LossValue, Plan, TrainError};
use crate::core::context::Context;
use crate::core::random::Random;
use crate::kernels::optim::AdamWOptions;
use crate::models::ModelError;
use crate::models::arch::{Arch, Entry, Layout};
use crate::models::trunk::{self, Dropout, Keep, Packed, Tape};
use std::ops::Range;

/// What a training changes: how its parameters make logits, and how gradients come back to them.
pub(super) trait Learner {
    /// The parameters with their gradients and their optimiser.
    fn weights(&mut self) -> &mut dyn Weights;

    /// Makes ready for parameters that have changed, and for passes of this step (from 0); `None`: for an evaluation, which
    /// drops nothing.
    fn prepare(&mut self, step: Option<usize>) -> Result<(), ModelError>;

    /// Appends the logits of these rows, row-major `[n_rows, n_classes]`; holds what [`Learner::gradient`] needs as told.
    fn logits(&mut self, rows: &[u32], hold: Hold, logits: &mut Vec<f32>) -> Result<(), ModelError>;

    /// Adds what follows from the logits' gradient, for the rows that were held last.
    fn gradient(&mut self, d_logits: &[f32]) -> Result<(), ModelError>;
}

/// What a pass holds for its gradient.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Hold {
    Nothing,
    /// What is needed, apart from the gradients that were found before.
    Apart,
    /// What is needed; no gradient of this step was found yet, so that their memory is free.
    First,
}

/// On the own kernels.
pub(super) struct Own<P> {
    passes: P,
    weights: OnHost,
}

impl<P: Passes> Own<P> {
    /// Trains these parameters.
    pub fn new(passes: P, params: Vec<f32>, options: AdamWOptions) -> Self {
        let decayed = passes.decayed();
        Own { passes, weights: OnHost::new(params, options, decayed) }
    }
}

impl<P: Passes> Learner for Own<P> {
    fn weights(&mut self) -> &mut dyn Weights {
        &mut self.weights
    }

    fn prepare(&mut self, step: Option<usize>) -> Result<(), ModelError> {
        self.passes.prepare(&self.weights.params, step);
        Ok(())
    }

    fn logits(&mut self, rows: &[u32], hold: Hold, logits: &mut Vec<f32>) -> Result<(), ModelError> {
        let OnHost { params, grads, .. } = &mut self.weights;
        let keep = match hold {
            Hold::Nothing => Keep::Nothing,
            Hold::Apart => Keep::Apart,
            Hold::First => Keep::In(grads),
        };
        self.passes.logits(params, rows, keep, logits);
        Ok(())
    }

    fn gradient(&mut self, d_logits: &[f32]) -> Result<(), ModelError> {
        let OnHost { params, grads, .. } = &mut self.weights;
        self.passes.gradient(params, d_logits, grads);
        Ok(())
    }
}

/// Passes over flat buffers.
pub(super) trait Passes {
    /// As [`Learner::prepare`].
    fn prepare(&mut self, _params: &[f32], _step: Option<usize>) {}

    /// Appends the logits of these rows, row-major `[n_rows, n_classes]`; keeps what [`Passes::gradient`] needs as told.
    /// Gradients that are lent for it are then set, those behind the trunk's as well.
    fn logits(&mut self, params: &[f32], rows: &[u32], keep: Keep, logits: &mut Vec<f32>);

    /// Adds to `grads` what follows from the logits' gradient, for the rows that were kept last; or sets it, if `grads`
    /// was lent to keep them.
    fn gradient(&mut self, params: &[f32], d_logits: &[f32], grads: &mut [f32]);

    /// Where weight decay acts.
    fn decayed(&self) -> Vec<Range<usize>>;
}

/// Steps of a learner on rows, for an objective.
pub(super) struct Job<'a> {
    pub learner: &'a mut dyn Learner,
    pub objective: &'a mut dyn Objective,
    pub plan: &'a Plan,
    /// Over the rows that are trained on.
    pub batches: Batches,
    /// Their numbers among all rows.
    pub rows: &'a [u32],
    /// Of each watch.
    pub held_out: &'a [HeldOut<'a>],
    pub ctx: &'a Context,
    pub buffers: Buffers,
}

/// The numbers of a watch's rows, behind those that are trained on.
pub(super) type HeldOut<'a> = (Range<u32>, &'a Watch);

/// What a step works in.
#[derive(Default)]
pub(super) struct Buffers {
    rows: Vec<u32>,
    logits: Vec<f32>,
    /// Logits that are computed a second time.
    again: Vec<f32>,
}

impl Training for Job<'_> {
    fn weights(&mut self) -> &mut dyn Weights {
        self.learner.weights()
    }

    /// Batches that were done are drawn again, which costs less than a pass.
    fn skip(&mut self, n_done: usize) -> Result<(), TrainError> {
        for drawn in 0..n_done {
            self.batches.draw();
            if drawn.is_multiple_of(DRAWS_PER_LOOK) {
                self.ctx.interrupt.check()?;
            }
        }
        Ok(())
    }

    /// The loss sees the outputs of the whole batch. If the batch is cut into parts, each part's pass is made again for its
    /// gradient, except the last one's, which is still at hand.
    fn gradient(&mut self, step: usize, _random: &mut Random) -> Result<f64, TrainError> {
        let Buffers { rows: chosen, logits, again } = &mut self.buffers;
        let (drawn, epoch) = self.batches.draw();
        chosen.clear();
        chosen.extend(drawn.iter().filter_map(|at| self.rows.get(*at as usize)));
        self.learner.prepare(Some(step))?;
        logits.clear();
        let n_rows = rows_of_part(chosen.len(), self.plan);
        let last = chosen.chunks(n_rows).count().saturating_sub(1);
        for (idx, rows) in chosen.chunks(n_rows).enumerate() {
            let hold = if idx == last { Hold::First } else { Hold::Nothing };
            self.learner.logits(rows, hold, logits)?;
            self.ctx.interrupt.check()?;
        }
        if !logits.iter().all(|z| z.is_finite()) {
            return Err(output_diverged(step, self.plan));
        }
        let found = self.objective.ask(chosen, logits, Moment { step, steps: self.plan.steps, epoch })?;
        let LossValue { value, gradient } = found;
        if gradient.len() != logits.len() {
            return Err(TrainError::GradientShape { got: gradient.len(), expected: logits.len() });
        }
        if !value.is_finite() {
            // The loop says so; there is no way back from here.
            return Ok(value);
        }
        let parts = chosen.chunks(n_rows).zip(gradient.chunks(n_rows * self.objective.n_outputs().max(1)));
        for (idx, (rows, d_logits)) in parts.enumerate().rev() {
            if idx < last {
                again.clear();
                self.learner.logits(rows, Hold::Apart, again)?;
                self.ctx.interrupt.check()?;
            }
            self.learner.gradient(d_logits)?;
        }
        Ok(value)
    }

    fn carried(&self) -> Carried {
        self.objective.carried()
    }

    fn take_up(&mut self, carried: Carried) {
        self.objective.take_up(carried);
    }

    fn evaluate(&mut self, step: usize, watch: &Watch) -> Result<Evaluation, TrainError> {
        let found = self.held_out.iter().find(|(_, held)| held.kind == watch.kind);
        let rows: Vec<u32> = found.map_or(0..0, |(rows, _)| rows.clone()).collect();
        self.learner.prepare(None)?;
        let logits = &mut self.buffers.logits;
        logits.clear();
        for rows in rows.chunks(rows_of_part(self.plan.batch, self.plan)) {
            self.learner.logits(rows, Hold::Nothing, logits)?;
            self.ctx.interrupt.check()?;
        }
        if !logits.iter().all(|z| z.is_finite()) {
            return Err(output_diverged(step.saturating_sub(1), self.plan));
        }
        Ok(watch.found(step, logits))
    }
}

/// Rows that go through the model together, of a batch of so many.
fn rows_of_part(n_rows: usize, plan: &Plan) -> usize {
    n_rows.div_ceil(plan.recipe.accumulate.max(1)).max(1)
}

fn output_diverged(step: usize, plan: &Plan) -> TrainError {
    TrainError::Diverged { step: step + 1, steps: plan.steps, what: "model's output", lr: plan.lr }
}

/// Batches that are drawn between two looks at the interrupt: arbitrary, some milliseconds.
const DRAWS_PER_LOOK: usize = 1024;

/// Trunk and head together.
pub(super) struct Whole<'a> {
    pub pass: Pass<'a>,
    pub layout: &'a Layout,
}

/// The parameters are the trunk's and behind them the head's, so that one norm clips and one pass updates both.
impl Passes for Whole<'_> {
    fn prepare(&mut self, _params: &[f32], step: Option<usize>) {
        self.pass.step = step;
    }

    fn logits(&mut self, params: &[f32], rows: &[u32], mut keep: Keep, logits: &mut Vec<f32>) {
        let (trunk, head) = params.split_at(self.layout.n_params);
        if let Keep::In(grads) = keep {
            let (trunk_grads, head_grads) = grads.split_at_mut(self.layout.n_params);
            head_grads.fill(0.0);
            keep = Keep::In(trunk_grads);
        }
        self.pass.logits(trunk, head, rows, keep, logits);
    }

    fn gradient(&mut self, params: &[f32], d_logits: &[f32], grads: &mut [f32]) {
        let (trunk, head) = params.split_at(self.layout.n_params);
        let (trunk_grads, head_grads) = grads.split_at_mut(self.layout.n_params);
        self.pass.gradient(trunk, head, d_logits, trunk_grads, head_grads);
    }

    /// Matrices and the head; not biases or gains.
    fn decayed(&self) -> Vec<Range<usize>> {
        let matrices = self.layout.entries.iter().filter(|entry| decays(entry));
        let ranges = matrices.map(|entry| entry.offset..entry.offset + entry.shape.iter().product::<usize>());
        // The head lies behind, as long as it is.
        ranges.chain(std::iter::once(self.layout.n_params..self.layout.n_params + self.pass.n_head)).collect()
    }
}

/// Whether weight decay acts on a tensor of a trunk: on matrices, not on biases or gains.
pub(super) fn decays(entry: &Entry) -> bool {
    entry.shape.len() > 1
}

/// A pass of some rows through a trunk and a head, and back.
pub(super) struct Pass<'a> {
    arch: &'a Arch,
    packed: &'a Packed,
    /// Numbers in the head.
    n_head: usize,
    /// The share that is dropped in training, and the seed.
    dropout: Option<(f64, u64)>,
    /// The step of the next passes, if they train.
    pub step: Option<usize>,
    tape: Tape,
    batch: Packed,
    features: Vec<f32>,
    d_features: Vec<f32>,
    logits: Vec<f32>,
}

impl<'a> Pass<'a> {
    /// Of rows of `packed` through a model of this architecture; `recompute` as [`Tape::recomputing`] has it.
    pub fn new(arch: &'a Arch, packed: &'a Packed, n_head: usize, recompute: bool) -> Self {
        let (tape, batch) = (Tape::recomputing(recompute), Packed::default());
        Pass {
            arch,
            packed,
            n_head,
            dropout: None,
            step: None,
            tape,
            batch,
            features: Vec::new(),
            d_features: Vec::new(),
            logits: Vec::new(),
        }
    }

    /// The same, dropping this share of activations in training, drawn by this seed.
    pub fn dropping(self, dropout: Option<(f64, u64)>) -> Self {
        Pass { dropout, ..self }
    }

    /// As [`Passes::logits`].
    pub fn logits(&mut self, trunk: &[f32], head: &[f32], rows: &[u32], keep: Keep, logits: &mut Vec<f32>) {
        clear(&mut self.batch);
        rows.iter().for_each(|row| push_row(&mut self.batch, self.packed, *row as usize));
        let (arch, batch, tape) = (self.arch, &self.batch, &mut self.tape);
        tape.drop_out(dropout_of(self.dropout, self.step, rows));
        self.features = match keep {
            Keep::Nothing => trunk::features(arch, trunk, batch, tape),
            Keep::Apart => trunk::forward(arch, trunk, batch, tape),
            Keep::In(grads) => trunk::forward_lent(arch, trunk, batch, tape, grads),
        };
        head_forward(&self.features, head, self.arch.width(), &mut self.logits);
        logits.extend_from_slice(&self.logits);
    }

    /// As [`Passes::gradient`].
    pub fn gradient(
        &mut self,
        trunk: &[f32],
        head: &[f32],
        d_logits: &[f32],
        trunk_grads: &mut [f32],
        head_grads: &mut [f32],
    ) {
        let width = self.arch.width();
        head_backward(&self.features, head, d_logits, width, head_grads, &mut self.d_features);
        trunk::backward(self.arch, trunk, &self.batch, &mut self.tape, &self.d_features, trunk_grads);
    }
}

/// What the passes of a step drop: nothing where it is no training. `rows` are the rows' numbers among all, so that a row
/// loses the same however its batch is cut.
pub(super) fn dropout_of(dropout: Option<(f64, u64)>, step: Option<usize>, rows: &[u32]) -> Option<Dropout> {
    dropout.zip(step).map(|((rate, seed), step)| Dropout::new(rate, seed, step, rows))
}

/// A head alone, on features that are computed once.
pub(super) struct Probe<'a> {
    /// Row-major `[n_rows, width]`.
    all: &'a [f32],
    width: usize,
    n_head: usize,
    features: Vec<f32>,
    logits: Vec<f32>,
}

impl<'a> Probe<'a> {
    /// On these features of all rows.
    pub fn new(all: &'a [f32], width: usize, n_head: usize) -> Self {
        Probe { all, width, n_head, features: Vec::new(), logits: Vec::new() }
    }
}

impl Passes for Probe<'_> {
    fn logits(&mut self, head: &[f32], rows: &[u32], keep: Keep, logits: &mut Vec<f32>) {
        if let Keep::In(grads) = keep {
            grads.fill(0.0);
        }
        self.features.clear();
        for row in rows {
            let start = *row as usize * self.width;
            self.features.extend_from_slice(self.all.get(start..start + self.width).unwrap_or_default());
        }
        head_forward(&self.features, head, self.width, &mut self.logits);
        logits.extend_from_slice(&self.logits);
    }

    fn gradient(&mut self, head: &[f32], d_logits: &[f32], grads: &mut [f32]) {
        head_gradient(&self.features, d_logits, head.len() / self.width.max(1), self.width, grads);
    }

    fn decayed(&self) -> Vec<Range<usize>> {
        std::iter::once(0..self.n_head).collect()
    }
}

/// Gradient of the head: `d_logitsᵀ · features`, added to `grads`.
fn head_gradient(features: &[f32], d_logits: &[f32], n_classes: usize, width: usize, grads: &mut [f32]) {
    for (row, d_row) in features.chunks_exact(width).zip(d_logits.chunks_exact(n_classes)) {
        for (class, d) in grads.chunks_exact_mut(width).zip(d_row) {
            class.iter_mut().zip(row).for_each(|(g, x)| *g += d * x);
        }
    }
}

/// Gradients of the head (added to `grads`) and of the features (written to `d_features`).
fn head_backward(
    features: &[f32],
    head: &[f32],
    d_logits: &[f32],
    width: usize,
    grads: &mut [f32],
    d_features: &mut Vec<f32>,
) {
    let n_classes = head.len() / width.max(1);
    head_gradient(features, d_logits, n_classes, width, grads);
    d_features.clear();
    d_features.resize(features.len(), 0.0);
    for (d_feature, d_row) in d_features.chunks_exact_mut(width).zip(d_logits.chunks_exact(n_classes)) {
        for (class, d) in head.chunks_exact(width).zip(d_row) {
            d_feature.iter_mut().zip(class).for_each(|(f, w)| *f += d * w);
        }
    }
}
