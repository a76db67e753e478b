//! What a training changes, on a device of candle's: a whole model, adapters or a head alone, as tensors.

use super::TrainError;
use super::causal::HasLeaves;
use super::job::{Hold, Learner, decays, dropout_of};
use super::lora::Adapters;
use super::predict::{clear, push_row};
use super::weights::Weights;
use crate::core::context::Interrupt;
use crate::kernels::optim::AdamWOptions;
use crate::models::ModelError;
use crate::models::arch::{Arch, Entry, Layout};
use crate::models::candle::{Kept, LeafShape, Leaves, Padded, Tape, Trunk, tensors, values};
use crate::models::trunk::Packed;
use candle_core::{Device, Tensor};

/// A training's parameters on a device, the head behind the rest.
pub(super) struct OnDevice<'a> {
    leaves: Leaves,
    head: Tensor,
    body: Body<'a>,
    device: &'a Device,
    interrupt: &'a Interrupt,
    /// The share that is dropped in training, and the seed.
    dropout: Option<(f64, u64)>,
    /// The step of the next passes, if they train.
    step: Option<usize>,
    /// What the last pass kept.
    held: Option<Held>,
}

/// What stands before the head.
enum Body<'a> {
    /// A trunk that is trained, or adapted.
    Trunk(Box<Trained<'a>>),
    /// Nothing but features of all rows, `[n_rows, width]`.
    Features(Tensor),
}

struct Trained<'a> {
    arch: &'a Arch,
    packed: &'a Packed,
    /// Of variables: it changes with them. Where it is adapted, made of the base and the adapters before each step.
    trunk: Trunk,
    adapted: Option<(&'a Adapters, Vec<Tensor>)>,
    /// What is kept of a pass whose gradient is wanted.
    kept: Kept,
    batch: Packed,
}

enum Held {
    Pass(Box<Padded>, Tape),
    Logits(Tensor),
}

/// What trains a trunk.
pub(super) struct Over<'a> {
    pub arch: &'a Arch,
    pub layout: &'a Layout,
    pub packed: &'a Packed,
    /// The trunk's parameters where adapters are trained and they stay.
    pub base: &'a [f32],
    pub adapters: Option<&'a Adapters>,
    pub recompute: bool,
}

impl<'a> OnDevice<'a> {
    /// Over a trunk. `params`: the trunk's or the adapters', and behind them the head's.
    pub fn over(
        over: Over<'a>,
        params: &[f32],
        n_classes: usize,
        options: AdamWOptions,
        device: &'a Device,
        interrupt: &'a Interrupt,
    ) -> Result<Self, ModelError> {
        let Over { arch, layout, packed, base, adapters, recompute } = over;
        let mut shapes = match adapters {
            Some(adapters) => adapters.leaves(),
            None => layout
                .entries
                .iter()
                .map(|entry| LeafShape { shape: entry.shape.clone(), decays: decays(entry) })
                .collect(),
        };
        shapes.push(head_shape(n_classes, arch.width()));
        let leaves = Leaves::new(shapes, params, options, device)?;
        let adapted = match adapters {
            Some(adapters) => Some((adapters, tensors(arch, base, device)?)),
            None => None,
        };
        let kept = if recompute { Kept::Inputs } else { Kept::Everything };
        let (trunk, batch) = (Trunk::new(arch, leaves.tensors()), Packed::default());
        let body = Body::Trunk(Box::new(Trained { arch, packed, trunk, adapted, kept, batch }));
        Self::new(leaves, body, device, interrupt)
    }

    /// A head alone, over features of all rows, row-major `[n_rows, width]`.
    pub fn probe(
        features: &[f32],
        width: usize,
        head: &[f32],
        options: AdamWOptions,
        device: &'a Device,
        interrupt: &'a Interrupt,
    ) -> Result<Self, ModelError> {
        let width = width.max(1);
        let leaves = Leaves::new([head_shape(head.len() / width, width)], head, options, device)?;
        let features = Tensor::from_slice(features, (features.len() / width, width), device)?;
        Self::new(leaves, Body::Features(features), device, interrupt)
    }

    fn new(leaves: Leaves, body: Body<'a>, device: &'a Device, interrupt: &'a Interrupt) -> Result<Self, ModelError> {
        let head = leaves.tensors().last().ok_or_else(|| ModelError::Engine("nothing is trained".to_owned()))?;
        Ok(OnDevice { leaves, head, body, device, interrupt, dropout: None, step: None, held: None })
    }

    /// The same, dropping this share of activations in training, drawn by this seed.
    pub fn dropping(self, dropout: Option<(f64, u64)>) -> Self {
        OnDevice { dropout, ..self }
    }
}

fn head_shape(n_classes: usize, width: usize) -> LeafShape {
    LeafShape { shape: vec![n_classes, width], decays: true }
}

