//! `loss::adapt_conf`

use super::built;
use crate::bind::prelude::*;
use crate::core::math::exp;
use crate::train::loss::{argmax, cross_entropy_row, in_range, mean_over_rows, times_log};
use crate::train::{Loss, LossBatch, LossError, LossValue};

options! {
    /// Options of `loss::adapt_conf`.
    pub struct AdaptConfOptions {
        /// τ: how softly a row's weight goes over from the supervisor to the student.
        temperature: f64 = 1.0,
    }
}

/// The record.
pub fn function() -> Function {
    Function::new("loss", "adapt_conf", run)
        .about("Adaptive confidence: each row weighs its weak label against the student's own prediction.")
        .returns("Loss")
        .details(
                "`(1 − α) · CE(z, w) + α · CE(z, hard)` with `α = e^{CE_self/τ} / (e^{CE_self/τ} + e^{CE_teacher/τ})` of each row; \
                 α and the hard prediction are constants. Any number of classes.",
            )
            .source("Guo et al. 2024, arXiv 2402.03749")
            .options::<AdaptConfOptions>()
            .example("loss::adapt_conf()", "loss::adapt_conf(#{temperature: 1.0})")
            .fails("loss::adapt_conf(#{ temperature: 0 })", "`temperature` of `loss::adapt_conf` must be from 0.01 to 100")
}

fn run(call: &mut Call) -> Answer {
    let options: AdaptConfOptions = call.options()?;
    built(AdaptConf::new(options.temperature))
}

/// `(1 − α) · CE(z, w) + α · CE(z, onehot(argmax p))` with a weight per row,
/// `α = e^{CE_self/τ} / (e^{CE_self/τ} + e^{CE_teacher/τ})`; α and the hard prediction are constants
/// (Guo et al. 2024, vision superalignment, arXiv 2402.03749).
#[derive(Debug, Clone, PartialEq)]
pub struct AdaptConf {
    temperature: f64,
}

impl AdaptConf {
    /// τ from 0.01 to 100.
    pub fn new(temperature: f64) -> Result<Self, LossError> {
        in_range("loss::adapt_conf", "temperature", temperature, 0.01..=100.0, "from 0.01 to 100")?;
        Ok(AdaptConf { temperature })
    }

    /// α of one row.
    fn weight(&self, log_p: &[f64], weak: &[f32], chosen: usize) -> f64 {
        let own = -log_p.get(chosen).copied().unwrap_or(0.0);
        let teacher: f64 = -log_p.iter().zip(weak).map(|(lp, w)| times_log(f64::from(*w), *lp)).sum::<f64>();
        1.0 / (1.0 + exp((teacher - own) / self.temperature))
    }
}

impl Loss for AdaptConf {
    fn name(&self) -> String {
        "adapt_conf".to_owned()
    }

    fn show(&self) -> String {
        format!("loss::adapt_conf(#{{temperature: {:?}}})", self.temperature)
    }

    fn step(&self, batch: &LossBatch) -> Result<LossValue, LossError> {
        let chosen: Vec<usize> = batch.rows().map(|(logits, _)| argmax(logits)).collect();
        mean_over_rows(batch, |row, log_p, weak, slope| {
            let own_class = chosen.get(row).copied().unwrap_or(0);
            let alpha = self.weight(log_p, weak, own_class);
            let target = |class: usize| {
                let own = if class == own_class { alpha } else { 0.0 };
                (1.0 - alpha) * weak.get(class).map_or(0.0, |w| f64::from(*w)) + own
            };
            cross_entropy_row(log_p, target, slope)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::train::loss::testing::*;
    use crate::train::loss::{CrossEntropy, log_softmax};

    // z, w as in cross_entropy.rs; hard = F.one_hot(z.argmax(1), 2).double(); tau = 2
    // own, teacher = [F.cross_entropy(z, t, reduction="none") for t in (hard, w)]
    // a = ((own / tau).exp() / ((own / tau).exp() + (teacher / tau).exp())).detach()
    // l = ((1 - a) * teacher + a * own).mean(); l.backward()
    #[test]
    fn equals_the_reference() {
        reference(
            &AdaptConf::new(2.0).expect("valid"),
            0,
            0.81434457,
            &[-0.06332207, 0.06332207, -0.10786009, 0.10786009, 0.00000000, 0.00000000],
        );
    }

    #[test]
    fn its_gradient_is_right_with_weight_and_prediction_held() {
        let loss = AdaptConf::new(2.0).expect("valid");
        let got = loss.step(&batch(&LOGITS3, &WEAK3, 3, 0)).expect("computes");
        let mut log_p = Vec::new();
        let mut target = Vec::new();
        for (z, w) in LOGITS3.chunks(3).zip(WEAK3.chunks(3)) {
            log_softmax(z, &mut log_p);
            let chosen = argmax(z);
            let alpha = loss.weight(&log_p, w, chosen) as f32;
            target.extend(w.iter().enumerate().map(|(k, w)| (1.0 - alpha) * w + if k == chosen { alpha } else { 0.0 }));
        }
        finite_differences(3, &LOGITS3, &got.gradient, |moved| {
            CrossEntropy.step(&batch(moved, &target, 3, 0)).expect("computes").value
        });
        survives_extremes(&loss);
        assert!(AdaptConf::new(0.0).is_err() && AdaptConf::new(f64::NAN).is_err());
    }
}
