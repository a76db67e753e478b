//! What is measured of batches of pairs while a policy learns from them: sums that can be added up, and the means and spreads that a
//! curve shows of them.

use super::loss::{PairBatch, PairValue};
use polars::prelude::Column;

/// How many sums there are.
pub const N_SUMS: usize = 12;

/// How many of them, the first ones, trainings have always kept: loss, both log-probabilities, margin, pairs ranked right, implicit
/// weight, and the number of pairs.
pub const N_FIRST: usize = 7;

/// What a curve shows, in order. Of the pairs of a step or of a stretch of steps: `loss`; `chosen` and `rejected`, log π in nats;
/// `margin`, Δ, and its standard deviation over pairs; `accuracy`, the share with Δ > 0, of Δ = 0 one half; `weight`, the loss's implicit weight
/// of a pair (of DPO σ(−βΔ)), all pairs counted alike, and its standard deviation; `counted`, the same mean with each pair counted by its
/// given weight; `effective`, (Σ w)² / (n Σ w²) of the given weights, 1 where they are equal.
pub const NAMES: [&str; 10] =
    ["loss", "chosen", "rejected", "margin", "accuracy", "weight", "margin_sd", "weight_sd", "counted", "effective"];

/// Sums over pairs, which begin with those of [`N_FIRST`].
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Sums(pub [f64; N_SUMS]);

impl Sums {
    /// Of a batch and what its loss answered.
    pub fn of(batch: &PairBatch, found: &PairValue) -> Sums {
        let n = batch.n_pairs() as f64;
        let (mut margin, mut right, mut margin_squares) = (0.0, 0.0, 0.0);
        let (mut given, mut given_squares, mut counted) = (0.0, 0.0, 0.0);
        for pair in 0..batch.n_pairs() {
            let delta = batch.pair(pair).delta();
            margin += delta;
            margin_squares += delta * delta;
            right += if delta > 0.0 { 1.0 } else { 0.5 * f64::from(u8::from(delta == 0.0)) };
            let weight = batch.weight(pair);
            given += weight;
            given_squares += weight * weight;
            counted += weight * found.pull.get(pair).copied().unwrap_or(f64::NAN);
        }
        let sum = |numbers: &[f64]| numbers.iter().sum::<f64>();
        let pull_squares = found.pull.iter().map(|pull| pull * pull).sum();
        Sums([
            found.value * n,
            sum(batch.chosen),
            sum(batch.rejected),
            margin,
            right,
            sum(&found.pull),
            n,
            margin_squares,
            pull_squares,
            given,
            given_squares,
            counted,
        ])
    }

    /// Adds others.
    pub fn add(&mut self, other: &Sums) {
        self.0.iter_mut().zip(other.0).for_each(|(sum, number)| *sum += number);
    }

    /// What a curve shows, as [`NAMES`] calls it.
    pub fn shown(&self) -> [f64; NAMES.len()] {
        let [loss, chosen, rejected, margin, right, pull, n, margins, pulls, given, squares, counted] = self.0;
        let spread = |squares: f64, sum: f64| (squares / n - (sum / n) * (sum / n)).max(0.0).sqrt();
        [
            loss / n,
            chosen / n,
            rejected / n,
            margin / n,
            right / n,
            pull / n,
            spread(margins, margin),
            spread(pulls, pull),
            counted / given,
            given * given / (n * squares),
        ]
    }
}

/// What a loss says of each pair of a batch: `logprob_chosen`, `logprob_rejected`, `margin` (Δ), `preference` (that the chosen one is the better
/// one), `given` (the given weight), `weight` (the loss's implicit one), and the slopes of the batch's loss by both
/// log-probabilities, `by_chosen` and `by_rejected`.
pub fn of_each(batch: &PairBatch, found: &PairValue) -> Vec<Column> {
    let of = |number: &dyn Fn(usize) -> f64| (0..batch.n_pairs()).map(number).collect::<Vec<f64>>();
    let columns: [(&str, Vec<f64>); 8] = [
        ("logprob_chosen", batch.chosen.to_vec()),
        ("logprob_rejected", batch.rejected.to_vec()),
        ("margin", of(&|pair| batch.pair(pair).delta())),
        ("preference", of(&|pair| batch.preference(pair))),
        ("given", of(&|pair| batch.weight(pair))),
        ("weight", found.pull.clone()),
        ("by_chosen", found.by_chosen.clone()),
        ("by_rejected", found.by_rejected.clone()),
    ];
    columns.into_iter().map(|(name, numbers)| Column::new(name.into(), numbers)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// By hand: three pairs with Δ 1, 0 and −3, implicit weights .2, .5 and .9, given weights 1, 1 and 2.
    #[test]
    fn means_and_spreads_are_those_of_the_pairs() {
        let (chosen, rejected) = ([-1.0, -2.0, -5.0], [-2.0, -2.0, -2.0]);
        let weights = [1.0, 1.0, 2.0];
        let found = PairValue { value: 0.75, pull: vec![0.2, 0.5, 0.9], ..PairValue::default() };
        let batch = PairBatch { chosen: &chosen, rejected: &rejected, weights: &weights, ..PairBatch::default() };
        let whole = Sums::of(&batch, &found);
        // Variances: Δ 10/3 − 4/9 = 26/9; weights 1.1/3 − (1.6/3)² = .0822222. Counted: (.2 + .5 + 1.8)/4; effective: 16/(3 · 6).
        let want =
            [0.75, -8.0 / 3.0, -2.0, -2.0 / 3.0, 0.5, 1.6 / 3.0, (26.0_f64 / 9.0).sqrt(), 0.286744, 0.625, 16.0 / 18.0];
        for ((name, got), want) in NAMES.iter().zip(whole.shown()).zip(want) {
            assert!((got - want).abs() < 1e-6, "{name}: {got} {want}");
        }
        let part = |from: usize, upto: usize| {
            let found = PairValue { value: 0.75, pull: found.pull[from..upto].to_vec(), ..PairValue::default() };
            let batch = PairBatch {
                chosen: &chosen[from..upto],
                rejected: &rejected[from..upto],
                weights: &weights[from..upto],
                ..PairBatch::default()
            };
            Sums::of(&batch, &found)
        };
        let mut joined = part(0, 2);
        joined.add(&part(2, 3));
        for (one, other) in joined.0.iter().zip(whole.0) {
            assert!((one - other).abs() < 1e-12, "batches add up: {one} {other}");
        }
    }

    #[test]
    fn without_given_weights_all_pairs_count_alike() {
        let found = PairValue { value: 0.0, pull: vec![0.25, 0.75], ..PairValue::default() };
        let batch = PairBatch { chosen: &[-1.0, -1.0], rejected: &[-1.0, -1.0], ..PairBatch::default() };
        let [.., weight, margin_sd, weight_sd, counted, effective] = Sums::of(&batch, &found).shown();
        assert_eq!([weight, margin_sd, weight_sd, counted, effective], [0.5, 0.0, 0.25, 0.5, 1.0]);
    }
}
