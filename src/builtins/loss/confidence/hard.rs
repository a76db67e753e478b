//! The hard prediction of the confidence loss: which side of a threshold each row is on.
//!
//! Rows are ranked by their margins `z1 − z0`. Probabilities would not do: beyond a margin of 37 they round to 1, and all such rows
//! tie. Binary; the loss refuses other labels before it comes here.

use crate::core::math::{exp, ln};
use crate::train::LossBatch;
use crate::train::loss::log_softmax;

/// The margin `z1 − z0` of each row of logits, row-major `[n_rows, 2]`.
pub fn margins(logits: &[f32]) -> Vec<f64> {
    let margin = |row: &[f32]| match row {
        [z0, z1] => f64::from(*z1) - f64::from(*z0),
        _ => f64::NAN,
    };
    logits.chunks_exact(2).map(margin).collect()
}

/// For each row how much of its hard target is class 1: 1 above the threshold, 0 below it.
///
/// The threshold is the quantile of `pool` (linear interpolation, as `torch.quantile`) that leaves the share `above` of it above. At
/// the threshold itself a row takes its own side, the class with the larger logit; where both are equal, the side of its weak
/// label; where that is even too, neither (½). Shares of 0 and 1 put every row on one side.
pub fn sides(rows: &[f64], pool: &[f64], above: f64, weak: &[f32]) -> Vec<f64> {
    let mut sorted = pool.to_vec();
    sorted.sort_by(f64::total_cmp);
    let threshold = Threshold::of(&sorted, 1.0 - above.clamp(0.0, 1.0));
    let own = |margin: f64, weak: &[f32]| match (margin, weak) {
        (0.0, [w0, w1]) => side(f64::from(*w1) - f64::from(*w0)),
        _ => side(margin),
    };
    let of_row = |(margin, weak): (&f64, &[f32])| match above {
        ..=0.0 => 0.0,
        1.0.. => 1.0,
        _ => threshold.side(*margin).unwrap_or_else(|| own(*margin, weak)),
    };
    rows.iter().zip(weak.chunks_exact(2)).map(of_row).collect()
}

fn side(difference: f64) -> f64 {
    if difference > 0.0 {
        1.0
    } else if difference < 0.0 {
        0.0
    } else {
        0.5
    }
}

/// A quantile of sorted numbers: its neighbours and where it lies between them.
struct Threshold {
    below: f64,
    above: f64,
    at: f64,
}

impl Threshold {
    fn of(sorted: &[f64], share: f64) -> Threshold {
        let place = share * sorted.len().saturating_sub(1) as f64;
        // A share of a third of the rows is a third of them but for rounding.
        let place = if (place - place.round()).abs() < 1e-9 { place.round() } else { place };
        let number = |idx: f64| sorted.get(idx as usize).copied().unwrap_or(f64::NAN);
        let (below, above) = (number(place.floor()), number(place.ceil()));
        Threshold { below, above, at: below + (above - below) * place.fract() }
    }

    /// 1 above, 0 below, `None` at the threshold. Its neighbours decide first, because the number between two close ones may round
    /// to one of them.
    fn side(&self, margin: f64) -> Option<f64> {
        if self.below < self.above && margin >= self.above {
            return Some(1.0);
        }
        if self.below < self.above && margin <= self.below {
            return Some(0.0);
        }
        Some(side(margin - self.at)).filter(|side| *side != 0.5)
    }
}

/// The same as openai/weak-to-strong's `logconf_loss_fn` has it: class 0 where `p0` is at least the quantile of `p0` at the mean
/// weak `w1`, so that rows at the threshold, and all rows whose probabilities round to the same, are class 0.
pub fn sides_by_probability(batch: &LossBatch) -> Vec<f64> {
    let mut log_p = Vec::new();
    let probabilities: Vec<f64> = batch
        .rows()
        .map(|(logits, _)| {
            log_softmax(logits, &mut log_p);
            log_p.first().map_or(f64::NAN, |lp| exp(*lp))
        })
        .collect();
    let mut sorted = probabilities.clone();
    sorted.sort_by(f64::total_cmp);
    let threshold = Threshold::of(&sorted, mean_weak(batch.weak)).at;
    probabilities.iter().map(|p0| f64::from(u8::from(*p0 < threshold))).collect()
}

/// The mean weak probability of class 1; ½ of no rows.
pub fn mean_weak(weak: &[f32]) -> f64 {
    let n = weak.len() / 2;
    if n == 0 {
        return 0.5;
    }
    weak.chunks_exact(2).filter_map(|row| row.get(1)).map(|w| f64::from(*w)).sum::<f64>() / n as f64
}

/// Weak labels whose log-odds are shifted to mean 0 over the batch (EleutherAI/w2s, `balance_batch`).
pub fn balanced(weak: &[f32]) -> Vec<f32> {
    const FLOOR: f64 = 1e-7;
    let odds = |row: &[f32]| match row {
        [w0, w1] => ln(f64::from(*w1) + FLOOR) - ln(f64::from(*w0) + FLOOR),
        _ => 0.0,
    };
    let odds: Vec<f64> = weak.chunks_exact(2).map(odds).collect();
    let mean = odds.iter().sum::<f64>() / odds.len().max(1) as f64;
    let of = |odds: &f64| {
        let w1 = 1.0 / (1.0 + exp(mean - odds));
        [(1.0 - w1) as f32, w1 as f32]
    };
    odds.iter().flat_map(of).collect()
}
