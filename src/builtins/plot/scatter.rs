//! `plot::scatter`

use super::panels::{Columns, panels};
use crate::bind::prelude::*;
use crate::frames::Frame;
use crate::report::{self, Axis, Look, Plane};

crate::options! {
    /// Which columns are drawn, and how.
    pub struct ScatterOptions {
        /// Column of numbers along the bottom.
        x: String = "x".to_owned(),
        /// Column of numbers upwards.
        y: String = "y".to_owned(),
        /// Column whose values name kinds of points, each with a colour and a shape.
        by: Option<String> = None,
        /// Column whose values name panels beside one another, which share their axes.
        facet: Option<String> = None,
        /// Column of the interval's lower end.
        low: Option<String> = None,
        /// Column of the interval's upper end.
        high: Option<String> = None,
        /// Whether the x axis is logarithmic.
        log_x: bool = false,
        /// Whether the y axis is logarithmic.
        log_y: bool = false,
        /// Ends of the x axis, such as `[0, 1]`; without them, round numbers around the data.
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
    Function::new("plot", "scatter", run)
        .about("Points: student accuracy against weak accuracy, confidence against loss.")
        .details(
            "One point per row; a null y is left out. From 200 points in a panel on they are small and let through what is behind \
             them, and their intervals are not drawn.",
        )
        .param::<Frame>("frame", "one row per point")
        .options::<ScatterOptions>()
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
    let options: ScatterOptions = call.options()?;
    let columns = Columns {
        x: &options.x,
        y: &options.y,
        low: options.low.as_deref(),
        high: options.high.as_deref(),
        by: options.by.as_deref(),
        facet: options.facet.as_deref(),
    };
    let x_label = options.x_label.as_ref().unwrap_or(&options.x);
    let y_label = options.y_label.as_ref().unwrap_or(&options.y);
    let plane = Plane {
        look: Look::Points,
        title: options.title.unwrap_or_else(|| format!("{} against {}", options.y, options.x)),
        x: Axis::new(x_label, options.log_x, options.x_limits.as_deref(), "x_limits")?,
        y: Axis::new(y_label, options.log_y, options.y_limits.as_deref(), "y_limits")?,
        names: Vec::new(),
        legend: options.legend.or(options.by.clone()).unwrap_or_default(),
        order: options.order,
        note: String::new(),
        facets: panels(&frame, &columns)?,
    };
    Ok(Dynamic::from(report::plane(&plane)?))
}
