//! `tensor`: differentiable tables of numbers, for losses of one's own.

mod arithmetic;
mod elementwise;
mod make;
mod pick;
mod read;
mod reduce;
mod rows;
mod r#where;

use crate::autograd::{Axis, Tensor};
use crate::bind::prelude::*;

/// Lists the module's functions.
pub fn register(registry: &mut Registry) {
    registry.module("tensor", "Differentiable tables of numbers, for losses of one's own.");
    registry.value::<Tensor>();
    let files = [
        make::functions(),
        arithmetic::functions(),
        elementwise::functions(),
        reduce::functions(),
        rows::functions(),
        pick::functions(),
        read::functions(),
        vec![r#where::function()],
    ];
    files.into_iter().flatten().for_each(|function| registry.add(function));
}

/// The most rows and columns that a tensor shows.
const MAX_SHOWN: usize = 8;

impl Value for Tensor {
    const NAME: &'static str = "Tensor";
    const ABOUT: &'static str = "A table of numbers with rows and columns that remembers how it was computed, so that a loss can be differentiated.";

    fn show(&self) -> String {
        let [rows, columns] = self.shape();
        let Ok(values) = self.values() else { return "Tensor".to_owned() };
        if let [value] = values.as_slice() {
            return format!("Tensor {}", number(*value));
        }
        let cut = |mut parts: Vec<String>, n: usize| {
            if n > MAX_SHOWN {
                parts.push("…".to_owned());
            }
            parts.join(", ")
        };
        let lines = values.chunks(columns.max(1)).take(MAX_SHOWN);
        let lines = lines.map(|row| cut(row.iter().take(MAX_SHOWN).map(|v| number(*v)).collect(), columns));
        let lines = lines.map(|row| format!("[{row}]")).collect();
        format!("Tensor {rows}×{columns} [{}]", cut(lines, rows))
    }

    fn same(&self, other: &Self) -> bool {
        Tensor::same(self, other)
    }

    fn digest(&self, trace: &mut Trace) -> Digest {
        let Ok(values) = self.values() else {
            trace.lose("a tensor could not be read");
            return Digest::of("tensor", 0).finish();
        };
        let bytes: Vec<u8> = values.iter().flat_map(|value| value.to_bits().to_le_bytes()).collect();
        let [rows, columns] = self.shape();
        Digest::of("tensor", 1).int("rows", rows as i64).int("columns", columns as i64).bytes("values", &bytes).finish()
    }
}

/// Six significant digits: enough for an eye.
fn number(value: f64) -> String {
    show(&Dynamic::from(format!("{value:.5e}").parse().unwrap_or(value) + 0.0))
}

/// A tensor, or a number that stands for a 1 × 1 one.
struct Operand(Tensor);

impl FromDynamic for Operand {
    fn type_name() -> String {
        "Tensor|float".to_owned()
    }

    fn from_dynamic(value: &Dynamic) -> Result<Self, Mismatch> {
        if let Some(tensor) = value.clone().try_cast::<Tensor>() {
            return Ok(Operand(tensor));
        }
        let number = f64::from_dynamic(value).map_err(|_| Self::mismatch(value))?;
        Tensor::scalar(number).map(Operand).map_err(|error| Mismatch(error.to_string()))
    }
}

/// The optional axis at `idx`: left out, all numbers.
fn axis(call: &Call, idx: usize) -> Result<Axis, Fault> {
    match call.optional::<i64>(idx)? {
        None => Ok(Axis::All),
        Some(0) => Ok(Axis::Rows),
        Some(1) => Ok(Axis::Columns),
        Some(other) => {
            Err(call.misfit("`axis`", &Mismatch(format!("must be 0 (over rows) or 1 (over columns), got `{other}`"))))
        }
    }
}

/// A tensor as a script's value.
fn answer(tensor: Tensor) -> Answer {
    Ok(Dynamic::from(tensor))
}
