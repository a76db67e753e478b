//! `world::loss`

use crate::bind::prelude::*;
use crate::domains::world::World;
use crate::models::Model;
use crate::train::language_loss;

/// The record.
pub fn function() -> Function {
    Function::new("world", "loss", run)
        .about("How well a model predicts the next word of a world's documents that it was not trained on.")
        .details("Mean cross-entropy in nats over all words but the first of each document.")
        .param::<Model>("model", "a causal model that reads the world's words")
        .param::<World>("world", "the language")
        .options::<Options>()
        .returns("float: nats per word")
        .example("world::loss(model::ladder(\"world\")[0], world::language(), #{ n_documents: 20 })", "")
        .fails("world::loss(model::ladder(\"world\")[0], world::language(#{ seed: 9 }))", "is not this world's")
}

options! {
    /// On which documents.
    pub struct Options {
        /// How many documents.
        n_documents: usize = 500,
        /// Chooses the documents.
        seed: u64 = 0,
    }
}

fn run(call: &mut Call) -> Answer {
    let (model, world): (Model, World) = (call.arg(0)?, call.arg(1)?);
    let Options { n_documents, seed } = call.options()?;
    Ok(Dynamic::from(language_loss(call.ctx(), &model, &world, n_documents, seed)?))
}
