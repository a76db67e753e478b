//! Metrics of predictions against truth.

use super::MetricError;
use crate::frames::{Frame, argmax};
use std::collections::HashMap;
use std::str::FromStr;

/// Predictions beside truth, row by row, met by id.
#[derive(Debug, Clone, PartialEq)]
pub struct Scored {
    /// In the order of the predictions.
    pub ids: Vec<String>,
    /// Row-major `[n_rows, n_classes]`.
    pub probabilities: Vec<f64>,
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

/// The predicted classes of a frame: `prediction` where there is one, else the first largest probability.
pub(super) fn predicted(frame: &Frame) -> Result<(Vec<String>, Vec<usize>), MetricError> {
    if frame.table().column("prediction").is_ok() {
        let classes = frame.classes("prediction")?;
        return Ok((classes.ids, classes.values));
    }
    let (ids, probabilities, n_classes) = frame.exact_probabilities()?;
    Ok((ids, probabilities.chunks(n_classes).map(argmax).collect()))
}

/// The values of `items` at `places`.
pub(super) fn gather<T: Copy>(items: &[T], places: &[usize]) -> Vec<T> {
    places.iter().filter_map(|place| items.get(*place).copied()).collect()
}

impl Scored {
    /// Joins predictions (`id`, `p0`, …) and truth (`id`, `label`) by id.
    pub fn new(predictions: &Frame, truth: &Frame) -> Result<Scored, MetricError> {
        let (ids, probabilities, n_classes) = predictions.exact_probabilities()?;
        let (_, predicted) = predicted(predictions)?;
        let truth = truth.classes("label")?;
        let places = meet(&ids, &truth.ids, ("predictions", "truth"))?;
        let truth = gather(&truth.values, &places);
        match truth.iter().chain(&predicted).find(|class| **class >= n_classes) {
            Some(class) => Err(MetricError::Class { class: *class, n_classes }),
            None => Ok(Scored { ids, probabilities, n_classes, predicted, truth }),
        }
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
        let rows: Vec<&[f64]> = self.probabilities.chunks(self.n_classes.max(1)).collect();
        Scored {
            ids: Vec::new(),
            probabilities: places
                .iter()
                .filter_map(|place| rows.get(*place))
                .flat_map(|row| row.iter().copied())
                .collect(),
            n_classes: self.n_classes,
            predicted: gather(&self.predicted, places),
            truth: gather(&self.truth, places),
        }
    }

    /// Whether each row's prediction is right, as 1 and 0.
    pub fn is_right(&self) -> Vec<f64> {
        self.predicted.iter().zip(&self.truth).map(|(a, b)| f64::from(u8::from(a == b))).collect()
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
        self.refuse_one_class("auroc")?;
        if self.n_classes == 2 {
            return self.auroc_of(1);
        }
        let areas: Result<Vec<f64>, MetricError> = (0..self.n_classes).map(|class| self.auroc_of(class)).collect();
        Ok(super::mean(&areas?))
    }

    fn auroc_of(&self, class: usize) -> Result<f64, MetricError> {
        let scores: Vec<f64> = self.probabilities.iter().skip(class).step_by(self.n_classes).copied().collect();
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
        let losses: Vec<f64> = self
            .probabilities
            .chunks(self.n_classes)
            .zip(&self.truth)
            .map(|(row, truth)| {
                let sum: f64 = row.iter().sum();
                -(row.get(*truth).copied().unwrap_or(0.0) / sum).ln()
            })
            .collect();
        Ok(super::mean(&losses).max(0.0))
    }

    /// The mean squared difference between probability and truth: of `p1` with two classes, summed over the classes with
    /// more.
    pub fn brier(&self) -> Result<f64, MetricError> {
        self.refuse_empty()?;
        let half = if self.n_classes == 2 { 0.5 } else { 1.0 };
        let scores: Vec<f64> = self
            .probabilities
            .chunks(self.n_classes)
            .zip(&self.truth)
            .map(|(row, truth)| {
                let squares =
                    row.iter().enumerate().map(|(class, p)| (p - f64::from(u8::from(class == *truth))).powi(2));
                half * squares.sum::<f64>()
            })
            .collect();
        Ok(super::mean(&scores))
    }

    /// Expected calibration error: rows in `n_bins` bins of equal width by their largest probability; the mean distance
    /// between a bin's accuracy and its mean probability, weighted by rows. A bin holds its upper edge.
    pub fn ece(&self, n_bins: usize) -> Result<f64, MetricError> {
        self.refuse_empty()?;
        if !(1..=10_000).contains(&n_bins) {
            return Err(MetricError::Range { name: "n_bins", what: "between 1 and 10000", got: n_bins });
        }
        let mut bins = vec![(0.0f64, 0.0f64); n_bins];
        for (row, truth) in self.probabilities.chunks(self.n_classes).zip(&self.truth) {
            let class = argmax(row);
            let confidence = row.get(class).copied().unwrap_or(0.0);
            let bin = ((confidence * n_bins as f64).ceil() as usize).clamp(1, n_bins) - 1;
            if let Some((right, sum)) = bins.get_mut(bin) {
                *right += f64::from(u8::from(class == *truth));
                *sum += confidence;
            }
        }
        Ok(bins.iter().map(|(right, sum)| (right - sum).abs()).sum::<f64>() / self.n_rows() as f64)
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
}
