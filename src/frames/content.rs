//! What a frame holds: the kinds of its columns, and the digest of its content.

use super::{Frame, FrameError};
use crate::core::digest::Digest;
use polars::prelude::{AnyValue, Column, DataFrame, DataType};
use std::fmt;

/// What a column of a tidy frame holds, besides nulls.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Bool,
    Int,
    Float,
    String,
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Kind::Bool => "bool",
            Kind::Int => "int",
            Kind::Float => "float",
            Kind::String => "string",
        })
    }
}

impl Kind {
    /// The kind of a polars type, if a tidy frame can hold it.
    pub fn of(dtype: &DataType) -> Option<Kind> {
        match dtype {
            DataType::Boolean => Some(Kind::Bool),
            DataType::Float32 | DataType::Float64 | DataType::Null => Some(Kind::Float),
            DataType::String => Some(Kind::String),
            dtype if dtype.is_integer() => Some(Kind::Int),
            _ => None,
        }
    }

    /// The polars type that a tidy frame holds it as.
    pub fn dtype(self) -> DataType {
        match self {
            Kind::Bool => DataType::Boolean,
            Kind::Int => DataType::Int64,
            Kind::Float => DataType::Float64,
            Kind::String => DataType::String,
        }
    }

    /// Whether it is a number.
    pub fn is_number(self) -> bool {
        matches!(self, Kind::Int | Kind::Float)
    }
}

impl Frame {
    /// A tidy frame: integers of any width become `int`, floats `float`, dates and times text. Fails on what a frame
    /// cannot hold: lists, structs, bytes, integers beyond 64 signed bits.
    pub fn tidy(mut table: DataFrame) -> Result<Frame, FrameError> {
        let columns: Result<Vec<Column>, FrameError> = table.columns().iter().map(tidy_column).collect();
        let columns = columns?;
        let height = table.height();
        table = DataFrame::new(height, columns)?;
        table.rechunk_mut();
        Ok(Frame::new(table))
    }

    /// The kind of every column, in order; a column that no tidy frame holds is passed over.
    pub fn kinds(&self) -> Vec<(String, Kind)> {
        self.table()
            .columns()
            .iter()
            .filter_map(|column| Kind::of(column.dtype()).map(|kind| (column.name().to_string(), kind)))
            .collect()
    }

    /// The column called `name`; fails with the names that exist.
    pub fn column(&self, name: &str) -> Result<&Column, FrameError> {
        self.table().column(name).map_err(|_| FrameError::NoColumn { column: name.to_owned(), columns: self.columns() })
    }
}

fn tidy_column(column: &Column) -> Result<Column, FrameError> {
    let refuse = |holds: &str| FrameError::Nested { column: column.name().to_string(), holds: holds.to_owned() };
    let kind = match column.dtype() {
        DataType::Date | DataType::Datetime(..) | DataType::Time | DataType::Duration(_) => Kind::String,
        DataType::List(_) => return Err(refuse("lists")),
        DataType::Struct(_) => return Err(refuse("structs")),
        DataType::Binary | DataType::BinaryOffset => return Err(refuse("bytes")),
        dtype => Kind::of(dtype).ok_or_else(|| refuse(&format!("`{dtype}`")))?,
    };
    let cast = if *column.dtype() == kind.dtype() { column.clone() } else { column.strict_cast(&kind.dtype())? };
    Ok(cast.as_materialized_series().clone().into())
}

/// Digest of names, kinds and values in order; the same for every polars version and every width of number.
pub(super) fn digest(table: &DataFrame) -> Digest {
    let mut builder = Digest::of("frame/content", 1).int("height", table.height() as i64);
    for column in table.columns() {
        let kind = Kind::of(column.dtype()).map_or_else(|| column.dtype().to_string(), |kind| kind.to_string());
        let mut bytes = Vec::with_capacity(column.len() * 9);
        for value in column.as_materialized_series().iter() {
            push_value(&mut bytes, &value);
        }
        builder = builder.text("name", column.name()).text("kind", &kind).bytes("values", &bytes);
    }
    builder.finish()
}

/// One value as a tag and, where it has any, its bytes; texts carry their length.
pub(super) fn push_value(bytes: &mut Vec<u8>, value: &AnyValue) {
    match value {
        AnyValue::Null => bytes.push(0),
        AnyValue::Boolean(value) => bytes.extend([1, u8::from(*value)]),
        AnyValue::Float32(_) | AnyValue::Float64(_) => {
            let float: f64 = value.extract().unwrap_or(f64::NAN);
            let bits = if float.is_nan() { f64::NAN.to_bits() } else { float.to_bits() };
            bytes.push(2);
            bytes.extend(bits.to_le_bytes());
        }
        AnyValue::String(text) => push_text(bytes, text),
        AnyValue::StringOwned(text) => push_text(bytes, text),
        other => match other.extract::<i128>() {
            Some(int) if other.dtype().is_integer() => {
                bytes.push(4);
                bytes.extend(int.to_le_bytes());
            }
            _ => push_text(bytes, &other.to_string()),
        },
    }
}

fn push_text(bytes: &mut Vec<u8>, text: &str) {
    bytes.push(3);
    bytes.extend((text.len() as u64).to_le_bytes());
    bytes.extend(text.as_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;
    use polars::df;
    use polars::prelude::{NamedFrom, Series};

    fn frame(table: polars::prelude::PolarsResult<DataFrame>) -> Frame {
        Frame::tidy(table.expect("columns of one length")).expect("a tidy table")
    }

    #[test]
    fn the_digest_sees_values_names_and_order_but_no_widths() {
        let one = frame(df!("a" => [1i64, 2], "b" => ["x", "y"]));
        let narrow = frame(df!("a" => [1i32, 2], "b" => ["x", "y"]));
        assert_eq!(one.digest(), narrow.digest());
        let others = [
            df!("a" => [2i64, 1], "b" => ["x", "y"]),
            df!("a" => [1.0, 2.0], "b" => ["x", "y"]),
            df!("c" => [1i64, 2], "b" => ["x", "y"]),
            df!("b" => ["x", "y"], "a" => [1i64, 2]),
            df!("a" => [Some(1i64), None], "b" => ["x", "y"]),
            df!("a" => [1i64, 2], "b" => ["xy", ""]),
        ];
        for other in others {
            assert_ne!(one.digest(), frame(other).digest());
        }
    }

    #[test]
    fn the_digest_does_not_drift_with_the_library() {
        let one =
            frame(df!("a" => [Some(1i64), None], "b" => [Some("x"), None], "c" => [0.5, -1.0], "d" => [true, false]));
        assert_eq!(one.digest().short(), "4f465df667a2");
    }

    #[test]
    fn what_a_frame_cannot_hold_is_named() {
        let table = df!("a" => [u64::MAX]).expect("a table");
        assert!(Frame::tidy(table).is_err());
        let lists = Series::new("l".into(), [Series::new("".into(), [1i64])]);
        let table = DataFrame::new(1, vec![lists.into()]).expect("a table");
        let error = Frame::tidy(table).err().expect("lists are refused");
        assert_eq!(error.to_string(), "column `l` holds lists, which a frame cannot hold");
    }
}
