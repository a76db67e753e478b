//! Tiny models of every family against transformers' own classes (`tests/reference/families.py`): states, logits, the
//! gradients of one step; checkpoints in several files, without what reads next tokens, in other precisions.

use super::*;
use crate::models::hf::tests::{drawn, files};
use crate::models::hf::{INDEX, SCORE, hf_files};
use crate::models::trunk::{
    Packed, Tape, TrunkError, backward, check_lm, forward, lm_logits, lm_loss, lm_step, token_states,
};
use crate::models::{HfFiles, Model};
use crate::store::StoreError;
use candle_core::{DType, Tensor};
use serde::Deserialize;
use std::collections::{BTreeMap, HashMap};

/// What `families.py` wrote of one model.
#[derive(Deserialize)]
struct Reference {
    config: serde_json::Value,
    shapes: BTreeMap<String, Vec<usize>>,
    rows: Vec<Row>,
    loss: f64,
    gradients: BTreeMap<String, Gradient>,
}

#[derive(Deserialize)]
struct Row {
    tokens: Vec<u32>,
    mean: Vec<f32>,
    first: Vec<f32>,
    last: Vec<f32>,
    logits: Option<Vec<f32>>,
}

#[derive(Deserialize)]
struct Gradient {
    norm: f64,
    entries: Vec<f64>,
}

fn references() -> BTreeMap<String, Reference> {
    serde_json::from_str(include_str!("../../../tests/reference/families.json")).expect("the reference values")
}

fn reference(name: &str) -> Reference {
    references().remove(name).expect("a model of that name")
}

fn tensors(reference: &Reference) -> HashMap<String, Tensor> {
    reference.shapes.iter().map(|(name, shape)| (name.clone(), drawn(name, shape))).collect()
}

fn hf(tensors: &HashMap<String, Tensor>, config: &serde_json::Value) -> HfFiles {
    HfFiles { sentence_config: None, ..files(tensors, &config.to_string()) }
}

fn model(reference: &Reference) -> Model {
    Model::from_hf("toy", &hf(&tensors(reference), &reference.config)).expect("fits")
}

/// Equal to within `within` of the greatest expected number.
fn close(got: &[f32], expected: &[f32], within: f32, what: &str) {
    assert_eq!(got.len(), expected.len(), "{what}");
    let greatest = expected.iter().fold(0.0f32, |most, x| most.max(x.abs()));
    let worst = got.iter().zip(expected).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
    assert!(worst <= within * greatest, "{what}: {worst} of {greatest}");
}

#[test]
fn every_family_computes_what_transformers_computes() {
    let references = references();
    assert_eq!(references.len(), 16);
    for (name, reference) in references {
        let model = model(&reference);
        let (arch, params) = (&model.inner.arch, &model.inner.params.values);
        let width = arch.width();
        for row in &reference.rows {
            let packed = Packed::new([&row.tokens[..]]);
            let (what, n) = (format!("{name}, {} tokens", row.tokens.len()), row.tokens.len());
            let states = token_states(arch, params, &packed, &mut Tape::new());
            let mean = |at: usize| states.iter().skip(at).step_by(width).sum::<f32>() / n as f32;
            close(&states[..width], &row.first, 1e-4, &format!("{what}, first"));
            close(&states[states.len() - width..], &row.last, 1e-4, &format!("{what}, last"));
            close(&(0..width).map(mean).collect::<Vec<_>>(), &row.mean, 1e-4, &format!("{what}, mean"));
            assert_eq!(row.logits.is_some(), arch.predicts_tokens());
            if let Some(logits) = &row.logits {
                close(&lm_logits(arch, params, &packed, &mut Tape::new()), logits, 1e-4, &format!("{what}, logits"));
            }
        }
    }
}

