//! Judges: how likely one response is preferred to another, by rewards (Bradley and Terry 1952) or pair by pair.

use super::table::{Grid, bytes_of, range, same_shape};
use super::{Policy, PolicyError, per_prompt, sigmoid};
use crate::core::context::Interrupt;
use crate::core::digest::Digest;
use crate::core::math::{exp, ln};
use crate::core::random::Random;
use std::sync::Arc;

/// The most responses a prompt for which every pair is looked at.
pub const MAX_PAIRWISE: usize = 2000;

/// The most numbers of a pairwise judge: 400 MB.
const MAX_PAIRS: usize = 50_000_000;

/// How a judge prefers.
#[derive(Debug, Clone, PartialEq)]
enum Verdicts {
    /// p(y ≻ y′) = σ(r(y) − r(y′)).
    Rewards(Grid),
    /// p(y ≻ y′) itself, `[n_prompts, n_responses, n_responses]`, with p(y ≻ y′) + p(y′ ≻ y) = 1.
    Pairs(Vec<f64>),
}

/// Says how likely a response is preferred to another one of the same prompt. Immutable and cheap to clone.
#[derive(Clone)]
pub struct Judge {
    pub n_prompts: usize,
    pub n_responses: usize,
    verdicts: Arc<Verdicts>,
    /// Whether the likelier response is preferred for sure.
    pub is_hard: bool,
    digest: Digest,
}

impl std::fmt::Debug for Judge {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "judge {}", self.digest.short())
    }
}

impl Judge {
    /// Bradley and Terry's: p(y ≻ y′) = σ(r(y) − r(y′)).
    pub fn scalar(rewards: Grid) -> Judge {
        let digest = Digest::of("judge/scalar", 1)
            .int("responses", rewards.n_responses as i64)
            .bytes("rewards", &bytes_of(&rewards.values))
            .finish();
        Judge::derived(rewards, digest)
    }

    /// The same, made by an operation that `digest` names.
    pub fn derived(rewards: Grid, digest: Digest) -> Judge {
        let (n_prompts, n_responses) = (rewards.n_prompts, rewards.n_responses);
        Judge { n_prompts, n_responses, verdicts: Arc::new(Verdicts::Rewards(rewards)), is_hard: false, digest }
    }

    /// From the probability that the first of two responses is preferred, for every ordered pair of every prompt. What a judge
    /// says of both orders is averaged: ½ (p(y, y′) + 1 − p(y′, y)).
    pub fn pairwise(n_prompts: usize, n_responses: usize, first_preferred: &[f64]) -> Result<Judge, PolicyError> {
        check_pairs(n_prompts, n_responses)?;
        let size = n_responses * n_responses;
        if first_preferred.len() != n_prompts * size {
            return Err(PolicyError::Size { n_prompts, n_responses });
        }
        let place = |at: usize| (at / size, (at % size) / n_responses, at % n_responses);
        if let Some(at) = first_preferred.iter().position(|p| !(0.0..=1.0).contains(p)) {
            let (prompt, first, second) = place(at);
            let value = first_preferred.get(at).copied().unwrap_or(f64::NAN);
            return Err(PolicyError::NotProbability { of: "preferences", prompt, first, second, value });
        }
        let given = |prompt, first, second| {
            first_preferred.get(prompt * size + first * n_responses + second).copied().unwrap_or(0.5)
        };
        let symmetrised = |at: usize| {
            let (prompt, first, second) = place(at);
            0.5 * (given(prompt, first, second) + 1.0 - given(prompt, second, first))
        };
        let pairs: Vec<f64> = (0..first_preferred.len()).map(symmetrised).collect();
        let digest = Digest::of("judge/pairwise", 1)
            .int("responses", n_responses as i64)
            .bytes("preferences", &bytes_of(&pairs))
            .finish();
        Ok(Judge { n_prompts, n_responses, verdicts: Arc::new(Verdicts::Pairs(pairs)), is_hard: false, digest })
    }

    /// This judge with intransitive log-odds added: an antisymmetric matrix of normal numbers with the standard deviation `scale`.
    pub fn intransitive(&self, scale: f64, seed: u64) -> Result<Judge, PolicyError> {
        check_pairs(self.n_prompts, self.n_responses)?;
        if !(scale.is_finite() && (0.0..=100.0).contains(&scale)) {
            return Err(range("scale", "from 0 to 100", scale));
        }
        let n = self.n_responses;
        let mut random = Random::new(seed, "judge/intransitive");
        let mut pairs = Vec::with_capacity(self.n_prompts * n * n);
        for prompt in 0..self.n_prompts {
            let from = pairs.len();
            pairs.resize(from + n * n, 0.5);
            for first in 0..n {
                for second in first + 1..n {
                    let p = self.preference(prompt, first, second);
                    let log_odds = (ln(p) - ln(1.0 - p)).clamp(-700.0, 700.0);
                    let p = sigmoid(log_odds + scale * random.normal());
                    for (at, value) in [(first * n + second, p), (second * n + first, 1.0 - p)] {
                        if let Some(slot) = pairs.get_mut(from + at) {
                            *slot = value;
                        }
                    }
                }
            }
        }
        let digest = Digest::of("judge/intransitive", 1).digest("judge", self.digest).float("scale", scale);
        let digest = digest.int("seed", seed as i64).finish();
        Ok(Judge { verdicts: Arc::new(Verdicts::Pairs(pairs)), is_hard: false, digest, ..self.clone() })
    }

