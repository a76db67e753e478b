//! `loss::confidence`

use super::built;
use crate::bind::prelude::*;
use crate::core::math::exp;
use crate::train::loss::{check, cross_entropy_row, in_range, log_softmax, mean_over_rows};
use crate::train::{At, Loss, LossBatch, LossError, LossValue};

options! {
    /// Options of `loss::confidence`.
    pub struct ConfidenceOptions {
        /// "p", the paper's: half of each batch is above the threshold; "r", the public repository's: the weak labels' class ratio.
        form: String = "p".to_owned(),
        /// The weight of the student's own predictions after the ramp, 0 to 1; the paper takes 0.75 for its largest students.
        alpha_max: f64 = 0.5,
        /// The share of the steps on which the weight rises from 0; left out, 0.2 for "p" and 0.1 for "r".
        warmup: Option<f64> = None,
        /// Keep the repository's ramp (form "r"), whose weight climbs to a tenth of `alpha_max` and then jumps.
        r_compat: bool = false,
    }
}

/// The record.
pub fn function() -> Function {
    Function::new("loss", "confidence", run)
        .about("The auxiliary confidence loss: the student is pulled towards its own thresholded predictions.")
        .returns("Loss")
        .details(
                "`CE(z, (1 − α) · w + α · hard)`. Form \"p\": `hard` is class 1 where `p1` is above the batch's median, so \
                 that half of the batch is; α rises linearly to `alpha_max` over the first 20 % of the steps. Form \"r\": the \
                 threshold is the quantile of `p0` at the mean weak `w1`, and the ramp takes 10 %. `hard` is a constant; \
                 rows that tie at the threshold go to class 0. Two classes.",
            )
            .source("Burns et al. 2023, App. A.4 (\"p\"); openai/weak-to-strong, `logconf_loss_fn` (\"r\")")
            .options::<ConfidenceOptions>()
            .example("loss::confidence(#{ alpha_max: 0.75 })", "loss::confidence(#{form: \"p\", alpha_max: 0.75, warmup: 0.2})")
            .example("loss::confidence(#{ form: \"r\" })", "loss::confidence(#{form: \"r\", alpha_max: 0.5, warmup: 0.1})")
            .fails("loss::confidence(#{ form: \"q\" })", "`form` of `loss::confidence` must be \"p\" or \"r\", got `q`")
            .fails("loss::confidence(#{ alpha_max: 2 })", "`alpha_max` of `loss::confidence` must be from 0 to 1, got `2`")
}

fn run(call: &mut Call) -> Answer {
    let options: ConfidenceOptions = call.options()?;
    let form = match options.form.as_str() {
        "p" => ConfidenceForm::P,
        "r" => ConfidenceForm::R,
        other => {
            let got = other.to_owned();
            let must = "\"p\" or \"r\"";
            return Err(LossError::Option { name: "loss::confidence", option: "form", must, got }.into());
        }
    };
    built(Confidence::new(form, options.alpha_max, options.warmup, options.r_compat))
}

/// Whose confidence loss.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ConfidenceForm {
    /// The paper's: the threshold is the batch's median, so that half of the batch is above it; the weight rises over
    /// the first 20 % of the steps.
    P,
    /// The repository's `logconf`: the threshold is the quantile at the weak labels' class ratio; 10 %.
    R,
}

/// `CE(z, (1 − α) · w + α · hard)`, with `hard` the model's own thresholded prediction, a constant.
///
/// Form `p`: `hard` is class 1 where `p1` exceeds the batch's median of `p1` (Burns et al. 2023, App. A.4). Form `r`:
/// class 0 where `p0` is at least the quantile of `p0` at the mean weak `w1` (openai/weak-to-strong, `logconf_loss_fn`).
/// Both are defined for two classes. Rows that tie at the threshold go to class 0 in either form.
#[derive(Debug, Clone, PartialEq)]
pub struct Confidence {
    form: ConfidenceForm,
    alpha_max: f64,
    warmup: f64,
    r_compat: bool,
}

