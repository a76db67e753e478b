//! `loss::symmetric`

use super::built;
use crate::bind::prelude::*;
use crate::core::math::{exp, ln};
use crate::train::loss::{cross_entropy_row, in_range, mean_over_rows};
use crate::train::{Loss, LossBatch, LossError, LossValue};

options! {
    /// Options of `loss::symmetric`.
    pub struct SymmetricOptions {
        /// The weight of the cross-entropy.
        alpha: f64 = 0.1,
        /// The weight of the reverse cross-entropy.
        beta: f64 = 1.0,
        /// log w is raised to at least this.
        log_floor: f64 = -4.0,
    }
}

/// The record.
pub fn function() -> Function {
    Function::new("loss", "symmetric", run)
        .about("Symmetric cross-entropy, robust against wrong labels.")
        .returns("Loss")
        .details("`α · CE(z, w) + β · (−Σ p · log w)`, with `log w` at least `log_floor`. Any number of classes.")
        .source("Wang et al. 2019, arXiv 1908.06112")
        .options::<SymmetricOptions>()
        .example("loss::symmetric()", "loss::symmetric(#{alpha: 0.1, beta: 1.0, log_floor: -4.0})")
        .fails("loss::symmetric(#{ log_floor: 1 })", "`log_floor` of `loss::symmetric` must be from -100 to -0.01")
}

fn run(call: &mut Call) -> Answer {
    let options: SymmetricOptions = call.options()?;
    built(Symmetric::new(options.alpha, options.beta, options.log_floor))
}

/// Symmetric cross-entropy: `α · CE(z, w) + β · (−Σ p · log w)`, with `log w` raised to at least `log_floor`
/// (Wang et al. 2019, arXiv 1908.06112: A = −4).
#[derive(Debug, Clone, PartialEq)]
pub struct Symmetric {
    alpha: f64,
    beta: f64,
    log_floor: f64,
}

impl Symmetric {
    /// Weights from 0 to 100; `log_floor` from −100 to −0.01.
    pub fn new(alpha: f64, beta: f64, log_floor: f64) -> Result<Self, LossError> {
        in_range("loss::symmetric", "alpha", alpha, 0.0..=100.0, "from 0 to 100")?;
        in_range("loss::symmetric", "beta", beta, 0.0..=100.0, "from 0 to 100")?;
        in_range("loss::symmetric", "log_floor", log_floor, -100.0..=-0.01, "from -100 to -0.01")?;
        Ok(Symmetric { alpha, beta, log_floor })
    }
}

/// Reverse cross-entropy of one row, `−Σ p · log w` with `log w` raised to at least `log_floor`: adds `weight` times its slope, and
/// answers `weight` times its value.
pub(super) fn reverse_row(log_p: &[f64], weak: &[f32], weight: f64, log_floor: f64, slope: &mut [f64]) -> f64 {
    let log_w = |w: f32| ln(f64::from(w)).max(log_floor);
    let reverse: f64 = -log_p.iter().zip(weak).map(|(lp, w)| exp(*lp) * log_w(*w)).sum::<f64>();
    for ((lp, w), s) in log_p.iter().zip(weak).zip(slope) {
        *s -= weight * exp(*lp) * (log_w(*w) + reverse);
    }
    weight * reverse
}

impl Loss for Symmetric {
    fn name(&self) -> String {
        "symmetric".to_owned()
    }

    fn show(&self) -> String {
        let (alpha, beta, log_floor) = (self.alpha, self.beta, self.log_floor);
        format!("loss::symmetric(#{{alpha: {alpha:?}, beta: {beta:?}, log_floor: {log_floor:?}}})")
    }

    fn step(&self, batch: &LossBatch) -> Result<LossValue, LossError> {
        mean_over_rows(batch, |_, log_p, weak, slope| {
            let target = |class: usize| self.alpha * weak.get(class).map_or(0.0, |w| f64::from(*w));
            let forward = cross_entropy_row(log_p, target, slope);
            forward + reverse_row(log_p, weak, self.beta, self.log_floor, slope)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::train::loss::testing::*;

    // z, w as in cross_entropy.rs; p = z.softmax(1)
    // l = .5 * F.cross_entropy(z, w) + 2 * -(p * w.log().clamp(min=-4)).sum(1).mean(); l.backward()
    #[test]
    fn equals_the_reference() {
        reference(
            &Symmetric::new(0.5, 2.0, -4.0).expect("valid"),
            0,
            2.73006975,
            &[-0.17139163, 0.17139163, -0.07844796, 0.07844796, 0.75000000, -0.75000000],
        );
    }

    #[test]
    fn its_gradient_is_right() {
        differentiates(&Symmetric::new(0.5, 2.0, -4.0).expect("valid"));
        survives_extremes(&Symmetric::new(0.5, 2.0, -4.0).expect("valid"));
        assert!(Symmetric::new(1.0, 1.0, 0.0).is_err());
    }
}
