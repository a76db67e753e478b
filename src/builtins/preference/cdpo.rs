//! `preference::cdpo`

use super::built;
use crate::bind::prelude::*;
use crate::domains::preference::loss::{
    Needs, PairBatch, PairLoss, PairLossError, PairValue, check_beta, in_range, logistic, mean_over_pairs, of_margin,
};

options! {
    /// Options of `preference::cdpo`.
    pub struct CdpoOptions {
        /// The strength of the KL penalty that the loss stands for; above 0.
        beta: f64 = 0.1,
        /// The share of labels that are taken to be flipped, from 0 to below 0.5.
        epsilon: f64 = 0.1,
    }
}

/// The record.
pub fn function() -> Function {
    Function::new("preference", "cdpo", run)
        .about("Conservative DPO: the logistic loss against a label that is flipped with a known probability.")
        .details(
            "The mean over pairs of `(1 − ε) ℓ(Δ) + ε ℓ(−Δ)` with `ℓ(Δ) = −log σ(βΔ)`, in nats. Its minimum is at \
             βΔ = log((1 − ε)/ε), not at infinity. A pair's weight is `(1 − ε) σ(−βΔ) − ε σ(βΔ)`, negative beyond the minimum.",
        )
        .source("Mitchell 2023, \"A note on DPO with noisy preferences\"; the `label_smoothing` of the authors' DPO code")
        .options::<CdpoOptions>()
        .returns("PreferenceLoss")
        .example("preference::cdpo()", "preference::cdpo(#{beta: 0.1, epsilon: 0.1})")
        .fails("preference::cdpo(#{ epsilon: 0.5 })", "`epsilon` of `preference::cdpo` must be from 0 to below 0.5, got `0.5`")
}

fn run(call: &mut Call) -> Answer {
    let options: CdpoOptions = call.options()?;
    built(Cdpo::new(options.beta, options.epsilon))
}

/// `(1 − ε) ℓ(Δ) + ε ℓ(−Δ)`.
#[derive(Debug, Clone, PartialEq)]
pub struct Cdpo {
    beta: f64,
    epsilon: f64,
}

impl Cdpo {
    /// `beta` above 0, `epsilon` from 0 to below ½.
    pub fn new(beta: f64, epsilon: f64) -> Result<Self, PairLossError> {
        let name = "preference::cdpo";
        check_beta(name, beta)?;
        in_range(name, "epsilon", epsilon, (0.0..0.5).contains(&epsilon), "from 0 to below 0.5")?;
        Ok(Cdpo { beta, epsilon })
    }
}

impl PairLoss for Cdpo {
    fn name(&self) -> String {
        "cdpo".to_owned()
    }

    fn show(&self) -> String {
        format!("preference::cdpo(#{{beta: {:?}, epsilon: {:?}}})", self.beta, self.epsilon)
    }

    fn needs(&self) -> Needs {
        Needs { reference: true, ..Needs::default() }
    }

    fn step(&self, batch: &PairBatch) -> Result<PairValue, PairLossError> {
        let Cdpo { beta, epsilon } = *self;
        mean_over_pairs(self, batch, |pair| {
            let margin = beta * pair.delta();
            let ([right, by_right], [wrong, by_wrong]) = (logistic(margin), logistic(-margin));
            let keep = 1.0 - epsilon;
            of_margin(beta, [keep * right + epsilon * wrong, keep * by_right - epsilon * by_wrong])
        })
    }
}
