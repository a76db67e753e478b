//! `metric::agreement`, `metric::agreement_rates`, `metric::confident_errors`, `metric::kappa`, `metric::capa`

use super::truth::Truth;
use crate::bind::prelude::*;
use crate::builtins::data::{note_use, readings_of};
use crate::builtins::frame::warn_of_indices;
use crate::frames::Frame;
use crate::stats::agreement;

/// Lists the functions.
pub fn register(registry: &mut Registry) {
    registry.add(rows());
    registry.add(rates());
    registry.add(confident_errors());
    registry.add(kappa());
    registry.add(capa());
}

/// Two models' predictions and the truth; a side that is read by index is told.
fn three(call: &Call, [a_name, b_name]: [&str; 2]) -> Result<[Frame; 3], Fault> {
    let (a, b, truth): (Frame, Frame, Truth) = (call.arg(0)?, call.arg(1)?, call.arg(2)?);
    let truth = truth.labels(call)?;
    warn_of_indices(call, &[(a_name, &a), (b_name, &b), ("`truth`", &truth)]);
    Ok([a, b, truth])
}

fn of_two(function: Function) -> Function {
    function
        .param::<Frame>("weak", "the supervisor's predictions")
        .param::<Frame>("student", "the student's predictions, on the same rows")
        .param::<Truth>("truth", "data, whose truth is read and the read recorded, or a frame with `id` and `label`")
}

fn rows() -> Function {
    of_two(Function::new("metric", "agreement", |call| {
        let [weak, student, truth] = three(call, ["`weak`", "`student`"])?;
        Ok(Dynamic::from(agreement::rows(&weak, &student, &truth)?.made_from(&truth)))
    }))
    .about("The rows of a supervisor and its student beside truth, for grouping.")
    .details(
        "Columns `id`, `weak_prediction`, `student_prediction`, `label`, `weak_is_right`, `student_is_right`, `agrees`. \
         Group by `weak_is_right` to see whether the student learns the supervisor's errors.",
    )
    .source("Burns et al. 2023")
    .returns("Frame: one row per row of the predictions")
    .example(
        "let weak = frame::of(#{ id: [\"a\", \"b\"], prediction: [1, 0] });\n\
         let student = frame::of(#{ id: [\"a\", \"b\"], prediction: [1, 1] });\n\
         let rows = metric::agreement(weak, student, frame::of(#{ id: [\"a\", \"b\"], label: [1, 1] }));\n\
         rows.group_by(\"weak_is_right\").agg(col(\"agrees\").mean()).column(\"agrees\")",
        "[1.0, 0.0]",
    )
    .fails(
        "let p = frame::of(#{ id: [\"a\"], prediction: [1] });\n\
         metric::agreement(p, frame::of(#{ id: [\"b\"], prediction: [1] }), frame::of(#{ id: [\"a\"], label: [1] }))",
        "1 rows of the student's predictions are missing, the first with id `a`",
    )
}

fn rates() -> Function {
    of_two(Function::new("metric", "agreement_rates", |call| {
        let [weak, student, truth] = three(call, ["`weak`", "`student`"])?;
        let rates = agreement::rates(&weak, &student, &truth)?;
        let share = |value: Option<f64>| value.map_or(Dynamic::UNIT, Dynamic::from);
        let map: Map = [
            ("overall".into(), Dynamic::from(rates.overall)),
            ("when_weak_is_right".into(), share(rates.when_weak_is_right)),
            ("when_weak_is_wrong".into(), share(rates.when_weak_is_wrong)),
            ("n_right".into(), Dynamic::from(rates.n_right as INT)),
            ("n_wrong".into(), Dynamic::from(rates.n_wrong as INT)),
        ]
        .into_iter()
        .collect();
        Ok(Dynamic::from(map))
    }))
    .about("How often the student says what its supervisor says, split by the supervisor right and wrong.")
    .details(
        "`overall`, `when_weak_is_right`, `when_weak_is_wrong` (the rate at which errors are imitated) in 0..1, `()` where \
         there is no such row; `n_right` and `n_wrong` count the rows.",
    )
    .source("Burns et al. 2023")
    .returns("object map: shares and counts")
    .example(
        "let weak = frame::of(#{ id: [\"a\", \"b\"], prediction: [1, 0] });\n\
         let student = frame::of(#{ id: [\"a\", \"b\"], prediction: [1, 1] });\n\
         metric::agreement_rates(weak, student, frame::of(#{ id: [\"a\", \"b\"], label: [1, 1] })).when_weak_is_wrong",
        "0.0",
    )
    .fails(
        "let none = frame::of(#{ id: [\"a\"], prediction: [1] }).head(0);\n\
         metric::agreement_rates(none, none, frame::of(#{ id: [\"a\"], label: [1] }).head(0))",
        "there is no row to measure",
    )
}

options! {
    /// Options of `metric::confident_errors`.
    pub struct ConfidentOptions {
        /// From this probability on a model is called sure. Arbitrary.
        threshold: f64 = 0.75,
    }
}

