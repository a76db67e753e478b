//! `loss::adapt_conf`

use super::built;
use crate::bind::prelude::*;
use crate::core::math::exp;
use crate::train::loss::{Ramp, argmax, cross_entropy_row, in_range, mean_over_rows, times_log};
use crate::train::{Loss, LossBatch, LossError, LossValue};

options! {
    /// Options of `loss::adapt_conf`.
    pub struct AdaptConfOptions {
        /// τ: how softly a row's weight goes over from the supervisor to the student.
        temperature: f64 = 1.0,
        /// "published": the more confidently the student disagrees with the label, the less its own prediction counts; "reversed": the more.
        sign: String = "published".to_owned(),
        /// "hard": the weight compares the student's prediction with the label's class, as published; "soft": with the label itself.
        labels: String = "hard".to_owned(),
        /// The share of the steps on which the weight rises from 0; the public code takes 0.25, the paper has none.
        warmup: f64 = 0.0,
    }
}

/// The record.
pub fn function() -> Function {
    Function::new("loss", "adapt_conf", run)
        .about("Adaptive confidence: each row weighs its weak label against the student's own prediction.")
        .returns("Loss")
        .details(
            "The mean over the batch, in nats, of `(1 − α) · CE(z, w) + α · CE(z, hard)`, hard the class of the largest logit, with \
             `α = e^{CE_self/τ} / (e^{CE_self/τ} + e^{CE_teacher/τ})` of each row: `CE_self` is the cross-entropy against hard, \
             `CE_teacher` against the class of the largest weak label. α and hard are constants. So, as published and as in the \
             public code, α is ½ where both agree, and the more confidently the student disagrees the *less* of its own prediction \
             counts. `sign: \"reversed\"` is `e^{−CE/τ}` in each place: the opposite. Any number of classes; of ties the first class counts.",
        )
        .source("Guo et al. 2024, arXiv 2402.03749; ggjy/vision_weak_to_strong, `AdaptConf`, at a distillation temperature of 1")
        .options::<AdaptConfOptions>()
        .example(
            "loss::adapt_conf()",
            "loss::adapt_conf(#{temperature: 1.0, sign: \"published\", labels: \"hard\", warmup: 0.0})",
        )
        .fails("loss::adapt_conf(#{ temperature: 0 })", "`temperature` of `loss::adapt_conf` must be from 0.01 to 100")
        .fails("loss::adapt_conf(#{ sign: \"minus\" })", "`sign` of `loss::adapt_conf` must be \"published\" or \"reversed\"")
}

fn run(call: &mut Call) -> Answer {
    built(AdaptConf::new(&call.options()?))
}

/// `(1 − α) · CE(z, w) + α · CE(z, onehot(argmax p))` with a weight per row; α and the hard prediction are constants.
#[derive(Debug, Clone, PartialEq)]
pub struct AdaptConf {
    temperature: f64,
    reversed: bool,
    soft: bool,
    warmup: f64,
}

impl AdaptConf {
    /// τ from 0.01 to 100.
    pub fn new(options: &AdaptConfOptions) -> Result<Self, LossError> {
        let name = "loss::adapt_conf";
        in_range(name, "temperature", options.temperature, 0.01..=100.0, "from 0.01 to 100")?;
        in_range(name, "warmup", options.warmup, 0.0..=1.0, "from 0 to 1")?;
        let second = |option, got: &str, [first, second]: [&str; 2], must| match got {
            got if got == first => Ok(false),
            got if got == second => Ok(true),
            _ => Err(LossError::Option { name, option, must, got: got.to_owned() }),
        };
        let reversed = second("sign", &options.sign, ["published", "reversed"], "\"published\" or \"reversed\"")?;
        let soft = second("labels", &options.labels, ["hard", "soft"], "\"hard\" or \"soft\"")?;
        Ok(AdaptConf { temperature: options.temperature, reversed, soft, warmup: options.warmup })
    }

    /// α of one row, before the ramp.
    fn weight(&self, log_p: &[f64], weak: &[f32], chosen: usize) -> f64 {
        let own = -log_p.get(chosen).copied().unwrap_or(0.0);
        let teacher = match self.soft {
            true => -log_p.iter().zip(weak).map(|(lp, w)| times_log(f64::from(*w), *lp)).sum::<f64>(),
            false => -log_p.get(argmax(weak)).copied().unwrap_or(0.0),
        };
        let difference = if self.reversed { own - teacher } else { teacher - own };
        1.0 / (1.0 + exp(difference / self.temperature))
    }
}

impl Loss for AdaptConf {
    fn name(&self) -> String {
        "adapt_conf".to_owned()
    }

