//! Data sets that the program makes itself, by name: `data::load("DOMAIN/SET")`.

use super::preference;
use super::world::{self, PAIRS, PairOptions, TaskOptions, World, WorldError, WorldOptions};
use crate::core::context::Context;
use crate::core::explain::explained;
use crate::data::{Data, DataError, VaultSize};

/// A domain whose data sets are made when they are asked for. A new one is a file here and a line in [`GENERATED`].
pub struct Generated {
    /// What stands before the slash.
    pub name: &'static str,
    /// What may stand behind it.
    pub sets: fn() -> Vec<&'static str>,
    pub load: fn(ctx: &Context, set: &str, asked: &Asked) -> Result<Data, GeneratedError>,
}

/// Every such domain.
pub const GENERATED: &[Generated] = &[
    // One a line.
    WORLD,
];

/// What is asked of a data set. Of what a domain does not know it says so ([`Asked::only`]).
#[derive(Debug, Clone, Default)]
pub struct Asked {
    pub seed: u64,
    pub n_train: Option<usize>,
    pub n_test: Option<usize>,
    /// World, tasks: end each row with the question's word.
    pub ask: bool,
    /// World, pairs: pools of words.
    pub pools: Option<usize>,
    /// World: its version.
    pub version: Option<usize>,
    /// World: how much of the test split is a vault, and the seed that draws it.
    pub vault: Option<(VaultSize, u64)>,
}

explained! {
    /// Why there is no such data set.
    #[derive(Debug, thiserror::Error)]
    pub enum GeneratedError {
        #[error("`{domain}` has no data set `{set}`")]
        #[code("data/unknown")]
        #[hint({
            let names: Vec<String> = known.iter().map(|set| format!("`{domain}/{set}`")).collect();
            format!("there are {}", names.join(", "))
        })]
        Unknown { domain: &'static str, set: String, known: Vec<&'static str> },
        #[error("option `{option}` of `data::load` does not apply to `{name}`")]
        #[code(match *option { "pools" => "data/not-pairs", "ask" => "data/not-a-task", _ => "data/not-the-world" })]
        #[hint("leave it out")]
        Option { option: &'static str, name: String },
    }
    from { Data(DataError), World(WorldError) }
}

/// The domain of a name and what stands behind its slash.
pub fn find(name: &str) -> Option<(&'static Generated, &str)> {
    let (domain, set) = name.split_once('/')?;
    GENERATED.iter().find(|generated| generated.name == domain).map(|generated| (generated, set))
}

/// The names of all data sets that are made.
pub fn names() -> Vec<String> {
    let of = |domain: &Generated| {
        (domain.sets)().into_iter().map(|set| format!("{}/{set}", domain.name)).collect::<Vec<_>>()
    };
    GENERATED.iter().flat_map(of).collect()
}

impl Asked {
    /// The options that were given, besides seed and numbers of rows.
    pub fn given(&self) -> impl Iterator<Item = &'static str> {
        [
            ("ask", self.ask),
            ("pools", self.pools.is_some()),
            ("version", self.version.is_some()),
            ("vault", self.vault.is_some()),
        ]
        .into_iter()
        .filter_map(|(option, is_given)| is_given.then_some(option))
    }

    /// Refuses every option that the data set `name` does not take.
    pub fn only(&self, name: &str, taken: &[&str]) -> Result<(), GeneratedError> {
        match self.given().find(|option| !taken.contains(option)) {
            Some(option) => Err(GeneratedError::Option { option, name: name.to_owned() }),
            None => Ok(()),
        }
    }
}

const WORLD: Generated = Generated {
    name: "world",
    sets: || world::tasks().iter().map(|task| task.name).chain([PAIRS]).collect(),
    load: of_world,
};

/// A task of the generated world, or its pairs.
fn of_world(ctx: &Context, set: &str, asked: &Asked) -> Result<Data, GeneratedError> {
    let chosen = TaskOptions::default();
    let (n_train, n_test) = (asked.n_train.unwrap_or(chosen.n_train), asked.n_test.unwrap_or(chosen.n_test));
    let world = World::new(WorldOptions::of(asked.version.unwrap_or(ctx.settings.world))?)?;
    let name = format!("world/{set}");
    let data = if set == PAIRS {
        asked.only(&name, &["pools", "version", "vault"])?;
        let pools = asked.pools.unwrap_or(1);
        preference::of_world(world::pairs(&world, &PairOptions { seed: asked.seed, n_train, n_test, pools })?)?
    } else {
        asked.only(&name, &["ask", "version", "vault"])?;
        Data::of_task(world::task(&world, set, &TaskOptions { seed: asked.seed, n_train, n_test, ask: asked.ask })?)?
    };
    Ok(data.generated(ctx, world.words(), asked.vault)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::explain::Explain;

    #[test]
    fn an_option_that_a_data_set_does_not_take_is_refused() {
        let ctx = Context::for_tests();
        let asked =
            |asked: Asked, set: &str| of_world(&ctx, set, &Asked { n_train: Some(8), n_test: Some(4), ..asked });
        let refused = asked(Asked { ask: true, ..Asked::default() }, PAIRS).map(|_| ()).expect_err("pairs ask nothing");
        assert_eq!(refused.to_string(), "option `ask` of `data::load` does not apply to `world/preference`");
        assert_eq!(refused.code(), "data/not-a-task");
        let refused =
            asked(Asked { pools: Some(2), ..Asked::default() }, "era").map(|_| ()).expect_err("a task has no pools");
        assert_eq!(refused.to_string(), "option `pools` of `data::load` does not apply to `world/era`");
        assert_eq!(asked(Asked { ask: true, ..Asked::default() }, "era").expect("loads").train().len(), 8);
        assert!(find("world/era").is_some() && find("era").is_none() && find("wold/era").is_none());
        assert!(names().contains(&"world/preference".to_owned()));
    }
}