/// Features to logits.
fn through(head: &Tensor, features: &Tensor) -> candle_core::Result<Tensor> {
    features.matmul(&head.t()?)
}

impl Learner for OnDevice<'_> {
    fn weights(&mut self) -> &mut dyn Weights {
        &mut self.leaves
    }

    fn prepare(&mut self, step: Option<usize>) -> Result<(), ModelError> {
        self.step = step;
        if let Body::Trunk(trained) = &mut self.body
            && let Some((adapters, base)) = &trained.adapted
        {
            let factors: Vec<Tensor> = self.leaves.tensors().collect();
            trained.trunk = Trunk::new(trained.arch, adapters.effective(&trained.arch.layout(), base, &factors)?);
        }
        Ok(())
    }

    fn logits(&mut self, rows: &[u32], hold: Hold, logits: &mut Vec<f32>) -> Result<(), ModelError> {
        let head = &self.head;
        let (found, held) = match &mut self.body {
            Body::Trunk(trained) => {
                clear(&mut trained.batch);
                rows.iter().for_each(|row| push_row(&mut trained.batch, trained.packed, *row as usize));
                let kept = if hold == Hold::Nothing { Kept::Nothing } else { trained.kept };
                let (trunk, padded) = (&trained.trunk, trained.trunk.padded(&trained.batch)?);
                let padded = padded.dropping(dropout_of(self.dropout, self.step, rows));
                let end = |x: &Tensor| through(head, &trunk.pooled(x, &padded)?);
                let (found, tape) = trunk.pass(&padded, kept, &end, self.interrupt)?;
                (found, Held::Pass(Box::new(padded), tape))
            }
            Body::Features(all) => {
                let features = all.index_select(&Tensor::from_slice(rows, rows.len(), self.device)?, 0)?;
                let found = through(head, &features)?;
                (found.detach(), Held::Logits(found))
            }
        };
        self.held = (hold != Hold::Nothing).then_some(held);
        logits.extend(values(&found)?);
        Ok(())
    }

    fn gradient(&mut self, d_logits: &[f32]) -> Result<(), ModelError> {
        let d = |n_rows: usize| Tensor::from_slice(d_logits, (n_rows, d_logits.len() / n_rows.max(1)), self.device);
        match (self.held.take(), &self.body) {
            (Some(Held::Pass(padded, tape)), Body::Trunk(trained)) => {
                let (trunk, head) = (&trained.trunk, &self.head);
                let end = |x: &Tensor| through(head, &trunk.pooled(x, &padded)?);
                trunk.back(&padded, tape, &end, d(padded.n_rows)?, &mut self.leaves, self.interrupt)
            }
            (Some(Held::Logits(found)), _) => {
                let store = (&found * d(found.dim(0)?)?)?.sum_all()?.backward()?;
                Ok(self.leaves.add(&store)?)
            }
            _ => Err(ModelError::Engine("no pass was kept for this gradient".to_owned())),
        }
    }
}

/// Where next-token training is at home on a device.
pub(super) struct Speaker<'a> {
    pub leaves: Leaves,
    trunk: Trunk,
    interrupt: &'a Interrupt,
}

impl HasLeaves for Speaker<'_> {
    fn leaves(&mut self) -> &mut Leaves {
        &mut self.leaves
    }
}

impl<'a> Speaker<'a> {
    /// A trunk with these parameters.
    pub fn new(
        arch: &Arch,
        params: &[f32],
        options: AdamWOptions,
        device: &Device,
        interrupt: &'a Interrupt,
    ) -> Result<Self, ModelError> {
        let shapes = arch.layout().entries.into_iter().map(|entry| LeafShape { shape: entry.shape, decays: false });
        let leaves = Leaves::new(shapes, params, options, device)?;
        let trunk = Trunk::new(arch, leaves.tensors());
        Ok(Speaker { leaves, trunk, interrupt })
    }

    /// The batch's mean next-token loss in nats; its gradients are those of the leaves from here on.
    pub fn gradients(&mut self, batch: &Packed) -> Result<f64, ModelError> {
        let (trunk, padded) = (&self.trunk, self.trunk.padded(batch)?);
        let end = |x: &Tensor| trunk.next_token_loss(x, &padded);
        let (loss, tape) = trunk.pass(&padded, Kept::Everything, &end, self.interrupt)?;
        trunk.back(&padded, tape, &end, loss.ones_like()?, &mut self.leaves, self.interrupt)?;
        number(&loss)
    }
}

/// Log-probabilities of tokens on a device, with a way back: a whole trunk or adapters of one.
pub(super) struct Scribe<'a> {
    pub leaves: Leaves,
    arch: &'a Arch,
    /// Of variables: it changes with them. Where it is adapted, made of the base and the adapters before each step.
    trunk: Trunk,
    adapted: Option<(&'a Adapters, Vec<Tensor>)>,
    kept: Kept,
    interrupt: &'a Interrupt,
    held: Option<(Padded, Tape)>,
}

