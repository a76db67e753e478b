//! `metric::auroc`

use super::truth::{Truth, scored};
use crate::bind::prelude::*;
use crate::frames::Frame;

/// The record.
pub fn function() -> Function {
    Function::new("metric", "auroc", run)
        .about("The area under the ROC curve: the chance that a row of class 1 scores above a row of class 0.")
        .details("Ties count half (mid-ranks, the Mann–Whitney U). With more than two classes: the unweighted mean of each class against the rest. Refused where the truth has one class.")
        .source("Hanley and McNeil 1982; scikit-learn's `roc_auc_score` (`multi_class=\"ovr\"`)")
        .param::<Frame>("predictions", "`id`, `p0`, `p1`, …, as `predict` and `label` give them")
        .param::<Truth>("truth", "data, whose truth is read and the read recorded, or a frame with `id` and `label`")
        .returns("float: 0..1, 0.5 by chance")
        .example(
            "let p = frame::of(#{ id: [\"a\", \"b\", \"c\"], p0: [0.75, 0.25, 0.5], p1: [0.25, 0.75, 0.5] });\n\
             let truth = frame::of(#{ id: [\"c\", \"b\", \"a\"], label: [1, 1, 0] });\nmetric::auroc(p, truth)",
            "1.0",
        )
        .fails(
            "let p = frame::of(#{ id: [\"a\"], p0: [0.75], p1: [0.25] });\nmetric::auroc(p, frame::of(#{ id: [\"b\"], label: [1] }))",
            "1 rows of the truth are missing, the first with id `a`",
        )
        .fails(
            "let p = frame::of(#{ id: [\"a\"], p0: [0.75], p1: [0.25] });\nmetric::auroc(p, frame::of(#{ id: [\"a\"], label: [1] }))",
            "auroc needs rows of at least two classes; all 1 rows are of class 1",
        )
        .fails(
            "let p = frame::of(#{ id: [\"a\"], prediction: [0] });\nmetric::auroc(p, frame::of(#{ id: [\"a\"], label: [1] }))",
            "auroc needs a probability for every class: columns `p0`, `p1` are missing",
        )
}

fn run(call: &mut Call) -> Answer {
    Ok(Dynamic::from(scored(call)?.auroc()?))
}
