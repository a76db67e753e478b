//! `world::tokens`

use crate::bind::prelude::*;
use crate::domains::world::World;

/// The record.
pub fn function() -> Function {
    Function::new("world", "tokens", run)
        .about("The tokens of a text in a world's language: one per word, 0 for a word that it does not have.")
        .param::<World>("world", "the language")
        .param::<String>("text", "words with spaces between; the full stop is a word")
        .returns("array of integer: the tokens")
        .also_method::<World>()
        .example("world::tokens(world::language(), \"the xylophone .\")", "[2, 0, 1]")
        .fails("world::tokens(world::language(), 3)", "`text` of `world::tokens` must be a string")
}

fn run(call: &mut Call) -> Answer {
    let (world, text): (World, String) = (call.arg(0)?, call.arg(1)?);
    let encoded = world
        .vocabulary()
        .tokenizer()
        .encode(text, false)
        .map_err(|error| Fault::defect(format!("the world's tokenizer failed: {error}")))?;
    Ok(Dynamic::from_array(encoded.get_ids().iter().map(|id| Dynamic::from(i64::from(*id))).collect()))
}
