//! The debiased calibration error of the top label (Kumar, Liang and Ma 2019, arXiv 1909.10155).

use super::scores::{Metric, Scored};
use super::{MetricError, mean, wilson};
use crate::frames::argmax;

impl Scored {
    /// Rows in `n_bins` bins of equal size by their largest probability; the root of the mean squared distance between a bin's
    /// accuracy and its mean probability, of which the variance of the accuracy is taken off. 0 where less than nothing is left.
    pub fn calibration_error(&self, n_bins: usize) -> Result<f64, MetricError> {
        let bins = self.bins_of_equal_size(n_bins)?;
        let square = |(confidences, right): &(Vec<f64>, Vec<f64>)| match right.len() {
            // One row says nothing of its own variance.
            ..2 => 0.0,
            n => {
                let accuracy = mean(right);
                let noise = accuracy * (1.0 - accuracy) / (n as f64 - 1.0);
                n as f64 * ((accuracy - mean(confidences)).powi(2) - noise)
            }
        };
        let total: f64 = bins.iter().map(square).sum();
        Ok((total / self.n_rows() as f64).max(0.0).sqrt())
    }
}

/// The rows of a bin: their largest probabilities, and 1 where that class is the true one, else 0.
type Bin = (Vec<f64>, Vec<f64>);

/// Rows of one bin of a calibration curve.
#[derive(Debug, Clone, PartialEq)]
pub struct CurvePoint {
    pub n: usize,
    /// The mean of the largest probability.
    pub confidence: f64,
    /// The share of rows whose likeliest class is the true one, with Wilson's interval.
    pub accuracy: f64,
    pub bounds: (f64, f64),
}

impl Scored {
    /// Rows in at most `n_bins` bins of equal size by their largest probability, in rising order: how sure, how often right. Equal
    /// probabilities stay together.
    pub fn calibration_curve(&self, n_bins: usize) -> Result<Vec<CurvePoint>, MetricError> {
        let mut points = Vec::new();
        for (confidences, right) in self.bins_of_equal_size(n_bins)? {
            if right.is_empty() {
                continue;
            }
            let n_right = right.iter().filter(|right| **right > 0.5).count();
            let share = wilson(n_right, right.len(), 0.95)?;
            points.push(CurvePoint {
                n: right.len(),
                confidence: mean(&confidences),
                accuracy: share.value.unwrap_or(f64::NAN),
                bounds: share.bounds.unwrap_or((0.0, 1.0)),
            });
        }
        Ok(points)
    }

    /// The largest probabilities and whether they are right, by bin.
    fn bins_of_equal_size(&self, n_bins: usize) -> Result<Vec<Bin>, MetricError> {
        if self.truth.is_empty() {
            return Err(MetricError::Empty);
        }
        if !(1..=10_000).contains(&n_bins) {
            return Err(MetricError::Range { name: "n_bins", what: "between 1 and 10000", got: n_bins });
        }
        let rows: Vec<(f64, f64)> = self
            .probabilities_for(Metric::Ece)?
            .chunks(self.n_classes)
            .zip(&self.truth)
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
    use super::super::scores::tests::scored;
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
        near(apart.calibration_error(3).expect("rows"), 0.0);
        let worse = scored(&p, &[0, 0, 1, 0, 0, 1, 0, 0, 0, 0]);
        near(worse.calibration_error(3).expect("rows"), 0.576_284_072);
        let tied = scored(&[0.9; 10], &[0, 1, 0, 1, 0, 1, 0, 1, 0, 1]);
        near(tied.calibration_error(15).expect("rows"), 0.363_623_738);
        assert!(apart.calibration_error(0).is_err());
    }

    /// Ten rows in three bins of four, three and three, as `numpy.array_split` cuts them; tied rows make one.
    #[test]
    fn a_curve_has_a_point_for_each_bin() {
        let p = [0.55, 0.6, 0.65, 0.7, 0.75, 0.8, 0.85, 0.9, 0.95, 0.99];
        let curve = scored(&p, &[1, 0, 1, 0, 1, 1, 0, 1, 1, 1]).calibration_curve(3).expect("rows");
        assert_eq!(curve.iter().map(|point| point.n).collect::<Vec<_>>(), [4, 3, 3]);
        assert!((curve[0].confidence - 0.625).abs() < 1e-7 && curve[0].accuracy == 0.5 && curve[2].accuracy == 1.0);
        // scipy.stats.binomtest(2, 4).proportion_ci(.95, method="wilson")
        assert!((curve[0].bounds.0 - 0.150_039_0).abs() < 1e-6 && (curve[0].bounds.1 - 0.849_961_0).abs() < 1e-6);
        assert_eq!(scored(&[0.9; 5], &[0, 1, 0, 1, 1]).calibration_curve(4).expect("rows").len(), 1);
    }

    /// Of calibrated predictions `ece` is above 0 and shrinks with the rows; the squares of this one are 0 in the mean.
    #[test]
    fn of_calibrated_predictions_little_is_left() {
        let mut random = Random::new(3, "calibration");
        let (mut ece, mut debiased) = (0.0, 0.0);
        for _ in 0..40 {
            let p1: Vec<f32> = (0..300).map(|_| random.uniform() as f32).collect();
            let truth: Vec<usize> = p1.iter().map(|p| usize::from(random.uniform() < f64::from(*p))).collect();
            let scored = scored(&p1, &truth);
            ece += scored.ece(15).expect("rows") / 40.0;
            debiased += scored.calibration_error(15).expect("rows") / 40.0;
        }
        assert!(ece > 0.04 && debiased < 0.035, "{ece} {debiased}");
    }
}
