//! `loss::bootstrap_soft`

use super::built;
use crate::bind::prelude::*;
use crate::train::BootstrapSoft;

options! {
    /// Options of `loss::bootstrap_soft`.
    pub struct BootstrapSoftOptions {
        /// The label's weight, 0 to 1.
        beta: f64 = 0.95,
    }
}

/// The record.
pub fn function() -> Function {
    Function::new("loss", "bootstrap_soft", run)
        .about("Targets that mix the weak label with the student's own probabilities.")
        .returns("Loss")
        .details("`−Σ (β · w + (1 − β) · p) · log p`; the gradient flows through `p`. Any number of classes.")
        .source("Reed et al. 2014, arXiv 1412.6596")
        .options::<BootstrapSoftOptions>()
        .example("loss::bootstrap_soft()", "loss::bootstrap_soft(#{beta: 0.95})")
        .fails("loss::bootstrap_soft(#{ beta: 2 })", "`beta` of `loss::bootstrap_soft` must be from 0 to 1")
}

fn run(call: &mut Call) -> Answer {
    let options: BootstrapSoftOptions = call.options()?;
    built(BootstrapSoft::new(options.beta))
}
