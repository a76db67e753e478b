//! The one training loop: steps, schedule, clipping, evaluation, states that are saved, interruption, divergence.
//!
//! What is trained and on what is a [`Training`], which finds the gradient of a step: finetuning on labelled rows
//! ([`super::job`]), pretraining on documents ([`super::pretrain`]).

use super::TrainError;
use super::carried::Carried;
use super::checkpoint::{Checkpoints, State};
use super::predict::Bar;
use super::validation::{Evaluation, Watch};
use super::weights::Weights;
use crate::core::context::Context;
use crate::core::digest::Digest;
use crate::core::explain::Explain;
use crate::core::random::Random;
use crate::models::ModelError;
use crate::store::memo::Partial;

/// What finds the gradient of each step.
pub(super) trait Training {
    /// The parameters with their gradients and their optimiser.
    fn weights(&mut self) -> &mut dyn Weights;

    /// Makes ready to go on after `n_done` steps of a training that was ended.
    fn skip(&mut self, _n_done: usize) -> Result<(), TrainError> {
        Ok(())
    }

    /// The loss of `step` (from 0) and, in the weights, its gradient. What it draws from `random` belongs to the state.
    fn gradient(&mut self, step: usize, random: &mut Random) -> Result<f64, TrainError>;

    /// What the parameters come to on the held-out rows of a watch after `step` steps; nothing is drawn for it. Only a
    /// training on labelled rows is watched.
    fn evaluate(&mut self, _step: usize, _watch: &Watch) -> Result<Evaluation, TrainError> {
        Err(ModelError::Engine("this training has no held-out rows".to_owned()).into())
    }

    /// What later steps read of the earlier ones, apart from weights and random numbers.
    fn carried(&self) -> Carried {
        Carried::default()
    }

    /// Takes up what a training that was ended carried.
    fn take_up(&mut self, _carried: Carried) {}
}

/// One training, everything settled.
pub(super) struct Course<'a> {
    /// For the progress bar.
    pub what: String,
    /// The derivation of what it makes.
    pub of: Digest,
    pub steps: usize,
    /// The highest learning rate, and that of each step (from 0).
    pub lr: f64,
    pub lr_at: &'a dyn Fn(usize) -> f64,
    /// The norm that gradients are scaled down to; 0 for none.
    pub clip: f64,
    /// The decay of the parameters' moving average; 0 for none.
    pub ema: f64,
    /// After which steps the parameters are kept.
    pub kept_at: &'a [usize],
    pub watches: &'a [Watch],
    pub ctx: &'a Context,
    pub partial: &'a Partial,
}

/// What a training came to.
pub(super) struct Ran {
    /// The last, the best or the averaged ones, as was asked.
    pub params: Vec<f32>,
    /// After how many steps they were so.
    pub step: usize,
    /// Those that were to be kept.
    pub kept: Vec<Vec<f32>>,
    pub curve: Vec<(u64, f64)>,
    pub evaluations: Vec<Evaluation>,
    /// What the last step left to a next one.
    pub carried: Carried,
}

/// Steps after which progress is told at the latest: arbitrary, a tenth of a second of a small model.
const STEPS_PER_EVENT: usize = 10;

