//! Trainings on pairs: given ones, or pairs that a policy draws and a judge labels while it learns.

use super::options::{Order, PairRecipe, SampledRecipe};
use super::{Course, MAX_STREAM, Taught, Teacher, Training, of_pairs};
use crate::core::context::Context;
use crate::core::digest::Digest;
use crate::core::math::exp;
use crate::core::random::Random;
use crate::domains::policy::{Drawn, Judge, Labels, Live, Pairs, Policy, PolicyError, two};
use crate::domains::preference::loss::{PairBatch, PairLoss, PairLossError};
use crate::domains::preference::measured::{Sums, of_each};
use crate::frames::{Frame, FrameError};
use crate::train::TrainError;
use crate::train::options::derived_text;
use polars::prelude::{Column, DataFrame};
use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};

impl From<PairLossError> for PolicyError {
    fn from(error: PairLossError) -> Self {
        match error {
            PairLossError::Interrupted(stopped) => stopped.into(),
            other => PolicyError::Loss(other.to_string()),
        }
    }
}

impl From<TrainError> for PolicyError {
    fn from(error: TrainError) -> Self {
        match error {
            TrainError::Range { option, must, got } => PolicyError::Range { option, must, got },
            other => PolicyError::Loss(other.to_string()),
        }
    }
}

/// The gradient of a loss on one batch of pairs.
struct OnBatch<'a> {
    loss: &'a dyn PairLoss,
    reference: &'a Policy,
    steps: usize,
    /// What the loss asked to be told in the next step.
    carried: RefCell<Vec<f64>>,
}

impl OnBatch<'_> {
    /// The loss of these pairs of `pairs`, and what else is measured of them; its gradient by the parameters is added to `gradient`.
    fn teach(
        &self,
        (step, epoch): (usize, usize),
        pairs: &Pairs,
        batch: &[usize],
        live: &Live,
        gradient: &mut [f64],
    ) -> Result<Taught, PolicyError> {
        let at = |values: &[usize], idx: &usize| values.get(*idx).copied().unwrap_or(0);
        let places: Vec<(usize, usize, usize)> = batch
            .iter()
            .map(|idx| (at(&pairs.prompts, idx), at(&pairs.chosen, idx), at(&pairs.rejected, idx)))
            .collect();
        let mut rows: BTreeMap<usize, Vec<f64>> = BTreeMap::new();
        for (prompt, ..) in &places {
            rows.entry(*prompt).or_insert_with(|| live.row(*prompt));
        }
        let own = |prompt: &usize, response: &usize| {
            rows.get(prompt).and_then(|row| row.get(*response)).copied().unwrap_or(f64::NAN)
        };
        let known = |prompt: &usize, response: &usize| self.reference.logprob(*prompt, *response);
        let chosen: Vec<f64> = places.iter().map(|(prompt, one, _)| own(prompt, one)).collect();
        let rejected: Vec<f64> = places.iter().map(|(prompt, _, other)| own(prompt, other)).collect();
        let reference_chosen: Vec<f64> = places.iter().map(|(prompt, one, _)| known(prompt, one)).collect();
        let reference_rejected: Vec<f64> = places.iter().map(|(prompt, _, other)| known(prompt, other)).collect();
        let of =
            |values: &[f64]| batch.iter().map(|idx| values.get(*idx).copied().unwrap_or(1.0)).collect::<Vec<f64>>();
        let (preference, weights) = (of(&pairs.preferences), of(&pairs.weights));
        let carried = self.carried.take();
        let batch = PairBatch {
            chosen: &chosen,
            rejected: &rejected,
            reference_chosen: &reference_chosen,
            reference_rejected: &reference_rejected,
            preference: &preference,
            weights: &weights,
            // Where responses can be enumerated the divergence needs no estimate.
            carried: &carried,
            kl: if self.loss.needs().kl { kl(self.reference, &rows) } else { f64::NAN },
            step,
            steps: self.steps,
            epoch,
            ..PairBatch::default()
        };
        let found = self.loss.step(&batch)?;
        let sums = Sums::of(&batch, &found);
        *self.carried.borrow_mut() = found.carry;
        // d ln π(y) / dz = 1 at y, − π everywhere.
        let mut slopes: BTreeMap<usize, (Vec<f64>, f64)> = BTreeMap::new();
        for ((prompt, one, other), (w, l)) in places.iter().zip(found.by_chosen.iter().zip(&found.by_rejected)) {
            let n = self.reference.n_responses;
            let (by_logit, total) = slopes.entry(*prompt).or_insert_with(|| (vec![0.0; n], 0.0));
            for (response, slope) in [(one, w), (other, l)] {
                if let Some(slot) = by_logit.get_mut(*response) {
                    *slot += slope;
                }
            }
            *total += w + l;
        }
        for (prompt, (mut by_logit, total)) in slopes {
            if total != 0.0 {
                let row = rows.get(&prompt).map(Vec::as_slice).unwrap_or_default();
                by_logit.iter_mut().zip(row).for_each(|(slope, logprob)| *slope -= total * exp(*logprob));
            }
            live.add(gradient, prompt, &by_logit);
        }
        // The mean times the number of pairs over that number is not always the mean to the bit.
        Ok(Taught { loss: found.value, ..Taught::of_pairs(&sums) })
    }
}

