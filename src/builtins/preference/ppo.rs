//! `preference::ppo`

use super::built;
use crate::bind::prelude::*;
use crate::core::math::exp;
use crate::domains::preference::loss::{Needs, PairBatch, PairLoss, PairLossError, PairValue, in_range};

options! {
    /// Options of `preference::ppo`.
    pub struct PpoOptions {
        /// A ratio beyond 1 ± clip has no gradient; above 0.
        clip: f64 = 0.2,
    }
}

/// The record.
pub fn function() -> Function {
    Function::new("preference", "ppo", run)
        .about("PPO's clipped objective on pairs of samples: each one's advantage is how much more it is worth than the other.")
        .details(
            "Of a pair whose `weights` A say by how much the chosen continuation is worth more than the rejected one, and whose reference is the policy that drew \
             them: the mean over both continuations of `−min(ρ a, clip(ρ, 1 ± clip) a)`, with `ρ = π/π_ref` of whole continuations and the advantages a = A and −A \
             (the baseline of a sample is the other one, as in RLOO for k = 2). A batch's loss is the mean over its pairs, not by weight. At ρ = 1 its gradient is RLOO's. \
             `prefer_lm::ppo` is the loop around it: rewards, their price on KL, several epochs a round. A pair's weight is the mean of the \
             slopes by both log-probabilities.",
        )
        .source("Schulman et al. 2017, arXiv 1707.06347, equation 7; Ahmadian et al. 2024, arXiv 2402.14740")
        .options::<PpoOptions>()
        .returns("PreferenceLoss")
        .example("preference::ppo()", "preference::ppo(#{clip: 0.2})")
        .example(
            "let sampled = #{ chosen: [-1.0], rejected: [-2.0], reference_chosen: [-1.0], reference_rejected: [-2.0], weights: [3.0] };\n\
             preference::ppo().weights(sampled)",
            "Tensor 3.0",
        )
        .fails("preference::ppo(#{ clip: 0 })", "`clip` of `preference::ppo` must be a finite number above 0, got `0`")
}

fn run(call: &mut Call) -> Answer {
    let options: PpoOptions = call.options()?;
    built(Ppo::new(options.clip))
}

/// `−½ (min(ρ_w A, clip(ρ_w) A) + min(−ρ_l A, −clip(ρ_l) A))`.
#[derive(Debug, Clone, PartialEq)]
pub struct Ppo {
    clip: f64,
}

impl Ppo {
    /// `clip` above 0.
    pub fn new(clip: f64) -> Result<Self, PairLossError> {
        in_range("preference::ppo", "clip", clip, clip > 0.0, "a finite number above 0")?;
        Ok(Ppo { clip })
    }

    /// Half of a sample's loss, and its slope by log π.
    fn of_sample(&self, log_ratio: f64, advantage: f64) -> [f64; 2] {
        let ratio = exp(log_ratio);
        let clipped = ratio.clamp(1.0 - self.clip, 1.0 + self.clip);
        let (free, held) = (ratio * advantage, clipped * advantage);
        // Where the clipped ratio gives the smaller objective there is no gradient.
        if free > held { [-0.5 * held, 0.0] } else { [-0.5 * free, -0.5 * free] }
    }
}

impl PairLoss for Ppo {
    fn name(&self) -> String {
        "ppo".to_owned()
    }

    fn show(&self) -> String {
        format!("preference::ppo(#{{clip: {:?}}})", self.clip)
    }

    fn needs(&self) -> Needs {
        Needs { reference: true, ..Needs::default() }
    }

    fn step(&self, batch: &PairBatch) -> Result<PairValue, PairLossError> {
        batch.check(self)?;
        let n = batch.n_pairs() as f64;
        let mut found = PairValue::default();
        for idx in 0..batch.n_pairs() {
            let [chosen, rejected] = batch.pair(idx).log_ratios();
            // A soft preference is the expectation over a drawn label, which turns the advantage round.
            let p = batch.preference(idx);
            let (mut value, mut slopes) = (0.0, [0.0, 0.0]);
            for (share, advantage) in [(p, batch.weight(idx)), (1.0 - p, -batch.weight(idx))] {
                if share > 0.0 {
                    let ([one, w], [other, l]) =
                        (self.of_sample(chosen, advantage), self.of_sample(rejected, -advantage));
                    value += share * (one + other);
                    slopes = [slopes[0] + share * w, slopes[1] + share * l];
                }
            }
            found.value += value / n;
            found.by_chosen.push(slopes[0] / n);
            found.by_rejected.push(slopes[1] / n);
            found.pull.push(slopes[1] - slopes[0]);
        }
        if found.value.is_finite() { Ok(found) } else { Err(far(batch)) }
    }
}

/// A ratio that no number holds.
fn far(batch: &PairBatch) -> PairLossError {
    let ratio = |pair: usize| batch.pair(pair).log_ratios().into_iter().fold(f64::NEG_INFINITY, f64::max);
    let pair = (0..batch.n_pairs()).max_by(|a, b| ratio(*a).total_cmp(&ratio(*b))).unwrap_or(0);
    let must = "near the policy that drew it: take fewer epochs or a smaller `lr`";
    PairLossError::Number { what: "log π/π_ref", pair, got: ratio(pair), must }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Made by `tests/reference/ppo.py`.
    const REFERENCE: &str = include_str!("../../../tests/reference/ppo.json");

    /// Both sides of the clip, for both signs of the advantage.
    #[test]
    fn value_and_gradients_are_pytorchs() {
        let reference: serde_json::Value = serde_json::from_str(REFERENCE).expect("JSON");
        let column = |of: &serde_json::Value, name: &str| -> Vec<f64> {
            of[name].as_array().expect(name).iter().map(|number| number.as_f64().expect("a number")).collect()
        };
        let columns = ["chosen", "rejected", "reference_chosen", "reference_rejected", "weights"]
            .map(|name| column(&reference, name));
        let [chosen, rejected, reference_chosen, reference_rejected, weights] = &columns;
        for case in reference["cases"].as_array().expect("cases") {
            let preference = column(case, "preference");
            let loss = Ppo::new(case["clip"].as_f64().expect("a number")).expect("valid");
            let batch = PairBatch {
                chosen,
                rejected,
                reference_chosen,
                reference_rejected,
                weights,
                preference: &preference,
                ..PairBatch::default()
            };
            let got = loss.step(&batch).expect("computes");
            let close =
                |got: f64, want: f64| assert!((got - want).abs() < 1e-13 * (1.0 + want.abs()), "{got} and {want}");
            close(got.value, case["value"].as_f64().expect("a number"));
            got.by_chosen.iter().zip(column(case, "by_chosen")).for_each(|(got, want)| close(*got, want));
            got.by_rejected.iter().zip(column(case, "by_rejected")).for_each(|(got, want)| close(*got, want));
            assert!(
                got.by_chosen.contains(&0.0) && got.by_chosen.iter().any(|slope| *slope != 0.0),
                "some are clipped"
            );
        }
        let far = PairBatch {
            chosen: &[800.0],
            rejected: &[0.0],
            reference_chosen: &[0.0],
            reference_rejected: &[0.0],
            preference: &[0.0],
            ..PairBatch::default()
        };
        let far = Ppo::new(0.2).expect("valid").step(&far).expect_err("infinite").to_string();
        assert!(far.starts_with("`log π/π_ref` of pair 0 is `800`, not near the policy that drew it"), "{far}");
    }
}
