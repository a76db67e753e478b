//! Rankings of several responses: drawn from a policy and ordered by a judge's rewards, read from and written to frames, and how likely
//! a judge holds them (Plackett 1975, Luce 1959).

use super::table::{MAX_VALUES, indices, range};
use super::{Drawn, Judge, Policy, PolicyError};
use crate::core::digest::Digest;
use crate::core::math::exp;
use crate::core::random::Random;
use crate::domains::preference::ranking::plackett_luce;
use crate::frames::{Frame, FrameError};
use polars::prelude::{Column, DataFrame};
use std::collections::BTreeSet;

/// The most responses of a ranking: arbitrary.
const MAX_PLACES: usize = 1000;
/// How often a response that is in the ranking already is drawn again. Arbitrary.
const MAX_TRIES: usize = 10_000;

/// Rankings in order, each of `k` different responses of a prompt.
#[derive(Debug, Clone, PartialEq)]
pub struct Rankings {
    pub prompts: Vec<usize>,
    /// Row-major `[n, k]`, the best first.
    pub responses: Vec<usize>,
    pub k: usize,
    /// How much each counts.
    pub weights: Vec<f64>,
    pub digest: Digest,
}

/// How rankings are drawn.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct RankingOptions {
    pub n: usize,
    /// Responses of each.
    pub k: usize,
    pub seed: u64,
}

impl Rankings {
    /// Reads `prompt`, `rank1` (the best), `rank2`, … and `weight` where the frame has it (1 where not).
    pub fn of_frame(frame: &Frame) -> Result<Rankings, PolicyError> {
        let n = frame.height();
        let wrong = |why: String| PolicyError::Rankings { why };
        let k = (1..=MAX_PLACES).take_while(|place| frame.column(&name(*place)).is_ok()).count();
        if k < 2 {
            return Err(wrong("the frame has no columns `rank1` and `rank2`".to_owned()));
        }
        let prompts = indices(frame, "prompt")?;
        let mut responses = vec![0; n * k];
        for place in 0..k {
            // The column is named anew so that what is told of a value names it.
            let column = name(place + 1);
            for (row, value) in frame.floats(&column)?.into_iter().enumerate() {
                if !(value >= 0.0 && value < MAX_VALUES as f64 && value.fract() == 0.0) {
                    return Err(wrong(format!(
                        "`{column}` holds `{value}` in row {row}: responses are numbered from 0"
                    )));
                }
                if let Some(slot) = responses.get_mut(row * k + place) {
                    *slot = value as usize;
                }
            }
        }
        let weights = match frame.column("weight") {
            Ok(_) => frame.floats("weight")?,
            Err(_) => vec![1.0; n],
        };
        if let Some(row) = weights.iter().position(|weight| !(*weight >= 0.0 && weight.is_finite())) {
            return Err(wrong(format!("ranking {row} has a weight that is not a finite number of at least 0")));
        }
        for (row, ranked) in responses.chunks(k).enumerate() {
            if ranked.iter().collect::<BTreeSet<_>>().len() < k {
                return Err(wrong(format!("ranking {row} names a response twice")));
            }
        }
        Ok(Rankings { prompts, responses, k, weights, digest: frame.digest() })
    }

    /// As [`Rankings::of_frame`] reads them.
    pub fn frame(&self) -> Result<Frame, PolicyError> {
        let ints = |values: Vec<usize>| values.into_iter().map(|value| value as i64).collect::<Vec<_>>();
        let mut columns = vec![Column::new("prompt".into(), ints(self.prompts.clone()))];
        for place in 0..self.k {
            let of_place = self.responses.iter().skip(place).step_by(self.k).copied().collect();
            columns.push(Column::new(name(place + 1).as_str().into(), ints(of_place)));
        }
        let table = DataFrame::new(self.len(), columns).map_err(FrameError::from)?;
        Ok(Frame::derived(table, self.digest))
    }

    pub fn len(&self) -> usize {
        self.prompts.len()
    }

    pub fn is_empty(&self) -> bool {
        self.prompts.is_empty()
    }

    /// Prompt and responses of one.
    pub fn at(&self, idx: usize) -> (usize, &[usize]) {
        let responses = self.responses.get(idx * self.k..(idx + 1) * self.k).unwrap_or_default();
        (self.prompts.get(idx).copied().unwrap_or(0), responses)
    }

