//! `model::unpretrained`

use crate::bind::prelude::*;
use crate::models::{self, Model};

/// The record.
pub fn function() -> Function {
    Function::new("model", "unpretrained", run)
        .about("A model built like another one, with the same tokenizer, and random parameters: what its pretraining is worth.")
        .details(
            "Architecture, size, tokenizer and `max_tokens` are those of `model`, its head is left out; the parameters are drawn as \
             GPT-2 draws them. `model::untrained(data)` makes a model whose words are those of a data set instead.",
        )
        .param::<Model>("model", "the pretrained model")
        .optional::<u64>("seed", "draws the parameters; left out, the session's")
        .returns("Model")
        .also_method::<Model>()
        .example(
            "let strong = model::ladder(\"world\")[5];\nstrong.unpretrained(0).n_params == strong.n_params",
            "true",
        )
        .fails("model::unpretrained(model::ladder(\"world\")[0], -1)", "`seed` of `model::unpretrained` must not be negative")
}

fn run(call: &mut Call) -> Answer {
    let (model, seed): (Model, Option<u64>) = (call.arg(0)?, call.optional(1)?);
    Ok(Dynamic::from(models::unpretrained(&model, call.ctx().seed(seed))?))
}
