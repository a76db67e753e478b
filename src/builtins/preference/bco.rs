//! `preference::bco`

use super::bco_pair::BcoPair;
use super::built;
use crate::bind::prelude::*;
use crate::domains::preference::loss::{Needs, PairBatch, PairLoss, PairLossError, PairValue, check_beta};

options! {
    /// Options of `preference::bco`.
    pub struct BcoOptions {
        /// The scale of the implicit reward; above 0.
        beta: f64 = 0.1,
    }
}

/// The record.
pub fn function() -> Function {
    Function::new("preference", "bco", run)
        .about("Binary classifier optimisation: the implicit reward, less a running mean of rewards, is the logit that tells good from bad.")
        .details(
            "The mean over pairs of `−log σ(r_w − δ) − log σ(δ − r_l)`, in nats, with `r = β log π/π_ref` of sums over tokens. δ is the mean of the rewards \
             of all continuations that the training has seen, those of the step included, each once and whatever its weight; no gradient flows through \
             it. It goes from step to step with the training; `apply` and `weights` begin with none, so that δ is the batch's mean. A constant δ is \
             `preference::bco_pair(#{ shift: … })`. A pair's weight is the mean of `σ(δ − r_w)` and `σ(r_l − δ)`.",
        )
        .source("Jung et al. 2024, arXiv 2404.04656; TRL 0.19.0's `BCOTrainer`")
        .options::<BcoOptions>()
        .returns("PreferenceLoss")
        .example("preference::bco()", "preference::bco(#{beta: 0.1})")
        .example(
            "let batch = #{ chosen: [-1.0], rejected: [-3.0], reference_chosen: [-2.0], reference_rejected: [-2.0] };\n\
             preference::bco().apply(batch) - preference::bco_pair().apply(batch)",
            "Tensor 0.0",
        )
        .fails("preference::bco(#{ beta: 0 })", "`beta` of `preference::bco` must be a finite number above 0, got `0`")
}

fn run(call: &mut Call) -> Answer {
    let options: BcoOptions = call.options()?;
    built(Bco::new(options.beta))
}

/// `−log σ(r_w − δ) − log σ(δ − r_l)` with a running mean δ.
#[derive(Debug, Clone, PartialEq)]
pub struct Bco {
    beta: f64,
}

/// How many rewards the mean counts before there is any (TRL's, which then divides by no zero).
const NONE: f64 = 1e-24;

impl Bco {
    /// `beta` above 0.
    pub fn new(beta: f64) -> Result<Self, PairLossError> {
        check_beta("preference::bco", beta)?;
        Ok(Bco { beta })
    }

    /// The mean of all rewards so far and how many they are, with those of this batch.
    fn mean(&self, batch: &PairBatch) -> [f64; 2] {
        let [mean, count] = *batch.carried else { return self.after([0.0, NONE], batch) };
        self.after([mean, count], batch)
    }

    fn after(&self, [mean, count]: [f64; 2], batch: &PairBatch) -> [f64; 2] {
        let n = 2.0 * batch.n_pairs() as f64;
        let of_pair = |pair| batch.pair(pair).log_ratios().iter().sum::<f64>();
        let own = self.beta * (0..batch.n_pairs()).map(of_pair).sum::<f64>() / n;
        [mean + (own - mean) * n / (count + n), count + n]
    }
}

impl PairLoss for Bco {
    fn name(&self) -> String {
        "bco".to_owned()
    }

    fn show(&self) -> String {
        format!("preference::bco(#{{beta: {:?}}})", self.beta)
    }

    fn needs(&self) -> Needs {
        Needs { reference: true, ..Needs::default() }
    }

    fn step(&self, batch: &PairBatch) -> Result<PairValue, PairLossError> {
        batch.check(self)?;
        let [mean, count] = self.mean(batch);
        let found = BcoPair::new(self.beta, mean)?.step(batch)?;
        Ok(PairValue { carry: vec![mean, count], ..found })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Made by `tests/reference/bco.py`.
    const REFERENCE: &str = include_str!("../../../tests/reference/bco.json");

    /// Several steps, of different sizes, against TRL's own running mean and loss: δ, the loss, and its gradients.
    #[test]
    fn several_steps_are_those_of_trl() {
        let reference: serde_json::Value = serde_json::from_str(REFERENCE).expect("JSON");
        let loss = Bco::new(reference["beta"].as_f64().expect("a number")).expect("valid");
        let mut carried = Vec::new();
        for (nth, step) in reference["steps"].as_array().expect("steps").iter().enumerate() {
            let column = |name: &str| -> Vec<f64> {
                step[name].as_array().expect(name).iter().map(|number| number.as_f64().expect("a number")).collect()
            };
            let columns = ["chosen", "rejected", "reference_chosen", "reference_rejected"].map(column);
            let [chosen, rejected, reference_chosen, reference_rejected] = &columns;
            let batch = PairBatch {
                chosen,
                rejected,
                reference_chosen,
                reference_rejected,
                carried: &carried,
                ..PairBatch::default()
            };
            let got = loss.step(&batch).expect("computes");
            let close = |got: f64, want: f64, what: &str| {
                assert!((got - want).abs() < 1e-12 * (1.0 + want.abs()), "step {nth}, {what}: {got} and {want}");
            };
            close(got.carry[0], step["delta"].as_f64().expect("a number"), "δ");
            close(got.value, step["loss"].as_f64().expect("a number"), "loss");
            for (got, name) in [(&got.by_chosen, "by_chosen"), (&got.by_rejected, "by_rejected")] {
                got.iter().zip(column(name)).for_each(|(got, want)| close(*got, want, name));
            }
            carried = got.carry;
        }
        assert_eq!(carried[1], 22.0, "two rewards of each of 11 pairs");
    }
}
