//! The bits of every costly operation on a small input, pinned. They may move only together with the operation's version
//! or with the version of the kernels: a store would otherwise answer with what this program no longer computes.
//!
//! `W2S_WRITE_PINS=1` writes `pins.json` anew, for the classes that this processor has; what moved without a version is
//! refused all the same.

use crate::support::root;
use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;
use w2s::core::context::{Access, Context};
use w2s::core::digest::Digest;
use w2s::core::random::Random;
use w2s::data::Data;
use w2s::domains::preference;
use w2s::domains::world::{GoldenReward, PairOptions, TaskOptions, World, WorldOptions, pairs, task};
use w2s::kernels::Kernels;
use w2s::models::arch::{Activation, Arch, BertConfig, Pooling};
use w2s::models::{Encoder, Format, Model, Precision, Size, unpretrained, untrained};
use w2s::store::Store;

/// What was computed, by a name for people: the digest of the derivation, and the hash of what came out.
type Pins = BTreeMap<String, [String; 2]>;

const SCRIPT: &str = include_str!("pins/pins.rhai");

fn world() -> World {
    of_version(1)
}

fn of_version(version: usize) -> World {
    let options = WorldOptions::of(version).expect("a version");
    World::new(WorldOptions { n_nouns: 40, n_adjectives: 40, n_verbs: 40, ..options }).expect("a world")
}

fn hash(parts: impl IntoIterator<Item = impl AsRef<[u8]>>) -> String {
    let mut hasher = blake3::Hasher::new();
    for part in parts {
        hasher.update(part.as_ref()).update(&[0]);
    }
    hasher.finalize().to_hex().to_string()
}

/// What is made without kernels: the same in every class.
fn without_kernels() -> Pins {
    let world = world();
    let mut pins = Pins::new();
    let mut pin =
        |name: &str, digest: Digest, content: String| pins.insert(name.to_owned(), [digest.to_hex(), content]);
    pin("world::documents", world.digest(), hash(world.texts(0, 40)));
    for name in ["era", "subject", "mood", "verdict", "contrast"] {
        let options = TaskOptions { seed: 0, n_train: 60, n_test: 20, ask: false };
        let rows = task(&world, name, &options).expect("a task");
        let text =
            rows.rows.iter().map(|row| format!("{} {} {} {}", row.id, row.text, row.truth, row.difficulty.to_bits()));
        pin(&format!("world::task {name}"), rows.digest, hash(text));
        let data = Data::of_task(rows).expect("data");
        let ids = |data: &Data| hash(data.rows().map(|row| row.id.to_string()));
        if name == "era" {
            let [left, right] = data.train().halves(3).expect("halves");
            let drawn = data.train().sample(11, 4).expect("drawn");
            let shuffled = data.shuffle(5);
            for (how, data) in [("left half", left), ("right half", right), ("sample", drawn), ("shuffle", shuffled)] {
                pin(&format!("data {how}"), data.digest(), ids(&data));
            }
            let size = Size { width: 12, n_layers: 2, n_heads: 2, context: 16 };
            let model = untrained(&data, size, 7).expect("a model");
            let other = unpretrained(&model, 7).expect("a model").inner;
            pin("model::unpretrained", other.digest, hash(other.params.values.iter().map(|v| v.to_le_bytes())));
            pin(
                "model::untrained",
                model.inner.digest,
                hash(model.inner.params.values.iter().map(|v| v.to_le_bytes())),
            );
        }
    }
    second_world(&mut pins);
    let mut pin =
        |name: &str, digest: Digest, content: String| pins.insert(name.to_owned(), [digest.to_hex(), content]);
    let options = PairOptions { n_train: 60, n_test: 20, ..PairOptions::default() };
    let rows = pairs(&world, &options).expect("pairs");
    let of_row = |row: &w2s::domains::world::PairRow| {
        format!("{} {} {:?} {} {}", row.id, row.prompt, row.continuations, row.preferred, row.difficulty.to_bits())
    };
    pin("world::pairs", rows.digest, hash(rows.rows.iter().map(of_row)));
    let data = preference::of_world(rows).expect("data");
    pin("data of pairs", data.digest(), hash(data.rows().map(|row| format!("{} {}", row.id, row.group))));
    let mut random = Random::new(1, "pins");
    let draws = (0..4000).map(|_| random.normal().to_le_bytes().to_vec()).collect::<Vec<_>>();
    // Everything that draws depends on it: a change here raises the version of all of those.
    pin("random numbers", Digest::of("random", 2).finish(), hash(draws));
    pins
}

