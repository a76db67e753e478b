//! `preference::hinge`

use super::built;
use crate::bind::prelude::*;
use crate::domains::preference::loss::{
    Needs, PairBatch, PairLoss, PairLossError, PairValue, check_beta, mean_over_pairs, of_margin,
};

options! {
    /// Options of `preference::hinge`.
    pub struct HingeOptions {
        /// The margin counts this many times; above 0.
        beta: f64 = 0.1,
    }
}

/// The record.
pub fn function() -> Function {
    Function::new("preference", "hinge", run)
        .about("The hinge loss on the difference of implicit rewards.")
        .details(
            "The mean over pairs of `max(0, 1 − βΔ)`, with Δ as in `preference::dpo`. A pair's weight is 1 below the hinge and 0 from it on. \
             It has a reference; the calibration loss of SLiC-HF has none.",
        )
        .source("TRL's `hinge`; the loss of Zhao et al. 2023, arXiv 2305.10425, on log-ratios, as Liu et al. 2023, arXiv 2309.06657, have it")
        .options::<HingeOptions>()
        .returns("PreferenceLoss")
        .example("preference::hinge(#{ beta: 1 })", "preference::hinge(#{beta: 1.0})")
        .fails("preference::hinge(#{ beta: -1 })", "`beta` of `preference::hinge` must be a finite number above 0, got `-1`")
}

fn run(call: &mut Call) -> Answer {
    let options: HingeOptions = call.options()?;
    built(Hinge::new(options.beta))
}

/// `max(0, 1 − βΔ)`.
#[derive(Debug, Clone, PartialEq)]
pub struct Hinge {
    beta: f64,
}

impl Hinge {
    /// `beta` above 0.
    pub fn new(beta: f64) -> Result<Self, PairLossError> {
        check_beta("preference::hinge", beta)?;
        Ok(Hinge { beta })
    }
}

impl PairLoss for Hinge {
    fn name(&self) -> String {
        "hinge".to_owned()
    }

    fn show(&self) -> String {
        format!("preference::hinge(#{{beta: {:?}}})", self.beta)
    }

    fn needs(&self) -> Needs {
        Needs { reference: true, ..Needs::default() }
    }

    fn step(&self, batch: &PairBatch) -> Result<PairValue, PairLossError> {
        mean_over_pairs(self, batch, |pair| {
            let short = 1.0 - self.beta * pair.delta();
            of_margin(self.beta, if short > 0.0 { [short, -1.0] } else { [0.0, 0.0] })
        })
    }
}
