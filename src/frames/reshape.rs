//! Tables turned from long to wide and back, rows without nulls, rows that are numbered.

use super::content::push_value;
use super::expr::{Aggregate, Expr, Literal};
use super::text::MAX_COLUMNS;
use super::{Frame, FrameError, Kind, MAX_ROWS};
use polars::prelude::{AnyValue, Column, IdxCa, IdxSize};
use std::collections::HashMap;

/// The most cells that a pivot makes. Arbitrary: far above what a person reads.
const MAX_CELLS: usize = 20_000_000;

impl Frame {
    /// One row per combination in `index` and one column per value of `on`, both as they first appear; cells are of
    /// `values`. Of `index` and `values` one may be empty: it is then all other columns. Without an aggregate a cell has one
    /// value at most. With several columns of values, names are `VALUES_ON`.
    pub fn pivot(
        &self,
        on: &str,
        index: &[String],
        values: &[String],
        aggregate: Option<Aggregate>,
    ) -> Result<Frame, FrameError> {
        for column in index.iter().chain(values).map(String::as_str).chain([on]) {
            self.column(column)?;
        }
        let besides = |taken: &[String]| {
            let others = self.columns().into_iter().filter(|column| column != on && !taken.contains(column));
            others.collect::<Vec<String>>()
        };
        let (index, values) = match (index.is_empty(), values.is_empty()) {
            (true, true) => {
                return Err(FrameError::Refused(
                    "`pivot` needs `index` or `values`: which columns stay, or which are spread".into(),
                ));
            }
            (true, false) => (besides(values), values.to_vec()),
            (false, true) => (index.to_vec(), besides(index)),
            (false, false) => (index.to_vec(), values.to_vec()),
        };
        if values.is_empty() {
            return Err(FrameError::Refused("`pivot` has no column of values".to_owned()));
        }
        let keys: Vec<String> = index.iter().cloned().chain([on.to_owned()]).collect();
        let long = match aggregate {
            None => self.clone(),
            Some(op) => {
                let exprs: Result<Vec<Expr>, FrameError> =
                    values.iter().map(|name| Expr::column(name.as_str()).aggregate(op)).collect();
                self.group_by(&keys, &exprs?)?
            }
        };
        let wide = Wide::of(&long, on, &index)?;
        let mut columns = Vec::new();
        for name in &index {
            columns.push(long.column(name)?.take(&indices(wide.first.iter().map(|row| Some(*row))))?);
        }
        for value in &values {
            let column = long.column(value)?;
            for (at, name) in wide.names.iter().enumerate() {
                let cells = wide.rows.iter().skip(at).step_by(wide.names.len()).copied();
                let name = if values.len() > 1 { format!("{value}_{name}") } else { name.clone() };
                columns.push(column.take(&indices(cells))?.with_name(name.into()));
            }
        }
        Ok(Frame::from_columns(columns)?.made_from(self))
    }

    /// A row per value of the columns `on` (all that are not in `index`, where none is named): the columns of `index`, the
    /// column's name and the value.
    pub fn unpivot(
        &self,
        on: &[String],
        index: &[String],
        variable_name: &str,
        value_name: &str,
    ) -> Result<Frame, FrameError> {
        for column in on.iter().chain(index) {
            self.column(column)?;
        }
        let on: Vec<String> = if on.is_empty() {
            self.columns().into_iter().filter(|column| !index.contains(column)).collect()
        } else {
            on.to_vec()
        };
        let (height, n) = (self.height(), on.len());
        let n_rows = height as u128 * n as u128;
        if n_rows > MAX_ROWS as u128 {
            return Err(FrameError::TooManyRows { verb: "unpivot", n_rows, most: MAX_ROWS });
        }
        let mut kind: Option<Kind> = None;
        for name in &on {
            let held = self.kind(name)?;
            kind = match kind {
                None => Some(held),
                Some(known) if known == held => Some(held),
                Some(known) if known.is_number() && held.is_number() => Some(Kind::Float),
                Some(known) => {
                    let (left, right) = (known.to_string(), held.to_string());
                    return Err(FrameError::KindMismatch { column: name.clone(), left, right });
                }
            };
        }
        let dtype = kind.unwrap_or(Kind::Float).dtype();
        let mut values = Column::new_empty(value_name.into(), &dtype);
        for name in &on {
            values.append(&self.column(name)?.strict_cast(&dtype)?)?;
        }
        let repeated = indices((0..n).flat_map(|_| (0..height).map(Some)));
        let mut columns = Vec::new();
        for name in index {
            columns.push(self.column(name)?.take(&repeated)?);
        }
        let variables: Vec<&str> = on.iter().flat_map(|name| std::iter::repeat_n(name.as_str(), height)).collect();
        columns.push(Column::new(variable_name.into(), variables));
        columns.push(values);
        Ok(Frame::from_columns(columns)?.made_from(self))
    }

