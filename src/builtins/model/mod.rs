//! `model`: pretrained models, finetuning, predictions, labels.

mod chat;
mod choose;
mod coverage;
mod features;
mod files;
mod finetune;
mod finetune_generative;
mod finetune_preferences;
mod finetune_rankings;
mod generate;
mod getters;
mod label;
mod logprobs;
mod next_tokens;
mod pair_weights;
mod perplexity;
mod predict;
mod pretrain;
mod prompts;
mod score;
mod unpretrained;
mod untrained;

use crate::bind::prelude::*;
use crate::models::Model;

/// Lists the module's functions.
pub fn register(registry: &mut Registry) {
    registry.module("model", "Pretrained models: finetune them, predict with them, let them label.");
    registry.value::<Model>();
    files::functions().into_iter().for_each(|function| registry.add(function));
    registry.add(untrained::function());
    registry.add(unpretrained::function());
    registry.add(coverage::function());
    registry.add(pretrain::function());
    registry.add(finetune::function());
    registry.add(finetune_generative::function());
    registry.add(finetune_preferences::function());
    registry.add(finetune_rankings::function());
    registry.add(pair_weights::function());
    registry.add(predict::function());
    registry.add(label::function());
    registry.add(score::function());
    registry.add(generate::function());
    registry.add(logprobs::function());
    registry.add(perplexity::function());
    registry.add(choose::function());
    registry.add(features::function());
    registry.add(next_tokens::function());
    registry.add(chat::function());
    getters::functions().into_iter().for_each(|function| registry.add(function));
}

/// Whether `finetune` has an option of this name.
pub fn is_training_option(name: &str) -> bool {
    finetune::function().option_docs().iter().any(|option| option.name == name)
}

impl Value for Model {
    const NAME: &'static str = "Model";
    const ABOUT: &'static str =
        "A language model, with a head that classifies or scores once it was finetuned. Training makes a new one.";

    fn show(&self) -> String {
        Model::show(self)
    }

    fn same(&self, other: &Self) -> bool {
        self.inner.digest == other.inner.digest
    }

    fn digest(&self, _trace: &mut Trace) -> Digest {
        self.inner.digest
    }
}
