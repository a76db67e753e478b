//! `plot::bar`

use super::panels::{Columns, PlaneOptions, named_panels};
use crate::bind::prelude::*;
use crate::frames::Frame;
use crate::report::Look;

crate::options! {
    /// Which columns are drawn, and how.
    pub struct BarOptions {
        /// Column whose values name the places along the bottom.
        x: String = "method".to_owned(),
        /// Column of numbers: the bars' lengths.
        y: String = "y".to_owned(),
        /// Column whose values name bars beside one another in each place.
        by: Option<String> = None,
        /// Column whose values name panels beside one another, which share their axes.
        facet: Option<String> = None,
        /// Column of the interval's lower end; without it, the column `Y_low` where there is one.
        low: Option<String> = None,
        /// Column of the interval's upper end; without it, the column `Y_high` where there is one.
        high: Option<String> = None,
    }
    with plane: PlaneOptions
}

/// The record.
pub fn function() -> Function {
    Function::new("plot", "bar", run)
        .about("Bars with their intervals: accuracy by method.")
        .details(
            "One row of the frame per bar; places stand in the order of first appearance. Bars begin at 0, so that their lengths can be \
             compared; a null is a dash. Where intervals are what matters, `plot::pgr` and `plot::accuracy` show them better.",
        )
        .param::<Frame>("frame", "one row per bar")
        .options::<BarOptions>()
        .returns("Figure: the drawing")
        .example(
            "let table = frame::of([#{ method: \"naive\", accuracy: 0.7, accuracy_low: 0.66, accuracy_high: 0.74 },\n    \
             #{ method: \"confidence\", accuracy: 0.75, accuracy_low: 0.7, accuracy_high: 0.8 }]);\n\
             plot::bar(table, #{ y: \"accuracy\", y_limits: [0, 1] })",
            "",
        )
        .fails(
            "let one = #{ method: \"naive\", y: 0.7 };\nplot::bar(frame::of([one, one]))",
            "two rows give the same bar: method `naive`",
        )
}

fn run(call: &mut Call) -> Answer {
    let frame: Frame = call.arg(0)?;
    let options: BarOptions = call.options()?;
    let columns = Columns {
        x: &options.x,
        y: &options.y,
        low: options.low.as_deref(),
        high: options.high.as_deref(),
        by: options.by.as_deref(),
        facet: options.facet.as_deref(),
    };
    let (facets, names) = named_panels(&frame, &columns)?;
    let x = options.plane.x_axis(&options.x, false, None)?;
    let y = options.plane.y_axis(&options.y, false)?;
    let title = format!("{} by {}", options.y, options.x);
    options.plane.draw(Look::Bars, [x, y], (title, options.by), (facets, names))
}
