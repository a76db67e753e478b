//! Parameters in training and their optimiser, wherever they lie: in flat buffers here, or on a device.

use crate::kernels::optim::{AdamW, AdamWOptions};
use crate::kernels::pages;
use crate::kernels::simd::FlushDenormals;
use crate::models::ModelError;
use crate::models::candle::Leaves;
use rayon::prelude::*;
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

    /// Makes everything as it was after `n_steps` with these numbers.
    fn resume(&mut self, n_steps: usize, held: Held) -> Result<(), ModelError>;

    /// A step of the optimiser along the gradients that were found. Their norm before they are clipped to `clip`; if that is
    /// not finite, nothing is changed.
    fn step(&mut self, lr: f64, clip: Option<f64>) -> Result<f64, ModelError>;

    /// Keeps an average of the parameters from here on, which begins as they are.
    fn start_average(&mut self) -> Result<(), ModelError>;

    /// Moves the average by `share` of the way to the parameters; nothing where none is kept.
    fn average(&mut self, share: f64) -> Result<(), ModelError>;

    /// The average, where one is kept.
    fn averaged(&self) -> Result<Option<Cow<'_, [f32]>>, ModelError>;

    /// Exchanges the parameters with their average; nothing where none is kept.
    fn swap_average(&mut self) -> Result<(), ModelError>;
}

/// Numbers that were saved.
pub(super) struct Held {
    pub params: Vec<f32>,
    pub first: Vec<f32>,
    pub second: Vec<f32>,
    pub average: Option<Vec<f32>>,
}

/// In flat buffers, for the own kernels.
pub(super) struct OnHost {
    pub params: Vec<f32>,
    pub grads: Vec<f32>,
    adam: AdamW,
    /// Where weight decay acts.
    decayed: Vec<Range<usize>>,
    average: Option<Vec<f32>>,
}

impl OnHost {
    /// These parameters before the first step.
    pub fn new(params: Vec<f32>, options: AdamWOptions, decayed: Vec<Range<usize>>) -> Self {
        let n = params.len();
        OnHost { params, grads: pages::zeros(n), adam: AdamW::new(n, options), decayed, average: None }
    }
}

/// Numbers of a task that moves an average: arbitrary, a piece that fits a core's cache.
const CHUNK: usize = 1 << 14;

/// Moves each number of `average` by `share` of the way to that of `params`.
fn blend(average: &mut [f32], params: &[f32], share: f32) {
    average.par_chunks_mut(CHUNK).zip(params.par_chunks(CHUNK)).for_each(|(average, params)| {
        let _flush = FlushDenormals::new();
        average.iter_mut().zip(params).for_each(|(a, p)| *a += share * (p - *a));
    });
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

    fn resume(&mut self, n_steps: usize, held: Held) -> Result<(), ModelError> {
        let Held { params, first, second, average } = held;
        (self.params, self.average) = (params, average);
        let fresh = AdamW::new(0, AdamWOptions::default());
        self.adam = std::mem::replace(&mut self.adam, fresh).resumed(n_steps, first, second);
        Ok(())
    }

    fn step(&mut self, lr: f64, clip: Option<f64>) -> Result<f64, ModelError> {
        Ok(self.adam.step(&mut self.params, &self.grads, lr, clip, &self.decayed))
    }

    fn start_average(&mut self) -> Result<(), ModelError> {
        self.average = Some(self.params.clone());
        Ok(())
    }

    fn average(&mut self, share: f64) -> Result<(), ModelError> {
        if let Some(average) = &mut self.average {
            blend(average, &self.params, share as f32);
        }
        Ok(())
    }

    fn averaged(&self) -> Result<Option<Cow<'_, [f32]>>, ModelError> {
        Ok(self.average.as_deref().map(Cow::Borrowed))
    }

    fn swap_average(&mut self) -> Result<(), ModelError> {
        if let Some(average) = &mut self.average {
            std::mem::swap(average, &mut self.params);
        }
        Ok(())
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

    fn resume(&mut self, n_steps: usize, held: Held) -> Result<(), ModelError> {
        let Held { params, first, second, average } = held;
        Ok(Leaves::resume(self, n_steps, [&params, &first, &second], average.as_deref())?)
    }

    fn step(&mut self, lr: f64, clip: Option<f64>) -> Result<f64, ModelError> {
        Ok(Leaves::step(self, lr, clip)?)
    }

    fn start_average(&mut self) -> Result<(), ModelError> {
        Ok(Leaves::start_average(self)?)
    }

    fn average(&mut self, share: f64) -> Result<(), ModelError> {
        Ok(Leaves::average(self, share)?)
    }

    fn averaged(&self) -> Result<Option<Cow<'_, [f32]>>, ModelError> {
        Ok(Leaves::averaged(self)?.map(Cow::Owned))
    }

    fn swap_average(&mut self) -> Result<(), ModelError> {
        Ok(Leaves::swap_average(self)?)
    }
}
