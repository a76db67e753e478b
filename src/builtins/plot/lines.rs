//! `plot::lines`

use super::panels::{Columns, panels};
use crate::bind::prelude::*;
use crate::frames::Frame;
use crate::report::{self, Axis, Look, Plane};

crate::options! {
    /// Which columns are drawn, and how.
    pub struct LinesOptions {
        /// Column of numbers along the bottom.
        x: String = "x".to_owned(),
        /// Column of numbers upwards.
        y: String = "y".to_owned(),
        /// Column whose values name the lines; without it there is one line.
        by: Option<String> = None,
        /// Column whose values name panels beside one another, which share their axes.
        facet: Option<String> = None,
        /// Column of the band's lower edge.
        low: Option<String> = None,
        /// Column of the band's upper edge.
        high: Option<String> = None,
        /// Whether the x axis is logarithmic, as for model sizes.
        log_x: bool = false,
        /// Whether the y axis is logarithmic, as for losses.
        log_y: bool = false,
        /// Ends of the x axis, such as `[0, 100]`; without them, round numbers around the data.
        x_limits: Option<Vec<f64>> = None,
        /// Ends of the y axis.
        y_limits: Option<Vec<f64>> = None,
        /// What stands along the x axis; without it, the column's name.
        x_label: Option<String> = None,
        /// What stands along the y axis; without it, the column's name.
        y_label: Option<String> = None,
        /// The heading of the legend; without it, the name of the column `by`.
        legend: Option<String> = None,
        /// Names in the order in which they get their colours; others follow.
        order: Vec<String> = vec![],
        /// The heading; without it, the names of the columns.
        title: Option<String> = None,
    }
}

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
        .options::<LinesOptions>()
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
    let options: LinesOptions = call.options()?;
    let columns = Columns {
        x: &options.x,
        y: &options.y,
        low: options.low.as_deref(),
        high: options.high.as_deref(),
        by: options.by.as_deref(),
        facet: options.facet.as_deref(),
    };
    let mut facets = panels(&frame, &columns)?;
    for series in facets.iter_mut().flat_map(|facet| &mut facet.series) {
        series.points.sort_by(|a, b| a.x.total_cmp(&b.x));
    }
    let x_label = options.x_label.as_ref().unwrap_or(&options.x);
    let y_label = options.y_label.as_ref().unwrap_or(&options.y);
    let plane = Plane {
        look: Look::Lines,
        title: options.title.unwrap_or_else(|| format!("{} by {}", options.y, options.x)),
        x: Axis::new(x_label, options.log_x, options.x_limits.as_deref(), "x_limits")?,
        y: Axis::new(y_label, options.log_y, options.y_limits.as_deref(), "y_limits")?,
        names: Vec::new(),
        legend: options.legend.or(options.by).unwrap_or_default(),
        order: options.order,
        note: String::new(),
        facets,
    };
    Ok(Dynamic::from(report::plane(&plane)?))
}
