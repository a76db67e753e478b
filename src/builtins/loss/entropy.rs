//! `loss::entropy`

use super::built;
use super::confidence::hard::balanced;
use crate::bind::prelude::*;
use crate::core::math::{exp, ln};
use crate::train::loss::{Ramp, cross_entropy_row, in_range, mean_over_rows, times_log};
use crate::train::{Loss, LossBatch, LossError, LossValue};

options! {
    /// Options of `loss::entropy`.
    pub struct EntropyOptions {
        /// "penalty": the entropy is added to the loss; "e", EleutherAI/w2s's: the student's probabilities are mixed into the target.
        form: String = "penalty".to_owned(),
        /// λ, the weight of the entropy; of the student's probabilities after the ramp, 0 to 1 (form "e").
        coefficient: f64 = 0.5,
        /// T, which softens the distribution in the entropy term (form "penalty").
        temperature: f64 = 1.0,
        /// The steps on which the weight rises from 0 (form "e"); left out, 100.
        warmup_steps: Option<usize> = None,
        /// Shift the weak labels of each batch to mean log-odds 0 first (form "e", two classes).
        balance: bool = false,
    }
}

/// The record.
pub fn function() -> Function {
    Function::new("loss", "entropy", run)
        .about("Cross-entropy with a term of the student's own distribution: its entropy, or itself as part of the target.")
        .returns("Loss")
        .details(
            "The mean over the batch, in nats. Form \"penalty\": `CE(z, w) + λ · H(softmax(z / T))`, whose gradient flows through the \
             entropy and rewards confidence. Form \"e\": `CE(z, (1 − c) · w + c · p)` with p a constant and c rising from 0 to \
             `coefficient` over 100 steps. Its gradient is `(1 − c)(p − w)`: that of plain cross-entropy, scaled down, so that it \
             rewards nothing and acts as a lower learning rate. Any number of classes.",
        )
        .source("\"penalty\": Grandvalet and Bengio 2004; \"e\": EleutherAI/w2s, `log_confidence_loss` with `harden=False`")
        .options::<EntropyOptions>()
        .example("loss::entropy(#{ coefficient: 0.3 })", "loss::entropy(#{coefficient: 0.3, temperature: 1.0})")
        .example(
            "loss::entropy(#{ form: \"e\" })",
            "loss::entropy(#{form: \"e\", coefficient: 0.5, warmup_steps: 100, balance: false})",
        )
        .fails("loss::entropy(#{ temperature: 0 })", "`temperature` of `loss::entropy` must be from 0.01 to 100")
        .fails("loss::entropy(#{ form: \"r\" })", "`form` of `loss::entropy` must be \"penalty\" or \"e\", got `r`")
        .fails("loss::entropy(#{ form: \"e\", coefficient: 2 })", "`coefficient` of `loss::entropy` must be from 0 to 1")
}

fn run(call: &mut Call) -> Answer {
    built(Entropy::new(&call.options()?))
}

/// Cross-entropy with a term of the model's own distribution.
#[derive(Debug, Clone, PartialEq)]
pub enum Entropy {
    /// `CE(z, w) + λ · H(softmax(z / T))`; the gradient flows through the entropy.
    Penalty { coefficient: f64, temperature: f64 },
    /// `CE(z, (1 − c) · w + c · p)`, p a constant.
    Mixed { coefficient: f64, warmup: usize, balance: bool },
}

impl Entropy {
    /// λ from 0 to 100 and T from 0.01 to 100, or c from 0 to 1.
    pub fn new(options: &EntropyOptions) -> Result<Self, LossError> {
        let name = "loss::entropy";
        let &EntropyOptions { coefficient, temperature, warmup_steps, balance, .. } = options;
        let error = |option, must, got: String| Err(LossError::Option { name, option, must, got });
        match options.form.as_str() {
            "penalty" => {
                in_range(name, "coefficient", coefficient, 0.0..=100.0, "from 0 to 100")?;
                in_range(name, "temperature", temperature, 0.01..=100.0, "from 0.01 to 100")?;
                match (warmup_steps, balance) {
                    (Some(n), _) => error("warmup_steps", "left out unless `form` is \"e\"", n.to_string()),
                    (_, true) => error("balance", "false unless `form` is \"e\"", "true".to_owned()),
                    (None, false) => Ok(Entropy::Penalty { coefficient, temperature }),
                }
            }
            "e" => {
                in_range(name, "coefficient", coefficient, 0.0..=1.0, "from 0 to 1")?;
                if temperature != 1.0 {
                    return error("temperature", "left out unless `form` is \"penalty\"", temperature.to_string());
                }
                Ok(Entropy::Mixed { coefficient, warmup: warmup_steps.unwrap_or(100), balance })
            }
            other => error("form", "\"penalty\" or \"e\"", other.to_owned()),
        }
    }
}

/// Adds `weight · dH/dz` of the distribution with the log-probabilities `log_p` of `z / temperature`; answers `weight · H`.
pub(super) fn entropy_row(log_p: &[f64], weight: f64, temperature: f64, slope: &mut [f64]) -> f64 {
    let entropy: f64 = -log_p.iter().map(|lp| times_log(exp(*lp), *lp)).sum::<f64>();
    for (lp, s) in log_p.iter().zip(slope) {
        *s -= weight * times_log(exp(*lp), *lp + entropy) / temperature;
    }
    weight * entropy
}

impl Loss for Entropy {
    fn name(&self) -> String {
        "entropy".to_owned()
    }

