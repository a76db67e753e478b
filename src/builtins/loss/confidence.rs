//! `loss::confidence`

pub(super) mod hard;

use super::built;
use crate::bind::prelude::*;
use crate::train::loss::{At, Ramp, check, cross_entropy_row, in_range, mean_over_rows};
use crate::train::{Loss, LossBatch, LossError, LossValue};
use std::borrow::Cow;

options! {
    /// Options of `loss::confidence`.
    pub struct ConfidenceOptions {
        /// "p", the paper's: half of each batch is above the threshold; "r", openai/weak-to-strong's: as large a share as the weak labels give class 1; "e", EleutherAI/w2s's: as "r", the threshold taken over the latest predictions.
        form: String = "p".to_owned(),
        /// The weight of the student's own predictions after the ramp, 0 to 1; the paper takes 0.75 for its largest students.
        alpha_max: f64 = 0.5,
        /// The share of the steps on which the weight rises from 0; left out, 0.2 for "p" and 0.1 for "r".
        warmup: Option<f64> = None,
        /// The steps on which the weight rises from 0, in place of a share; left out, 100 for "e".
        warmup_steps: Option<usize> = None,
        /// As openai/weak-to-strong's code has it (form "r"): the weight climbs to a tenth of `alpha_max` and then jumps, and rows at the threshold are class 0.
        r_compat: bool = false,
        /// How many predictions, the batch's and those before it, the threshold is taken over (form "e"); left out, 32.
        buffer: Option<usize> = None,
        /// Shift the weak labels of each batch to mean log-odds 0 first, so that half of it is above the threshold (form "e").
        balance: bool = false,
    }
}

/// The record.
pub fn function() -> Function {
    Function::new("loss", "confidence", run)
        .about("The auxiliary confidence loss: the student is pulled towards its own thresholded predictions.")
        .returns("Loss")
        .details(
            "The mean over the batch of `CE(z, (1 − α) · w + α · hard)`, in nats, of logits z and weak labels w, both [n, 2]; α rises \
             linearly from 0 to `alpha_max`. `hard` is a constant: class 1 where the margin `z1 − z0` is above a threshold, class 0 \
             below. Form \"p\": the threshold is the median of the batch, so that half of it is above; α rises over the first 20 % of \
             the steps. Form \"r\": the quantile that leaves a share of `mean(w1)` above; 10 %. Form \"e\": the same over the \
             latest 32 predictions (½ above in a batch of one row); 100 steps, so that a shorter training never reaches \
             `alpha_max`. At the threshold itself (the middle row of an odd batch, the only row of a batch of one, ties) a row \
             takes the class with the larger logit, with equal logits that of its weak label, and where that is even too ½ of each: \
             any fixed class would be pulled up in every batch. Margins are ranked and not probabilities, which round to 1 beyond a margin of 37, \
             where all such rows would tie. With a weight per row the mean is weighted, the threshold is not. Two classes; for more, \
             `loss::bootstrap_hard` mixes in the hard prediction without a threshold.",
        )
        .source(
            "Burns et al. 2023, App. A.4 (\"p\"); openai/weak-to-strong, `logconf_loss_fn` (\"r\"); EleutherAI/w2s, \
             `log_confidence_loss` (\"e\")",
        )
        .options::<ConfidenceOptions>()
        .example("loss::confidence(#{ alpha_max: 0.75 })", "loss::confidence(#{form: \"p\", alpha_max: 0.75, warmup: 0.2})")
        .example("loss::confidence(#{ form: \"r\" })", "loss::confidence(#{form: \"r\", alpha_max: 0.5, warmup: 0.1})")
        .example(
            "loss::confidence(#{ form: \"e\" })",
            "loss::confidence(#{form: \"e\", alpha_max: 0.5, warmup_steps: 100, buffer: 32, balance: false})",
        )
        .fails("loss::confidence(#{ form: \"q\" })", "`form` of `loss::confidence` must be \"p\", \"r\" or \"e\", got `q`")
        .fails("loss::confidence(#{ alpha_max: 2 })", "`alpha_max` of `loss::confidence` must be from 0 to 1, got `2`")
        .fails(
            "loss::confidence(#{ buffer: 64 })",
            "`buffer` of `loss::confidence` must be left out unless `form` is \"e\", got `64`",
        )
}

fn run(call: &mut Call) -> Answer {
    built(Confidence::new(&call.options()?))
}

/// Whose confidence loss.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ConfidenceForm {
    /// Half of the batch is above the threshold (Burns et al. 2023, App. A.4).
    P,
    /// The weak labels' class ratio is (openai/weak-to-strong).
    R,
    /// The same over the latest predictions (EleutherAI/w2s).
    E,
}

/// `CE(z, (1 − α) · w + α · hard)`, with `hard` the model's own thresholded prediction, a constant. Binary.
#[derive(Debug, Clone, PartialEq)]
pub struct Confidence {
    form: ConfidenceForm,
    alpha_max: f64,
    warmup: Ramp,
    r_compat: bool,
    /// Predictions that the threshold is taken over; 0: those of the batch.
    buffer: usize,
    balance: bool,
}

/// The most predictions of a buffer: arbitrary.
const MAX_BUFFER: usize = 1 << 16;

