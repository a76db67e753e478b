//! `loss::adapt_conf`

use super::built;
use crate::bind::prelude::*;
use crate::train::AdaptConf;

options! {
    /// Options of `loss::adapt_conf`.
    pub struct AdaptConfOptions {
        /// τ: how softly a row's weight goes over from the supervisor to the student.
        temperature: f64 = 1.0,
    }
}

/// The record.
pub fn function() -> Function {
    Function::new("loss", "adapt_conf", run)
        .about("Adaptive confidence: each row weighs its weak label against the student's own prediction.")
        .returns("Loss")
        .details(
                "`(1 − α) · CE(z, w) + α · CE(z, hard)` with `α = e^{CE_self/τ} / (e^{CE_self/τ} + e^{CE_teacher/τ})` of each row; \
                 α and the hard prediction are constants. Any number of classes.",
            )
            .source("Guo et al. 2024, arXiv 2402.03749")
            .options::<AdaptConfOptions>()
            .example("loss::adapt_conf()", "loss::adapt_conf(#{temperature: 1.0})")
            .fails("loss::adapt_conf(#{ temperature: 0 })", "`temperature` of `loss::adapt_conf` must be from 0.01 to 100")
}

fn run(call: &mut Call) -> Answer {
    let options: AdaptConfOptions = call.options()?;
    built(AdaptConf::new(options.temperature))
}