    /// Refuses none, and rankings of prompts or responses that there are not.
    pub fn check(&self, n_prompts: usize, n_responses: usize) -> Result<(), PolicyError> {
        if self.is_empty() {
            return Err(PolicyError::Rankings { why: "there are no rankings".to_owned() });
        }
        for row in 0..self.len() {
            let (prompt, responses) = self.at(row);
            let most = responses.iter().copied().max().unwrap_or(0);
            for (what, value, n) in [("prompt", prompt, n_prompts), ("response", most, n_responses)] {
                if value >= n {
                    let why = format!("ranking {row} names the {what} {value}, the policy has {n} of them");
                    return Err(PolicyError::Rankings { why });
                }
            }
        }
        Ok(())
    }

    /// ln p of each ranking by a judge's rewards; −∞ of what a judge who is sure excludes.
    pub fn logprobs(&self, judge: &Judge) -> Result<Vec<f64>, PolicyError> {
        let rewards = judge.rewards("ranking_logprobs")?;
        self.check(judge.n_prompts, judge.n_responses)?;
        let of_row = |row: usize| {
            let (prompt, responses) = self.at(row);
            let reward = |response: &usize| rewards.row(prompt).get(*response).copied().unwrap_or(f64::NAN);
            let rewards: Vec<f64> = responses.iter().map(reward).collect();
            if judge.is_hard { sure(&rewards) } else { -plackett_luce(1.0, &rewards).0 }
        };
        Ok((0..self.len()).map(of_row).collect())
    }
}

/// A column's name.
fn name(place: usize) -> String {
    format!("rank{place}")
}

/// ln p of an order where the best of what is left comes first for sure, each of equal ones with the same chance.
fn sure(rewards: &[f64]) -> f64 {
    let of_place = |(place, own): (usize, &f64)| {
        let rest = rewards.get(place..).unwrap_or_default();
        let is_best = rest.iter().all(|other| other <= own);
        let n_equal = rest.iter().filter(|other| *other == own).count();
        if is_best { -crate::core::math::ln(n_equal as f64) } else { f64::NEG_INFINITY }
    };
    rewards.iter().enumerate().map(of_place).sum()
}

/// Rankings of `k` different responses, each drawn from the sampler anew until it is not yet among them, of a prompt drawn with the same
/// chance; the judge's order is drawn place by place, ∝ e^reward of what is left.
pub fn draw_rankings(judge: &Judge, sampler: &Policy, options: RankingOptions) -> Result<Rankings, PolicyError> {
    let RankingOptions { n, k, seed } = options;
    let rewards = judge.rewards("rankings")?;
    judge.check_shape(sampler)?;
    if !(2..=judge.n_responses.min(MAX_PLACES)).contains(&k) {
        let must = format!("from 2 to {}, no more than a prompt has responses", judge.n_responses.min(MAX_PLACES));
        return Err(range("k", &must, k));
    }
    if !(1..=MAX_VALUES / (4 * k)).contains(&n) {
        return Err(range("n", &format!("from 1 to {}", MAX_VALUES / (4 * k)), n));
    }
    let made = Digest::of("judge/rankings", 1).digest("judge", judge.digest()).digest("sampler", sampler.digest());
    let digest = made.int("n", n as i64).int("k", k as i64).int("seed", seed as i64).finish();
    let drawn = Drawn::of(sampler);
    let mut random = Random::new(seed, "judge/rankings");
    let mut made = Rankings { prompts: Vec::new(), responses: Vec::new(), k, weights: vec![1.0; n], digest };
    for _ in 0..n {
        let prompt = drawn.prompt(&mut random);
        let mut left: Vec<usize> = Vec::with_capacity(k);
        for _ in 0..k {
            let fresh =
                (0..MAX_TRIES).map(|_| drawn.draw(prompt, &mut random)).find(|response| !left.contains(response));
            let Some(response) = fresh else {
                let why =
                    format!("so few that prompt {prompt} has as many different responses: {} were found", left.len());
                return Err(range("k", &why, k));
            };
            left.push(response);
        }
        made.prompts.push(prompt);
        while !left.is_empty() {
            let of_response = |response: &usize| rewards.row(prompt).get(*response).copied().unwrap_or(f64::NAN);
            let place = draw(&left.iter().map(of_response).collect::<Vec<_>>(), judge.is_hard, &mut random);
            made.responses.push(left.remove(place));
        }
    }
    Ok(made)
}