#[test]
fn the_gradients_of_a_step_are_those_of_transformers() {
    for (name, reference) in references() {
        let model = model(&reference);
        let (arch, params) = (&model.inner.arch, &model.inner.params.values);
        let batch = Packed::new(reference.rows.iter().map(|row| &row.tokens[..]));
        let (mut grads, mut tape) = (vec![0.0; params.len()], Tape::new());
        let loss = if arch.is_causal() {
            lm_step(arch, params, &batch, &mut tape, &mut grads)
        } else {
            let direction = drawn("direction", &[arch.width()]).to_vec1::<f32>().expect("a vector");
            let features = forward(arch, params, &batch, &mut tape);
            let d_features = direction.repeat(batch.n_rows());
            backward(arch, params, &batch, &mut tape, &d_features, &mut grads);
            features.iter().zip(&d_features).map(|(f, d)| f64::from(*f) * f64::from(*d)).sum()
        };
        assert!((loss - reference.loss).abs() <= 1e-4 * reference.loss.abs(), "{name}: {loss} {}", reference.loss);
        let family = find(reference.config["model_type"].as_str().expect("a type")).expect("known");
        let (mut at, mut seen) = (0, 0);
        for piece in (family.pieces)(arch) {
            let own = piece.form.theirs(&grads[at..at + piece.n()], &piece.shape);
            at += piece.n();
            let below = format!("{}{}", family.prefix, piece.name);
            let key = if reference.gradients.contains_key(&below) { &below } else { &piece.name };
            let expected = &reference.gradients[key];
            seen += 1;
            let norm = own.iter().map(|g| f64::from(*g).powi(2)).sum::<f64>().sqrt();
            // The bias of keys shifts all scores of a query alike: its gradient is 0, and rounding of the rest.
            let scale = expected.norm.max(1e-3);
            assert!((norm - expected.norm).abs() <= 1e-3 * scale, "{name}, {key}: {norm} {}", expected.norm);
            for (i, expected) in expected.entries.iter().enumerate() {
                let got = f64::from(own[(i * 7919 + 13) % own.len()]);
                assert!((got - expected).abs() <= 1e-3 * scale, "{name}, {key} [{i}]: {got} {expected}");
            }
        }
        assert_eq!((at, seen), (params.len(), reference.gradients.len()), "{name}");
    }
}

#[test]
fn every_piece_has_its_entry_and_every_family_its_config() {
    for (name, reference) in references() {
        let model = model(&reference);
        let arch = &model.inner.arch;
        let written: Vec<&Family> = FAMILIES.iter().filter(|family| (family.config)(arch).is_some()).collect();
        assert_eq!(written.len(), 1, "{name} is written by one family");
        let n: usize = (written[0].pieces)(arch).iter().map(Piece::n).sum();
        assert_eq!(n, arch.layout().n_params, "{name}");
    }
}

/// A folder of files in memory, as `hf_files` reads one.
fn read_from(held: &BTreeMap<String, Vec<u8>>) -> Result<Model, ModelError> {
    let missing = || ModelError::Store(StoreError::Missing { id: "toy".into() });
    let read = |file: &str| held.get(file).cloned().ok_or_else(missing);
    hf_files(read).and_then(|files| Model::from_hf("toy", &files))
}

