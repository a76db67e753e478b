//! `world::documents`

use crate::bind::prelude::*;
use crate::domains::world::World;

/// The most documents of one call: arbitrary, for a look and for statistics, not for a corpus on disk.
const MAX_DOCUMENTS: usize = 100_000;

/// The record.
pub fn function() -> Function {
    Function::new("world", "documents", run)
        .about("Documents of a world as text, one string each.")
        .details("Pretraining draws from the same distribution with separate random streams.")
        .param::<World>("world", "the language")
        .param::<usize>("n", "how many documents")
        .options::<Options>()
        .returns("array of string: the documents")
        .also_method::<World>()
        .example("world::documents(world::language(), 3).len()", "3")
        .fails("world::documents(world::language(), -1)", "must not be negative")
        .fails("world::documents(world::language(), 1000000000)", "`n` must be at most `100000`")
}

options! {
    /// Which documents.
    pub struct Options {
        /// Chooses the documents.
        seed: u64 = 0,
    }
}

fn run(call: &mut Call) -> Answer {
    let (world, n): (World, usize) = (call.arg(0)?, call.arg(1)?);
    let options: Options = call.options()?;
    if n > MAX_DOCUMENTS {
        return Err(Fault::new("world/count", format!("`n` must be at most `{MAX_DOCUMENTS}`, got `{n}`")));
    }
    Ok(Dynamic::from_array(world.texts(options.seed, n).into_iter().map(Dynamic::from).collect()))
}