/// A place, drawn ∝ e^reward; of a judge who is sure one of the best.
fn draw(rewards: &[f64], is_hard: bool, random: &mut Random) -> usize {
    let most = rewards.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let weight = |reward: &f64| if is_hard { f64::from(u8::from(*reward == most)) } else { exp(reward - most) };
    let mut left = random.uniform() * rewards.iter().map(weight).sum::<f64>();
    for (place, reward) in rewards.iter().enumerate() {
        left -= weight(reward);
        if left < 0.0 {
            return place;
        }
    }
    rewards.len().saturating_sub(1)
}

#[cfg(test)]
mod tests {
    use super::super::Grid;
    use super::*;

    const REWARDS: [f64; 4] = [0.3, -1.2, 1.1, 0.0];

    fn judge() -> Judge {
        Judge::scalar(Grid::new(1, 4, REWARDS.to_vec(), "rewards").expect("a grid"))
    }

    /// All orders of the numbers below 4 that have `k` places.
    fn orders(k: usize) -> Vec<Vec<usize>> {
        let mut found: Vec<Vec<usize>> = vec![Vec::new()];
        for _ in 0..k {
            let longer = |order: &Vec<usize>| {
                let left = (0..4).filter(|y| !order.contains(y)).collect::<Vec<_>>();
                left.into_iter().map(|y| [order.clone(), vec![y]].concat()).collect::<Vec<_>>()
            };
            found = found.iter().flat_map(longer).collect();
        }
        found
    }

    #[test]
    fn orders_are_as_likely_as_plackett_and_luce_say_and_drawn_as_often() {
        let (judge, uniform) = (judge(), Policy::uniform(1, 4).expect("a policy"));
        let orders = orders(4);
        let all = Rankings {
            prompts: vec![0; 24],
            responses: orders.concat(),
            k: 4,
            weights: vec![1.0; 24],
            digest: Digest::of("test", 1).finish(),
        };
        let logprobs = all.logprobs(&judge).expect("rewards");
        assert!((logprobs.iter().map(|p| p.exp()).sum::<f64>() - 1.0).abs() < 1e-12, "one of them comes");
        for (order, logprob) in orders.iter().zip(&logprobs) {
            let e = |y: &usize| REWARDS[*y].exp();
            let places = (0..4).map(|place| e(&order[place]) / order[place..].iter().map(e).sum::<f64>());
            assert!((places.product::<f64>() - logprob.exp()).abs() < 1e-12, "{order:?}");
        }
        let n = 20_000;
        let drawn = draw_rankings(&judge, &uniform, RankingOptions { n, k: 4, seed: 3 }).expect("drawn");
        for (order, logprob) in orders.iter().zip(&logprobs) {
            let n_found = drawn.responses.chunks(4).filter(|found| found == order).count() as f64;
            let p = logprob.exp();
            // Four and a half standard errors.
            assert!((n_found / n as f64 - p).abs() < 4.5 * (p * (1.0 - p) / n as f64).sqrt(), "{order:?}");
        }
    }

    #[test]
    fn a_judge_who_is_sure_has_one_order_and_bad_rankings_are_refused() {
        let (judge, uniform) = (judge().hard(), Policy::uniform(1, 4).expect("a policy"));
        let drawn = draw_rankings(&judge, &uniform, RankingOptions { n: 50, k: 4, seed: 0 }).expect("drawn");
        assert!(drawn.responses.chunks(4).all(|order| order == [2, 0, 3, 1]));
        assert!(drawn.logprobs(&judge).expect("rewards").iter().all(|p| *p == 0.0));
        let frame = drawn.frame().expect("a frame");
        assert_eq!(frame.columns(), ["prompt", "rank1", "rank2", "rank3", "rank4"]);
        assert_eq!(Rankings::of_frame(&frame).expect("read"), drawn);
        let few = draw_rankings(&judge, &uniform, RankingOptions { n: 5, k: 5, seed: 0 }).expect_err("too few");
        assert_eq!(few.to_string(), "`k` must be from 2 to 4, no more than a prompt has responses, got `5`");
        let twice = Rankings { responses: vec![1, 1], k: 2, prompts: vec![0], weights: vec![1.0], ..drawn };
        let twice = Rankings::of_frame(&twice.frame().expect("a frame")).expect_err("refused");
        assert_eq!(twice.to_string(), "ranking 0 names a response twice");
    }
}
