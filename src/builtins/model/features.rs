//! `model::features`

use super::prompts::Prompts;
use crate::bind::prelude::*;
use crate::choices;
use crate::models::Model;
use crate::train::{self, Pool};

choices!(Pool);

options! {
    /// Options of `model::features`.
    pub struct FeaturesOptions {
        /// After how many blocks: 0 for the embeddings; left out, all of them, and of a causal model its final norm.
        layer: Option<usize> = None,
        /// "last" for the last token's, "mean" for the mean over the row's tokens, "none" for a line for each token; left out, what heads read.
        pool: Option<Pool> = None,
    }
}

/// The record.
pub fn function() -> Function {
    Function::new("model", "features", run)
        .about("A model's hidden states after a layer as features: a frame with a row per row.")
        .details(
            "Columns `id`, `x0`, `x1`, … (as many as the model's `width`); of rows with several continuations `continuation` as well, and with \
             `pool: \"none\"` `position` and `token`. Heads of a causal model read the last token, those of a BERT the mean over the row's \
             tokens: that is what `pool` and `layer` left out give. `features.write_npy(\"x.npy\")` and \
             `features.write_parquet(\"x.parquet\", #{ features: \"embedding\" })` write them for other programs. Looked up once computed; test rows may be read.",
        )
        .source("layers are counted as in transformers' `hidden_states`")
        .param::<Model>("model", "any model, with or without a head")
        .param::<Prompts>("data", "the rows, or texts")
        .options::<FeaturesOptions>()
        .returns("Frame: `id`, `x0`, `x1`, …")
        .also_method::<Model>()
        .example(
            "let rows = data::of([#{ text: \"good dog\", label: \"yes\" }, #{ text: \"bad dog\", label: \"no\" }], #{ test_share: 0.0 });\n\
             let features = model::untrained(rows, #{ width: 4 }).features(rows, #{ layer: 1 });\n\
             [features.height, features.columns]",
            "[2, [\"id\", \"x0\", \"x1\", \"x2\", \"x3\"]]",
        )
        .fails(
            "let rows = data::of([#{ text: \"good dog\", label: \"yes\" }, #{ text: \"bad dog\", label: \"no\" }], #{ test_share: 0.0 });\n\
             model::untrained(rows).features(rows, #{ layer: 3 })",
            "`layer` must be from 0 (the embeddings) to 2, got `3`",
        )
        .fails(
            "let rows = data::of([#{ text: \"good dog\", label: \"yes\" }, #{ text: \"bad dog\", label: \"no\" }], #{ test_share: 0.0 });\n\
             model::untrained(rows).features(rows, #{ pool: \"max\" })",
            "must be \"last\", \"mean\" or \"none\", got `max`",
        )
}

fn run(call: &mut Call) -> Answer {
    let (model, Prompts(data)): (Model, Prompts) = (call.arg(0)?, call.arg(1)?);
    let FeaturesOptions { layer, pool } = call.options()?;
    Ok(Dynamic::from(train::hidden_states(&model, &data, layer, pool, call.ctx())?))
}
