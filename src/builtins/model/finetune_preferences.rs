//! `model::finetune_preferences`

use crate::bind::prelude::*;
use crate::builtins::data::{note_use, readings_in, readings_of};
use crate::builtins::loss::AnyLoss;
use crate::builtins::preference::PreferenceLoss;
use crate::builtins::preference::dpo::{Dpo, DpoOptions};
use crate::data::Data;
use crate::domains::preference::loss::PairLoss;
use crate::frames::{Frame, read_by_index};
use crate::models::Model;
use crate::settings;
use crate::train::{self, PreferenceRecipe};

train::preference_options!(settings);

options! {
    /// Options of `model::finetune_preferences`.
    pub struct FinetunePreferencesOptions {
        /// `preference::…` or a closure `|batch|` over log-probabilities; left out, `preference::dpo()`.
        loss: Option<AnyLoss<PreferenceLoss>> = None,
        /// The model that log-ratios are against; left out, the model before this training.
        reference: Option<Reference> = None,
    }
    with recipe: PreferenceRecipe
}

/// A model as an option, which has to be shown.
#[derive(Clone)]
pub struct Reference(pub Model);

impl std::fmt::Debug for Reference {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} ({})", self.0.inner.name, self.0.inner.digest.short())
    }
}

impl FromDynamic for Reference {
    fn type_name() -> String {
        Model::type_name()
    }

    fn from_dynamic(value: &Dynamic) -> Result<Self, Mismatch> {
        Model::from_dynamic(value).map(Reference)
    }
}

