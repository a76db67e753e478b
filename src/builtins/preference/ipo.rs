//! `preference::ipo`

use super::built;
use crate::bind::prelude::*;
use crate::domains::preference::loss::{
    Needs, PairBatch, PairLoss, PairLossError, PairValue, check_beta, mean_over_pairs, of_margin, of_mean_margin,
};

options! {
    /// Options of `preference::ipo`.
    pub struct IpoOptions {
        /// The strength of the KL penalty that the loss stands for (the paper's τ); above 0.
        beta: f64 = 0.1,
        /// "sums", the paper's, of log-probabilities summed over tokens; "means", TRL's, of means over tokens; "scaled", Tang et al.'s, the sums' times β².
        form: String = "sums".to_owned(),
    }
}

/// The record.
pub fn function() -> Function {
    Function::new("preference", "ipo", run)
        .about("Identity preference optimisation: a squared loss that pulls the difference of log-ratios to a target.")
        .details(
            "The mean over pairs, by `form`: \"sums\" `(Δ − 1/(2β))²`, with Δ as in `preference::dpo`; \"means\" `(Δ̄ − 1/(2β))²`, of \
             log-ratios divided by the number of tokens; \"scaled\" `(βΔ − ½)²`, which has the minimum of \"sums\" and a learning rate \
             that does not hang on β. \"sums\" and \"means\" have other optima where lengths differ, so say which one was used. A pair's weight is \
             `1 − 2βΔ` (of \"means\" `1 − 2βΔ̄`): 1 at the reference, 0 at the target, negative beyond. ΨPO with another Ψ than the identity is \
             defined on the population, not on pairs with one label, and is not a loss here; log-odds give `preference::dpo`.",
        )
        .source(
            "Azar et al. 2023, arXiv 2310.12036, equation 17 (\"sums\"); TRL's `ipo`, whose authors report that the paper's \
             results are of means (\"means\"); Tang et al. 2024, arXiv 2405.08448 (\"scaled\")",
        )
        .options::<IpoOptions>()
        .returns("PreferenceLoss")
        .example("preference::ipo(#{ form: \"means\" })", "preference::ipo(#{beta: 0.1, form: \"means\"})")
        .fails("preference::ipo(#{ form: \"mean\" })", "`form` of `preference::ipo` must be \"sums\", \"means\" or \"scaled\", got `mean`")
}

fn run(call: &mut Call) -> Answer {
    let options: IpoOptions = call.options()?;
    built(Ipo::new(options.beta, &options.form))
}

/// Of what log-ratios the loss is, and in which unit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    Sums,
    Means,
    Scaled,
}

/// `(Δ − 1/(2β))²`.
#[derive(Debug, Clone, PartialEq)]
pub struct Ipo {
    beta: f64,
    form: Form,
}

impl Ipo {
    /// `beta` above 0; `form` is "sums", "means" or "scaled".
    pub fn new(beta: f64, form: &str) -> Result<Self, PairLossError> {
        let name = "preference::ipo";
        check_beta(name, beta)?;
        let form = match form {
            "sums" => Form::Sums,
            "means" => Form::Means,
            "scaled" => Form::Scaled,
            other => {
                let must = "\"sums\", \"means\" or \"scaled\"";
                return Err(PairLossError::Option { name, option: "form", must, got: other.to_owned() });
            }
        };
        Ok(Ipo { beta, form })
    }
}

impl PairLoss for Ipo {
    fn name(&self) -> String {
        "ipo".to_owned()
    }

    fn show(&self) -> String {
        let form = match self.form {
            Form::Sums => "sums",
            Form::Means => "means",
            Form::Scaled => "scaled",
        };
        format!("preference::ipo(#{{beta: {:?}, form: {form:?}}})", self.beta)
    }

    fn needs(&self) -> Needs {
        Needs { reference: true, ..Needs::default() }
    }

    fn step(&self, batch: &PairBatch) -> Result<PairValue, PairLossError> {
        let beta = self.beta;
        // In the unit of "scaled", (m − ½)² with m = βΔ, whose slope −(1 − 2m) is the weight; the others are 1/β² of it.
        let unit = if self.form == Form::Scaled { 1.0 } else { 1.0 / (beta * beta) };
        mean_over_pairs(self, batch, |pair| {
            let delta = if self.form == Form::Means { pair.mean_delta() } else { pair.delta() };
            let off = beta * delta - 0.5;
            let found = [off * off, 2.0 * off];
            let mut of =
                if self.form == Form::Means { of_mean_margin(beta, pair, found) } else { of_margin(beta, found) };
            (of.value, of.by_chosen, of.by_rejected) = (unit * of.value, unit * of.by_chosen, unit * of.by_rejected);
            of
        })
    }
}
