//! Ladders: pretrained models of rising compute, smallest first. `world` and `concepts` come with the program, `minilm` is fetched.
//!
//! Rungs of `concepts` are of one size; each was pretrained longer, on a corpus that shows one concept more.
//!
//! The weights of the first two lie in `assets/`, in half precision, beside a manifest that says what made each; they are part of the
//! binary, so that a first experiment needs no download. Each version of the generated world has its ladder. Version 2's was
//! pretrained with three seeds, so that what is said of sizes need not be said of one pretraining.

use super::{Model, ModelError};
use crate::core::context::Context;
use std::sync::{Mutex, PoisonError};

/// One rung's files.
struct Rung {
    name: &'static str,
    config: &'static [u8],
    weights: &'static [u8],
}

macro_rules! rung {
    ($folder:expr, $name:literal) => {
        Rung {
            name: $name,
            config: include_bytes!(concat!("../../assets/ladder/", $folder, $name, "/config.json")),
            weights: include_bytes!(concat!("../../assets/ladder/", $folder, $name, "/model.safetensors")),
        }
    };
}

/// Width, layers and steps of each rung of version 2.
macro_rules! second {
    ($seed:literal) => {
        &[
            rung!(concat!("world-2/", $seed, "-"), "8x1-1000"),
            rung!(concat!("world-2/", $seed, "-"), "16x1-500"),
            rung!(concat!("world-2/", $seed, "-"), "16x1-1000"),
            rung!(concat!("world-2/", $seed, "-"), "16x1-2000"),
            rung!(concat!("world-2/", $seed, "-"), "32x2-1000"),
            rung!(concat!("world-2/", $seed, "-"), "32x2-2000"),
            rung!(concat!("world-2/", $seed, "-"), "32x2-4000"),
            rung!(concat!("world-2/", $seed, "-"), "64x2-2000"),
            rung!(concat!("world-2/", $seed, "-"), "64x2-4000"),
        ]
    };
}

/// The ladder of one version of the generated world.
struct Shipped {
    /// What made each rung.
    manifest: &'static [u8],
    tokenizer: &'static [u8],
    /// The rungs of each pretraining seed, from 0 on; rungs by size, then by the steps that made them.
    seeds: &'static [&'static [Rung]],
}

/// By version, from 1 on.
static WORLD: [Shipped; 2] = [
    Shipped {
        manifest: include_bytes!("../../assets/ladder/world/manifest.json"),
        tokenizer: include_bytes!("../../assets/ladder/world/tokenizer.json"),
        seeds: &[&[
            rung!("world/", "world-0"),
            rung!("world/", "world-1"),
            rung!("world/", "world-2"),
            rung!("world/", "world-3"),
            rung!("world/", "world-4"),
            rung!("world/", "world-5"),
        ]],
    },
    Shipped {
        manifest: include_bytes!("../../assets/ladder/world-2/manifest.json"),
        tokenizer: include_bytes!("../../assets/ladder/world-2/tokenizer.json"),
        seeds: &[second!("0"), second!("1"), second!("2")],
    },
];

/// The rungs of ordered concepts, by depth.
macro_rules! concepts {
    ($seed:literal) => {
        &[
            rung!(concat!("concepts/", $seed, "-"), "depth-1"),
            rung!(concat!("concepts/", $seed, "-"), "depth-2"),
            rung!(concat!("concepts/", $seed, "-"), "depth-3"),
            rung!(concat!("concepts/", $seed, "-"), "depth-4"),
            rung!(concat!("concepts/", $seed, "-"), "depth-5"),
            rung!(concat!("concepts/", $seed, "-"), "depth-6"),
        ]
    };
}

/// Of worlds of ordered concepts.
static CONCEPTS: Shipped = Shipped {
    manifest: include_bytes!("../../assets/ladder/concepts/manifest.json"),
    tokenizer: include_bytes!("../../assets/ladder/concepts/tokenizer.json"),
    seeds: &[concepts!("0"), concepts!("1"), concepts!("2")],
};

/// Documents a step and tokens a document of a rung whose entry in the manifest states none: the defaults of pretraining.
const BATCH: u64 = 48;
const TOKENS: u64 = 64;

/// The names of the ladders.
pub const LADDERS: [&str; 3] = ["world", "concepts", "minilm"];

/// The models of the ladder `name`, smallest first: `world` in the session's version, of pretraining seed 0. Fails with the command
/// to type where it was not fetched.
pub fn ladder(name: &str, ctx: &Context) -> Result<Vec<Model>, ModelError> {
    match name {
        "world" => world_ladder(ctx.settings.world, 0),
        "concepts" => concept_ladder(0),
        "minilm" => Model::minilm_ladder(ctx),
        _ => Err(ModelError::NoLadder { name: name.to_owned(), known: LADDERS.map(str::to_owned).to_vec() }),
    }
}

