//! Parts of tensors and comparisons.

use super::{Operand, answer};
use crate::autograd::Tensor;
use crate::bind::prelude::*;

/// The records.
pub fn functions() -> Vec<Function> {
    let method = |name, run, about| Function::method::<Tensor>(name, run).about(about).returns("Tensor");
    let mask = |name, run, about, code, result| {
        method(name, run, about)
            .details("Broadcasts as `+` does. A mask of 0 and 1, and a constant: no gradient flows through it.")
            .param::<Operand>("other", "what to compare with")
            .example(code, result)
    };
    vec![
        method("column", |call| answer(call.receiver::<Tensor>()?.column(call.arg(0)?)?), "One column of the tensor.")
            .param::<i64>("at", "from 0; negative counts from the end")
            .example("tensor::of([[1, 2], [3, 4]]).column(1)", "Tensor 2×1 [[2.0], [4.0]]")
            .fails("tensor::of([[1, 2]]).column(2)", "the column `2` is outside the tensor, which has 2"),
        method("row", |call| answer(call.receiver::<Tensor>()?.row(call.arg(0)?)?), "One row of the tensor.")
            .param::<i64>("at", "from 0; negative counts from the end")
            .example("tensor::of([[1, 2], [3, 4]]).row(-1)", "Tensor 1×2 [[3.0, 4.0]]")
            .fails("tensor::of([[1, 2]]).row(1)", "the row `1` is outside the tensor, which has 1"),
        method(
            "transpose",
            |call| answer(call.receiver::<Tensor>()?.transpose()?),
            "Rows as columns and columns as rows.",
        )
        .example("tensor::of([[1, 2]]).transpose()", "Tensor 2×1 [[1.0], [2.0]]"),
        method(
            "detach",
            |call| answer(call.receiver::<Tensor>()?.detach()),
            "The same numbers as constants: no gradient flows through them.",
        )
        .example("tensor::of([[1, 2]]).softmax().detach().sum()", "Tensor 1.0"),
        mask(
            "greater",
            |call| compare(call, ">", |a, b| a > b),
            "A 1 where a number is greater, else 0.",
            "tensor::of([1, 2]).greater(1)",
            "Tensor 2×1 [[0.0], [1.0]]",
        ),
        mask(
            "greater_equal",
            |call| compare(call, ">=", |a, b| a >= b),
            "A 1 where a number is greater or equal, else 0.",
            "tensor::of([1, 2]).greater_equal(2)",
            "Tensor 2×1 [[0.0], [1.0]]",
        ),
        mask(
            "less",
            |call| compare(call, "<", |a, b| a < b),
            "A 1 where a number is less, else 0.",
            "tensor::of([1, 2]).less(2)",
            "Tensor 2×1 [[1.0], [0.0]]",
        ),
        mask(
            "less_equal",
            |call| compare(call, "<=", |a, b| a <= b),
            "A 1 where a number is less or equal, else 0.",
            "tensor::of([1, 2]).less_equal(1)",
            "Tensor 2×1 [[1.0], [0.0]]",
        ),
    ]
}

fn compare(call: &mut Call, op: &'static str, holds: fn(&f64, &f64) -> bool) -> Answer {
    answer(call.receiver::<Tensor>()?.compare(&call.arg::<Operand>(0)?.0, op, holds)?)
}