impl HasLeaves for Scribe<'_> {
    fn leaves(&mut self) -> &mut Leaves {
        &mut self.leaves
    }
}

impl<'a> Scribe<'a> {
    /// A trunk with these parameters; where it is adapted, they are the adapters' and the trunk's stay.
    pub fn new(
        arch: &'a Arch,
        params: &[f32],
        adapted: Option<(&'a Adapters, &[f32])>,
        options: AdamWOptions,
        recompute: bool,
        device: &Device,
        interrupt: &'a Interrupt,
    ) -> Result<Self, ModelError> {
        // Matrices of the blocks decay, as `decayed` has it on the own kernels; embeddings do not.
        let of_blocks = |entry: &Entry| decays(entry) && !entry.name.starts_with("embed.");
        let shapes = match adapted {
            Some((adapters, _)) => adapters.leaves(),
            None => {
                let entries = arch.layout().entries.into_iter();
                entries.map(|entry| LeafShape { decays: of_blocks(&entry), shape: entry.shape }).collect()
            }
        };
        let leaves = Leaves::new(shapes, params, options, device)?;
        let adapted = match adapted {
            Some((adapters, base)) => Some((adapters, tensors(arch, base, device)?)),
            None => None,
        };
        let trunk = Trunk::new(arch, leaves.tensors());
        let kept = if recompute { Kept::Inputs } else { Kept::Everything };
        let mut scribe = Scribe { leaves, arch, trunk, adapted, kept, interrupt, held: None };
        scribe.prepare()?;
        Ok(scribe)
    }

    /// Makes the effective weights of a step.
    pub fn prepare(&mut self) -> Result<(), ModelError> {
        if let Some((adapters, base)) = &self.adapted {
            let factors: Vec<Tensor> = self.leaves.tensors().collect();
            self.trunk = Trunk::new(self.arch, adapters.effective(&self.arch.layout(), base, &factors)?);
        }
        Ok(())
    }

    /// The log-probability of each counted token, 0 for the others; with `keep`, [`Scribe::backward`] can follow.
    pub fn logprobs(&mut self, batch: &Packed, counted: &[bool], keep: bool) -> Result<Vec<f64>, ModelError> {
        let padded = self.trunk.padded(batch)?;
        let kept = if keep { self.kept } else { Kept::Nothing };
        let (trunk, interrupt) = (&self.trunk, self.interrupt);
        let (found, tape) =
            trunk.pass(&padded, kept, &|x: &Tensor| trunk.next_token_logprobs(x, &padded), interrupt)?;
        let mut predicted = values(&found)?.into_iter();
        let mut all = vec![0.0; batch.tokens.len()];
        for bounds in batch.offsets.windows(2) {
            let &[start, end] = bounds else { continue };
            for at in start + 1..end {
                let logprob = predicted.next().map_or(f64::NAN, f64::from);
                if let (Some(true), Some(place)) = (counted.get(at), all.get_mut(at)) {
                    *place = logprob;
                }
            }
        }
        self.held = keep.then_some((padded, tape));
        Ok(all)
    }

    /// Adds the gradients of a loss with these slopes by the counted tokens' log-probabilities.
    pub fn backward(&mut self, counted: &[bool], slopes: &[f32]) -> Result<(), ModelError> {
        let Some((padded, tape)) = self.held.take() else {
            return Err(ModelError::Engine("no pass was kept for this gradient".to_owned()));
        };
        let mut predicted = Vec::new();
        for bounds in padded.offsets().windows(2) {
            let &[start, end] = bounds else { continue };
            let slope = |at: usize| if counted.get(at) == Some(&true) { slopes.get(at).copied() } else { None };
            predicted.extend((start + 1..end).map(|at| slope(at).unwrap_or(0.0)));
        }
        let (trunk, n) = (&self.trunk, predicted.len());
        let gradient = Tensor::from_vec(predicted, (n, 1), padded.device())?;
        let end = |x: &Tensor| trunk.next_token_logprobs(x, &padded);
        trunk.back(&padded, tape, &end, gradient, &mut self.leaves, self.interrupt)
    }
}

/// The mean next-token loss of a trunk on a batch.
pub(super) fn loss_of(trunk: &Trunk, batch: &Packed, interrupt: &Interrupt) -> Result<f64, ModelError> {
    let padded = trunk.padded(batch)?;
    let end = |x: &Tensor| trunk.next_token_loss(x, &padded);
    let (loss, _) = trunk.pass(&padded, Kept::Nothing, &end, interrupt)?;
    number(&loss)
}

fn number(scalar: &Tensor) -> Result<f64, ModelError> {
    Ok(f64::from(scalar.to_scalar::<f32>()?))
}

impl From<candle_core::Error> for TrainError {
    fn from(error: candle_core::Error) -> Self {
        TrainError::Model(error.into())
    }
}

#[cfg(test)]
mod tests;
