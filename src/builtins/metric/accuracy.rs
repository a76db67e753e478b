//! `metric::accuracy`

use super::truth::{Truth, scored};
use super::{Metric, Resampler, averaged};
use crate::bind::prelude::*;
use crate::frames::Frame;
use crate::stats::{MetricError, Scored, mean};

/// The record.
pub fn function() -> Function {
    Function::new("metric", "accuracy", run)
        .about("The share of rows whose predicted class is the true one.")
        .details("Rows meet by id and must be the same on both sides. The predicted class is the column `prediction`, else the first largest probability, else `label`: no probabilities are needed. Where both sides know the names of their classes, these meet by name; a side without names is read by index, with a warning.")
        .source("")
        .param::<Frame>("predictions", "`id`, and `p0`, `p1`, … as `predict` and `label` give them, or `prediction` alone")
        .param::<Truth>("truth", "data, whose truth is read and the read recorded, or a frame with `id` and `label`")
        .returns("float: 0..1")
        .example(
            "let p = frame::of(#{ id: [\"a\", \"b\", \"c\"], p0: [0.75, 0.25, 0.5], p1: [0.25, 0.75, 0.5] });\n\
             let truth = frame::of(#{ id: [\"c\", \"b\", \"a\"], label: [1, 1, 0] });\nmetric::accuracy(p, truth)",
            "0.6666666666666666",
        )
        .example(
            "let p = frame::of(#{ id: [\"a\", \"b\"], prediction: [0, 1] }).with_classes([\"neg\", \"pos\"]);\n\
             let truth = frame::of(#{ id: [\"a\", \"b\"], label: [1, 0] }).with_classes([\"pos\", \"neg\"]);\nmetric::accuracy(p, truth)",
            "1.0",
        )
        .fails(
            "let p = frame::of(#{ id: [\"a\"], p0: [0.75], p1: [0.25] });\nmetric::accuracy(p, frame::of(#{ id: [\"b\"], label: [1] }))",
            "1 rows of the truth are missing, the first with id `a`",
        )
        .fails(
            "let p = frame::of(#{ id: [\"a\"], prediction: [0] }).with_classes([\"neg\", \"pos\"]);\n\
             metric::accuracy(p, frame::of(#{ id: [\"a\"], label: [1] }).with_classes([\"no\", \"yes\"]))",
            "the classes of the truth are `no`, `yes`, those of the predictions are `neg`, `pos`",
        )
        .fails(
            "let p = frame::of(#{ id: [\"a\"], p0: [0.2], p1: [0.8], prediction: [0] });\n\
             metric::accuracy(p, frame::of(#{ id: [\"a\"], label: [1] }))",
            "a contradiction at the row `a`: its `prediction` is 0, its largest probability p1",
        )
}

fn run(call: &mut Call) -> Answer {
    Ok(Dynamic::from(Accuracy.value(&scored(call)?)?))
}

/// The share of rows whose predicted class is the true one.
pub struct Accuracy;

impl Metric for Accuracy {
    fn name(&self) -> &'static str {
        "accuracy"
    }

    fn value(&self, scored: &Scored) -> Result<f64, MetricError> {
        scored.refuse_empty()?;
        Ok(mean(&scored.is_right()))
    }

    fn resampler<'a>(&'a self, scored: &'a Scored) -> Result<Resampler<'a>, MetricError> {
        Ok(averaged(scored.is_right()))
    }

    fn is_share(&self) -> bool {
        true
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{near, scored};
    use super::*;

    #[test]
    fn a_tie_predicts_the_first_class() {
        let scored = scored(&[0.125, 0.5, 0.5, 0.875, 0.25, 0.25], &[0, 0, 1, 1, 1, 0]);
        assert!(near(Accuracy.value(&scored).expect("rows"), 4.0 / 6.0));
    }
}