/// The record.
pub fn function() -> Function {
    Function::new("model", "finetune_preferences", run)
        .about("A new model without a head: a causal model trained on pairs of continuations by a loss on their log-probabilities.")
        .details(
            "Offline preference learning, such as DPO: of each pair the loss gets log π of both continuations, in nats, summed over their \
             tokens, the reference's, lengths in tokens, and the probability p that the chosen one is better, and gives its gradient by \
             them. Rows are prompts with two continuations; labels are joined by id: `data.truth`, or the labels of a reward model or a \
             judge, hard or soft. `chosen` is the continuation with p ≥ ½ (of equals the first). A column `weight` of the labels counts as in \
             `finetune`. The reference's log-probabilities are computed once, before the first step. Continuations are read as they are: one \
             that should end with the token that ends a text has to have it in its text.\n\n\
             `model.curves` is what was measured on the batches as training went: means of log π of the chosen and of the rejected \
             continuation (the first usually falls), of the margin Δ = log π(y_w)/π_ref(y_w) − log π(y_l)/π_ref(y_l) (without a reference that of log π), of \
             the implicit accuracy (Δ > 0; ½ where it is 0), and of the loss's weight; the spreads of margin and weight over pairs, what given weights do to the mean weight, \
             and the tokens that were read. `model::pair_weights` has the weights of single pairs. Pairs whose continuations are the same tokens, as when both were cut, are left out with a warning \
             and counted in `model.recipe`; an empty continuation is refused. With `lora` the reference is the model without the updates, which the \
             new model has merged in.\n\n\
             A closure `|batch|` gets `chosen`, `rejected`, `reference_chosen`, `reference_rejected`, `n_chosen`, `n_rejected`, `preference` and \
             `weights`, each a tensor with a row per pair, and `step`, `steps`, `progress`, `epoch` and `rows` (the ids); it returns one number that depends on \
             `batch.chosen` or `batch.rejected`. On other devices than `cpu` everything is there too.",
        )
        .source(
            "Rafailov et al. 2023, arXiv 2305.18290; each loss names its own; Hu et al. 2021 (`lora`)",
        )
        .param::<Model>("model", "a causal model; its head, if any, is dropped")
        .param::<Data>("data", "pairs to train on, without test rows")
        .param::<Frame>("labels", "`id` and the probability that the first and that the second continuation is preferred")
        .options::<FinetunePreferencesOptions>()
        .returns("Model")
        .also_method::<Model>()
        .example(
            "let rows = [#{ prompt: \"the dog\", chosen: \"barks\", rejected: \"sings\" }, #{ prompt: \"the cat\", chosen: \"sleeps\", rejected: \"reads\" }];\n\
             let pairs = data::of(rows, #{ test_share: 0.0, seed: 0 });\n\
             let model = model::untrained(pairs, #{ seed: 0 });\n\
             let tuned = model.finetune_preferences(pairs, pairs.truth(\"example\"), #{ steps: 30, lr: 1e-2, seed: 0 });\n\
             tuned.choose(pairs).column(\"prediction\") == pairs.truth(\"example\").column(\"label\")",
            "true",
        )
        .example(
            "let rows = [#{ prompt: \"the dog\", chosen: \"barks\", rejected: \"sings\" }, #{ prompt: \"the cat\", chosen: \"sleeps\", rejected: \"reads\" }];\n\
             let pairs = data::of(rows, #{ test_share: 0.0, seed: 0 });\n\
             let model = model::untrained(pairs, #{ seed: 0 });\n\
             let mine = |batch| -((batch.chosen - batch.reference_chosen - batch.rejected + batch.reference_rejected) * 0.1).log_sigmoid().mean();\n\
             let tuned = model.finetune_preferences(pairs, pairs.truth(\"example\"), #{ loss: mine, steps: 4, lr: 1e-2, seed: 0 });\n\
             tuned.curves.columns",
            "[\"step\", \"loss\", \"chosen\", \"rejected\", \"margin\", \"accuracy\", \"weight\", \"margin_sd\", \"weight_sd\", \"counted\", \"effective\", \"n_tokens\"]",
        )
        .fails(
            "let rows = data::of([#{ text: \"good dog\", label: \"yes\" }, #{ text: \"bad dog\", label: \"no\" }], #{ test_share: 0.0 });\n\
             model::untrained(rows).finetune_preferences(rows, rows.truth(\"example\"))",
            "a preference loss compares two of one prompt",
        )
        .fails(
            "let pairs = data::of([#{ prompt: \"a\", chosen: \"b\", rejected: \"c\" }], #{ test_share: 0.0 });\n\
             let model = model::untrained(pairs);\n\
             model.finetune_preferences(pairs, pairs.truth(\"example\"), #{ loss: preference::simpo(), reference: model })",
            "the loss `simpo` uses no reference, but `reference` is given",
        )
        .fails(
            "let pairs = data::of([#{ prompt: \"a\", chosen: \"b\", rejected: \"c\" }], #{ test_share: 0.0 });\n\
             model::untrained(pairs).finetune_preferences(pairs, pairs.truth(\"example\"), #{ loss: preference::kto() })",
            "all pairs have the same prompt",
        )
        .fails(
            "let pairs = data::of([#{ prompt: \"a\", chosen: \"b\", rejected: \"c\" }], #{ test_share: 0.0 });\n\
             model::untrained(pairs).finetune_preferences(pairs, pairs.truth(\"example\"), #{ loss: |batch| 1.0 })",
            "the loss must return a tensor with one element that depends on `batch.chosen` or `batch.rejected`",
        )
        .fails(
            "let pairs = data::of([#{ prompt: \"a\", chosen: \"b\", rejected: \"c\" }], #{ test_share: 0.0 });\n\
             model::untrained(pairs).finetune_preferences(pairs, pairs.truth(\"example\"), #{ beta: 0.1 })",
            "has no option `beta`",
        )
}

fn run(call: &mut Call) -> Answer {
    let (model, data): (Model, Data) = (call.arg(0)?, call.arg(1)?);
    let labels: Frame = call.arg(2)?;
    let options: FinetunePreferencesOptions = call.options()?;
    let recipe = PreferenceRecipe { seed: call.seed(options.recipe.seed), ..options.recipe };
    if let Some(note) = read_by_index("`labels`", &labels, data.classes()) {
        call.ctx().warn(note);
    }
    let ctx = call.ctx();
    let train = |loss: &dyn PairLoss| {
        let reference = options.reference.as_ref().map(|Reference(model)| model);
        train::finetune_preferences(&model, &data, &labels, loss, reference, &recipe, ctx)
    };
    let mut readings = readings_of(&labels);
    readings.extend(options.loss.as_ref().and_then(AnyLoss::closure).iter().flat_map(readings_in));
    let trained = match options.loss {
        None => train(&Dpo::new(DpoOptions::default().beta)?)?,
        Some(loss) => loss.train(call, train)?,
    };
    note_use(call, readings, &trained.inner.digest.to_hex());
    Ok(Dynamic::from(trained))
}
