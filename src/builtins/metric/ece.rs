//! `metric::ece`

use super::truth::{Truth, scored};
use super::{Metric, Resampler, recomputed};
use crate::bind::prelude::*;
use crate::frames::{Frame, argmax};
use crate::stats::{MetricError, Scored};

/// Guo et al. 2017 use 15 bins.
pub const DEFAULT_BINS: usize = 15;

options! {
    /// How rows are binned.
    pub struct EceOptions {
        /// Bins of equal width between 0 and 1.
        n_bins: usize = DEFAULT_BINS,
    }
}

/// The record.
pub fn function() -> Function {
    Function::new("metric", "ece", run)
        .about("Expected calibration error: how far confidence is from accuracy.")
        .details(
            "Rows are binned by their largest probability; `Σ n_b/n · |accuracy_b − confidence_b|` over 15 bins of equal \
             width unless `n_bins` says otherwise. Bin `b` of `n` holds what is above `(b − 1)/n` and at most `b/n`, each \
             edge as the nearest double: 0.55 of 100 bins is in bin 55. The value depends on the bins: compare equal ones \
             only, at equal numbers of rows: of a calibrated model it is above 0 and falls as rows are added, which \
             `metric::calibration_error` takes off. Classes meet by name where both sides have names.",
        )
        .source("Guo et al. 2017")
        .param::<Frame>("predictions", "`id`, `p0`, `p1`, …")
        .param::<Truth>("truth", "data, whose truth is read and the read recorded, or a frame with `id` and `label`")
        .options::<EceOptions>()
        .returns("float: 0..1")
        .example(
            "let p = frame::of(#{ id: [\"a\", \"b\"], p0: [0.75, 0.25], p1: [0.25, 0.75] });\n\
             metric::ece(p, frame::of(#{ id: [\"a\", \"b\"], label: [0, 0] }))",
            "0.25",
        )
        .example(
            "let p = frame::of(#{ id: [\"a\", \"b\"], p0: [0.45, 0.445], p1: [0.55, 0.555] });\n\
             let truth = frame::of(#{ id: [\"a\", \"b\"], label: [1, 0] });\n\
             (metric::ece(p, truth, #{ n_bins: 100 }) - (0.45 + 0.555) / 2).abs() < 1e-12",
            "true",
        )
        .fails(
            "let p = frame::of(#{ id: [\"a\"], p0: [0.75], p1: [0.25] });\n\
             metric::ece(p, frame::of(#{ id: [\"a\"], label: [0] }), #{ n_bins: 0 })",
            "`n_bins` must be between 1 and 10000, got `0`",
        )
}

fn run(call: &mut Call) -> Answer {
    let options: EceOptions = call.options()?;
    Ok(Dynamic::from(ece(&scored(call)?, options.n_bins)?))
}

/// The metric, of 15 bins.
pub struct Ece;

impl Metric for Ece {
    fn name(&self) -> &'static str {
        "ece"
    }

    fn value(&self, scored: &Scored) -> Result<f64, MetricError> {
        ece(scored, DEFAULT_BINS)
    }

    fn has_bootstrap(&self) -> bool {
        false
    }

    fn resampler<'a>(&'a self, scored: &'a Scored) -> Result<Resampler<'a>, MetricError> {
        Ok(recomputed(self, scored))
    }
}

/// Expected calibration error: rows in `n_bins` bins of equal width by their largest probability; the mean distance
/// between a bin's accuracy and its mean probability, weighted by rows. Bin `b` of `n` holds what is above `(b − 1) / n`
/// and at most `b / n`, each edge as the nearest double: 0.55 of 100 bins is in bin 55.
pub fn ece(scored: &Scored, n_bins: usize) -> Result<f64, MetricError> {
    scored.refuse_empty()?;
    if !(1..=10_000).contains(&n_bins) {
        return Err(MetricError::Range { name: "n_bins", what: "between 1 and 10000", got: n_bins });
    }
    let mut bins = vec![(0.0f64, 0.0f64); n_bins];
    for (row, truth) in scored.probabilities_for("ece")?.chunks(scored.n_classes).zip(&scored.truth) {
        let class = argmax(row);
        let confidence = row.get(class).copied().unwrap_or(0.0);
        if let Some((right, sum)) = bins.get_mut(bin_of(confidence, n_bins)) {
            *right += f64::from(u8::from(class == *truth));
            *sum += confidence;
        }
    }
    Ok(bins.iter().map(|(right, sum)| (right - sum).abs()).sum::<f64>() / scored.n_rows() as f64)
}