    /// The rows without a null in `columns` (in any column if none is named).
    pub fn drop_nulls(&self, columns: &[String]) -> Result<Frame, FrameError> {
        let names = if columns.is_empty() { self.columns() } else { columns.to_vec() };
        let mut is_kept = vec![true; self.height()];
        for name in &names {
            for (kept, is_value) in is_kept.iter_mut().zip(self.column(name)?.is_not_null().iter()) {
                *kept = *kept && is_value == Some(true);
            }
        }
        let rows: Vec<usize> = is_kept.iter().enumerate().filter(|(_, kept)| **kept).map(|(row, _)| row).collect();
        self.rows_at(&rows)
    }

    /// A first column `name` that numbers the rows from `offset` on.
    pub fn with_row_index(&self, name: &str, offset: i64) -> Result<Frame, FrameError> {
        let Some(end) = offset.checked_add(self.height() as i64) else {
            return Err(FrameError::Refused(format!("no integer numbers {} rows from `{offset}` on", self.height())));
        };
        let numbers = Column::new(name.into(), (offset..end).collect::<Vec<i64>>());
        let columns = [numbers].into_iter().chain(self.table().columns().iter().cloned()).collect();
        Ok(Frame::from_columns(columns)?.made_from(self))
    }
}

/// Which rows of a long table are the cells of a wide one.
struct Wide {
    /// A row of the long table for each row of the wide one.
    first: Vec<usize>,
    /// The columns' names.
    names: Vec<String>,
    /// Row-major `[first, names]`.
    rows: Vec<Option<usize>>,
}

impl Wide {
    fn of(long: &Frame, on: &str, index: &[String]) -> Result<Wide, FrameError> {
        let spread = long.column(on)?.as_materialized_series();
        let kept: Result<Vec<_>, FrameError> =
            index.iter().map(|name| Ok(long.column(name)?.as_materialized_series())).collect();
        let kept = kept?;
        let (mut first, mut names) = (Vec::new(), Vec::new());
        let mut row_of: HashMap<Vec<u8>, usize> = HashMap::new();
        let mut column_of: HashMap<Vec<u8>, usize> = HashMap::new();
        let mut cells: HashMap<(usize, usize), usize> = HashMap::new();
        for row in 0..long.height() {
            let mut key = Vec::new();
            for series in &kept {
                push_value(&mut key, &series.get(row)?);
            }
            let at = *row_of.entry(key).or_insert_with(|| {
                first.push(row);
                first.len() - 1
            });
            let value = spread.get(row)?;
            let mut key = Vec::new();
            push_value(&mut key, &value);
            let column = *column_of.entry(key).or_insert_with(|| {
                names.push(name_of(&value));
                names.len() - 1
            });
            if names.len() > MAX_COLUMNS || first.len().saturating_mul(names.len()) > MAX_CELLS {
                let what = format!(
                    "`pivot` would give more than {MAX_COLUMNS} columns or {MAX_CELLS} cells: `{on}` has many values"
                );
                return Err(FrameError::Refused(what));
            }
            if let Some(other) = cells.insert((at, column), row) {
                return Err(FrameError::Refused(format!(
                    "`pivot` has two values for one cell, in rows {other} and {row}: say how they become one, such as #{{ aggregate: \"mean\" }}"
                )));
            }
        }
        let mut rows = vec![None; first.len() * names.len()];
        for ((at, column), row) in cells {
            if let Some(cell) = rows.get_mut(at * names.len() + column) {
                *cell = Some(row);
            }
        }
        Ok(Wide { first, names, rows })
    }
}

/// A value as a column's name.
fn name_of(value: &AnyValue) -> String {
    match value {
        AnyValue::Null => "null".to_owned(),
        AnyValue::String(text) => (*text).to_owned(),
        AnyValue::StringOwned(text) => text.to_string(),
        AnyValue::Boolean(value) => value.to_string(),
        AnyValue::Float64(value) => Literal::Float(*value).to_string(),
        other => other.to_string(),
    }
}