    /// The same judge, which prefers the likelier response for sure; of two that it holds equal each with ½.
    #[must_use]
    pub fn hard(&self) -> Judge {
        Judge {
            is_hard: true,
            digest: Digest::of("judge/hard", 1).digest("judge", self.digest).finish(),
            ..self.clone()
        }
    }

    /// Rewards times a factor: above 1 the judge is surer.
    pub fn scaled(&self, factor: f64) -> Result<Judge, PolicyError> {
        if !factor.is_finite() {
            return Err(range("factor", "a finite number", factor));
        }
        let rewards = self.rewards("scaled")?;
        let values = rewards.values.iter().map(|reward| reward * factor).collect();
        let digest = Digest::of("judge/scaled", 1).digest("judge", self.digest).float("factor", factor).finish();
        Ok(Judge::derived(Grid::new(self.n_prompts, self.n_responses, values, "the reward")?, digest))
    }

    /// The rewards; fails for a judge that has none.
    pub fn rewards(&self, what: &'static str) -> Result<&Grid, PolicyError> {
        match &*self.verdicts {
            Verdicts::Rewards(rewards) => Ok(rewards),
            Verdicts::Pairs(_) => Err(PolicyError::Pairwise { what }),
        }
    }

    /// Whether it has rewards.
    pub fn is_scalar(&self) -> bool {
        matches!(&*self.verdicts, Verdicts::Rewards(_))
    }

    pub fn digest(&self) -> Digest {
        self.digest
    }

    /// p(first ≻ second).
    pub fn preference(&self, prompt: usize, first: usize, second: usize) -> f64 {
        let p = match &*self.verdicts {
            Verdicts::Rewards(rewards) => {
                let reward = |response: usize| rewards.row(prompt).get(response).copied().unwrap_or(f64::NAN);
                sigmoid(reward(first) - reward(second))
            }
            Verdicts::Pairs(pairs) => {
                let n = self.n_responses;
                pairs.get((prompt * n + first) * n + second).copied().unwrap_or(f64::NAN)
            }
        };
        if self.is_hard { 0.5 * (1.0 + sign(p - 0.5)) } else { p }
    }

    /// Refuses a policy of another shape.
    pub fn check_shape(&self, policy: &Policy) -> Result<(), PolicyError> {
        same_shape(("policy", policy.n_prompts, policy.n_responses), ("judge", self.n_prompts, self.n_responses))
    }

    /// E over y′ from the policy of p(y ≻ y′), for every y.
    pub fn expected_preference(
        &self,
        sampler: &Policy,
        what: &'static str,
        interrupt: &Interrupt,
    ) -> Result<Grid, PolicyError> {
        self.check_shape(sampler)?;
        let sorts = self.is_hard && self.is_scalar();
        if !sorts && self.n_responses > MAX_PAIRWISE {
            return Err(PolicyError::TooMany { what, n_responses: self.n_responses });
        }
        let of_prompt = |prompt| {
            if interrupt.is_raised() {
                return Vec::new();
            }
            let weights = sampler.probabilities(prompt);
            match &*self.verdicts {
                Verdicts::Rewards(rewards) if self.is_hard => below(rewards.row(prompt), &weights),
                Verdicts::Rewards(rewards) => soft(rewards.row(prompt), &weights),
                Verdicts::Pairs(_) => self.each(prompt, &|p| p, &weights),
            }
        };
        let values = per_prompt(self.n_prompts, of_prompt);
        interrupt.check()?;
        Grid::new(self.n_prompts, self.n_responses, values.concat(), "the preference")
    }

    fn each(&self, prompt: usize, psi: &(dyn Fn(f64) -> f64 + Sync), weights: &[f64]) -> Vec<f64> {
        let n = self.n_responses;
        let sum = |first| (0..n).zip(weights).map(|(second, w)| w * psi(self.preference(prompt, first, second))).sum();
        (0..n).map(sum).collect()
    }

    /// E over y′ from the sampler of ψ(p(y ≻ y′)), as rewards: ΨPO is RLHF with them.
    ///
    /// Log-odds of rewards are r(y) − E r exactly; `None` is the identity.
    pub fn expected(&self, sampler: &Policy, psi: Psi, interrupt: &Interrupt) -> Result<Judge, PolicyError> {
        let digest = Digest::of("judge/expected", 1)
            .digest("judge", self.digest)
            .digest("sampler", sampler.digest())
            .text("psi", psi.name())
            .finish();
        let rewards = match psi {
            Psi::Identity => self.expected_preference(sampler, "expected", interrupt)?,
            Psi::LogOdds => self.expected_log_odds(sampler, interrupt)?,
        };
        Ok(Judge::derived(rewards, digest))
    }

