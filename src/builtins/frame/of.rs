//! `frame::of`

use super::convert::to_column;
use crate::bind::describe;
use crate::bind::prelude::*;
use crate::frames::Frame;
use crate::stats::Estimate;

options! {
    /// How a frame is built.
    pub struct OfOptions {
        /// The order of the columns; an object map has none of its own. Columns that are not named come last, by name.
        columns: Vec<String> = vec![],
    }
}

/// The record.
pub fn function() -> Function {
    Function::new("frame", "of", run)
        .about("Builds a frame from columns, or from rows.")
        .details(
            "Columns: an object map of arrays of one length. Rows: an array of object maps; a key that a row lacks is \
             null. An object map is sorted by name, so columns come by name unless `columns` says their order. Integers beside floats become floats, `()` is null. An undefined `metric::pgr` is null, and its \
             reason stands in a further column: `reason`, or `NAME_reason` where several columns need one.",
        )
        .param_typed("values", "object map of array|array of object map", "the columns by name, or the rows")
        .options::<OfOptions>()
        .returns("Frame: the table")
        .example("frame::of(#{ name: [\"a\", \"b\"], score: [1, 0.5] }).column(\"score\")", "[1.0, 0.5]")
        .example(
            "frame::of([#{ name: \"a\", score: 0.5 }, #{ name: \"b\" }], #{ columns: [\"score\", \"name\"] }).row(1)",
            "#{name: \"b\", score: ()}",
        )
        .example(
            "frame::of(#{ pgr: [metric::pgr(0.5, 0.6, 0.7), metric::pgr(0.5, 0.6, 0.5)] }).columns",
            "[\"pgr\", \"reason\"]",
        )
        .fails("frame::of(#{ a: [1, 2], b: [1] })", "`b` has 1 rows, the others have 2")
        .fails("frame::of(#{ a: [1, \"x\"] })", "column `a` holds int and, in row 1, string: `\"x\"`")
}

fn run(call: &mut Call) -> Answer {
    let values: Dynamic = call.arg(0)?;
    let options: OfOptions = call.options()?;
    let columns = match values.as_map_ref() {
        Ok(map) => columns_of_map(&map)?,
        Err(_) => columns_of_rows(call, &values)?,
    };
    let mut held = Vec::new();
    for (name, items) in &columns {
        held.push(to_column(name, &plain(items))?);
    }
    for (name, ends) in bounds(&columns) {
        held.push(to_column(&name, &ends)?);
    }
    for (name, reasons) in reasons(&columns) {
        held.push(to_column(&name, &reasons)?);
    }
    let frame = Frame::from_columns(held)?;
    let mut names = options.columns.clone();
    names.extend(frame.columns().into_iter().filter(|name| !options.columns.contains(name)));
    let exprs: Vec<_> = names.into_iter().map(crate::frames::expr::Expr::column).collect();
    Ok(Dynamic::from(if options.columns.is_empty() { frame } else { frame.select(&exprs)? }))
}

fn columns_of_map(map: &Map) -> Result<Vec<(String, Array)>, Fault> {
    map.iter()
        .map(|(name, items)| match items.clone().into_array() {
            Ok(items) => Ok((name.to_string(), items)),
            Err(_) => {
                Err(Fault::new("frame/column", format!("column `{name}` must be an array, got {}", describe(items))))
            }
        })
        .collect()
}

fn columns_of_rows(call: &Call, rows: &Dynamic) -> Result<Vec<(String, Array)>, Fault> {
    let rows: Vec<Map> = Vec::<Map>::from_dynamic(rows).map_err(|why| call.misfit("`values`", &why))?;
    let mut names: Vec<String> = Vec::new();
    for row in &rows {
        names.extend(row.keys().map(|name| name.to_string()));
        names.sort();
        names.dedup();
    }
    let column =
        |name: &String| rows.iter().map(|row| row.get(name.as_str()).cloned().unwrap_or(Dynamic::UNIT)).collect();
    Ok(names.iter().map(|name| (name.clone(), column(name))).collect())
}

/// An estimate's number, or null.
fn plain(items: &[Dynamic]) -> Array {
    let number = |item: &Dynamic| match item.read_lock::<Estimate>() {
        Some(estimate) => estimate.value.map_or(Dynamic::UNIT, Dynamic::from),
        None => item.clone(),
    };
    items.iter().map(number).collect()
}

/// The ends of estimates' intervals, as further columns `NAME_low` and `NAME_high`, where no column has such a name.
fn bounds(columns: &[(String, Array)]) -> Vec<(String, Array)> {
    let is_taken = |name: &str| columns.iter().any(|(known, _)| known == name);
    let ends_of = |item: &Dynamic| item.read_lock::<Estimate>().and_then(|estimate| estimate.bounds);
    let mut made = Vec::new();
    for (name, items) in columns.iter().filter(|(_, items)| items.iter().any(|item| ends_of(item).is_some())) {
        let (low, high) = (format!("{name}_low"), format!("{name}_high"));
        if is_taken(&low) || is_taken(&high) {
            continue;
        }
        let column = |end: fn((f64, f64)) -> f64| -> Array {
            items.iter().map(|item| ends_of(item).map_or(Dynamic::UNIT, |ends| Dynamic::from(end(ends)))).collect()
        };
        made.push((low, column(|ends| ends.0)));
        made.push((high, column(|ends| ends.1)));
    }
    made
}

/// Why estimates are null, as further columns: `reason` for the first that needs one, `NAME_reason` for others and where
/// the name is taken.
fn reasons(columns: &[(String, Array)]) -> Vec<(String, Array)> {
    let mut made: Vec<(String, Array)> = Vec::new();
    for (name, items) in columns {
        let mut is_needed = false;
        let why: Array = items
            .iter()
            .map(|item| match item.read_lock::<Estimate>() {
                Some(estimate) if !estimate.is_defined() => {
                    is_needed = true;
                    estimate.reason.clone().map_or(Dynamic::UNIT, Dynamic::from)
                }
                _ => Dynamic::UNIT,
            })
            .collect();
        if is_needed {
            let taken = !made.is_empty() || columns.iter().any(|(known, _)| known == "reason");
            made.push((if taken { format!("{name}_reason") } else { "reason".to_owned() }, why));
        }
    }
    made
}
