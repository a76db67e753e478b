//! What a loss computes of each row of logits.

use super::answer;
use crate::autograd::{Axis, Tensor};
use crate::bind::prelude::*;

/// The records.
pub fn functions() -> Vec<Function> {
    let method = |name, run, about| Function::method::<Tensor>(name, run).about(about).returns("Tensor");
    let target = "target probabilities, as many rows and columns as the logits";
    vec![
        method("softmax", |call| answer(call.receiver::<Tensor>()?.softmax()?), "The softmax of each row.")
            .example("tensor::of([[0, 0], [0, 1000]]).softmax()", "Tensor 2×2 [[0.5, 0.5], [0.0, 1.0]]"),
        method("log_softmax", |call| answer(call.receiver::<Tensor>()?.log_softmax()?), "The logarithm of each row's softmax, exact for large logits.")
            .example("tensor::of([[0, 1000]]).log_softmax()", "Tensor 1×2 [[-1000.0, 0.0]]"),
        method("cross_entropy", |call| answer(rows(call)?.mean(Axis::All)?), "Mean soft-label cross-entropy of logits against target probabilities.")
            .details("The mean over rows of `−Σ target · log softmax(logits)`, in nats. A gradient flows through the target too: `detach` it where it must not.")
            .source("Burns et al. 2023, arXiv 2312.09390")
            .param::<Tensor>("target", target)
            .example("tensor::of([[0, 0]]).cross_entropy(tensor::of([[0.5, 0.5]]))", "Tensor 0.693147")
            .fails("tensor::of([[0, 0]]).cross_entropy(tensor::of([1]))", "cannot broadcast [1, 2] with [1, 1]"),
        method("cross_entropy_rows", |call| answer(rows(call)?), "Soft-label cross-entropy of each row of logits, for weighting rows oneself.")
            .details("One column: `−Σ target · log softmax(logits)` of each row, in nats.")
            .param::<Tensor>("target", target)
            .example("tensor::of([[0, 0], [0, 1000]]).cross_entropy_rows(tensor::of([[0, 1], [0, 1]]))", "Tensor 2×1 [[0.693147], [0.0]]")
            .fails("tensor::of([[0, 0]]).cross_entropy_rows(tensor::of([1]))", "cannot broadcast [1, 2] with [1, 1]"),
        method("entropy", |call| answer(call.receiver::<Tensor>()?.entropy_rows()?.mean(Axis::All)?), "Mean entropy of the softmax of each row of logits, in nats.")
            .example("tensor::of([[0, 0]]).entropy()", "Tensor 0.693147"),
        method("entropy_rows", |call| answer(call.receiver::<Tensor>()?.entropy_rows()?), "Entropy of the softmax of each row of logits, in nats; one column.")
            .example("tensor::of([[0, 0], [0, 1000]]).entropy_rows()", "Tensor 2×1 [[0.693147], [0.0]]"),
        method("kl", |call| answer(divergence(call)?.mean(Axis::All)?), "Mean Kullback–Leibler divergence of target probabilities from the softmax of logits.")
            .details("The mean over rows of `Σ target · (log target − log softmax(logits))`, in nats; 0 · log 0 is 0.")
            .param::<Tensor>("target", target)
            .example("tensor::of([[0, 0]]).kl(tensor::of([[0.5, 0.5]]))", "Tensor 0.0")
            .fails("tensor::of([[0, 0]]).kl(tensor::of([1]))", "cannot broadcast [1, 2] with [1, 1]"),
        method("kl_rows", |call| answer(divergence(call)?), "Kullback–Leibler divergence of the target from the softmax of each row of logits; one column.")
            .param::<Tensor>("target", target)
            .example("tensor::of([[0, 0]]).kl_rows(tensor::of([[0, 1]]))", "Tensor 0.693147")
            .fails("tensor::of([[0, 0]]).kl_rows(tensor::of([1]))", "cannot broadcast [1, 2] with [1, 1]"),
        method("hard", |call| answer(call.receiver::<Tensor>()?.hard()?), "A 1 at each row's largest number, 0 elsewhere; a constant.")
            .details("The first of ties. No gradient flows through it.")
            .example("tensor::of([[0.2, 0.8], [0.5, 0.5]]).hard()", "Tensor 2×2 [[0.0, 1.0], [1.0, 0.0]]"),
        method("argmax", |call| answer(call.receiver::<Tensor>()?.argmax()?), "The column of each row's largest number; a constant column.")
            .details("The first of ties. No gradient flows through it.")
            .example("tensor::of([[0.2, 0.8], [0.5, 0.5]]).argmax()", "Tensor 2×1 [[1.0], [0.0]]"),
    ]
}

fn rows(call: &Call) -> Result<Tensor, Fault> {
    Ok(call.receiver::<Tensor>()?.cross_entropy_rows(&call.arg(0)?)?)
}

fn divergence(call: &Call) -> Result<Tensor, Fault> {
    Ok(call.receiver::<Tensor>()?.kl_rows(&call.arg(0)?)?)
}
