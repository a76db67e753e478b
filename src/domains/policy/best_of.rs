//! Best-of-n as a policy: of n responses drawn from a policy the one with the largest reward.

use super::table::range;
use super::{Judge, Policy, PolicyError};
use crate::core::digest::Digest;
use crate::core::math::{exp, exp_m1, ln, ln_1p};

impl Policy {
    /// The exact distribution of the best of `n` draws: F(y)ⁿ − F⁻(y)ⁿ, where F is the chance of a reward as large as that of
    /// y or smaller, F⁻ of a smaller one. Among responses of one reward the first that was drawn is taken, so their share is
    /// that of the policy.
    pub fn best_of(&self, judge: &Judge, n: usize) -> Result<Policy, PolicyError> {
        judge.check_shape(self)?;
        if !(1..=1_000_000).contains(&n) {
            return Err(range("n", "from 1 to 1000000", n));
        }
        let rewards = judge.rewards("best_of")?;
        let digest = Digest::of("policy/best_of", 1).digest("policy", self.digest()).digest("judge", judge.digest());
        self.mapped(digest.int("n", n as i64).finish(), |prompt, logprobs| {
            best(logprobs, rewards.row(prompt), n as f64)
        })
    }
}

/// ln of the distribution of the best of n, in logarithms throughout: the worst responses keep a probability of e^−10⁵.
fn best(logprobs: &[f64], rewards: &[f64], n: f64) -> Vec<f64> {
    let mut order: Vec<usize> = (0..rewards.len()).collect();
    let of = |values: &[f64], at: &usize| values.get(*at).copied().unwrap_or(0.0);
    order.sort_by(|one, other| of(rewards, one).total_cmp(&of(rewards, other)));
    let mut found = vec![0.0; logprobs.len()];
    // ln F of all that came before.
    let (mut under, mut from) = (f64::NEG_INFINITY, 0);
    while let Some(first) = order.get(from) {
        let n_equal = order.iter().skip(from).take_while(|at| of(rewards, at) == of(rewards, first)).count();
        let group = order.get(from..from + n_equal).unwrap_or_default();
        let mass = group.iter().fold(f64::NEG_INFINITY, |sum, at| log_add(sum, of(logprobs, at)));
        let upto = log_add(under, mass);
        // F⁻/F = 1 − mass/F, so ln(Fⁿ − F⁻ⁿ) = n ln F + ln(1 − (1 − mass/F)ⁿ).
        let share = exp(mass - upto).min(1.0);
        // Of a share that is hardly a number, 1 − (1 − share)ⁿ is n · share.
        let chance = if share < 1e-290 { ln(n) + mass - upto } else { ln(-exp_m1(n * ln_1p(-share))) };
        let drawn = n * upto + chance;
        for at in group {
            if let Some(slot) = found.get_mut(*at) {
                *slot = drawn + of(logprobs, at) - mass;
            }
        }
        (under, from) = (upto, from + n_equal);
    }
    found
}

/// ln(e^a + e^b).
fn log_add(a: f64, b: f64) -> f64 {
    let (most, least) = if a > b { (a, b) } else { (b, a) };
    if least == f64::NEG_INFINITY { most } else { most + ln_1p(exp(least - most)) }
}
