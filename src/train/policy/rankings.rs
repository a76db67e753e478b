//! Training on rankings of several responses: DPO's loss by Plackett and Luce's likelihood (Rafailov et al. 2023, appendix A.3).

use super::options::PairRecipe;
use super::pairs::{Ordered, ordered};
use super::{Taught, Teacher, Training, of_pairs};
use crate::core::context::Context;
use crate::core::digest::Digest;
use crate::core::math::exp;
use crate::domains::policy::{Live, Pairs, Policy, PolicyError, Rankings};
use crate::domains::preference::measured::Sums;
use crate::domains::preference::ranking::{measured, plackett_luce};
use crate::train::options::{Limits, derived_text};
use std::collections::BTreeMap;

/// Trains on given rankings: the mean over them, by weight, of `−ln p(order)` with scores β ln π/π_ref.
pub fn finetune_on_rankings(
    policy: &Policy,
    reference: &Policy,
    rankings: &Rankings,
    beta: f64,
    recipe: &PairRecipe,
    ctx: &Context,
) -> Result<Policy, PolicyError> {
    recipe.check()?;
    Limits::from(1e-9..=1e9).check("beta", &beta)?;
    policy.check_shape("policy", reference, "reference")?;
    rankings.check(policy.n_prompts, policy.n_responses)?;
    // What does not count is not in a batch.
    let counted: Vec<usize> = (0..rankings.len()).filter(|idx| rankings.weights.get(*idx) != Some(&0.0)).collect();
    if counted.is_empty() {
        return Err(PolicyError::Rankings { why: "all rankings have the weight 0".to_owned() });
    }
    let (course, order) = ordered(recipe, counted)?;
    let ranked = Ranked { rankings, reference, beta, order };
    let made = Digest::of("policy/finetune_rankings", 1)
        .digest("policy", policy.digest())
        .digest("reference", reference.digest())
        .digest("rankings", rankings.digest)
        .float("beta", beta)
        .int("steps", course.steps as i64);
    Training {
        policy,
        course,
        teacher: &ranked,
        operation: "policy::finetune_rankings",
        digest: recipe.add_to(made).finish(),
        inputs: vec![("policy", policy.digest()), ("reference", reference.digest()), ("rankings", rankings.digest)],
        options: format!("beta {beta}, steps {}, {}", course.steps, derived_text(&recipe.told())),
        untraceable: None,
    }
    .policy(ctx)
}

struct Ranked<'a> {
    rankings: &'a Rankings,
    reference: &'a Policy,
    beta: f64,
    order: Ordered<'a>,
}

impl Teacher for Ranked<'_> {
    fn teach(&self, step: usize, live: &Live, gradient: &mut [f64], _: &mut Pairs) -> Result<Taught, PolicyError> {
        let (_, batch) = self.order.at(step);
        let weight = |idx: &usize| self.rankings.weights.get(*idx).copied().unwrap_or(1.0);
        let (total, mut value): (f64, f64) = (batch.iter().map(weight).sum(), 0.0);
        let mut sums = Sums::default();
        // Of each prompt ln π, the gradient by its logits so far, and by how much they move together.
        let mut prompts: BTreeMap<usize, (Vec<f64>, Vec<f64>, f64)> = BTreeMap::new();
        for idx in &batch {
            let (prompt, responses) = self.rankings.at(*idx);
            let fresh = || (live.row(prompt), vec![0.0; self.reference.n_responses], 0.0);
            let (row, by_logit, all) = prompts.entry(prompt).or_insert_with(fresh);
            let ratio = |y: &usize| row.get(*y).copied().unwrap_or(f64::NAN) - self.reference.logprob(prompt, *y);
            let ratios: Vec<f64> = responses.iter().map(ratio).collect();
            let (loss, slopes) = plackett_luce(self.beta, &ratios);
            let logprobs: Vec<f64> = responses.iter().map(|y| row.get(*y).copied().unwrap_or(f64::NAN)).collect();
            sums.add(&measured(&logprobs, &ratios, &slopes, self.beta, loss, weight(idx)));
            let share = weight(idx) / total;
            value += share * loss;
            let mut together = 0.0;
            for (response, slope) in responses.iter().zip(slopes) {
                if let Some(slot) = by_logit.get_mut(*response) {
                    *slot += share * slope;
                }
                together += share * slope;
            }
            *all += together;
        }
        // d ln π(y) / dz = 1 at y, − π everywhere.
        for (prompt, (row, mut by_logit, total)) in prompts {
            if total != 0.0 {
                by_logit.iter_mut().zip(&row).for_each(|(slope, logprob)| *slope -= total * exp(*logprob));
            }
            live.add(gradient, prompt, &by_logit);
        }
        Ok(Taught { loss: value, ..Taught::of_pairs(&sums) })
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
