//! `features::overlap`

use crate::bind::prelude::*;
use crate::builtins::data::{note_use, readings_of};
use crate::choices;
use crate::frames::Frame;
use crate::train::{self, Similarity};

choices!(Similarity);

options! {
    /// Options of `features::overlap`.
    pub struct OverlapOptions {
        /// "cosine", "absolute_cosine" or "inner" (the inner product); left out, "cosine".
        similarity: Option<Similarity> = None,
    }
}

/// The record.
pub fn function() -> Function {
    Function::new("features", "overlap", run)
        .about("Which rows hold what a weak model knows, what only a strong one can use, or both: overlap detection, without truth.")
        .details(
            "`confidence` is 2·|p1 − ½| of the weak label. Where the sorted confidences fall into two groups (`metric::change_point`), the \
             lower ones are \"hard-only\". Every other row's `score` is its largest similarity to a hard-only row, in the strong model's features; \
             where these fall into two groups the higher ones are \"overlapping\", the lower ones \"easy-only\". The share of overlapping rows is \
             the detected overlap density. A value at the cut belongs to the higher group. Of the authors' two scripts one takes the size of the cosine \
             and one the inner product: both are here by name, beside the cosine itself.",
        )
        .source("Shin et al. 2024, arXiv 2412.03881")
        .param::<Frame>("features", "`id`, `x0`, `x1`, … of the strong model")
        .param::<Frame>("labels", "`id`, `p0`, `p1`: the weak labels of these rows")
        .options::<OverlapOptions>()
        .returns("Frame: `id`, `confidence`, `score`, `pattern`")
        .example(
            "let ids = [\"a\", \"b\", \"c\", \"d\"];\n\
             let x = frame::of(#{ id: ids, x0: [1.0, 1.0, 1.0, 0.0], x1: [0.0, 0.0, 1.0, 1.0] });\n\
             let labels = frame::of(#{ id: ids, p0: [0.5, 0.5, 0.125, 0.125], p1: [0.5, 0.5, 0.875, 0.875] });\n\
             features::overlap(x, labels).column(\"pattern\")",
            "[\"hard-only\", \"hard-only\", \"overlapping\", \"easy-only\"]",
        )
        .fails(
            "let x = frame::of(#{ id: [\"a\", \"b\"], x0: [1.0, 0.0] });\n\
             features::overlap(x, frame::of(#{ id: [\"a\", \"b\"], p0: [0.5, 0.5], p1: [0.5, 0.5] }))",
            "overlap is undefined: the weak labels are equally sure of every row",
        )
}

fn run(call: &mut Call) -> Answer {
    let (features, labels): (Frame, Frame) = (call.arg(0)?, call.arg(1)?);
    let OverlapOptions { similarity } = call.options()?;
    let made = train::overlap(&features, &labels, similarity.unwrap_or(Similarity::Cosine), call.ctx())?;
    let digest = made.digest().to_hex();
    note_use(call, readings_of(&labels), &digest);
    Ok(Dynamic::from(made))
}
