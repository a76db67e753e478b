//! What is exact of policies: KL, entropy, distance, expected reward, win rate, and the optimum of a reward.

use super::table::range;
use super::{Judge, Policy, PolicyError, mean, per_prompt};
use crate::core::context::Interrupt;
use crate::core::digest::Digest;
use crate::core::math::exp;

/// A policy beside another one, at one prompt.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Compared {
    /// KL(self ‖ other), in nats.
    pub kl: f64,
    /// KL(other ‖ self).
    pub reverse_kl: f64,
    /// ½ Σ |π − π′|.
    pub total_variation: f64,
    /// −Σ π ln π.
    pub entropy: f64,
}

impl Policy {
    /// KL(self ‖ other) in nats, the mean over prompts.
    pub fn kl(&self, other: &Policy) -> Result<f64, PolicyError> {
        self.check_shape("policy", other, "other")?;
        Ok(mean(&per_prompt(self.n_prompts, |prompt| kl(self.row(prompt), other.row(prompt)))))
    }

    /// ½ Σ |π − π′|, the mean over prompts.
    pub fn total_variation(&self, other: &Policy) -> Result<f64, PolicyError> {
        self.check_shape("policy", other, "other")?;
        Ok(mean(&per_prompt(self.n_prompts, |prompt| total_variation(self.row(prompt), other.row(prompt)))))
    }

    /// −Σ π ln π in nats, the mean over prompts.
    pub fn entropy(&self) -> f64 {
        mean(&per_prompt(self.n_prompts, |prompt| entropy(self.row(prompt))))
    }

    /// All of it, prompt by prompt.
    pub fn compared(&self, other: &Policy) -> Result<Vec<Compared>, PolicyError> {
        self.check_shape("policy", other, "other")?;
        let of_prompt = |prompt| {
            let (own, other) = (self.row(prompt), other.row(prompt));
            Compared {
                kl: kl(own, other),
                reverse_kl: kl(other, own),
                total_variation: total_variation(own, other),
                entropy: entropy(own),
            }
        };
        Ok(per_prompt(self.n_prompts, of_prompt))
    }

    /// E_π r, the mean over prompts.
    pub fn expected_reward(&self, judge: &Judge) -> Result<f64, PolicyError> {
        judge.check_shape(self)?;
        let rewards = judge.rewards("expected_reward")?;
        let of_prompt = |prompt| {
            let both = self.row(prompt).iter().zip(rewards.row(prompt));
            both.map(|(logprob, reward)| exp(*logprob) * reward).sum::<f64>()
        };
        Ok(mean(&per_prompt(self.n_prompts, of_prompt)))
    }

    /// The chance that the judge prefers this policy's response to the other's, both drawn independently; the mean over prompts.
    pub fn win_rate(&self, other: &Policy, judge: &Judge, interrupt: &Interrupt) -> Result<f64, PolicyError> {
        self.check_shape("policy", other, "other")?;
        let preferred = judge.expected_preference(other, "win_rate", interrupt)?;
        let of_prompt = |prompt| {
            let both = self.row(prompt).iter().zip(preferred.row(prompt));
            both.map(|(logprob, p)| exp(*logprob) * p).sum::<f64>()
        };
        Ok(mean(&per_prompt(self.n_prompts, of_prompt)))
    }

    /// π e^{r/β} / Z: of all policies the one with the largest E[r] − β KL(· ‖ π).
    pub fn optimum(&self, judge: &Judge, beta: f64) -> Result<Policy, PolicyError> {
        judge.check_shape(self)?;
        if !(beta > 0.0 && beta.is_finite()) {
            return Err(range("beta", "a positive number", beta));
        }
        let rewards = judge.rewards("optimum")?;
        let digest = Digest::of("policy/optimum", 1).digest("policy", self.digest()).digest("judge", judge.digest());
        self.mapped(digest.float("beta", beta).finish(), |prompt, logprobs| {
            logprobs.iter().zip(rewards.row(prompt)).map(|(logprob, reward)| logprob + reward / beta).collect()
        })
    }
}

pub(super) fn kl(own: &[f64], other: &[f64]) -> f64 {
    // What has no probability contributes nothing; rounding must not make the sum negative.
    let of_one = |(own, other): (&f64, &f64)| {
        let p = exp(*own);
        if p == 0.0 { 0.0 } else { p * (own - other) }
    };
    own.iter().zip(other).map(of_one).sum::<f64>().max(0.0)
}

fn total_variation(own: &[f64], other: &[f64]) -> f64 {
    0.5 * own.iter().zip(other).map(|(own, other)| (exp(*own) - exp(*other)).abs()).sum::<f64>()
}

fn entropy(own: &[f64]) -> f64 {
    let of_one = |logprob: &f64| {
        let p = exp(*logprob);
        if p == 0.0 { 0.0 } else { -p * logprob }
    };
    own.iter().map(of_one).sum::<f64>().max(0.0)
}
