//! Metrics of predictions against truth.

use super::MetricError;
use crate::frames::{Classes, Frame, FrameError, argmax};
use std::collections::HashMap;
use std::fmt;
use std::str::FromStr;

/// Predictions beside truth, row by row, met by id.
#[derive(Debug, Clone)]
pub struct Scored {
    /// In the order of the predictions.
    pub ids: Vec<String>,
    /// Row-major `[n_rows, n_classes]`, or what is missing: the predictions may say classes alone.
    pub probabilities: Result<Vec<f64>, FrameError>,
    pub n_classes: usize,
    /// The predicted class of each row.
    pub predicted: Vec<usize>,
    /// The true class of each row.
    pub truth: Vec<usize>,
}

/// A metric that rows can be resampled for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Metric {
    Accuracy,
    Auroc,
    LogLoss,
    Brier,
    Ece,
}

impl fmt::Display for Metric {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Metric::Accuracy => "accuracy",
            Metric::Auroc => "auroc",
            Metric::LogLoss => "log_loss",
            Metric::Brier => "brier",
            Metric::Ece => "ece",
        })
    }
}

impl FromStr for Metric {
    type Err = MetricError;

    fn from_str(name: &str) -> Result<Self, MetricError> {
        match name {
            "accuracy" => Ok(Metric::Accuracy),
            "auroc" => Ok(Metric::Auroc),
            "log_loss" => Ok(Metric::LogLoss),
            "brier" => Ok(Metric::Brier),
            "ece" => Ok(Metric::Ece),
            other => Err(MetricError::UnknownMetric(other.to_owned())),
        }
    }
}

/// Fails unless both have the same ids; the places in `b` of `a`'s rows.
pub(super) fn meet(
    a: &[String],
    b: &[String],
    (a_name, b_name): (&'static str, &'static str),
) -> Result<Vec<usize>, MetricError> {
    if a.is_empty() && b.is_empty() {
        return Err(MetricError::Empty);
    }
    let place: HashMap<&str, usize> = b.iter().enumerate().map(|(row, id)| (id.as_str(), row)).collect();
    let places: Vec<Option<usize>> = a.iter().map(|id| place.get(id.as_str()).copied()).collect();
    let lost: Vec<&String> = a.iter().zip(&places).filter(|(_, place)| place.is_none()).map(|(id, _)| id).collect();
    if let Some(id) = lost.first() {
        return Err(MetricError::Rows { missing_in: b_name, id: (*id).clone(), n: lost.len() });
    }
    if a.len() < b.len() {
        let known: std::collections::HashSet<&str> = a.iter().map(String::as_str).collect();
        let id = b.iter().find(|id| !known.contains(id.as_str())).cloned().unwrap_or_default();
        return Err(MetricError::Rows { missing_in: a_name, id, n: b.len() - a.len() });
    }
    Ok(places.into_iter().flatten().collect())
}

/// Predictions, read: probabilities where the frame has some, and the predicted class of each row.
pub(super) struct Predicted {
    pub ids: Vec<String>,
    /// Row-major, or what is missing.
    pub probabilities: Result<Vec<f64>, FrameError>,
    /// As many as there are probabilities, or else class names; without both none.
    pub n_classes: Option<usize>,
    pub classes: Vec<usize>,
}

/// Reads predictions: the class is `prediction` where there is one, else the first largest probability, else `label`. Fails
/// where a class contradicts its probabilities.
pub(super) fn predicted(frame: &Frame) -> Result<Predicted, MetricError> {
    let (ids, probabilities, n_classes) = match frame.exact_probabilities() {
        Ok((ids, values, n_classes)) => (ids, Ok(values), Some(n_classes)),
        Err(missing @ FrameError::NoProbabilities { .. }) => {
            (frame.ids()?, Err(missing), frame.class_names().map(<[String]>::len))
        }
        Err(error) => return Err(error.into()),
    };
    let has = |column: &str| frame.table().column(column).is_ok();
    let classes = match &probabilities {
        _ if has("prediction") => frame.classes("prediction")?.values,
        Ok(values) => values.chunks(n_classes.unwrap_or(1)).map(argmax).collect(),
        Err(_) if has("label") => frame.classes("label")?.values,
        Err(_) => return Err(MetricError::NoClass { columns: frame.columns() }),
    };
    Ok(Predicted { ids, probabilities, n_classes, classes })
}

