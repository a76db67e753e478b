//! `preference::plackett_luce`

use crate::autograd::{Axis, Tensor};
use crate::bind::prelude::*;
use crate::domains::preference::loss::check_beta;
use crate::domains::preference::ranking;

options! {
    /// Options of `preference::plackett_luce`.
    pub struct PlackettLuceOptions {
        /// How sharply log-ratios count; above 0.
        beta: f64 = 0.1,
    }
}

/// The record.
pub fn function() -> Function {
    Function::new("preference", "plackett_luce", run)
        .about("DPO's loss of rankings of several continuations, by Plackett and Luce's model: a tensor through which gradients flow.")
        .details(
            "The mean over rankings of `Σ_k ln Σ_{j ≥ k} e^(β (ρ_j − ρ_k))`, in nats, with ρ the log-ratios `log π/π_ref` from the best continuation to the worst: the negative \
             log-likelihood of the order. Of two it is `preference::dpo`, to the bit. `policy.finetune_rankings` trains policies that can be enumerated by it; \
             models are trained on pairs.",
        )
        .source("Rafailov et al. 2023, arXiv 2305.18290, appendix A.3, equation 20")
        .param::<Tensor>("log_ratios", "a row for each ranking, a column for each place, the best first: at least two")
        .options::<PlackettLuceOptions>()
        .returns("Tensor: 1 × 1")
        .example("preference::plackett_luce(tensor::of([[0.0, 0.0, 0.0]]))", "Tensor 1.79176")
        .example("preference::plackett_luce(tensor::of([[1.0, 0.0]]), #{ beta: 1.0 })", "Tensor 0.313262")
        .fails("preference::plackett_luce(tensor::of([[1.0], [2.0]]))", "a ranking has at least two places, `log_ratios` has one column")
        .fails("preference::plackett_luce(tensor::of([[1.0, 2.0]]), #{ beta: 0 })", "`beta` of `preference::plackett_luce` must be a finite number above 0, got `0`")
}

fn run(call: &mut Call) -> Answer {
    let (given, options): (Tensor, PlackettLuceOptions) = (call.arg(0)?, call.options()?);
    check_beta("preference::plackett_luce", options.beta)?;
    let [n, k] = given.shape();
    if k < 2 {
        let why = "a ranking has at least two places, `log_ratios` has one column".to_owned();
        return Err(Fault::new("loss/shape", why).hint("a row for each ranking: tensor::of([[-0.1, -0.4, -2.0]])"));
    }
    let (mut value, mut slopes) = (0.0, Vec::with_capacity(n * k));
    for row in given.values()?.chunks(k) {
        let (loss, by) = ranking::plackett_luce(options.beta, row);
        value += loss / n as f64;
        slopes.extend(by.into_iter().map(|slope| slope / n as f64));
    }
    // z − z is 0, and its slope is the one that is wanted.
    let through = given.sub(&given.detach())?.mul(&Tensor::new(slopes, k)?)?.sum(Axis::All)?;
    Ok(Dynamic::from(Tensor::scalar(value)?.add(&through)?))
}
