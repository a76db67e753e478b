//! Two tables cell by cell: rows matched by their keys, numbers judged by the intervals that stand beside them.

use crate::frames::{Frame, Kind};
use polars::prelude::{AnyValue, Column};
use std::collections::{BTreeMap, HashMap, VecDeque};

/// A cell that differs, or a row or column that only one table has.
#[derive(Debug, Clone, PartialEq)]
pub struct CellChange {
    /// What tells its row from the others: the key's values, or the row's number.
    pub row: String,
    pub column: String,
    pub before: String,
    pub after: String,
    pub noise: Noise,
}

/// How a change compares with the doubt that the tables state.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Noise {
    /// Each number lies in the other's interval.
    Within,
    Beyond,
    /// There is no interval to judge by.
    Unknown,
    /// It is the end of an interval: its number is judged instead.
    End,
    /// A column that only the second table has.
    New,
    /// The program words it: why a number is missing.
    Remark,
}

/// Columns whose text the program words.
const REMARKS: [&str; 1] = ["reason"];

/// What the two tables have in common, and not.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct TableChange {
    pub n_cells: usize,
    pub cells: Vec<CellChange>,
}

/// Compares two tables. Equal means equal to the bit; NaN equals NaN.
pub fn compare(before: &Frame, after: &Frame) -> TableChange {
    let mut change = TableChange::default();
    let (old, new) = (before.columns(), after.columns());
    let lone = |column: &String, before: &str, after: &str, noise: Noise| CellChange {
        row: "the column".to_owned(),
        column: column.clone(),
        before: before.to_owned(),
        after: after.to_owned(),
        noise,
    };
    let gone = old.iter().filter(|name| !new.contains(name));
    change.cells.extend(gone.map(|name| lone(name, "there", "gone", Noise::Beyond)));
    let come = new.iter().filter(|name| !old.contains(name));
    change.cells.extend(come.map(|name| lone(name, "not there", "there", Noise::New)));
    let shared: Vec<String> = old.into_iter().filter(|name| new.contains(name)).collect();
    let keys = keys(before, after, &shared);
    let (labels, mut rows) = (row_keys(before, &keys), places(&row_keys(after, &keys)));
    for (row, key) in labels.iter().enumerate() {
        let label = if key.is_empty() { format!("row {}", row + 1) } else { key.join(", ") };
        let Some(other) = rows.get_mut(key).and_then(VecDeque::pop_front) else {
            change.cells.push(row_change(label, "there", "gone"));
            continue;
        };
        for column in &shared {
            change.n_cells += 1;
            let (Some(a), Some(b)) = (cell(before, column, row), cell(after, column, other)) else { continue };
            if !a.is_same(&b) {
                let noise = noise(before, after, column, (row, other), (&a, &b));
                change.cells.push(CellChange {
                    row: label.clone(),
                    column: column.clone(),
                    before: a.show(),
                    after: b.show(),
                    noise,
                });
            }
        }
    }
    let mut added: Vec<(usize, Vec<String>)> =
        rows.into_iter().flat_map(|(key, rows)| rows.into_iter().map(move |row| (row, key.clone()))).collect();
    added.sort_unstable();
    for (row, key) in added {
        let label = if key.is_empty() { format!("row {}", row + 1) } else { key.join(", ") };
        change.cells.push(row_change(label, "not there", "there"));
    }
    change
}

fn row_change(row: String, before: &str, after: &str) -> CellChange {
    let (before, after) = (before.to_owned(), after.to_owned());
    CellChange { row, column: "the row".to_owned(), before, after, noise: Noise::Beyond }
}

/// The value of a cell.
enum Value {
    Null,
    Float(f64),
    Int(i64),
    Other(String),
}

impl Value {
    fn is_same(&self, other: &Value) -> bool {
        match (self, other) {
            (Value::Null, Value::Null) => true,
            (Value::Float(a), Value::Float(b)) => a.to_bits() == b.to_bits() || (a.is_nan() && b.is_nan()),
            (Value::Int(a), Value::Int(b)) => a == b,
            // One table may hold whole numbers as floats.
            (Value::Int(a), Value::Float(b)) | (Value::Float(b), Value::Int(a)) => *a as f64 == *b && *b as i64 == *a,
            (Value::Other(a), Value::Other(b)) => a == b,
            _ => false,
        }
    }

