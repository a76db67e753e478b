//! `plot::lines`

use crate::bind::prelude::*;
use crate::frames::Frame;
use crate::report::{self, Lines, Point, ReportError, Series, columns};

crate::options! {
    /// Which columns are drawn.
    pub struct LinesOptions {
        /// Column of numbers along the bottom.
        x: String = "x".to_owned(),
        /// Column of numbers upwards.
        y: String = "y".to_owned(),
        /// Column whose values name the lines; without it there is one line.
        by: Option<String> = None,
        /// Column of the band's lower edge.
        low: Option<String> = None,
        /// Column of the band's upper edge.
        high: Option<String> = None,
        /// Whether the x axis is logarithmic, as for model sizes.
        log_x: bool = false,
        /// The heading; without it, the names of the columns.
        title: Option<String> = None,
    }
}

/// The record.
pub fn function() -> Function {
    Function::new("plot", "lines", run)
        .about("Lines with bands: accuracy by step, PGR by student size.")
        .details(
            "Points are sorted by x within a line; a null y interrupts its line. Lines stand in the order in which `by` first names them.",
        )
        .param::<Frame>("frame", "one row per point")
        .options::<LinesOptions>()
        .returns("Figure: the drawing")
        .example(
            "let curve = frame::of([#{ step: 0, accuracy: 0.5 }, #{ step: 10, accuracy: 0.7 }, #{ step: 20, accuracy: 0.8 }]);\n\
             plot::lines(curve, #{ x: \"step\", y: \"accuracy\" })",
            "",
        )
        .fails("plot::lines(frame::of([#{ step: 0 }]), #{ x: \"step\", y: \"loss\" })", "the frame has no column `loss`")
}

fn run(call: &mut Call) -> Answer {
    let frame: Frame = call.arg(0)?;
    let options: LinesOptions = call.options()?;
    let x = columns::numbers(&frame, &options.x)?;
    let y = columns::numbers(&frame, &options.y)?;
    let band = |name: &Option<String>| match name {
        Some(name) => columns::numbers(&frame, name),
        None => Ok(vec![f64::NAN; x.len()]),
    };
    let (low, high) = (band(&options.low)?, band(&options.high)?);
    let names = match &options.by {
        Some(by) => columns::texts(&frame, by)?,
        None => vec![String::new(); x.len()],
    };
    if let Some(row) = x.iter().position(|x| !x.is_finite()) {
        return Err(ReportError::Missing { row, what: "finite x" }.into());
    }
    let mut series: Vec<Series> = Vec::new();
    let mut place = std::collections::BTreeMap::new();
    for ((name, (x, y)), (low, high)) in names.iter().zip(x.iter().zip(&y)).zip(low.iter().zip(&high)) {
        let idx = *place.entry(name.as_str()).or_insert_with(|| {
            series.push(Series { name: name.clone(), points: Vec::new() });
            series.len() - 1
        });
        if let Some(series) = series.get_mut(idx) {
            series.points.push(Point { x: *x, y: *y, low: *low, high: *high });
        }
    }
    for series in &mut series {
        series.points.sort_by(|a, b| a.x.total_cmp(&b.x));
    }
    let title = options.title.clone().unwrap_or_else(|| format!("{} by {}", options.y, options.x));
    let figure = Lines { title, x_label: options.x, y_label: options.y, log_x: options.log_x, series };
    Ok(Dynamic::from(report::lines(&figure)?))
}
