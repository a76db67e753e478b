//! What can be wrong with what a metric is given.

use super::scores::Metric;
use crate::core::context::Interrupted;
use crate::core::explain::Explain;
use crate::data::DataError;
use crate::frames::FrameError;

/// An error of this room.
#[derive(Debug, thiserror::Error)]
pub enum MetricError {
    #[error("there is no row to measure")]
    Empty,
    #[error("{metric} needs rows of at least two classes; all {n} rows are of class {class}")]
    OneClass { metric: &'static str, n: usize, class: usize },
    #[error("class {class} does not occur in the truth, so {metric} has no value for it")]
    AbsentClass { metric: &'static str, class: usize },
    #[error("{n} rows of the {missing_in} are missing, the first with id `{id}`")]
    Rows { missing_in: &'static str, id: String, n: usize },
    #[error("{metric} needs a probability for every class: {}", .missing.to_string().trim_start_matches("there are no probabilities: "))]
    NeedsProbabilities { metric: Metric, missing: FrameError },
    #[error("the predictions have no class: neither `prediction` nor p0, p1, … nor `label` is there")]
    NoClass { columns: Vec<String> },
    #[error("the truth has a `prediction` and no `label`")]
    NoLabel,
    #[error("a bootstrap of ece covers nothing: resampling adds to it, so that its interval lies above the true value")]
    NoBootstrap,
    #[error("the truth has class {class}, the predictions have {n_classes} classes")]
    Class { class: usize, n_classes: usize },
    #[error("`{a_name}` has {a} values, `{b_name}` has {b}")]
    Lengths { a_name: &'static str, a: usize, b_name: &'static str, b: usize },
    #[error("`{name}` has no value")]
    NoValues { name: &'static str },
    #[error("`{name}` holds `{value}`, which is no finite number")]
    NotFinite { name: &'static str, value: f64 },
    #[error("`{name}` must be an accuracy from 0 to 1, got `{value}`")]
    Accuracy { name: &'static str, value: f64 },
    #[error("`{name}` must be a probability from 0 to 1, got `{value}`")]
    Probability { name: &'static str, value: f64 },
    #[error("`{name}` must be above 0, got `{value}`")]
    NotPositive { name: &'static str, value: f64 },
    #[error("no gap to recover: the ceiling `{ceiling}` is below the weak model `{weak}`")]
    CeilingBelow { weak: f64, ceiling: f64 },
    #[error("the level must be between 0.5 and 1, got `{0}`")]
    Level(f64),
    #[error("{0}")]
    Undefined(String),
    #[error("there is no metric `{0}` to resample")]
    UnknownMetric(String),
    #[error("`{name}` must be {what}, got `{got}`")]
    Range { name: &'static str, what: &'static str, got: usize },
    #[error(transparent)]
    Frame(#[from] FrameError),
    #[error(transparent)]
    Data(#[from] DataError),
    #[error("interrupted")]
    Interrupted,
}

impl From<Interrupted> for MetricError {
    fn from(_: Interrupted) -> Self {
        MetricError::Interrupted
    }
}

impl Explain for MetricError {
    fn code(&self) -> &'static str {
        match self {
            MetricError::Empty => "metric/empty",
            MetricError::OneClass { .. } => "metric/one-class",
            MetricError::AbsentClass { .. } => "metric/absent-class",
            MetricError::Rows { .. } => "metric/rows",
            MetricError::NeedsProbabilities { .. } => "metric/no-probabilities",
            MetricError::NoClass { .. } => "metric/no-class",
            MetricError::NoLabel => "metric/no-label",
            MetricError::NoBootstrap => "metric/no-bootstrap",
            MetricError::Class { .. } => "metric/class",
            MetricError::Lengths { .. } => "metric/lengths",
            MetricError::NoValues { .. } => "metric/no-values",
            MetricError::NotFinite { .. } => "metric/not-finite",
            MetricError::Accuracy { .. } => "metric/accuracy",
            MetricError::Probability { .. } => "metric/probability",
            MetricError::NotPositive { .. } => "metric/not-positive",
            MetricError::CeilingBelow { .. } => "metric/no-gap",
            MetricError::Level(_) => "metric/level",
            MetricError::Undefined(_) => "metric/undefined",
            MetricError::UnknownMetric(_) => "metric/unknown",
            MetricError::Range { .. } => "metric/range",
            MetricError::Frame(error) => error.code(),
            MetricError::Data(error) => error.code(),
            MetricError::Interrupted => "run/interrupted",
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            MetricError::Rows { .. } => Some(
                "predictions and truth must cover the same rows: predict on the data whose truth is read".to_owned(),
            ),
            MetricError::Lengths { .. } => Some("values are paired by seed: one value for each seed".to_owned()),
            MetricError::UnknownMetric(_) => Some("metrics: accuracy, auroc, log_loss, brier".to_owned()),
            MetricError::NeedsProbabilities { missing, .. } => missing.hint(),
            MetricError::Accuracy { .. } => Some(
                "shares, not percent; for measures of another scale: metric::pgr(weak, student, ceiling)".to_owned(),
            ),
            MetricError::CeilingBelow { .. } => {
                Some("metric::pgr(weak, student, ceiling) is undefined here and says why".to_owned())
            }
            MetricError::NoClass { columns } => Some(format!("columns: {}", columns.join(", "))),
            MetricError::NoLabel => {
                Some("to measure one model by another, say so: frame.rename(#{ prediction: \"label\" })".to_owned())
            }
            MetricError::NoBootstrap => Some(
                "metric::ece gives the value alone, metric::calibration_error one without that bias; brier and log_loss measure calibration too, and have intervals"
                    .to_owned(),
            ),
            MetricError::Frame(error) => error.hint(),
            MetricError::Data(error) => error.hint(),
            _ => None,
        }
    }

    fn is_interruption(&self) -> bool {
        match self {
            MetricError::Interrupted => true,
            MetricError::Frame(error) => error.is_interruption(),
            MetricError::Data(error) => error.is_interruption(),
            _ => false,
        }
    }
}
