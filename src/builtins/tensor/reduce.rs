//! Sums, means, extremes and quantiles.

use super::{answer, axis};
use crate::autograd::Tensor;
use crate::bind::prelude::*;

const AXIS: &str = "left out: over all numbers; 0: over the rows; 1: over the columns";
const KEPT: &str = "The reduced axis stays with length 1, so that `p / p.sum(1)` divides every row by its own sum.";

/// The records.
pub fn functions() -> Vec<Function> {
    let method = |name, run, about| {
        Function::method::<Tensor>(name, run).about(about).optional::<i64>("axis", AXIS).returns("Tensor")
    };
    vec![
        method(
            "sum",
            |call| answer(call.receiver::<Tensor>()?.sum(axis(call, 0)?)?),
            "The sum, over all numbers or an axis.",
        )
        .details(KEPT)
        .example("tensor::of([[1, 2], [3, 4]]).sum(1)", "Tensor 2×1 [[3.0], [7.0]]")
        .fails("tensor::of(1).sum(2)", "must be 0 (over rows) or 1 (over columns)"),
        method(
            "mean",
            |call| answer(call.receiver::<Tensor>()?.mean(axis(call, 0)?)?),
            "The mean, over all numbers or an axis.",
        )
        .details(KEPT)
        .example("tensor::of([[1, 2], [3, 4]]).mean(0)", "Tensor 1×2 [[2.0, 3.0]]")
        .fails("tensor::of(1).mean(2)", "must be 0 (over rows) or 1 (over columns)"),
        method(
            "max",
            |call| answer(call.receiver::<Tensor>()?.max(axis(call, 0)?)?),
            "The largest number, of all or along an axis.",
        )
        .details("The reduced axis stays with length 1. Ties share the gradient.")
        .example("tensor::of([[1, 2], [3, 4]]).max()", "Tensor 4.0")
        .fails("tensor::of(1).max(2)", "must be 0 (over rows) or 1 (over columns)"),
        method(
            "min",
            |call| answer(call.receiver::<Tensor>()?.min(axis(call, 0)?)?),
            "The smallest number, of all or along an axis.",
        )
        .details("The reduced axis stays with length 1. Ties share the gradient.")
        .example("tensor::of([[1, 2], [3, 4]]).min(1)", "Tensor 2×1 [[1.0], [3.0]]")
        .fails("tensor::of(1).min(2)", "must be 0 (over rows) or 1 (over columns)"),
        method(
            "median",
            |call| answer(call.receiver::<Tensor>()?.quantile(0.5, axis(call, 0)?)?),
            "The median, of all numbers or along an axis; a constant.",
        )
        .details("The mean of the two middle ones of an even count. No gradient flows through it.")
        .example("tensor::of([1, 5, 2, 3]).median()", "Tensor 2.5")
        .fails("tensor::of(1).median(2)", "must be 0 (over rows) or 1 (over columns)"),
        Function::method::<Tensor>("quantile", |call| {
            answer(call.receiver::<Tensor>()?.quantile(call.arg(0)?, axis(call, 1)?)?)
        })
        .about("A quantile, of all numbers or along an axis; a constant.")
        .details("Linear interpolation, as `numpy.quantile`. No gradient flows through it.")
        .param::<f64>("share", "from 0, the smallest, to 1, the largest")
        .optional::<i64>("axis", AXIS)
        .returns("Tensor")
        .example("tensor::of([1, 2, 3, 10]).quantile(0.9)", "Tensor 7.9")
        .fails("tensor::of(1).quantile(1.5)", "`share` must be from 0 to 1"),
    ]
}