/// KL to the reference, the mean over these prompts' rows.
fn kl(reference: &Policy, rows: &BTreeMap<usize, Vec<f64>>) -> f64 {
    let of = |(prompt, row): (&usize, &Vec<f64>)| {
        let both = row.iter().zip(reference.row(*prompt));
        both.map(|(own, other)| exp(*own) * (own - other)).sum::<f64>()
    };
    (rows.iter().map(of).sum::<f64>() / rows.len().max(1) as f64).max(0.0)
}

/// What a loss makes of single pairs at a policy as it is; nothing is trained. A row for each pair: `prompt`, `chosen`, `rejected`, and what
/// [`of_each`] says of it. All pairs are one batch, the first of a training.
pub fn pair_weights(
    policy: &Policy,
    reference: &Policy,
    pairs: &Pairs,
    loss: &dyn PairLoss,
) -> Result<Frame, PolicyError> {
    policy.check_shape("policy", reference, "reference")?;
    pairs.check(policy.n_prompts, policy.n_responses)?;
    let of = |policy: &Policy, which: &[usize]| -> Vec<f64> {
        pairs.prompts.iter().zip(which).map(|(prompt, response)| policy.logprob(*prompt, *response)).collect()
    };
    let prompts: BTreeSet<usize> = pairs.prompts.iter().copied().collect();
    let rows = prompts.into_iter().map(|prompt| (prompt, policy.row(prompt).to_vec())).collect();
    let batch = PairBatch {
        chosen: &of(policy, &pairs.chosen),
        rejected: &of(policy, &pairs.rejected),
        reference_chosen: &of(reference, &pairs.chosen),
        reference_rejected: &of(reference, &pairs.rejected),
        preference: &pairs.preferences,
        weights: &pairs.weights,
        kl: if loss.needs().kl { kl(reference, &rows) } else { f64::NAN },
        steps: 1,
        ..PairBatch::default()
    };
    let found = loss.step(&batch)?;
    let ints = |values: &[usize]| values.iter().map(|value| *value as i64).collect::<Vec<_>>();
    let places = [("prompt", &pairs.prompts), ("chosen", &pairs.chosen), ("rejected", &pairs.rejected)];
    let mut columns: Vec<Column> =
        places.into_iter().map(|(name, values)| Column::new(name.into(), ints(values))).collect();
    columns.extend(of_each(&batch, &found));
    let table = DataFrame::new(pairs.len(), columns).map_err(FrameError::from)?;
    Ok(Frame::tidy(table)?)
}

