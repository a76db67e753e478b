//! `metric::calibration_error`

use super::ece::EceOptions;
use super::truth::{Truth, scored};
use crate::bind::prelude::*;
use crate::frames::{Frame, argmax};
use crate::stats::{MetricError, Scored, mean};

/// The record.
pub fn function() -> Function {
    Function::new("metric", "calibration_error", run)
        .about("Debiased calibration error: how far confidence is from accuracy, without the noise of the bins.")
        .details(
            "Rows are binned by their largest probability into 15 bins of equal size unless `n_bins` says otherwise (equal \
             probabilities stay together). The root of `Σ n_b/n · [(accuracy_b − confidence_b)² − accuracy_b (1 − accuracy_b) / \
             (n_b − 1)]`, and 0 where the sum is below 0. The subtracted term is what the draw of a bin's rows adds to a square: \
             `metric::ece`, which lacks it, is above 0 for a perfectly calibrated model and falls with the number of rows. Its scale is \
             another than that of `ece`. There is no interval.",
        )
        .source("Kumar, Liang and Ma 2019, arXiv 1909.10155, for the top label")
        .param::<Frame>("predictions", "`id`, `p0`, `p1`, …")
        .param::<Truth>("truth", "data, whose truth is read and the read recorded, or a frame with `id` and `label`")
        .options::<EceOptions>()
        .returns("float: 0..1")
        .example(
            "let ids = [\"a\", \"b\", \"c\", \"d\"];\n\
             let p = frame::of(#{ id: ids, p0: [0.25, 0.25, 0.25, 0.25], p1: [0.75, 0.75, 0.75, 0.75] });\n\
             metric::calibration_error(p, frame::of(#{ id: ids, label: [1, 1, 1, 0] }))",
            "0.0",
        )
        .example(
            "let ids = [\"a\", \"b\", \"c\", \"d\"];\n\
             let p = frame::of(#{ id: ids, p0: [0.25, 0.25, 0.25, 0.25], p1: [0.75, 0.75, 0.75, 0.75] });\n\
             metric::calibration_error(p, frame::of(#{ id: ids, label: [0, 0, 0, 0] }))",
            "0.75",
        )
        .fails(
            "let p = frame::of(#{ id: [\"a\"], p0: [0.75], p1: [0.25] });\n\
             metric::calibration_error(p, frame::of(#{ id: [\"a\"], label: [0] }), #{ n_bins: 0 })",
            "`n_bins` must be between 1 and 10000, got `0`",
        )
}

fn run(call: &mut Call) -> Answer {
    let options: EceOptions = call.options()?;
    Ok(Dynamic::from(calibration_error(&scored(call)?, options.n_bins)?))
}

/// Rows in `n_bins` bins of equal size by their largest probability; the root of the mean squared distance between a bin's
/// accuracy and its mean probability, of which the variance of the accuracy is taken off. 0 where less than nothing is left.
pub fn calibration_error(scored: &Scored, n_bins: usize) -> Result<f64, MetricError> {
    let bins = bins_of_equal_size(scored, n_bins)?;
    let square = |(confidences, right): &Bin| match right.len() {
        // One row says nothing of its own variance.
        ..2 => 0.0,
        n => {
            let accuracy = mean(right);
            let noise = accuracy * (1.0 - accuracy) / (n as f64 - 1.0);
            n as f64 * ((accuracy - mean(confidences)).powi(2) - noise)
        }
    };
    let total: f64 = bins.iter().map(square).sum();
    Ok((total / scored.n_rows() as f64).max(0.0).sqrt())
}

/// The rows of a bin: their largest probabilities, and 1 where that class is the true one, else 0.
pub type Bin = (Vec<f64>, Vec<f64>);

