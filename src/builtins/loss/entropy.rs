//! `loss::entropy`

use super::built;
use crate::bind::prelude::*;
use crate::train::Entropy;

options! {
    /// Options of `loss::entropy`.
    pub struct EntropyOptions {
        /// λ, the weight of the entropy.
        coefficient: f64 = 0.5,
        /// T, which softens the distribution in the entropy term.
        temperature: f64 = 1.0,
    }
}

/// The record.
pub fn function() -> Function {
    Function::new("loss", "entropy", run)
        .about("Cross-entropy plus λ times the entropy of the student's prediction, which rewards confidence.")
        .returns("Loss")
        .details("`CE(z, w) + λ · H(softmax(z / T))`; the gradient flows through the entropy. Any number of classes.")
        .source("EleutherAI/w2s")
        .options::<EntropyOptions>()
        .example("loss::entropy(#{ coefficient: 0.3 })", "loss::entropy(#{coefficient: 0.3, temperature: 1.0})")
        .fails("loss::entropy(#{ temperature: 0 })", "`temperature` of `loss::entropy` must be from 0.01 to 100")
}

fn run(call: &mut Call) -> Answer {
    let options: EntropyOptions = call.options()?;
    built(Entropy::new(options.coefficient, options.temperature))
}