/// Documents, rows and pairs of version 2 of the world.
fn second_world(pins: &mut Pins) {
    let world = of_version(2);
    let mut pin = |name: &str, digest: Digest, content: String| {
        pins.insert(format!("{name}, version 2"), [digest.to_hex(), content]);
    };
    pin("world::documents", world.digest(), hash(world.texts(0, 40)));
    for name in ["era", "subject", "mood", "verdict", "contrast"] {
        let options = TaskOptions { seed: 0, n_train: 60, n_test: 20, ask: false };
        let rows = task(&world, name, &options).expect("a task");
        let text =
            rows.rows.iter().map(|row| format!("{} {} {} {}", row.id, row.text, row.truth, row.difficulty.to_bits()));
        pin(&format!("world::task {name}"), rows.digest, hash(text));
    }
    let full = World::new(WorldOptions::default()).expect("a world");
    let weights = [("verdict".to_owned(), 1.0), ("agreement".to_owned(), 0.5)];
    let golden = Some(GoldenReward::new(&weights, None).expect("a reward"));
    let rows = pairs(&full, &PairOptions { n_train: 60, n_test: 20, golden, ..PairOptions::default() }).expect("pairs");
    let of_row = |row: &w2s::domains::world::PairRow| {
        format!("{} {} {:?} {}", row.id, row.prompt, row.continuations, row.preferred)
    };
    pin("world::pairs by properties", rows.digest, hash(rows.rows.iter().map(of_row)));
    for pools in [1, 2] {
        // Pools need more adjectives than the small world has.
        let world = World::new(WorldOptions::default()).expect("a world");
        let rows =
            pairs(&world, &PairOptions { n_train: 60, n_test: 20, pools, ..PairOptions::default() }).expect("pairs");
        let of_row = |row: &w2s::domains::world::PairRow| {
            format!("{} {} {:?} {}", row.id, row.prompt, row.continuations, row.preferred)
        };
        pin(&format!("world::pairs in {pools} pools"), rows.digest, hash(rows.rows.iter().map(of_row)));
    }
}

/// A small bidirectional encoder of random parameters over the world's words, saved as `bert` in the folder.
fn save_encoder(folder: &Path) {
    let encoder = Encoder::from_json(world().vocabulary().json().as_bytes()).expect("a tokenizer");
    let arch = Arch::Bert(BertConfig {
        vocab: encoder.n_tokens(),
        context: 32,
        width: 24,
        n_layers: 2,
        n_heads: 2,
        inner: 48,
        n_token_types: 2,
        relative: false,
        pooling: Pooling::Mean,
        activation: Activation::GeluErf,
        norm_eps: 1e-12,
    });
    let mut random = Random::new(0, "pins");
    let values = (0..arch.layout().n_params).map(|_| 0.2 * random.uniform() as f32 - 0.1).collect();
    let digest = Digest::of("pins", 1).finish();
    let model = Model::new("bert", arch, values, encoder, digest, "random numbers").expect("a model");
    let granted = vec![folder.to_owned()];
    let access = Access { read: granted.clone(), write: granted, project: folder.to_owned(), ..Access::default() };
    model
        .save(Path::new("bert"), Format::Own, Precision::F32, &Context::new(Context::for_tests().settings, access))
        .expect("saved");
}

/// What the script leaves in the store with these kernels, and how the class and its version are called.
fn with_kernels(kernels: Kernels) -> (String, Pins) {
    let folder = tempfile::tempdir().expect("a folder");
    save_encoder(folder.path());
    std::fs::write(folder.path().join("pins.rhai"), SCRIPT).expect("written");
    let mut command = Command::new(env!("CARGO_BIN_EXE_w2s"));
    command.current_dir(folder.path()).env("W2S_STORE", folder.path().join("store"));
    let done = command.args(["script", "pins.rhai", "--quiet", "--kernels", kernels.name()]).output().expect("runs");
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    let (mut pins, mut class) = (Pins::new(), String::new());
    for listed in Store::at(&folder.path().join("store")).results().expect("a store") {
        let manifest = listed.manifest.expect("whole");
        let name = format!("{}: {} with {}", manifest.operation, manifest.what, manifest.options);
        let before = pins.insert(name.clone(), [manifest.digest, manifest.content]);
        assert!(before.is_none(), "two operations are called `{name}`");
        class = manifest.kernels;
    }
    assert_eq!(pins.len(), 63, "{:#?}", pins.keys());
    (class, pins)
}