#[test]
fn weights_in_several_files_are_those_in_one() {
    let reference = reference("qwen3-untied");
    let tensors = tensors(&reference);
    let whole = model(&reference);
    let mut names: Vec<&String> = tensors.keys().collect();
    names.sort();
    let (first, second) = names.split_at(names.len() / 2);
    let shard = |names: &[&String]| {
        let tensors = names.iter().map(|name| (name.as_str(), &tensors[*name]));
        safetensors::serialize(tensors, None).expect("serialises")
    };
    let file = |at: usize| format!("model-0000{at}-of-00002.safetensors");
    let map = first.iter().map(|name| (*name, file(1))).chain(second.iter().map(|name| (*name, file(2))));
    let index = serde_json::json!({ "metadata": {}, "weight_map": map.collect::<BTreeMap<_, _>>() });
    let single = hf(&tensors, &reference.config);
    let mut held = BTreeMap::from([
        ("config.json".to_owned(), single.config.clone()),
        ("tokenizer.json".to_owned(), single.tokenizer.clone()),
        (INDEX.to_owned(), index.to_string().into_bytes()),
        (file(1), shard(first)),
        (file(2), shard(second)),
    ]);
    let model = read_from(&held).expect("reads");
    assert_eq!(model.inner.params.values, whole.inner.params.values);
    assert_ne!(model.inner.digest, whole.inner.digest, "other files");

    let fails = |held: &BTreeMap<String, Vec<u8>>| read_from(held).err().expect("broken").to_string();
    let one = held.remove(&file(2)).expect("it was there");
    assert!(fails(&held).contains("was not fetched"), "a shard is missing");
    held.insert(file(2), shard(first));
    assert!(fails(&held).contains("is also in `model-00001-of-00002.safetensors`"));
    held.insert(file(2), one);
    held.insert(INDEX.to_owned(), br#"{"weight_map": {"a": "../../secret.safetensors"}}"#.to_vec());
    assert!(fails(&held).contains("`../../secret.safetensors` is not the name of a safetensors file"));
    held.insert(INDEX.to_owned(), br#"{"weight_map": {}}"#.to_vec());
    assert!(fails(&held).contains("lists 0 files"));
    // A pickle is named and left alone.
    held.remove(INDEX);
    held.insert("pytorch_model.bin".to_owned(), vec![0x80, 2]);
    assert!(fails(&held).contains("`pytorch_model.bin` is a pickle, which is never read"));
}

#[test]
fn a_trunk_without_what_reads_next_tokens_is_read_and_says_so() {
    for name in ["llama3", "qwen3-untied", "neox"] {
        let reference = reference(name);
        let family = find(reference.config["model_type"].as_str().expect("a type")).expect("known");
        let whole = model(&reference);
        // As transformers saves the trunk alone: without the head and without the prefix.
        let bare = tensors(&reference).into_iter().filter_map(|(name, tensor)| {
            name.strip_prefix(family.prefix).map(|name| (name.to_owned(), tensor.clone()))
        });
        let bare = Model::from_hf("bare", &hf(&bare.collect(), &reference.config)).expect("fits");
        let (arch, params) = (&bare.inner.arch, &bare.inner.params.values);
        assert!(!arch.predicts_tokens() && whole.inner.arch.predicts_tokens());
        let batch = Packed::new([&[5u32, 7, 1][..]]);
        let states =
            |model: &Model| token_states(&model.inner.arch, &model.inner.params.values, &batch, &mut Tape::new());
        assert_eq!(states(&bare), states(&whole), "{name}");
        assert_eq!(check_lm(arch, params, &batch), Err(TrunkError::Headless));
        assert!(lm_loss(arch, params, &batch, &mut Tape::new()).is_nan());
    }
}

#[test]
fn a_classifying_head_at_the_last_token_is_read_with_its_names() {
    let mut reference = reference("neox");
    let mut tensors = tensors(&reference);
    tensors.remove("embed_out.weight");
    tensors.insert(SCORE.to_owned(), drawn(SCORE, &[2, 48]));
    reference.config["id2label"] = serde_json::json!({"0": "bad", "1": "good"});
    let model = Model::from_hf("toy", &hf(&tensors, &reference.config)).expect("fits");
    assert_eq!(model.classes(), Some(&["bad".to_owned(), "good".to_owned()][..]));
    tensors.insert(SCORE.to_owned(), drawn(SCORE, &[1, 48]));
    let scores = Model::from_hf("toy", &hf(&tensors, &reference.config)).expect("fits");
    assert_eq!((scores.n_classes(), scores.classes()), (Some(1), None));
    tensors.insert(SCORE.to_owned(), drawn(SCORE, &[2, 47]));
    let error = Model::from_hf("toy", &hf(&tensors, &reference.config)).err().expect("misfit");
    assert!(error.to_string().contains("`score.weight` has shape [2, 47]"), "{error}");
}

#[test]
fn encoders_are_pooled_as_the_checkpoint_says() {
    let reference = reference("distilbert");
    let with = |json: &str| {
        let pooling = Some(json.as_bytes().to_vec());
        Model::from_hf("toy", &HfFiles { pooling, ..hf(&tensors(&reference), &reference.config) })
    };
    let plain = model(&reference);
    let mean = with(r#"{"pooling_mode_mean_tokens": true, "pooling_mode_cls_token": false}"#).expect("fits");
    assert_eq!((&mean.inner.arch, mean.inner.digest), (&plain.inner.arch, plain.inner.digest));
    for json in [r#"{"pooling_mode_cls_token": true}"#, r#"{"pooling_mode": "cls"}"#] {
        let first = with(json).expect("fits");
        assert_ne!(first.inner.digest, plain.inner.digest);
        let row = &reference.rows[0];
        let packed = Packed::new([&row.tokens[..]]);
        let features = forward(&first.inner.arch, &first.inner.params.values, &packed, &mut Tape::new());
        close(&features, &row.first, 1e-4, "the first token's state");
    }
    let error = with(r#"{"pooling_mode_max_tokens": true}"#).err().expect("refused").to_string();
    assert!(error.contains("the pooling of a bert must be cls or mean, got max"), "{error}");
}

#[test]
fn doubles_and_halves_are_read() {
    let reference = reference("gpt2");
    let plain = model(&reference);
    for (dtype, within) in [(DType::F64, 0.0), (DType::F16, 1e-3), (DType::BF16, 1e-2)] {
        let cast = tensors(&reference).into_iter().map(|(name, t)| (name, t.to_dtype(dtype).expect("cast")));
        let cast = Model::from_hf("toy", &hf(&cast.collect(), &reference.config)).expect("fits");
        for (c, p) in cast.inner.params.values.iter().zip(&plain.inner.params.values) {
            assert!((c - p).abs() <= within * p.abs() + 1e-6, "{dtype:?}: {c} {p}");
        }
    }
}

#[test]
fn what_a_family_does_not_compute_is_refused_with_the_reason() {
    let refused = |name: &str, field: &str, value: serde_json::Value| {
        let mut reference = reference(name);
        reference.config[field] = value;
        Model::from_hf("toy", &hf(&tensors(&reference), &reference.config)).err().expect("refused").to_string()
    };
    let no = serde_json::Value::Bool(false);
    let yes = serde_json::Value::Bool(true);
    assert!(refused("gpt2", "scale_attn_weights", no.clone()).contains("`scale_attn_weights` must be true"));
    assert!(refused("gpt2", "scale_attn_by_inverse_layer_idx", yes.clone()).contains("must be false"));
    assert!(refused("gpt2", "tie_word_embeddings", no.clone()).contains("must be true"));
    assert!(refused("gpt2", "activation_function", "relu".into()).contains("`activation_function` must be gelu"));
    assert!(refused("neox", "attention_bias", no).contains("`attention_bias` must be true"));
    assert!(
        refused("neox", "rope_parameters", serde_json::json!({"partial_rotary_factor": 0.1})).contains("`n_turned`")
    );
    assert!(refused("qwen2", "use_sliding_window", yes.clone()).contains("`use_sliding_window` must be false"));
    assert!(refused("qwen3", "attention_bias", yes.clone()).contains("`attention_bias` must be false"));
    assert!(refused("qwen3", "head_dim", 7.into()).contains("pairs"));
    assert!(refused("mistral", "sliding_window", 0.into()).contains("`sliding window`"));
    assert!(refused("roberta", "pad_token_id", 0.into()).contains("`pad_token_id` must be 1, got `0`"));
    assert!(refused("bert", "is_decoder", yes).contains("`is_decoder` must be false"));
    assert!(refused("distilbert", "activation", "relu".into()).contains("`activation` must be gelu"));
}
