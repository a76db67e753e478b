//! `metric`: how good, how sure, how much recovered. A metric is a file: its formula, its record, its tests against reference values;
//! a line each in the lists below. What several share is in `stats`, and so are the formulas that a lower room uses too.

pub mod accuracy;
mod agreement;
mod agreement_rates;
pub mod auroc;
pub mod brier;
mod calibration_curve;
mod calibration_error;
mod capa;
mod change_point;
mod confident_errors;
mod ece;
mod equivalence;
mod estimate;
mod gap;
mod holm;
pub mod interval_bootstrap;
pub mod interval_fieller;
pub mod interval_wilson;
mod kappa;
pub mod log_loss;
mod margins;
mod mcnemar;
mod mean;
mod paired;
mod pgr;
mod pgr_percent;
mod power;
mod slope;
mod t_test;
#[cfg(test)]
mod tests;
mod truth;
mod two_proportions;
mod vault;

use crate::bind::Registry;
use crate::bind::prelude::*;
use crate::stats::intervals::LEVEL;
use crate::stats::scores::gather;
use crate::stats::{MetricError, Scored, mean};

/// Lists the module's functions.
pub fn register(registry: &mut Registry) {
    registry.module("metric", "Metrics and intervals: accuracy, AUROC, log loss, PGR.");
    estimate::register(registry);
    registry.add(accuracy::function());
    registry.add(auroc::function());
    registry.add(log_loss::function());
    registry.add(margins::function());
    registry.add(brier::function());
    registry.add(ece::function());
    registry.add(calibration_error::function());
    registry.add(calibration_curve::function());
    registry.add(change_point::function());
    registry.add(agreement::function());
    registry.add(agreement_rates::function());
    registry.add(confident_errors::function());
    registry.add(kappa::function());
    registry.add(capa::function());
    registry.add(mcnemar::function());
    registry.add(pgr::function());
    registry.add(gap::function());
    registry.add(interval_fieller::function());
    registry.add(pgr_percent::function());
    mean::register(registry);
    registry.add(interval_bootstrap::function());
    registry.add(interval_wilson::function());
    registry.add(paired::function());
    registry.add(holm::function());
    registry.add(t_test::function());
    registry.add(equivalence::function());
    power::register(registry);
    registry.add(slope::function());
    registry.add(two_proportions::function());
    registry.add(vault::function());
}

/// The metrics that an option names.
pub const BY_NAME: [&dyn Metric; 5] =
    [&accuracy::Accuracy, &auroc::Auroc, &log_loss::LogLoss, &brier::Brier, &ece::Ece];

/// The metric of this name.
pub fn by_name(name: &str) -> Result<&'static dyn Metric, MetricError> {
    BY_NAME.into_iter().find(|metric| metric.name() == name).ok_or_else(|| MetricError::UnknownMetric(name.to_owned()))
}

/// The metric of the rows at these places, which may repeat; none where it has no value because a class is missing.
pub type Resampler<'a> = Box<dyn Fn(&[usize]) -> Result<Option<f64>, MetricError> + 'a>;

/// A metric of predictions beside truth, which an option names and rows can be resampled for.
pub trait Metric: Sync {
    /// As scripts call it.
    fn name(&self) -> &'static str;

    /// The value.
    fn value(&self, scored: &Scored) -> Result<f64, MetricError>;

    /// Whether it is a share of rows, of which chance says how much could go unseen.
    fn is_share(&self) -> bool {
        false
    }

    /// Whether a bootstrap of it covers the true value.
    fn has_bootstrap(&self) -> bool {
        true
    }

    /// Its values of many resamples, to the bit those of [`Metric::value`]: what no draw changes is computed once.
    fn resampler<'a>(&'a self, scored: &'a Scored) -> Result<Resampler<'a>, MetricError>;
}

/// The resampler of a metric that is a mean over rows.
fn averaged<'a>(of_rows: Vec<f64>) -> Resampler<'a> {
    Box::new(move |places| Ok(Some(mean(&gather(&of_rows, places)))))
}

/// A resampler that computes the metric anew.
fn recomputed<'a>(metric: &'a dyn Metric, scored: &'a Scored) -> Resampler<'a> {
    Box::new(move |places| match metric.value(&scored.resampled(places)) {
        Ok(value) => Ok(Some(value)),
        Err(MetricError::OneClass { .. } | MetricError::AbsentClass { .. }) => Ok(None),
        Err(error) => Err(error),
    })
}

options! {
    /// How sure an interval is.
    pub struct LevelOptions {
        /// The interval's coverage.
        level: f64 = LEVEL,
    }
}

/// A number that may not be there.
fn number(value: Option<f64>) -> Dynamic {
    value.map_or(Dynamic::UNIT, Dynamic::from)
}

fn map<const N: usize>(entries: [(&str, Dynamic); N]) -> Map {
    entries.into_iter().map(|(name, value)| (name.into(), value)).collect()
}