/// The classes of `frame`, in the order of `beside`'s classes where both have names.
pub(super) fn truth_beside(beside: &Frame, frame: &Frame) -> Result<Classes, MetricError> {
    if frame.table().column("label").is_err() && frame.table().column("prediction").is_ok() {
        return Err(MetricError::NoLabel);
    }
    let frame = in_order_of(beside, frame, ("the truth", "the predictions"))?;
    let classes = frame.classes("label")?;
    // Of truth the label alone is read, but not against probabilities that stand beside it.
    match frame.exact_probabilities() {
        Err(FrameError::Contradiction { column, id, class, largest }) if column == "label" => {
            Err(FrameError::Contradiction { column, id, class, largest }.into())
        }
        _ => Ok(classes),
    }
}

/// `frame` with its classes in the order of `beside`'s, where both have names.
pub(super) fn in_order_of(beside: &Frame, frame: &Frame, (ours, theirs): (&str, &str)) -> Result<Frame, MetricError> {
    match beside.class_names() {
        Some(names) => Ok(frame.in_classes(names, (ours, theirs))?),
        None => Ok(frame.clone()),
    }
}

/// The values of `items` at `places`.
pub(super) fn gather<T: Copy>(items: &[T], places: &[usize]) -> Vec<T> {
    places.iter().filter_map(|place| items.get(*place).copied()).collect()
}

impl Scored {
    /// Joins predictions (`id`, `p0`, … or `prediction` alone) and truth (`id`, `label`) by id, and classes by name where
    /// both have names.
    pub fn new(predictions: &Frame, truth: &Frame) -> Result<Scored, MetricError> {
        let Predicted { ids, probabilities, n_classes, classes: predicted } = predicted(predictions)?;
        let truth = truth_beside(predictions, truth)?;
        let places = meet(&ids, &truth.ids, ("predictions", "truth"))?;
        let truth = gather(&truth.values, &places);
        let largest = truth.iter().chain(&predicted).max().copied().unwrap_or(0);
        let n_classes = n_classes.unwrap_or(largest + 1);
        if largest >= n_classes {
            return Err(MetricError::Class { class: largest, n_classes });
        }
        Ok(Scored { ids, probabilities, n_classes, predicted, truth })
    }

    /// The value of a metric.
    pub fn value(&self, metric: Metric) -> Result<f64, MetricError> {
        match metric {
            Metric::Accuracy => self.accuracy(),
            Metric::Auroc => self.auroc(),
            Metric::LogLoss => self.log_loss(),
            Metric::Brier => self.brier(),
            Metric::Ece => self.ece(DEFAULT_BINS),
        }
    }

    /// How many rows.
    pub fn n_rows(&self) -> usize {
        self.truth.len()
    }

    /// The rows at `places`, which may repeat.
    pub fn resampled(&self, places: &[usize]) -> Scored {
        let drawn = |values: &Vec<f64>| {
            let rows: Vec<&[f64]> = values.chunks(self.n_classes.max(1)).collect();
            places.iter().filter_map(|place| rows.get(*place)).flat_map(|row| row.iter().copied()).collect()
        };
        Scored {
            ids: Vec::new(),
            probabilities: self.probabilities.as_ref().map(drawn).map_err(FrameError::clone),
            n_classes: self.n_classes,
            predicted: gather(&self.predicted, places),
            truth: gather(&self.truth, places),
        }
    }

    /// Whether each row's prediction is right, as 1 and 0.
    pub fn is_right(&self) -> Vec<f64> {
        self.predicted.iter().zip(&self.truth).map(|(a, b)| f64::from(u8::from(a == b))).collect()
    }

    /// The number of each row whose mean is the metric; none of a metric that is no mean over rows.
    pub(super) fn row_values(&self, metric: Metric) -> Option<Result<Vec<f64>, MetricError>> {
        match metric {
            Metric::Accuracy => Some(Ok(self.is_right())),
            Metric::LogLoss => Some(self.row_losses()),
            Metric::Brier => Some(self.row_briers()),
            Metric::Auroc | Metric::Ece => None,
        }
    }

