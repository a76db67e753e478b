//! `Frame.pivot`

use super::convert::Names;
use crate::bind::prelude::*;
use crate::frames::Frame;
use crate::frames::expr::Aggregate;

options! {
    /// What stays, what is spread, and how several values become one.
    pub struct PivotOptions {
        /// The columns that a row of the result stands for; all others without it.
        index: Option<Names> = None,
        /// The columns whose values are spread; all others without it.
        values: Option<Names> = None,
        /// `first`, `last`, `min`, `max`, `sum`, `mean`, `median` or `len` of the values of a cell; without it a cell has one.
        aggregate: Option<String> = None,
    }
}

/// The record.
pub fn function() -> Function {
    Function::method::<Frame>("pivot", run)
        .about("From long to wide: a column for each value of the column `on`.")
        .details(
            "Rows and columns come as they first appear; a cell without a value is null. One of `index` and `values` is \
             given. Several columns of `values` make names such as `accuracy_weak`.",
        )
        .source("polars, with `maintain_order=True`")
        .param::<String>("on", "the column whose values become columns")
        .options::<PivotOptions>()
        .returns("Frame: one row per combination in `index`")
        .example(
            "let long = frame::of(#{ seed: [0, 0, 1, 1], model: [\"weak\", \"strong\", \"weak\", \"strong\"], accuracy: [0.6, 0.8, 0.7, 0.9] });\n\
             long.pivot(\"model\", #{ index: \"seed\" }).row(1)",
            "#{seed: 1, strong: 0.9, weak: 0.7}",
        )
        .fails(
            "frame::of(#{ s: [0, 0], m: [\"a\", \"a\"], x: [1, 2] }).pivot(\"m\", #{ index: \"s\" })",
            "`pivot` has two values for one cell, in rows 0 and 1",
        )
        .fails("frame::of(#{ s: [0], m: [1] }).pivot(\"m\")", "`pivot` needs `index` or `values`")
}

fn run(call: &mut Call) -> Answer {
    let frame: Frame = call.receiver()?;
    let options: PivotOptions = call.options()?;
    let aggregate = options.aggregate.as_deref().map(named).transpose()?;
    let (index, values) = (options.index.unwrap_or_default().0, options.values.unwrap_or_default().0);
    Ok(Dynamic::from(frame.pivot(&call.arg::<String>(0)?, &index, &values, aggregate)?))
}

fn named(name: &str) -> Result<Aggregate, Fault> {
    Ok(match name {
        "first" => Aggregate::First,
        "last" => Aggregate::Last,
        "min" => Aggregate::Min,
        "max" => Aggregate::Max,
        "sum" => Aggregate::Sum,
        "mean" => Aggregate::Mean,
        "median" => Aggregate::Median,
        "len" => Aggregate::Len,
        other => {
            return Err(Fault::new("frame/pivot", format!("`pivot` has no aggregate `{other}`"))
                .hint("aggregates: first, last, min, max, sum, mean, median, len"));
        }
    })
}
