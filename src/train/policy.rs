//! Training of enumerable policies, step by step: on fixed pairs, on pairs that are drawn while it learns, and by policy
//! gradient. One loop serves the three; what finds a step's gradient is a [`Teacher`].
//!
//! A training is one operation: its result is the policies on the way, the loss of every step and the pairs that it drew. What else was
//! measured of the steps is a result of its own beside it.

mod optimizer;
mod options;
mod pairs;
mod rankings;
mod reinforce;

pub use options::{Baseline, Order, PairRecipe, PolicyOptimizer, ReinforceRecipe, SampledRecipe};
pub(crate) use options::{pairs_options, reinforce_options, sampled_options};
pub use pairs::{finetune_on_pairs, finetune_sampled, pair_weights};
pub use rankings::finetune_on_rankings;
pub use reinforce::reinforce;

use super::beside::Beside;
use super::predict::Bar;
use crate::core::context::Context;
use crate::core::digest::Digest;
use crate::core::random::Random;
use crate::domains::policy::optimise::{packed, unpacked};
use crate::domains::policy::{Live, Pairs, Policy, PolicyError, Trained};
use crate::domains::preference::measured::{NAMES, Sums};
use crate::frames::{Frame, FrameError};
use crate::store::memo::{Content, Done, Operation, Partial, Step, perform_named};
use optimizer::Stepper;
use polars::prelude::{Column, DataFrame};
use std::cell::RefCell;

/// The most numbers of all checkpoints together, and the most pairs of a stream: both below half a gigabyte.
const MAX_KEPT: usize = 20_000_000;
const MAX_STREAM: usize = 5_000_000;

/// What all trainings have.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Course {
    steps: usize,
    lr: f64,
    optimizer: PolicyOptimizer,
    /// Between two policies that are kept; 0: the last one only.
    every: usize,
}

impl Course {
    /// After which steps a policy is kept.
    fn kept(&self) -> Vec<usize> {
        let every = if self.every == 0 { self.steps } else { self.every };
        let mut kept: Vec<usize> = (every..=self.steps).step_by(every.max(1)).collect();
        if kept.last() != Some(&self.steps) {
            kept.push(self.steps);
        }
        kept
    }

    fn check(&self, policy: &Policy) -> Result<(), PolicyError> {
        let n = self.kept().len().saturating_mul(policy.n_parameters());
        if n <= MAX_KEPT {
            return Ok(());
        }
        let must = format!("so large that all policies that are kept have at most {MAX_KEPT} parameters together");
        Err(PolicyError::Range { option: "every", must, got: self.every.to_string() })
    }
}

/// What finds the gradient of a step.
trait Teacher {
    /// The loss and what else was measured of the step; the loss's gradient by the parameters is added to `gradient`. `drawn` gets the
    /// pairs that it draws.
    fn teach(&self, step: usize, live: &Live, gradient: &mut [f64], drawn: &mut Pairs) -> Result<Taught, PolicyError>;

    /// What is measured beside the loss, in order.
    fn measures(&self) -> &'static [&'static str];

    /// Pairs or samples that a step sees.
    fn batch(&self, step: usize) -> usize;

    /// How many pairs all steps draw; 0 where they are given.
    fn n_drawn(&self) -> usize;
}

/// What a step was.
struct Taught {
    loss: f64,
    /// As [`Teacher::measures`] calls it.
    measured: Vec<f64>,
}

impl Taught {
    /// Of pairs.
    fn of_pairs(sums: &Sums) -> Taught {
        let [loss, measured @ ..] = sums.shown();
        Taught { loss, measured: measured.to_vec() }
    }
}

/// What is measured of steps on pairs beside the loss.
fn of_pairs() -> &'static [&'static str] {
    NAMES.get(1..).unwrap_or_default()
}

/// A training before it is computed.
struct Training<'a> {
    policy: &'a Policy,
    course: Course,
    teacher: &'a dyn Teacher,
    /// Name, derivation, inputs and options.
    operation: &'static str,
    digest: Digest,
    inputs: Vec<(&'static str, Digest)>,
    options: String,
    untraceable: Option<String>,
}

