//! `preference::simpo`

use super::built;
use crate::bind::prelude::*;
use crate::domains::preference::loss::{
    Needs, Pair, PairBatch, PairLoss, PairLossError, PairValue, check_beta, in_range, logistic, mean_over_pairs,
    of_mean_margin,
};

options! {
    /// Options of `preference::simpo`.
    pub struct SimpoOptions {
        /// The scale of the mean log-probability, which is the reward; above 0. The paper takes 2.0 to 10.
        beta: f64 = 0.1,
        /// By how much the better reward should lead, at least 0.
        gamma: f64 = 0.5,
    }
}

/// The record.
pub fn function() -> Function {
    Function::new("preference", "simpo", run)
        .about("Simple preference optimisation: the mean log-probability is the reward, with a margin and without a reference.")
        .details(
            "The mean over pairs of `−log σ(β (log π(y_w)/|y_w| − log π(y_l)/|y_l|) − γ)`, in nats, with lengths in tokens. A reference \
             is not looked at. A pair's weight is `σ(γ − β · …)`. The defaults are TRL's.",
        )
        .source("Meng et al. 2024, arXiv 2405.14734, equation 6; TRL's `CPOTrainer` with `loss_type` \"simpo\"")
        .options::<SimpoOptions>()
        .returns("PreferenceLoss")
        .example("preference::simpo(#{ beta: 2, gamma: 1 })", "preference::simpo(#{beta: 2.0, gamma: 1.0})")
        .fails("preference::simpo(#{ gamma: -1 })", "`gamma` of `preference::simpo` must be a finite number of at least 0, got `-1`")
}

fn run(call: &mut Call) -> Answer {
    let options: SimpoOptions = call.options()?;
    built(Simpo::new(options.beta, options.gamma))
}

/// `−log σ(β (log π(y_w)/|y_w| − log π(y_l)/|y_l|) − γ)`.
#[derive(Debug, Clone, PartialEq)]
pub struct Simpo {
    beta: f64,
    gamma: f64,
}

impl Simpo {
    /// `beta` above 0, `gamma` at least 0.
    pub fn new(beta: f64, gamma: f64) -> Result<Self, PairLossError> {
        check_beta("preference::simpo", beta)?;
        in_range("preference::simpo", "gamma", gamma, gamma >= 0.0, "a finite number of at least 0")?;
        Ok(Simpo { beta, gamma })
    }
}

impl PairLoss for Simpo {
    fn name(&self) -> String {
        "simpo".to_owned()
    }

    fn show(&self) -> String {
        format!("preference::simpo(#{{beta: {:?}, gamma: {:?}}})", self.beta, self.gamma)
    }

    fn needs(&self) -> Needs {
        Needs::default()
    }

    fn step(&self, batch: &PairBatch) -> Result<PairValue, PairLossError> {
        let Simpo { beta, gamma } = *self;
        mean_over_pairs(self, batch, |pair| {
            let bare = Pair { reference_chosen: 0.0, reference_rejected: 0.0, ..*pair };
            of_mean_margin(beta, pair, logistic(beta * bare.mean_delta() - gamma))
        })
    }
}