/// The ladder of a version of the generated world, of one pretraining seed.
pub fn world_ladder(version: usize, seed: usize) -> Result<Vec<Model>, ModelError> {
    let shipped = version.checked_sub(1).and_then(|at| WORLD.get(at));
    let Some(shipped) = shipped else {
        return Err(ModelError::NoWorld { version, newest: WORLD.len() });
    };
    opened(shipped, seed, || format!("`world` of version {version}"))
}

/// The ladder of ordered concepts, of one pretraining seed: rung by rung a corpus that shows one concept more.
pub fn concept_ladder(seed: usize) -> Result<Vec<Model>, ModelError> {
    opened(&CONCEPTS, seed, || "`concepts`".to_owned())
}

fn opened(shipped: &'static Shipped, seed: usize, ladder: impl Fn() -> String) -> Result<Vec<Model>, ModelError> {
    let Shipped { manifest, tokenizer, seeds } = shipped;
    let Some(rungs) = seeds.get(seed) else {
        return Err(ModelError::NoPretrainingSeed { ladder: ladder(), seed, n_seeds: seeds.len() });
    };
    // Models do not change, so that those of a ladder are opened once in a process: a sweep takes one in every cell.
    let mut known = OPENED.lock().unwrap_or_else(PoisonError::into_inner);
    let held = known.iter().find(|(of, _)| std::ptr::eq(*of, *rungs));
    if let Some((_, models)) = held {
        return Ok(models.clone());
    }
    let manifest: serde_json::Value = serde_json::from_slice(manifest).unwrap_or_default();
    let open = |rung: &Rung| {
        let model = Model::from_bytes(Some(rung.name), rung.config, rung.weights, tokenizer)?;
        Ok(model.with(|model| model.pretrained_tokens = tokens_of(&manifest, rung.name)))
    };
    let models: Vec<Model> = rungs.iter().map(open).collect::<Result<_, ModelError>>()?;
    known.push((*rungs, models.clone()));
    Ok(models)
}

