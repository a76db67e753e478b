//! `loss::gce`

use super::built;
use crate::bind::prelude::*;
use crate::core::math::exp;
use crate::train::loss::{in_range, mean_over_rows};
use crate::train::{Loss, LossBatch, LossError, LossValue};

options! {
    /// Options of `loss::gce`.
    pub struct GceOptions {
        /// From 0.001, near cross-entropy, to 1, the mean absolute error.
        q: f64 = 0.7,
    }
}

/// The record.
pub fn function() -> Function {
    Function::new("loss", "gce", run)
        .about("Generalised cross-entropy, between cross-entropy and the mean absolute error.")
        .returns("Loss")
        .details("Mean of `Σ w · (1 − p^q) / q`. Any number of classes.")
        .source("Zhang and Sabuncu 2018, arXiv 1805.07836")
        .options::<GceOptions>()
        .example("loss::gce()", "loss::gce(#{q: 0.7})")
        .fails("loss::gce(#{ q: 0 })", "`q` of `loss::gce` must be from 0.001 to 1")
}

fn run(call: &mut Call) -> Answer {
    let options: GceOptions = call.options()?;
    built(Gce::new(options.q))
}

/// `Σ w · (1 − p^q) / q` (Zhang and Sabuncu 2018, arXiv 1805.07836; soft labels by linearity). Near cross-entropy for
/// small `q`, the mean absolute error at `q` = 1.
#[derive(Debug, Clone, PartialEq)]
pub struct Gce {
    q: f64,
}

impl Gce {
    /// `q` from 0.001 to 1.
    pub fn new(q: f64) -> Result<Self, LossError> {
        in_range("loss::gce", "q", q, 0.001..=1.0, "from 0.001 to 1")?;
        Ok(Gce { q })
    }
}

impl Loss for Gce {
    fn name(&self) -> String {
        "gce".to_owned()
    }

    fn show(&self) -> String {
        format!("loss::gce(#{{q: {:?}}})", self.q)
    }

    fn step(&self, batch: &LossBatch) -> Result<LossValue, LossError> {
        mean_over_rows(batch, |_, log_p, weak, slope| {
            let mass = |lp: f64, w: f32| f64::from(w) * exp(self.q * lp);
            let total: f64 = log_p.iter().zip(weak).map(|(lp, w)| mass(*lp, *w)).sum();
            let mut value = 0.0;
            for ((lp, w), s) in log_p.iter().zip(weak).zip(slope) {
                // −expm1 keeps the value where p^q is near 1.
                value -= f64::from(*w) * (self.q * lp).exp_m1() / self.q;
                *s += exp(*lp) * total - mass(*lp, *w);
            }
            value
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::train::loss::testing::*;

    // z, w as in cross_entropy.rs; l = (w * (1 - z.softmax(1) ** .7) / .7).sum(1).mean(); l.backward()
    #[test]
    fn equals_the_reference() {
        reference(
            &Gce::new(0.7).expect("valid"),
            0,
            0.55600003,
            &[-0.03563954, 0.03563954, -0.00888827, 0.00888827, 0.10259537, -0.10259537],
        );
    }

    #[test]
    fn its_gradient_is_right() {
        for q in [0.1, 0.7, 1.0] {
            differentiates(&Gce::new(q).expect("valid"));
            survives_extremes(&Gce::new(q).expect("valid"));
        }
        assert!(Gce::new(0.0).is_err() && Gce::new(f64::NAN).is_err());
    }
}
