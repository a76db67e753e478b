//! `world`: the generated world, as a script asks for another one, reads its documents and draws its tasks.

mod concepts;
mod documents;
mod language;
mod lexicon;
mod loss;
pub mod pairs;
mod properties;
mod rephrased;
mod task;
mod tasks;
mod tokens;

use crate::bind::prelude::*;
use crate::core::context::{Event, Form, Reading};
use crate::core::digest::Digest;
use crate::data::Split;
use crate::domains::world::World;
use crate::frames::{Frame, Sealed};
use polars::prelude::DataFrame;

/// What an oracle says of a world, as a frame; the record keeps it as a reading of the rule behind the truth.
fn oracle(call: &Call, world: &World, table: DataFrame, digest: Digest) -> Dynamic {
    let reading = Reading {
        data: format!("the world of seed {}", world.options().seed),
        digest: world.digest().to_string(),
        n_rows: table.height(),
        split: Split::ALL.map(Split::name).join(" and "),
        by: call.function.path(),
        purpose: "oracle".to_owned(),
        form: Form::Rule,
    };
    call.ctx().tell(Event::TruthRead(reading.clone()));
    let sealed = Sealed { readings: [reading].into(), ..Sealed::default() };
    Dynamic::from(Frame::derived(table, digest).with_sealed(sealed))
}

impl Value for World {
    const NAME: &'static str = "World";
    const ABOUT: &'static str = "An invented language whose documents hide a subject, a verdict, a mood and an era.";

    fn show(&self) -> String {
        let options = self.options();
        let documents = match options.depth {
            Some(depth) => {
                format!(", documents of concepts to depth {depth}{}", if options.one_concept { " as one" } else { "" })
            }
            None if options.episodes > 0.0 => format!(", {} of the documents episodes", options.episodes),
            None => String::new(),
        };
        format!(
            "World, version {}: {} words ({} nouns, {} adjectives, {} verbs), {} subjects, {} question lines, seed {}{documents}",
            options.version,
            self.vocabulary().len() - 1,
            options.n_nouns,
            options.n_adjectives,
            options.n_verbs,
            options.n_subjects,
            if options.questions { "with" } else { "without" },
            options.seed
        )
    }

    fn same(&self, other: &Self) -> bool {
        self.digest() == other.digest()
    }

    fn digest(&self, _trace: &mut Trace) -> Digest {
        World::digest(self)
    }
}

/// Lists the module's functions.
pub fn register(registry: &mut Registry) {
    registry.module("world", "The generated world: its language, documents, tasks and tokens.");
    registry.value::<World>();
    registry.add(language::function());
    registry.add(documents::function());
    registry.add(lexicon::function());
    registry.add(tokens::function());
    registry.add(tasks::function());
    registry.add(task::function());
    registry.add(pairs::function());
    registry.add(properties::function());
    registry.add(concepts::function());
    registry.add(rephrased::function());
    registry.add(loss::function());
}
