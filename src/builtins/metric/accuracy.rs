//! `metric::accuracy`

use super::truth::{Truth, scored};
use crate::bind::prelude::*;
use crate::frames::Frame;

/// The record.
pub fn function() -> Function {
    Function::new("metric", "accuracy", run)
        .about("The share of rows whose predicted class is the true one.")
        .details("Rows meet by id and must be the same on both sides. The predicted class is the column `prediction`, or the first largest probability.")
        .source("")
        .param::<Frame>("predictions", "`id`, `p0`, `p1`, …, as `predict` and `label` give them")
        .param::<Truth>("truth", "data, whose truth is read and the read recorded, or a frame with `id` and `label`")
        .returns("float: 0..1")
        .example(
            "let p = frame::of(#{ id: [\"a\", \"b\", \"c\"], p0: [0.75, 0.25, 0.5], p1: [0.25, 0.75, 0.5] });\n\
             let truth = frame::of(#{ id: [\"c\", \"b\", \"a\"], label: [1, 1, 0] });\nmetric::accuracy(p, truth)",
            "0.6666666666666666",
        )
        .fails(
            "let p = frame::of(#{ id: [\"a\"], p0: [0.75], p1: [0.25] });\nmetric::accuracy(p, frame::of(#{ id: [\"b\"], label: [1] }))",
            "1 rows of the truth are missing, the first with id `a`",
        )
}

fn run(call: &mut Call) -> Answer {
    Ok(Dynamic::from(scored(call)?.accuracy()?))
}
