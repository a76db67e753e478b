//! Rotary positions (Su et al. 2021): queries and keys are turned by angles that grow with the token's position, so that
//! their product depends on how far apart they lie. Features `i` and `i + head / 2` of a head turn together, as in
//! Hugging Face's and most later checkpoints.
#![allow(clippy::indexing_slicing)] // Tables are laid out here.

use super::panel::{Cols, PANEL, from_tokens};
use super::simd::{LANES, Simd, dispatch};
use super::tasks::{Raw, tasks};
use crate::core::math::{cos, pow, sin};
use std::f64::consts::TAU;
use std::ops::Range;

/// How fast pairs of features turn.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Rope {
    /// Pair `i` of a head turns by `theta^(-2i / head)` from token to token.
    pub theta: f32,
    pub scaling: Option<Scaling>,
}

/// Slower turns, for rows longer than those that a model was first trained on.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Scaling {
    /// All pairs this many times slower.
    Linear { factor: f32 },
    /// Llama 3.1: pairs that turn less than `low` times in `original` tokens are `factor` times slower, those that turn
    /// more than `high` times stay, and between the two speeds are mixed.
    Llama3 { factor: f32, low: f32, high: f32, original: usize },
}

impl Rope {
    /// By how much pair `pair` of a head of `head` features turns from token to token. In single precision, as the
    /// published code has it: far out in a long row a rounding of this is a visible angle.
    fn speed(&self, head: usize, pair: usize) -> f32 {
        let speed = 1.0 / pow(f64::from(self.theta), 2.0 * pair as f64 / head as f64) as f32;
        match self.scaling {
            None => speed,
            Some(Scaling::Linear { factor }) => speed / factor,
            Some(Scaling::Llama3 { factor, low, high, original }) => {
                let turns = original as f64 * f64::from(speed) / TAU;
                let (low, high) = (f64::from(low), f64::from(high));
                let kept = ((turns - low) / (high - low)).clamp(0.0, 1.0);
                (f64::from(speed) * ((1.0 - kept) / f64::from(factor) + kept)) as f32
            }
        }
    }

    /// The angle of pair `pair` at a position.
    pub(crate) fn angle(&self, head: usize, pair: usize, position: usize) -> f32 {
        position as f32 * self.speed(head, pair)
    }
}

/// Cosines and sines of all positions so far, row-major `[positions, head / 2]`.
#[derive(Debug, Default)]
pub(crate) struct Angles {
    of: Option<(Rope, usize)>,
    n_positions: usize,
    cos: Vec<f32>,
    sin: Vec<f32>,
}

impl Angles {
    /// Makes the table reach `n_positions` positions of heads of `head` features.
    pub(crate) fn reach(&mut self, rope: Rope, head: usize, n_positions: usize) {
        if self.of != Some((rope, head)) {
            *self = Angles { of: Some((rope, head)), ..Angles::default() };
        }
        for position in self.n_positions..n_positions {
            for pair in 0..head / 2 {
                let angle = f64::from(rope.angle(head, pair, position));
                self.cos.push(cos(angle) as f32);
                self.sin.push(sin(angle) as f32);
            }
        }
        self.n_positions = self.n_positions.max(n_positions);
    }

    fn half(&self) -> usize {
        self.of.map_or(0, |(_, head)| head / 2)
    }
}

/// The cosines and sines of a batch's tokens, `[head / 2]` features in panels.
#[derive(Debug, Default)]
pub(crate) struct Turns {
    /// Pairs of features.
    half: usize,
    cos: Vec<f32>,
    sin: Vec<f32>,
    tokens: Vec<f32>,
}

impl Turns {
    /// Lays out those of tokens at `positions`, which `angles` reaches.
    pub(crate) fn lay(&mut self, par: bool, angles: &Angles, positions: impl Iterator<Item = usize> + Clone) {
        let half = angles.half();
        self.half = half;
        let cols = Cols { n: positions.clone().count() };
        for (table, panels) in [(&angles.cos, &mut self.cos), (&angles.sin, &mut self.sin)] {
            self.tokens.clear();
            for position in positions.clone() {
                self.tokens.extend_from_slice(&table[position * half..(position + 1) * half]);
            }
            self.tokens.resize(half * cols.n + LANES, 0.0);
            panels.resize(cols.len(half), 0.0);
            from_tokens(par, &self.tokens, half, cols, panels);
        }
    }

    /// Turns the heads in `features` of `x`, which has `rows` features in panels over `cols`, or turns them `back`: of each
    /// head the first features, as many as `angles` has.
    #[allow(clippy::too_many_arguments)]
    pub(crate) fn turn(
        &self,
        par: bool,
        x: &mut [f32],
        rows: usize,
        features: Range<usize>,
        head: usize,
        cols: Cols,
        back: bool,
    ) {
        let half = self.half;
        assert!(
            2 * half <= head
                && features.end <= rows
                && features.len().is_multiple_of(head)
                && x.len() >= cols.len(rows)
        );
        assert!(self.cos.len() == cols.len(half) && self.sin.len() == cols.len(half));
        let x = Raw::new(x);
        // Safety: lengths were checked above; tasks write their own panels.
        tasks(par, cols.n_panels(), |p| unsafe {
            let width = cols.width(p);
            let (cos, sin) = (self.cos.as_ptr().add(p * PANEL * half), self.sin.as_ptr().add(p * PANEL * half));
            for first in features.clone().step_by(head) {
                let x = x.at(p * PANEL * rows + first * width);
                turn(x, half * width, cos, sin, if back { -1.0 } else { 1.0 });
            }
        });
    }
}