impl Confidence {
    /// `alpha_max` in [0, 1]; `warmup`, the ramp's share of the steps, in [0, 1], by default 0.2 (`p`) or 0.1 (`r`).
    /// `r_compat` keeps the repository's ramp, whose weight climbs to `warmup · alpha_max` and then jumps to `alpha_max`.
    pub fn new(form: ConfidenceForm, alpha_max: f64, warmup: Option<f64>, r_compat: bool) -> Result<Self, LossError> {
        let name = "loss::confidence";
        in_range(name, "alpha_max", alpha_max, 0.0..=1.0, "from 0 to 1")?;
        let warmup = warmup.unwrap_or(match form {
            ConfidenceForm::P => 0.2,
            ConfidenceForm::R => 0.1,
        });
        in_range(name, "warmup", warmup, 0.0..=1.0, "from 0 to 1")?;
        if r_compat && form == ConfidenceForm::P {
            let must = "false unless `form` is \"r\"";
            return Err(LossError::Option { name, option: "r_compat", must, got: "true".to_owned() });
        }
        Ok(Confidence { form, alpha_max, warmup, r_compat })
    }

    /// The weight of the model's own prediction at a step.
    pub fn alpha(&self, at: &At) -> f64 {
        if self.r_compat {
            let progress = at.progress();
            return self.alpha_max * if progress > self.warmup { 1.0 } else { progress };
        }
        self.alpha_max * at.ramp(self.warmup)
    }

    /// For each row whether the model's thresholded prediction is class 1.
    fn hard(&self, batch: &LossBatch) -> Vec<bool> {
        let mut log_p = Vec::new();
        let class = usize::from(self.form == ConfidenceForm::P);
        let probabilities: Vec<f64> = batch
            .rows()
            .map(|(logits, _)| {
                log_softmax(logits, &mut log_p);
                log_p.get(class).map_or(f64::NAN, |lp| exp(*lp))
            })
            .collect();
        match self.form {
            ConfidenceForm::P => {
                let threshold = quantile(&probabilities, 0.5);
                probabilities.iter().map(|p1| *p1 > threshold).collect()
            }
            ConfidenceForm::R => {
                let total: f64 = batch.rows().filter_map(|(_, weak)| weak.get(1)).map(|w| f64::from(*w)).sum();
                let threshold = quantile(&probabilities, total / batch.n_rows().max(1) as f64);
                probabilities.iter().map(|p0| *p0 < threshold).collect()
            }
        }
    }
}

impl Loss for Confidence {
    fn name(&self) -> String {
        "confidence".to_owned()
    }

    fn show(&self) -> String {
        let form = if self.form == ConfidenceForm::P { "p" } else { "r" };
        let compat = if self.r_compat { ", r_compat: true" } else { "" };
        let (alpha_max, warmup) = (self.alpha_max, self.warmup);
        format!("loss::confidence(#{{form: {form:?}, alpha_max: {alpha_max:?}, warmup: {warmup:?}{compat}}})")
    }

    fn step(&self, batch: &LossBatch) -> Result<LossValue, LossError> {
        check(batch)?;
        if batch.n_classes != 2 {
            return Err(LossError::Binary { name: "confidence", n_classes: batch.n_classes });
        }
        let alpha = self.alpha(&batch.at);
        let hard = self.hard(batch);
        mean_over_rows(batch, |row, log_p, weak, slope| {
            let chosen = usize::from(hard.get(row).copied().unwrap_or(false));
            let target = |class: usize| {
                let own = if class == chosen { alpha } else { 0.0 };
                (1.0 - alpha) * weak.get(class).map_or(0.0, |w| f64::from(*w)) + own
            };
            cross_entropy_row(log_p, target, slope)
        })
    }
}

