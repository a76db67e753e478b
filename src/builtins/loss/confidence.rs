//! `loss::confidence`

use super::built;
use crate::bind::prelude::*;
use crate::train::{Confidence, ConfidenceForm, LossError};

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
