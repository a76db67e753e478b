//! `preference::bco_pair`

use super::built;
use crate::bind::prelude::*;
use crate::domains::preference::loss::{
    Needs, OfPair, PairBatch, PairLoss, PairLossError, PairValue, check_beta, in_range, logistic, mean_over_pairs,
};

options! {
    /// Options of `preference::bco_pair`.
    pub struct BcoPairOptions {
        /// The scale of the implicit reward; above 0.
        beta: f64 = 0.1,
        /// The reward shift that tells good from bad: a number that does not move.
        shift: f64 = 0.0,
    }
}

/// The record.
pub fn function() -> Function {
    Function::new("preference", "bco_pair", run)
        .about("Binary classifier optimisation on pairs: the implicit reward is the logit that tells good from bad.")
        .details(
            "The mean over pairs of `−log σ(r_w − δ) − log σ(δ − r_l)`, in nats, with `r = β log π/π_ref` of sums over tokens and δ the \
             `shift`. The paper's δ is a running mean of the rewards; TRL's form for pairs has none, which is the default here. A \
             pair's weight is the mean of `σ(δ − r_w)` and `σ(r_l − δ)`.",
        )
        .source("Jung et al. 2024, arXiv 2404.04656; TRL's `bco_pair` (no shift)")
        .options::<BcoPairOptions>()
        .returns("PreferenceLoss")
        .example("preference::bco_pair()", "preference::bco_pair(#{beta: 0.1, shift: 0.0})")
        .fails("preference::bco_pair(#{ beta: 0 })", "`beta` of `preference::bco_pair` must be a finite number above 0, got `0`")
}

fn run(call: &mut Call) -> Answer {
    let options: BcoPairOptions = call.options()?;
    built(BcoPair::new(options.beta, options.shift))
}

/// `−log σ(r_w − δ) − log σ(δ − r_l)`.
#[derive(Debug, Clone, PartialEq)]
pub struct BcoPair {
    beta: f64,
    shift: f64,
}

impl BcoPair {
    /// `beta` above 0.
    pub fn new(beta: f64, shift: f64) -> Result<Self, PairLossError> {
        check_beta("preference::bco_pair", beta)?;
        in_range("preference::bco_pair", "shift", shift, true, "a finite number")?;
        Ok(BcoPair { beta, shift })
    }
}

impl PairLoss for BcoPair {
    fn name(&self) -> String {
        "bco_pair".to_owned()
    }

    fn show(&self) -> String {
        format!("preference::bco_pair(#{{beta: {:?}, shift: {:?}}})", self.beta, self.shift)
    }

    fn needs(&self) -> Needs {
        Needs { reference: true, ..Needs::default() }
    }

    fn step(&self, batch: &PairBatch) -> Result<PairValue, PairLossError> {
        let BcoPair { beta, shift } = *self;
        mean_over_pairs(self, batch, |pair| {
            let [chosen, rejected] = pair.log_ratios();
            let ([good, by_good], [bad, by_bad]) = (logistic(beta * chosen - shift), logistic(shift - beta * rejected));
            OfPair {
                value: good + bad,
                by_chosen: beta * by_good,
                by_rejected: -beta * by_bad,
                pull: -0.5 * (by_good + by_bad),
            }
        })
    }
}
