//! `world::pairs`

use crate::bind::prelude::*;
use crate::domains::preference;
use crate::domains::world::{GoldenReward, PairOptions, World, WorldError};

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
             `world::task`. `data::load(\"world/preference\")` draws them from the shipped ladder's world.\n\n\
             With `properties` or `decides` the preferred continuation is the one with the higher golden reward Σ weight · property, of the properties that \
             `world::properties` reads from a text: `verdict` (judges high), `calm` (its verbs are calm), `old` (its nouns are of the old era) and `agreement` (first and last noun are of one gender, \
             which the smallest rung hardly sees). Both continuations have the form `the N that VERB the N is ADJ .`, which shows all four; each property of each is \
             drawn evenly, until the rewards differ. With `decides` a pair differs in that property alone, so that a judge's accuracy there says how well it sees it.",
        )
        .param::<World>("world", "the language")
        .options::<Options>()
        .returns("Data: train and test rows, truth sealed")
        .also_method::<World>()
        .example("world::pairs(world::language(#{ seed: 5 }), #{ n_train: 20, n_test: 10 })", "world/preference: train 20 (first 10, second 10), test 10 (first 5, second 5)")
        .example(
            "let world = world::language();\n\
             let pairs = world.pairs(#{ properties: #{ verdict: 1.0, agreement: 0.5 }, n_train: 20, n_test: 10 });\n\
             let row = pairs.frame().row(0);\n\
             let found = world.properties([row.continuation0, row.continuation1]);\n\
             let reward = |at| found.row(at).verdict + 0.5 * found.row(at).agreement;\n\
             let better = pairs.truth(\"example\").row(0).label;\n\
             reward.call(better) > reward.call(1 - better)",
            "true",
        )
        .fails("world::pairs(world::language(), #{ properties: #{ clam: 1.0 } })", "texts of the world have no property `clam`")
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
        /// What is preferred: a map of properties and their weights in the golden reward, such as `#{ verdict: 1.0, agreement: 0.5 }`; left out, the
        /// higher verdict.
        properties: Option<Weights> = None,
        /// The property in which a pair differs, alone; without `properties` the only one that is preferred.
        decides: Option<String> = None,
    }
}

/// Weights of properties as a script gives them.
#[derive(Debug, Clone, PartialEq)]
pub struct Weights(Vec<(String, f64)>);

impl FromDynamic for Weights {
    fn type_name() -> String {
        "object map of number".to_owned()
    }

    fn from_dynamic(value: &Dynamic) -> Result<Self, Mismatch> {
        let map = Map::from_dynamic(value).map_err(|_| Self::mismatch(value))?;
        let mut weights = Vec::new();
        for (name, weight) in map {
            weights.push((name.to_string(), f64::from_dynamic(&weight).map_err(|_| Self::mismatch(value))?));
        }
        Ok(Weights(weights))
    }
}

/// The golden reward that is asked for; none where nothing is said of properties.
pub fn golden(properties: Option<Weights>, decides: Option<&str>) -> Result<Option<GoldenReward>, WorldError> {
    if properties.is_none() && decides.is_none() {
        return Ok(None);
    }
    let Weights(weights) = properties.unwrap_or(Weights(Vec::new()));
    GoldenReward::new(&weights, decides).map(Some)
}

fn run(call: &mut Call) -> Answer {
    let world: World = call.arg(0)?;
    let Options { seed, n_train, n_test, pools, properties, decides } = call.options()?;
    let golden = golden(properties, decides.as_deref())?;
    let pairs = crate::domains::world::pairs(&world, &PairOptions { seed, n_train, n_test, pools, golden })?;
    Ok(Dynamic::from(preference::of_world(pairs)?.generated(call.ctx(), world.words(), None)?))
}
