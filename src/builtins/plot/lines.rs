//! `plot::lines`

use super::panels::{SeriesOptions, panels};
use crate::bind::prelude::*;
use crate::frames::Frame;
use crate::report::Look;

/// The record.
pub fn function() -> Function {
    Function::new("plot", "lines", run)
        .about("Lines with bands, in one panel or several: accuracy by step, PGR by student size.")
        .details(
            "Points are sorted by x within a line; a null y interrupts its line. Lines stand in the order in which `by` first names \
             them. Whole numbers, such as rounds or hops, get ticks at whole numbers alone. What lies beyond the limits is cut off. A \
             name has the same colour in every figure; bands of a column that ends in `accuracy` end at 0 and 1.",
        )
        .param::<Frame>("frame", "one row per point")
        .options::<SeriesOptions>()
        .returns("Figure: the drawing")
        .example(
            "let curve = frame::of([#{ step: 0, accuracy: 0.5 }, #{ step: 10, accuracy: 0.7 }, #{ step: 20, accuracy: 0.8 }]);\n\
             plot::lines(curve, #{ x: \"step\", y: \"accuracy\" })",
            "",
        )
        .example(
            "let rows = [];\n\
             for task in [\"era\", \"verdict\"] { for size in [1000, 10000, 100000] { rows.push(#{ task: task, size: size, loss: 100.0 / size }); } }\n\
             plot::lines(frame::of(rows), #{ x: \"size\", y: \"loss\", facet: \"task\", log_x: true, log_y: true, x_label: \"parameters\" })",
            "",
        )
        .fails("plot::lines(frame::of([#{ step: 0 }]), #{ x: \"step\", y: \"loss\" })", "the frame has no column `loss`")
        .fails(
            "plot::lines(frame::of([#{ x: 1, y: 0.5 }]), #{ y_limits: [1, 0] })",
            "`y_limits` must be two numbers, the lower one first",
        )
}

fn run(call: &mut Call) -> Answer {
    let frame: Frame = call.arg(0)?;
    let options: SeriesOptions = call.options()?;
    let mut facets = panels(&frame, &options.columns())?;
    for series in facets.iter_mut().flat_map(|facet| &mut facet.series) {
        series.points.sort_by(|a, b| a.x.total_cmp(&b.x));
    }
    options.draw(Look::Lines, "by", facets)
}
