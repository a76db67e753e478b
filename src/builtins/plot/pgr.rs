//! `plot::pgr`

use super::TitleOptions;
use crate::bind::prelude::*;
use crate::frames::Frame;
use crate::report::{self, PgrRow, columns};

/// The record.
pub fn function() -> Function {
    Function::new("plot", "pgr", run)
        .about("Performance gap recovered as points with interval bars: a line per method, grouped by gap.")
        .details(
            "Reads the columns that `w2s::compare` makes: `method`, `weak`, `strong`, `pgr`, and where they are there `pgr_low`, \
             `pgr_high`, `reason`, `task`, `gap`, `n_seeds`. Dashed lines stand at 0 (the weak supervisor) and 1 (the ceiling). A \
             null `pgr` is shown as undefined with its reason; an interval that goes on beyond the axis ends in an arrow, and one \
             without an end makes its mark hollow. A star stands at a number that `reason` calls confounded. A method has the same colour in every figure.",
        )
        .param::<Frame>("table", "a comparison, such as `w2s::compare([…])`")
        .options::<TitleOptions>()
        .returns("Figure: the drawing")
        .example(
            "let table = frame::of([#{ method: \"naive\", weak: \"small\", strong: \"large\", pgr: 0.43, pgr_low: 0.2, pgr_high: 0.6 }]);\n\
             plot::pgr(table)",
            "",
        )
        .fails("plot::pgr(frame::of([#{ method: \"naive\" }]))", "the frame has no column `weak`")
}

fn run(call: &mut Call) -> Answer {
    let table: Frame = call.arg(0)?;
    let options: TitleOptions = call.options()?;
    let methods = columns::texts(&table, "method")?;
    let gaps = super::gaps(&table)?;
    let pgr = columns::numbers(&table, "pgr")?;
    let low = columns::numbers_or_nan(&table, "pgr_low")?;
    let high = columns::numbers_or_nan(&table, "pgr_high")?;
    let reasons =
        if columns::has(&table, "reason") { columns::texts(&table, "reason")? } else { vec![String::new(); pgr.len()] };
    let rows: Vec<PgrRow> = methods
        .into_iter()
        .zip(gaps)
        .zip(pgr.into_iter().zip(low.into_iter().zip(high)))
        .zip(reasons)
        .map(|(((method, gap), (pgr, (low, high))), reason)| PgrRow { method, gap, pgr, low, high, reason })
        .collect();
    let title = options.title.unwrap_or_else(|| "Performance gap recovered".to_owned());
    let note = super::note(&table, "intervals (Fieller)")?;
    Ok(Dynamic::from(report::pgr(&rows, &title, &note, &options.order)?))
}
