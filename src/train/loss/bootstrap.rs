//! Bootstrapping losses: targets that mix the label with the model's own prediction.

use super::entropy::entropy_row;
use super::{Loss, LossBatch, LossError, LossValue, argmax, cross_entropy_row, in_range, mean_over_rows};

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
    use super::super::testing::*;
    use super::*;

    // z, w as in cross_entropy.rs; hard = F.one_hot(z.argmax(1), 2).double()
    // l = F.cross_entropy(z, .8 * w + .2 * hard); l.backward()
    #[test]
    fn hard_equals_the_reference() {
        reference(
            &BootstrapHard::new(0.8).expect("valid"),
            0,
            0.88658953,
            &[-0.04027377, 0.04027377, -0.12356259, 0.12356259, 0.10000000, -0.10000000],
        );
    }

    // p = z.softmax(1); l = -((.95 * w + .05 * p) * p.log()).sum(1).mean(); l.backward()
    #[test]
    fn soft_equals_the_reference() {
        reference(
            &BootstrapSoft::new(0.95).expect("valid"),
            0,
            0.98918468,
            &[-0.02515043, 0.02515043, -0.14739137, 0.14739137, 0.15833333, -0.15833333],
        );
    }

    #[test]
    fn their_gradients_are_right() {
        let hard = BootstrapHard::new(0.8).expect("valid");
        let got = hard.step(&batch(&LOGITS3, &WEAK3, 3, 0)).expect("computes");
        finite_differences(3, &LOGITS3, &got.gradient, |moved| {
            hard.step(&batch(moved, &WEAK3, 3, 0)).expect("computes").value
        });
        survives_extremes(&hard);
        differentiates(&BootstrapSoft::new(0.6).expect("valid"));
        survives_extremes(&BootstrapSoft::new(0.6).expect("valid"));
        assert!(BootstrapHard::new(1.5).is_err() && BootstrapSoft::new(f64::NAN).is_err());
    }
}
