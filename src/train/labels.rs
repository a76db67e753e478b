//! What a frame of labels says of the rows of a data set: a probability for each class, and how much a row counts.

use super::TrainError;
use crate::data::Data;
use crate::frames::{Frame, Probabilities};
use std::collections::HashMap;

/// Labels of a data set's rows.
pub(super) struct Labels {
    /// Row-major `[n_rows, n_classes]` over all rows of the data; each row sums to 1.
    pub labels: Vec<f32>,
    /// Of each row of the data; empty where labels have no column `weight`.
    pub weights: Vec<f64>,
    /// The rows that are trained on: all that do not weigh 0.
    pub rows: Vec<u32>,
}

/// What a weight may be besides 0: arbitrary, far from where sums of squares overflow or vanish.
pub(super) const WEIGHTS: std::ops::RangeInclusive<f64> = 1e-9..=1e9;

impl Labels {
    /// Of the rows of `data`, in their order.
    pub fn read(data: &Data, labels: &Frame) -> Result<Labels, TrainError> {
        let read = joined(data, labels)?;
        let weights = weights(data, labels)?;
        let counts = |row: &u32| weights.get(*row as usize).is_none_or(|weight| *weight > 0.0);
        let rows: Vec<u32> = (0..data.len() as u32).filter(counts).collect();
        if rows.is_empty() {
            return Err(TrainError::NoWeight { n_rows: data.len() });
        }
        Ok(Labels { labels: read, weights, rows })
    }

    /// Whether rows count differently, or might.
    pub fn is_weighted(&self) -> bool {
        !self.weights.is_empty()
    }
}

/// The column `weight` in the order of the data's rows; empty where there is none.
fn weights(data: &Data, labels: &Frame) -> Result<Vec<f64>, TrainError> {
    if !labels.columns().iter().any(|column| column == "weight") {
        return Ok(Vec::new());
    }
    let (ids, held) = (labels.ids()?, labels.floats("weight")?);
    let by_id: HashMap<&str, f64> = ids.iter().map(String::as_str).zip(held).collect();
    let weight = |id: &str| {
        let got = by_id.get(id).copied().unwrap_or(f64::NAN);
        if got == 0.0 || WEIGHTS.contains(&got) { Ok(got) } else { Err(TrainError::Weight { id: id.to_owned(), got }) }
    };
    data.rows().map(|row| weight(&row.id)).collect()
}

/// The labels in the order of the data's rows, row-major `[n_rows, n_classes]`; each row sums to 1.
pub(super) fn joined(data: &Data, labels: &Frame) -> Result<Vec<f32>, TrainError> {
    let read: Probabilities = labels.probabilities()?;
    let n_data = data.classes().len();
    if read.n_classes != n_data {
        return Err(TrainError::Classes { n_labels: read.n_classes, n_data });
    }
    refuse_contradiction(&read, labels)?;
    let known: std::collections::HashSet<&str> = read.ids.iter().map(String::as_str).collect();
    let mut missing = data.rows().filter(|row| !known.contains(row.id.as_str()));
    if let Some(first) = missing.next() {
        return Err(TrainError::MissingLabels {
            id: first.id.to_string(),
            n_missing: 1 + missing.count(),
            n_rows: data.len(),
            n_labels: read.ids.len(),
        });
    }
    let mut weak = read.gathered(data.rows().map(|row| row.id.as_str()))?;
    for row in weak.chunks_exact_mut(n_data) {
        let total: f32 = row.iter().sum();
        row.iter_mut().for_each(|w| *w /= total);
    }
    Ok(weak)
}

/// Refuses a class in `label` that is not among the row's likeliest: whoever edits one and not the other means something
/// else than what training would read.
fn refuse_contradiction(read: &Probabilities, labels: &Frame) -> Result<(), TrainError> {
    let Ok(classes) = labels.classes("label") else { return Ok(()) };
    for ((id, row), label) in read.ids.iter().zip(read.values.chunks_exact(read.n_classes)).zip(&classes.values) {
        let largest = crate::frames::argmax(row);
        if row.get(*label) != row.get(largest) {
            return Err(TrainError::Contradiction { id: id.clone(), label: *label, largest });
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::finetune::tests::task;
    use super::*;

    #[test]
    fn labels_that_contradict_themselves_are_refused() {
        let (data, truth) = task(8, 0);
        let classes = truth.classes("label").expect("labels").values;
        let flipped: Vec<i64> = classes.iter().map(|class| 1 - *class as i64).collect();
        let column = polars::prelude::Column::new("label".into(), flipped);
        let mut table = truth.table().clone();
        table.with_column(column).expect("as many rows");
        let error = joined(&data, &Frame::new(table.clone())).expect_err("label against probabilities").to_string();
        assert!(error.contains("`r0`: its `label` is 0, its largest probability p1"), "{error}");
        assert!(joined(&data, &Frame::new(table.drop("label").expect("there"))).is_ok());
        assert!(joined(&data, &truth).is_ok());
    }

    fn weighted(truth: &Frame, weights: Vec<f64>) -> Frame {
        let mut table = truth.table().clone();
        table.with_column(polars::prelude::Column::new("weight".into(), weights)).expect("as many rows");
        Frame::new(table)
    }

    #[test]
    fn weights_are_read_by_id_and_rows_of_weight_0_are_left_out() {
        let (data, truth) = task(6, 0);
        let read =
            Labels::read(&data.shuffle(3), &weighted(&truth, vec![1.0, 0.0, 2.0, 0.5, 1.0, 0.0])).expect("valid");
        let by_id: Vec<(String, f64)> =
            data.shuffle(3).rows().map(|row| row.id.to_string()).zip(read.weights.iter().copied()).collect();
        assert!(by_id.contains(&("r2".to_owned(), 2.0)) && by_id.contains(&("r5".to_owned(), 0.0)));
        assert_eq!(read.rows.len(), 4);
        assert!(read.rows.iter().all(|row| read.weights[*row as usize] > 0.0));
        assert!(!Labels::read(&data, &truth).expect("valid").is_weighted());
        for (bad, says) in [(f64::NAN, "NaN"), (-1.0, "-1"), (f64::INFINITY, "inf"), (1e-12, "0.000000000001")] {
            let error = Labels::read(&data, &weighted(&truth, vec![1.0, bad, 1.0, 1.0, 1.0, 1.0])).err();
            let error = error.expect("refused").to_string();
            assert!(error.contains("`r1`") && error.contains(says), "{error}");
        }
        let error = Labels::read(&data, &weighted(&truth, vec![0.0; 6])).err().expect("refused").to_string();
        assert!(error.contains("each of the 6 rows of `data` the weight 0"), "{error}");
    }
}
