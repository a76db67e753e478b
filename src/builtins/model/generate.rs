//! `model::generate`

use super::prompts::Prompts;
use crate::bind::prelude::*;
use crate::models::Model;
use crate::settings;
use crate::train::{self, GenerateOptions, GenerateShown, generate_options};

generate_options!(settings);

options! {
    /// Options of `model::generate`.
    pub struct Options {
        /// Whether the frame repeats each prompt's text, in a column `prompt`.
        prompt: bool = false,
        /// A row for each token instead of each continuation: columns `id`, `sample`, `position`, `token`, `text`, `logprob`.
        per_token: bool = false,
    }
    with run: GenerateOptions
}

/// The record.
pub fn function() -> Function {
    Function::new("model", "generate", run)
        .about("Continues each prompt with text from a causal model.")
        .details(
            "A line for each sample of each prompt: `text` (prompt and text together read as a whole), `n_tokens`, `logprob` (the \
             summed log-probability of these tokens under the model itself, in nats, whatever temperature, `top_k` and `top_p` \
             they were drawn with) and `finish`: \"stop\" at a text of `stop` or at the tokenizer's own end of a text or turn, \
             \"length\" after `max_new_tokens`, or where the model reads no more. `text` ends before a `stop`; `n_tokens` and \
             `logprob` count it. Temperature comes first, then `top_k`, then `top_p` of what is left, as in transformers. \
             What is drawn depends on seed, the prompt's id and the sample's number, and on nothing else: neither the other prompts, nor \
             `batch`, nor the number of threads changes a bit. Of rows with continuations the prompt is read alone; the prompt must be \
             shorter than `max_tokens`. Test rows may be continued. Memory: the model, and for each sequence at work 8 bytes for \
             each token, layer and feature of its keys.",
        )
        .source("Holtzman et al. 2020 (`top_p`), arXiv 1904.09751; transformers' `generate`")
        .param::<Model>("model", "a causal model, with or without a head")
        .param::<Prompts>("prompts", "a data set, one text or several, or a frame with `id` and `prompt`")
        .options::<Options>()
        .returns("Frame: `id`, `sample`, `text`, `n_tokens`, `logprob`, `finish`")
        .also_method::<Model>()
        .example(
            "let rows = data::of([#{ text: \"the dog barks .\", label: 0 }, #{ text: \"the cat sleeps .\", label: 1 }], #{ test_share: 0.0 });\n\
             let model = model::untrained(rows, #{ seed: 0 });\n\
             model.generate(\"the dog\", #{ max_new_tokens: 3 }).select([\"id\", \"n_tokens\", \"finish\"]).row(0)",
            "#{finish: \"length\", id: \"0\", n_tokens: 3}",
        )
        .example(
            "let world = model::ladder(\"world\")[0];\n\
             let prompts = world::language().documents(2).map(|text| text.split(\" \").extract(0..4).reduce(|a, b| if a == () { b } else { a + \" \" + b }));\n\
             world.generate(prompts, #{ temperature: 1.0, n_samples: 3, seed: 1, stop: [\".\"] }).height",
            "6",
        )
        .fails("model::ladder(\"world\")[0].generate([])", "`prompts` of `model::generate` has no text")
        .fails("model::ladder(\"world\")[0].generate(\"\")", "the prompt `0` has no tokens")
        .fails("model::ladder(\"world\")[0].generate(\"a\", #{ n_samples: 0 })", "`n_samples` must be from 1 to")
        .fails("model::ladder(\"world\")[0].generate(\"a\", #{ stop: [\"xyzzy\"] })", "\"xyzzy\", which the tokenizer of `8x1-1000` never writes")
        .fails(
            "let rows = data::of([#{ text: \"good dog\", label: \"yes\" }, #{ text: \"bad dog\", label: \"no\" }], #{ test_share: 0.0 });\n\
             model::untrained(rows, #{ architecture: \"bert\" }).generate(rows)",
            "is a bidirectional encoder: it does not predict next tokens, so it cannot generate",
        )
        .fails(
            "let rows = data::of([#{ text: \"good dog\", label: \"yes\" }, #{ text: \"bad dog\", label: \"no\" }], #{ test_share: 0.0 });\n\
             model::untrained(rows, #{ context: 2 }).generate(rows)",
            "has 2 tokens, and `untrained-16x2` reads 2: that leaves no room to continue it",
        )
}

fn run(call: &mut Call) -> Answer {
    let (model, Prompts(prompts)): (Model, Prompts) = (call.arg(0)?, call.arg(1)?);
    let asked: Options = call.options()?;
    let options = GenerateOptions { seed: call.seed(asked.run.seed), ..asked.run };
    let shown = GenerateShown { prompt: asked.prompt, per_token: asked.per_token };
    Ok(Dynamic::from(train::generate(&model, &prompts, &options, shown, call.ctx())?))
}