    /// The share of rows whose predicted class is the true one.
    pub fn accuracy(&self) -> Result<f64, MetricError> {
        self.refuse_empty()?;
        Ok(super::mean(&self.is_right()))
    }

    /// The area under the ROC curve: the chance that a row of the class scores above one of another class, ties
    /// counting half (mid-ranks, as the Mann–Whitney U). With more than two classes, the unweighted mean of each class
    /// against the rest.
    pub fn auroc(&self) -> Result<f64, MetricError> {
        self.refuse_empty()?;
        let values = self.probabilities_for(Metric::Auroc)?;
        self.refuse_one_class("auroc")?;
        if self.n_classes == 2 {
            return self.auroc_of(values, 1);
        }
        let areas: Result<Vec<f64>, MetricError> =
            (0..self.n_classes).map(|class| self.auroc_of(values, class)).collect();
        Ok(super::mean(&areas?))
    }

    fn auroc_of(&self, values: &[f64], class: usize) -> Result<f64, MetricError> {
        let scores: Vec<f64> = values.iter().skip(class).step_by(self.n_classes).copied().collect();
        let ranks = mid_ranks(&scores);
        let n_in = self.truth.iter().filter(|truth| **truth == class).count() as f64;
        let n_out = self.n_rows() as f64 - n_in;
        if n_in == 0.0 {
            return Err(MetricError::AbsentClass { metric: "auroc", class });
        }
        let sum: f64 = ranks.iter().zip(&self.truth).filter(|(_, truth)| **truth == class).map(|(rank, _)| rank).sum();
        Ok((sum - n_in * (n_in + 1.0) / 2.0) / (n_in * n_out))
    }

    /// The mean of `−ln p` of the true class, in nats; infinite where a true class had probability 0.
    pub fn log_loss(&self) -> Result<f64, MetricError> {
        self.refuse_empty()?;
        Ok(super::mean(&self.row_losses()?))
    }

    fn row_losses(&self) -> Result<Vec<f64>, MetricError> {
        let rows = self.probabilities_for(Metric::LogLoss)?.chunks(self.n_classes).zip(&self.truth);
        let loss = |(row, truth): (&[f64], &usize)| {
            let sum: f64 = row.iter().sum();
            // Of a certain row −ln 1 is −0.
            (-(row.get(*truth).copied().unwrap_or(0.0) / sum).ln()).max(0.0)
        };
        Ok(rows.map(loss).collect())
    }

    /// The mean squared difference between probability and truth: of `p1` with two classes, summed over the classes with
    /// more.
    pub fn brier(&self) -> Result<f64, MetricError> {
        self.refuse_empty()?;
        Ok(super::mean(&self.row_briers()?))
    }

    fn row_briers(&self) -> Result<Vec<f64>, MetricError> {
        let half = if self.n_classes == 2 { 0.5 } else { 1.0 };
        let rows = self.probabilities_for(Metric::Brier)?.chunks(self.n_classes).zip(&self.truth);
        let score = |(row, truth): (&[f64], &usize)| {
            let squares = row.iter().enumerate().map(|(class, p)| (p - f64::from(u8::from(class == *truth))).powi(2));
            half * squares.sum::<f64>()
        };
        Ok(rows.map(score).collect())
    }

    /// Expected calibration error: rows in `n_bins` bins of equal width by their largest probability; the mean distance
    /// between a bin's accuracy and its mean probability, weighted by rows. Bin `b` of `n` holds what is above `(b − 1) / n`
    /// and at most `b / n`, each edge as the nearest double: 0.55 of 100 bins is in bin 55.
    pub fn ece(&self, n_bins: usize) -> Result<f64, MetricError> {
        self.refuse_empty()?;
        if !(1..=10_000).contains(&n_bins) {
            return Err(MetricError::Range { name: "n_bins", what: "between 1 and 10000", got: n_bins });
        }
        let mut bins = vec![(0.0f64, 0.0f64); n_bins];
        for (row, truth) in self.probabilities_for(Metric::Ece)?.chunks(self.n_classes).zip(&self.truth) {
            let class = argmax(row);
            let confidence = row.get(class).copied().unwrap_or(0.0);
            if let Some((right, sum)) = bins.get_mut(bin_of(confidence, n_bins)) {
                *right += f64::from(u8::from(class == *truth));
                *sum += confidence;
            }
        }
        Ok(bins.iter().map(|(right, sum)| (right - sum).abs()).sum::<f64>() / self.n_rows() as f64)
    }

