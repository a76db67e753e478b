//! Data sets that the program makes itself, by name: `data::load("DOMAIN/SET")`.

use super::preference;
use super::world::{self, GoldenReward, PAIRS, PairOptions, TaskOptions, World, WorldError, WorldOptions};
use crate::core::context::Context;
use crate::core::digest::Digest;
use crate::core::explain::explained;
use crate::data::{Data, DataError, VaultSize};
use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};

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
    /// World, pairs: the properties that are preferred.
    pub golden: Option<GoldenReward>,
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
        #[code(match *option { "pools" | "properties" | "decides" => "data/not-pairs", "ask" => "data/not-a-task", _ => "data/not-the-world" })]
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
            ("decides", self.golden.is_some_and(|golden| golden.decides.is_some())),
            ("properties", self.golden.is_some_and(|golden| golden.decides.is_none())),
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
    let version = asked.version.unwrap_or(ctx.settings.world);
    let name = format!("world/{set}");
    let taken: &[&str] = if set == PAIRS {
        &["pools", "properties", "decides", "version", "vault"]
    } else {
        &["ask", "version", "vault"]
    };
    asked.only(&name, taken)?;
    let pools = asked.pools.unwrap_or(1);
    let key = format!("{version} {set} {} {n_train} {n_test} {pools} {} {:?}", asked.seed, asked.ask, asked.golden);
    let draws = ctx.state::<Draws>();
    let (data, words) = match draws.find(&key) {
        Some(draw) => draw,
        None => {
            let world = World::new(WorldOptions::of(version)?)?;
            let data = if set == PAIRS {
                let options = PairOptions { seed: asked.seed, n_train, n_test, pools, golden: asked.golden };
                preference::of_world(world::pairs(&world, &options)?)?
            } else {
                let options = TaskOptions { seed: asked.seed, n_train, n_test, ask: asked.ask };
                Data::of_task(world::task(&world, set, &options)?)?
            };
            draws.keep(key, (data, world.words()))
        }
    };
    Ok(data.generated(ctx, words, asked.vault)?)
}

/// A draw of a data set, and the language whose words are its groups.
type Draw = (Data, Option<Digest>);

/// What a session drew lately: a sweep draws the same rows of each seed for every method, first to look and then to run.
#[derive(Default)]
struct Draws(Mutex<VecDeque<(String, Draw)>>);

/// About how many bytes of draws are kept. Arbitrary: some hundred draws of the shipped experiments.
const KEPT: usize = 128 << 20;

/// About what a row holds beside its texts.
const ROW: usize = 256;

impl Draws {
    fn find(&self, key: &str) -> Option<Draw> {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let at = kept.iter().position(|(known, _)| known == key)?;
        let found = kept.remove(at)?;
        let draw = found.1.clone();
        kept.push_back(found);
        Some(draw)
    }

    /// Keeps a draw, and lets go of those that were not asked for longest.
    fn keep(&self, key: String, draw: Draw) -> Draw {
        let size = |draw: &Draw| draw.0.n_bytes() + ROW * draw.0.len();
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        kept.push_back((key, draw.clone()));
        let mut held: usize = kept.iter().map(|(_, draw)| size(draw)).sum();
        while held > KEPT
            && let Some((_, oldest)) = kept.pop_front()
        {
            held -= size(&oldest);
        }
        draw
    }
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
        let golden = Some(GoldenReward::new(&[], Some("calm")).expect("a reward"));
        let refused =
            asked(Asked { golden, ..Asked::default() }, "era").map(|_| ()).expect_err("a task has no properties");
        assert_eq!(refused.to_string(), "option `decides` of `data::load` does not apply to `world/era`");
        assert_ne!(
            asked(Asked { golden, ..Asked::default() }, PAIRS).expect("loads").digest(),
            asked(Asked::default(), PAIRS).expect("loads").digest(),
            "the draws that a session keeps are told apart"
        );
        assert_eq!(asked(Asked { ask: true, ..Asked::default() }, "era").expect("loads").train().len(), 8);
        assert!(find("world/era").is_some() && find("era").is_none() && find("wold/era").is_none());
        assert!(names().contains(&"world/preference".to_owned()));
    }

    #[test]
    fn the_same_draw_is_made_once_and_is_the_same_rows() {
        let ctx = Context::for_tests();
        let draw = |ctx: &Context, seed| {
            of_world(ctx, "era", &Asked { seed, n_train: Some(8), n_test: Some(4), ..Asked::default() }).expect("loads")
        };
        let (first, again) = (draw(&ctx, 3), draw(&ctx, 3));
        assert!(std::sync::Arc::ptr_eq(first.source(), again.source()), "drawn once");
        let elsewhere = draw(&Context::for_tests(), 3);
        assert!(!std::sync::Arc::ptr_eq(first.source(), elsewhere.source()));
        assert_eq!(first.digest(), elsewhere.digest());
        assert_ne!(first.digest(), draw(&ctx, 4).digest());
        let draws = Draws::default();
        let large = || (first.clone(), None);
        let n = KEPT / (first.n_bytes() + ROW * first.len()) + 2;
        (0..n).for_each(|at| drop(draws.keep(at.to_string(), large())));
        assert!(draws.find("0").is_none() && draws.find(&(n - 1).to_string()).is_some(), "the oldest goes");
    }
}
