//! Random numbers: one seeded generator for everything, the same on every machine.
//!
//! candle's CPU generator cannot be seeded, so nothing in the house draws from it.

use crate::core::math::{cos, ln};
use rand_chacha::ChaCha8Rng;
use rand_core::{RngCore, SeedableRng};

/// A seeded stream of random numbers. Streams with different purposes never overlap.
#[derive(Clone)]
pub struct Random {
    rng: ChaCha8Rng,
}

impl Random {
    /// The stream that belongs to `seed` and `purpose` (such as `"split"` or `"order"`).
    pub fn new(seed: u64, purpose: &str) -> Self {
        let digest = blake3::hash(format!("{purpose}\u{0}{seed}").as_bytes());
        Random { rng: ChaCha8Rng::from_seed(*digest.as_bytes()) }
    }

    /// How far the stream was read, for [`Random::seek`].
    pub fn position(&self) -> u128 {
        self.rng.get_word_pos()
    }

    /// Goes on from a position that the same stream had.
    pub fn seek(&mut self, position: u128) {
        self.rng.set_word_pos(position);
    }

    /// A uniform integer below `n`, without modulo bias. `n` must be positive; 0 gives 0.
    pub fn below(&mut self, n: usize) -> usize {
        if n <= 1 {
            return 0;
        }
        let n = n as u64;
        let limit = u64::MAX - u64::MAX % n;
        loop {
            let draw = self.rng.next_u64();
            if draw < limit {
                return (draw % n) as usize;
            }
        }
    }

    /// The stream's next 32 bits; its position counts these.
    pub fn bits(&mut self) -> u32 {
        self.rng.next_u32()
    }

    /// A uniform float in [0, 1) with 53 random bits.
    pub fn uniform(&mut self) -> f64 {
        (self.rng.next_u64() >> 11) as f64 * (1.0 / (1u64 << 53) as f64)
    }

    /// A standard normal number (Box–Muller).
    pub fn normal(&mut self) -> f64 {
        let radius = (-2.0 * ln(1.0 - self.uniform())).sqrt();
        radius * cos(std::f64::consts::TAU * self.uniform())
    }

    /// Shuffles in place (Fisher–Yates).
    pub fn shuffle<T>(&mut self, items: &mut [T]) {
        for last in (1..items.len()).rev() {
            items.swap(last, self.below(last + 1));
        }
    }

    /// The numbers 0..n in random order, as [`Random::permutation`] has them, in half the memory.
    pub fn order(&mut self, n: u32) -> Vec<u32> {
        let mut order: Vec<u32> = (0..n).collect();
        self.shuffle(&mut order);
        order
    }

    /// The numbers 0..n in random order.
    pub fn permutation(&mut self, n: usize) -> Vec<usize> {
        let mut order: Vec<usize> = (0..n).collect();
        self.shuffle(&mut order);
        order
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stream_repeats_and_purposes_differ() {
        let draws = |purpose| {
            let mut random = Random::new(7, purpose);
            (0..4).map(|_| random.below(1000)).collect::<Vec<_>>()
        };
        assert_eq!(draws("split"), draws("split"));
        assert_ne!(draws("split"), draws("order"));
    }

    #[test]
    fn normal_numbers_have_mean_zero_and_variance_one() {
        let mut random = Random::new(0, "test");
        let draws: Vec<f64> = (0..20_000).map(|_| random.normal()).collect();
        let mean = draws.iter().sum::<f64>() / 20_000.0;
        let variance = draws.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / 20_000.0;
        assert!(mean.abs() < 0.03 && (variance - 1.0).abs() < 0.04, "mean {mean}, variance {variance}");
    }
}
