//! What is trained on preferences, on the own kernels or on a device: log-probabilities of tokens, and the way back.

use super::super::causal::{Engine, Trained};
use super::super::device::Scribe;
use super::super::predict::{clear, push_row};
use super::super::weights::OnHost;
use super::{PreferenceRecipe, TrainError};
use crate::core::context::{Context, Interrupt};
use crate::kernels::optim::AdamWOptions;
use crate::models::arch::Arch;
use crate::models::trunk::{Packed, logprobs, logprobs_backward};
use crate::models::{Model, ModelError};
use candle_core::Device;

/// Tokens that go through a reference together on a device: arbitrary, some hundred megabytes of a large vocabulary's logits.
const TOKENS: usize = 2048;

/// Over what is trained, beginning with these numbers.
pub(super) fn of<'a>(
    trained: Trained<'a>,
    params: Vec<f32>,
    recipe: &PreferenceRecipe,
    device: Option<&Device>,
    interrupt: &'a Interrupt,
) -> Result<Engine<'a, Scribe<'a>>, TrainError> {
    let inner = &trained.model.inner;
    let [beta1, beta2] = recipe.betas;
    let adam = AdamWOptions { beta1, beta2, weight_decay: recipe.weight_decay, ..AdamWOptions::default() };
    let Some(on) = device else { return Ok(trained.on_host(params, adam, recipe.recompute)) };
    let adapted = trained.adapters.map(|adapters| (adapters, &*inner.params.values));
    let scribe = Scribe::new(&inner.arch, &params, adapted, adam, recipe.recompute, on, interrupt)?;
    Ok(Engine::Device(Box::new(scribe)))
}

impl Engine<'_, Scribe<'_>> {
    /// Makes ready for a step.
    pub fn prepare(&mut self) -> Result<(), ModelError> {
        match self {
            Engine::Own { .. } => Ok(()),
            Engine::Adapted { weights, adapters, base, trunk, .. } => {
                adapters.apply(base, &weights.params, trunk);
                Ok(())
            }
            Engine::Device(scribe) => scribe.prepare(),
        }
    }

    /// The log-probability of each counted token, 0 for the others; [`Engine::backward`] can follow.
    pub fn logprobs(&mut self, arch: &Arch, batch: &Packed, counted: &[bool]) -> Result<Vec<f64>, ModelError> {
        Ok(match self {
            Engine::Own { weights: OnHost { params, grads, .. }, tape } => {
                logprobs(arch, params, batch, counted, tape, Some(grads))
            }
            Engine::Adapted { tape, trunk, d_trunk, .. } => logprobs(arch, trunk, batch, counted, tape, Some(d_trunk)),
            Engine::Device(scribe) => scribe.logprobs(batch, counted, true)?,
        })
    }

    /// The same without a way back.
    pub fn read(&mut self, arch: &Arch, batch: &Packed, counted: &[bool]) -> Result<Vec<f64>, ModelError> {
        Ok(match self {
            Engine::Own { weights, tape } => logprobs(arch, &weights.params, batch, counted, tape, None),
            Engine::Adapted { tape, trunk, .. } => logprobs(arch, trunk, batch, counted, tape, None),
            Engine::Device(scribe) => scribe.logprobs(batch, counted, false)?,
        })
    }

    /// Finds the gradients of a loss with these slopes by the counted tokens' log-probabilities.
    pub fn backward(
        &mut self,
        arch: &Arch,
        batch: &Packed,
        counted: &[bool],
        slopes: &[f32],
    ) -> Result<(), ModelError> {
        let tokens = (counted, slopes);
        match self {
            Engine::Own { weights: OnHost { params, grads, .. }, tape } => {
                logprobs_backward(arch, params, batch, tokens, true, tape, grads);
            }
            Engine::Adapted { weights: OnHost { params, grads, .. }, tape, adapters, trunk, d_trunk, .. } => {
                logprobs_backward(arch, trunk, batch, tokens, false, tape, d_trunk);
                grads.fill(0.0);
                adapters.gradient(params, d_trunk, grads);
            }
            Engine::Device(scribe) => scribe.backward(counted, slopes)?,
        }
        Ok(())
    }
}

/// The log-probability of each sequence's tokens from its `first` on, summed, as a model gives them on a device.
pub(super) fn read_on(
    model: &Model,
    packed: &Packed,
    first: &dyn Fn(usize) -> usize,
    device: &Device,
    ctx: &Context,
) -> Result<Vec<f64>, TrainError> {
    let inner = &model.inner;
    let (adam, interrupt) = (AdamWOptions::default(), &ctx.interrupt);
    let mut scribe = Scribe::new(&inner.arch, &inner.params.values, None, adam, false, device, interrupt)?;
    let (mut batch, mut counted, mut sums) = (Packed::default(), Vec::new(), Vec::new());
    clear(&mut batch);
    for sequence in 0..packed.n_rows() {
        push_row(&mut batch, packed, sequence);
        counted.extend((0..packed.row(sequence).len()).map(|place| place >= first(sequence)));
        if batch.tokens.len() >= TOKENS || sequence + 1 == packed.n_rows() {
            let found = scribe.logprobs(&batch, &counted, false)?;
            let of = |bounds: &[usize]| match bounds {
                [start, end] => found.get(*start..*end).unwrap_or_default().iter().sum(),
                _ => f64::NAN,
            };
            sums.extend(batch.offsets.windows(2).map(of));
            clear(&mut batch);
            counted.clear();
        }
    }
    if sums.iter().any(|sum: &f64| !sum.is_finite()) {
        return Err(ModelError::Engine(format!("the logits of `{}` are not finite numbers", inner.name)).into());
    }
    Ok(sums)
}
