//! `plot::heatmap`

use crate::bind::prelude::*;
use crate::frames::Frame;
use crate::report::{self, Cell, HeatMap, columns};

crate::options! {
    /// Which columns are drawn.
    pub struct HeatMapOptions {
        /// Column whose values name the columns of cells.
        x: String = "strong".to_owned(),
        /// Column whose values name the rows of cells.
        y: String = "weak".to_owned(),
        /// Column of numbers: one per cell.
        value: String = "pgr".to_owned(),
        /// The heading; without it, the names of the columns.
        title: Option<String> = None,
    }
}

/// The record.
pub fn function() -> Function {
    Function::new("plot", "heatmap", run)
        .about("A heat map with its numbers in the cells: a sweep's PGR by weak and strong model.")
        .details(
            "One row of the frame per cell; rows and columns stand in the order of first appearance. Values of both signs get a \
             scale that is white at zero. Where the frame has them, columns `VALUE_low` and `VALUE_high` are written under the \
             number; where there is no room, a ring marks an interval that holds zero. A null value is a grey cell with a stroke, a \
             number whose interval has no end a pale one; a pair that no row names stays empty.",
        )
        .param::<Frame>("frame", "one row per cell")
        .options::<HeatMapOptions>()
        .returns("Figure: the drawing")
        .example(
            "let cells = frame::of([#{ weak: \"a\", strong: \"b\", pgr: 0.3 }, #{ weak: \"a\", strong: \"c\", pgr: 0.2 }]);\n\
             plot::heatmap(cells, #{ x: \"strong\", y: \"weak\", value: \"pgr\" })",
            "",
        )
        .fails(
            "let cell = #{ weak: \"a\", strong: \"b\", pgr: 0.3 };\nplot::heatmap(frame::of([cell, cell]))",
            "two rows have strong `b` and weak `a`",
        )
}

fn run(call: &mut Call) -> Answer {
    let frame: Frame = call.arg(0)?;
    let options: HeatMapOptions = call.options()?;
    let (x, y) = (columns::texts(&frame, &options.x)?, columns::texts(&frame, &options.y)?);
    let values = columns::numbers(&frame, &options.value)?;
    let low = columns::numbers_or_nan(&frame, &format!("{}_low", options.value))?;
    let high = columns::numbers_or_nan(&frame, &format!("{}_high", options.value))?;
    let cells = x
        .into_iter()
        .zip(y)
        .zip(values.into_iter().zip(low.into_iter().zip(high)))
        .map(|((x, y), (value, (low, high)))| Cell { x, y, value, low, high })
        .collect();
    let title =
        options.title.clone().unwrap_or_else(|| format!("{} by {} and {}", options.value, options.y, options.x));
    let map = HeatMap { title, x_label: options.x, y_label: options.y, value_label: options.value, cells };
    Ok(Dynamic::from(report::heat_map(&map)?))
}
