//! `loss::bootstrap_hard`

use super::built;
use crate::bind::prelude::*;
use crate::train::loss::{argmax, cross_entropy_row, in_range, mean_over_rows};
use crate::train::{Loss, LossBatch, LossError, LossValue};

options! {
    /// Options of `loss::bootstrap_hard`.
    pub struct BootstrapHardOptions {
        /// The label's weight, 0 to 1.
        beta: f64 = 0.8,
    }
}

/// The record.
pub fn function() -> Function {
    Function::new("loss", "bootstrap_hard", run)
        .about("Targets that mix the weak label with the student's own hard prediction.")
        .returns("Loss")
        .details("`CE(z, β · w + (1 − β) · hard)`; the prediction is a constant. Any number of classes.")
        .source("Reed et al. 2014, arXiv 1412.6596")
        .options::<BootstrapHardOptions>()
        .example("loss::bootstrap_hard()", "loss::bootstrap_hard(#{beta: 0.8})")
        .fails("loss::bootstrap_hard(#{ beta: 2 })", "`beta` of `loss::bootstrap_hard` must be from 0 to 1")
}

fn run(call: &mut Call) -> Answer {
    let options: BootstrapHardOptions = call.options()?;
    built(BootstrapHard::new(options.beta))
}

/// `CE(z, β · w + (1 − β) · onehot(argmax p))`, the hard prediction a constant (Reed et al. 2014, arXiv 1412.6596).
#[derive(Debug, Clone, PartialEq)]
pub struct BootstrapHard {
    beta: f64,
}

impl BootstrapHard {
    /// The label's weight, from 0 to 1.
    pub fn new(beta: f64) -> Result<Self, LossError> {
        in_range("loss::bootstrap_hard", "beta", beta, 0.0..=1.0, "from 0 to 1")?;
        Ok(BootstrapHard { beta })
    }
}

impl Loss for BootstrapHard {
    fn name(&self) -> String {
        "bootstrap_hard".to_owned()
    }

    fn show(&self) -> String {
        format!("loss::bootstrap_hard(#{{beta: {:?}}})", self.beta)
    }

    fn step(&self, batch: &LossBatch) -> Result<LossValue, LossError> {
        let chosen: Vec<usize> = batch.rows().map(|(logits, _)| argmax(logits)).collect();
        mean_over_rows(batch, |row, log_p, weak, slope| {
            let target = |class: usize| {
                let own = if chosen.get(row) == Some(&class) { 1.0 - self.beta } else { 0.0 };
                self.beta * weak.get(class).map_or(0.0, |w| f64::from(*w)) + own
            };
            cross_entropy_row(log_p, target, slope)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::train::loss::testing::*;

    // z, w as in cross_entropy.rs; hard = F.one_hot(z.argmax(1), 2).double()
    // l = F.cross_entropy(z, .8 * w + .2 * hard); l.backward()
    #[test]
    fn equals_the_reference() {
        reference(
            &BootstrapHard::new(0.8).expect("valid"),
            0,
            0.88658953,
            &[-0.04027377, 0.04027377, -0.12356259, 0.12356259, 0.10000000, -0.10000000],
        );
    }

    #[test]
    fn its_gradient_is_right() {
        let hard = BootstrapHard::new(0.8).expect("valid");
        let got = hard.step(&batch(&LOGITS3, &WEAK3, 3, 0)).expect("computes");
        finite_differences(3, &LOGITS3, &got.gradient, |moved| {
            hard.step(&batch(moved, &WEAK3, 3, 0)).expect("computes").value
        });
        survives_extremes(&hard);
        assert!(BootstrapHard::new(1.5).is_err());
    }
}
