//! `preference::kto`

use super::built;
use crate::bind::prelude::*;
use crate::domains::preference::loss::{
    Needs, OfPair, PairBatch, PairLoss, PairLossError, PairValue, check_beta, in_range, mean_over_pairs, sigmoid,
};

options! {
    /// Options of `preference::kto`.
    pub struct KtoOptions {
        /// How sharply a log-ratio counts as gain or loss; above 0.
        beta: f64 = 0.1,
        /// The weight of chosen continuations (the paper's λ_D), at least 0.
        desirable: f64 = 1.0,
        /// The weight of rejected continuations (the paper's λ_U), at least 0.
        undesirable: f64 = 1.0,
    }
}

/// The record.
pub fn function() -> Function {
    Function::new("preference", "kto", run)
        .about("Kahneman–Tversky optimisation: each continuation is a gain or a loss against a reference point.")
        .details(
            "The mean over continuations of `λ_D (1 − σ(β(ρ_w − z)))` for a chosen and `λ_U (1 − σ(β(z − ρ_l)))` for a rejected one, with \
             `ρ = log π/π_ref` of sums over tokens: over a pair half of each. `z` is the batch's estimate of the KL divergence, at least \
             0, through which no gradient flows: the mean log-ratio of prompts with another row's continuation, which `finetune_preferences` \
             computes in each step for this loss; `apply` reads it as `kl`. A pair's weight is the mean of `λ σ'` over its continuations.",
        )
        .source("Ethayarajh et al. 2024, arXiv 2402.01306, equation 7; TRL's `kto`")
        .options::<KtoOptions>()
        .returns("PreferenceLoss")
        .example("preference::kto(#{ undesirable: 1.5 })", "preference::kto(#{beta: 0.1, desirable: 1.0, undesirable: 1.5})")
        .fails("preference::kto(#{ desirable: -1 })", "`desirable` of `preference::kto` must be a finite number of at least 0, got `-1`")
}

fn run(call: &mut Call) -> Answer {
    let options: KtoOptions = call.options()?;
    built(Kto::new(options.beta, options.desirable, options.undesirable))
}

/// `1 − σ(β(ρ_w − z))` and `1 − σ(β(z − ρ_l))`.
#[derive(Debug, Clone, PartialEq)]
pub struct Kto {
    beta: f64,
    desirable: f64,
    undesirable: f64,
}

impl Kto {
    /// `beta` above 0, weights of at least 0.
    pub fn new(beta: f64, desirable: f64, undesirable: f64) -> Result<Self, PairLossError> {
        let name = "preference::kto";
        check_beta(name, beta)?;
        let must = "a finite number of at least 0";
        in_range(name, "desirable", desirable, desirable >= 0.0, must)?;
        in_range(name, "undesirable", undesirable, undesirable >= 0.0, must)?;
        Ok(Kto { beta, desirable, undesirable })
    }
}

impl PairLoss for Kto {
    fn name(&self) -> String {
        "kto".to_owned()
    }

    fn show(&self) -> String {
        let Kto { beta, desirable, undesirable } = self;
        format!("preference::kto(#{{beta: {beta:?}, desirable: {desirable:?}, undesirable: {undesirable:?}}})")
    }

    fn needs(&self) -> Needs {
        Needs { reference: true, kl: true, ..Needs::default() }
    }

    fn step(&self, batch: &PairBatch) -> Result<PairValue, PairLossError> {
        let Kto { beta, desirable, undesirable } = *self;
        let z = batch.kl.max(0.0);
        mean_over_pairs(self, batch, |pair| {
            let [chosen, rejected] = pair.log_ratios();
            // 1 − σ(x) = σ(−x), and σ' = σ(x) σ(−x).
            let (gain, loss) = (beta * (chosen - z), beta * (z - rejected));
            let slope = |x: f64| sigmoid(x) * sigmoid(-x);
            let (of_gain, of_loss) = (0.5 * desirable * slope(gain), 0.5 * undesirable * slope(loss));
            OfPair {
                value: 0.5 * (desirable * sigmoid(-gain) + undesirable * sigmoid(-loss)),
                by_chosen: -beta * of_gain,
                by_rejected: beta * of_loss,
                pull: of_gain + of_loss,
            }
        })
    }
}