/// Trains on given pairs.
pub fn finetune_on_pairs(
    policy: &Policy,
    reference: &Policy,
    pairs: &Pairs,
    loss: &dyn PairLoss,
    recipe: &PairRecipe,
    ctx: &Context,
) -> Result<Policy, PolicyError> {
    recipe.check()?;
    policy.check_shape("policy", reference, "reference")?;
    pairs.check(policy.n_prompts, policy.n_responses)?;
    // What does not count is not in a batch.
    let counted: Vec<usize> = (0..pairs.len()).filter(|idx| pairs.weights.get(*idx) != Some(&0.0)).collect();
    if counted.is_empty() {
        return Err(PolicyError::NoPairs);
    }
    let (course, order) = ordered(recipe, counted)?;
    let steps = course.steps;
    let given = Given { on: OnBatch { loss, reference, steps, carried: RefCell::default() }, pairs, order };
    let made = Digest::of("policy/finetune", 1)
        .digest("policy", policy.digest())
        .digest("reference", reference.digest())
        .digest("pairs", pairs.digest)
        .digest("loss", loss.digest())
        .int("steps", steps as i64);
    Training {
        policy,
        course,
        teacher: &given,
        operation: "policy::finetune",
        digest: recipe.add_to(made).finish(),
        inputs: vec![
            ("policy", policy.digest()),
            ("reference", reference.digest()),
            ("pairs", pairs.digest),
            ("loss", loss.digest()),
        ],
        options: format!("{}, steps {steps}, {}", loss.show(), derived_text(&recipe.told())),
        untraceable: loss.untraceable(),
    }
    .policy(ctx)
}

/// The course of a training on so many given items, and the order in which it sees them.
pub(super) fn ordered(recipe: &PairRecipe, counted: Vec<usize>) -> Result<(Course, Ordered<'_>), PolicyError> {
    let default = PairRecipe::default();
    if recipe.steps.is_some() && recipe.epochs != default.epochs {
        return Err(PolicyError::Range {
            option: "epochs",
            must: "left out where `steps` is given".to_owned(),
            got: recipe.epochs.to_string(),
        });
    }
    let steps_an_epoch = counted.len().div_ceil(recipe.batch);
    let steps = recipe.steps.unwrap_or_else(|| recipe.epochs.saturating_mul(steps_an_epoch));
    let course = Course { steps, lr: recipe.lr, optimizer: recipe.optimizer, every: recipe.every };
    if steps > MAX_STREAM {
        return Err(PolicyError::Range {
            option: "epochs",
            must: format!("so few that there are at most {MAX_STREAM} steps"),
            got: recipe.epochs.to_string(),
        });
    }
    Ok((course, Ordered { counted, recipe, steps_an_epoch, order: RefCell::new((usize::MAX, Vec::new())) }))
}

/// Items that are given, epoch after epoch.
pub(super) struct Ordered<'a> {
    counted: Vec<usize>,
    recipe: &'a PairRecipe,
    steps_an_epoch: usize,
    /// The order of the epoch that is at work.
    order: RefCell<(usize, Vec<usize>)>,
}

impl Ordered<'_> {
    /// The epoch of a step, and the items that it sees.
    pub fn at(&self, step: usize) -> (usize, Vec<usize>) {
        let (epoch, within) = (step / self.steps_an_epoch, step % self.steps_an_epoch);
        let mut order = self.order.borrow_mut();
        if order.0 != epoch {
            let mut places = self.counted.clone();
            if self.recipe.order == Order::Shuffled {
                Random::new(self.recipe.seed, &format!("policy/finetune epoch {epoch}")).shuffle(&mut places);
            }
            *order = (epoch, places);
        }
        let from = within * self.recipe.batch;
        let upto = (from + self.recipe.batch).min(order.1.len());
        (epoch, order.1.get(from..upto).unwrap_or_default().to_vec())
    }

    /// How many those are.
    pub fn n(&self, step: usize) -> usize {
        let from = (step % self.steps_an_epoch) * self.recipe.batch;
        self.recipe.batch.min(self.counted.len() - from)
    }
}

/// Pairs that are given.
struct Given<'a> {
    on: OnBatch<'a>,
    pairs: &'a Pairs,
    order: Ordered<'a>,
}

impl Teacher for Given<'_> {
    fn teach(&self, step: usize, live: &Live, gradient: &mut [f64], _: &mut Pairs) -> Result<Taught, PolicyError> {
        let (epoch, batch) = self.order.at(step);
        self.on.teach((step, epoch), self.pairs, &batch, live, gradient)
    }

    fn measures(&self) -> &'static [&'static str] {
        of_pairs()
    }

    fn batch(&self, step: usize) -> usize {
        self.order.n(step)
    }

    fn n_drawn(&self) -> usize {
        0
    }
}

