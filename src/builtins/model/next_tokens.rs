//! `model::next_tokens`

use crate::bind::prelude::*;
use crate::models::Model;
use crate::train;

options! {
    /// Options of `model::next_tokens`.
    pub struct NextTokensOptions {
        /// How many.
        top: usize = 10,
    }
}

/// The record.
pub fn function() -> Function {
    Function::new("model", "next_tokens", run)
        .about("The most likely next tokens after a text.")
        .details("The softmax of the model's logits at the text's last token, the likeliest first. Computed anew each time: it is one forward pass.")
        .param::<Model>("model", "a causal model, with or without a head")
        .param::<String>("prompt", "the text")
        .options::<NextTokensOptions>()
        .returns("Frame: `token` (its id), `text`, `p`, `logprob`")
        .also_method::<Model>()
        .example(
            "let rows = data::of([#{ text: \"the dog barks .\", label: 0 }, #{ text: \"the cat sleeps .\", label: 1 }], #{ test_share: 0.0 });\n\
             let next = model::untrained(rows, #{ seed: 0 }).next_tokens(\"the dog\", #{ top: 3 });\n\
             [next.height, next.row(0).p >= next.row(1).p]",
            "[3, true]",
        )
        .fails("model::ladder(\"world\")[0].next_tokens(\"\")", "the prompt `prompt` has no tokens")
        .fails("model::ladder(\"world\")[0].next_tokens(\"a\", #{ top: -1 })", "option `top` of `model::next_tokens`")
}

fn run(call: &mut Call) -> Answer {
    let (model, prompt): (Model, String) = (call.arg(0)?, call.arg(1)?);
    let NextTokensOptions { top } = call.options()?;
    Ok(Dynamic::from(train::next_tokens(&model, &prompt, top, call.ctx())?))
}
