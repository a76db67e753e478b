//! `world::properties`

use crate::bind::prelude::*;
use crate::core::digest::Digest;
use crate::domains::world::{PROPERTIES, World};
use crate::frames::FrameError;
use polars::prelude::{Column, DataFrame};

/// The record.
pub fn function() -> Function {
    Function::new("world", "properties", run)
        .about("What texts of a world have: the properties of which a golden reward of preferences is made.")
        .details(
            "Each from −1 to 1, the mean over those sentences of the text that show it, and 0 where none does:\n\n\
             - `verdict`: 1 where the text judges high, −1 low; adjectives behind `not` and `hardly` are turned round, and of a sentence with `but` those behind it count\n\
             - `calm`: 1 where its verbs are calm, −1 wild\n\
             - `old`: 1 where its nouns are of the old era, −1 of the new one\n\
             - `agreement`: 1 in a sentence whose first and last noun are of one gender, −1 in one where they differ\n\n\
             Whoever wrote the text, a row's continuation or a model's. Words that the world does not have say nothing. With it a script is the golden judge of `world::pairs`, and \
             knows what test rows prefer without a reading of them; the record keeps the call as an oracle: a reading of truth of the form `rule`.",
        )
        .param::<World>("world", "the language")
        .param::<Vec<String>>("texts", "the texts")
        .returns("Frame: a row for each text, a column for each property")
        .also_method::<World>()
        .example(
            "let world = world::language();\n\
             let noun = world.lexicon().filter(col(\"class\") == \"noun\").row(0).word;\n\
             world.properties([`the ${noun} .`, \"\"]).row(1).agreement",
            "0.0",
        )
        .fails("world::properties(world::language(), 3)", "must be an array of string")
}

fn run(call: &mut Call) -> Answer {
    let (world, texts): (World, Vec<String>) = (call.arg(0)?, call.arg(1)?);
    let found: Vec<_> = texts.iter().map(|text| world.properties(text)).collect();
    let of = |at: usize| found.iter().map(|all| all.get(at).copied().unwrap_or_default()).collect::<Vec<f64>>();
    let columns = PROPERTIES.iter().enumerate().map(|(at, property)| Column::new((*property).into(), of(at))).collect();
    let table = DataFrame::new(found.len(), columns).map_err(FrameError::from)?;
    let mut digest = Digest::of("world/properties", 1).digest("world", world.digest());
    for text in &texts {
        digest = digest.text("text", text);
    }
    Ok(super::oracle(call, &world, table, digest.finish()))
}
