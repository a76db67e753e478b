//! `tensor::where`

use super::{Operand, answer};
use crate::autograd::Tensor;
use crate::bind::prelude::*;

/// The record.
pub fn function() -> Function {
    Function::new("tensor", "where", run)
        .about("Numbers of one tensor where a mask is not 0, of another elsewhere.")
        .details("Broadcasts as `+` does. Gradients flow into the chosen numbers, none into the mask.")
        .param::<Tensor>("mask", "0 for `no`, anything else for `yes`")
        .param::<Operand>("yes", "taken where the mask is not 0")
        .param::<Operand>("no", "taken where the mask is 0")
        .returns("Tensor")
        .example("let x = tensor::of([-1, 2]); tensor::where(x.greater(0), x, 0)", "Tensor 2×1 [[0.0], [2.0]]")
        .fails("tensor::where(tensor::of([1, 0]), tensor::of([1, 2, 3]), 0)", "cannot broadcast [2, 1] with [3, 1]")
}

fn run(call: &mut Call) -> Answer {
    let (yes, no): (Operand, Operand) = (call.arg(1)?, call.arg(2)?);
    answer(call.arg::<Tensor>(0)?.choose(&yes.0, &no.0)?)
}