    pub(super) fn probabilities_for(&self, metric: Metric) -> Result<&[f64], MetricError> {
        let missing = |error: &FrameError| MetricError::NeedsProbabilities { metric, missing: error.clone() };
        self.probabilities.as_deref().map_err(missing)
    }

    fn refuse_empty(&self) -> Result<(), MetricError> {
        if self.truth.is_empty() { Err(MetricError::Empty) } else { Ok(()) }
    }

    fn refuse_one_class(&self, metric: &'static str) -> Result<(), MetricError> {
        match self.truth.first() {
            Some(class) if self.truth.iter().all(|truth| truth == class) => {
                Err(MetricError::OneClass { metric, n: self.n_rows(), class: *class })
            }
            _ => Ok(()),
        }
    }
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

/// Guo et al. 2017 use 15 bins.
pub const DEFAULT_BINS: usize = 15;

/// Ranks from 1; equal values share the mean of their ranks.
pub fn mid_ranks(values: &[f64]) -> Vec<f64> {
    let mut order: Vec<(usize, f64)> = values.iter().copied().enumerate().collect();
    order.sort_by(|a, b| a.1.total_cmp(&b.1));
    let mut ranks = vec![0.0; values.len()];
    let mut start = 0;
    for tied in order.chunk_by(|a, b| a.1 == b.1) {
        let rank = start as f64 + (tied.len() as f64 + 1.0) / 2.0;
        for (place, _) in tied {
            if let Some(slot) = ranks.get_mut(*place) {
                *slot = rank;
            }
        }
        start += tied.len();
    }
    ranks
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    fn near(a: f64, b: f64) -> bool {
        (a - b).abs() < 1e-12
    }

    pub fn scored(p1: &[f32], truth: &[usize]) -> Scored {
        let ids: Vec<String> = (0..p1.len()).map(|row| format!("r{row}")).collect();
        let values: Vec<f32> = p1.iter().flat_map(|p| [1.0 - p, *p]).collect();
        let predictions = Frame::predictions(&ids, &values, 2).expect("probabilities");
        let truth = Frame::hard_labels(&ids, truth, 2).expect("labels");
        Scored::new(&predictions, &truth).expect("the same rows")
    }

    /// ```python
    /// from sklearn.metrics import roc_auc_score, log_loss, brier_score_loss
    /// y = [0, 0, 1, 1, 1, 0]; p = [0.125, 0.5, 0.5, 0.875, 0.25, 0.25]
    /// roc_auc_score(y, p)     # 0.7777777777777778
    /// log_loss(y, p)          # 0.5545555966567678
    /// brier_score_loss(y, p)  # 0.19270833333333334
    /// ```
    #[test]
    fn scores_agree_with_scikit_learn() {
        let scored = scored(&[0.125, 0.5, 0.5, 0.875, 0.25, 0.25], &[0, 0, 1, 1, 1, 0]);
        assert!(near(scored.auroc().expect("two classes"), 0.777_777_777_777_777_8));
        assert!(near(scored.log_loss().expect("rows"), 0.554_555_596_656_767_8));
        assert!(near(scored.brier().expect("rows"), 0.192_708_333_333_333_34));
        assert!(near(scored.accuracy().expect("rows"), 2.0 / 3.0));
    }

    #[test]
    fn all_scores_tied_are_worth_a_half_in_any_order() {
        for truth in [[0, 0, 1, 1], [1, 1, 0, 0], [0, 1, 0, 1]] {
            assert!(near(scored(&[0.5; 4], &truth).auroc().expect("two classes"), 0.5));
        }
    }

    #[test]
    fn one_class_is_refused_and_named() {
        let error = scored(&[0.5, 0.25], &[1, 1]).auroc().expect_err("one class");
        assert_eq!(error.to_string(), "auroc needs rows of at least two classes; all 2 rows are of class 1");
    }

    #[test]
    fn rows_that_do_not_meet_are_named() {
        let one = Frame::predictions(["a", "b"], &[0.5; 4], 2).expect("probabilities");
        let fewer = Frame::hard_labels(["a"], &[1], 2).expect("labels");
        let others = Frame::hard_labels(["a", "b", "c"], &[1, 0, 1], 2).expect("labels");
        let error = Scored::new(&one, &fewer).expect_err("b is missing");
        assert_eq!(error.to_string(), "1 rows of the truth are missing, the first with id `b`");
        let error = Scored::new(&one, &others).expect_err("c is missing");
        assert_eq!(error.to_string(), "1 rows of the predictions are missing, the first with id `c`");
    }

    #[test]
    fn extreme_probabilities_give_extreme_scores() {
        let certain = scored(&[1.0, 0.0], &[1, 0]);
        assert!(near(certain.log_loss().expect("rows"), 0.0) && near(certain.brier().expect("rows"), 0.0));
        let wrong = scored(&[1.0, 0.0], &[0, 0]);
        assert!(wrong.log_loss().expect("rows").is_infinite());
        assert!(near(wrong.ece(15).expect("rows"), 0.5));
    }

    /// ```python
    /// from sklearn.metrics import roc_auc_score
    /// p = [[.5, .25, .25], [.25, .5, .25], [.25, .25, .5], [.5, .5, 0], [0, .5, .5]]
    /// roc_auc_score([0, 1, 2, 1, 0], p, multi_class="ovr", average="macro")  # 0.7083333333333334
    /// ```
    #[test]
    fn many_classes_are_averaged_one_against_the_rest() {
        let values = [0.5, 0.25, 0.25, 0.25, 0.5, 0.25, 0.25, 0.25, 0.5, 0.5, 0.5, 0.0, 0.0, 0.5, 0.5];
        let ids = ["a", "b", "c", "d", "e"];
        let predictions = Frame::predictions(ids, &values, 3).expect("probabilities");
        let truth = Frame::hard_labels(ids, &[0, 1, 2, 1, 0], 3).expect("labels");
        let scored = Scored::new(&predictions, &truth).expect("the same rows");
        assert!(near(scored.auroc().expect("three classes"), 0.708_333_333_333_333_4));
        let truth = Frame::hard_labels(ids, &[0, 1, 1, 1, 0], 3).expect("labels");
        let scored = Scored::new(&predictions, &truth).expect("the same rows");
        assert!(scored.auroc().expect_err("class 2 is absent").to_string().contains("class 2 does not occur"));
    }

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
        let ece = |p1: &[f64], is_right: &[usize]| {
            let ids: Vec<String> = (0..p1.len()).map(|row| format!("r{row}")).collect();
            let predictions = Frame::from_columns(vec![
                polars::prelude::Column::new("id".into(), ids.clone()),
                polars::prelude::Column::new("p0".into(), p1.iter().map(|p| 1.0 - p).collect::<Vec<_>>()),
                polars::prelude::Column::new("p1".into(), p1.to_vec()),
            ]);
            let truth = Frame::hard_labels(&ids, is_right, 2).expect("labels");
            Scored::new(&predictions.expect("a frame"), &truth).expect("the same rows").ece(100).expect("bins")
        };
        assert!(near(ece(&[0.55, 0.545, 0.56, 0.555], &[1, 0, 1, 0]), 0.0525));
        assert!(near(ece(&[0.57, 0.565, 0.58], &[1, 0, 1]), 0.185));
        for n_bins in [1, 2, 3, 7, 10, 15, 49, 100, 1000, 10_000] {
            for bin in 1..=n_bins {
                let edge = bin as f64 / n_bins as f64;
                assert_eq!(bin_of(edge, n_bins), bin - 1, "{edge} of {n_bins}");
                assert_eq!(bin_of(edge.next_up(), n_bins), bin.min(n_bins - 1), "above {edge} of {n_bins}");
            }
            assert_eq!(bin_of(0.0, n_bins), 0);
        }
    }