/// The largest probabilities and whether they are right, by bin.
pub fn bins_of_equal_size(scored: &Scored, n_bins: usize) -> Result<Vec<Bin>, MetricError> {
    scored.refuse_empty()?;
    if !(1..=10_000).contains(&n_bins) {
        return Err(MetricError::Range { name: "n_bins", what: "between 1 and 10000", got: n_bins });
    }
    let rows: Vec<(f64, f64)> = scored
        .probabilities_for("ece")?
        .chunks(scored.n_classes)
        .zip(&scored.truth)
        .map(|(row, truth)| {
            let class = argmax(row);
            (row.get(class).copied().unwrap_or(0.0), f64::from(u8::from(class == *truth)))
        })
        .collect();
    let edges = edges(rows.iter().map(|(confidence, _)| *confidence).collect(), n_bins);
    let mut bins = vec![(Vec::new(), Vec::new()); edges.len() + 1];
    for (confidence, is_right) in &rows {
        if let Some((confidences, right)) = bins.get_mut(edges.partition_point(|edge| edge < confidence)) {
            confidences.push(*confidence);
            right.push(*is_right);
        }
    }
    Ok(bins)
}

/// Where one bin ends and the next begins: between neighbours, so that each bin has as many rows but for one; where many rows have
/// one value, fewer bins.
fn edges(mut values: Vec<f64>, n_bins: usize) -> Vec<f64> {
    values.sort_by(f64::total_cmp);
    let (n, mut at) = (values.len(), 0);
    let mut edges = Vec::new();
    for bin in 0..n_bins.min(n) {
        at += n / n_bins.min(n) + usize::from(bin < n % n_bins.min(n));
        if let Some((last, first)) = values.get(at.wrapping_sub(1)).zip(values.get(at)) {
            edges.push((last + first) / 2.0);
        }
    }
    edges.dedup();
    edges
}

#[cfg(test)]
mod tests {
    use super::super::ece::ece;
    use super::super::tests::scored;
    use super::*;
    use crate::core::random::Random;

    /// ```python
    /// import numpy as np
    /// p = np.array([.55, .6, .65, .7, .75, .8, .85, .9, .95, .99]); y = np.array([1, 0, 1, 0, 1, 1, 0, 1, 1, 1])
    /// bins = np.array_split(np.arange(10), 3)
    /// e = [len(b) * ((p[b].mean() - y[b].mean()) ** 2 - y[b].mean() * (1 - y[b].mean()) / (len(b) - 1)) for b in bins]
    /// max(0, sum(e) / 10) ** .5
    /// q = np.array([.9] * 10); z = np.array([0, 1] * 5)
    /// ((.9 - .5) ** 2 - .25 / 9) ** .5
    /// ```
    #[test]
    fn it_agrees_with_numpy() {
        let p = [0.55, 0.6, 0.65, 0.7, 0.75, 0.8, 0.85, 0.9, 0.95, 0.99];
        let near =
            |found: f64, expected: f64| assert!((found - expected).abs() < 1e-7, "{found} instead of {expected}");
        let apart = scored(&p, &[1, 0, 1, 0, 1, 1, 0, 1, 1, 1]);
        near(calibration_error(&apart, 3).expect("rows"), 0.0);
        let worse = scored(&p, &[0, 0, 1, 0, 0, 1, 0, 0, 0, 0]);
        near(calibration_error(&worse, 3).expect("rows"), 0.576_284_072);
        let tied = scored(&[0.9; 10], &[0, 1, 0, 1, 0, 1, 0, 1, 0, 1]);
        near(calibration_error(&tied, 15).expect("rows"), 0.363_623_738);
        assert!(calibration_error(&apart, 0).is_err());
    }

    /// Of calibrated predictions `ece` is above 0 and shrinks with the rows; the squares of this one are 0 in the mean.
    #[test]
    fn of_calibrated_predictions_little_is_left() {
        let mut random = Random::new(3, "calibration");
        let (mut plain, mut debiased) = (0.0, 0.0);
        for _ in 0..40 {
            let p1: Vec<f32> = (0..300).map(|_| random.uniform() as f32).collect();
            let truth: Vec<usize> = p1.iter().map(|p| usize::from(random.uniform() < f64::from(*p))).collect();
            let scored = scored(&p1, &truth);
            plain += ece(&scored, 15).expect("rows") / 40.0;
            debiased += calibration_error(&scored, 15).expect("rows") / 40.0;
        }
        assert!(plain > 0.04 && debiased < 0.035, "{plain} {debiased}");
    }
}
