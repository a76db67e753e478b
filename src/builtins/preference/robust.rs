//! `preference::robust`

use super::built;
use crate::bind::prelude::*;
use crate::domains::preference::loss::{
    Needs, PairBatch, PairLoss, PairLossError, PairValue, check_beta, in_range, logistic, mean_over_pairs, of_margin,
};

options! {
    /// Options of `preference::robust`.
    pub struct RobustOptions {
        /// The strength of the KL penalty that the loss stands for; above 0.
        beta: f64 = 0.1,
        /// The share of labels that are taken to be flipped, from 0 to below 0.5.
        epsilon: f64 = 0.1,
    }
}

/// The record.
pub fn function() -> Function {
    Function::new("preference", "robust", run)
        .about("Robust DPO: an unbiased estimate of DPO's loss on clean labels, from labels of which a known share is flipped.")
        .details(
            "The mean over pairs of `[(1 − ε) ℓ(Δ) − ε ℓ(−Δ)] / (1 − 2ε)` with `ℓ(Δ) = −log σ(βΔ)`, in nats. It may be negative. A \
             pair's weight is `[(1 − ε) σ(−βΔ) + ε σ(βΔ)] / (1 − 2ε)`.",
        )
        .source("Ray Chowdhury et al. 2024, arXiv 2403.00409; TRL's `robust`")
        .options::<RobustOptions>()
        .returns("PreferenceLoss")
        .example("preference::robust(#{ epsilon: 0.2 })", "preference::robust(#{beta: 0.1, epsilon: 0.2})")
        .fails("preference::robust(#{ epsilon: 0.5 })", "`epsilon` of `preference::robust` must be from 0 to below 0.5, got `0.5`")
}

fn run(call: &mut Call) -> Answer {
    let options: RobustOptions = call.options()?;
    built(Robust::new(options.beta, options.epsilon))
}

/// `[(1 − ε) ℓ(Δ) − ε ℓ(−Δ)] / (1 − 2ε)`.
#[derive(Debug, Clone, PartialEq)]
pub struct Robust {
    beta: f64,
    epsilon: f64,
}

impl Robust {
    /// `beta` above 0, `epsilon` from 0 to below ½.
    pub fn new(beta: f64, epsilon: f64) -> Result<Self, PairLossError> {
        let name = "preference::robust";
        check_beta(name, beta)?;
        in_range(name, "epsilon", epsilon, (0.0..0.5).contains(&epsilon), "from 0 to below 0.5")?;
        Ok(Robust { beta, epsilon })
    }
}

impl PairLoss for Robust {
    fn name(&self) -> String {
        "robust".to_owned()
    }

    fn show(&self) -> String {
        format!("preference::robust(#{{beta: {:?}, epsilon: {:?}}})", self.beta, self.epsilon)
    }

    fn needs(&self) -> Needs {
        Needs { reference: true, ..Needs::default() }
    }

    fn step(&self, batch: &PairBatch) -> Result<PairValue, PairLossError> {
        let Robust { beta, epsilon } = *self;
        let (keep, flip) = ((1.0 - epsilon) / (1.0 - 2.0 * epsilon), epsilon / (1.0 - 2.0 * epsilon));
        mean_over_pairs(self, batch, |pair| {
            let margin = beta * pair.delta();
            let ([right, by_right], [wrong, by_wrong]) = (logistic(margin), logistic(-margin));
            of_margin(beta, [keep * right - flip * wrong, keep * by_right + flip * by_wrong])
        })
    }
}
