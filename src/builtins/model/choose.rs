//! `model::choose`

use crate::bind::prelude::*;
use crate::data::Data;
use crate::models::Model;
use crate::train::{self, Choice, Normalize};

options! {
    /// Options of `model::choose`.
    pub struct ChooseOptions {
        /// What the continuations' log-probabilities are divided by: "sum" for nothing, "tokens" or "bytes" for their length.
        normalize: String = "sum".to_owned(),
        /// What the continuations stand for, in order; left out, the data's own classes, or `first`, `second`, ….
        classes: Vec<String> = vec![],
    }
}

/// The record.
pub fn function() -> Function {
    Function::new("model", "choose", run)
        .about("Classifies by prompting: which of a row's continuations a causal model finds likelier, as predictions.")
        .details(
            "p_i = exp(s_i) / Σ_j exp(s_j) over the continuations of a row, with s = log p(continuation | prompt), or that divided by \
             the continuation's length in tokens or bytes. No head and no training are needed, so this is an untrained \
             model's zero-shot accuracy; `prompt::zero_shot` and `prompt::few_shot` make such rows of a task. \
             With `classes` the frame joins the task's truth by name. What is read is looked up: another normalisation costs nothing.",
        )
        .source("Brown et al. 2020, arXiv 2005.14165; `acc` and `acc_norm` of lm-evaluation-harness")
        .param::<Model>("model", "a causal model, with or without a head")
        .param::<Data>("data", "prompts with two continuations or more")
        .options::<ChooseOptions>()
        .returns("Frame: `id`, `p0`, `p1`, …, `prediction`")
        .also_method::<Model>()
        .example(
            "let rows = data::of([#{ prompt: \"the dog\", continuations: [\" barks\", \" sleeps\"] }], #{ test_share: 0.0 });\n\
             let chosen = model::untrained(rows, #{ seed: 0 }).choose(rows, #{ classes: [\"loud\", \"quiet\"] });\n\
             (chosen.row(0).p0 + chosen.row(0).p1 - 1.0).abs() < 1e-6",
            "true",
        )
        .fails(
            "let rows = data::of([#{ text: \"good dog\", label: \"yes\" }, #{ text: \"bad dog\", label: \"no\" }], #{ test_share: 0.0 });\n\
             model::untrained(rows).choose(rows)",
            "has one continuation a row: there is nothing to choose from",
        )
        .fails(
            "let rows = data::of([#{ prompt: \"the dog\", continuations: [\" barks\", \" sleeps\"] }], #{ test_share: 0.0 });\n\
             model::untrained(rows).choose(rows, #{ normalize: \"words\" })",
            "`normalize` must be \"sum\", \"tokens\" or \"bytes\", got `words`",
        )
}

fn run(call: &mut Call) -> Answer {
    let (model, data): (Model, Data) = (call.arg(0)?, call.arg(1)?);
    let ChooseOptions { normalize, classes } = call.options()?;
    let unknown = || {
        let must = format!("`normalize` must be {}, got `{normalize}`", Normalize::names());
        Fault::new("train/option", must)
    };
    let normalize = Normalize::parse(&normalize).ok_or_else(unknown)?;
    Ok(Dynamic::from(train::choose(&model, &data, normalize, &classes, call.ctx())?))
}