/// What it gives: parameters of each policy that is kept, the loss of every step, the pairs that it drew.
struct Outcome {
    kept: Vec<Vec<f64>>,
    losses: Vec<f64>,
    drawn: Pairs,
    /// What else was measured of every step, row-major, in single precision; `None` where the store answered.
    measured: Option<Vec<f32>>,
}

impl Training<'_> {
    /// The trained policy with all that is known of the way. The store answers what was computed before.
    fn policy(&self, ctx: &Context) -> Result<Policy, PolicyError> {
        self.course.check(self.policy)?;
        let (outcome, digest) = perform_named(self, ctx)?;
        let mut checkpoints = Vec::new();
        for (step, parameters) in self.course.kept().into_iter().zip(outcome.kept) {
            let of_step =
                Digest::of("policy/checkpoint", 1).digest("training", digest).int("step", step as i64).finish();
            let name = if step == self.course.steps { digest } else { of_step };
            checkpoints.push((step, self.policy.with_parameters(parameters, name)?));
        }
        let Some((_, last)) = checkpoints.last().cloned() else {
            return Err(PolicyError::Loss("the training kept no policy".to_owned()));
        };
        let curve = self.curve(&outcome.losses, outcome.measured, digest, ctx)?;
        let stream = if outcome.drawn.is_empty() { None } else { Some(self.stream(&outcome.drawn, digest)?) };
        Ok(last.with_training(Trained { checkpoints, stream, curve }))
    }

    /// The frame of all steps: `step`, `loss`, `n_pairs` and what else was measured.
    fn curve(
        &self,
        losses: &[f64],
        fresh: Option<Vec<f32>>,
        training: Digest,
        ctx: &Context,
    ) -> Result<Frame, PolicyError> {
        let digest = Digest::of("policy/curve", 2).digest("training", training).finish();
        let names = self.teacher.measures();
        let again =
            |ctx: &Context, partial: &Partial| Ok(self.compute(ctx, partial)?.value.measured.unwrap_or_default());
        let step = Step { operation: "policy::curve", digest, inputs: vec![("training", training)], ..self.step() };
        let measured =
            Beside::<PolicyError> { step, shape: [losses.len(), names.len()], fresh, again: &again }.numbers(ctx)?;
        let mut seen = 0;
        let add = |step| {
            seen += self.teacher.batch(step);
            seen as i64
        };
        let n_pairs: Vec<i64> = (0..losses.len()).map(add).collect();
        let mut columns = vec![
            Column::new("step".into(), (1..=losses.len() as i64).collect::<Vec<_>>()),
            Column::new("loss".into(), losses.to_vec()),
            Column::new("n_pairs".into(), n_pairs),
        ];
        for (at, name) in names.iter().enumerate() {
            let of_steps = measured.iter().skip(at).step_by(names.len());
            columns.push(Column::new((*name).into(), of_steps.map(|number| f64::from(*number)).collect::<Vec<f64>>()));
        }
        let table = DataFrame::new(losses.len(), columns).map_err(FrameError::from)?;
        Ok(Frame::derived(table, digest))
    }

    fn stream(&self, drawn: &Pairs, digest: Digest) -> Result<Frame, PolicyError> {
        let steps: Vec<i64> = (0..self.course.steps)
            .flat_map(|step| std::iter::repeat_n(step as i64 + 1, self.teacher.batch(step)))
            .collect();
        let table = drawn.table(vec![Column::new("step".into(), steps)])?;
        Ok(Frame::derived(table, Digest::of("policy/stream", 1).digest("training", digest).finish()))
    }
}

