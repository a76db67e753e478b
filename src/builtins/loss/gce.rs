//! `loss::gce`

use super::built;
use crate::bind::prelude::*;
use crate::train::Gce;

options! {
    /// Options of `loss::gce`.
    pub struct GceOptions {
        /// From 0.001, near cross-entropy, to 1, the mean absolute error.
        q: f64 = 0.7,
    }
}

/// The record.
pub fn function() -> Function {
    Function::new("loss", "gce", run)
        .about("Generalised cross-entropy, between cross-entropy and the mean absolute error.")
        .returns("Loss")
        .details("Mean of `Σ w · (1 − p^q) / q`. Any number of classes.")
        .source("Zhang and Sabuncu 2018, arXiv 1805.07836")
        .options::<GceOptions>()
        .example("loss::gce()", "loss::gce(#{q: 0.7})")
        .fails("loss::gce(#{ q: 0 })", "`q` of `loss::gce` must be from 0.001 to 1")
}

fn run(call: &mut Call) -> Answer {
    let options: GceOptions = call.options()?;
    built(Gce::new(options.q))
}
