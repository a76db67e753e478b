//! What generative and preference finetuning have in common: a causal trunk, or updates of low rank of it, trained on the own kernels or on
//! a device, and the model without a head that comes of it.

use super::TrainError;
use super::lora::{Adapters, Lora};
use super::options::Limits;
use super::weights::{OnHost, Weights};
use crate::core::digest::Digest;
use crate::frames::Frame;
use crate::kernels::optim::AdamWOptions;
use crate::models::Model;
use crate::models::arch::{Arch, Params};
use crate::models::candle::Leaves;
use crate::models::trunk::{Tape, decayed};
use std::sync::Arc;

/// The most steps and rows a step: arbitrary, weeks of work on a machine of today.
pub(super) const MAX_STEPS: usize = 10_000_000;
pub(super) const MAX_BATCH: usize = 1 << 16;

/// Items a step and steps of a training on `n` items, one pass where nothing is stated.
pub(super) fn settled_steps(
    (epochs, steps): (Option<usize>, Option<usize>),
    batch: usize,
    n: usize,
) -> Result<(usize, usize), TrainError> {
    if let (Some(epochs), Some(steps)) = (epochs, steps) {
        return Err(TrainError::EpochsAndSteps { epochs, steps });
    }
    let batch = batch.min(n.max(1));
    let epochs = epochs.unwrap_or(1);
    let steps = steps.unwrap_or_else(|| epochs.saturating_mul(n.div_ceil(batch)));
    if steps > MAX_STEPS {
        return Err(TrainError::TooManySteps { epochs, n_rows: n, steps, most: MAX_STEPS });
    }
    Ok((batch, steps))
}

/// Fails unless updates of low rank fit the trunk.
pub(super) fn check_lora(lora: Option<Lora>, arch: &Arch) -> Result<(), TrainError> {
    let Some(Lora { rank, alpha }) = lora else { return Ok(()) };
    Limits::from(1..=arch.width()).check("rank", &rank)?;
    Limits::from(1e-6..=1e6).check("alpha", &alpha)
}

/// What is trained of a model: its trunk, or updates of low rank.
#[derive(Clone, Copy)]
pub(super) struct Trained<'a> {
    pub model: &'a Model,
    pub adapters: Option<&'a Adapters>,
}

impl<'a> Trained<'a> {
    /// The numbers before the first step.
    pub fn first(self, seed: u64) -> Vec<f32> {
        self.adapters.map_or_else(|| self.base().to_vec(), |all| all.initial(seed))
    }

    /// How many numbers.
    pub fn n(self) -> usize {
        self.adapters.map_or(self.base().len(), |adapters| adapters.n)
    }

    fn base(self) -> &'a [f32] {
        &self.model.inner.params.values
    }

    /// The new model, called `digest`: the numbers that were trained, updates merged into the trunk, and no head.
    pub fn model(self, trained: Vec<f32>, digest: Digest, how: &str, recipe: String, curves: Option<Frame>) -> Model {
        let inner = &self.model.inner;
        let (values, adapter) = match self.adapters {
            None => (trained, None),
            Some(adapters) => {
                let mut merged = self.base().to_vec();
                adapters.apply(self.base(), &trained, &mut merged);
                (merged, Some(adapters.kept(trained, &inner.name)))
            }
        };
        self.model.with(|changed| {
            changed.params = Arc::new(Params { layout: inner.params.layout.clone(), values });
            changed.head = None;
            changed.adapter = adapter;
            changed.digest = digest;
            changed.lineage = format!("{}, {how}", inner.lineage);
            changed.recipe = recipe;
            changed.validation = None;
            changed.curves = curves;
        })
    }

    /// The own kernels, beginning with these numbers.
    pub fn on_host<D>(self, params: Vec<f32>, adam: AdamWOptions, recompute: bool) -> Engine<'a, D> {
        let tape = Box::new(Tape::recomputing(recompute));
        let Some(adapters) = self.adapters else {
            return Engine::Own { weights: OnHost::new(params, adam, decayed(&self.model.inner.arch)), tape };
        };
        let (all, base) = (0..params.len(), self.base());
        let weights = OnHost::new(params, adam, std::iter::once(all).collect());
        let (trunk, d_trunk) = (base.to_vec(), vec![0.0; base.len()]);
        Engine::Adapted { weights, tape, adapters, base, trunk, d_trunk }
    }
}

/// Where the work is done.
pub(super) enum Engine<'a, D> {
    Own {
        weights: OnHost,
        tape: Box<Tape>,
    },
    /// Updates of low rank; the effective weights of this step, and their gradients.
    Adapted {
        weights: OnHost,
        tape: Box<Tape>,
        adapters: &'a Adapters,
        base: &'a [f32],
        trunk: Vec<f32>,
        d_trunk: Vec<f32>,
    },
    Device(Box<D>),
}

/// Parameters that lie on a device.
pub(super) trait HasLeaves {
    fn leaves(&mut self) -> &mut Leaves;
}

impl<D: HasLeaves> Engine<'_, D> {
    pub fn weights(&mut self) -> &mut dyn Weights {
        match self {
            Engine::Own { weights, .. } | Engine::Adapted { weights, .. } => weights,
            Engine::Device(device) => device.leaves(),
        }
    }
}
