//! What was measured of a training's steps, kept beside its result under a name of its own.
//!
//! So a training keeps its name and its bits when more is measured of it. A training that was just computed hands its numbers over; one
//! that the store answered, and whose numbers it lacks (an earlier program made it), is run again for them.

use crate::core::context::{Context, Interrupted};
use crate::core::random::Random;
use crate::store::StoreError;
use crate::store::memo::{Content, Done, Operation, Partial, Step, perform};

/// What runs a training again and gives its numbers.
type Again<'a, E> = dyn Fn(&Context, &Partial) -> Result<Vec<f32>, E> + 'a;

/// The numbers of a training before they are looked up.
pub(super) struct Beside<'a, E> {
    /// The training's, by which this one is named.
    pub step: Step,
    /// Rows and columns.
    pub shape: [usize; 2],
    /// Where it was just computed.
    pub fresh: Option<Vec<f32>>,
    pub again: &'a Again<'a, E>,
}

impl<E: From<StoreError> + From<Interrupted>> Beside<'_, E> {
    /// The numbers, row-major.
    pub fn numbers(self, ctx: &Context) -> Result<Vec<f32>, E> {
        match &self.fresh {
            // What has no digest is not looked up; the training has said so.
            Some(fresh) if self.step.untraceable.is_some() => Ok(fresh.clone()),
            _ => perform(&self, ctx),
        }
    }
}

impl<E: From<StoreError> + From<Interrupted>> Operation for Beside<'_, E> {
    type Value = Vec<f32>;
    type Error = E;

    fn step(&self) -> Step {
        self.step.clone()
    }

    fn compute(&self, ctx: &Context, partial: &Partial) -> Result<Done<Vec<f32>>, E> {
        let value = match &self.fresh {
            Some(fresh) => fresh.clone(),
            None => (self.again)(ctx, partial)?,
        };
        Ok(Done { value, curve: Vec::new() })
    }

    fn pack(&self, value: &Vec<f32>) -> Content {
        Content::default().tensor("measured", &self.shape, value.clone())
    }

    fn unpack(&self, mut content: Content) -> Result<Vec<f32>, String> {
        content.take("measured", &self.shape)
    }

    fn stand_in(&self) -> Vec<f32> {
        let mut random = Random::new(0, &self.step.digest.to_hex());
        let [rows, columns] = self.shape;
        (0..rows * columns).map(|_| random.normal() as f32).collect()
    }
}
