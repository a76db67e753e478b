//! `metric::log_loss`

use super::truth::{Truth, scored};
use crate::bind::prelude::*;
use crate::frames::Frame;

/// The record.
pub fn function() -> Function {
    Function::new("metric", "log_loss", run)
        .about("The mean of −ln p of the true class, in nats.")
        .details("Infinite where a true class had probability 0: nothing is clipped.")
        .source("scikit-learn's `log_loss`, which clips")
        .param::<Frame>("predictions", "`id`, `p0`, `p1`, …, as `predict` and `label` give them")
        .param::<Truth>("truth", "data, whose truth is read and the read recorded, or a frame with `id` and `label`")
        .returns("float: 0 and above")
        .example(
            "let p = frame::of(#{ id: [\"a\", \"b\", \"c\"], p0: [0.75, 0.25, 0.5], p1: [0.25, 0.75, 0.5] });\n\
             let truth = frame::of(#{ id: [\"c\", \"b\", \"a\"], label: [1, 1, 0] });\nmetric::log_loss(p, truth)",
            "0.4228371084878357",
        )
        .fails(
            "let p = frame::of(#{ id: [\"a\"], p0: [0.75], p1: [0.25] });\nmetric::log_loss(p, frame::of(#{ id: [\"b\"], label: [1] }))",
            "1 rows of the truth are missing, the first with id `a`",
        )
}

fn run(call: &mut Call) -> Answer {
    Ok(Dynamic::from(scored(call)?.log_loss()?))
}
