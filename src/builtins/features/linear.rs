//! `features::linear`

use crate::bind::prelude::*;
use crate::builtins::data::{note_use, readings_of};
use crate::frames::Frame;
use crate::train;

options! {
    /// Options of `features::linear`.
    pub struct LinearOptions {
        /// Times the squared coefficients: 0 for plain least squares.
        penalty: f64 = 0.0,
    }
}

/// The record.
pub fn function() -> Function {
    Function::new("features", "linear", run)
        .about("Least squares: the linear function of features that is nearest to the probability of class 1, as scores.")
        .details(
            "Minimised is Σ weight · (score − p1)² + penalty · ‖coefficients‖², the intercept free. Scores need not lie between 0 and 1: this is the \
             projection onto a convex class for which misfit theory is exact. Without a penalty the features must not depend on each other. Two classes; rows are \
             joined by id; test rows may be scored, not fitted on.",
        )
        .source("numpy's `lstsq`, scikit-learn's `Ridge`; for the theory Charikar et al. 2024, arXiv 2405.15116")
        .param::<Frame>("features", "`id`, `x0`, `x1`, …, a label for each row, no test rows")
        .param::<Frame>("labels", "`id`, `p0`, `p1` and perhaps `weight`, as `label` and `truth` give them")
        .param::<Frame>("rows", "features of the rows that are scored: `id`, `x0`, `x1`, …")
        .options::<LinearOptions>()
        .returns("Frame: `id`, `score`")
        .example(
            "let x = frame::of(#{ id: [\"a\", \"b\", \"c\"], x0: [0.0, 1.0, 2.0] });\n\
             let labels = frame::of(#{ id: [\"a\", \"b\", \"c\"], p0: [0.75, 0.5, 0.25], p1: [0.25, 0.5, 0.75] });\n\
             let score = features::linear(x, labels, frame::of(#{ id: [\"new\"], x0: [4.0] })).row(0).score;\n\
             (score - 1.25).abs() < 1e-12",
            "true",
        )
        .fails(
            "let x = frame::of(#{ id: [\"a\", \"b\"], x0: [1.0, 1.0] });\n\
             features::linear(x, frame::of(#{ id: [\"a\", \"b\"], p0: [0.5, 0.25], p1: [0.5, 0.75] }), x)",
            "least squares has no single solution",
        )
        .fails(
            "let x = frame::of(#{ id: [\"a\"], x0: [1.0] });\n\
             features::linear(x, frame::of(#{ id: [\"a\"], p0: [0.5], p1: [0.5] }), x, #{ penalty: -1.0 })",
            "`penalty` of `features::linear` must be 0 or more, got `-1`",
        )
}

fn run(call: &mut Call) -> Answer {
    let (features, labels, rows): (Frame, Frame, Frame) = (call.arg(0)?, call.arg(1)?, call.arg(2)?);
    let LinearOptions { penalty } = call.options()?;
    if !(penalty >= 0.0 && penalty.is_finite()) {
        let must = format!("`penalty` of `features::linear` must be 0 or more, got `{penalty}`");
        return Err(Fault::new("train/option", must));
    }
    let made = train::linear(&features, &labels, &rows, penalty)?;
    note_use(call, readings_of(&labels), &made.digest().to_hex());
    Ok(Dynamic::from(made))
}
