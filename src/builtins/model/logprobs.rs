//! `model::logprobs`

use super::prompts::Prompts;
use crate::bind::prelude::*;
use crate::models::Model;
use crate::train;

options! {
    /// Options of `model::logprobs`.
    pub struct LogprobsOptions {
        /// A row for each token instead: columns `id`, `continuation`, `position`, `token`, `text`, `logprob`.
        per_token: bool = false,
    }
}

/// The record.
pub fn function() -> Function {
    Function::new("model", "logprobs", run)
        .about("How likely a causal model finds each continuation of a prompt, or each text.")
        .details(
            "log p(continuation | prompt) = Σ log p(token | all tokens before it), in nats. A line for each continuation: \
             `n_tokens`, `logprob` (the sum) and `mean_logprob` (the sum over `n_tokens`). Prompt and continuation are read as one \
             text; its tokens from the first one on that has something of the continuation count. A text without a prompt counts from its \
             second token on, because nothing stands before the first. Rows longer than `max_tokens` lose their beginning, with a \
             warning. Test rows may be read: nothing of the truth is used.",
        )
        .source("Brown et al. 2020, section 2.4, arXiv 2005.14165")
        .param::<Model>("model", "a causal model, with or without a head")
        .param::<Prompts>("data", "a data set of texts, tokens or prompts with continuations, or texts")
        .options::<LogprobsOptions>()
        .returns("Frame: `id`, `continuation` (0 for the first, or for the row itself), `n_tokens`, `logprob`, `mean_logprob`")
        .also_method::<Model>()
        .example(
            "let pairs = data::of([#{ prompt: \"the dog\", chosen: \"barks loud\", rejected: \"sleeps\" }], #{ test_share: 0.0 });\n\
             let scored = model::untrained(pairs, #{ seed: 0 }).logprobs(pairs);\n\
             scored.column(\"n_tokens\").reduce(|a, b| if a == () { b } else { a + b })",
            "3",
        )
        .example(
            "let world = model::ladder(\"world\");\n\
             let texts = world::language().documents(20);\n\
             let mean = |model| model.logprobs(texts).select([col(\"logprob\").sum() / col(\"n_tokens\").sum()]).row(0).logprob;\n\
             mean.call(world[5]) > mean.call(world[0])",
            "true",
        )
        .fails("model::ladder(\"world\")[0].logprobs(\".\")", "no token of the row `0` has one before it")
        .fails(
            "let rows = data::of([#{ text: \"good dog\", label: \"yes\" }, #{ text: \"bad dog\", label: \"no\" }], #{ test_share: 0.0 });\n\
             model::untrained(rows, #{ architecture: \"bert\" }).logprobs(rows)",
            "so it cannot say how likely a text is",
        )
}

fn run(call: &mut Call) -> Answer {
    let (model, Prompts(data)): (Model, Prompts) = (call.arg(0)?, call.arg(1)?);
    let options: LogprobsOptions = call.options()?;
    let found = if options.per_token { train::token_logprobs } else { train::logprobs };
    Ok(Dynamic::from(found(&model, &data, call.ctx())?))
}
