//! What all metrics of predictions share, how these meet the truth, and frames of a few rows for the tests of each.

use super::accuracy::Accuracy;
use super::log_loss::LogLoss;
use super::{BY_NAME, Metric};
use crate::frames::Frame;
use crate::stats::Scored;

/// Equal but for rounding.
pub fn near(a: f64, b: f64) -> bool {
    (a - b).abs() < 1e-12
}

fn ids(n: usize) -> Vec<String> {
    (0..n).map(|row| format!("r{row}")).collect()
}

/// Labels of two classes.
pub fn hard(classes: &[usize]) -> Frame {
    Frame::hard_labels(ids(classes.len()), classes, 2).expect("labels")
}

/// Predictions of two classes.
pub fn soft(p1: &[f32]) -> Frame {
    let values: Vec<f32> = p1.iter().flat_map(|p| [1.0 - p, *p]).collect();
    Frame::predictions(ids(p1.len()), &values, 2).expect("probabilities")
}

/// Predictions of two classes beside truth.
pub fn scored(p1: &[f32], truth: &[usize]) -> Scored {
    Scored::new(&soft(p1), &hard(truth)).expect("the same rows")
}

pub fn names(names: &[&str]) -> Vec<String> {
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
    assert_eq!((Accuracy.value(&right).ok(), right.auroc().ok()), (Some(1.0), Some(1.0)));
    assert!(near(LogLoss.value(&right).expect("rows"), -0.75f64.ln()));
    let wrong = score(&["neg", "pos"], &["neg", "pos"]).expect("the same names");
    assert_eq!(Accuracy.value(&wrong).ok(), Some(0.0));
    let said = score(&["neg", "pos"], &["no", "yes"]).expect_err("other names").to_string();
    assert_eq!(said, "the classes of the truth are `no`, `yes`, those of the predictions are `neg`, `pos`");
    let by_index = Scored::new(&predictions, &truth.clone().named(&names(&["no", "yes"]))).expect("no names");
    assert_eq!(Accuracy.value(&by_index).ok(), Some(0.0));
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
        assert!(near(Accuracy.value(&scored).expect("rows"), 2.0 / 3.0));
        for metric in BY_NAME.into_iter().filter(|metric| metric.name() != "accuracy") {
            let value = metric.value(&scored);
            let metric = metric.name();
            let error = value.expect_err("no probability");
            let expected = format!("{metric} needs a probability for every class: columns `p0`, `p1` are missing");
            assert_eq!(error.to_string(), expected);
            let hint = error.hint().expect("what to type");
            assert!(hint.contains(&format!("(col(\"{column}\") == 1).cast(\"float\").alias(\"p1\")")), "{hint}");
        }
    }
    let error = Scored::new(&hard("prediction", &[0, 1, 1]), &hard("prediction", &[0, 1, 0])).expect_err("no truth");
    assert!(error.hint().is_some_and(|hint| hint.contains("rename")), "{error}");
}
