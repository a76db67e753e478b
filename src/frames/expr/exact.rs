//! Operators that polars answers with a wrong number and no word: integers that overflow, and NaN, which polars holds to be greater than
//! every number. Each is computed row by row, so that no part of an expression is planned twice.

use super::Binary;
use crate::frames::Kind;
use polars::prelude::{self as pl, DataType, Expr as Plan, IntoColumn};

/// An operator on two operands with their kinds.
pub(super) fn binary(op: Binary, (a, kind_a): (Plan, Option<Kind>), (b, kind_b): (Plan, Option<Kind>)) -> Plan {
    let is = |kind: Kind| [kind_a == Some(kind), kind_b == Some(kind)];
    match op {
        Binary::Add | Binary::Subtract | Binary::Multiply if is(Kind::Int) == [true, true] => integers(op, a, b),
        Binary::Less | Binary::LessEqual | Binary::Greater | Binary::GreaterEqual
            if is(Kind::Float).contains(&true) =>
        {
            compared(op, a, b)
        }
        _ => op.plan(a, b),
    }
}

/// The sum of integers, an error where it has more than 64 bits.
pub(super) fn sum(of: Plan) -> Plan {
    // The cast refuses what the sum cannot be; a sum holds no other sum, so that its operand stands here twice and no more.
    let fits = of.clone().strict_cast(DataType::Float64).sum().strict_cast(DataType::Int64);
    of.sum() + fits * pl::lit(0i64)
}

fn integers(op: Binary, a: Plan, b: Plan) -> Plan {
    let work = move |columns: &mut [pl::Column]| {
        let (a, b) = operands(columns, &DataType::Int64)?;
        let (a, b) = (a.i64()?, b.i64()?);
        let found: Result<pl::Int64Chunked, pl::PolarsError> = (0..height(a.len(), b.len()))
            .map(|row| {
                let (Some(x), Some(y)) = (at(a, row), at(b, row)) else { return Ok(None) };
                let (z, sign) = match op {
                    Binary::Add => (x.checked_add(y), '+'),
                    Binary::Subtract => (x.checked_sub(y), '-'),
                    _ => (x.checked_mul(y), '*'),
                };
                let beyond =
                    || pl::PolarsError::ComputeError(format!("`{x} {sign} {y}` is not an integer of 64 bits").into());
                z.map(Some).ok_or_else(beyond)
            })
            .collect();
        Ok(found?.with_name(name(columns)).into_column())
    };
    a.map_many(work, &[b], |_, fields| field(fields, DataType::Int64))
}

fn compared(op: Binary, a: Plan, b: Plan) -> Plan {
    let work = move |columns: &mut [pl::Column]| {
        let (a, b) = operands(columns, &DataType::Float64)?;
        let (a, b) = (a.f64()?, b.f64()?);
        let found: pl::BooleanChunked = (0..height(a.len(), b.len()))
            .map(|row| {
                let (x, y) = (at(a, row)?, at(b, row)?);
                Some(match op {
                    Binary::Less => x < y,
                    Binary::LessEqual => x <= y,
                    Binary::Greater => x > y,
                    _ => x >= y,
                })
            })
            .collect();
        Ok(found.with_name(name(columns)).into_column())
    };
    a.map_many(work, &[b], |_, fields| field(fields, DataType::Boolean))
}

fn operands(columns: &[pl::Column], kind: &DataType) -> Result<(pl::Column, pl::Column), pl::PolarsError> {
    let [a, b] = columns else { return Err(pl::PolarsError::ComputeError("an operator has two operands".into())) };
    Ok((a.strict_cast(kind)?, b.strict_cast(kind)?))
}

/// One value meets every row of the other side.
fn height(a: usize, b: usize) -> usize {
    if a == 1 { b } else { a }
}

fn at<T: pl::PolarsNumericType>(values: &pl::ChunkedArray<T>, row: usize) -> Option<T::Native> {
    values.get(if values.len() == 1 { 0 } else { row })
}

fn name(columns: &[pl::Column]) -> pl::PlSmallStr {
    columns.first().map(|column| column.name().clone()).unwrap_or_default()
}

fn field(fields: &[pl::Field], kind: DataType) -> Result<pl::Field, pl::PolarsError> {
    Ok(pl::Field::new(fields.first().map(|field| field.name.clone()).unwrap_or_default(), kind))
}
