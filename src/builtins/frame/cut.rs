//! `Expr.cut`

use crate::bind::prelude::*;
use crate::frames::expr::{Edges, Expr};

options! {
    /// What classes are called, and where a value at an edge belongs.
    pub struct CutOptions {
        /// One name more than there are edges; without it names such as `(0, 0.5]`.
        labels: Option<Vec<String>> = None,
        /// A value at an edge belongs to the class above it.
        left_closed: bool = false,
    }
}

/// The record.
pub fn function() -> Function {
    Function::method::<Expr>("cut", |call| {
        let CutOptions { labels, left_closed } = call.options()?;
        let edges = Edges { at: call.arg(0)?, labels, left_closed };
        Ok(Dynamic::from(call.receiver::<Expr>()?.cut(edges)?))
    })
    .about("The bin that a value falls into, as text.")
    .details("Null and NaN are in no class: null.")
    .source("polars; text here, a category there")
    .param::<Vec<f64>>("edges", "numbers that rise; a class ends at each")
    .options::<CutOptions>()
    .returns("Expr: as many texts")
    .example(
        "frame::of(#{ p1: [0.1, 0.5, 0.9] }).select(col(\"p1\").cut([0.5], #{ labels: [\"low\", \"high\"] })).column(\"p1\")",
        "[\"low\", \"low\", \"high\"]",
    )
    .example("frame::of(#{ p1: [0.1, 0.9] }).select(col(\"p1\").cut([0.5])).column(\"p1\")", "[\"(-inf, 0.5]\", \"(0.5, inf]\"]")
    .fails("col(\"p1\").cut([0.5, 0.25])", "the edges of `cut` must be finite and rise")
    .fails("col(\"p1\").cut([0.5], #{ labels: [\"low\"] })", "`cut` makes 2 classes and has 1 labels")
}