impl Confidence {
    /// Checks the options, and fills in those that depend on the form.
    pub fn new(options: &ConfidenceOptions) -> Result<Self, LossError> {
        let name = "loss::confidence";
        let error = |option, must, got: String| Err(LossError::Option { name, option, must, got });
        let form = match options.form.as_str() {
            "p" => ConfidenceForm::P,
            "r" => ConfidenceForm::R,
            "e" => ConfidenceForm::E,
            other => return error("form", "\"p\", \"r\" or \"e\"", other.to_owned()),
        };
        in_range(name, "alpha_max", options.alpha_max, 0.0..=1.0, "from 0 to 1")?;
        if options.r_compat && form != ConfidenceForm::R {
            return error("r_compat", "false unless `form` is \"r\"", "true".to_owned());
        }
        if options.balance && form != ConfidenceForm::E {
            return error("balance", "false unless `form` is \"e\"", "true".to_owned());
        }
        let buffer = match (options.buffer, form) {
            (None, ConfidenceForm::E) => 32,
            (Some(n), ConfidenceForm::E) if (1..=MAX_BUFFER).contains(&n) => n,
            (Some(n), ConfidenceForm::E) => return error("buffer", "from 1 to 65536", n.to_string()),
            (Some(n), _) => return error("buffer", "left out unless `form` is \"e\"", n.to_string()),
            (None, _) => 0,
        };
        let warmup = match (options.warmup, options.warmup_steps, form) {
            (Some(_), Some(n), _) => return error("warmup_steps", "left out where `warmup` is given", n.to_string()),
            (_, Some(n), _) if options.r_compat => {
                return error("warmup_steps", "left out with `r_compat`, whose ramp is a share", n.to_string());
            }
            (_, Some(n), _) => Ramp::Steps(n),
            (Some(share), _, _) => Ramp::Share(share),
            (None, None, ConfidenceForm::P) => Ramp::Share(0.2),
            (None, None, ConfidenceForm::R) => Ramp::Share(0.1),
            (None, None, ConfidenceForm::E) => Ramp::Steps(100),
        };
        if let Ramp::Share(share) = warmup {
            in_range(name, "warmup", share, 0.0..=1.0, "from 0 to 1")?;
        }
        let &ConfidenceOptions { alpha_max, r_compat, balance, .. } = options;
        Ok(Confidence { form, alpha_max, warmup, r_compat, buffer, balance })
    }

    /// The weight of the model's own prediction at a step.
    pub fn alpha(&self, at: &At) -> f64 {
        match self.warmup {
            Ramp::Share(share) if self.r_compat => {
                let progress = at.progress();
                self.alpha_max * if progress > share { 1.0 } else { progress }
            }
            warmup => self.alpha_max * warmup.at(at),
        }
    }

    /// For each row how much of its hard target is class 1.
    fn hard(&self, batch: &LossBatch) -> Vec<f64> {
        let rows = hard::margins(batch.logits);
        let above = match self.form {
            ConfidenceForm::P => 0.5,
            ConfidenceForm::R if self.r_compat => return hard::sides_by_probability(batch),
            ConfidenceForm::E if self.balance || rows.len() == 1 => 0.5,
            ConfidenceForm::R | ConfidenceForm::E => hard::mean_weak(batch.weak),
        };
        let pool = match self.buffer {
            0 => rows.clone(),
            n => {
                let mut pool = hard::margins(batch.at.earlier);
                pool.extend_from_slice(&rows);
                pool.split_off(pool.len().saturating_sub(n))
            }
        };
        hard::sides(&rows, &pool, above, batch.weak)
    }
}

impl Loss for Confidence {
    fn name(&self) -> String {
        "confidence".to_owned()
    }

    fn show(&self) -> String {
        let (alpha_max, warmup) = (self.alpha_max, self.warmup.show());
        let (form, more) = match self.form {
            ConfidenceForm::P => ("p", String::new()),
            ConfidenceForm::R => ("r", if self.r_compat { ", r_compat: true".to_owned() } else { String::new() }),
            ConfidenceForm::E => ("e", format!(", buffer: {}, balance: {}", self.buffer, self.balance)),
        };
        format!("loss::confidence(#{{form: {form:?}, alpha_max: {alpha_max:?}, {warmup}{more}}})")
    }

    fn digest(&self) -> Digest {
        Digest::of("loss/confidence", 2).text("call", &self.show()).finish()
    }

    fn n_earlier(&self) -> usize {
        self.buffer.saturating_sub(1)
    }

    fn step(&self, batch: &LossBatch) -> Result<LossValue, LossError> {
        check(batch)?;
        if batch.n_classes != 2 {
            return Err(LossError::Binary { name: "confidence", n_classes: batch.n_classes });
        }
        let weak = if self.balance { Cow::Owned(hard::balanced(batch.weak)) } else { Cow::Borrowed(batch.weak) };
        let batch = &LossBatch { weak: &weak, ..*batch };
        let alpha = self.alpha(&batch.at);
        let hard = self.hard(batch);
        mean_over_rows(batch, |row, log_p, weak, slope| {
            let one = hard.get(row).copied().unwrap_or(0.5);
            let target = |class: usize| {
                let own = if class == 1 { one } else { 1.0 - one };
                (1.0 - alpha) * weak.get(class).map_or(0.0, |w| f64::from(*w)) + alpha * own
            };
            cross_entropy_row(log_p, target, slope)
        })
    }
}

#[cfg(test)]
mod tests;
