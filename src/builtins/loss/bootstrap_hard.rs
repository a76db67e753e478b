//! `loss::bootstrap_hard`

use super::built;
use crate::bind::prelude::*;
use crate::train::BootstrapHard;

options! {
    /// Options of `loss::bootstrap_hard`.
    pub struct BootstrapHardOptions {
        /// The label's weight, 0 to 1.
        beta: f64 = 0.8,
    }
}

/// The record.
pub fn function() -> Function {
    Function::new("loss", "bootstrap_hard", run)
        .about("Targets that mix the weak label with the student's own hard prediction.")
        .returns("Loss")
        .details("`CE(z, β · w + (1 − β) · hard)`; the prediction is a constant. Any number of classes.")
        .source("Reed et al. 2014, arXiv 1412.6596")
        .options::<BootstrapHardOptions>()
        .example("loss::bootstrap_hard()", "loss::bootstrap_hard(#{beta: 0.8})")
        .fails("loss::bootstrap_hard(#{ beta: 2 })", "`beta` of `loss::bootstrap_hard` must be from 0 to 1")
}

fn run(call: &mut Call) -> Answer {
    let options: BootstrapHardOptions = call.options()?;
    built(BootstrapHard::new(options.beta))
}
