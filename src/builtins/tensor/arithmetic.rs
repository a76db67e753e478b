//! `+`, `-`, `*`, `/` between tensors and numbers, both ways, and unary minus.

use super::{Operand, answer};
use crate::autograd::{Tensor, TensorError};
use crate::bind::prelude::*;

const BROADCASTING: &str = "Number by number. An axis of length 1 is repeated to the other's length: a column `[n, 1]` \
    meets every column of `[n, k]`, a row `[1, k]` every row, a number everything. Other lengths must be equal.";

/// The records.
pub fn functions() -> Vec<Function> {
    let mut records = Vec::new();
    let forward: [(&'static str, Run, &'static str, &'static str, &'static str); 3] = [
        (
            "+",
            |call| binary(call, Tensor::add),
            "The sum, number by number.",
            "tensor::of([1, 2]) + 0.5",
            "Tensor 2×1 [[1.5], [2.5]]",
        ),
        (
            "*",
            |call| binary(call, Tensor::mul),
            "The product, number by number.",
            "tensor::of([[1, 2], [3, 4]]) * tensor::of([10, 1])",
            "Tensor 2×2 [[10.0, 20.0], [3.0, 4.0]]",
        ),
        (
            "/",
            |call| binary(call, Tensor::div),
            "The quotient, number by number.",
            "let p = tensor::of([[1, 3], [2, 2]]); p / p.sum(1)",
            "Tensor 2×2 [[0.25, 0.75], [0.5, 0.5]]",
        ),
    ];
    for (name, run, about, code, result) in forward {
        records.push(
            Function::operator::<Tensor>(name, run)
                .about(about)
                .details(BROADCASTING)
                .param::<Operand>("other", "the second operand")
                .returns("Tensor")
                .example(code, result)
                .fails(misfit(name), "cannot broadcast [2, 1] with [3, 1]"),
        );
    }
    let backward: [(&'static str, Run, &'static str, &'static str); 4] = [
        ("+", |call| reverse(call, Tensor::add), "1 + tensor::of([1, 2])", "Tensor 2×1 [[2.0], [3.0]]"),
        ("-", |call| reverse(call, Tensor::sub), "1.5 - tensor::of([1, 2])", "Tensor 2×1 [[0.5], [-0.5]]"),
        ("*", |call| reverse(call, Tensor::mul), "2 * tensor::of([1, 2])", "Tensor 2×1 [[2.0], [4.0]]"),
        ("/", |call| reverse(call, Tensor::div), "1 / tensor::of([1, 2])", "Tensor 2×1 [[1.0], [0.5]]"),
    ];
    for (name, run, code, result) in backward {
        let documented = |function: Function| {
            let about = "The same with the number first.";
            function.about(about).param::<Tensor>("tensor", "the tensor").returns("Tensor").example(code, result)
        };
        records.push(documented(Function::reverse_operator::<f64, Tensor>(name, run)));
        records.push(documented(Function::reverse_operator::<i64, Tensor>(name, run)));
    }
    records.push(
        Function::operator::<Tensor>("-", minus)
            .about("The elementwise difference; with one operand, the negative.")
            .details(BROADCASTING)
            .optional::<Operand>("other", "the second operand")
            .returns("Tensor")
            .example("tensor::of([1, 2]) - 1", "Tensor 2×1 [[0.0], [1.0]]")
            .example("-tensor::of([1, -2])", "Tensor 2×1 [[-1.0], [2.0]]")
            .fails("tensor::of([1, 2]) - tensor::of([1, 2, 3])", "cannot broadcast [2, 1] with [3, 1]"),
    );
    records
}

fn misfit(operator: &str) -> &'static str {
    match operator {
        "+" => "tensor::of([1, 2]) + tensor::of([1, 2, 3])",
        "*" => "tensor::of([1, 2]) * tensor::of([1, 2, 3])",
        _ => "tensor::of([1, 2]) / tensor::of([1, 2, 3])",
    }
}

type Run = fn(&mut Call) -> Answer;
type Binary = fn(&Tensor, &Tensor) -> Result<Tensor, TensorError>;

fn binary(call: &mut Call, op: Binary) -> Answer {
    answer(op(&call.receiver::<Tensor>()?, &call.arg::<Operand>(0)?.0)?)
}

fn minus(call: &mut Call) -> Answer {
    let tensor = call.receiver::<Tensor>()?;
    match call.optional::<Operand>(0)? {
        Some(other) => answer(tensor.sub(&other.0)?),
        None => answer(tensor.neg()?),
    }
}

fn reverse(call: &mut Call, op: Binary) -> Answer {
    answer(op(&call.receiver::<Operand>()?.0, &call.arg::<Tensor>(0)?)?)
}
