//! The training loop: batches, the loss, the optimiser, the state between steps.
//!
//! What is trained (a whole model, adapters, a head alone; on the own kernels or on a device) is a [`Learner`]: it gives
//! logits and takes gradients. On the own kernels it is made of [`Passes`] over flat buffers.

use super::checkpoint::{Checkpoints, Curve, State};
use super::predict::{Bar, clear, head_forward, push_row};
use super::weights::{OnHost, Weights};
use super::{At, Batches, Loss, LossBatch, LossValue, Plan, TrainError};
use crate::core::context::Context;
use crate::core::digest::Digest;
use crate::core::random::Random;
use crate::kernels::optim::AdamWOptions;
use crate::models::ModelError;
use crate::models::arch::{Arch, Entry, Layout};
use crate::models::trunk::{self, Keep, Packed, Tape};
use crate::store::memo::Partial;
use std::ops::Range;

/// What a training changes: how its parameters make logits, and how gradients come back to them.
pub(super) trait Learner {
    /// The parameters with their gradients and their optimiser.
    fn weights(&mut self) -> &mut dyn Weights;

    /// Makes ready for parameters that a step has changed.
    fn prepare(&mut self) -> Result<(), ModelError>;

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

    fn prepare(&mut self) -> Result<(), ModelError> {
        self.passes.prepare(&self.weights.params);
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
    /// Makes ready for parameters that the optimiser has changed.
    fn prepare(&mut self, _params: &[f32]) {}

    /// Appends the logits of these rows, row-major `[n_rows, n_classes]`; keeps what [`Passes::gradient`] needs as told.
    /// Gradients that are lent for it are then set, those behind the trunk's as well.
    fn logits(&mut self, params: &[f32], rows: &[u32], keep: Keep, logits: &mut Vec<f32>);

    /// Adds to `grads` what follows from the logits' gradient, for the rows that were kept last; or sets it, if `grads`
    /// was lent to keep them.
    fn gradient(&mut self, params: &[f32], d_logits: &[f32], grads: &mut [f32]);

    /// Where weight decay acts.
    fn decayed(&self) -> Vec<Range<usize>>;
}

/// One training, everything settled.
pub(super) struct Job<'a> {
    /// For the progress bar.
    pub what: String,
    /// The derivation of what it makes.
    pub of: Digest,
    pub plan: &'a Plan,
    /// The tokens of each row, how many.
    pub lengths: Vec<u32>,
    /// Weak labels, row-major `[n_rows, n_classes]`.
    pub weak: &'a [f32],
    pub ids: &'a [&'a str],
    pub n_classes: usize,
    pub loss: &'a dyn Loss,
    pub ctx: &'a Context,
    pub partial: &'a Partial,
}

/// What a step works in.
#[derive(Default)]
struct Buffers<'a> {
    weak: Vec<f32>,
    ids: Vec<&'a str>,
    logits: Vec<f32>,
    /// Logits that are computed a second time.
    again: Vec<f32>,
}

impl<'a> Job<'a> {
    /// Trains; what the parameters became, and the loss curve.
    pub fn run(&self, learner: &mut dyn Learner) -> Result<(Vec<f32>, Curve), TrainError> {
        let mut checkpoints = Checkpoints::new(self.ctx, self.partial, self.of, self.plan.steps, &[]);
        let fresh = State {
            step: 0,
            curve: Curve::new(self.plan.steps),
            random: Random::new(self.plan.seed, "finetune"),
            kept: Vec::new(),
        };
        let mut state = checkpoints.take_up(fresh, learner.weights())?;
        let mut batches = self.batches_from(state.step)?;
        let mut buffers = Buffers::default();
        let bar = Bar::start(self.ctx, self.what.clone(), self.plan.steps as u64);
        while state.step < self.plan.steps {
            checkpoints.heed(&state, learner.weights())?;
            let (chosen, epoch) = batches.draw();
            let found = self.gradient(learner, state.step, chosen, epoch, &mut buffers);
            if found.as_ref().is_err_and(crate::core::explain::Explain::is_interruption) {
                // The step was not taken: the state is whole.
                checkpoints.heed(&state, learner.weights())?;
            }
            let found = found?;
            let clip = (self.plan.clip > 0.0).then_some(self.plan.clip);
            let lr = self.plan.lr_at(state.step);
            let norm = learner.weights().step(lr, clip)?;
            if !norm.is_finite() {
                return Err(self.diverged(state.step, "gradient"));
            }
            state.step += 1;
            if state.curve.note(state.step, found.value) {
                bar.progress(state.step as u64, || format!("loss {:.3}", found.value));
            }
        }
        Ok((learner.weights().take_params()?, state.curve))
    }

