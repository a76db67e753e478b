//! Losses that also, or only, look from the model's side: reverse KL and symmetric cross-entropy.

use super::{Loss, LossBatch, LossError, LossValue, cross_entropy_row, in_range, mean_over_rows, times_log};
use crate::core::math::{exp, ln};

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
            let log_w = |w: f32| ln(f64::from(w)).max(self.log_floor);
            let reverse: f64 = -log_p.iter().zip(weak).map(|(lp, w)| exp(*lp) * log_w(*w)).sum::<f64>();
            for ((lp, w), s) in log_p.iter().zip(weak).zip(slope) {
                *s -= self.beta * exp(*lp) * (log_w(*w) + reverse);
            }
            forward + self.beta * reverse
        })
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::*;
    use super::*;

    // z, w as in cross_entropy.rs; p = z.softmax(1)
    // l = (p * (p.log() - w.clamp(min=1e-4).log())).sum(1).mean(); l.backward()
    #[test]
    fn reverse_kl_equals_the_reference() {
        reference(
            &ReverseKl::new(1e-4).expect("valid"),
            0,
            1.49516009,
            &[-0.02532029, 0.02532029, -0.03319519, 0.03319519, 0.76752836, -0.76752836],
        );
    }

    // l = .5 * F.cross_entropy(z, w) + 2 * -(p * w.log().clamp(min=-4)).sum(1).mean(); l.backward()
    #[test]
    fn symmetric_equals_the_reference() {
        reference(
            &Symmetric::new(0.5, 2.0, -4.0).expect("valid"),
            0,
            2.73006975,
            &[-0.17139163, 0.17139163, -0.07844796, 0.07844796, 0.75000000, -0.75000000],
        );
    }

    #[test]
    fn their_gradients_are_right() {
        let losses: [Box<dyn Loss>; 2] =
            [Box::new(ReverseKl::new(1e-4).expect("valid")), Box::new(Symmetric::new(0.5, 2.0, -4.0).expect("valid"))];
        for loss in losses {
            differentiates(loss.as_ref());
            survives_extremes(loss.as_ref());
        }
        assert!(ReverseKl::new(0.0).is_err() && Symmetric::new(1.0, 1.0, 0.0).is_err());
    }
}
