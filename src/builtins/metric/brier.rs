//! `metric::brier`

use super::truth::{Truth, scored};
use crate::bind::prelude::*;
use crate::frames::Frame;

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
    Ok(Dynamic::from(scored(call)?.brier()?))
}