fn confident_errors() -> Function {
    of_two(Function::new("metric", "confident_errors", |call| {
        let options: ConfidentOptions = call.options()?;
        let [weak, student, truth] = three(call, ["`weak`", "`student`"])?;
        let found = agreement::confident_errors(&weak, &student, &truth, options.threshold)?;
        let share = |value: Option<f64>| value.map_or(Dynamic::UNIT, Dynamic::from);
        let map: Map = [
            ("n_wrong".into(), Dynamic::from(found.n_wrong as INT)),
            ("imitated".into(), share(found.imitated)),
            ("student_is_sure".into(), share(found.student_is_sure)),
            ("both_are_sure".into(), share(found.both_are_sure)),
        ]
        .into_iter()
        .collect();
        Ok(Dynamic::from(map))
    }))
    .about("How sure a student is of its supervisor's errors.")
    .details(
        "Of the `n_wrong` rows on which the supervisor is wrong: `imitated` is the share on which the student says the same wrong class, \
         `student_is_sure` that on which it also gives that class `threshold` or more, `both_are_sure` that on which the \
         supervisor does so too. `()` where the supervisor is never wrong. A class is the first largest probability.",
    )
    .options::<ConfidentOptions>()
    .source("error imitation: Burns et al. 2023, section 5.1.3; the threshold is ours")
    .returns("object map: a count and shares")
    .example(
        "let weak = frame::of(#{ id: [\"a\", \"b\"], p0: [0.25, 0.125], p1: [0.75, 0.875] });\n\
         let student = frame::of(#{ id: [\"a\", \"b\"], p0: [0.375, 0.125], p1: [0.625, 0.875] });\n\
         let found = metric::confident_errors(weak, student, frame::of(#{ id: [\"a\", \"b\"], label: [0, 0] }));\n\
         [found.imitated, found.student_is_sure]",
        "[1.0, 0.5]",
    )
    .fails(
        "let p = frame::of(#{ id: [\"a\"], p0: [0.25], p1: [0.75] });\n\
         metric::confident_errors(p, p, frame::of(#{ id: [\"a\"], label: [0] }), #{ threshold: 1.5 })",
        "`threshold` must be a probability from 0 to 1, got `1.5`",
    )
}

fn kappa() -> Function {
    Function::new("metric", "kappa", |call| {
        let (a, b): (Frame, Frame) = (call.arg(0)?, call.arg(1)?);
        [&a, &b].into_iter().for_each(|frame| note_use(call, readings_of(frame), ""));
        warn_of_indices(call, &[("`a`", &a), ("`b`", &b)]);
        Ok(Dynamic::from(agreement::kappa(&a, &b)?))
    })
    .about("Cohen's κ: agreement of two models' classes beyond what their class shares would give.")
    .details("`(observed − expected) / (1 − expected)`; 1 is full agreement, 0 is chance.")
    .source("Cohen 1960; scikit-learn's `cohen_kappa_score`")
    .param::<Frame>("a", "predictions")
    .param::<Frame>("b", "predictions on the same rows")
    .returns("float: −1..1")
    .example(
        "let a = frame::of(#{ id: [\"x\", \"y\", \"z\", \"w\"], prediction: [1, 1, 0, 0] });\n\
         let b = frame::of(#{ id: [\"x\", \"y\", \"z\", \"w\"], prediction: [1, 1, 0, 1] });\nmetric::kappa(a, b)",
        "0.5",
    )
    .fails(
        "let a = frame::of(#{ id: [\"x\"], prediction: [1] });\nmetric::kappa(a, a)",
        "both models always predict the same one class",
    )
}

fn capa() -> Function {
    Function::new("metric", "capa", |call| {
        let [a, b, truth] = three(call, ["`a`", "`b`"])?;
        Ok(Dynamic::from(agreement::capa(&a, &b, &truth)?))
    })
    .about("CAPA κ_p: how alike two models err, adjusted for their accuracies and weighted by their probabilities.")
    .details(
        "Observed `mean Σ_k a_k·b_k`; expected, from the mean probabilities ā and b̄ of the true class, \
         `ā·b̄ + (1−ā)(1−b̄)/(K−1)`; `κ_p = (observed − expected) / (1 − expected)`. 0 means that errors are independent.",
    )
    .source("Goel et al. 2025, Great Models Think Alike and this Undermines AI Oversight")
    .param::<Frame>("a", "predictions with probabilities")
    .param::<Frame>("b", "predictions with probabilities on the same rows")
    .param::<Truth>("truth", "data, whose truth is read and the read recorded, or a frame with `id` and `label`")
    .returns("float: at most 1")
    .example(
        "let a = frame::of(#{ id: [\"x\", \"y\"], p0: [0.25, 0.75], p1: [0.75, 0.25] });\n\
         metric::capa(a, a, frame::of(#{ id: [\"x\", \"y\"], label: [1, 0] }))",
        "0.0",
    )
    .fails(
        "let a = frame::of(#{ id: [\"x\"], prediction: [1] });\nmetric::capa(a, a, frame::of(#{ id: [\"x\"], label: [1] }))",
        "there are no probabilities: columns `p0`, `p1` are missing",
    )
}
