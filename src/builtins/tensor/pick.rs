//! Parts of tensors, comparisons and choices.

use super::{Operand, answer};
use crate::bind::prelude::*;
use crate::host::autograd::Tensor;

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
        method("column", |call| answer(call.receiver::<Tensor>()?.column(call.arg(0)?)?), "One column.")
            .param::<i64>("at", "from 0; negative counts from the end")
            .example("tensor::of([[1, 2], [3, 4]]).column(1)", "Tensor 2×1 [[2.0], [4.0]]")
            .fails("tensor::of([[1, 2]]).column(2)", "the column `2` is outside the tensor, which has 2"),
        method("row", |call| answer(call.receiver::<Tensor>()?.row(call.arg(0)?)?), "One row.")
            .param::<i64>("at", "from 0; negative counts from the end")
            .example("tensor::of([[1, 2], [3, 4]]).row(-1)", "Tensor 1×2 [[3.0, 4.0]]")
            .fails("tensor::of([[1, 2]]).row(1)", "the row `1` is outside the tensor, which has 1"),
        method("transpose", |call| answer(call.receiver::<Tensor>()?.transpose()?), "Rows as columns and columns as rows.")
            .example("tensor::of([[1, 2]]).transpose()", "Tensor 2×1 [[1.0], [2.0]]"),
        method("detach", |call| answer(call.receiver::<Tensor>()?.detach()), "The same numbers as constants: no gradient flows through them.")
            .example("tensor::of([[1, 2]]).softmax().detach().sum()", "Tensor 1.0"),
        mask("greater", |call| compare(call, ">", |a, b| a > b), "1 where a number is greater, else 0.", "tensor::of([1, 2]).greater(1)", "Tensor 2×1 [[0.0], [1.0]]"),
        mask("greater_equal", |call| compare(call, ">=", |a, b| a >= b), "1 where a number is greater or equal, else 0.", "tensor::of([1, 2]).greater_equal(2)", "Tensor 2×1 [[0.0], [1.0]]"),
        mask("less", |call| compare(call, "<", |a, b| a < b), "1 where a number is less, else 0.", "tensor::of([1, 2]).less(2)", "Tensor 2×1 [[1.0], [0.0]]"),
        mask("less_equal", |call| compare(call, "<=", |a, b| a <= b), "1 where a number is less or equal, else 0.", "tensor::of([1, 2]).less_equal(1)", "Tensor 2×1 [[1.0], [0.0]]"),
        Function::new("tensor", "where", choose)
            .about("Numbers of one tensor where a mask is not 0, of another elsewhere.")
            .details("Broadcasts as `+` does. Gradients flow into the chosen numbers, none into the mask.")
            .param::<Tensor>("mask", "0 for `no`, anything else for `yes`")
            .param::<Operand>("yes", "taken where the mask is not 0")
            .param::<Operand>("no", "taken where the mask is 0")
            .returns("Tensor")
            .example("let x = tensor::of([-1, 2]); tensor::where(x.greater(0), x, 0)", "Tensor 2×1 [[0.0], [2.0]]")
            .fails("tensor::where(tensor::of([1, 0]), tensor::of([1, 2, 3]), 0)", "cannot bring [2, 1] and [3, 1] together"),
    ]
}

fn compare(call: &mut Call, op: &'static str, holds: fn(&f64, &f64) -> bool) -> Answer {
    answer(call.receiver::<Tensor>()?.compare(&call.arg::<Operand>(0)?.0, op, holds)?)
}

fn choose(call: &mut Call) -> Answer {
    let (yes, no): (Operand, Operand) = (call.arg(1)?, call.arg(2)?);
    answer(call.arg::<Tensor>(0)?.choose(&yes.0, &no.0)?)
}