fn indices(rows: impl Iterator<Item = Option<usize>>) -> IdxCa {
    let rows = rows.map(|row| row.and_then(|row| IdxSize::try_from(row).ok()));
    rows.collect::<IdxCa>()
}

#[cfg(test)]
mod tests {
    use super::*;
    use polars::df;

    fn frame(table: polars::prelude::PolarsResult<polars::prelude::DataFrame>) -> Frame {
        Frame::tidy(table.expect("columns of one length")).expect("a tidy table")
    }

    fn names(names: &[&str]) -> Vec<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    /// The values are those of polars 2.1.0 in Python: `df.pivot("m", index="s", values="x")`.
    #[test]
    fn long_becomes_wide_and_long_again() {
        let long = frame(df!(
            "s" => [1i64, 1, 2, 2, 3], "m" => ["b", "a", "a", "b", "c"], "x" => [0.5, 0.25, 1.0, 2.0, 4.0]
        ));
        let wide = long.pivot("m", &names(&["s"]), &names(&["x"]), None).expect("pivots");
        assert!(wide.equals(&frame(df!(
            "s" => [1i64, 2, 3], "b" => [Some(0.5), Some(2.0), None], "a" => [Some(0.25), Some(1.0), None],
            "c" => [None, None, Some(4.0)]
        ))));
        assert!(wide.equals(&long.pivot("m", &[], &names(&["x"]), None).expect("the others stay")));
        assert!(wide.equals(&long.pivot("m", &names(&["s"]), &[], None).expect("the others are spread")));
        let back = wide.unpivot(&[], &names(&["s"]), "m", "x").expect("unpivots");
        let back = back.drop_nulls(&[]).expect("drops").sort(&names(&["s", "x"]), false).expect("sorts");
        assert!(back.equals(&long.sort(&names(&["s", "x"]), false).expect("sorts")));
    }

    #[test]
    fn two_values_for_a_cell_are_refused_or_aggregated() {
        let long =
            frame(df!("s" => ["a", "a", "b"], "m" => [1i64, 1, 2], "x" => [1i64, 3, 5], "y" => [true, false, true]));
        let why = long.pivot("m", &names(&["s"]), &names(&["x"]), None).err().expect("two values");
        assert!(why.to_string().contains("two values for one cell, in rows 0 and 1"), "{why}");
        let mean = long.pivot("m", &names(&["s"]), &names(&["x"]), Some(Aggregate::Mean)).expect("pivots");
        assert!(mean.equals(&frame(df!("s" => ["a", "b"], "1" => [Some(2.0), None], "2" => [None, Some(5.0)]))));
        let sum = long.pivot("m", &names(&["s"]), &names(&["x", "y"]), Some(Aggregate::Sum)).expect("pivots");
        assert_eq!(sum.columns(), ["s", "x_1", "x_2", "y_1", "y_2"]);
        assert!(long.pivot("m", &[], &[], None).is_err() && long.pivot("z", &[], &names(&["x"]), None).is_err());
        assert!(long.pivot("m", &names(&["s", "x", "y"]), &[], None).is_err());
        let empty = long.head(0).pivot("m", &names(&["s"]), &names(&["x"]), None).expect("pivots");
        assert_eq!((empty.height(), empty.columns()), (0, names(&["s"])));
        assert!(
            long.unpivot(&names(&["x", "s"]), &[], "m", "x").is_err(),
            "a text and a number have no kind in common"
        );
    }

    #[test]
    fn rows_are_numbered_and_those_with_nulls_dropped() {
        let table = frame(df!("a" => [Some(1i64), None, Some(3)], "b" => [Some("x"), Some("y"), None]));
        assert_eq!(table.drop_nulls(&[]).expect("drops").height(), 1);
        assert_eq!(table.drop_nulls(&names(&["a"])).expect("drops").height(), 2);
        assert!(table.drop_nulls(&names(&["c"])).is_err());
        let numbered = table.with_row_index("index", 5).expect("numbers");
        assert_eq!(numbered.columns(), ["index", "a", "b"]);
        assert_eq!(numbered.floats("index").expect("numbers"), [5.0, 6.0, 7.0]);
        assert!(table.with_row_index("a", 0).is_err() && table.with_row_index("n", i64::MAX).is_err());
    }
}
