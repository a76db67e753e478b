//! `Expr.qcut`

use crate::bind::prelude::*;
use crate::frames::expr::{Edges, Expr};

options! {
    /// What classes are called, and what becomes of edges that coincide.
    pub struct QcutOptions {
        /// A name for each class; without it names such as `(0, 0.5]`.
        labels: Option<Vec<String>> = None,
        /// A value at an edge belongs to the class above it.
        left_closed: bool = false,
        /// Edges that coincide, because many values are equal, make one class less; otherwise they are refused.
        allow_duplicates: bool = false,
    }
}

/// The record.
pub fn function() -> Function {
    Function::method::<Expr>("qcut", run)
        .about("The bin that a value falls into, with edges at quantiles of the values.")
        .details("A number of classes of about one size, or the quantiles themselves. Null and NaN are in no class: null.")
        .source("polars; text here, a category there")
        .param_typed("quantiles", "integer|array of float", "how many classes, or shares between 0 and 1 that rise")
        .options::<QcutOptions>()
        .returns("Expr: one text per row")
        .example(
            "frame::of(#{ x: [1, 2, 3, 4] }).select(col(\"x\").qcut(2, #{ labels: [\"low\", \"high\"] })).column(\"x\")",
            "[\"low\", \"low\", \"high\", \"high\"]",
        )
        .fails("col(\"x\").qcut([0.5, 1.5])", "a quantile of `qcut` is between 0 and 1, not `1.5`")
        .fails("col(\"x\").qcut(1)", "`qcut` makes 2 classes or more")
}

fn run(call: &mut Call) -> Answer {
    let QcutOptions { labels, left_closed, allow_duplicates } = call.options()?;
    let given: Dynamic = call.arg(0)?;
    let at: Vec<f64> = match given.as_int() {
        Ok(n @ 2..=10_000) => (1..n).map(|class| class as f64 / n as f64).collect(),
        Ok(n) => {
            return Err(Fault::new(
                "frame/expression",
                format!("`qcut` makes 2 classes or more, at most 10000, not {n}"),
            ));
        }
        Err(_) => call.arg(0)?,
    };
    let edges = Edges { at, labels, left_closed };
    Ok(Dynamic::from(call.receiver::<Expr>()?.qcut(edges, allow_duplicates)?))
}
