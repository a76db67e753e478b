//! `world::pairs`

use crate::bind::prelude::*;
use crate::domains::preference;
use crate::domains::world::{PairOptions, World};

/// The record.
pub fn function() -> Function {
    Function::new("world", "pairs", run)
        .about("Pairs of a world as preferences: a sentence, and two that may follow it, of which one judges higher.")
        .details(
            "The prompt is a sentence about what somebody does, without a judgement. Both continuations are about the same \
             subject, in the same mood, era and register; the preferred one has the verdict `high`, the other one `low`. Its \
             place is the first in half of the rows. Prompts of one split are none of the other, and a row's `group` is its prompt. All \
             splits have the same adjectives, at the corpus's frequencies. With `pools` of 2 or more the train rows' adjectives are cut \
             into so many pools, halves have no adjective in common, and the test rows have adjectives of their own. Draw whole pools then: of 3 \
             pools in 2400 rows, 1600 rows are two.\n\n\
             In version 1 of the world the test rows always have adjectives of their own, and frequencies are flattened; a supervisor that \
             learned the adjectives of its half by heart labels almost all pairs of the other half right there. `difficulty` is the mean of the two sentences', as in \
             `world::task`. `data::load(\"world/preference\")` draws them from the shipped ladder's world.",
        )
        .param::<World>("world", "the language")
        .options::<Options>()
        .returns("Data: train and test rows, truth sealed")
        .also_method::<World>()
        .example("world::pairs(world::language(#{ seed: 5 }), #{ n_train: 20, n_test: 10 })", "world/preference: train 20 (first 10, second 10), test 10 (first 5, second 5)")
        .fails("world::pairs(world::language(), #{ n_test: 1 << 30 })", "`n_test` must be from")
}

options! {
    /// How many pairs, and which.
    pub struct Options {
        /// Chooses the rows, and the adjectives that pools keep apart.
        seed: u64 = 0,
        /// Rows of the train split.
        n_train: usize = 2000,
        /// Rows of the test split.
        n_test: usize = 1500,
        /// Into how many pools the train rows' adjectives and prompts are cut; with more than 1 a row's group is its pool.
        pools: usize = 1,
    }
}

fn run(call: &mut Call) -> Answer {
    let world: World = call.arg(0)?;
    let Options { seed, n_train, n_test, pools } = call.options()?;
    let pairs = crate::domains::world::pairs(&world, &PairOptions { seed, n_train, n_test, pools })?;
    Ok(Dynamic::from(preference::of_world(pairs)?.generated(call.ctx(), world.words(), None)?))
}
