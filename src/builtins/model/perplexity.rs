//! `model::perplexity`

use super::prompts::Prompts;
use crate::bind::prelude::*;
use crate::models::Model;
use crate::train;

/// The record.
pub fn function() -> Function {
    Function::new("model", "perplexity", run)
        .about("Perplexity: among how many equally likely next tokens a causal model chooses, on average.")
        .details(
            "exp(−1/N Σ log p(token | all tokens before it)) over all N tokens that `logprobs` counts: those of each text but its \
             first, or those of the continuations alone. 1 for a model that is always right and certain, the vocabulary's size for a \
             uniform guess. Perplexities of different tokenizers cannot be compared.",
        )
        .source("Jelinek et al. 1977")
        .param::<Model>("model", "a causal model, with or without a head")
        .param::<Prompts>("data", "a data set of texts, tokens or prompts with continuations, or texts")
        .returns("float: from 1 on")
        .also_method::<Model>()
        .example(
            "let world = model::ladder(\"world\");\n\
             let texts = world::language().documents(20);\n\
             world[5].perplexity(texts) < world[0].perplexity(texts)",
            "true",
        )
        .fails("model::ladder(\"world\")[0].perplexity(\".\")", "no token of the row `0` has one before it")
}

fn run(call: &mut Call) -> Answer {
    let (model, Prompts(data)): (Model, Prompts) = (call.arg(0)?, call.arg(1)?);
    Ok(Dynamic::from(train::perplexity(&model, &data, call.ctx())?))
}