/// The two halves of a head, `n` floats each, one behind the other.
#[inline(always)]
unsafe fn turn_any<S: Simd>(x: *mut f32, n: usize, cos: *const f32, sin: *const f32, sign: f32) {
    unsafe {
        let sign = S::splat(sign);
        for at in (0..n).step_by(LANES) {
            let (a, b) = (S::load(x.add(at)), S::load(x.add(n + at)));
            let (cos, sin) = (S::load(cos.add(at)), S::mul(S::load(sin.add(at)), sign));
            S::store(x.add(at), S::sub(S::mul(a, cos), S::mul(b, sin)));
            S::store(x.add(n + at), S::fma(b, cos, S::mul(a, sin)));
        }
    }
}

dispatch! {
    turn = turn_any(x: *mut f32, n: usize, cos: *const f32, sin: *const f32, sign: f32)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::random::Random;

    #[test]
    fn a_part_of_each_head_turns_and_the_rest_stays() {
        let rope = Rope { theta: 500.0, scaling: None };
        let (head, n_turned, rows) = (10, 4, 20);
        let cols = Cols { n: 20 };
        let (mut angles, mut whole, mut part) = (Angles::default(), Turns::default(), Turns::default());
        angles.reach(rope, n_turned, 20);
        part.lay(false, &angles, 0..20);
        whole.lay(false, &angles, 0..20);
        let x: Vec<f32> = (0..cols.len(rows)).map(|at| (at % 17) as f32 - 8.0).collect();
        let mut turned = x.clone();
        part.turn(false, &mut turned, rows, 0..rows, head, cols, false);
        // A head of the turned features alone.
        let mut alone = vec![0.0; cols.len(n_turned)];
        for token in 0..cols.n {
            (0..n_turned).for_each(|row| alone[cols.at(n_turned, row, token)] = x[cols.at(rows, head + row, token)]);
        }
        whole.turn(false, &mut alone, n_turned, 0..n_turned, n_turned, cols, false);
        for token in 0..cols.n {
            for row in 0..head {
                let at = cols.at(rows, head + row, token);
                let expected = if row < n_turned { alone[cols.at(n_turned, row, token)] } else { x[at] };
                assert_eq!(turned[at], expected, "feature {row} at {token}");
            }
        }
    }

    #[test]
    fn pairs_turn_by_their_angles_and_back() {
        let rope = Rope { theta: 500.0, scaling: None };
        let (head, n_heads, rows, first) = (6, 3, 23, 4);
        let positions: Vec<usize> = (0..70).chain([0, 1, 2]).collect();
        let cols = Cols { n: positions.len() };
        let (mut angles, mut turns) = (Angles::default(), Turns::default());
        angles.reach(rope, head, 3);
        angles.reach(rope, head, 70);
        turns.lay(false, &angles, positions.iter().copied());
        let mut random = Random::new(0, "rotary");
        let x: Vec<f32> = (0..cols.len(rows)).map(|_| random.normal() as f32).collect();
        let mut turned = x.clone();
        turns.turn(true, &mut turned, rows, first..first + n_heads * head, head, cols, false);
        for (token, position) in positions.iter().enumerate() {
            for row in 0..rows {
                let at = |row: usize| cols.at(rows, row, token);
                let inside = row.checked_sub(first).filter(|row| *row < n_heads * head);
                let Some(feature) = inside.map(|row| row % head) else {
                    assert_eq!(turned[at(row)], x[at(row)], "feature {row} is not a head's");
                    continue;
                };
                let (pair, low) = (feature % (head / 2), row - feature / (head / 2) * (head / 2));
                let angle = *position as f64 / 500f64.powf(2.0 * pair as f64 / head as f64);
                let (a, b) = (f64::from(x[at(low)]), f64::from(x[at(low + head / 2)]));
                let expected = if feature < head / 2 {
                    a * angle.cos() - b * angle.sin()
                } else {
                    b * angle.cos() + a * angle.sin()
                };
                assert!((f64::from(turned[at(row)]) - expected).abs() < 1e-5, "feature {feature} at {position}");
            }
        }
        turns.turn(false, &mut turned, rows, first..first + n_heads * head, head, cols, true);
        for token in 0..cols.n {
            for row in 0..rows {
                let at = cols.at(rows, row, token);
                assert!((turned[at] - x[at]).abs() < 1e-6);
            }
        }
    }

    #[test]
    fn scaled_speeds_are_the_published_ones() {
        let plain = Rope { theta: 10_000.0, scaling: None };
        let linear = Rope { scaling: Some(Scaling::Linear { factor: 4.0 }), ..plain };
        assert_eq!(linear.angle(8, 1, 12), plain.angle(8, 1, 3));
        // transformers 5.23, `_compute_llama3_parameters` for heads of 8 features, theta 10 000, factor 8, low 1, high 4,
        // 16 tokens before.
        let scaling = Scaling::Llama3 { factor: 8.0, low: 1.0, high: 4.0, original: 16 };
        let llama = Rope { scaling: Some(scaling), ..plain };
        for (pair, expected) in SPEEDS.into_iter().enumerate() {
            assert!((llama.angle(8, pair, 1) / expected - 1.0).abs() < 1e-6, "pair {pair}");
        }
    }

    const SPEEDS: [f32; 4] = [0.576_056_36, 0.0125, 0.00125, 0.000125];
}
