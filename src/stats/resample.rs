//! A metric of many resamples of the same rows: what no draw changes is computed once. The values are those of
//! [`Scored::value`] of the resampled rows, to the bit.

use super::scores::{Metric, Scored};
use super::{MetricError, mean};

/// Rows from which resamples are drawn.
pub(super) enum Resampler<'a> {
    /// The metric is the mean of a number of each row.
    Mean(Vec<f64>),
    /// AUROC of two classes.
    Area(Area),
    Any(&'a Scored, Metric),
}

/// Rows by their score.
pub(super) struct Area {
    /// Of each row the place of its score among the distinct ones, in rising order.
    level: Vec<usize>,
    n_levels: usize,
    is_in: Vec<bool>,
}

impl<'a> Resampler<'a> {
    /// Of these rows for this metric.
    pub fn new(scored: &'a Scored, metric: Metric) -> Result<Self, MetricError> {
        if let Some(values) = scored.row_values(metric) {
            return Ok(Resampler::Mean(values?));
        }
        match (metric, &scored.probabilities) {
            (Metric::Auroc, Ok(values)) if scored.n_classes == 2 => {
                let scores: Vec<f64> = values.iter().skip(1).step_by(2).copied().collect();
                let mut distinct = scores.clone();
                distinct.sort_by(f64::total_cmp);
                distinct.dedup();
                let level = scores.iter().map(|score| distinct.partition_point(|other| other < score)).collect();
                let is_in = scored.truth.iter().map(|class| *class == 1).collect();
                Ok(Resampler::Area(Area { level, n_levels: distinct.len(), is_in }))
            }
            _ => Ok(Resampler::Any(scored, metric)),
        }
    }

    /// The metric of the rows at `places`, which may repeat; `None` where it has no value because a class is missing.
    pub fn value(&self, places: &[usize]) -> Result<Option<f64>, MetricError> {
        match self {
            Resampler::Mean(values) => Ok(Some(mean(&super::scores::gather(values, places)))),
            Resampler::Area(area) => Ok(area.value(places)),
            Resampler::Any(scored, metric) => match scored.resampled(places).value(*metric) {
                Ok(value) => Ok(Some(value)),
                Err(MetricError::OneClass { .. } | MetricError::AbsentClass { .. }) => Ok(None),
                Err(error) => Err(error),
            },
        }
    }
}

impl Area {
    /// Pairs of a row of the class and another that are in order, ties half, over all pairs.
    fn value(&self, places: &[usize]) -> Option<f64> {
        let mut counts = vec![[0u64; 2]; self.n_levels];
        for place in places {
            let (level, is_in) = (self.level.get(*place)?, self.is_in.get(*place)?);
            *counts.get_mut(*level)?.get_mut(usize::from(*is_in))? += 1;
        }
        let (mut below, mut n_in, mut area) = (0, 0, 0.0);
        for [out, within] in counts {
            area += within as f64 * (below as f64 + out as f64 / 2.0);
            below += out;
            n_in += within;
        }
        (below > 0 && n_in > 0).then(|| area / (n_in as f64 * below as f64))
    }
}

#[cfg(test)]
mod tests {
    use super::super::scores::tests::scored;
    use super::*;
    use crate::core::random::Random;

    #[test]
    fn a_resample_has_the_value_of_its_rows_to_the_bit() {
        let mut random = Random::new(2, "resample");
        let p1: Vec<f32> = (0..60).map(|_| random.below(12) as f32 / 11.0).collect();
        let truth: Vec<usize> = (0..60).map(|row| usize::from(row % 7 > 3)).collect();
        let scored = scored(&p1, &truth);
        for metric in [Metric::Accuracy, Metric::Auroc, Metric::Brier, Metric::LogLoss, Metric::Ece] {
            let resampler = Resampler::new(&scored, metric).expect("rows");
            for n in [60, 2] {
                for _ in 0..200 {
                    let places: Vec<usize> = (0..n).map(|_| random.below(60)).collect();
                    let got = resampler.value(&places).expect("a draw").map(f64::to_bits);
                    assert_eq!(got, scored.resampled(&places).value(metric).ok().map(f64::to_bits), "{metric}");
                }
            }
        }
    }
}
