//! `loss::window`

use super::built;
use super::fitted::{Fitted, confidences, lower_median};
use crate::bind::prelude::*;
use crate::core::math::exp;
use crate::train::loss::{cross_entropy_row, in_range, log_softmax, mean_over_rows};
use crate::train::{Loss, LossBatch, LossError, LossValue};

/// EleutherAI/w2s's.
const RADIUS: Fitted = Fitted::Number(0.15);

options! {
    /// Options of `loss::window`.
    pub struct WindowOptions {
        /// Rows on which the student's largest probability is below 0.5 + radius are kept; "midweak" for the median of `max(w) − 0.5` over the weak labels that are trained on.
        radius: Fitted = RADIUS,
    }
}

/// The record.
pub fn function() -> Function {
    Function::new("loss", "window", run)
        .about("Cross-entropy on the rows of which the student is unsure.")
        .returns("Loss")
        .details(
            "The sum of `CE(z, w)` over the rows whose largest probability is below `0.5 + radius` now, divided by the rows of the \
             whole batch, in nats: the fewer rows are kept, the smaller the step. Which rows are kept is a constant. A step that keeps \
             none has loss 0 and gradient 0; how many rows and steps that were is in the model's recipe, and a training with such a \
             step warns. With a weight per row, sum and divisor are weighted. Any number of classes.",
        )
        .source("EleutherAI/w2s, `confidence_window_loss`; \"midweak\" as there, the lower of two middle values")
        .options::<WindowOptions>()
        .example("loss::window()", "loss::window(#{radius: 0.15})")
        .example("loss::window(#{ radius: \"midweak\" })", "loss::window(#{radius: \"midweak\"})")
        .fails("loss::window(#{ radius: 0.7 })", "`radius` of `loss::window` must be from 0 to 0.5")
        .fails("loss::window(#{ radius: \"half\" })", "must be a float or \"midweak\", got a string `half`")
}

fn run(call: &mut Call) -> Answer {
    let options: WindowOptions = call.options()?;
    built(Window::new(options.radius.number()))
}

/// Cross-entropy summed over the rows whose largest probability is below `0.5 + radius`, divided by the rows of the batch.
#[derive(Debug, Clone, PartialEq)]
pub struct Window {
    /// `None`: the median confidence of the weak labels, before they are known.
    radius: Option<f64>,
}

impl Window {
    /// `radius` from 0 to 0.5; `None` for "midweak".
    pub fn new(radius: Option<f64>) -> Result<Self, LossError> {
        if let Some(radius) = radius {
            in_range("loss::window", "radius", radius, 0.0..=0.5, "from 0 to 0.5")?;
        }
        Ok(Window { radius })
    }

    fn radius(&self) -> Result<f64, LossError> {
        self.radius.ok_or(LossError::Unsettled { name: "loss::window", option: "radius: \"midweak\"" })
    }
}

/// Whether a row is learned from.
fn keeps(log_p: &[f64], radius: f64) -> bool {
    exp(log_p.iter().copied().fold(f64::NEG_INFINITY, f64::max)) < 0.5 + radius
}

impl Loss for Window {
    fn name(&self) -> String {
        "window".to_owned()
    }

    fn show(&self) -> String {
        match self.radius {
            Some(radius) => format!("loss::window(#{{radius: {radius:?}}})"),
            None => "loss::window(#{radius: \"midweak\"})".to_owned(),
        }
    }

    fn digest(&self) -> Digest {
        Digest::of("loss/window", 2).text("call", &self.show()).finish()
    }

    fn settled(&self, weak: &[f32], n_classes: usize) -> Option<Box<dyn Loss>> {
        let median = || lower_median(&confidences(weak, n_classes));
        self.radius.is_none().then(|| Box::new(Window { radius: Some(median()) }) as Box<dyn Loss>)
    }

    fn n_kept(&self, batch: &LossBatch) -> Option<usize> {
        let (radius, mut log_p) = (self.radius?, Vec::with_capacity(batch.n_classes));
        let kept = batch.rows().filter(|(logits, _)| {
            log_softmax(logits, &mut log_p);
            keeps(&log_p, radius)
        });
        Some(kept.count())
    }

    fn step(&self, batch: &LossBatch) -> Result<LossValue, LossError> {
        let radius = self.radius()?;
        mean_over_rows(batch, |_, log_p, weak, slope| {
            if !keeps(log_p, radius) {
                return 0.0;
            }
            cross_entropy_row(log_p, |class| weak.get(class).map_or(0.0, |w| f64::from(*w)), slope)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::train::loss::testing::*;

    #[test]
    fn kept_rows_count_and_the_whole_batch_divides() {
        // Largest probabilities .679, .971 and .5: only the first and the last are below .7.
        let loss = Window::new(Some(0.2)).expect("valid");
        let got = loss.step(&batch(&LOGITS, &WEAK, 2, 0)).expect("computes");
        let plain = crate::train::CrossEntropy.step(&batch(&LOGITS, &WEAK, 2, 0)).expect("computes");
        let want = [plain.gradient[0], plain.gradient[1], 0.0, 0.0, plain.gradient[4], plain.gradient[5]];
        assert_eq!(got.gradient, want);
        assert_eq!(loss.n_kept(&batch(&LOGITS, &WEAK, 2, 0)), Some(2));
    }

    #[test]
    fn it_is_the_student_who_must_be_unsure() {
        let loss = Window::new(Some(0.15)).expect("valid");
        let (sure, unsure, certain, doubtful) = ([0.0, 4.0], [0.25, 0.0], [0.0, 1.0], [0.5, 0.5]);
        let kept = |logits: &[f32], weak: &[f32]| loss.n_kept(&batch(logits, weak, 2, 0));
        assert_eq!([kept(&unsure, &certain), kept(&sure, &doubtful)], [Some(1), Some(0)]);
    }

    #[test]
    fn its_gradient_is_right_and_an_empty_window_is_silent() {
        differentiates(&Window::new(Some(0.3)).expect("valid"));
        survives_extremes(&Window::new(Some(0.3)).expect("valid"));
        let none = Window::new(Some(0.0)).expect("valid").step(&batch(&LOGITS, &WEAK, 2, 0)).expect("computes");
        assert_eq!(none.value, 0.0);
        assert!(none.gradient.iter().all(|g| *g == 0.0));
        assert!(Window::new(Some(0.6)).is_err() && Window::new(Some(f64::NAN)).is_err());
    }

    #[test]
    fn midweak_is_the_labels_lower_median() {
        let midweak = Window::new(None).expect("valid");
        let error = midweak.step(&batch(&LOGITS, &WEAK, 2, 0)).expect_err("not settled").to_string();
        assert!(error.contains("`radius: \"midweak\"` of `loss::window` depends on the labels"), "{error}");
        let settled = midweak.settled(&[0.75, 0.25, 0.5, 0.5, 0.0, 1.0, 0.375, 0.625], 2).expect("it depends on them");
        assert_eq!(settled.show(), "loss::window(#{radius: 0.125})");
        assert!(settled.settled(&WEAK, 2).is_none());
    }
}
