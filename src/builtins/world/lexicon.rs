//! `world::lexicon`

use crate::bind::prelude::*;
use crate::core::digest::Digest;
use crate::domains::world::{SUBJECTS, Word, WordClass, World};
use polars::prelude::{Column, DataFrame};

/// The record.
pub fn function() -> Function {
    Function::new("world", "lexicon", run)
        .about("The words of a world and their meaning: what an oracle would know.")
        .details(
            "One row per content word: `word`, `token`, `class` (noun, adjective, verb), `rank` (1 is the most \
             frequent of its class), `subject` (null for all subjects) and `value` (the era of a noun, the verdict of \
             an adjective, the mood of a verb). With it a script knows the classes of test rows without a reading of them, so the \
             record keeps the call as an oracle: a reading of truth of the form `rule`.",
        )
        .param::<World>("world", "the language")
        .returns("Frame: the words")
        .also_method::<World>()
        .example("world::lexicon(world::language())", "")
        .fails("world::lexicon(3)", "must be a World")
}

fn run(call: &mut Call) -> Answer {
    let world: World = call.arg(0)?;
    let lexicon = world.lexicon();
    let words: Vec<(&Word, &str, [&str; 2])> = [
        (WordClass::Noun, "noun", crate::domains::world::ERAS),
        (WordClass::Adjective, "adjective", crate::domains::world::VERDICTS),
        (WordClass::Verb, "verb", crate::domains::world::MOODS),
    ]
    .into_iter()
    .flat_map(|(class, name, values)| lexicon.words(class).iter().map(move |word| (word, name, values)))
    .collect();
    let subject = |word: &Word| word.subject.and_then(|subject| SUBJECTS.get(subject).copied());
    let columns = vec![
        Column::new("word".into(), words.iter().map(|(word, ..)| word.text.as_str()).collect::<Vec<_>>()),
        Column::new("token".into(), words.iter().map(|(word, ..)| i64::from(word.token)).collect::<Vec<_>>()),
        Column::new("class".into(), words.iter().map(|(_, class, _)| *class).collect::<Vec<_>>()),
        Column::new("rank".into(), words.iter().map(|(word, ..)| word.rank as i64).collect::<Vec<_>>()),
        Column::new("subject".into(), words.iter().map(|(word, ..)| subject(word)).collect::<Vec<_>>()),
        Column::new(
            "value".into(),
            words.iter().map(|(word, _, values)| values.get(word.value).copied()).collect::<Vec<_>>(),
        ),
    ];
    let table = DataFrame::new(words.len(), columns)
        .map_err(|error| Fault::defect(format!("the lexicon is not a table: {error}")))?;
    let digest = Digest::of("world/lexicon", 1).digest("world", world.digest()).finish();
    Ok(super::oracle(call, &world, table, digest))
}