    fn names(names: &[&str]) -> Vec<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    #[test]
    fn classes_meet_by_name() {
        let predictions = Frame::predictions(["a", "b"], &[0.75, 0.25, 0.25, 0.75], 2).expect("probabilities");
        let truth = Frame::hard_labels(["a", "b"], &[1, 0], 2).expect("labels");
        let score = |ours: &[&str], theirs: &[&str]| {
            Scored::new(&predictions.clone().named(&names(ours)), &truth.clone().named(&names(theirs)))
        };
        let right = score(&["neg", "pos"], &["pos", "neg"]).expect("the same names");
        assert_eq!((right.accuracy().ok(), right.auroc().ok()), (Some(1.0), Some(1.0)));
        assert!(near(right.log_loss().expect("rows"), -0.75f64.ln()));
        let wrong = score(&["neg", "pos"], &["neg", "pos"]).expect("the same names");
        assert_eq!(wrong.accuracy().ok(), Some(0.0));
        let said = score(&["neg", "pos"], &["no", "yes"]).expect_err("other names").to_string();
        assert_eq!(said, "the classes of the truth are `no`, `yes`, those of the predictions are `neg`, `pos`");
        let by_index = Scored::new(&predictions, &truth.clone().named(&names(&["no", "yes"]))).expect("no names");
        assert_eq!(by_index.accuracy().ok(), Some(0.0));
    }