    /// Every digit of a number, so that two numbers that differ are seen to.
    fn show(&self) -> String {
        match self {
            Value::Null => "null".to_owned(),
            Value::Float(value) => format!("{value:?}"),
            Value::Int(value) => value.to_string(),
            Value::Other(text) => text.clone(),
        }
    }

    fn number(&self) -> Option<f64> {
        match self {
            Value::Float(value) => Some(*value),
            Value::Int(value) => Some(*value as f64),
            _ => None,
        }
    }
}

fn cell(frame: &Frame, column: &str, row: usize) -> Option<Value> {
    let value = frame.column(column).ok()?.get(row).ok()?;
    Some(match value {
        AnyValue::Null => Value::Null,
        AnyValue::Float64(value) => Value::Float(value),
        AnyValue::Float32(value) => Value::Float(f64::from(value)),
        AnyValue::Int64(value) => Value::Int(value),
        other => Value::Other(other.get_str().map_or_else(|| other.to_string(), str::to_owned)),
    })
}

/// The columns that name rows: texts and booleans, and integers that hold the same values in both tables.
fn keys(before: &Frame, after: &Frame, shared: &[String]) -> Vec<String> {
    let kinds: BTreeMap<String, Kind> = before.kinds().into_iter().collect();
    let others: BTreeMap<String, Kind> = after.kinds().into_iter().collect();
    let names = |name: &&String| match (kinds.get(*name), others.get(*name)) {
        (Some(Kind::Int), Some(Kind::Int)) => {
            let values = |frame: &Frame| frame.column(name).map(sorted).unwrap_or_default();
            values(before) == values(after)
        }
        (Some(a), Some(b)) => a == b && *a != Kind::Float,
        _ => false,
    };
    shared.iter().filter(|name| !REMARKS.contains(&name.as_str())).filter(names).cloned().collect()
}

fn sorted(column: &Column) -> Vec<String> {
    let mut values: Vec<String> = (0..column.len())
        .map(|row| column.get(row).map_or_else(|_| String::new(), |value| value.to_string()))
        .collect();
    values.sort_unstable();
    values
}

fn row_keys(frame: &Frame, keys: &[String]) -> Vec<Vec<String>> {
    let key = |row: usize| keys.iter().filter_map(|name| Some(cell(frame, name, row)?.show())).collect();
    (0..frame.height()).map(key).collect()
}

/// Rows by key, in order: rows with one key are matched in their order.
fn places(keys: &[Vec<String>]) -> HashMap<Vec<String>, VecDeque<usize>> {
    let mut places: HashMap<Vec<String>, VecDeque<usize>> = HashMap::new();
    for (row, key) in keys.iter().enumerate() {
        places.entry(key.clone()).or_default().push_back(row);
    }
    places
}

fn noise(before: &Frame, after: &Frame, column: &str, rows: (usize, usize), values: (&Value, &Value)) -> Noise {
    let stem = column.strip_suffix("_low").or_else(|| column.strip_suffix("_high"));
    if stem.is_some_and(|stem| before.column(stem).is_ok()) {
        return Noise::End;
    }
    let (Some(a), Some(b)) = (values.0.number(), values.1.number()) else {
        let is_text = |value: &Value| matches!(value, Value::Other(_));
        if REMARKS.contains(&column) && is_text(values.0) && is_text(values.1) {
            return Noise::Remark;
        }
        return if is_text(values.0) || is_text(values.1) { Noise::Beyond } else { Noise::Unknown };
    };
    match (interval(before, column, rows.0), interval(after, column, rows.1)) {
        (None, None) => Noise::Unknown,
        (first, second) => {
            let holds =
                |ends: Option<(f64, f64)>, value: f64| ends.is_none_or(|(low, high)| (low..=high).contains(&value));
            if holds(first, b) && holds(second, a) { Noise::Within } else { Noise::Beyond }
        }
    }
}