/// Why the pins do not hold, in words that say what to do.
fn complaints(class: &str, pinned: &Pins, found: &Pins) -> Vec<String> {
    let mut complaints = Vec::new();
    for (name, [digest, content]) in found {
        match pinned.get(name) {
            Some([_, held]) if held == content => {}
            Some([held, _]) if held == digest => complaints.push(format!(
                "`{name}` gives other bits than were pinned, under the same digest ({class}). If what it computes was \
                 changed, raise the version in its `Digest::of(\"…\", version)`; if a kernel was, raise the class in \
                 `kernels::class_of`"
            )),
            _ => {}
        }
    }
    complaints
}

#[test]
fn bits_move_only_with_a_version() {
    let path = root().join("tests/suite/pins/pins.json");
    let text = std::fs::read_to_string(&path).unwrap_or_else(|_| "{}".to_owned());
    let mut pinned: BTreeMap<String, Pins> = serde_json::from_str(&text).expect("JSON");
    let mut found = BTreeMap::from([("any".to_owned(), without_kernels())]);
    // The bits of plain code are pinned on x86-64, which treats denormal numbers as zero.
    let classes = [Kernels::Portable, Kernels::Avx2, Kernels::Avx512, Kernels::Amx];
    let has = |kernels: &Kernels| cfg!(target_arch = "x86_64") && *kernels <= Kernels::best();
    for kernels in classes.iter().filter(|kernels| !has(kernels)) {
        crate::support::skipped(&format!(
            "this processor has no kernels `{}`: their pins were not compared",
            kernels.name()
        ));
    }
    found.extend(classes.into_iter().filter(has).map(with_kernels));
    let mut wrong = Vec::new();
    for (class, found) in &found {
        wrong.extend(complaints(class, pinned.entry(class.clone()).or_default(), found));
    }
    assert!(wrong.is_empty(), "{} of the pins moved:\n{}", wrong.len(), wrong.join("\n"));
    if std::env::var_os("W2S_WRITE_PINS").is_some() {
        pinned.extend(found);
        let text = serde_json::to_string_pretty(&pinned).expect("JSON");
        std::fs::write(&path, text + "\n").expect("written");
        return;
    }
    for (class, found) in &found {
        let unpinned = |(name, pin): &(&String, &[String; 2])| pinned[class].get(*name) != Some(*pin);
        // An operation that was added where no processor of this class was at hand is pinned under the other classes, with
        // the same digest. It is said, and has to be written here once.
        let elsewhere = |(name, pin): &(&String, &[String; 2])| {
            let known = pinned.values().filter_map(|pins| pins.get(*name));
            !pinned[class].contains_key(*name) && known.map(|[digest, _]| digest).any(|digest| *digest == pin[0])
        };
        let (late, missing): (Vec<_>, Vec<_>) = found.iter().filter(unpinned).partition(elsewhere);
        for (name, _) in late {
            crate::support::skipped(&format!("`{name}` has no pin with `{class}` yet: W2S_WRITE_PINS=1 writes it"));
        }
        assert!(
            missing.is_empty(),
            "not pinned yet, or under another digest ({class}): write them with `W2S_WRITE_PINS=1 cargo test --release \
             --test suite pins`: {missing:#?}"
        );
    }
}

#[test]
fn a_move_without_a_version_is_told_from_one_with() {
    let pins = |digest: &str, content: &str| Pins::from([("op".to_owned(), [digest.to_owned(), content.to_owned()])]);
    let pinned = pins("d1", "c1");
    assert!(complaints("portable-1-x86_64", &pinned, &pins("d1", "c1")).is_empty());
    assert!(complaints("portable-1-x86_64", &pinned, &pins("d2", "c2")).is_empty(), "a new version");
    let told = complaints("portable-1-x86_64", &pinned, &pins("d1", "c2"));
    assert!(matches!(told.as_slice(), [one] if one.contains("`op`") && one.contains("raise the version")), "{told:?}");
}
