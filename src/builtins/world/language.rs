//! `world::language`

use crate::bind::prelude::*;
use crate::domains::world::{World, WorldOptions};

/// The record.
pub fn function() -> Function {
    Function::new("world", "language", run)
        .about("A generated world: an invented language and the documents that are written in it.")
        .details(
            "A document draws a subject, a verdict, a mood, an era and a register, which hold to its end: nouns come \
             from the subject and the era, adjectives from the verdict (the opposite one after `not`, `hardly` and \
             before `but`), verbs from the mood, and the register spells the function words. Question lines such as \
             `verdict high` say one or two of them aloud. Without options this is the world of the shipped ladder.\n\n\
             Version 2 has 1200 nouns, 800 adjectives and 600 verbs in documents of 3 to 5 sentences, version 1 had 320, 200 and 150 \
             in 2 to 4. They differ in how rows are drawn too: see `world::task`. `--world 1` makes version 1 what plain names mean, \
             and runs of before there was a choice verify so.",
        )
        .options::<Options>()
        .returns("World: the language")
        .example("world::language().documents(1)[0]", "")
        .example("world::language().lexicon().height", "2600")
        .example("world::language(#{ version: 1 }).lexicon().height", "670")
        .example("world::language(#{ questions: false }) == world::language()", "false")
        .example("world::language(#{ depth: 2 }).documents(1)[0]", "")
        .example("world::language(#{ episodes: 0.3 }) == world::language(#{ episodes: 0.0 })", "false")
        .fails("world::language(#{ depth: 8 })", "`depth` must be from `1` to `7`, got `8`")
        .fails("world::language(#{ one_concept: true })", "`depth` is left out")
        .fails("world::language(#{ episodes: 2.0 })", "`episodes` must be from `0` to `1`, got `2`")
        .fails("world::language(#{ version: 3 })", "the generated world has no version `3`")
        .fails("world::language(#{ n_nouns: 3 })", "`n_nouns` must be from `32` to `20000`, got `3`")
}

options! {
    /// The parameters of a world; where one is left out, it is that of the shipped ladder's.
    pub struct Options {
        /// Chooses the words and what they stand for.
        seed: u64 = 0,
        /// The version, which gives the other options their defaults and says how rows are drawn: left out, the session's (`--world`).
        version: Option<usize> = None,
        /// Nouns; each has a gender, a subject and an era.
        n_nouns: Option<usize> = None,
        /// Adjectives; each has a verdict, and a subject or none.
        n_adjectives: Option<usize> = None,
        /// Verbs; each has a mood, and a subject or none.
        n_verbs: Option<usize> = None,
        /// Subjects: even, at most 8.
        n_subjects: Option<usize> = None,
        /// A value prefers its words by odds of e^strength.
        strength: Option<f64> = None,
        /// A word's frequency is 1 / (rank + shift).
        zipf_shift: Option<f64> = None,
        /// Share of adjectives and verbs that belong to all subjects.
        shared: Option<f64> = None,
        /// Probability that an adjective is negated where the kind of sentence leaves it open.
        negation: Option<f64> = None,
        /// Probability that a document's noun has an adjective before it.
        attributes: Option<f64> = None,
        /// Probability that a document's sentence of the kind act has a second verb.
        coordination: Option<f64> = None,
        /// How often the kinds of sentence come: and, but, act, that, not.
        kinds: Option<Vec<f64>> = None,
        /// Fewest sentences in a document.
        min_sentences: Option<usize> = None,
        /// Most sentences in a document.
        max_sentences: Option<usize> = None,
        /// Whether documents carry question lines: supervision that leaks into pretraining.
        questions: bool = true,
        /// Probability that a question line opens the document instead of ending it.
        heading: Option<f64> = None,
        /// Share of documents that are episodes: six unrelated sentences, each followed by the same question and its own answer, as a few-shot prompt is.
        episodes: f64 = 0.0,
        /// Documents are lines of nouns of the subjects 0 to `depth`, taken as ordered concepts (`world::concepts`); other options are then those of
        /// the ladder `concepts` where they are left out: 4000 nouns, 32 adjectives and verbs, 2 to 3 lines, `zipf_shift` 20000.
        depth: Option<usize> = None,
        /// With `depth`: all concepts of a document have one value.
        one_concept: bool = false,
    }
}

fn run(call: &mut Call) -> Answer {
    let asked: Options = call.options()?;
    let version = asked.version.unwrap_or(call.ctx().settings.world);
    let base = match asked.depth {
        None => WorldOptions::of(version)?,
        Some(depth) => WorldOptions { version: WorldOptions::of(version)?.version, ..WorldOptions::ordered(depth) },
    };
    let kinds = match asked.kinds {
        None => base.kinds,
        Some(kinds) => <[f64; 5]>::try_from(kinds).map_err(|kinds| {
            Fault::new("world/kinds", format!("`kinds` must have 5 numbers, got `{}`", kinds.len()))
                .hint("kinds: [and, but, act, that, not], such as [0.3, 0.1, 0.3, 0.2, 0.1]")
        })?,
    };
    let options = WorldOptions {
        version: base.version,
        seed: asked.seed,
        n_nouns: asked.n_nouns.unwrap_or(base.n_nouns),
        n_adjectives: asked.n_adjectives.unwrap_or(base.n_adjectives),
        n_verbs: asked.n_verbs.unwrap_or(base.n_verbs),
        n_subjects: asked.n_subjects.unwrap_or(base.n_subjects),
        strength: asked.strength.unwrap_or(base.strength),
        zipf_shift: asked.zipf_shift.unwrap_or(base.zipf_shift),
        shared: asked.shared.unwrap_or(base.shared),
        negation: asked.negation.unwrap_or(base.negation),
        attributes: asked.attributes.unwrap_or(base.attributes),
        coordination: asked.coordination.unwrap_or(base.coordination),
        kinds,
        min_sentences: asked.min_sentences.unwrap_or(base.min_sentences),
        max_sentences: asked.max_sentences.unwrap_or(base.max_sentences),
        questions: asked.questions,
        heading: asked.heading.unwrap_or(base.heading),
        episodes: asked.episodes,
        depth: asked.depth,
        one_concept: asked.one_concept,
    };
    Ok(Dynamic::from(World::new(options)?))
}