    fn expected_log_odds(&self, sampler: &Policy, interrupt: &Interrupt) -> Result<Grid, PolicyError> {
        self.check_shape(sampler)?;
        let rewards = match &*self.verdicts {
            Verdicts::Rewards(rewards) if !self.is_hard => Some(rewards),
            _ => None,
        };
        if rewards.is_none() && self.n_responses > MAX_PAIRWISE {
            return Err(PolicyError::TooMany { what: "expected", n_responses: self.n_responses });
        }
        let of_prompt = |prompt| {
            if interrupt.is_raised() {
                return Vec::new();
            }
            let weights = sampler.probabilities(prompt);
            match rewards {
                Some(rewards) => {
                    let row = rewards.row(prompt);
                    let mean: f64 = row.iter().zip(&weights).map(|(reward, w)| reward * w).sum();
                    row.iter().map(|reward| reward - mean).collect()
                }
                None => self.each(prompt, &|p| ln(p) - ln(1.0 - p), &weights),
            }
        };
        let values = per_prompt(self.n_prompts, of_prompt);
        interrupt.check()?;
        Grid::new(self.n_prompts, self.n_responses, values.concat(), "the log-odds")
    }

    /// All of p(first ≻ ·) of one prompt.
    pub fn preferences(&self, prompt: usize, first: usize) -> Vec<f64> {
        (0..self.n_responses).map(|second| self.preference(prompt, first, second)).collect()
    }
}

/// What ΨPO makes of a preference before it is averaged (Azar et al. 2023).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Psi {
    /// ψ(p) = p: IPO.
    Identity,
    /// ψ(p) = ln p / (1 − p): DPO and RLHF, where preferences are Bradley and Terry's.
    LogOdds,
}

impl Psi {
    /// As scripts call it.
    pub const fn name(self) -> &'static str {
        match self {
            Psi::Identity => "identity",
            Psi::LogOdds => "log_odds",
        }
    }
}

/// −1, 0 or 1; what is within rounding of 0 is 0.
fn sign(x: f64) -> f64 {
    if x.abs() < 1e-12 { 0.0 } else { x.signum() }
}

fn check_pairs(n_prompts: usize, n_responses: usize) -> Result<(), PolicyError> {
    if n_responses > MAX_PAIRWISE {
        return Err(PolicyError::TooMany { what: "a pairwise judge", n_responses });
    }
    let n = n_prompts.saturating_mul(n_responses * n_responses);
    if n_responses < 2 || n_prompts == 0 {
        return Err(PolicyError::Size { n_prompts, n_responses });
    }
    if n > MAX_PAIRS { Err(PolicyError::TooManyPairs { n_prompts, n_responses, n, most: MAX_PAIRS }) } else { Ok(()) }
}

/// Σ_y′ w(y′) σ(r(y) − r(y′)) for every y. With e^r a pair costs a division, where the rewards' range allows it.
fn soft(rewards: &[f64], weights: &[f64]) -> Vec<f64> {
    let most = rewards.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let least = rewards.iter().copied().fold(f64::INFINITY, f64::min);
    // e^−600 is a normal number; beyond, both exponentials of a pair may vanish.
    if most - least > 600.0 {
        let one = |reward: &f64| rewards.iter().zip(weights).map(|(other, w)| w * sigmoid(reward - other)).sum();
        return rewards.iter().map(one).collect();
    }
    let exps: Vec<f64> = rewards.iter().map(|reward| exp(reward - most)).collect();
    let one = |own: &f64| exps.iter().zip(weights).map(|(other, w)| w * (own / (own + other))).sum();
    exps.iter().map(one).collect()
}

/// The weight of what has a lower reward, and half of what has the same one, for every response.
fn below(rewards: &[f64], weights: &[f64]) -> Vec<f64> {
    let mut order: Vec<usize> = (0..rewards.len()).collect();
    let reward = |at: &usize| rewards.get(*at).copied().unwrap_or(0.0);
    let weight = |at: &usize| weights.get(*at).copied().unwrap_or(0.0);
    order.sort_by(|one, other| reward(one).total_cmp(&reward(other)));
    let mut found = vec![0.0; rewards.len()];
    let (mut under, mut from) = (0.0, 0);
    while let Some(first) = order.get(from) {
        let n_equal = order.iter().skip(from).take_while(|at| reward(at) == reward(first)).count();
        let group = order.get(from..from + n_equal).unwrap_or_default();
        let mass: f64 = group.iter().map(weight).sum();
        for at in group {
            if let Some(slot) = found.get_mut(*at) {
                *slot = under + 0.5 * mass;
            }
        }
        under += mass;
        from += n_equal;
    }
    found
}
