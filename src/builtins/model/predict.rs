//! `model::predict`

use crate::bind::prelude::*;
use crate::host::data::Data;
use crate::host::model::Model;
use crate::host::train;

/// The record.
pub fn function() -> Function {
    Function::new("model", "predict", run)
        .about("A finetuned model's predictions: a probability per class and the likeliest class, for every row.")
        .details("Columns `id`, `p0`, `p1`, …, `prediction` (the first of ties). Test rows may be predicted.")
        .param::<Model>("model", "a finetuned model")
        .param::<Data>("data", "the rows")
        .returns("Frame: `id`, `p0`, …, `prediction`")
        .also_method::<Model>()
        .example(
            "let rows = data::of([#{ text: \"good dog\", label: \"yes\" }, #{ text: \"bad dog\", label: \"no\" }], #{ test_share: 0.0 });\n\
             let model = model::untrained(rows).finetune(rows, rows.truth(\"example\"), #{ steps: 3 });\n\
             model.predict(rows)",
            "",
        )
        .fails(
            "let rows = data::of([#{ text: \"good dog\", label: \"yes\" }, #{ text: \"bad dog\", label: \"no\" }], #{ test_share: 0.0 });\n\
             model::untrained(rows).predict(rows)",
            "has no head: it cannot classify",
        )
}

fn run(call: &mut Call) -> Answer {
    let (model, data): (Model, Data) = (call.arg(0)?, call.arg(1)?);
    Ok(Dynamic::from(train::predict(&model, &data, call.lab())?))
}
