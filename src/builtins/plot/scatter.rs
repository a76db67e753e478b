//! `plot::scatter`

use super::panels::{SeriesOptions, panels};
use crate::bind::prelude::*;
use crate::frames::Frame;
use crate::report::Look;

/// The record.
pub fn function() -> Function {
    Function::new("plot", "scatter", run)
        .about("Points: student accuracy against weak accuracy, confidence against loss.")
        .details(
            "One point per row; a null y is left out. From 200 points in a panel on they are small and let through what is behind \
             them, and their intervals are not drawn.",
        )
        .param::<Frame>("frame", "one row per point")
        .options::<SeriesOptions>()
        .returns("Figure: the drawing")
        .example(
            "let runs = frame::of([#{ weak: 0.61, student: 0.7, method: \"naive\" }, #{ weak: 0.61, student: 0.74, method: \"confidence\" }]);\n\
             plot::scatter(runs, #{ x: \"weak\", y: \"student\", by: \"method\", x_limits: [0.5, 1], y_limits: [0.5, 1] })",
            "",
        )
        .fails(
            "plot::scatter(frame::of([#{ x: \"a\", y: 1 }]))",
            "column `x` must hold numbers",
        )
        .fails(
            "plot::scatter(frame::of([#{ x: 0, y: 1 }]), #{ log_x: true })",
            "`x` must be positive on a logarithmic axis, got `0`",
        )
}

fn run(call: &mut Call) -> Answer {
    let frame: Frame = call.arg(0)?;
    let options: SeriesOptions = call.options()?;
    let facets = panels(&frame, &options.columns())?;
    options.draw(Look::Points, "against", facets)
}