    /// Computes the gradient of one batch into the buffers; the loss.
    ///
    /// The loss sees the logits of the whole batch. If the batch is cut into parts, each part's pass is made again for
    /// its gradient, except the last one's, which is still at hand.
    fn gradient(
        &self,
        learner: &mut dyn Learner,
        step: usize,
        chosen: &[u32],
        epoch: usize,
        buffers: &mut Buffers<'a>,
    ) -> Result<LossValue, TrainError> {
        let Buffers { weak, ids, logits, again } = buffers;
        weak.clear();
        ids.clear();
        for row in chosen {
            let start = *row as usize * self.n_classes;
            weak.extend_from_slice(self.weak.get(start..start + self.n_classes).unwrap_or_default());
            ids.extend(self.ids.get(*row as usize));
        }
        learner.prepare()?;
        logits.clear();
        let n_rows = chosen.len().div_ceil(self.plan.accumulate.max(1)).max(1);
        let last = chosen.chunks(n_rows).count().saturating_sub(1);
        for (idx, rows) in chosen.chunks(n_rows).enumerate() {
            let hold = if idx == last { Hold::First } else { Hold::Nothing };
            learner.logits(rows, hold, logits)?;
            self.ctx.interrupt.check()?;
        }
        let batch = At { step, steps: self.plan.steps, epoch, rows: ids };
        let found = self.ask(&LossBatch { logits, weak, n_classes: self.n_classes, at: batch })?;
        let parts = chosen.chunks(n_rows).zip(found.gradient.chunks(n_rows * self.n_classes.max(1)));
        for (idx, (rows, d_logits)) in parts.enumerate().rev() {
            if idx < last {
                again.clear();
                learner.logits(rows, Hold::Apart, again)?;
                self.ctx.interrupt.check()?;
            }
            learner.gradient(d_logits)?;
        }
        Ok(found)
    }

    /// Asks the loss; refuses numbers that are not finite.
    fn ask(&self, batch: &LossBatch) -> Result<LossValue, TrainError> {
        if !batch.logits.iter().all(|z| z.is_finite()) {
            return Err(self.diverged(batch.at.step, "model's output"));
        }
        let found = self.loss.step(batch)?;
        if found.gradient.len() != batch.logits.len() {
            return Err(TrainError::GradientShape { got: found.gradient.len(), expected: batch.logits.len() });
        }
        if !found.value.is_finite() {
            return Err(self.diverged(batch.at.step, "loss"));
        }
        Ok(found)
    }

    fn diverged(&self, step: usize, what: &'static str) -> TrainError {
        TrainError::Diverged { step: step + 1, steps: self.plan.steps, what, lr: self.plan.lr }
    }

    /// The batches that come after `n_done`: those before are drawn again, which costs less than a pass.
    fn batches_from(&self, n_done: usize) -> Result<Batches, TrainError> {
        let mut batches = Batches::new(self.lengths.clone(), self.plan.batch, self.plan.bucket, self.plan.seed);
        for drawn in 0..n_done {
            batches.draw();
            if drawn.is_multiple_of(DRAWS_PER_LOOK) {
                self.ctx.interrupt.check()?;
            }
        }
        Ok(batches)
    }
}

/// Batches that are drawn between two looks at the interrupt: chosen, some milliseconds.
const DRAWS_PER_LOOK: usize = 1024;

/// Trunk and head together.
pub(super) struct Whole<'a> {
    pub pass: Pass<'a>,
    pub layout: &'a Layout,
}

/// The parameters are the trunk's and behind them the head's, so that one norm clips and one pass updates both.
impl Passes for Whole<'_> {
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
        Pass { arch, packed, n_head, tape, batch, features: Vec::new(), d_features: Vec::new(), logits: Vec::new() }
    }

    /// As [`Passes::logits`].
    pub fn logits(&mut self, trunk: &[f32], head: &[f32], rows: &[u32], keep: Keep, logits: &mut Vec<f32>) {
        clear(&mut self.batch);
        rows.iter().for_each(|row| push_row(&mut self.batch, self.packed, *row as usize));
        let (arch, batch, tape) = (self.arch, &self.batch, &mut self.tape);
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
