//! Features as other programs hold them: the columns `x0`, `x1`, … as one matrix, or as one column of arrays.

use super::{Frame, FrameError, Kind};
use polars::prelude::{Column, DataFrame, DataType, IntoColumn, NamedFrom, Series};

/// `x0`, `x1`, …: the number behind the `x`.
fn place(name: &str) -> Option<usize> {
    let digits = name.strip_prefix('x')?;
    let is_plain = digits == "0" || !digits.starts_with('0') && digits.bytes().all(|byte| byte.is_ascii_digit());
    if is_plain { digits.parse().ok() } else { None }
}

impl Frame {
    /// How many features the frame has: columns `x0`, `x1`, … without a gap, at least one.
    fn n_features(&self) -> Result<usize, FrameError> {
        let columns = self.columns();
        let n = columns.iter().filter(|name| place(name).is_some()).count();
        if n == 0 {
            return Err(FrameError::NoFeatures { columns });
        }
        (0..n).try_for_each(|at| self.column(&format!("x{at}")).map(|_| ()))?;
        Ok(n)
    }

    /// The features of every row in 32 bits, row-major, and how many a row has. What 32 bits cannot hold is refused; what they
    /// hold less exactly is rounded.
    pub(super) fn feature_matrix(&self) -> Result<(Vec<f32>, usize), FrameError> {
        let (n_rows, n) = (self.height(), self.n_features()?);
        let mut matrix = vec![0.0f32; n_rows * n];
        for at in 0..n {
            let name = format!("x{at}");
            let column = self.column(&name)?;
            let kind = Kind::of(column.dtype());
            if !kind.is_some_and(Kind::is_number) {
                let got = kind.map_or_else(|| column.dtype().to_string(), |kind| kind.to_string());
                return Err(FrameError::WrongKind { column: name, expected: "numbers", got });
            }
            let numbers = column.strict_cast(&DataType::Float64)?;
            let cells = matrix.iter_mut().skip(at).step_by(n);
            for (row, (cell, value)) in cells.zip(numbers.f64()?.iter()).enumerate() {
                let value = value.ok_or_else(|| FrameError::Null { column: name.clone(), row })?;
                *cell = value as f32;
                if cell.is_infinite() && value.is_finite() {
                    return Err(FrameError::Refused(format!(
                        "column `{name}` holds `{value}` in row {row}, which is beyond a float of 32 bits"
                    )));
                }
            }
        }
        Ok((matrix, n))
    }

    /// The same frame with its features as one column of arrays called `name`, for a file: no tidy frame holds arrays.
    pub fn with_features_as(&self, name: &str) -> Result<Frame, FrameError> {
        let (matrix, n) = self.feature_matrix()?;
        let arrays: Vec<Series> = matrix.chunks_exact(n).map(|row| Series::new("".into(), row)).collect();
        let lists = if arrays.is_empty() {
            Series::new_empty(name.into(), &DataType::List(Box::new(DataType::Float32)))
        } else {
            Series::new(name.into(), arrays)
        };
        let array = lists.cast(&DataType::Array(Box::new(DataType::Float32), n))?.into_column();
        let mut columns = Vec::new();
        for column in self.table().columns() {
            match place(column.name()) {
                Some(0) => columns.push(array.clone()),
                Some(_) => (),
                None if column.name() == name => return Err(FrameError::TwoColumns { column: name.to_owned() }),
                None => columns.push(column.clone()),
            }
        }
        Ok(Frame::new(DataFrame::new(self.height(), columns)?).made_from(self))
    }
}

/// The table with `x0`, `x1`, … in the place of the column `name`, which holds lists or arrays of numbers, all of one length.
pub(super) fn expanded(table: &DataFrame, name: &str) -> Result<DataFrame, FrameError> {
    let mut columns = Vec::new();
    for column in table.columns() {
        if column.name() == name {
            columns.extend(features_of(column)?);
        } else if place(column.name()).is_some() {
            return Err(FrameError::TwoColumns { column: column.name().to_string() });
        } else {
            columns.push(column.clone());
        }
    }
    Ok(DataFrame::new(table.height(), columns)?)
}

