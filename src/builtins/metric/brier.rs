//! `metric::brier`

use super::truth::{Truth, scored};
use super::{Metric, Resampler, averaged};
use crate::bind::prelude::*;
use crate::frames::Frame;
use crate::stats::{MetricError, Scored, mean};

/// The record.
pub fn function() -> Function {
    Function::new("metric", "brier", run)
        .about("The mean squared difference between probability and truth.")
        .details("Of `p1` with two classes; summed over the classes with more, as Brier had it.")
        .source("Brier 1950; scikit-learn's `brier_score_loss`")
        .param::<Frame>("predictions", "`id`, `p0`, `p1`, …, as `predict` and `label` give them")
        .param::<Truth>("truth", "data, whose truth is read and the read recorded, or a frame with `id` and `label`")
        .returns("float: 0 (certain and right) to 1 (two classes) or 2")
        .example(
            "let p = frame::of(#{ id: [\"a\", \"b\", \"c\"], p0: [0.75, 0.25, 0.5], p1: [0.25, 0.75, 0.5] });\n\
             let truth = frame::of(#{ id: [\"c\", \"b\", \"a\"], label: [1, 1, 0] });\nmetric::brier(p, truth)",
            "0.125",
        )
        .fails(
            "let p = frame::of(#{ id: [\"a\"], p0: [0.75], p1: [0.25] });\nmetric::brier(p, frame::of(#{ id: [\"b\"], label: [1] }))",
            "1 rows of the truth are missing, the first with id `a`",
        )
}

fn run(call: &mut Call) -> Answer {
    Ok(Dynamic::from(Brier.value(&scored(call)?)?))
}

/// The mean squared difference between probability and truth: of `p1` with two classes, summed over the classes with more.
pub struct Brier;

impl Metric for Brier {
    fn name(&self) -> &'static str {
        "brier"
    }

    fn value(&self, scored: &Scored) -> Result<f64, MetricError> {
        scored.refuse_empty()?;
        Ok(mean(&row_scores(scored)?))
    }

    fn resampler<'a>(&'a self, scored: &'a Scored) -> Result<Resampler<'a>, MetricError> {
        Ok(averaged(row_scores(scored)?))
    }
}

/// The score of each row.
fn row_scores(scored: &Scored) -> Result<Vec<f64>, MetricError> {
    let half = if scored.n_classes == 2 { 0.5 } else { 1.0 };
    let rows = scored.probabilities_for("brier")?.chunks(scored.n_classes).zip(&scored.truth);
    let score = |(row, truth): (&[f64], &usize)| {
        let squares = row.iter().enumerate().map(|(class, p)| (p - f64::from(u8::from(class == *truth))).powi(2));
        half * squares.sum::<f64>()
    };
    Ok(rows.map(score).collect())
}

#[cfg(test)]
mod tests {
    use super::super::tests::{near, scored};
    use super::*;

    /// ```python
    /// from sklearn.metrics import brier_score_loss
    /// y = [0, 0, 1, 1, 1, 0]; p = [0.125, 0.5, 0.5, 0.875, 0.25, 0.25]
    /// brier_score_loss(y, p)  # 0.19270833333333334
    /// ```
    #[test]
    fn it_agrees_with_scikit_learn() {
        let six = scored(&[0.125, 0.5, 0.5, 0.875, 0.25, 0.25], &[0, 0, 1, 1, 1, 0]);
        assert!(near(Brier.value(&six).expect("rows"), 0.192_708_333_333_333_34));
        let certain = scored(&[1.0, 0.0], &[1, 0]);
        assert!(near(Brier.value(&certain).expect("rows"), 0.0));
    }
}