    fn show(&self) -> String {
        match self {
            Entropy::Penalty { coefficient, temperature } => {
                format!("loss::entropy(#{{coefficient: {coefficient:?}, temperature: {temperature:?}}})")
            }
            Entropy::Mixed { coefficient, warmup, balance } => format!(
                "loss::entropy(#{{form: \"e\", coefficient: {coefficient:?}, warmup_steps: {warmup}, balance: {balance}}})"
            ),
        }
    }

    fn step(&self, batch: &LossBatch) -> Result<LossValue, LossError> {
        match *self {
            Entropy::Penalty { coefficient, temperature } => penalised(batch, coefficient, temperature),
            Entropy::Mixed { balance: true, .. } if batch.n_classes != 2 => {
                Err(LossError::Binary { name: "entropy(#{ balance: true })", n_classes: batch.n_classes })
            }
            Entropy::Mixed { coefficient, warmup, balance: true } => {
                let weak = balanced(batch.weak);
                mixed(&LossBatch { weak: &weak, ..*batch }, coefficient * Ramp::Steps(warmup).at(&batch.at))
            }
            Entropy::Mixed { coefficient, warmup, .. } => mixed(batch, coefficient * Ramp::Steps(warmup).at(&batch.at)),
        }
    }
}

fn penalised(batch: &LossBatch, coefficient: f64, temperature: f64) -> Result<LossValue, LossError> {
    let mut softened: Vec<f64> = Vec::with_capacity(batch.n_classes);
    mean_over_rows(batch, |_, log_p, weak, slope| {
        let value = cross_entropy_row(log_p, |class| weak.get(class).map_or(0.0, |w| f64::from(*w)), slope);
        softened.clear();
        softened.extend(log_p.iter().map(|lp| lp / temperature));
        let most = softened.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let total = most + ln(softened.iter().map(|lp| exp(lp - most)).sum::<f64>());
        softened.iter_mut().for_each(|lp| *lp -= total);
        value + entropy_row(&softened, coefficient, temperature, slope)
    })
}

fn mixed(batch: &LossBatch, own: f64) -> Result<LossValue, LossError> {
    mean_over_rows(batch, |_, log_p, weak, slope| {
        let target = |class: usize| {
            let p = log_p.get(class).map_or(0.0, |lp| exp(*lp));
            (1.0 - own) * weak.get(class).map_or(0.0, |w| f64::from(*w)) + own * p
        };
        cross_entropy_row(log_p, target, slope)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::train::loss::testing::*;

    fn penalty(coefficient: f64, temperature: f64) -> Result<Entropy, LossError> {
        Entropy::new(&EntropyOptions { coefficient, temperature, ..EntropyOptions::default() })
    }

    fn e(options: EntropyOptions) -> Result<Entropy, LossError> {
        Entropy::new(&EntropyOptions { form: "e".to_owned(), ..options })
    }

    // z, w as in cross_entropy.rs
    // p = (z / 2).softmax(1); l = F.cross_entropy(z, w) + .5 * -(p * p.log()).sum(1).mean(); l.backward()
    #[test]
    fn equals_the_reference() {
        reference(
            &penalty(0.5, 2.0).expect("valid"),
            0,
            1.31381074,
            &[-0.03115125, 0.03115125, -0.13850208, 0.13850208, 0.16666667, -0.16666667],
        );
    }

    #[test]
    fn its_gradient_is_right() {
        for temperature in [1.0, 2.0] {
            let loss = penalty(0.5, temperature).expect("valid");
            differentiates(&loss);
            survives_extremes(&loss);
        }
        assert!(penalty(0.5, 0.0).is_err() && penalty(f64::INFINITY, 1.0).is_err());
    }

    #[test]
    fn form_e_is_plain_cross_entropy_scaled_down() {
        let loss = e(EntropyOptions { coefficient: 0.4, warmup_steps: Some(18), ..EntropyOptions::default() });
        let loss = loss.expect("valid");
        // Half of the ramp: step 9 of 18.
        let got = loss.step(&batch(&LOGITS3, &WEAK3, 3, 9)).expect("computes");
        let plain = crate::train::CrossEntropy.step(&batch(&LOGITS3, &WEAK3, 3, 9)).expect("computes");
        for (got, plain) in got.gradient.iter().zip(&plain.gradient) {
            close(f64::from(*got), 0.8 * f64::from(*plain));
        }
        survives_extremes(&loss);
        let start = loss.step(&batch(&LOGITS, &WEAK, 2, 0)).expect("computes");
        assert_eq!(Ok(start), crate::train::CrossEntropy.step(&batch(&LOGITS, &WEAK, 2, 0)));
    }

    #[test]
    fn an_option_of_the_other_form_is_refused() {
        let plain = EntropyOptions::default;
        assert!(e(EntropyOptions { temperature: 2.0, ..plain() }).is_err());
        assert!(e(EntropyOptions { coefficient: 1.5, ..plain() }).is_err());
        assert!(Entropy::new(&EntropyOptions { warmup_steps: Some(5), ..plain() }).is_err());
        assert!(Entropy::new(&EntropyOptions { balance: true, ..plain() }).is_err());
        let balances = e(EntropyOptions { balance: true, ..plain() }).expect("valid");
        let error = balances.step(&batch(&LOGITS3, &WEAK3, 3, 0)).expect_err("binary").to_string();
        assert!(error.contains("is binary, the labels have 3 classes"), "{error}");
    }
}
