//! `world::rephrased`

use crate::bind::prelude::*;
use crate::domains::world::World;

/// The record.
pub fn function() -> Function {
    Function::new("world", "rephrased", run)
        .about("A text in the other register: every function word in its other spelling, so that it means the same.")
        .details(
            "A document spells its function words in one of two registers (`the` and `thee`, `is` and `ys`). Content words stay, and so do \
             words that the world does not have. Twice gives the text again, with single spaces.",
        )
        .param::<World>("world", "the language")
        .param::<String>("text", "a row's text")
        .returns("string: the text in the other register")
        .also_method::<World>()
        .example("world::rephrased(world::language(), \"the dog is not here .\")", "thee dog ys nott here .")
        .example("let world = world::language();\nworld.rephrased(world.rephrased(\"tha dog .\"))", "tha dog .")
        .fails("world::rephrased(world::language(), 3)", "must be a string")
}

fn run(call: &mut Call) -> Answer {
    let (world, text): (World, String) = (call.arg(0)?, call.arg(1)?);
    Ok(Dynamic::from(world.rephrased(&text)))
}
