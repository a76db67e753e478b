//! A frame on the page: numbers rounded, an interval under its number, infinities and nulls in words.

use super::super::{axis, interval};
use crate::frames::Frame;
use maud::{Markup, html};
use polars::prelude::{AnyValue, Column, DataFrame};

/// The most rows of a table on the page (arbitrary); its files hold all of them.
pub const MAX_TABLE_ROWS: usize = 200;

/// From this many characters on, a text goes over several lines.
const LONG: usize = 36;

/// From this many characters on, a text keeps to some lines and scrolls: about seven lines.
const PAGES: usize = 350;

/// The first [`MAX_TABLE_ROWS`] rows. `x`, `x_low` and `x_high` become one column.
pub fn table(frame: &Frame) -> Markup {
    let table = frame.table();
    let columns = shown(table);
    html! {
        div.wide { table {
            thead { tr { @for shown in &columns { th.n[shown.is_number()] { (name(shown.column.name())) } } } }
            tbody { @for row in 0..table.height().min(MAX_TABLE_ROWS) {
                tr { @for shown in &columns { (shown.cell(row)) } }
            } }
        } }
        @if table.height() > MAX_TABLE_ROWS {
            p.note { (MAX_TABLE_ROWS) " of " (table.height()) " rows; the files hold all." }
        }
    }
}

/// A column's name, which may go over lines after its underscores.
fn name(name: &str) -> Markup {
    html! { @for (idx, word) in name.split('_').enumerate() { @if idx > 0 { "_" wbr; } (word) } }
}

/// A column and, where the table has them, the ends of its interval.
struct Shown<'a> {
    column: &'a Column,
    ends: Option<(&'a Column, &'a Column)>,
}

impl Shown<'_> {
    fn is_number(&self) -> bool {
        self.column.dtype().is_primitive_numeric()
    }

    fn cell(&self, row: usize) -> Markup {
        let value = cell(self.column, row);
        let ends = self.ends.and_then(|(low, high)| Some((number(low, row)?, number(high, row)?)));
        let is_long = !self.is_number() && value.as_ref().is_some_and(|text| text.chars().count() > LONG);
        html! {
            td.n[self.is_number()].long[is_long] {
                @match &value {
                    // A text of pages scrolls in its cell.
                    Some(value) if is_long && value.chars().count() > PAGES => div { (value) },
                    Some(value) => {
                        (value)
                        @if let Some((low, high)) = ends { small { (interval(low, high, decimal)) } }
                    }
                    // A quantity with an interval has a reason why it is not there.
                    None if self.ends.is_some() => span.note { "undefined" },
                    None => "–",
                }
            }
        }
    }
}

/// The columns to show: those that are an interval's end stand with the column that they belong to.
fn shown(table: &DataFrame) -> Vec<Shown<'_>> {
    let find = |name: String| table.column(&name).ok().filter(|column| column.dtype().is_primitive_numeric());
    let ends = |column: &Column| find(format!("{}_low", column.name())).zip(find(format!("{}_high", column.name())));
    let is_end = |column: &Column| {
        let name = column.name().as_str();
        let stem = name.strip_suffix("_low").or_else(|| name.strip_suffix("_high"));
        stem.and_then(|stem| table.column(stem).ok()).is_some_and(|whole| ends(whole).is_some())
    };
    let columns = table.columns().iter().filter(|column| !is_end(column));
    columns.map(|column| Shown { column, ends: ends(column) }).collect()
}

/// A cell as text; none for a null.
pub(super) fn cell(column: &Column, row: usize) -> Option<String> {
    match column.get(row) {
        Ok(AnyValue::Null) | Err(_) => None,
        Ok(AnyValue::String(text)) => Some(text.to_owned()),
        Ok(AnyValue::StringOwned(text)) => Some(text.to_string()),
        Ok(AnyValue::Float64(value)) => Some(decimal(value)),
        Ok(AnyValue::Float32(value)) => Some(decimal(f64::from(value))),
        Ok(value) => Some(value.to_string()),
    }
}

pub(super) fn number(column: &Column, row: usize) -> Option<f64> {
    column.get(row).ok().filter(|value| !value.is_null()).and_then(|value| value.extract::<f64>())
}

/// Four decimals, as much as an accuracy over ten thousand rows can say; more where the number is small.
pub(super) fn decimal(value: f64) -> String {
    if value.is_infinite() {
        return if value > 0.0 { "∞".to_owned() } else { "−∞".to_owned() };
    }
    if value.is_nan() {
        return "NaN".to_owned();
    }
    if value != 0.0 && (value.abs() < 1e-3 || value.abs() >= 1e7) {
        return axis::minus(&format!("{value:.3e}"));
    }
    axis::minus(&format!("{value:.4}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use polars::prelude::df;

    fn html(frame: DataFrame) -> String {
        table(&Frame::new(frame)).into_string()
    }

    #[test]
    fn an_interval_stands_with_its_number() {
        let frame = df!("v" => [Some(0.5), Some(0.25), None, Some(0.1)], "v_low" => [Some(0.4), None, None, Some(f64::NEG_INFINITY)],
            "v_high" => [0.6, 1.0, 1.0, f64::INFINITY], "alone_low" => [1i64, 2, 3, 4]);
        let html = html(frame.expect("frame"));
        assert!(html.contains(">0.5000<small>[0.4000, 0.6000]</small><") && html.contains(">0.2500<"), "{html}");
        assert!(html.contains(">undefined<") && html.contains("<small>unbounded</small>"), "{html}");
        assert!(!html.contains("v_<wbr>low") && html.contains("alone_<wbr>low") && !html.contains('∞'), "{html}");
    }

    #[test]
    fn a_table_shows_nulls_infinities_and_at_most_its_rows() {
        let html = html(df!("m" => ["<x>", "y"], "v" => [Some(0.25), None]).expect("frame"));
        assert!(html.contains("&lt;x&gt;") && html.contains(">0.2500<") && html.contains(">–<"), "{html}");
        assert_eq!(decimal(f64::INFINITY), "∞");
        assert_eq!(decimal(-0.00001), "−1.000e−5");
        let pages = table(&Frame::new(df!("t" => ["a few words of text ".repeat(30)]).expect("frame"))).into_string();
        assert!(pages.contains("long\"><div>a few words"), "it scrolls in its cell: {pages}");
        let long = Frame::new(df!("v" => (0..300i64).collect::<Vec<_>>()).expect("frame"));
        assert_eq!(table(&long).into_string().matches("<tr><td").count(), MAX_TABLE_ROWS);
    }
}
