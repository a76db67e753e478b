//! `features::logistic`

use crate::bind::prelude::*;
use crate::builtins::data::{note_use, readings_of};
use crate::frames::Frame;
use crate::train::{self, Classifier};

options! {
    /// Options of `features::logistic`.
    pub struct LogisticOptions {
        /// The inverse of the penalty's strength.
        c: f64 = 1.0,
    }
}

/// The record.
pub fn function() -> Function {
    Function::new("features", "logistic", run)
        .about("Logistic regression on features, as scikit-learn's defaults define it.")
        .details(
            "Minimised is C · Σ weight · cross-entropy + ½ ‖coefficients‖², with intercepts that are free: one column of coefficients for two \
             classes, one for each of more. The optimum is found to far below scikit-learn's default tolerance, so that results agree with it to about \
             its tolerance. Labels may be probabilities: then the cross-entropy is that against them. Features are taken as they are: scale them \
             first if they differ much. Rows are joined by id; looked up once computed; test rows may be predicted, not fitted on.",
        )
        .source("scikit-learn's `LogisticRegression()`: L2, C = 1; used by Burns et al. 2023, appendix E.1")
        .param::<Frame>("features", "`id`, `x0`, `x1`, …, a label for each row, no test rows")
        .param::<Frame>("labels", "`id`, `p0`, `p1`, … and perhaps `weight`, as `label` and `truth` give them")
        .param::<Frame>("rows", "features of the rows that are predicted: `id`, `x0`, `x1`, …")
        .options::<LogisticOptions>()
        .returns("Frame: `id`, `p0`, …, `prediction`")
        .example(
            "let x = frame::of(#{ id: [\"a\", \"b\", \"c\", \"d\"], x0: [-2.0, -1.0, 1.0, 2.0] });\n\
             let labels = frame::of(#{ id: [\"a\", \"b\", \"c\", \"d\"], p0: [1.0, 1.0, 0.0, 0.0], p1: [0.0, 0.0, 1.0, 1.0] });\n\
             features::logistic(x, labels, frame::of(#{ id: [\"new\"], x0: [0.5] })).row(0).prediction",
            "1",
        )
        .fails(
            "let x = frame::of(#{ id: [\"a\", \"b\"], x0: [0.0, 1.0] });\n\
             features::logistic(x, frame::of(#{ id: [\"a\", \"b\"], p0: [1.0, 1.0], p1: [0.0, 0.0] }), x)",
            "logistic regression needs every class among its labels, and none of the 2 rows has class 1",
        )
        .fails(
            "let x = frame::of(#{ id: [\"a\"], x0: [0.0] });\n\
             features::logistic(x, frame::of(#{ id: [\"a\"], p0: [1.0], p1: [0.0] }), x, #{ c: 0.0 })",
            "`c` of `features::logistic` must be above 0, got `0`",
        )
}

fn run(call: &mut Call) -> Answer {
    let (features, labels, rows): (Frame, Frame, Frame) = (call.arg(0)?, call.arg(1)?, call.arg(2)?);
    let LogisticOptions { c } = call.options()?;
    if !(c > 0.0 && c.is_finite()) {
        return Err(Fault::new("train/option", format!("`c` of `features::logistic` must be above 0, got `{c}`")));
    }
    let classifier = Classifier::Logistic { c };
    let made = train::classify(&features, &labels, &rows, classifier, call.ctx())?;
    let digest = made.digest().to_hex();
    note_use(call, readings_of(&labels), &digest);
    Ok(Dynamic::from(made))
}