/// The `share` quantile by linear interpolation, as `torch.quantile` and `numpy.quantile` compute it. NaN of no values.
fn quantile(values: &[f64], share: f64) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let place = share.clamp(0.0, 1.0) * sorted.len().saturating_sub(1) as f64;
    let at = |idx: f64| sorted.get(idx as usize).copied().unwrap_or(f64::NAN);
    let (below, above) = (at(place.floor()), at(place.ceil()));
    below + (above - below) * (place - place.floor())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::train::loss::At;
    use crate::train::loss::testing::*;

    fn form(form: ConfidenceForm) -> Confidence {
        Confidence::new(form, 0.5, None, false).expect("valid")
    }

    // z, w as in cross_entropy.rs; a = .5 (step 9 of 10 is after the ramp)
    // p = z.softmax(1).detach(); t = p[:, 1].quantile(.5); hard = torch.stack([p[:, 1] <= t, p[:, 1] > t], 1).double()
    // l = F.cross_entropy(z, (1 - a) * w + a * hard); l.backward(); print(l.item(), z.grad)
    #[test]
    fn the_papers_form_equals_the_reference() {
        reference(
            &form(ConfidenceForm::P),
            9,
            0.69283953,
            &[-0.06527377, 0.06527377, -0.07356259, 0.07356259, 0.00000000, 0.00000000],
        );
    }

    // t = torch.quantile(p[:, 0], w.mean(0)[1]); hard = torch.stack([p[:, 0] >= t, p[:, 0] < t], 1).double(), then as above
    #[test]
    fn the_repositorys_form_equals_the_reference() {
        reference(
            &form(ConfidenceForm::R),
            9,
            0.69283953,
            &[-0.06527377, 0.06527377, -0.07356259, 0.07356259, 0.16666667, -0.16666667],
        );
    }

    #[test]
    fn half_of_an_even_batch_is_above_the_threshold() {
        let logits: Vec<f32> = (0..8).flat_map(|i| [0.0, 3.0 + i as f32]).collect();
        let weak = [0.5; 16];
        let hard = form(ConfidenceForm::P).hard(&batch(&logits, &weak, 2, 9));
        assert_eq!(hard, [false, false, false, false, true, true, true, true]);
    }

    #[test]
    fn the_repositorys_form_keeps_the_weak_class_ratio() {
        let logits: Vec<f32> = (0..8).flat_map(|i| [0.0, i as f32]).collect();
        let weak: Vec<f32> = (0..8).flat_map(|i| if i < 2 { [0.0, 1.0] } else { [1.0, 0.0] }).collect();
        let hard = form(ConfidenceForm::R).hard(&batch(&logits, &weak, 2, 9));
        assert_eq!(hard.iter().filter(|h| **h).count(), 2);
        assert_eq!(&hard[6..], [true, true]);
    }

    #[test]
    fn the_weight_ramps_and_the_bug_is_there_only_on_request() {
        let at = |step| At { step, steps: 100, ..At::default() };
        let (p, r) = (form(ConfidenceForm::P), form(ConfidenceForm::R));
        let bug = Confidence::new(ConfidenceForm::R, 0.5, None, true).expect("valid");
        assert_eq!(p.alpha(&at(0)), 0.0);
        close(p.alpha(&at(10)), 0.25);
        assert_eq!(p.alpha(&at(20)), 0.5);
        close(r.alpha(&at(5)), 0.25);
        assert_eq!(r.alpha(&at(10)), 0.5);
        close(bug.alpha(&at(10)), 0.05);
        assert_eq!(bug.alpha(&at(11)), 0.5);
    }

    #[test]
    fn its_gradient_is_right_with_the_hard_target_held() {
        for form in [form(ConfidenceForm::P), form(ConfidenceForm::R)] {
            // The middle row sits exactly on the threshold: moving it moves the threshold with it, so rows are spread.
            let (logits, weak) =
                ([0.5, -0.25, -1.5, 2.0, 0.125, 0.5, 0.0, -0.5], [0.75, 0.25, 0.5, 0.5, 0.0, 1.0, 0.5, 0.5]);
            let held = form.hard(&batch(&logits, &weak, 2, 9));
            let target: Vec<f32> = held
                .iter()
                .zip(weak.chunks(2))
                .flat_map(|(h, w)| if *h { [w[0] / 2.0, w[1] / 2.0 + 0.5] } else { [w[0] / 2.0 + 0.5, w[1] / 2.0] })
                .collect();
            let got = form.step(&batch(&logits, &weak, 2, 9)).expect("computes");
            finite_differences(2, &logits, &got.gradient, |moved| {
                crate::train::CrossEntropy.step(&batch(moved, &target, 2, 9)).expect("computes").value
            });
            survives_extremes(&form);
        }
    }

    #[test]
    fn more_than_two_classes_and_impossible_options_are_refused() {
        let error = form(ConfidenceForm::P).step(&batch(&LOGITS3, &WEAK3, 3, 0)).expect_err("binary");
        assert_eq!(error.to_string(), "the loss `confidence` is binary, the labels have 3 classes");
        for (alpha, warmup) in [(f64::NAN, None), (-0.1, None), (1.5, None), (0.5, Some(f64::INFINITY))] {
            assert!(Confidence::new(ConfidenceForm::P, alpha, warmup, false).is_err());
        }
        assert!(Confidence::new(ConfidenceForm::P, 0.5, None, true).is_err());
    }
}
