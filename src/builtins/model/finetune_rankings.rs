//! `model::finetune_rankings`

use super::finetune_preferences::Reference;
use crate::bind::prelude::*;
use crate::builtins::data::{note_use, readings_of};
use crate::data::Data;
use crate::frames::Frame;
use crate::models::Model;
use crate::train::{self, PreferenceRecipe};

options! {
    /// Options of `model::finetune_rankings`.
    pub struct FinetuneRankingsOptions {
        /// How sharply log-ratios count: the price of a nat of KL in RLHF.
        beta: f64 = 0.1,
        /// The model that log-ratios are against; left out, the model before this training.
        reference: Option<Reference> = None,
    }
    with recipe: PreferenceRecipe
}

/// The record.
pub fn function() -> Function {
    Function::new("model", "finetune_rankings", run)
        .about("A new model without a head: a causal model trained by DPO on rankings of several continuations of a prompt.")
        .details(
            "The mean over rankings, by `weight`, of −ln p(order) by Plackett and Luce's model with the scores β log π/π_ref, sums over tokens. Of rankings of two it is \
             `finetune_preferences` with `preference::dpo`. Rows are prompts with two or more continuations; a ranking names all of them or the best few, and every row needs one. Steps, \
             options, adapters and `model.curves` are as there; the curves are of pairs of the first continuation and the mean of the others that are ranked. Rankings with \
             continuations of the same tokens are left out with a warning. `prefer_lm::rankings` samples continuations and ranks them by a reward.",
        )
        .source("Rafailov et al. 2023, arXiv 2305.18290, appendix A.3; Plackett 1975; Luce 1959")
        .param::<Model>("model", "a causal model; its head, if any, is dropped")
        .param::<Data>("data", "prompts with continuations, without test rows")
        .param::<Frame>("rankings", "`id`, `rank1`, `rank2`, … (places of the row's continuations from 0, the best first), and `weight` where they do not all count alike")
        .options::<FinetuneRankingsOptions>()
        .returns("Model")
        .also_method::<Model>()
        .example(
            "let rows = data::of([#{ id: \"a\", prompt: \"the dog\", continuations: [\" sings\", \" barks\", \" sleeps\"] }], #{ test_share: 0.0 });\n\
             let model = model::untrained(rows, #{ seed: 0 });\n\
             let ranked = frame::of(#{ id: [\"a\"], rank1: [1], rank2: [2], rank3: [0] });\n\
             let tuned = model.finetune_rankings(rows, ranked, #{ steps: 30, lr: 1e-2, seed: 0 });\n\
             let said = tuned.logprobs(rows).column(\"logprob\");\n\
             said[1] > said[2] && said[2] > said[0]",
            "true",
        )
        .fails(
            "let rows = data::of([#{ id: \"a\", prompt: \"the dog\", continuations: [\" sings\", \" barks\"] }], #{ test_share: 0.0 });\n\
             model::untrained(rows).finetune_rankings(rows, frame::of(#{ id: [\"a\"], rank1: [1], rank2: [2] }))",
            "`rank2` of the row `a` is `2`, and it has the continuations 0 to 1",
        )
        .fails(
            "let rows = data::of([#{ id: \"a\", prompt: \"the dog\", continuations: [\" sings\", \" barks\"] }], #{ test_share: 0.0 });\n\
             model::untrained(rows).finetune_rankings(rows, frame::of(#{ id: [\"a\"], rank1: [1] }))",
            "the frame has no columns `rank1` and `rank2`",
        )
}

fn run(call: &mut Call) -> Answer {
    let (model, data): (Model, Data) = (call.arg(0)?, call.arg(1)?);
    let rankings: Frame = call.arg(2)?;
    let options: FinetuneRankingsOptions = call.options()?;
    let recipe = PreferenceRecipe { seed: call.seed(options.recipe.seed), ..options.recipe };
    let reference = options.reference.as_ref().map(|Reference(model)| model);
    let trained = train::finetune_rankings(&model, &data, &rankings, options.beta, reference, &recipe, call.ctx())?;
    note_use(call, readings_of(&rankings), &trained.inner.digest.to_hex());
    Ok(Dynamic::from(trained))
}