impl Course<'_> {
    /// Trains.
    pub fn run(&self, training: &mut dyn Training, random: Random) -> Result<Ran, TrainError> {
        let mut checkpoints = Checkpoints::new(self.ctx, self.partial, self.of, self.steps, self.kept_at);
        if self.ema > 0.0 {
            training.weights().start_average()?;
        }
        let mut state = checkpoints.resume(State::fresh(self.steps, random), training.weights())?;
        training.skip(state.step)?;
        training.take_up(state.carried.clone());
        let bar = Bar::start(self.ctx, self.what.clone(), self.steps as u64);
        loop {
            let stops = self.evaluate_if_due(&mut state, training);
            if stops.as_ref().is_err_and(Explain::is_interruption) {
                // Whoever goes on evaluates first.
                checkpoints.save_if_due(&state, training.weights())?;
            }
            if stops? || state.step >= self.steps {
                break;
            }
            checkpoints.save_if_due(&state, training.weights())?;
            let drawn_from = state.random.position();
            let found = training.gradient(state.step, &mut state.random);
            if found.as_ref().is_err_and(Explain::is_interruption) {
                // The step was not taken: without what it drew the state is whole.
                state.random.seek(drawn_from);
                checkpoints.save_if_due(&state, training.weights())?;
            }
            let loss = found?;
            if !loss.is_finite() {
                return Err(self.diverged(state.step, "loss"));
            }
            let norm = training.weights().step((self.lr_at)(state.step), (self.clip > 0.0).then_some(self.clip))?;
            if !norm.is_finite() {
                return Err(self.diverged(state.step, "gradient"));
            }
            state.step += 1;
            state.carried = training.carried();
            training.weights().average(1.0 - average_decay(self.ema, state.step))?;
            let ends_point = state.curve.note(state.step, loss);
            if ends_point || state.step.is_multiple_of(STEPS_PER_EVENT) {
                bar.progress(state.step as u64, || format!("loss {loss:.3}"));
            }
            if self.kept_at.contains(&state.step) {
                state.kept.push(training.weights().params()?.into_owned());
            }
        }
        self.ended(state, training)
    }

    /// Evaluates on the rows of each watch whose time it is; whether one of them ends the training.
    fn evaluate_if_due(&self, state: &mut State, training: &mut dyn Training) -> Result<bool, TrainError> {
        let is_new = |watch: &&Watch| state.evaluations.iter().all(|e| (e.kind, e.step) != (watch.kind, state.step));
        let due: Vec<&Watch> =
            self.watches.iter().filter(|watch| watch.is_due(state.step, self.steps)).filter(is_new).collect();
        if !due.is_empty() {
            // What the new model would get.
            training.weights().swap_average()?;
            let found: Result<Vec<_>, _> = due.iter().map(|watch| training.evaluate(state.step, watch)).collect();
            training.weights().swap_average()?;
            state.evaluations.extend(found?);
            for watch in due.iter().filter(|watch| watch.keeps_best()) {
                if watch.best(&state.evaluations).is_some_and(|best| best.step == state.step) {
                    state.best = Some(current(training.weights())?);
                }
            }
        }
        Ok(state.step > 0 && self.watches.iter().any(|watch| watch.is_out_of_patience(&state.evaluations)))
    }

    fn ended(&self, state: State, training: &mut dyn Training) -> Result<Ran, TrainError> {
        let followed = self.watches.iter().find(|watch| watch.keeps_best());
        let best = followed.and_then(|watch| watch.best(&state.evaluations)).map(|best| best.step);
        let params = match state.best {
            Some(best) => best,
            None if self.ema > 0.0 => current(training.weights())?,
            None => training.weights().take_params()?,
        };
        let curve = state.curve.points(state.step);
        let State { kept, evaluations, carried, .. } = state;
        Ok(Ran { params, step: best.unwrap_or(state.step), kept, curve, evaluations, carried })
    }

    fn diverged(&self, step: usize, what: &'static str) -> TrainError {
        TrainError::Diverged { step: step + 1, steps: self.steps, what, lr: self.lr }
    }
}

/// The parameters' average where one is kept, else the parameters.
fn current(weights: &dyn Weights) -> Result<Vec<f32>, TrainError> {
    Ok(match weights.averaged()? {
        Some(average) => average.into_owned(),
        None => weights.params()?.into_owned(),
    })
}

/// The decay of the moving average after `n_steps` steps: `min(decay, (1 + t) / (10 + t))`, so that the first steps do not
/// weigh down what follows (TensorFlow, `tf.train.ExponentialMovingAverage` with `num_updates`).
fn average_decay(decay: f64, n_steps: usize) -> f64 {
    decay.min((1.0 + n_steps as f64) / (10.0 + n_steps as f64))
}

#[cfg(test)]
mod tests;
