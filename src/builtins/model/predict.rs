//! `model::predict`

use crate::bind::prelude::*;
use crate::data::Data;
use crate::kernels::Precision;
use crate::models::Model;
use crate::train;

options! {
    /// Options of `model::predict`.
    pub struct PredictOptions {
        /// "fp32", or "bf16" for matrix products of rounded numbers.
        precision: String = "fp32".to_owned(),
    }
}

/// The record.
pub fn function() -> Function {
    Function::new("model", "predict", run)
        .about("A finetuned model's predictions: a probability per class and the likeliest class, for every row.")
        .details(
            "Columns `id`, `p0`, `p1`, …, `prediction` (the first of ties). Test rows may be predicted. With `precision` \"bf16\" \
             the numbers that the trunk's matrices multiply are rounded to bfloat16 (8 bits of mantissa) and summed in fp32: several \
             times faster on large models where the processor has such instructions, slower where it has not, and never chosen \
             unless asked for. Probabilities then differ by up to a hundredth, of small models by several; rows near the boundary may change their class.",
        )
        .param::<Model>("model", "a finetuned model")
        .param::<Data>("data", "the rows")
        .options::<PredictOptions>()
        .returns("Frame: `id`, `p0`, …, `prediction`")
        .also_method::<Model>()
        .example(
            "let rows = data::of([#{ text: \"good dog\", label: \"yes\" }, #{ text: \"bad dog\", label: \"no\" }], #{ test_share: 0.0 });\n\
             let model = model::untrained(rows).finetune(rows, rows.truth(\"example\"), #{ steps: 3 });\n\
             model.predict(rows)",
            "",
        )
        .example(
            "let rows = data::of([#{ text: \"good dog\", label: \"yes\" }, #{ text: \"bad dog\", label: \"no\" }], #{ test_share: 0.0 });\n\
             let model = model::untrained(rows).finetune(rows, rows.truth(\"example\"), #{ steps: 3 });\n\
             (model.predict(rows, #{ precision: \"bf16\" }).row(0).p0 - model.predict(rows).row(0).p0).abs() < 0.01",
            "true",
        )
        .fails(
            "let rows = data::of([#{ text: \"good dog\", label: \"yes\" }, #{ text: \"bad dog\", label: \"no\" }], #{ test_share: 0.0 });\n\
             model::untrained(rows).predict(rows)",
            "has no head: it cannot classify",
        )
        .fails(
            "let rows = data::of([#{ text: \"good dog\", label: \"yes\" }, #{ text: \"bad dog\", label: \"no\" }], #{ test_share: 0.0 });\n\
             model::untrained(rows).predict(rows, #{ precision: \"fp16\" })",
            "`precision` must be \"fp32\" or \"bf16\", got `fp16`",
        )
}

fn run(call: &mut Call) -> Answer {
    let (model, data): (Model, Data) = (call.arg(0)?, call.arg(1)?);
    let options: PredictOptions = call.options()?;
    Ok(Dynamic::from(train::predict(&model, &data, precision(&options.precision)?, call.ctx())?))
}

/// The option `precision`.
pub(super) fn precision(name: &str) -> Result<Precision, Fault> {
    let unknown = || Fault::new("train/option", format!("`precision` must be \"fp32\" or \"bf16\", got `{name}`"));
    Precision::parse(name).ok_or_else(unknown)
}
