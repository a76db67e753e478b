//! `model::pretrain`

use crate::bind::prelude::*;
use crate::domains::world::World;
use crate::models::{Blueprint, Family, Size};
use crate::settings;
use crate::train::{PretrainOptions, pretrain_options};

pretrain_options!(settings);

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
        .fails("model::pretrain(world::language(), #{ steps: 0 })", "`steps` must be from 1")
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
    }
    with run: PretrainOptions
}

fn run(call: &mut Call) -> Answer {
    let world: World = call.arg(0)?;
    let asked: Options = call.options()?;
    let size = Size { width: asked.width, n_layers: asked.layers, n_heads: asked.heads, context: asked.context };
    let made = Blueprint { family: Family::parse(&asked.architecture)?, size };
    let options = PretrainOptions { seed: call.seed(asked.run.seed), ..asked.run };
    let models = crate::train::pretrain(call.ctx(), &asked.name, made, &world, &options)?;
    Ok(Dynamic::from_array(models.into_iter().map(Dynamic::from).collect()))
}
