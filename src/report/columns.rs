//! Columns of a frame as plain numbers and texts, with explained misfits.

use super::ReportError;
use crate::frames::Frame;
use polars::prelude::{Column, DataType};

/// A column of numbers; a null is NaN.
pub fn numbers(frame: &Frame, name: &str) -> Result<Vec<f64>, ReportError> {
    let column = find(frame, name)?;
    let misfit =
        || ReportError::ColumnType { name: name.to_owned(), wanted: "numbers", got: column.dtype().to_string() };
    let kind = column.dtype();
    if !(kind.is_primitive_numeric() || kind.is_bool() || *kind == DataType::Null) {
        return Err(misfit());
    }
    let cast = column.cast(&DataType::Float64).map_err(|_| misfit())?;
    let values = cast.f64().map_err(|_| misfit())?;
    Ok(values.iter().map(|value| value.unwrap_or(f64::NAN)).collect())
}

/// A column of numbers, or NaN in every row where the frame has no such column.
pub fn numbers_or_nan(frame: &Frame, name: &str) -> Result<Vec<f64>, ReportError> {
    if frame.table().column(name).is_err() { Ok(vec![f64::NAN; frame.table().height()]) } else { numbers(frame, name) }
}

/// A column as texts; numbers as they print, a null as an empty text.
pub fn texts(frame: &Frame, name: &str) -> Result<Vec<String>, ReportError> {
    let column = find(frame, name)?;
    let misfit = || ReportError::ColumnType { name: name.to_owned(), wanted: "text", got: column.dtype().to_string() };
    let cast = column.cast(&DataType::String).map_err(|_| misfit())?;
    let values = cast.str().map_err(|_| misfit())?;
    Ok(values.iter().map(|value| value.unwrap_or_default().to_owned()).collect())
}

/// Whether the frame has a column of that name.
pub fn has(frame: &Frame, name: &str) -> bool {
    frame.table().column(name).is_ok()
}

fn find<'a>(frame: &'a Frame, name: &str) -> Result<&'a Column, ReportError> {
    frame.table().column(name).map_err(|_| ReportError::NoColumn {
        name: name.to_owned(),
        have: frame.table().get_column_names().iter().map(|name| name.as_str()).collect::<Vec<_>>().join(", "),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use polars::prelude::df;

    #[test]
    fn nulls_become_nan_and_misfits_are_explained() {
        let table = df!("a" => [Some(1i64), None], "b" => ["x", "y"]).expect("frame");
        let frame = Frame::new(table);
        let a = numbers(&frame, "a").expect("numbers");
        assert!(a[0] == 1.0 && a[1].is_nan());
        assert_eq!(texts(&frame, "a").expect("texts"), ["1", ""]);
        assert!(matches!(numbers(&frame, "b"), Err(ReportError::ColumnType { .. })));
        assert_eq!(numbers(&frame, "c").expect_err("none").to_string(), "the frame has no column `c`");
    }
}
