//! `plot::accuracy`

use super::TitleOptions;
use crate::bind::prelude::*;
use crate::frames::Frame;
use crate::report::{self, AccuracyRow, columns};

/// The record.
pub fn function() -> Function {
    Function::new("plot", "accuracy", run)
        .about("Accuracies of weak supervisor, student and ceiling with interval bars: a line per method, grouped by gap.")
        .details(
            "Reads the columns that `w2s::compare` makes: `method`, `weak`, `strong`, `weak_accuracy`, `student_accuracy`, \
             `ceiling_accuracy`, and where they are there `metric` (what these columns hold), `weak_accuracy_low`, `weak_accuracy_high` and so on, `task`, `gap`, `n_seeds`. The \
             student has the colour of its method, as in every figure; supervisor and ceiling are grey. Intervals end at 0 and 1.",
        )
        .param::<Frame>("table", "a comparison, such as `w2s::compare([…])`")
        .options::<TitleOptions>()
        .returns("Figure: the drawing")
        .example(
            "let table = frame::of([#{ method: \"naive\", weak: \"small\", strong: \"large\",\n    \
             weak_accuracy: 0.65, student_accuracy: 0.78, ceiling_accuracy: 0.95 }]);\n\
             plot::accuracy(table, #{ title: \"One pair\" })",
            "",
        )
        .fails("plot::accuracy(1)", "`table` of `plot::accuracy` must be a Frame, got an integer `1`")
}

fn run(call: &mut Call) -> Answer {
    let table: Frame = call.arg(0)?;
    let options: TitleOptions = call.options()?;
    let methods = columns::texts(&table, "method")?;
    let gaps = super::gaps(&table)?;
    let interval = |role: &str| -> Result<Vec<(f64, f64, f64)>, Fault> {
        let mean = columns::numbers(&table, &format!("{role}_accuracy"))?;
        let low = columns::numbers_or_nan(&table, &format!("{role}_accuracy_low"))?;
        let high = columns::numbers_or_nan(&table, &format!("{role}_accuracy_high"))?;
        Ok(mean.into_iter().zip(low).zip(high).map(|((mean, low), high)| (mean, low, high)).collect())
    };
    let rows: Vec<AccuracyRow> = methods
        .into_iter()
        .zip(gaps)
        .zip(interval("weak")?.into_iter().zip(interval("student")?).zip(interval("ceiling")?))
        .map(|((method, gap), ((weak, student), ceiling))| AccuracyRow { method, gap, weak, student, ceiling })
        .collect();
    let title = options.title.unwrap_or_else(|| "Accuracy of supervisor, student and ceiling".to_owned());
    let note = super::note(&table, "intervals (Student's t)")?;
    let metric = metric(&table)?;
    Ok(Dynamic::from(report::accuracy(&rows, &title, &metric, &note, &options.order)?))
}

/// What the table says that its numbers are.
fn metric(table: &Frame) -> Result<String, Fault> {
    let named = if columns::has(table, "metric") { columns::texts(table, "metric")? } else { Vec::new() };
    let mut names = named;
    names.dedup();
    Ok(if names.is_empty() { "accuracy".to_owned() } else { names.join(", ") })
}
