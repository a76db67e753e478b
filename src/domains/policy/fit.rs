//! A reward model from finite pairs: the maximum of Bradley and Terry's likelihood, with a penalty.

use super::identify::{Status, identify};
use super::minimise::{Until, minimise};
use super::optimise::{Objective, OnPairs};
use super::table::range;
use super::{Features, Grid, Judge, Pairs, Policy, PolicyError};
use crate::core::context::Interrupt;
use crate::core::digest::Digest;
use std::sync::Arc;

/// How rewards are fitted.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct FitOptions {
    /// The penalty ½ · l2 · Σ w², beside the mean loss of a pair.
    pub l2: f64,
    pub tolerance: f64,
    pub max_steps: usize,
}

/// What the rewards are made of.
pub enum Of {
    /// A reward for every response of so many prompts and responses.
    Table(usize, usize),
    /// A weight for every feature.
    Features(Arc<Features>),
}

/// Rewards r that minimise the mean of −p ln σ(r_w − r_l) − (1 − p) ln σ(r_l − r_w), and the penalty.
pub fn fit(pairs: &Pairs, of: Of, options: FitOptions, interrupt: &Interrupt) -> Result<Judge, PolicyError> {
    let FitOptions { l2, tolerance, max_steps } = options;
    if !(l2 >= 0.0 && l2.is_finite()) {
        return Err(range("l2", "a number of at least 0", l2));
    }
    if !(tolerance > 0.0 && tolerance.is_finite()) {
        return Err(range("tolerance", "a positive number", tolerance));
    }
    let made = Digest::of("judge/fit", 1).digest("pairs", pairs.digest).float("l2", l2).float("tolerance", tolerance);
    let made = made.int("max_steps", max_steps as i64);
    // Rewards are the log-ratios of DPO with β = 1 to the uniform policy.
    let (start, reference, made) = match of {
        Of::Table(n_prompts, n_responses) => {
            let policy = Policy::uniform(n_prompts, n_responses)?;
            let found = identify(pairs, n_prompts, n_responses)?;
            if l2 == 0.0 && found.iter().any(|found| found.status == Status::Unbounded) {
                let why = "responses were always preferred to those that they were compared with, so that the best rewards are infinite: give an `l2`";
                return Err(PolicyError::Unbounded { why: why.to_owned() });
            }
            let made = made.int("prompts", n_prompts as i64).int("responses", n_responses as i64);
            (policy.clone(), policy, made)
        }
        Of::Features(features) => {
            pairs.check(features.n_prompts, features.n_responses)?;
            let made = made.digest("features", features.digest);
            let reference = Policy::uniform(features.n_prompts, features.n_responses)?;
            let weights = vec![0.0; features.n()];
            (Policy::log_linear(features, weights, None)?, reference, made)
        }
    };
    let problem = OnPairs { policy: &start, reference: &reference, pairs, objective: Objective::Dpo, beta: 1.0, l2 };
    let zeros = vec![0.0; start.n_parameters()];
    let found = minimise(&problem, zeros, Until { tolerance, max_steps }, interrupt)?;
    let rewards = match &start.form {
        super::Form::Tabular => found.x,
        super::Form::LogLinear { features, .. } => features.dot(&found.x),
    };
    Ok(Judge::derived(Grid::new(start.n_prompts, start.n_responses, rewards, "the reward")?, made.finish()))
}
