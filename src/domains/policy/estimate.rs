//! What samples say of the exact numbers, with intervals.
//!
//! A sample is a prompt, each with the same chance, and a response drawn for it; samples are independent, and the interval is
//! Student's t of their mean.

use super::table::{MAX_VALUES, range};
use super::{Drawn, Judge, Policy, PolicyError};
use crate::core::math::exp_m1;
use crate::core::random::Random;
use crate::stats::{Estimate, intervals};

/// How KL(π ‖ π′) is estimated from y ~ π; with ρ = π′(y) / π(y) (Schulman 2020, "Approximating KL divergence").
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KlEstimator {
    /// −ln ρ: unbiased, of either sign.
    K1,
    /// ½ (ln ρ)²: biased, never negative.
    K2,
    /// ρ − 1 − ln ρ: unbiased, never negative.
    K3,
}

impl KlEstimator {
    /// As scripts call it.
    pub const fn name(self) -> &'static str {
        match self {
            KlEstimator::K1 => "k1",
            KlEstimator::K2 => "k2",
            KlEstimator::K3 => "k3",
        }
    }

    /// What one sample with ln ρ says.
    pub fn of(self, log_ratio: f64) -> f64 {
        match self {
            KlEstimator::K1 => -log_ratio,
            KlEstimator::K2 => 0.5 * log_ratio * log_ratio,
            KlEstimator::K3 => exp_m1(log_ratio) - log_ratio,
        }
    }
}

/// KL(policy ‖ other) from samples of the policy.
pub fn estimate_kl(
    policy: &Policy,
    other: &Policy,
    how: KlEstimator,
    n: usize,
    seed: u64,
) -> Result<Estimate, PolicyError> {
    policy.check_shape("policy", other, "other")?;
    check_n(n)?;
    let (drawn, mut random) = (Drawn::of(policy), Random::new(seed, "policy/estimate_kl"));
    let one = |_| {
        let prompt = drawn.prompt(&mut random);
        let response = drawn.draw(prompt, &mut random);
        how.of(other.logprob(prompt, response) - policy.logprob(prompt, response))
    };
    named("KL", &(0..n).map(one).collect::<Vec<f64>>())
}

/// E_π r from samples of the policy.
pub fn estimate_reward(policy: &Policy, judge: &Judge, n: usize, seed: u64) -> Result<Estimate, PolicyError> {
    judge.check_shape(policy)?;
    check_n(n)?;
    let rewards = judge.rewards("estimate_reward")?;
    let (drawn, mut random) = (Drawn::of(policy), Random::new(seed, "policy/estimate_reward"));
    let one = |_| {
        let prompt = drawn.prompt(&mut random);
        let response = drawn.draw(prompt, &mut random);
        rewards.row(prompt).get(response).copied().unwrap_or(f64::NAN)
    };
    named("reward", &(0..n).map(one).collect::<Vec<f64>>())
}

/// The win rate from pairs of samples: the judge's probability for each, which varies less than a verdict.
pub fn estimate_win_rate(
    policy: &Policy,
    other: &Policy,
    judge: &Judge,
    n: usize,
    seed: u64,
) -> Result<Estimate, PolicyError> {
    policy.check_shape("policy", other, "other")?;
    judge.check_shape(policy)?;
    check_n(n)?;
    let (own, others) = (Drawn::of(policy), Drawn::of(other));
    let mut random = Random::new(seed, "policy/estimate_win_rate");
    let one = |_| {
        let prompt = own.prompt(&mut random);
        let response = own.draw(prompt, &mut random);
        judge.preference(prompt, response, others.draw(prompt, &mut random))
    };
    named("win rate", &(0..n).map(one).collect::<Vec<f64>>())
}

fn check_n(n: usize) -> Result<(), PolicyError> {
    let fits = (2..=MAX_VALUES).contains(&n);
    if fits { Ok(()) } else { Err(range("n", &format!("from 2 to {MAX_VALUES}"), n)) }
}

fn named(name: &'static str, values: &[f64]) -> Result<Estimate, PolicyError> {
    let estimate = intervals::t(values, intervals::LEVEL)?;
    let reason = estimate.reason.map(|reason| reason.replace("seed", "sample"));
    Ok(Estimate { name, over: format!("{} samples", values.len()), reason, ..estimate })
}
