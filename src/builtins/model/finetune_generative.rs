//! `model::finetune_generative`

use super::prompts::Prompts;
use crate::bind::prelude::*;
use crate::models::Model;
use crate::train::{self, GenerativeRecipe, LossOn, generative_options};
use crate::{choices, settings};

generative_options!(settings);
choices!(LossOn);

/// The record.
pub fn function() -> Function {
    Function::new("model", "finetune_generative", run)
        .about("A new model without a head: this one trained on as a language model on a data set's inputs, without labels.")
        .details(
            "Generative finetuning, also called supervised finetuning where prompts have answers: before weak labels come, the model \
             learns the task's own texts, so that what matters there becomes a feature. Minimised is the mean of −log p(token | all \
             tokens before it) over a batch's tokens: of texts every one but the first; of prompts with continuations those of each \
             continuation (`loss_on: \"everything\"`: the prompt's too). Rows with several continuations give a sequence for each: the \
             responses of a preference set, whichever is preferred. No truth is read, and data with a test row is refused. \
             The ceiling rises too when it starts from such a model: report PGR against the ceiling that does and the one that does not. \
             On other devices than `cpu` without `lora`, `weight_decay` and loss on continuations alone.",
        )
        .source("Burns et al. 2023, section 5.2.2 and appendix D.1, arXiv 2312.09390; Hu et al. 2021 (`lora`)")
        .param::<Model>("model", "a causal model; its head, if any, is dropped")
        .param::<Prompts>("data", "rows to train on, without test rows, or texts")
        .options::<GenerativeRecipe>()
        .returns("Model")
        .also_method::<Model>()
        .example(
            "let world = world::language();\n\
             let texts = world.documents(60);\n\
             let before = model::ladder(\"world\")[0];\n\
             let after = before.finetune_generative(texts, #{ epochs: 3, seed: 0 });\n\
             after.perplexity(texts) < before.perplexity(texts)",
            "true",
        )
        .example(
            "let rows = data::of([#{ prompt: \"the dog\", continuations: [\" barks\"] }, #{ prompt: \"the cat\", continuations: [\" sleeps\"] }], #{ test_share: 0.0 });\n\
             let model = model::untrained(rows, #{ seed: 0 });\n\
             let taught = model.finetune_generative(rows, #{ epochs: 60, lr: 3e-2, seed: 0 });\n\
             taught.generate(\"the dog\", #{ max_new_tokens: 1 }).row(0).text",
            " barks",
        )
        .fails(
            "let rows = data::of([#{ text: \"good dog\", label: \"yes\" }, #{ text: \"bad dog\", label: \"no\" }], #{ test_share: 0.0 });\n\
             model::untrained(rows, #{ architecture: \"bert\" }).finetune_generative(rows)",
            "so it cannot be finetuned generatively",
        )
        .fails(
            "let task = data::load(\"world/era\", #{ seed: 0, n_train: 8, n_test: 4 });\n\
             model::ladder(\"world\")[0].finetune_generative(task)",
            "has 4 test rows among its 12",
        )
        .fails("model::ladder(\"world\")[0].finetune_generative(\"a b\", #{ loss_on: \"answer\" })", "must be \"everything\" or \"continuation\", got `answer`")
}

fn run(call: &mut Call) -> Answer {
    let (model, Prompts(data)): (Model, Prompts) = (call.arg(0)?, call.arg(1)?);
    let asked: GenerativeRecipe = call.options()?;
    let recipe = GenerativeRecipe { seed: call.seed(asked.seed), ..asked };
    Ok(Dynamic::from(train::finetune_generative(&model, &data, &recipe, call.ctx())?))
}
