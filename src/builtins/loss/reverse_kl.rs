//! `loss::reverse_kl`

use super::built;
use crate::bind::prelude::*;
use crate::core::math::{exp, ln};
use crate::train::loss::{in_range, mean_over_rows, times_log};
use crate::train::{Loss, LossBatch, LossError, LossValue};

options! {
    /// Options of `loss::reverse_kl`.
    pub struct ReverseKlOptions {
        /// Weak probabilities are raised to at least this.
        floor: f64 = 1e-4,
    }
}

/// The record.
pub fn function() -> Function {
    Function::new("loss", "reverse_kl", run)
        .about("Reverse Kullback–Leibler divergence, from the student's side: it seeks a mode of the weak label.")
        .returns("Loss")
        .details("Mean of `Σ p · (log p − log w)`, with `w` at least `floor`. Any number of classes.")
        .options::<ReverseKlOptions>()
        .example("loss::reverse_kl()", "loss::reverse_kl(#{floor: 0.0001})")
        .fails("loss::reverse_kl(#{ floor: 0 })", "`floor` of `loss::reverse_kl` must be from 1e-12 to 0.5")
}

fn run(call: &mut Call) -> Answer {
    let options: ReverseKlOptions = call.options()?;
    built(ReverseKl::new(options.floor))
}

/// `KL(p ‖ w) = Σ p · (log p − log w)`, with `w` raised to at least `floor` because a hard label makes it infinite.
#[derive(Debug, Clone, PartialEq)]
pub struct ReverseKl {
    floor: f64,
}

impl ReverseKl {
    /// `floor` from 1e-12 to 0.5.
    pub fn new(floor: f64) -> Result<Self, LossError> {
        in_range("loss::reverse_kl", "floor", floor, 1e-12..=0.5, "from 1e-12 to 0.5")?;
        Ok(ReverseKl { floor })
    }
}

impl Loss for ReverseKl {
    fn name(&self) -> String {
        "reverse_kl".to_owned()
    }

    fn show(&self) -> String {
        format!("loss::reverse_kl(#{{floor: {:?}}})", self.floor)
    }

    fn step(&self, batch: &LossBatch) -> Result<LossValue, LossError> {
        mean_over_rows(batch, |_, log_p, weak, slope| {
            let gap = |lp: f64, w: f32| lp - ln(f64::from(w).max(self.floor));
            let value: f64 = log_p.iter().zip(weak).map(|(lp, w)| times_log(exp(*lp), gap(*lp, *w))).sum();
            for ((lp, w), s) in log_p.iter().zip(weak).zip(slope) {
                *s += times_log(exp(*lp), gap(*lp, *w) - value);
            }
            value
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::train::loss::testing::*;

    // z, w as in cross_entropy.rs; p = z.softmax(1)
    // l = (p * (p.log() - w.clamp(min=1e-4).log())).sum(1).mean(); l.backward()
    #[test]
    fn equals_the_reference() {
        reference(
            &ReverseKl::new(1e-4).expect("valid"),
            0,
            1.49516009,
            &[-0.02532029, 0.02532029, -0.03319519, 0.03319519, 0.76752836, -0.76752836],
        );
    }

    #[test]
    fn its_gradient_is_right() {
        differentiates(&ReverseKl::new(1e-4).expect("valid"));
        survives_extremes(&ReverseKl::new(1e-4).expect("valid"));
        assert!(ReverseKl::new(0.0).is_err());
    }
}
