//! `features::knn`

use crate::bind::prelude::*;
use crate::builtins::data::{note_use, readings_of};
use crate::choices;
use crate::frames::Frame;
use crate::train::{self, Classifier, Distance};

choices!(Distance);

options! {
    /// Options of `features::knn`.
    pub struct KnnOptions {
        /// How many neighbours.
        k: usize = 5,
        /// "euclidean" or "cosine" (1 − the cosine of the angle); left out, "euclidean".
        distance: Option<Distance> = None,
        /// Whether a row that is among the labelled ones is left out of its own neighbours.
        leave_one_out: bool = false,
    }
}

/// The record.
pub fn function() -> Function {
    Function::new("features", "knn", run)
        .about("Nearest neighbours: each row gets the mean label of the `k` labelled rows whose features are nearest.")
        .details(
            "Exact: every distance is computed, and of equal ones the earlier row counts. Labels may be probabilities; a column \
             `weight` weighs the mean, and rows of weight 0 are not neighbours. Rows are joined by id. With `leave_one_out: true` the weak labels of \
             rows are replaced by those of their neighbours. Looked up once computed; test rows may be predicted, not fitted on.",
        )
        .source("Fix and Hodges 1951; scikit-learn's `KNeighborsClassifier`, with its defaults")
        .param::<Frame>("features", "`id`, `x0`, `x1`, …, a label for each row, no test rows")
        .param::<Frame>("labels", "`id`, `p0`, `p1`, … and perhaps `weight`, as `label` and `truth` give them")
        .param::<Frame>("rows", "features of the rows that are predicted: `id`, `x0`, `x1`, …")
        .options::<KnnOptions>()
        .returns("Frame: `id`, `p0`, …, `prediction`")
        .example(
            "let x = frame::of(#{ id: [\"a\", \"b\", \"c\"], x0: [0.0, 1.0, 5.0] });\n\
             let labels = frame::of(#{ id: [\"a\", \"b\", \"c\"], p0: [1.0, 0.5, 0.0], p1: [0.0, 0.5, 1.0] });\n\
             features::knn(x, labels, frame::of(#{ id: [\"new\"], x0: [0.25] }), #{ k: 2 }).row(0).p1",
            "0.25",
        )
        .example(
            "let x = frame::of(#{ id: [\"a\", \"b\", \"c\"], x0: [0.0, 1.0, 5.0] });\n\
             let labels = frame::of(#{ id: [\"a\", \"b\", \"c\"], p0: [1.0, 0.5, 0.0], p1: [0.0, 0.5, 1.0] });\n\
             features::knn(x, labels, x, #{ k: 1, leave_one_out: true }).column(\"p1\")",
            "[0.5, 0.0, 0.5]",
        )
        .fails(
            "let x = frame::of(#{ id: [\"a\"], x0: [0.0] });\n\
             features::knn(x, frame::of(#{ id: [\"a\"], p0: [1.0], p1: [0.0] }), x, #{ k: 2 })",
            "`k` must be from 1 to 1, the labelled rows, got `2`",
        )
        .fails(
            "let labels = frame::of(#{ id: [\"a\"], p0: [1.0], p1: [0.0] });\nfeatures::knn(labels, labels, labels)",
            "`features` has no features: the columns `x0`, `x1`, … are missing",
        )
}

fn run(call: &mut Call) -> Answer {
    let (features, labels, rows): (Frame, Frame, Frame) = (call.arg(0)?, call.arg(1)?, call.arg(2)?);
    let KnnOptions { k, distance, leave_one_out } = call.options()?;
    let distance = distance.unwrap_or(Distance::Euclidean);
    let classifier = Classifier::Knn { k: k.max(1), distance, leave_one_out };
    if k == 0 {
        return Err(Fault::new("train/option", "`k` of `features::knn` must be at least 1, got `0`"));
    }
    let made = train::classify(&features, &labels, &rows, classifier, call.ctx())?;
    let digest = made.digest().to_hex();
    note_use(call, readings_of(&labels), &digest);
    Ok(Dynamic::from(made))
}
