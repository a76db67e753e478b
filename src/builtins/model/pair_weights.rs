//! `model::pair_weights`

use super::finetune_preferences::Reference;
use crate::bind::prelude::*;
use crate::builtins::loss::AnyLoss;
use crate::builtins::preference::PreferenceLoss;
use crate::builtins::preference::dpo::{Dpo, DpoOptions};
use crate::data::Data;
use crate::domains::preference::loss::PairLoss;
use crate::frames::{Frame, read_by_index};
use crate::models::Model;
use crate::train;

options! {
    /// Options of `model::pair_weights`.
    pub struct PairWeightsOptions {
        /// `preference::…` or a closure `|batch|` over log-probabilities; left out, `preference::dpo()`.
        loss: Option<AnyLoss<PreferenceLoss>> = None,
        /// The model that log-ratios are against; left out, the model itself, against which every margin is 0.
        reference: Option<Reference> = None,
        /// Prompts are cut at their beginning so that prompt and continuation are at most so long; left out, the model's limit.
        max_tokens: Option<usize> = None,
    }
}

/// The record.
pub fn function() -> Function {
    Function::new("model", "pair_weights", run)
        .about("How much a loss makes of each pair at a model as it is: the loss's implicit weight, and its slopes.")
        .details(
            "Nothing is trained. Rows and labels are as in `finetune_preferences`; test rows may be among them. `weight` is −dℓ/dm by the loss's own margin m, without the \
             mean's 1/n: of DPO σ(−βΔ), 1 where the implicit reward is wrong without doubt, ½ at the reference, 0 where the pair is learnt. `given` is the column `weight` of the labels, 1 without it. \
             `by_chosen` and `by_rejected` are the slopes of the loss of all pairs by the two log-probabilities (of ORPO with the tokens of prompts counted). All pairs are one batch, the first of a training. The means of a \
             training's steps are in `model.curves`.",
        )
        .source("Rafailov et al. 2023, arXiv 2305.18290, section 4")
        .param::<Model>("model", "a causal model, such as `finetune_preferences` gave")
        .param::<Data>("data", "prompts with two continuations")
        .param::<Frame>("labels", "`id` and the probability that the first and that the second continuation is preferred")
        .options::<PairWeightsOptions>()
        .returns("Frame: a row for each pair with `id`, `chosen` (0 or 1: which continuation that is), `logprob_chosen`, `logprob_rejected`, `margin`, `preference`, `given`, `weight`, `by_chosen`, `by_rejected`")
        .also_method::<Model>()
        .example(
            "let rows = [#{ prompt: \"the dog\", chosen: \"barks\", rejected: \"sings\" }, #{ prompt: \"the cat\", chosen: \"sleeps\", rejected: \"reads\" }];\n\
             let pairs = data::of(rows, #{ test_share: 0.0, seed: 0 });\n\
             let model = model::untrained(pairs, #{ seed: 0 });\n\
             let labels = pairs.truth(\"example\");\n\
             let tuned = model.finetune_preferences(pairs, labels, #{ steps: 30, lr: 1e-2, seed: 0 });\n\
             let found = tuned.pair_weights(pairs, labels, #{ reference: model });\n\
             [model.pair_weights(pairs, labels).column(\"weight\"), found.column(\"weight\")[0] < 0.5]",
            "[[0.5, 0.5], true]",
        )
        .fails(
            "let pairs = data::of([#{ prompt: \"a\", chosen: \"b\", rejected: \"c\" }], #{ test_share: 0.0 });\n\
             let model = model::untrained(pairs);\n\
             model.pair_weights(pairs, pairs.truth(\"example\"), #{ loss: preference::simpo(), reference: model })",
            "the loss `simpo` uses no reference, but `reference` is given",
        )
}

fn run(call: &mut Call) -> Answer {
    let (model, data): (Model, Data) = (call.arg(0)?, call.arg(1)?);
    let labels: Frame = call.arg(2)?;
    let options: PairWeightsOptions = call.options()?;
    if let Some(note) = read_by_index("`labels`", &labels, data.classes()) {
        call.ctx().warn(note);
    }
    let ctx = call.ctx();
    let ask = |loss: &dyn PairLoss| {
        let reference = options.reference.as_ref().map(|Reference(model)| model);
        train::pair_weights(&model, &data, &labels, loss, reference, options.max_tokens, ctx)
    };
    let found = match options.loss {
        None => ask(&Dpo::new(DpoOptions::default().beta)?)?,
        Some(loss) => loss.train(call, ask)?,
    };
    Ok(Dynamic::from(found))
}
