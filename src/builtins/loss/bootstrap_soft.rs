//! `loss::bootstrap_soft`

use super::built;
use super::entropy::entropy_row;
use crate::bind::prelude::*;
use crate::train::loss::{cross_entropy_row, in_range, mean_over_rows};
use crate::train::{Loss, LossBatch, LossError, LossValue};

options! {
    /// Options of `loss::bootstrap_soft`.
    pub struct BootstrapSoftOptions {
        /// The label's weight, 0 to 1.
        beta: f64 = 0.95,
    }
}

/// The record.
pub fn function() -> Function {
    Function::new("loss", "bootstrap_soft", run)
        .about("Targets that mix the weak label with the student's own probabilities.")
        .returns("Loss")
        .details("`−Σ (β · w + (1 − β) · p) · log p`; the gradient flows through `p`. Any number of classes.")
        .source("Reed et al. 2014, arXiv 1412.6596")
        .options::<BootstrapSoftOptions>()
        .example("loss::bootstrap_soft()", "loss::bootstrap_soft(#{beta: 0.95})")
        .fails("loss::bootstrap_soft(#{ beta: 2 })", "`beta` of `loss::bootstrap_soft` must be from 0 to 1")
}

fn run(call: &mut Call) -> Answer {
    let options: BootstrapSoftOptions = call.options()?;
    built(BootstrapSoft::new(options.beta))
}

/// `−Σ (β · w + (1 − β) · p) · log p`: `β · CE + (1 − β) · H(p)`; the gradient flows through `p` (Reed et al. 2014).
#[derive(Debug, Clone, PartialEq)]
pub struct BootstrapSoft {
    beta: f64,
}

impl BootstrapSoft {
    /// The label's weight, from 0 to 1.
    pub fn new(beta: f64) -> Result<Self, LossError> {
        in_range("loss::bootstrap_soft", "beta", beta, 0.0..=1.0, "from 0 to 1")?;
        Ok(BootstrapSoft { beta })
    }
}

impl Loss for BootstrapSoft {
    fn name(&self) -> String {
        "bootstrap_soft".to_owned()
    }

    fn show(&self) -> String {
        format!("loss::bootstrap_soft(#{{beta: {:?}}})", self.beta)
    }

    fn step(&self, batch: &LossBatch) -> Result<LossValue, LossError> {
        mean_over_rows(batch, |_, log_p, weak, slope| {
            let target = |class: usize| self.beta * weak.get(class).map_or(0.0, |w| f64::from(*w));
            cross_entropy_row(log_p, target, slope) + entropy_row(log_p, 1.0 - self.beta, 1.0, slope)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::train::loss::testing::*;

    // z, w as in cross_entropy.rs
    // p = z.softmax(1); l = -((.95 * w + .05 * p) * p.log()).sum(1).mean(); l.backward()
    #[test]
    fn equals_the_reference() {
        reference(
            &BootstrapSoft::new(0.95).expect("valid"),
            0,
            0.98918468,
            &[-0.02515043, 0.02515043, -0.14739137, 0.14739137, 0.15833333, -0.15833333],
        );
    }

    #[test]
    fn its_gradient_is_right() {
        differentiates(&BootstrapSoft::new(0.6).expect("valid"));
        survives_extremes(&BootstrapSoft::new(0.6).expect("valid"));
        assert!(BootstrapSoft::new(f64::NAN).is_err());
    }
}
