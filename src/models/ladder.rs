//! Ladders: pretrained models of rising compute, smallest first. `world` comes with the program, `minilm` is fetched.
//!
//! The weights of `world` lie in `assets/`, in half precision, beside a manifest that says what made each; they are part of the
//! binary, so that a first experiment needs no download.

use super::{Model, ModelError};
use crate::core::context::Context;

/// One rung's files.
struct Rung {
    name: &'static str,
    config: &'static [u8],
    weights: &'static [u8],
}

macro_rules! rung {
    ($name:literal) => {
        Rung {
            name: $name,
            config: include_bytes!(concat!("../../assets/ladder/world/", $name, "/config.json")),
            weights: include_bytes!(concat!("../../assets/ladder/world/", $name, "/model.safetensors")),
        }
    };
}

/// The ladder of the generated world, in the order of the compute that made its rungs.
const WORLD: [Rung; 6] =
    [rung!("world-0"), rung!("world-1"), rung!("world-2"), rung!("world-3"), rung!("world-4"), rung!("world-5")];
const WORLD_TOKENIZER: &[u8] = include_bytes!("../../assets/ladder/world/tokenizer.json");

const WORLD_MANIFEST: &[u8] = include_bytes!("../../assets/ladder/world/manifest.json");

/// Documents a step and tokens a document of a rung whose entry in the manifest states none: the defaults of pretraining.
const BATCH: u64 = 48;
const TOKENS: u64 = 64;

/// The names of the ladders.
pub const LADDERS: [&str; 2] = ["world", "minilm"];

/// The models of the ladder `name`, smallest first. Fails with the command to type where it was not fetched.
pub fn ladder(name: &str, ctx: &Context) -> Result<Vec<Model>, ModelError> {
    let manifest: serde_json::Value = serde_json::from_slice(WORLD_MANIFEST).unwrap_or_default();
    let open = |rung: &Rung| {
        let model = Model::from_bytes(Some(rung.name), rung.config, rung.weights, WORLD_TOKENIZER)?;
        Ok(model.with(|model| model.pretrained_tokens = tokens_of(&manifest, rung.name)))
    };
    match name {
        "world" => WORLD.iter().map(open).collect(),
        "minilm" => Model::minilm_ladder(ctx),
        _ => Err(ModelError::NoLadder { name: name.to_owned(), known: LADDERS.map(str::to_owned).to_vec() }),
    }
}

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
    fn the_shipped_rungs_open_and_read_the_default_world() {
        let rungs = ladder("world", &Context::for_tests()).expect("opens");
        assert!(rungs.len() >= 5);
        let world = World::new(WorldOptions::default()).expect("the default world");
        assert_eq!(WORLD_TOKENIZER, world.vocabulary().json().as_bytes());
        assert!(rungs.is_sorted_by_key(Model::n_params), "smallest first");
        assert!(matches!(ladder("chess", &Context::for_tests()), Err(ModelError::NoLadder { .. })));
    }

    #[test]
    fn the_manifest_says_what_made_each_rung() {
        let manifest: Value =
            serde_json::from_slice(include_bytes!("../../assets/ladder/world/manifest.json")).expect("JSON");
        let entries = manifest["rungs"].as_array().expect("rungs");
        let rungs = ladder("world", &Context::for_tests()).expect("opens");
        assert_eq!(entries.len(), rungs.len());
        let world = World::new(WorldOptions::default()).expect("the default world");
        for (entry, rung) in entries.iter().zip(&rungs) {
            let count = |name: &str| entry[name].as_u64().expect("a count") as usize;
            assert_eq!(entry["name"], rung.inner.name.as_str());
            assert_eq!(entry["content"], rung.inner.digest.to_hex(), "the weights of {}", rung.inner.name);
            assert_eq!(count("width"), rung.inner.arch.width());
            // If the world, a default or the recipe changes, the shipped weights are no longer what the script makes.
            let size = Size { width: count("width"), n_layers: count("layers"), n_heads: 2, context: 64 };
            let lr = entry["lr"].as_f64().expect("a rate");
            let options =
                PretrainOptions { steps: count("steps"), lr, seed: count("seed") as u64, ..PretrainOptions::default() };
            let made = derivation(size, &world, &options, count("steps"));
            assert_eq!(entry["derivation"], made.to_hex(), "what made {}", rung.inner.name);
        }
    }

    #[test]
    fn each_rung_says_how_much_it_read() {
        let defaults = PretrainOptions::default();
        assert_eq!((BATCH, TOKENS), (defaults.batch as u64, defaults.tokens as u64));
        let rungs = ladder("world", &Context::for_tests()).expect("opens");
        let read: Vec<Option<u64>> = rungs.iter().map(|rung| rung.inner.pretrained_tokens).collect();
        assert_eq!(read[0], Some(300 * 48 * 64));
        assert!(read.iter().all(Option::is_some), "{read:?}");
    }

    #[test]
    fn all_ladders_together_are_small() {
        let bytes: usize = WORLD.iter().map(|rung| rung.config.len() + rung.weights.len()).sum();
        assert!(bytes + WORLD_TOKENIZER.len() < 12 << 20, "{bytes}");
    }
}
