//! Functions of every number by itself.

use super::{Operand, answer};
use crate::autograd::Tensor;
use crate::bind::prelude::*;

/// The records.
pub fn functions() -> Vec<Function> {
    let method = |name, run, about| Function::method::<Tensor>(name, run).about(about).returns("Tensor");
    vec![
        method("exp", |call| answer(call.receiver::<Tensor>()?.exp()?), "The exponential of every number.")
            .example("tensor::of(0).exp()", "Tensor 1.0"),
        method("log", |call| answer(call.receiver::<Tensor>()?.log()?), "The natural logarithm of every number.")
            .details("−∞ at 0, NaN below. For probabilities of logits use `log_softmax`, which is exact.")
            .example("tensor::of(1).log()", "Tensor 0.0"),
        method("sqrt", |call| answer(call.receiver::<Tensor>()?.sqrt()?), "The square root of every number.")
            .details("The gradient is infinite at 0.")
            .example("tensor::of([4, 9]).sqrt()", "Tensor 2×1 [[2.0], [3.0]]"),
        method("abs", |call| answer(call.receiver::<Tensor>()?.abs()?), "The absolute value of every number.")
            .details("The gradient at 0 is 0.")
            .example("tensor::of([-1, 2]).abs()", "Tensor 2×1 [[1.0], [2.0]]"),
        method("tanh", |call| answer(call.receiver::<Tensor>()?.tanh()?), "The hyperbolic tangent of every number.")
            .example("tensor::of(0).tanh()", "Tensor 0.0"),
        method(
            "sigmoid",
            |call| answer(call.receiver::<Tensor>()?.sigmoid()?),
            "The logistic function `1 / (1 + e^−x)` of every number x.",
        )
        .example("tensor::of([0, 1000]).sigmoid()", "Tensor 2×1 [[0.5], [1.0]]"),
        method(
            "log_sigmoid",
            |call| answer(call.receiver::<Tensor>()?.log_sigmoid()?),
            "The logarithm of the sigmoid of every number, exact for large ones.",
        )
        .example("tensor::of(-1000).log_sigmoid()", "Tensor -1000.0"),
        method(
            "relu",
            |call| answer(call.receiver::<Tensor>()?.relu()?),
            "The rectifier `max(x, 0)` of every number x.",
        )
        .details("The gradient at 0 is 0.")
        .example("tensor::of([-1, 2]).relu()", "Tensor 2×1 [[0.0], [2.0]]"),
        method(
            "pow",
            |call| answer(call.receiver::<Tensor>()?.pow(call.arg(0)?)?),
            "Every number to the power of a constant exponent.",
        )
        .param::<f64>("exponent", "a finite number")
        .example("tensor::of([1, 3]).pow(2)", "Tensor 2×1 [[1.0], [9.0]]")
        .fails("tensor::of(1).pow(0.0 / 0.0)", "`exponent` must be finite"),
        method(
            "maximum",
            |call| answer(call.receiver::<Tensor>()?.maximum(&call.arg::<Operand>(0)?.0)?),
            "The larger of each pair of numbers.",
        )
        .details("Broadcasts as `+` does. A tie shares its gradient.")
        .param::<Operand>("other", "what to compare with")
        .example("tensor::of([-1, 2]).maximum(0.5)", "Tensor 2×1 [[0.5], [2.0]]")
        .fails("tensor::of([1, 2]).maximum(\"1\")", "`other` of `Tensor.maximum` must be one of Tensor, float"),
        method(
            "minimum",
            |call| answer(call.receiver::<Tensor>()?.minimum(&call.arg::<Operand>(0)?.0)?),
            "The smaller of each pair of numbers.",
        )
        .details("Broadcasts as `+` does. A tie shares its gradient.")
        .param::<Operand>("other", "what to compare with")
        .example("tensor::of([-1, 2]).minimum(0.5)", "Tensor 2×1 [[-1.0], [0.5]]")
        .fails("tensor::of([1, 2]).minimum(\"1\")", "`other` of `Tensor.minimum` must be one of Tensor, float"),
        method(
            "clamp",
            |call| answer(call.receiver::<Tensor>()?.clamp(call.arg(0)?, call.arg(1)?)?),
            "Every number moved into a range.",
        )
        .details("No gradient flows through numbers that were outside.")
        .param::<f64>("least", "the lower end")
        .param::<f64>("most", "the upper end")
        .example("tensor::of([-1, 0.5, 2]).clamp(0, 1)", "Tensor 3×1 [[0.0], [0.5], [1.0]]")
        .fails("tensor::of(1).clamp(1, 0)", "must be in order"),
    ]
}
