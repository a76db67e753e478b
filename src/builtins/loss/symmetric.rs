//! `loss::symmetric`

use super::built;
use crate::bind::prelude::*;
use crate::train::Symmetric;

options! {
    /// Options of `loss::symmetric`.
    pub struct SymmetricOptions {
        /// The weight of the cross-entropy.
        alpha: f64 = 0.1,
        /// The weight of the reverse cross-entropy.
        beta: f64 = 1.0,
        /// log w is raised to at least this.
        log_floor: f64 = -4.0,
    }
}

/// The record.
pub fn function() -> Function {
    Function::new("loss", "symmetric", run)
        .about("Symmetric cross-entropy, robust against wrong labels.")
        .returns("Loss")
        .details("`α · CE(z, w) + β · (−Σ p · log w)`, with `log w` at least `log_floor`. Any number of classes.")
        .source("Wang et al. 2019, arXiv 1908.06112")
        .options::<SymmetricOptions>()
        .example("loss::symmetric()", "loss::symmetric(#{alpha: 0.1, beta: 1.0, log_floor: -4.0})")
        .fails("loss::symmetric(#{ log_floor: 1 })", "`log_floor` of `loss::symmetric` must be from -100 to -0.01")
}

fn run(call: &mut Call) -> Answer {
    let options: SymmetricOptions = call.options()?;
    built(Symmetric::new(options.alpha, options.beta, options.log_floor))
}
