//! Parameters in training and their optimiser, wherever they lie: in flat buffers here, or on a device.

use crate::kernels::optim::{AdamW, AdamWOptions};
use crate::kernels::pages;
use crate::models::ModelError;
use crate::models::candle::Leaves;
use std::borrow::Cow;
use std::ops::Range;

/// What steps change. Numbers lie in one order, wherever: a state that was saved on one engine could be read by another,
/// were it not for its key.
pub(super) trait Weights {
    /// How many numbers.
    fn n_numbers(&self) -> usize;

    /// The parameters.
    fn params(&self) -> Result<Cow<'_, [f32]>, ModelError>;

    /// The parameters, which are not used any more.
    fn take_params(&mut self) -> Result<Vec<f32>, ModelError>;

    /// The optimiser's first and second moments.
    fn moments(&self) -> Result<[Cow<'_, [f32]>; 2], ModelError>;

    /// Makes everything as it was after `n_steps` with these parameters and moments.
    fn resume(&mut self, n_steps: usize, held: [Vec<f32>; 3]) -> Result<(), ModelError>;

    /// A step of the optimiser along the gradients that were found. Their norm before they are clipped to `clip`; if that is
    /// not finite, nothing is changed.
    fn step(&mut self, lr: f64, clip: Option<f64>) -> Result<f64, ModelError>;
}

/// In flat buffers, for the own kernels.
pub(super) struct OnHost {
    pub params: Vec<f32>,
    pub grads: Vec<f32>,
    adam: AdamW,
    /// Where weight decay acts.
    decayed: Vec<Range<usize>>,
}

impl OnHost {
    /// These parameters before the first step.
    pub fn new(params: Vec<f32>, options: AdamWOptions, decayed: Vec<Range<usize>>) -> Self {
        let n = params.len();
        OnHost { params, grads: pages::zeros(n), adam: AdamW::new(n, options), decayed }
    }
}

impl Weights for OnHost {
    fn n_numbers(&self) -> usize {
        self.params.len()
    }

    fn params(&self) -> Result<Cow<'_, [f32]>, ModelError> {
        Ok(Cow::Borrowed(&self.params))
    }

    fn take_params(&mut self) -> Result<Vec<f32>, ModelError> {
        Ok(std::mem::take(&mut self.params))
    }

    fn moments(&self) -> Result<[Cow<'_, [f32]>; 2], ModelError> {
        Ok(self.adam.moments().map(Cow::Borrowed))
    }

    fn resume(&mut self, n_steps: usize, [params, first, second]: [Vec<f32>; 3]) -> Result<(), ModelError> {
        self.params = params;
        let fresh = AdamW::new(0, AdamWOptions::default());
        self.adam = std::mem::replace(&mut self.adam, fresh).resumed(n_steps, first, second);
        Ok(())
    }

    fn step(&mut self, lr: f64, clip: Option<f64>) -> Result<f64, ModelError> {
        Ok(self.adam.step(&mut self.params, &self.grads, lr, clip, &self.decayed))
    }
}

impl Weights for Leaves {
    fn n_numbers(&self) -> usize {
        Leaves::n_numbers(self)
    }

    fn params(&self) -> Result<Cow<'_, [f32]>, ModelError> {
        Ok(Cow::Owned(self.values()?))
    }

    fn take_params(&mut self) -> Result<Vec<f32>, ModelError> {
        Ok(self.values()?)
    }

    fn moments(&self) -> Result<[Cow<'_, [f32]>; 2], ModelError> {
        Ok(Leaves::moments(self)?.map(Cow::Owned))
    }

    fn resume(&mut self, n_steps: usize, held: [Vec<f32>; 3]) -> Result<(), ModelError> {
        Ok(Leaves::resume(self, n_steps, held.each_ref().map(Vec::as_slice))?)
    }

    fn step(&mut self, lr: f64, clip: Option<f64>) -> Result<f64, ModelError> {
        Ok(Leaves::step(self, lr, clip)?)
    }
}
