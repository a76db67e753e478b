//! `metric::margins`

use super::truth::Truth;
use crate::bind::prelude::*;
use crate::domains::preference;
use crate::frames::Frame;

/// The record.
pub fn function() -> Function {
    Function::new("metric", "margins", run)
        .about("The margin of each row: the score of the preferred continuation minus the best of the others.")
        .details(
            "Positive exactly where the row is ranked right, so that the share above 0 is the pair accuracy, which \
             `metric::accuracy` of predictions is too (but for ties, which predict the first). `metric::log_loss` is the mean \
             of −ln σ(margin) of two continuations. The mean margin is `metric::margins(scores, truth).select(col(\"margin\").mean()).item()`.",
        )
        .source("Bradley and Terry 1952")
        .param::<Frame>("scores", "`id`, `continuation`, `score`, as `model.score` gives them")
        .param::<Truth>("truth", "data, whose truth is read and the read recorded, or a frame with `id` and `label`")
        .returns("Frame: `id` and `margin`, a row per row of the truth")
        .example(
            "let scores = frame::of(#{ id: [\"a\", \"a\", \"b\", \"b\"], continuation: [0, 1, 0, 1], score: [1.0, 3.0, 0.5, 0.0] });\n\
             let truth = frame::of(#{ id: [\"a\", \"b\"], label: [1, 1] });\n\
             metric::margins(scores, truth).select(col(\"margin\").mean()).item()",
            "0.75",
        )
        .fails(
            "let scores = frame::of(#{ id: [\"a\", \"a\"], continuation: [0, 1], score: [1.0, 3.0] });\n\
             metric::margins(scores, frame::of(#{ id: [\"z\"], label: [1] }))",
            "the first with id `z`",
        )
}

fn run(call: &mut Call) -> Answer {
    let (scores, truth): (Frame, Truth) = (call.arg(0)?, call.arg(1)?);
    let truth = truth.labels(call)?;
    Ok(Dynamic::from(preference::margins(&scores, &truth)?.made_from(&truth)))
}
