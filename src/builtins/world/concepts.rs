//! `world::concepts`

use crate::bind::prelude::*;
use crate::data::Data;
use crate::domains::world::{ConceptOptions, World};

/// The record.
pub fn function() -> Function {
    Function::new("world", "concepts", run)
        .about("A task of ordered concepts: rows hold neighbouring ones, and each model knows those that its corpus showed.")
        .details(
            "A world's subjects are concepts in an order, the era of a noun is its value. Models are pretrained on \
             `world::language(#{ depth: d })`, whose documents show the concepts 0 to d, each with a value of its own. A row has a \
             level k: nouns of the concepts k and k + 1, all of the value that is asked for, and with `habit` one of concept 0, whose value is the \
             answer with that probability. A supervisor of depth d is right up to level d and falls back on the habit above, or guesses; its labels of level d \
             show concept d + 1 beside what it knows, so that a student who knows that concept learns it, and no further one.\n\n\
             `difficulty` is the level over the number of levels, which are 1 to `n_subjects` − 2 (6 of 8 subjects). Levels come by their shares, classes are \
             balanced within each, all splits are drawn alike, and equal texts are all train rows or all test rows. Fewer rows are a \
             prefix of more rows. The rows do not depend on `depth`, so take them from the world of any.\n\n\
             With two classes the likeliest class is the exact match of a generated answer: generation adds nothing here.",
        )
        .source("after the chess puzzles of Burns et al. 2023, arXiv 2312.09390")
        .param::<World>("world", "the language")
        .options::<Options>()
        .returns("Data: train and test rows, truth sealed")
        .also_method::<World>()
        .example("world::concepts(world::language(), #{ n_train: 24, n_test: 12, seed: 0 })", "world/concepts: train 24 (new 12, old 12), test 12 (new 6, old 6)")
        .fails("world::concepts(world::language(), #{ habit: 1.5 })", "`habit` must be from `0` to `1`, got `1.5`")
        .fails("world::concepts(world::language(#{ n_subjects: 2 }))", "`n_subjects` must be from `4` to `8`, got `2`")
        .fails("world::concepts(world::language(), #{ share: 0.0 })", "`share` must be from `0.01` to `1`, got `0`")
        .fails("world::concepts(world::language(), #{ n_next: 9 })", "`n_next` must be from `1` to `4`, got `9`")
        .fails("world::concepts(world::language(), #{ n_test: 1 << 30 })", "`n_test` must be from")
}

options! {
    /// How many rows, and which.
    pub struct Options {
        /// Chooses the rows.
        seed: u64 = 0,
        /// Rows of the train split.
        n_train: usize = 2000,
        /// Rows of the test split.
        n_test: usize = 1500,
        /// Each level is as frequent as this share of the level below it: hard rows are rare; 1: all alike.
        share: f64 = 0.5,
        /// Nouns of the level's own concept in a row.
        n_own: usize = 1,
        /// Nouns of the next concept.
        n_next: usize = 2,
        /// A noun of concept 0 stands in each row and has the answer's value with this probability; left out, there is none.
        habit: Option<f64> = None,
    }
}

fn run(call: &mut Call) -> Answer {
    let world: World = call.arg(0)?;
    let Options { seed, n_train, n_test, share, n_own, n_next, habit } = call.options()?;
    let options = ConceptOptions { seed, n_train, n_test, share, n_own, n_next, habit };
    let rows = crate::domains::world::concepts(&world, &options)?;
    Ok(Dynamic::from(Data::of_task(rows)?.generated(call.ctx(), world.words(), None)?))
}
