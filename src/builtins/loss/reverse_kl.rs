//! `loss::reverse_kl`

use super::built;
use crate::bind::prelude::*;
use crate::train::ReverseKl;

options! {
    /// Options of `loss::reverse_kl`.
    pub struct ReverseKlOptions {
        /// Weak probabilities are raised to at least this.
        floor: f64 = 1e-4,
    }
}

/// The record.
pub fn function() -> Function {
    Function::new("loss", "reverse_kl", run)
        .about("Reverse Kullback–Leibler divergence, from the student's side: it seeks a mode of the weak label.")
        .returns("Loss")
        .details("Mean of `Σ p · (log p − log w)`, with `w` at least `floor`. Any number of classes.")
        .options::<ReverseKlOptions>()
        .example("loss::reverse_kl()", "loss::reverse_kl(#{floor: 0.0001})")
        .fails("loss::reverse_kl(#{ floor: 0 })", "`floor` of `loss::reverse_kl` must be from 1e-12 to 0.5")
}

fn run(call: &mut Call) -> Answer {
    let options: ReverseKlOptions = call.options()?;
    built(ReverseKl::new(options.floor))
}