/// The interval that stands beside a number.
fn interval(frame: &Frame, column: &str, row: usize) -> Option<(f64, f64)> {
    let end = |suffix: &str| cell(frame, &format!("{column}{suffix}"), row)?.number().filter(|end| !end.is_nan());
    Some((end("_low")?, end("_high")?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use polars::df;

    fn frame(pgr: [f64; 2], n: [i64; 2], methods: [&str; 2]) -> Frame {
        let table = df!(
            "method" => methods,
            "n" => n,
            "pgr" => pgr,
            "pgr_low" => pgr.map(|x| x - 0.1),
            "pgr_high" => pgr.map(|x| x + 0.1),
            "loss" => [1.0, f64::NAN],
        );
        Frame::new(table.expect("columns of one length"))
    }

    fn shown(before: &Frame, after: &Frame) -> Vec<String> {
        let change = compare(before, after);
        change.cells.iter().map(|c| format!("{}/{}: {} {} {:?}", c.row, c.column, c.before, c.after, c.noise)).collect()
    }

    #[test]
    fn equal_tables_have_no_changes_even_with_rows_moved() {
        let one = frame([0.5, 0.6], [10, 20], ["a", "b"]);
        assert_eq!(compare(&one, &one), TableChange { n_cells: 12, cells: Vec::new() });
        let moved = Frame::new(one.table().reverse());
        assert_eq!(compare(&one, &moved).cells, Vec::new());
    }

    #[test]
    fn numbers_are_judged_by_the_interval_beside_them() {
        let one = frame([0.5, 0.6], [10, 20], ["a", "b"]);
        let near = shown(&one, &frame([0.55, 0.6], [10, 20], ["a", "b"]));
        assert_eq!(near[0], "a, 10/pgr: 0.5 0.55 Within");
        assert!(near[1].ends_with("End") && near[2].ends_with("End") && near.len() == 3, "{near:?}");
        let far = shown(&one, &frame([0.5, 0.8], [10, 20], ["a", "b"]));
        assert_eq!(far[0], "b, 20/pgr: 0.6 0.8 Beyond");
        let count = shown(&one, &frame([0.5, 0.6], [10, 21], ["a", "b"]));
        assert_eq!(count, ["b/n: 20 21 Unknown"]);
        let last_bit = shown(&one, &frame([0.5, f64::from_bits(0.6f64.to_bits() + 1)], [10, 20], ["a", "b"]));
        assert_eq!(last_bit[0], "b, 20/pgr: 0.6 0.6000000000000001 Within");
    }

    #[test]
    fn rows_and_columns_of_one_table_only_are_named() {
        let one = frame([0.5, 0.6], [10, 20], ["a", "b"]);
        let renamed = shown(&one, &frame([0.5, 0.6], [10, 20], ["a", "c"]));
        assert_eq!(renamed, ["b, 20/the row: there gone Beyond", "c, 20/the row: not there there Beyond"]);
        let narrow = Frame::new(one.table().drop("loss").expect("there"));
        assert_eq!(shown(&one, &narrow), ["the column/loss: there gone Beyond"]);
        assert_eq!(shown(&narrow, &one), ["the column/loss: not there there New"]);
    }

    #[test]
    fn a_table_that_was_read_is_compared_as_one_that_was_made() {
        let one = frame([0.5, 0.6], [10, 20], ["a", "b"]);
        let bytes = one.to_bytes(crate::frames::Format::Parquet).expect("writes");
        let read = Frame::from_bytes(bytes, crate::frames::Format::Parquet).expect("reads");
        assert_eq!(compare(&one, &read).cells, Vec::new());
        assert_eq!(shown(&read, &frame([0.5, 0.6], [10, 21], ["a", "b"])), ["b/n: 20 21 Unknown"]);
    }

    #[test]
    fn words_of_the_program_name_no_row_and_whole_numbers_may_be_floats() {
        let table = |reason: &str, n: [f64; 2]| {
            Frame::new(df!("method" => ["a", "b"], "n" => n, "reason" => [None, Some(reason)]).expect("columns"))
        };
        let (one, other) = (table("no gap (p = 0.1)", [1.0, 2.0]), table("the gap is none (p 0.1)", [1.0, 2.0]));
        assert_eq!(shown(&one, &other), ["b/reason: no gap (p = 0.1) the gap is none (p 0.1) Remark"]);
        let ints = Frame::new(
            df!("method" => ["a", "b"], "n" => [1i64, 2], "reason" => [None, Some("no gap (p = 0.1)")])
                .expect("columns"),
        );
        assert_eq!(shown(&one, &ints), Vec::<String>::new());
        assert_eq!(shown(&table("no gap (p = 0.1)", [1.0, 2.5]), &ints), ["b/n: 2.5 2 Unknown"]);
    }

    #[test]
    fn rows_without_a_key_are_matched_in_order() {
        let plain = |values: [f64; 2]| Frame::new(df!("x" => values).expect("a column"));
        assert_eq!(shown(&plain([1.0, 2.0]), &plain([1.0, 3.0])), ["row 2/x: 2.0 3.0 Unknown"]);
    }
}
