//! `loss::cross_entropy`

use super::built;
use crate::bind::prelude::*;
use crate::train::CrossEntropy;

/// The record.
pub fn function() -> Function {
    Function::new("loss", "cross_entropy", run)
        .about("Soft-label cross-entropy: naive finetuning on weak labels.")
        .returns("Loss")
        .details("Mean over rows of `−Σ w · log softmax(z)`. Any number of classes.")
        .source("Burns et al. 2023, arXiv 2312.09390")
        .example("loss::cross_entropy()", "loss::cross_entropy()")
}

fn run(_: &mut Call) -> Answer {
    built(Ok(CrossEntropy))
}
