//! `preference::dpo`

use super::built;
use crate::bind::prelude::*;
use crate::domains::preference::loss::{
    Needs, PairBatch, PairLoss, PairLossError, PairValue, check_beta, logistic, mean_over_pairs, of_margin,
};

options! {
    /// Options of `preference::dpo`.
    pub struct DpoOptions {
        /// The strength of the KL penalty that the loss stands for; above 0.
        beta: f64 = 0.1,
    }
}

/// The record.
pub fn function() -> Function {
    Function::new("preference", "dpo", run)
        .about("Direct preference optimisation: the logistic loss on the difference of implicit rewards.")
        .details(
            "The mean over pairs of `−log σ(βΔ)`, in nats, with Δ = log π(y_w)/π_ref(y_w) − log π(y_l)/π_ref(y_l) of sums over tokens. \
             `β · log π/π_ref` is the implicit reward. A pair's weight is `σ(−βΔ)`: how wrong the implicit reward is. With a soft \
             preference p the loss is p of the loss and 1 − p of that with both continuations exchanged.",
        )
        .source("Rafailov et al. 2023, arXiv 2305.18290, equation 7; TRL's `sigmoid`")
        .options::<DpoOptions>()
        .returns("PreferenceLoss")
        .example("preference::dpo(#{ beta: 0.5 })", "preference::dpo(#{beta: 0.5})")
        .fails("preference::dpo(#{ beta: 0 })", "option `beta` of `preference::dpo` must be a finite number above 0, got `0`")
}

fn run(call: &mut Call) -> Answer {
    let options: DpoOptions = call.options()?;
    built(Dpo::new(options.beta))
}

/// `−log σ(βΔ)`.
#[derive(Debug, Clone, PartialEq)]
pub struct Dpo {
    beta: f64,
}

impl Dpo {
    /// `beta` above 0.
    pub fn new(beta: f64) -> Result<Self, PairLossError> {
        check_beta("preference::dpo", beta)?;
        Ok(Dpo { beta })
    }
}

impl PairLoss for Dpo {
    fn name(&self) -> String {
        "dpo".to_owned()
    }

    fn show(&self) -> String {
        format!("preference::dpo(#{{beta: {:?}}})", self.beta)
    }

    fn needs(&self) -> Needs {
        Needs { reference: true, ..Needs::default() }
    }

    fn step(&self, batch: &PairBatch) -> Result<PairValue, PairLossError> {
        mean_over_pairs(self, batch, |pair| of_margin(self.beta, logistic(self.beta * pair.delta())))
    }
}
