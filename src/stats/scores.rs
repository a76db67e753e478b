//! Predictions beside truth. Metrics of them are files of `builtins::metric`; of AUROC the formula is here, since a training can be
//! watched by it.

use super::MetricError;
use crate::frames::{Classes, Frame, FrameError, argmax};
use std::collections::HashMap;

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

/// Fails unless both have the same ids; the places in `b` of `a`'s rows.
pub(crate) fn meet(
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
pub(crate) struct Predicted {
    pub ids: Vec<String>,
    /// Row-major, or what is missing.
    pub probabilities: Result<Vec<f64>, FrameError>,
    /// As many as there are probabilities, or else class names; without both none.
    pub n_classes: Option<usize>,
    pub classes: Vec<usize>,
}

/// Reads predictions: the class is `prediction` where there is one, else the first largest probability, else `label`. Fails
/// where a class contradicts its probabilities.
pub(crate) fn predicted(frame: &Frame) -> Result<Predicted, MetricError> {
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
pub(crate) fn truth_beside(beside: &Frame, frame: &Frame) -> Result<Classes, MetricError> {
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
pub(crate) fn in_order_of(beside: &Frame, frame: &Frame, (ours, theirs): (&str, &str)) -> Result<Frame, MetricError> {
    match beside.class_names() {
        Some(names) => Ok(frame.in_classes(names, (ours, theirs))?),
        None => Ok(frame.clone()),
    }
}

/// The values of `items` at `places`.
pub(crate) fn gather<T: Copy>(items: &[T], places: &[usize]) -> Vec<T> {
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

    /// The area under the ROC curve: the chance that a row of the class scores above one of another class, ties
    /// counting half (mid-ranks, as the Mann–Whitney U). With more than two classes, the unweighted mean of each class
    /// against the rest.
    pub fn auroc(&self) -> Result<f64, MetricError> {
        self.refuse_empty()?;
        let values = self.probabilities_for("auroc")?;
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

    /// The probabilities, row-major; fails where there are none.
    pub fn probabilities_for(&self, metric: &'static str) -> Result<&[f64], MetricError> {
        let missing = |error: &FrameError| MetricError::NeedsProbabilities { metric, missing: error.clone() };
        self.probabilities.as_deref().map_err(missing)
    }

    /// Fails without a row.
    pub fn refuse_empty(&self) -> Result<(), MetricError> {
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
mod tests {
    use super::*;

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
