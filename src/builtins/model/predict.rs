//! `model::predict`

use crate::bind::prelude::*;
use crate::core::explain::listed;
use crate::data::Data;
use crate::kernels::Precision;
use crate::models::{HeadKind, Model};
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
            "Columns `id`, `p0`, `p1`, …, `prediction` (the first of ties), in the order of the data's classes: a model knows the names \
             of its classes, and data whose classes have other names is refused. Test rows may be predicted. With `precision` \"bf16\" \
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
        .example(
            "let of = |classes| data::of([#{ text: \"good dog\", label: \"pos\" }, #{ text: \"bad dog\", label: \"neg\" }], #{ test_share: 0.0, classes: classes });\n\
             let rows = of.call([\"neg\", \"pos\"]);\n\
             let model = model::untrained(rows).finetune(rows, rows.truth(\"example\"), #{ steps: 3 });\n\
             model.predict(of.call([\"pos\", \"neg\"])).row(0).p0 == model.predict(rows).row(0).p1",
            "true",
        )
        .fails(
            "let of = |classes| data::of([#{ text: \"good dog\", label: 1 }, #{ text: \"bad dog\", label: 0 }], #{ test_share: 0.0, classes: classes });\n\
             let rows = of.call([\"neg\", \"pos\"]);\n\
             model::untrained(rows).finetune(rows, rows.truth(\"example\"), #{ steps: 3 }).predict(of.call([\"no\", \"yes\"]))",
            "was trained on the classes `neg`, `pos`, `rows` has `no`, `yes`",
        )
        .fails(
            "let rows = data::of([#{ text: \"good dog\", label: \"yes\" }, #{ text: \"bad dog\", label: \"no\" }], #{ test_share: 0.0 });\n\
             model::untrained(rows).predict(rows, #{ precision: \"fp16\" })",
            "`precision` must be \"fp32\" or \"bf16\", got `fp16`",
        )
}

fn run(call: &mut Call) -> Answer {
    let (model, data): (Model, Data) = (call.arg(0)?, call.arg(1)?);
    warn_of_indices(call, &model, &data);
    let options: PredictOptions = call.options()?;
    Ok(Dynamic::from(train::predict(&model, &data, precision(&options.precision)?, call.ctx())?))
}

/// The option `precision`.
pub(super) fn precision(name: &str) -> Result<Precision, Fault> {
    let unknown = || Fault::new("train/option", format!("`precision` must be \"fp32\" or \"bf16\", got `{name}`"));
    Precision::parse(name).ok_or_else(unknown)
}

/// Warns of a head whose classes have no names, which are read by index.
pub(super) fn warn_of_indices(call: &Call, model: &Model, data: &Data) {
    // The scores of a scalar head are not classes: they stand for the continuations in their order.
    let classifies = model.inner.head.as_ref().is_some_and(|head| head.kind == HeadKind::Class);
    if classifies && model.classes().is_none() {
        let (name, classes) = (&model.inner.name, listed(data.classes()));
        call.ctx()
            .warn(format!("the head of `{name}` has no class names: its classes are read by index, as {classes}"));
    }
}
