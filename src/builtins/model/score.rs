//! `model::score`

use super::predict::precision;
use crate::bind::prelude::*;
use crate::data::Data;
use crate::models::Model;
use crate::train;

options! {
    /// Options of `model::score`.
    pub struct ScoreOptions {
        /// "fp32", or "bf16" for matrix products of rounded numbers.
        precision: String = "fp32".to_owned(),
    }
}

/// The record.
pub fn function() -> Function {
    Function::new("model", "score", run)
        .about("Scores each continuation with a model that was finetuned on preferences: one number, higher is better.")
        .details(
            "Columns `id`, `continuation` (0 for the first) and `score`, a line for each continuation; of rows without \
             continuations one for the row. Scores of one model can be compared with each other; a number added to all of them \
             changes no preference. The probability that the second of two is preferred is 1 / (1 + exp(score 0 − score 1)). \
             Causal models are read at the last token of prompt and continuation. Test rows may be scored.",
        )
        .source("Bradley and Terry 1952; Burns et al. 2023, reward modelling")
        .param::<Model>("model", "a model finetuned on preferences")
        .param::<Data>("data", "the rows")
        .options::<ScoreOptions>()
        .returns("Frame: `id`, `continuation`, `score`")
        .also_method::<Model>()
        .example(
            "let pairs = data::of([#{ chosen: \"good dog\", rejected: \"bad dog\" }, #{ chosen: \"good cat\", rejected: \"bad cat\" }], #{ test_share: 0.0 });\n\
             let model = model::untrained(pairs).finetune(pairs, pairs.truth(\"example\"), #{ steps: 3 });\n\
             model.score(pairs).height",
            "4",
        )
        .fails(
            "let rows = data::of([#{ text: \"good dog\", label: \"yes\" }, #{ text: \"bad dog\", label: \"no\" }], #{ test_share: 0.0 });\n\
             let model = model::untrained(rows).finetune(rows, rows.truth(\"example\"), #{ steps: 3 });\n\
             model.score(rows)",
            "has a head that classifies: it gives no scores",
        )
}

fn run(call: &mut Call) -> Answer {
    let (model, data): (Model, Data) = (call.arg(0)?, call.arg(1)?);
    let options: ScoreOptions = call.options()?;
    Ok(Dynamic::from(train::score(&model, &data, precision(&options.precision)?, call.ctx())?))
}
