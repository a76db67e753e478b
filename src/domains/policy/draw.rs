//! Drawing responses from a policy.

use super::table::{MAX_VALUES, range};
use super::{Live, Policy, PolicyError, per_prompt};
use crate::core::digest::Digest;
use crate::core::math::exp;
use crate::core::random::Random;
use crate::frames::{Frame, FrameError};
use polars::prelude::{Column, DataFrame};

/// Cumulative probabilities of every prompt, from which responses are drawn.
pub struct Drawn {
    rows: Vec<Vec<f64>>,
}

impl Drawn {
    pub fn of(policy: &Policy) -> Drawn {
        Drawn { rows: per_prompt(policy.n_prompts, |prompt| cumulative(policy.row(prompt))) }
    }

    /// Of parameters at work.
    pub fn live(live: &Live, n_prompts: usize) -> Drawn {
        Drawn { rows: per_prompt(n_prompts, |prompt| cumulative(&live.row(prompt))) }
    }

    /// A response of the prompt.
    pub fn draw(&self, prompt: usize, random: &mut Random) -> usize {
        let row = self.rows.get(prompt).map(Vec::as_slice).unwrap_or_default();
        let at = random.uniform() * row.last().copied().unwrap_or(1.0);
        row.partition_point(|upto| *upto <= at).min(row.len().saturating_sub(1))
    }

    /// A prompt, each with the same chance.
    pub fn prompt(&self, random: &mut Random) -> usize {
        random.below(self.rows.len())
    }
}

fn cumulative(logprobs: &[f64]) -> Vec<f64> {
    let mut sum = 0.0;
    let add = |logprob: &f64| {
        sum += exp(*logprob);
        sum
    };
    logprobs.iter().map(add).collect()
}

/// Samples of every prompt: `prompt`, `sample`, `response`, `logprob`.
pub fn sample(policy: &Policy, n_samples: usize, seed: u64) -> Result<Frame, PolicyError> {
    let n = policy.n_prompts.saturating_mul(n_samples);
    if n_samples == 0 || n > MAX_VALUES {
        return Err(range("n_samples", &format!("from 1 to {}", MAX_VALUES / policy.n_prompts), n_samples));
    }
    let drawn = Drawn::of(policy);
    let mut random = Random::new(seed, "policy/sample");
    let places: Vec<(usize, usize)> = (0..n).map(|at| (at / n_samples, at % n_samples)).collect();
    let responses: Vec<usize> = places.iter().map(|(prompt, _)| drawn.draw(*prompt, &mut random)).collect();
    let logprobs = places.iter().zip(&responses).map(|((prompt, _), response)| policy.logprob(*prompt, *response));
    let columns = vec![
        Column::new("prompt".into(), places.iter().map(|(prompt, _)| *prompt as i64).collect::<Vec<_>>()),
        Column::new("sample".into(), places.iter().map(|(_, sample)| *sample as i64).collect::<Vec<_>>()),
        Column::new("response".into(), responses.iter().map(|response| *response as i64).collect::<Vec<_>>()),
        Column::new("logprob".into(), logprobs.collect::<Vec<f64>>()),
    ];
    let digest = Digest::of("policy/sample", 1).digest("policy", policy.digest()).int("samples", n_samples as i64);
    let table = DataFrame::new(n, columns).map_err(FrameError::from)?;
    Ok(Frame::derived(table, digest.int("seed", seed as i64).finish()))
}
