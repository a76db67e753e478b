//! `preference::orpo`

use super::built;
use crate::bind::prelude::*;
use crate::core::math::exp;
use crate::domains::preference::loss::{
    Needs, OfPair, Pair, PairBatch, PairLoss, PairLossError, PairValue, in_range, ln_1p, logistic, mean_over_pairs,
};

options! {
    /// Options of `preference::orpo`.
    pub struct OrpoOptions {
        /// The weight of the odds ratio (the paper's λ), at least 0.
        beta: f64 = 0.1,
        /// What the likelihood is of: "sequence", prompt and continuation, by token over the batch, as TRL has it; "response", the continuation alone, by pair, as the paper has it.
        nll: String = "sequence".to_owned(),
    }
}

/// The record.
pub fn function() -> Function {
    Function::new("preference", "orpo", run)
        .about("Odds ratio preference optimisation: the likelihood of the chosen text, and a penalty on the odds of the rejected one.")
        .details(
            "`NLL − β log σ(log odds(y_w) − log odds(y_l))`, in nats, with `odds = P / (1 − P)` and `log P` the mean log-probability of a \
             continuation's tokens. `nll: \"sequence\"`: the mean of −log π over all tokens of the chosen texts of the batch, those of the prompts \
             but their first too (where the batch has prompts); \"response\": the mean over pairs of the mean over the tokens of the \
             continuation. A reference is not looked at. A pair's weight is `σ(−log odds ratio)`. A continuation of \
             probability 1 is refused: its odds are infinite.",
        )
        .source("Hong et al. 2024, arXiv 2403.07691, equations 6 and 7; TRL's `ORPOTrainer`")
        .options::<OrpoOptions>()
        .returns("PreferenceLoss")
        .example("preference::orpo()", "preference::orpo(#{beta: 0.1, nll: \"sequence\"})")
        .fails("preference::orpo(#{ nll: \"all\" })", "`nll` of `preference::orpo` must be \"sequence\" or \"response\", got `all`")
}

fn run(call: &mut Call) -> Answer {
    let options: OrpoOptions = call.options()?;
    built(Orpo::new(options.beta, &options.nll))
}

/// `NLL − β log σ(log odds ratio)`.
#[derive(Debug, Clone, PartialEq)]
pub struct Orpo {
    beta: f64,
    /// Whether the likelihood is of prompts too.
    of_sequence: bool,
}

impl Orpo {
    /// `beta` at least 0; `nll` is "sequence" or "response".
    pub fn new(beta: f64, nll: &str) -> Result<Self, PairLossError> {
        let name = "preference::orpo";
        in_range(name, "beta", beta, beta >= 0.0, "a finite number of at least 0")?;
        let of_sequence = match nll {
            "sequence" => true,
            "response" => false,
            other => {
                let must = "\"sequence\" or \"response\"";
                return Err(PairLossError::Option { name, option: "nll", must, got: other.to_owned() });
            }
        };
        Ok(Orpo { beta, of_sequence })
    }

    /// The penalty, and with `nll: "response"` the likelihood.
    fn of_pair(&self, pair: &Pair) -> OfPair {
        let (chosen, rejected) = (pair.chosen / pair.n_chosen, pair.rejected / pair.n_rejected);
        let [odds_chosen, by_chosen] = log_odds(chosen);
        let [odds_rejected, by_rejected] = log_odds(rejected);
        let [penalty, slope] = logistic(odds_chosen - odds_rejected);
        let nll = if self.of_sequence { 0.0 } else { 1.0 };
        OfPair {
            value: self.beta * penalty - nll * chosen,
            by_chosen: (self.beta * slope * by_chosen - nll) / pair.n_chosen,
            by_rejected: -self.beta * slope * by_rejected / pair.n_rejected,
            pull: -slope,
        }
    }

    /// Adds the mean of −log π over all tokens of the chosen texts.
    fn add_sequences(batch: &PairBatch, found: &mut PairValue) {
        let of = |numbers: &[f64], pair: usize| numbers.get(pair).copied().unwrap_or(0.0);
        // How much each text of a pair counts, by its preference.
        let shares = |idx: usize| {
            let (weight, p) = (batch.weight(idx), batch.preference(idx));
            (weight, weight * p, weight * (1.0 - p))
        };
        let n_tokens: f64 = (0..batch.n_pairs())
            .map(|idx| {
                let (weight, chosen, rejected) = shares(idx);
                let pair = batch.pair(idx);
                chosen * pair.n_chosen + rejected * pair.n_rejected + weight * of(batch.n_prompt, idx)
            })
            .sum();
        let has_prompts = !batch.prompt.is_empty();
        for idx in 0..batch.n_pairs() {
            let (weight, chosen, rejected) = shares(idx);
            let pair = batch.pair(idx);
            found.value -=
                (chosen * pair.chosen + rejected * pair.rejected + weight * of(batch.prompt, idx)) / n_tokens;
            found.by_chosen.get_mut(idx).into_iter().for_each(|slope| *slope -= chosen / n_tokens);
            found.by_rejected.get_mut(idx).into_iter().for_each(|slope| *slope -= rejected / n_tokens);
            if has_prompts {
                found.by_prompt.push(-weight / n_tokens);
            }
        }
    }
}

/// `log(P / (1 − P))` from `log P < 0`, and its derivative `1 / (1 − P)`.
fn log_odds(log_p: f64) -> [f64; 2] {
    // 1 − P near P = 1 from the logarithm itself, as P is rounded there: 1 − e^x = −x − x²/2 − … by Taylor's series.
    let rest = if log_p > -1e-5 { -log_p * (1.0 + log_p * (0.5 + log_p / 6.0)) } else { 1.0 - exp(log_p) };
    let log_rest = if log_p > -1e-5 { crate::core::math::ln(rest) } else { ln_1p(-exp(log_p)) };
    [log_p - log_rest, 1.0 / rest]
}

impl PairLoss for Orpo {
    fn name(&self) -> String {
        "orpo".to_owned()
    }

    fn show(&self) -> String {
        let nll = if self.of_sequence { "sequence" } else { "response" };
        format!("preference::orpo(#{{beta: {:?}, nll: {nll:?}}})", self.beta)
    }

    fn needs(&self) -> Needs {
        Needs { prompt: self.of_sequence, ..Needs::default() }
    }

    fn step(&self, batch: &PairBatch) -> Result<PairValue, PairLossError> {
        for (what, numbers) in [("chosen", batch.chosen), ("rejected", batch.rejected)] {
            if let Some((pair, got)) = numbers.iter().enumerate().find(|(_, number)| **number >= 0.0) {
                return Err(PairLossError::Number { what, pair, got: *got, must: "below 0" });
            }
        }
        let mut found = mean_over_pairs(self, batch, |pair| self.of_pair(pair))?;
        if self.of_sequence {
            Orpo::add_sequences(batch, &mut found);
        }
        Ok(found)
    }
}
