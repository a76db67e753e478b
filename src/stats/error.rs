//! What can be wrong with what a metric is given.

use crate::core::context::Interrupted;
use crate::core::explain::explained;
use crate::data::DataError;
use crate::frames::FrameError;

explained! {
    /// An error of this room.
    #[derive(Debug, thiserror::Error)]
    pub enum MetricError {
        #[error("there is no row to measure")]
        #[code("metric/empty")]
        Empty,
        #[error("{metric} needs rows of at least two classes; all {n} rows are of class {class}")]
        #[code("metric/one-class")]
        OneClass { metric: &'static str, n: usize, class: usize },
        #[error("class {class} does not occur in the truth, so {metric} has no value for it")]
        #[code("metric/absent-class")]
        AbsentClass { metric: &'static str, class: usize },
        #[error("{n} rows of the {missing_in} are missing, the first with id `{id}`")]
        #[code("metric/rows")]
        #[hint("predictions and truth must cover the same rows: predict on the data whose truth is read")]
        Rows { missing_in: &'static str, id: String, n: usize },
        #[error(
            "{metric} needs a probability for every class: {}", .missing.to_string().trim_start_matches("there are no probabilities: ")
        )]
        #[code("metric/no-probabilities")]
        #[hint(missing.hint())]
        NeedsProbabilities { metric: &'static str, missing: FrameError },
        #[error("the predictions have no class: there is no `prediction`, no p0, p1, … and no `label`")]
        #[code("metric/no-class")]
        #[hint(format!("columns: {}", columns.join(", ")))]
        NoClass { columns: Vec<String> },
        #[error("the truth has a `prediction` and no `label`")]
        #[code("metric/no-label")]
        #[hint("to measure one model by another, say so: frame.rename(#{{ prediction: \"label\" }})")]
        NoLabel,
        #[error(
            "a bootstrap interval of ece does not cover the true value: resampling raises ece, so the interval lies above it"
        )]
        #[code("metric/no-bootstrap")]
        #[hint(
            "metric::ece gives the value alone, metric::calibration_error one without that bias; brier and log_loss measure calibration too, and have intervals"
        )]
        NoBootstrap,
        #[error("the truth has class {class}, the predictions have {n_classes} classes")]
        #[code("metric/class")]
        Class { class: usize, n_classes: usize },
        #[error("`{a_name}` has {a} values, `{b_name}` has {b}")]
        #[code("metric/lengths")]
        #[hint("values are paired by seed: one value for each seed")]
        Lengths { a_name: &'static str, a: usize, b_name: &'static str, b: usize },
        #[error("`{name}` has no value")]
        #[code("metric/no-values")]
        NoValues { name: &'static str },
        #[error("`{name}` holds `{value}`, which is not a finite number")]
        #[code("metric/not-finite")]
        NotFinite { name: &'static str, value: f64 },
        #[error("`{name}` must be an accuracy from 0 to 1, got `{value}`")]
        #[code("metric/accuracy")]
        #[hint("shares, not percent; for measures of another scale: metric::pgr(weak, student, ceiling)")]
        Accuracy { name: &'static str, value: f64 },
        #[error("`{name}` must be a probability from 0 to 1, got `{value}`")]
        #[code("metric/probability")]
        Probability { name: &'static str, value: f64 },
        #[error("no gap to recover: the ceiling `{ceiling}` is below the weak model `{weak}`")]
        #[code("metric/no-gap")]
        #[hint("metric::pgr(weak, student, ceiling) is undefined here and says why")]
        CeilingBelow { weak: f64, ceiling: f64 },
        #[error("`{name}` must be above 0, got `{value}`")]
        #[code("metric/not-positive")]
        NotPositive { name: &'static str, value: f64 },
        #[error("the level must be between 0.5 and 1, got `{0}`")]
        #[code("metric/level")]
        Level(value: f64),
        #[error("{0}")]
        #[code("metric/undefined")]
        Undefined(value: String),
        #[error("there is no metric `{0}` to resample")]
        #[code("metric/unknown")]
        #[hint("metrics: accuracy, auroc, log_loss, brier")]
        UnknownMetric(value: String),
        #[error("`{name}` must be {what}, got `{got}`")]
        #[code("metric/range")]
        Range { name: &'static str, what: &'static str, got: usize },
    }
    from { Frame(FrameError), Data(DataError), Interrupted(Interrupted) }
}