    fn show(&self) -> String {
        let AdaptConf { temperature, warmup, .. } = self;
        let sign = if self.reversed { "reversed" } else { "published" };
        let labels = if self.soft { "soft" } else { "hard" };
        format!(
            "loss::adapt_conf(#{{temperature: {temperature:?}, sign: {sign:?}, labels: {labels:?}, warmup: {warmup:?}}})"
        )
    }

    fn digest(&self) -> Digest {
        Digest::of("loss/adapt_conf", 2).text("call", &self.show()).finish()
    }

    fn step(&self, batch: &LossBatch) -> Result<LossValue, LossError> {
        let chosen: Vec<usize> = batch.rows().map(|(logits, _)| argmax(logits)).collect();
        let ramp = Ramp::Share(self.warmup).at(&batch.at);
        mean_over_rows(batch, |row, log_p, weak, slope| {
            let own_class = chosen.get(row).copied().unwrap_or(0);
            let alpha = ramp * self.weight(log_p, weak, own_class);
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

    fn made(temperature: f64, sign: &str, labels: &str) -> Result<AdaptConf, LossError> {
        let (sign, labels) = (sign.to_owned(), labels.to_owned());
        AdaptConf::new(&AdaptConfOptions { temperature, sign, labels, ..AdaptConfOptions::default() })
    }

    // z, w as in cross_entropy.rs; hard = F.one_hot(z.argmax(1), 2).double(); tau = 2
    // own, teacher = [F.cross_entropy(z, t, reduction="none") for t in (hard, w)]
    // a = ((own / tau).exp() / ((own / tau).exp() + (teacher / tau).exp())).detach()
    // l = ((1 - a) * teacher + a * own).mean(); l.backward()
    #[test]
    fn with_soft_labels_in_its_weight_it_equals_the_reference() {
        reference(
            &made(2.0, "published", "soft").expect("valid"),
            0,
            0.81434457,
            &[-0.06332207, 0.06332207, -0.10786009, 0.10786009, 0.00000000, 0.00000000],
        );
    }

    #[test]
    fn the_signs_say_whom_a_confident_disagreement_trusts() {
        let mut log_p = Vec::new();
        let mut weight = |sign, logits: [f32; 2]| {
            log_softmax(&logits, &mut log_p);
            made(1.0, sign, "hard").expect("valid").weight(&log_p, &[1.0, 0.0], argmax(&logits))
        };
        for sign in ["published", "reversed"] {
            close(weight(sign, [3.0, 0.0]), 0.5);
        }
        // CE_self − CE_teacher is minus the margin: log p1 − log p0 = 3.
        close(weight("published", [0.0, 3.0]), 1.0 / (1.0 + 3.0f64.exp()));
        close(weight("reversed", [0.0, 3.0]), 1.0 / (1.0 + (-3.0f64).exp()));
    }

    #[test]
    fn its_weight_ramps_where_asked() {
        let loss = AdaptConf::new(&AdaptConfOptions { warmup: 0.5, ..AdaptConfOptions::default() }).expect("valid");
        let start = loss.step(&batch(&LOGITS, &WEAK, 2, 0));
        assert_eq!(start, CrossEntropy.step(&batch(&LOGITS, &WEAK, 2, 0)));
        let without = AdaptConf::new(&AdaptConfOptions::default()).expect("valid");
        assert_eq!(loss.step(&batch(&LOGITS, &WEAK, 2, 5)), without.step(&batch(&LOGITS, &WEAK, 2, 5)));
    }

    #[test]
    fn its_gradient_is_right_with_weight_and_prediction_held() {
        for (sign, labels) in [("published", "hard"), ("published", "soft"), ("reversed", "hard")] {
            let loss = made(2.0, sign, labels).expect("valid");
            let got = loss.step(&batch(&LOGITS3, &WEAK3, 3, 0)).expect("computes");
            let mut log_p = Vec::new();
            let mut target = Vec::new();
            for (z, w) in LOGITS3.chunks(3).zip(WEAK3.chunks(3)) {
                log_softmax(z, &mut log_p);
                let chosen = argmax(z);
                let alpha = loss.weight(&log_p, w, chosen) as f32;
                let own = |k: usize| if k == chosen { alpha } else { 0.0 };
                target.extend(w.iter().enumerate().map(|(k, w)| (1.0 - alpha) * w + own(k)));
            }
            finite_differences(3, &LOGITS3, &got.gradient, |moved| {
                CrossEntropy.step(&batch(moved, &target, 3, 0)).expect("computes").value
            });
            survives_extremes(&loss);
        }
        assert!(made(0.0, "published", "hard").is_err() && made(f64::NAN, "published", "hard").is_err());
        assert!(made(1.0, "minus", "hard").is_err() && made(1.0, "published", "middle").is_err());
    }
}
