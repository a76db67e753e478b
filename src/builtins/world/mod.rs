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
use crate::domains::world::World;

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
