//! `loss::entropy`

use super::built;
use crate::bind::prelude::*;
use crate::core::math::{exp, ln};
use crate::train::loss::{cross_entropy_row, in_range, mean_over_rows, times_log};
use crate::train::{Loss, LossBatch, LossError, LossValue};

options! {
    /// Options of `loss::entropy`.
    pub struct EntropyOptions {
        /// λ, the weight of the entropy.
        coefficient: f64 = 0.5,
        /// T, which softens the distribution in the entropy term.
        temperature: f64 = 1.0,
    }
}

/// The record.
pub fn function() -> Function {
    Function::new("loss", "entropy", run)
        .about("Cross-entropy plus λ times the entropy of the student's prediction, which rewards confidence.")
        .returns("Loss")
        .details("`CE(z, w) + λ · H(softmax(z / T))`; the gradient flows through the entropy. Any number of classes.")
        .source("EleutherAI/w2s")
        .options::<EntropyOptions>()
        .example("loss::entropy(#{ coefficient: 0.3 })", "loss::entropy(#{coefficient: 0.3, temperature: 1.0})")
        .fails("loss::entropy(#{ temperature: 0 })", "`temperature` of `loss::entropy` must be from 0.01 to 100")
}

fn run(call: &mut Call) -> Answer {
    let options: EntropyOptions = call.options()?;
    built(Entropy::new(options.coefficient, options.temperature))
}

/// `CE(z, w) + λ · H(softmax(z / T))` (EleutherAI/w2s). The gradient flows through the entropy.
#[derive(Debug, Clone, PartialEq)]
pub struct Entropy {
    coefficient: f64,
    temperature: f64,
}

impl Entropy {
    /// λ from 0 to 100 and T from 0.01 to 100. T softens the distribution in the entropy term alone.
    pub fn new(coefficient: f64, temperature: f64) -> Result<Self, LossError> {
        in_range("loss::entropy", "coefficient", coefficient, 0.0..=100.0, "from 0 to 100")?;
        in_range("loss::entropy", "temperature", temperature, 0.01..=100.0, "from 0.01 to 100")?;
        Ok(Entropy { coefficient, temperature })
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
        format!("loss::entropy(#{{coefficient: {:?}, temperature: {:?}}})", self.coefficient, self.temperature)
    }

    fn step(&self, batch: &LossBatch) -> Result<LossValue, LossError> {
        let mut softened: Vec<f64> = Vec::with_capacity(batch.n_classes);
        mean_over_rows(batch, |_, log_p, weak, slope| {
            let value = cross_entropy_row(log_p, |class| weak.get(class).map_or(0.0, |w| f64::from(*w)), slope);
            softened.clear();
            softened.extend(log_p.iter().map(|lp| lp / self.temperature));
            let most = softened.iter().copied().fold(f64::NEG_INFINITY, f64::max);
            let total = most + ln(softened.iter().map(|lp| exp(lp - most)).sum::<f64>());
            softened.iter_mut().for_each(|lp| *lp -= total);
            value + entropy_row(&softened, self.coefficient, self.temperature, slope)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::train::loss::testing::*;

    // z, w as in cross_entropy.rs
    // p = (z / 2).softmax(1); l = F.cross_entropy(z, w) + .5 * -(p * p.log()).sum(1).mean(); l.backward()
    #[test]
    fn equals_the_reference() {
        reference(
            &Entropy::new(0.5, 2.0).expect("valid"),
            0,
            1.31381074,
            &[-0.03115125, 0.03115125, -0.13850208, 0.13850208, 0.16666667, -0.16666667],
        );
    }

    #[test]
    fn its_gradient_is_right() {
        for temperature in [1.0, 2.0] {
            let loss = Entropy::new(0.5, temperature).expect("valid");
            differentiates(&loss);
            survives_extremes(&loss);
        }
        assert!(Entropy::new(0.5, 0.0).is_err() && Entropy::new(f64::INFINITY, 1.0).is_err());
    }
}
