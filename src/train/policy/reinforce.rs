//! Training by policy gradient: REINFORCE, RLOO (Ahmadian et al. 2024), and PPO's clipped ratio (Schulman et al. 2017) with one
//! advantage a response.

use super::options::{Baseline, ReinforceRecipe};
use super::{MAX_STREAM, Taught, Teacher, Training};
use crate::core::context::Context;
use crate::core::digest::Digest;
use crate::core::math::exp;
use crate::core::random::Random;
use crate::domains::policy::{Drawn, Judge, Live, Pairs, Policy, PolicyError};
use crate::train::options::derived_text;
use std::cell::RefCell;
use std::collections::BTreeMap;

/// Trains for the judge's rewards minus β ln π/π_ref; of a judge without rewards a sample's is its mean preference over the prompt's
/// other samples.
pub fn reinforce(
    policy: &Policy,
    reference: &Policy,
    judge: &Judge,
    recipe: &ReinforceRecipe,
    ctx: &Context,
) -> Result<Policy, PolicyError> {
    recipe.check()?;
    policy.check_shape("policy", reference, "reference")?;
    judge.check_shape(policy)?;
    let compares = recipe.baseline == Baseline::Others || !judge.is_scalar();
    if compares && recipe.n_samples < 2 {
        return Err(PolicyError::Range {
            option: "n_samples",
            must: "at least 2: a sample is compared with the others of its prompt".to_owned(),
            got: recipe.n_samples.to_string(),
        });
    }
    let samples = recipe.steps.saturating_mul(recipe.batch).saturating_mul(recipe.n_samples);
    if samples > 20 * MAX_STREAM {
        let must = format!("so few that all steps draw at most {} samples", 20 * MAX_STREAM);
        return Err(PolicyError::Range { option: "steps", must, got: recipe.steps.to_string() });
    }
    let random = RefCell::new(Random::new(recipe.seed, "policy/reinforce"));
    let teacher = Rewarded { policy, reference, judge, recipe, random, samples: RefCell::default() };
    let made = Digest::of("policy/reinforce", 1)
        .digest("policy", policy.digest())
        .digest("reference", reference.digest())
        .digest("judge", judge.digest());
    Training {
        policy,
        course: recipe.course(),
        teacher: &teacher,
        operation: "policy::reinforce",
        digest: recipe.add_to(made).finish(),
        inputs: vec![("policy", policy.digest()), ("reference", reference.digest()), ("judge", judge.digest())],
        options: derived_text(&recipe.told()),
        untraceable: None,
    }
    .policy(ctx)
}

/// Means over a step's samples: log π and log π/π_ref as the step finds them, the size of the advantage, and the share that the clipped ratio
/// leaves without a gradient.
const MEASURES: [&str; 4] = ["logprob", "log_ratio", "advantage", "clipped"];

/// A response, what it is worth beyond the baseline, and ln π when it was drawn.
#[derive(Clone, Copy)]
struct Sample {
    prompt: usize,
    response: usize,
    advantage: f64,
    logprob: f64,
}

struct Rewarded<'a> {
    policy: &'a Policy,
    reference: &'a Policy,
    judge: &'a Judge,
    recipe: &'a ReinforceRecipe,
    random: RefCell<Random>,
    /// Those that the updates at work see.
    samples: RefCell<Vec<Sample>>,
}

impl Rewarded<'_> {
    fn draw(&self, live: &Live) -> Vec<Sample> {
        let from = Drawn::live(live, self.policy.n_prompts);
        let mut random = self.random.borrow_mut();
        let mut samples = Vec::with_capacity(self.recipe.batch * self.recipe.n_samples);
        for _ in 0..self.recipe.batch {
            let prompt = from.prompt(&mut random);
            let row = live.row(prompt);
            let responses: Vec<usize> = (0..self.recipe.n_samples).map(|_| from.draw(prompt, &mut random)).collect();
            let logprob = |response: &usize| row.get(*response).copied().unwrap_or(f64::NAN);
            let worth = |(at, response): (usize, &usize)| {
                let cost = logprob(response) - self.reference.logprob(prompt, *response);
                self.reward(prompt, at, &responses) - self.recipe.beta * cost
            };
            let worths: Vec<f64> = responses.iter().enumerate().map(worth).collect();
            let total: f64 = worths.iter().sum();
            for (response, worth) in responses.iter().zip(&worths) {
                let baseline = match self.recipe.baseline {
                    Baseline::Others => (total - worth) / (worths.len() - 1).max(1) as f64,
                    Baseline::None => 0.0,
                };
                samples.push(Sample {
                    prompt,
                    response: *response,
                    advantage: worth - baseline,
                    logprob: logprob(response),
                });
            }
        }
        samples
    }

    fn reward(&self, prompt: usize, at: usize, responses: &[usize]) -> f64 {
        let own = responses.get(at).copied().unwrap_or(0);
        if let Ok(rewards) = self.judge.rewards("reinforce") {
            return rewards.row(prompt).get(own).copied().unwrap_or(f64::NAN);
        }
        let others = responses.iter().enumerate().filter(|(idx, _)| *idx != at);
        let wins: f64 = others.map(|(_, other)| self.judge.preference(prompt, own, *other)).sum();
        wins / (responses.len() - 1).max(1) as f64
    }
}

impl Teacher for Rewarded<'_> {
    fn teach(&self, step: usize, live: &Live, gradient: &mut [f64], _: &mut Pairs) -> Result<Taught, PolicyError> {
        if step.is_multiple_of(self.recipe.updates) {
            let drawn = self.draw(live);
            *self.samples.borrow_mut() = drawn;
        }
        let samples = self.samples.borrow();
        let mut rows: BTreeMap<usize, (Vec<f64>, Vec<f64>, f64)> = BTreeMap::new();
        let (n, mut value) = (samples.len() as f64, 0.0);
        let mut sums = [0.0; MEASURES.len()];
        for Sample { prompt, response, advantage, logprob } in samples.iter() {
            let (row, slopes, total) =
                rows.entry(*prompt).or_insert_with(|| (live.row(*prompt), vec![0.0; self.policy.n_responses], 0.0));
            let now = row.get(*response).copied().unwrap_or(f64::NAN);
            let ratio = exp(now - logprob);
            let clipped = ratio.clamp(1.0 - self.recipe.clip, 1.0 + self.recipe.clip);
            value -= (ratio * advantage).min(clipped * advantage) / n;
            // Where the clipped ratio gives the smaller objective it has no gradient.
            let is_cut = ratio * advantage > clipped * advantage;
            let cost = now - self.reference.logprob(*prompt, *response);
            let of_sample = [now, cost, advantage.abs(), f64::from(u8::from(is_cut))];
            sums.iter_mut().zip(of_sample).for_each(|(sum, number)| *sum += number);
            if is_cut {
                continue;
            }
            let slope = -advantage * ratio / n;
            if let Some(slot) = slopes.get_mut(*response) {
                *slot += slope;
            }
            *total += slope;
        }
        for (prompt, (row, mut slopes, total)) in rows {
            slopes.iter_mut().zip(&row).for_each(|(slope, logprob)| *slope -= total * exp(*logprob));
            live.add(gradient, prompt, &slopes);
        }
        Ok(Taught { loss: value, measured: sums.map(|sum| sum / n).to_vec() })
    }

    fn measures(&self) -> &'static [&'static str] {
        &MEASURES
    }

    fn batch(&self, step: usize) -> usize {
        if step.is_multiple_of(self.recipe.updates) { self.recipe.batch * self.recipe.n_samples } else { 0 }
    }

    fn n_drawn(&self) -> usize {
        0
    }
}