/// `x0`, `x1`, … from a column of lists or arrays.
fn features_of(column: &Column) -> Result<Vec<Column>, FrameError> {
    let name = || column.name().to_string();
    let is_number = |inner: &DataType| Kind::of(inner).is_some_and(Kind::is_number);
    match column.dtype() {
        DataType::List(inner) | DataType::Array(inner, _) if is_number(inner) => (),
        other => return Err(FrameError::NotFeatures { column: name(), holds: other.to_string() }),
    }
    let lists = column.as_materialized_series().cast(&DataType::List(Box::new(DataType::Float64)))?;
    let mut rows = Vec::with_capacity(column.len());
    let mut expected = None;
    for (row, list) in lists.list()?.amortized_iter().enumerate() {
        let list = list.ok_or_else(|| FrameError::Null { column: name(), row })?.deep_clone();
        let expected = *expected.get_or_insert(list.len());
        if list.len() != expected {
            return Err(FrameError::Ragged { column: name(), row, got: list.len(), expected });
        }
        if list.has_nulls() {
            return Err(FrameError::Null { column: name(), row });
        }
        rows.push(list);
    }
    let n = expected.unwrap_or(match column.dtype() {
        DataType::Array(_, n) => *n,
        _ => 0,
    });
    let mut features = vec![Vec::with_capacity(rows.len()); n];
    for row in &rows {
        features.iter_mut().zip(row.f64()?.iter().flatten()).for_each(|(feature, value)| feature.push(value));
    }
    Ok(matrix_columns(features.into_iter()))
}

/// Columns `x0`, `x1`, …, one for each vector of values.
pub(super) fn matrix_columns(features: impl Iterator<Item = Vec<f64>>) -> Vec<Column> {
    features.enumerate().map(|(at, values)| Column::new(format!("x{at}").into(), values)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use polars::df;

    #[test]
    fn columns_are_features_where_they_have_their_names() {
        let names = ["x0", "x10", "x01", "x", "x1y", "xs", "X1", "x-1", "x+1"];
        assert_eq!(names.map(place), [Some(0), Some(10), None, None, None, None, None, None, None]);
        let gap = Frame::tidy(df!("x0" => [1.0], "x2" => [1.0]).expect("columns")).expect("tidy");
        assert!(gap.feature_matrix().expect_err("a gap").to_string().contains("there is no column `x1`"));
        let none = Frame::tidy(df!("id" => ["a"]).expect("columns")).expect("tidy");
        assert_eq!(none.feature_matrix().expect_err("none").to_string(), "there are no features: no column `x0`");
        let texts = Frame::tidy(df!("x0" => ["a"]).expect("columns")).expect("tidy");
        assert_eq!(
            texts.feature_matrix().expect_err("text").to_string(),
            "column `x0` must hold numbers, but holds string"
        );
        let large = Frame::tidy(df!("x0" => [1e300]).expect("columns")).expect("tidy");
        assert!(large.feature_matrix().expect_err("large").to_string().contains("beyond a float of 32 bits"));
    }

    #[test]
    fn arrays_and_columns_are_each_others_reverse() {
        let table = df!("id" => ["a", "b", "c"], "x0" => [1.0, 2.0, 3.0], "x1" => [0.5f64, -0.25, f64::NAN], "label" => [0i64, 1, 0]);
        let frame = Frame::tidy(table.expect("columns")).expect("tidy");
        let arrays = frame.with_features_as("e").expect("arrays");
        assert_eq!(arrays.columns(), ["id", "e", "label"]);
        let back = Frame::tidy(expanded(arrays.table(), "e").expect("expands")).expect("tidy");
        assert!(back.equals(&frame));
        let empty = frame.head(0).with_features_as("e").expect("no rows");
        assert_eq!(
            Frame::tidy(expanded(empty.table(), "e").expect("expands")).expect("tidy").columns(),
            frame.columns()
        );
        assert!(frame.with_features_as("id").is_err());
    }

    #[test]
    fn lists_that_are_no_features_are_named() {
        let of = |lists: Vec<Series>| df!("e" => lists).expect("a column");
        let why = |table: &DataFrame| expanded(table, "e").expect_err("refused").to_string();
        let ragged = of(vec![Series::new("".into(), [1i64, 2]), Series::new("".into(), [3i64])]);
        assert_eq!(why(&ragged), "column `e` has 1 numbers in row 1, in the first row 2: features have one length");
        let texts = of(vec![Series::new("".into(), ["a"])]);
        assert_eq!(why(&texts), "column `e` holds `list[str]`: features are lists or arrays of numbers");
        let holes = of(vec![Series::new("".into(), [Some(1i64), None])]);
        assert_eq!(why(&holes), "column `e` is null in row 0");
        assert_eq!(
            why(&df!("e" => [1.0]).expect("a column")),
            "column `e` holds `f64`: features are lists or arrays of numbers"
        );
    }
}
