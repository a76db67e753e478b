//! `model::pretrain`

use crate::bind::prelude::*;
use crate::domains::world::World;
use crate::models::{Blueprint, Family, Size};
use crate::train::PretrainOptions;

/// The record.
pub fn function() -> Function {
    Function::new("model", "pretrain", run)
        .about("Pretrains a causal language model on a generated world's documents.")
        .details(
            "Every step draws fresh documents, one a row, each from its start, and lowers the mean next-word \
             cross-entropy. Adam with a linear rise of the learning rate and a cosine down to a twentieth. Early \
             checkpoints of one run are good weak models: a ladder is compute, not width alone. The same options \
             give the same bits on one kind of processor for any number of threads; kernels for other processors sum \
             in another order, and give models with the same abilities, not the same bits.",
        )
        .param::<World>("world", "whose documents are read; the model gets its vocabulary")
        .options::<Options>()
        .returns("array of Model: one for each checkpoint in order, the last step's last")
        .example(
            "let world = world::language(#{ n_nouns: 40, n_adjectives: 40, n_verbs: 40 });\n\
             model::pretrain(world, #{ width: 8, layers: 1, steps: 4, batch: 4, checkpoints: [2] }).len()",
            "2",
        )
        .fails("model::pretrain(world::language(), #{ architecture: \"bert\" })", "does not predict next tokens")
        .fails("model::pretrain(world::language(), #{ steps: 0 })", "`steps` must be from `1`")
        .fails("model::pretrain(world::language(), #{ checkpoints: [9], steps: 3 })", "the checkpoint `9`")
}

options! {
    /// The model's size and the run.
    pub struct Options {
        /// The model's name.
        name: String = "pretrained".to_owned(),
        /// `causal` (as GPT-2) or `llama`.
        architecture: String = "causal".to_owned(),
        /// Numbers per token.
        width: usize = 16,
        /// Blocks.
        layers: usize = 2,
        /// Attention heads; they divide the width.
        heads: usize = 2,
        /// The longest row in tokens that the model reads.
        context: usize = 64,
        /// Optimiser steps.
        steps: usize = 4000,
        /// Documents a step.
        batch: usize = 48,
        /// Tokens of a document, from its start; the rest is cut.
        tokens: usize = 64,
        /// The highest learning rate.
        lr: f64 = 1e-2,
        /// Adam's decay rates.
        betas: Vec<f64> = vec![0.9, 0.98],
        /// Share of the steps over which the learning rate rises.
        warm_up: f64 = 0.02,
        /// Gradients of a larger norm are scaled down to this.
        clip: f64 = 1.0,
        /// Steps after which a model is kept besides the last.
        checkpoints: Vec<usize> = vec![],
        /// Chooses the first parameters and the documents; left out, the session's.
        seed: Option<u64> = None,
    }
}

fn run(call: &mut Call) -> Answer {
    let world: World = call.arg(0)?;
    let asked: Options = call.options()?;
    let betas = <[f64; 2]>::try_from(asked.betas).map_err(|betas| {
        Fault::new("pretrain/betas", format!("`betas` must have 2 numbers, got `{}`", betas.len()))
            .hint("betas: [0.9, 0.98]")
    })?;
    let size = Size { width: asked.width, n_layers: asked.layers, n_heads: asked.heads, context: asked.context };
    let made = Blueprint { family: Family::parse(&asked.architecture)?, size };
    let options = PretrainOptions {
        steps: asked.steps,
        batch: asked.batch,
        tokens: asked.tokens,
        lr: asked.lr,
        betas,
        warm_up: asked.warm_up,
        clip: asked.clip,
        seed: call.ctx().seed(asked.seed),
        checkpoints: asked.checkpoints,
    };
    let models = crate::train::pretrain(call.ctx(), &asked.name, made, &world, &options)?;
    Ok(Dynamic::from_array(models.into_iter().map(Dynamic::from).collect()))
}