/// The bin, from 0, that holds `value`: its upper edge is the first of `1/n`, `2/n`, … that is not below it. The product
/// `value · n` alone rounds to the wrong side of an edge: 0.55 · 100 is above 55.
fn bin_of(value: f64, n_bins: usize) -> usize {
    let edge = |bin: usize| bin as f64 / n_bins as f64;
    let mut bin = ((value * n_bins as f64).ceil() as usize).clamp(1, n_bins);
    while bin > 1 && value <= edge(bin - 1) {
        bin -= 1;
    }
    while bin < n_bins && value > edge(bin) {
        bin += 1;
    }
    bin - 1
}

#[cfg(test)]
mod tests {
    use super::super::tests::{near, scored};
    use super::*;
    use crate::core::random::Random;

    /// Guo et al.'s definition with exact edges; `k / n` is the double nearest to the fraction in Python as it is here:
    /// ```python
    /// from bisect import bisect_left
    /// def ece(p, right, n):
    ///     edges = [k / n for k in range(1, n + 1)]; bins = {}
    ///     for c, r in zip(p, right):
    ///         bins.setdefault(min(bisect_left(edges, c), n - 1), []).append((c, r))
    ///     return sum(abs(sum(r for _, r in b) - sum(c for c, _ in b)) for b in bins.values()) / len(p)
    /// ece([.55, .545, .56, .555], [1, 0, 1, 0], 100)  # 0.0525
    /// ece([.57, .565, .58], [1, 0, 1], 100)           # 0.185
    /// ```
    #[test]
    fn a_probability_on_an_edge_is_in_the_bin_below_it() {
        let of = |p1: &[f64], is_right: &[usize]| {
            let ids: Vec<String> = (0..p1.len()).map(|row| format!("r{row}")).collect();
            let predictions = Frame::from_columns(vec![
                polars::prelude::Column::new("id".into(), ids.clone()),
                polars::prelude::Column::new("p0".into(), p1.iter().map(|p| 1.0 - p).collect::<Vec<_>>()),
                polars::prelude::Column::new("p1".into(), p1.to_vec()),
            ]);
            let truth = Frame::hard_labels(&ids, is_right, 2).expect("labels");
            ece(&Scored::new(&predictions.expect("a frame"), &truth).expect("the same rows"), 100).expect("bins")
        };
        assert!(near(of(&[0.55, 0.545, 0.56, 0.555], &[1, 0, 1, 0]), 0.0525));
        assert!(near(of(&[0.57, 0.565, 0.58], &[1, 0, 1]), 0.185));
        for n_bins in [1, 2, 3, 7, 10, 15, 49, 100, 1000, 10_000] {
            for bin in 1..=n_bins {
                let edge = bin as f64 / n_bins as f64;
                assert_eq!(bin_of(edge, n_bins), bin - 1, "{edge} of {n_bins}");
                assert_eq!(bin_of(edge.next_up(), n_bins), bin.min(n_bins - 1), "above {edge} of {n_bins}");
            }
            assert_eq!(bin_of(0.0, n_bins), 0);
        }
    }

    #[test]
    fn a_certain_mistake_and_a_right_row_make_a_half() {
        assert!(near(ece(&scored(&[1.0, 0.0], &[0, 0]), DEFAULT_BINS).expect("rows"), 0.5));
    }

    /// Rows whose class is drawn with the chance that the model says are calibrated: the error is 0. No resample of 300 sets of
    /// 400 rows comes near: this is why its interval is refused.
    #[test]
    fn the_calibration_error_of_resamples_never_covers_the_true_one() {
        let mut random = Random::new(2, "ece");
        let n_covering = (0..300)
            .filter(|_| {
                let p1: Vec<f32> = (0..400).map(|_| 0.5 + 0.5 * random.uniform() as f32).collect();
                let truth: Vec<usize> = p1.iter().map(|p| usize::from(random.uniform() < f64::from(*p))).collect();
                let scored = scored(&p1, &truth);
                let mut draws: Vec<f64> = (0..20)
                    .map(|_| {
                        let places: Vec<usize> = (0..400).map(|_| random.below(400)).collect();
                        ece(&scored.resampled(&places), 15).expect("rows")
                    })
                    .collect();
                draws.sort_by(f64::total_cmp);
                draws[0] <= 1e-3
            })
            .count();
        assert_eq!(n_covering, 0);
    }
}