/// The ladders that were opened.
static OPENED: Mutex<Vec<(&'static [Rung], Vec<Model>)>> = Mutex::new(Vec::new());

/// Tokens that a rung's pretraining read at most, by its entry in the manifest: steps × documents × tokens.
fn tokens_of(manifest: &serde_json::Value, rung: &str) -> Option<u64> {
    let entry = manifest.get("rungs")?.as_array()?.iter().find(|entry| entry.get("name") == Some(&rung.into()))?;
    let count = |name: &str| entry.get(name).and_then(serde_json::Value::as_u64);
    Some(count("steps")? * count("batch").unwrap_or(BATCH) * count("tokens").unwrap_or(TOKENS))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domains::world::{World, WorldOptions};
    use crate::models::Size;
    use crate::train::{PretrainOptions, derivation};
    use serde_json::Value;

    #[test]
    fn the_shipped_rungs_open_and_read_the_world_of_their_version() {
        for (at, shipped) in WORLD.iter().enumerate() {
            let world = World::new(WorldOptions::of(at + 1).expect("a version")).expect("a world");
            assert_eq!(shipped.tokenizer, world.vocabulary().json().as_bytes());
            for seed in 0..shipped.seeds.len() {
                let rungs = world_ladder(at + 1, seed).expect("opens");
                assert!(rungs.len() >= 5);
                assert!(rungs.is_sorted_by_key(Model::n_params), "smallest first");
            }
        }
        let ctx = Context::for_tests();
        let (plain, newest) = (ladder("world", &ctx).expect("opens"), world_ladder(WORLD.len(), 0).expect("opens"));
        assert!(plain.iter().map(|rung| rung.inner.digest).eq(newest.iter().map(|rung| rung.inner.digest)));
        assert_eq!(ladder("concepts", &ctx).expect("opens").len(), 6);
        assert!(matches!(concept_ladder(3), Err(ModelError::NoPretrainingSeed { .. })));
        assert!(matches!(ladder("chess", &ctx), Err(ModelError::NoLadder { .. })));
        assert!(matches!(world_ladder(0, 0), Err(ModelError::NoWorld { .. })));
        assert!(matches!(world_ladder(1, 1), Err(ModelError::NoPretrainingSeed { .. })));
    }

    #[test]
    fn version_2_has_three_pretraining_seeds_a_rung() {
        let seeds: Vec<Vec<Model>> = (0..3).map(|seed| world_ladder(2, seed).expect("opens")).collect();
        for (rung, model) in seeds[0].iter().enumerate() {
            let others = [&seeds[1][rung], &seeds[2][rung]];
            assert!(
                others.iter().all(|other| other.inner.name == model.inner.name && other.inner.arch == model.inner.arch)
            );
            assert!(others.iter().all(|other| other.inner.digest != model.inner.digest), "{}", model.inner.name);
        }
    }

    #[test]
    fn the_manifests_say_what_made_each_rung() {
        let manifests: [&[u8]; 2] = [
            include_bytes!("../../assets/ladder/world/manifest.json"),
            include_bytes!("../../assets/ladder/world-2/manifest.json"),
        ];
        for (at, (manifest, shipped)) in manifests.iter().zip(&WORLD).enumerate() {
            let manifest: Value = serde_json::from_slice(manifest).expect("JSON");
            let entries = manifest["rungs"].as_array().expect("rungs");
            let seeds = 0..shipped.seeds.len();
            let rungs: Vec<Model> = seeds.flat_map(|seed| world_ladder(at + 1, seed).expect("opens")).collect();
            assert_eq!(entries.len(), rungs.len());
            let world = World::new(WorldOptions::of(at + 1).expect("a version")).expect("a world");
            for (entry, rung) in entries.iter().zip(&rungs) {
                let count = |name: &str| entry[name].as_u64().expect("a count") as usize;
                assert_eq!(entry["name"], rung.inner.name.as_str());
                assert_eq!(entry["content"], rung.inner.digest.to_hex(), "the weights of {}", rung.inner.name);
                assert_eq!(count("width"), rung.inner.arch.width());
                // If the world, a default or the recipe changes, the shipped weights are no longer what the script makes.
                let context = entry["context"].as_u64().unwrap_or(64) as usize;
                let size = Size { width: count("width"), n_layers: count("layers"), n_heads: 2, context };
                let (lr, plain) = (entry["lr"].as_f64().expect("a rate"), PretrainOptions::default());
                let tokens = entry["tokens"].as_u64().map_or(plain.tokens, |tokens| tokens as usize);
                let options =
                    PretrainOptions { steps: count("steps"), lr, seed: count("seed") as u64, tokens, ..plain };
                let made = derivation(size, &world, &options, count("steps"));
                assert_eq!(entry["derivation"], made.to_hex(), "what made {}", rung.inner.name);
            }
        }
    }

    #[test]
    fn the_manifest_of_concepts_says_what_made_each_rung() {
        let manifest: Value =
            serde_json::from_slice(include_bytes!("../../assets/ladder/concepts/manifest.json")).expect("JSON");
        let entries = manifest["rungs"].as_array().expect("rungs");
        let rungs: Vec<Model> = (0..3).flat_map(|seed| concept_ladder(seed).expect("opens")).collect();
        assert_eq!((entries.len(), rungs.len()), (18, 18));
        for (entry, rung) in entries.iter().zip(&rungs) {
            let count = |name: &str| entry[name].as_u64().expect("a count") as usize;
            assert_eq!(entry["name"], rung.inner.name.as_str());
            assert_eq!(entry["content"], rung.inner.digest.to_hex(), "the weights of {}", rung.inner.name);
            let world = World::new(WorldOptions::ordered(count("depth"))).expect("a world");
            assert_eq!(CONCEPTS.tokenizer, world.vocabulary().json().as_bytes());
            let size = Size { width: count("width"), n_layers: count("layers"), n_heads: 2, context: count("context") };
            let (steps, seed, tokens) = (count("steps"), count("seed") as u64, count("tokens"));
            let lr = entry["lr"].as_f64().expect("a rate");
            let options = PretrainOptions { steps, lr, seed, tokens, ..PretrainOptions::default() };
            let made = derivation(size, &world, &options, steps);
            assert_eq!(entry["derivation"], made.to_hex(), "what made {}", rung.inner.name);
            assert_eq!(rung.inner.pretrained_tokens, Some((steps * 48 * tokens) as u64));
        }
    }

    #[test]
    fn each_rung_says_how_much_it_read() {
        let defaults = PretrainOptions::default();
        assert_eq!((BATCH, TOKENS), (defaults.batch as u64, defaults.tokens as u64));
        for (version, first) in [(1, 300 * 48 * 64), (2, 1000 * 48 * 80)] {
            let rungs = world_ladder(version, 0).expect("opens");
            let read: Vec<Option<u64>> = rungs.iter().map(|rung| rung.inner.pretrained_tokens).collect();
            assert_eq!(read[0], Some(first), "version {version}");
            assert!(read.iter().all(Option::is_some), "{read:?}");
        }
    }

    #[test]
    fn all_ladders_together_are_small() {
        let shipped = || WORLD.iter().chain([&CONCEPTS]);
        let rungs = shipped().flat_map(|shipped| shipped.seeds.iter().copied().flatten());
        let weights: usize = rungs.map(|rung| rung.config.len() + rung.weights.len()).sum();
        let bytes = weights + shipped().map(|shipped| shipped.tokenizer.len()).sum::<usize>();
        assert!(bytes < 12 << 20, "{bytes}");
    }
}
