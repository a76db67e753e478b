//! `model::label`

use super::predict::{precision, warn_of_indices};
use crate::bind::prelude::*;
use crate::data::Data;
use crate::models::Model;
use crate::train;

options! {
    /// Options of `model::label`.
    pub struct LabelOptions {
        /// 1 for the likeliest class and 0 for the others, instead of probabilities.
        hard: bool = false,
        /// "fp32", or "bf16" for matrix products of rounded numbers, as for `predict`.
        precision: String = "fp32".to_owned(),
    }
}

/// The record.
pub fn function() -> Function {
    Function::new("model", "label", run)
        .about("Labels by a finetuned model, for a student to be trained on.")
        .details("Columns `id`, `p0`, `p1`, …, `label` (the first of ties). Soft: the model's probabilities; hard: 0 and 1.")
        .source("Burns et al. 2023, arXiv 2312.09390: soft predictions on the held-out half")
        .param::<Model>("model", "a finetuned model, the supervisor")
        .param::<Data>("data", "rows that the student will be trained on")
        .options::<LabelOptions>()
        .returns("Frame: `id`, `p0`, …, `label`")
        .also_method::<Model>()
        .example(
            "let rows = data::of([#{ text: \"good dog\", label: \"yes\" }, #{ text: \"bad dog\", label: \"no\" }], #{ test_share: 0.0 });\n\
             let weak = model::untrained(rows).finetune(rows, rows.truth(\"example\"), #{ steps: 3 });\n\
             weak.label(rows, #{ hard: true })",
            "",
        )
        .fails(
            "let rows = data::of([#{ text: \"good dog\", label: \"yes\" }, #{ text: \"bad dog\", label: \"no\" }], #{ test_share: 0.0 });\n\
             model::untrained(rows).label(rows, #{ soft: true })",
            "`model::label` has no option `soft`",
        )
}

fn run(call: &mut Call) -> Answer {
    let (model, data): (Model, Data) = (call.arg(0)?, call.arg(1)?);
    warn_of_indices(call, &model, &data);
    let options: LabelOptions = call.options()?;
    let precision = precision(&options.precision)?;
    Ok(Dynamic::from(train::label(&model, &data, options.hard, precision, call.ctx())?))
}
