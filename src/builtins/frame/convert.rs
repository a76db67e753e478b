//! Between script values and what frames hold.

use crate::bind::describe;
use crate::bind::prelude::*;
use crate::frames::expr::{Expr, Literal};
use crate::frames::{Frame, Kind};
use polars::prelude::{AnyValue, Column};

/// One operand of an expression: an expression, or a constant.
pub struct Operand(pub Expr);

impl FromDynamic for Operand {
    fn type_name() -> String {
        "Expr|float|integer|string|bool|()".to_owned()
    }
    fn from_dynamic(value: &Dynamic) -> Result<Self, Mismatch> {
        if let Some(expr) = value.clone().try_cast::<Expr>() {
            return Ok(Operand(expr));
        }
        literal(value).map(|value| Operand(Expr::literal(value))).ok_or_else(|| Self::mismatch(value))
    }
}

/// One result of a verb: an expression, or a column's name.
pub struct Selection(pub Expr);

impl FromDynamic for Selection {
    fn type_name() -> String {
        "Expr|string".to_owned()
    }
    fn from_dynamic(value: &Dynamic) -> Result<Self, Mismatch> {
        if let Some(expr) = value.clone().try_cast::<Expr>() {
            return Ok(Selection(expr));
        }
        match value.clone().into_string() {
            Ok(name) => Ok(Selection(Expr::column(name))),
            Err(_) => Err(Self::mismatch(value)),
        }
    }
}

/// One or several results of a verb.
pub struct Selections(pub Vec<Expr>);

impl FromDynamic for Selections {
    fn type_name() -> String {
        "Expr|string|array of Expr".to_owned()
    }
    fn from_dynamic(value: &Dynamic) -> Result<Self, Mismatch> {
        if value.is_array() {
            let several = Vec::<Selection>::from_dynamic(value)?;
            return Ok(Selections(several.into_iter().map(|one| one.0).collect()));
        }
        Selection::from_dynamic(value).map(|one| Selections(vec![one.0])).map_err(|_| Self::mismatch(value))
    }
}

/// One or several column names.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Names(pub Vec<String>);

impl From<&str> for Names {
    fn from(name: &str) -> Self {
        Names(vec![name.to_owned()])
    }
}

impl FromDynamic for Names {
    fn type_name() -> String {
        "string|array of string".to_owned()
    }
    fn from_dynamic(value: &Dynamic) -> Result<Self, Mismatch> {
        if value.is_array() {
            return Vec::<String>::from_dynamic(value).map(Names);
        }
        value.clone().into_string().map(|name| Names(vec![name])).map_err(|_| Self::mismatch(value))
    }
}

/// The constant that a plain value is.
pub fn literal(value: &Dynamic) -> Option<Literal> {
    if value.is_unit() {
        Some(Literal::Null)
    } else if let Ok(value) = value.as_bool() {
        Some(Literal::Bool(value))
    } else if let Ok(value) = value.as_int() {
        Some(Literal::Int(value))
    } else if let Ok(value) = value.as_float() {
        Some(Literal::Float(value))
    } else if let Ok(value) = value.as_char() {
        Some(Literal::String(value.to_string()))
    } else {
        value.clone().into_string().ok().map(Literal::String)
    }
}

/// A cell as a script value; a null is `()`.
pub fn to_dynamic(value: &AnyValue) -> Dynamic {
    match value {
        AnyValue::Null => Dynamic::UNIT,
        AnyValue::Boolean(value) => Dynamic::from(*value),
        AnyValue::String(text) => Dynamic::from((*text).to_owned()),
        AnyValue::StringOwned(text) => Dynamic::from(text.to_string()),
        AnyValue::Float32(_) | AnyValue::Float64(_) => value.extract::<f64>().map_or(Dynamic::UNIT, Dynamic::from),
        other => match other.extract::<i64>() {
            Some(int) => Dynamic::from(int),
            None => Dynamic::from(other.to_string()),
        },
    }
}

/// A column as an array of script values.
pub fn to_array(column: &Column) -> Array {
    column.as_materialized_series().iter().map(|value| to_dynamic(&value)).collect()
}

/// A row as an object map.
pub fn to_map(frame: &Frame, row: usize) -> Map {
    let columns = frame.table().columns().iter();
    columns
        .map(|column| {
            (column.name().as_str().into(), column.get(row).map_or(Dynamic::UNIT, |value| to_dynamic(&value)))
        })
        .collect()
}

/// A column from script values: one kind throughout, integers beside floats as floats, `()` as null.
pub fn to_column(name: &str, items: &[Dynamic]) -> Result<Column, Fault> {
    let mut kind: Option<Kind> = None;
    let mut values = Vec::with_capacity(items.len());
    for (row, item) in items.iter().enumerate() {
        let Some(value) = literal(item) else {
            return Err(Fault::new(
                "frame/value",
                format!("column `{name}` cannot hold {} (row {row})", describe(item)),
            )
            .hint("a column holds bools, integers, floats, strings and `()` for null"));
        };
        kind = match (kind, value.kind()) {
            (known, None) => known,
            (None, other) => other,
            (Some(a), Some(b)) if a == b => Some(a),
            (Some(a), Some(b)) if a.is_number() && b.is_number() => Some(Kind::Float),
            (Some(a), Some(b)) => {
                return Err(Fault::new(
                    "frame/mixed-column",
                    format!("column `{name}` holds {a} and, in row {row}, {b}: `{value}`"),
                ));
            }
        };
        values.push(value);
    }
    let name: polars::prelude::PlSmallStr = name.into();
    Ok(match kind {
        Some(Kind::Bool) => Column::new(
            name,
            values.iter().map(|v| if let Literal::Bool(b) = v { Some(*b) } else { None }).collect::<Vec<_>>(),
        ),
        Some(Kind::Int) => Column::new(
            name,
            values.iter().map(|v| if let Literal::Int(i) = v { Some(*i) } else { None }).collect::<Vec<_>>(),
        ),
        Some(Kind::String) => Column::new(
            name,
            values.iter().map(|v| if let Literal::String(s) = v { Some(s.as_str()) } else { None }).collect::<Vec<_>>(),
        ),
        Some(Kind::Float) | None => Column::new(
            name,
            values
                .iter()
                .map(|v| match v {
                    Literal::Int(i) => Some(*i as f64),
                    Literal::Float(f) => Some(*f),
                    _ => None,
                })
                .collect::<Vec<_>>(),
        ),
    })
}