    #[test]
    fn classes_alone_are_enough_for_what_needs_no_probability() {
        use crate::core::explain::Explain;
        let hard = |column: &str, classes: &[usize]| {
            Frame::hard_labels(["a", "b", "c"], classes, 2)
                .and_then(|frame| frame.drop_columns(&names(&["p0", "p1"])))
                .and_then(|frame| frame.rename(&[("label".to_owned(), column.to_owned())]))
                .expect("classes")
        };
        for column in ["prediction", "label"] {
            let scored = Scored::new(&hard(column, &[0, 1, 1]), &hard("label", &[0, 1, 0])).expect("the same rows");
            assert!(near(scored.accuracy().expect("rows"), 2.0 / 3.0));
            for (metric, value) in [
                ("auroc", scored.auroc()),
                ("log_loss", scored.log_loss()),
                ("brier", scored.brier()),
                ("ece", scored.ece(15)),
            ] {
                let error = value.expect_err("no probability");
                let expected = format!("{metric} needs a probability for every class: columns `p0`, `p1` are missing");
                assert_eq!(error.to_string(), expected);
                let hint = error.hint().expect("what to type");
                assert!(hint.contains(&format!("(col(\"{column}\") == 1).cast(\"float\").alias(\"p1\")")), "{hint}");
            }
        }
        let error =
            Scored::new(&hard("prediction", &[0, 1, 1]), &hard("prediction", &[0, 1, 0])).expect_err("no truth");
        assert!(error.hint().is_some_and(|hint| hint.contains("rename")), "{error}");
    }

    #[test]
    fn a_prediction_against_its_own_probabilities_is_refused() {
        let table = Frame::predictions(["a"], &[0.25, 0.75], 2).expect("probabilities").table().clone();
        let with = |class: i64| {
            let mut table = table.clone();
            table.with_column(polars::prelude::Column::new("prediction".into(), [class])).expect("one row");
            Frame::new(table)
        };
        let truth = Frame::hard_labels(["a"], &[1], 2).expect("labels");
        let said = Scored::new(&with(0), &truth).expect_err("p1 is larger").to_string();
        assert_eq!(said, "a contradiction at the row `a`: its `prediction` is 0, its largest probability p1");
        assert!(Scored::new(&with(1), &truth).is_ok());
        let mut odd = truth.table().clone();
        odd.with_column(polars::prelude::Column::new("label".into(), [0i64])).expect("one row");
        assert!(Scored::new(&with(1), &Frame::new(odd)).expect_err("truth too").to_string().contains("`label` is 0"));
    }
}