impl Operation for Training<'_> {
    type Value = Outcome;
    type Error = PolicyError;

    fn step(&self) -> Step {
        let n = self.policy.n_parameters() as f64;
        Step {
            operation: self.operation,
            what: format!("a policy of {} prompts with {} responses", self.policy.n_prompts, self.policy.n_responses),
            digest: self.digest,
            inputs: self.inputs.clone(),
            options: self.options.clone(),
            // Of every step: the optimiser, and the rows of the batch's prompts.
            work: self.course.steps as f64 * (20.0 * n + 40.0 * self.policy.n_responses as f64),
            untraceable: self.untraceable.clone(),
        }
    }

    fn compute(&self, ctx: &Context, _: &Partial) -> Result<Done<Outcome>, PolicyError> {
        let mut live = Live::of(self.policy);
        let mut stepper = Stepper::new(self.course.optimizer, self.course.lr, live.parameters.len());
        let (mut kept, mut losses) = (Vec::new(), Vec::with_capacity(self.course.steps));
        let mut measured = Vec::new();
        let mut drawn = Pairs::none(self.digest);
        let at = self.course.kept();
        let bar = Bar::start(ctx, format!("{} a policy", self.operation), self.course.steps as u64);
        let mut gradient = vec![0.0; live.parameters.len()];
        for step in 0..self.course.steps {
            ctx.interrupt.check()?;
            gradient.fill(0.0);
            let Taught { loss, measured: of_step } = self.teacher.teach(step, &live, &mut gradient, &mut drawn)?;
            measured.extend(of_step.iter().map(|number| *number as f32));
            if !loss.is_finite() {
                return Err(PolicyError::Diverged { step: step + 1, loss });
            }
            losses.push(loss);
            stepper.step(&mut live.parameters, &gradient);
            if at.get(kept.len()) == Some(&(step + 1)) {
                kept.push(live.parameters.clone());
            }
            if step % (self.course.steps / 100).max(1) == 0 {
                bar.progress(step as u64, || format!("loss {loss:.4}"));
            }
        }
        let stride = (losses.len() / 50).max(1);
        let curve = losses.iter().enumerate().step_by(stride).map(|(step, loss)| (step as u64 + 1, *loss)).collect();
        Ok(Done { value: Outcome { kept, losses, drawn, measured: Some(measured) }, curve })
    }

    fn pack(&self, value: &Outcome) -> Content {
        let n = value.drawn.len();
        let places = value.drawn.places().flat_map(|(prompt, one, other)| [prompt, one, other].map(|at| at as f32));
        Content::default()
            .tensor("parameters", &[value.kept.len(), self.policy.n_parameters(), 3], packed(&value.kept.concat()))
            .tensor("losses", &[value.losses.len(), 3], packed(&value.losses))
            .tensor("pairs", &[n, 3], places.collect())
            .tensor("preferences", &[n, 3], packed(&value.drawn.preferences))
    }

    fn unpack(&self, mut content: Content) -> Result<Outcome, String> {
        let (n_kept, n) = (self.course.kept().len(), self.teacher.n_drawn());
        let parameters = unpacked(&content.take("parameters", &[n_kept, self.policy.n_parameters(), 3])?);
        let losses = unpacked(&content.take("losses", &[self.course.steps, 3])?);
        let places = content.take("pairs", &[n, 3])?;
        let preferences = unpacked(&content.take("preferences", &[n, 3])?);
        let mut drawn = Pairs::none(self.digest);
        let (triples, _) = places.as_chunks::<3>();
        for ([prompt, chosen, rejected], p) in triples.iter().zip(preferences) {
            drawn.push(*prompt as usize, (*chosen as usize, *rejected as usize, p));
        }
        let kept = parameters.chunks(self.policy.n_parameters().max(1)).map(<[f64]>::to_vec).collect();
        Ok(Outcome { kept, losses, drawn, measured: None })
    }

    fn stand_in(&self) -> Outcome {
        let random = RefCell::new(Random::new(0, &self.digest.to_hex()));
        let any = |scale: f64| scale * random.borrow_mut().normal();
        let parameters = |_| (0..self.policy.n_parameters()).map(|_| any(1e-3)).collect();
        let kept = self.course.kept().into_iter().map(parameters).collect();
        let losses = (0..self.course.steps).map(|_| any(1.0)).collect();
        let mut drawn = Pairs::none(self.digest);
        for _ in 0..self.teacher.n_drawn() {
            drawn.push(0, (0, 1, 1.0));
        }
        let n = self.course.steps * self.teacher.measures().len();
        let measured = Some((0..n).map(|_| any(1.0) as f32).collect());
        Outcome { kept, losses, drawn, measured }
    }
}

#[cfg(test)]
mod tests;