/// Trains on pairs that `sampler`, or else the policy itself as it was at the last refresh, draws and the judge labels.
#[allow(clippy::too_many_arguments, reason = "who learns, from what, how, and where")]
pub fn finetune_sampled(
    policy: &Policy,
    reference: &Policy,
    judge: &Judge,
    sampler: Option<&Policy>,
    labels: Labels,
    loss: &dyn PairLoss,
    recipe: &SampledRecipe,
    ctx: &Context,
) -> Result<Policy, PolicyError> {
    recipe.check()?;
    policy.check_shape("policy", reference, "reference")?;
    judge.check_shape(policy)?;
    if let Some(sampler) = sampler {
        policy.check_shape("policy", sampler, "sampler")?;
    }
    if recipe.steps.saturating_mul(recipe.batch) > MAX_STREAM {
        let must = format!("so few that all steps draw at most {MAX_STREAM} pairs");
        return Err(PolicyError::Range { option: "steps", must, got: recipe.steps.to_string() });
    }
    let on = OnBatch { loss, reference, steps: recipe.steps, carried: RefCell::default() };
    let random = RefCell::new(Random::new(recipe.seed, "policy/finetune_online"));
    let fixed = sampler.map(Drawn::of);
    let sampled = Sampled { on, judge, labels, recipe, policy, fixed, random, current: RefCell::new(None) };
    let made = Digest::of("policy/finetune_online", 1)
        .digest("policy", policy.digest())
        .digest("reference", reference.digest())
        .digest("judge", judge.digest())
        .digest("loss", loss.digest())
        .text("labels", labels.name());
    let made = sampler.map_or(made.clone(), |sampler| made.digest("sampler", sampler.digest()));
    let mut inputs = vec![
        ("policy", policy.digest()),
        ("reference", reference.digest()),
        ("judge", judge.digest()),
        ("loss", loss.digest()),
    ];
    inputs.extend(sampler.map(|sampler| ("sampler", sampler.digest())));
    Training {
        policy,
        course: recipe.course(),
        teacher: &sampled,
        operation: "policy::finetune_online",
        digest: recipe.add_to(made).finish(),
        inputs,
        options: format!("{}, labels {}, {}", loss.show(), labels.name(), derived_text(&recipe.told())),
        untraceable: loss.untraceable(),
    }
    .policy(ctx)
}

/// Pairs that are drawn.
struct Sampled<'a> {
    on: OnBatch<'a>,
    judge: &'a Judge,
    labels: Labels,
    recipe: &'a SampledRecipe,
    policy: &'a Policy,
    /// What is drawn from, where it is not the policy itself.
    fixed: Option<Drawn>,
    random: RefCell<Random>,
    /// The policy as it was at the last refresh.
    current: RefCell<Option<Drawn>>,
}

impl Teacher for Sampled<'_> {
    fn teach(&self, step: usize, live: &Live, gradient: &mut [f64], drawn: &mut Pairs) -> Result<Taught, PolicyError> {
        let mut current = self.current.borrow_mut();
        if self.fixed.is_none() && (step.is_multiple_of(self.recipe.refresh) || current.is_none()) {
            *current = Some(Drawn::live(live, self.policy.n_prompts));
        }
        let Some(from) = self.fixed.as_ref().or(current.as_ref()) else {
            return Err(PolicyError::NoPairs);
        };
        let (mut random, first) = (self.random.borrow_mut(), drawn.len());
        for _ in 0..self.recipe.batch {
            let prompt = from.prompt(&mut random);
            let (one, other) = two(from, from, prompt, self.recipe.distinct, &mut random)?;
            let p = self.judge.preference(prompt, one, other);
            drawn.push(prompt, self.labels.label(one, other, p, &mut random));
        }
        let batch: Vec<usize> = (first..drawn.len()).collect();
        self.on.teach((step, 0), drawn, &batch, live, gradient)
    }

    fn measures(&self) -> &'static [&'static str] {
        of_pairs()
    }

    fn batch(&self, _: usize) -> usize {
        self.recipe.batch
    }

    fn n_drawn(&self) -> usize {
        self.recipe.steps * self.recipe.batch
    }
}
