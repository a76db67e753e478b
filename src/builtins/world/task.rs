//! `world::task`

use crate::bind::prelude::*;
use crate::data::Data;
use crate::domains::world::{TaskOptions, World};

/// The record.
pub fn function() -> Function {
    Function::new("world", "task", run)
        .about("A task of a world as data: one sentence a row, and the question for a variable behind it.")
        .details(
            "Classes are balanced in each split. A row is a sentence of a fresh document, drawn until it shows what is asked (`mood`: a \
             verb; `verdict`: an adjective; `contrast`: a negation or a `but`), so words come at the corpus's frequencies. All splits are \
             drawn alike: a supervisor is as good on the rows that it labels as on the test rows. A row's `group` is its text, and \
             equal texts are all train rows or all test rows. `difficulty` is 0..1: rarity of the decisive words, negation, `but`. Fewer \
             rows are a prefix of more rows.\n\n\
             In version 1 of the world the decisive words of the test split never decide a train row, a row's `group` is its decisive \
             word, frequencies are flattened to their square root, and sentences have no adjective before nouns and no second verb. \
             Supervisors label the other half much better there than they answer test rows, so a student that copies labels \
             seems to generalise: measured, .71 against .52 to .66 on `era`. Version 1 is kept for old records.",
        )
        .param::<World>("world", "the language")
        .param::<String>("name", "era, subject, mood, verdict or contrast")
        .options::<Options>()
        .returns("Data: train and test rows, truth sealed")
        .also_method::<World>()
        .example("world::task(world::language(#{ seed: 5 }), \"mood\", #{ n_train: 20, n_test: 10 }).n_rows", "30")
        .fails("world::task(world::language(), \"colour\")", "the world has no task `colour`")
        .fails("world::task(world::language(), \"era\", #{ n_test: 1 << 30 })", "`n_test` must be from")
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
        /// Whether each row ends with the question's word, at which the answer is then read.
        ask: bool = false,
    }
}

fn run(call: &mut Call) -> Answer {
    let (world, name): (World, String) = (call.arg(0)?, call.arg(1)?);
    let Options { seed, n_train, n_test, ask } = call.options()?;
    let rows = crate::domains::world::task(&world, &name, &TaskOptions { seed, n_train, n_test, ask })?;
    Ok(Dynamic::from(Data::of_task(rows)?.generated(call.ctx(), world.words(), None)?))
}
