//! Which token comes next: the likeliest, or one that is drawn.

use crate::core::math::exp;
use crate::core::random::Random;
use crate::kernels::log_sum::drawn;
use std::cmp::Ordering;

/// How a token is chosen among a vocabulary's logits: temperature first, then the `top_k` likeliest, then `top_p` of what
/// they have, as transformers has it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Sampling {
    /// Logits are divided by it; 0 takes the likeliest token and draws nothing.
    pub temperature: f64,
    /// Only so many of the likeliest tokens are drawn from; 0 for all.
    pub top_k: usize,
    /// Only the likeliest tokens are drawn from, as many as together reach this probability (Holtzman et al. 2020).
    pub top_p: f64,
}

impl Sampling {
    /// The next token; the first of equally likely ones where nothing is drawn. Draws one number, or none at temperature 0.
    pub fn pick(&self, logits: &[f32], random: &mut Random) -> u32 {
        if self.temperature <= 0.0 {
            return crate::frames::argmax(logits) as u32;
        }
        let draw = random.uniform();
        if self.top_k == 0 && self.top_p >= 1.0 {
            // Whatever the quick way is sure of is what the exact one finds.
            if let Some(token) = drawn(logits, self.temperature, draw) {
                return token;
            }
        }
        let most = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
        let weight = |logit: f32| exp(f64::from(logit - most) / self.temperature);
        let mut tokens: Vec<(u32, f64)> = (0u32..).zip(logits.iter().map(|logit| weight(*logit))).collect();
        if self.top_k > 0 && self.top_k < tokens.len() {
            tokens.select_nth_unstable_by(self.top_k, likelier);
            tokens.truncate(self.top_k);
            tokens.sort_unstable_by(likelier);
        }
        if self.top_p < 1.0 {
            self.keep_top_p(&mut tokens);
        }
        let mut left = draw * total(&tokens);
        for (token, weight) in &tokens {
            left -= weight;
            if left < 0.0 {
                return *token;
            }
        }
        // The draw came to the very end, or beyond it by rounding.
        tokens.last().map_or(0, |(token, _)| *token)
    }

    /// Keeps the likeliest, in order, until they have `top_p` of the whole.
    fn keep_top_p(&self, tokens: &mut Vec<(u32, f64)>) {
        let whole = total(tokens);
        // Those from a token with less than this on have together less than `1 - top_p`: the rest reaches `top_p` without.
        let least = (1.0 - self.top_p) * whole / tokens.len() as f64;
        tokens.retain(|(_, weight)| *weight >= least);
        tokens.sort_unstable_by(likelier);
        let mut so_far = 0.0;
        let n = tokens.iter().position(|(_, weight)| {
            so_far += weight;
            so_far >= self.top_p * whole
        });
        tokens.truncate(n.map_or(tokens.len(), |n| n + 1));
    }
}

/// The heavier first, of equal ones the lower token.
fn likelier(a: &(u32, f64), b: &(u32, f64)) -> Ordering {
    b.1.total_cmp(&a.1).then(a.0.cmp(&b.0))
}

fn total(tokens: &[(u32, f64)]) -> f64 {
    tokens.iter().map(|(_, weight)| weight).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOGITS: [f32; 5] = [1.0, 3.0, -2.0, 3.0, 0.0];

    /// How often each token comes among 4000.
    fn counts(sampling: Sampling) -> [usize; 5] {
        let mut random = Random::new(1, "sampling");
        let mut counts = [0; 5];
        (0..4000).for_each(|_| counts[sampling.pick(&LOGITS, &mut random) as usize] += 1);
        counts
    }

    #[test]
    fn the_likeliest_is_taken_and_nothing_drawn_at_temperature_0() {
        let mut random = Random::new(0, "sampling");
        let greedy = Sampling { temperature: 0.0, top_k: 0, top_p: 1.0 };
        assert_eq!(greedy.pick(&LOGITS, &mut random), 1, "the first of two");
        assert_eq!(random.position(), Random::new(0, "sampling").position());
    }

    #[test]
    fn tokens_come_as_often_as_the_softmax_says() {
        for temperature in [0.5, 1.0, 2.0] {
            let found = counts(Sampling { temperature, top_k: 0, top_p: 1.0 });
            let weights = LOGITS.map(|logit| (f64::from(logit) / temperature).exp());
            let whole: f64 = weights.iter().sum();
            for (n, weight) in found.iter().zip(weights) {
                let (p, n) = (weight / whole, *n as f64 / 4000.0);
                // Four standard errors.
                assert!((n - p).abs() < 4.0 * (p * (1.0 - p) / 4000.0).sqrt() + 1e-9, "{n} for {p}");
            }
        }
    }

    /// The quick way beside the sum in double precision: where it answers, the same token; nearly always it does.
    #[test]
    fn a_draw_is_that_of_the_sum_in_double_precision() {
        let mut random = Random::new(2, "sampling");
        let mut n_unsure = 0;
        for round in 0..3000 {
            let n = [1, 5, 63, 64, 65, 700][round % 6];
            let logits: Vec<f32> = (0..n).map(|_| (4.0 * random.normal()) as f32 - 100.0).collect();
            let (temperature, draw) = ([1.0, 0.3, 2.5][round % 3], random.uniform());
            let most = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
            let weights: Vec<f64> = logits.iter().map(|z| exp(f64::from(z - most) / temperature)).collect();
            let mut left = draw * weights.iter().sum::<f64>();
            let exact = weights.iter().position(|weight| {
                left -= weight;
                left < 0.0
            });
            match drawn(&logits, temperature, draw) {
                Some(token) => assert_eq!(Some(token as usize), exact, "{n} at {temperature}"),
                None => n_unsure += 1,
            }
        }
        assert!(n_unsure < 60, "{n_unsure} of 3000");
        assert_eq!(
            drawn(&[0.0, f32::NAN, 1.0], 1.0, 0.9),
            Some(2),
            "what is not a number has no share; generation refuses it"
        );
        assert_eq!(drawn(&[], 1.0, 0.5), None);
    }

    #[test]
    fn only_the_likeliest_are_drawn_from() {
        let drawn = |top_k, top_p| counts(Sampling { temperature: 1.0, top_k, top_p }).map(|n| n > 0);
        assert_eq!(drawn(1, 1.0), [false, true, false, false, false], "of equals the lower token");
        assert_eq!(drawn(3, 1.0), [true, true, false, true, false]);
        // Probabilities .0627, .4634, .0031, .4634, .0231… of which the first has .46, two .93, three .99.
        assert_eq!(drawn(0, 0.4), [false, true, false, false, false]);
        assert_eq!(drawn(0, 0.9), [false, true, false, true, false]);
        assert_eq!(drawn(0, 0.95), [true, true, false, true, false]);
        // Of the two likeliest, each has half.
        assert_eq!(drawn(2, 0.6), [false, true, false, true, false]);
        assert_eq!(drawn(2, 0.5), [false, true, false, false, false]);
    }
}
