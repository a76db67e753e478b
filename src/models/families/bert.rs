//! BERT: learned positions and token types, norms behind each half of a block, no head of its own here.
//!
//! Query, key and value become one matrix; the pooler and task heads are left out.

use super::{Family, Stored, from_config, in_layer, must, unusable};
use crate::models::ModelError;
use crate::models::arch::{Activation, Arch, BertConfig};
use serde::Deserialize;

pub const FAMILY: Family = Family { model_type: "bert", arch, values };

/// What is read of `config.json`, of BERT and of what descends from it.
#[derive(Debug, Deserialize)]
pub(super) struct Config {
    pub vocab_size: usize,
    pub hidden_size: usize,
    pub num_hidden_layers: usize,
    pub num_attention_heads: usize,
    pub intermediate_size: usize,
    pub max_position_embeddings: usize,
    pub type_vocab_size: Option<usize>,
    pub hidden_act: String,
    pub layer_norm_eps: f32,
    #[serde(default = "absolute")]
    pub position_embedding_type: String,
    pub relative_attention_num_buckets: Option<usize>,
}

fn absolute() -> String {
    "absolute".to_owned()
}

impl Config {
    /// The encoder that it describes, without token types and with absolute positions alone.
    pub fn encoder(&self) -> Result<BertConfig, ModelError> {
        if self.position_embedding_type != "absolute" {
            return Err(must("position_embedding_type", "absolute", &self.position_embedding_type));
        }
        let activation = match self.hidden_act.as_str() {
            "gelu" => Activation::GeluErf,
            "gelu_new" | "gelu_pytorch_tanh" => Activation::GeluTanh,
            other => return Err(must("hidden_act", "gelu or gelu_new", other)),
        };
        Ok(BertConfig {
            vocab: self.vocab_size,
            context: self.max_position_embeddings,
            width: self.hidden_size,
            n_layers: self.num_hidden_layers,
            n_heads: self.num_attention_heads,
            inner: self.intermediate_size,
            activation,
            norm_eps: self.layer_norm_eps,
            n_token_types: 0,
            relative: false,
        })
    }
}

fn arch(config: &[u8]) -> Result<Arch, ModelError> {
    let config: Config = from_config(config)?;
    let missing = || unusable("config.json", "missing field `type_vocab_size`");
    let n_token_types = config.type_vocab_size.ok_or_else(missing)?;
    Ok(Arch::Bert(BertConfig { n_token_types, ..config.encoder()? }))
}

fn values(arch: &Arch, stored: &Stored) -> Result<Vec<f32>, ModelError> {
    let read = reader(stored, "bert");
    let mut values = Vec::new();
    for entry in &arch.layout().entries {
        match entry.name.split_once(".qkv.") {
            Some((layer, kind)) => {
                let part = |part| format!("encoder.layer.{layer}.attention.self.{part}.{kind}");
                values.extend(stacked(&read, ["query", "key", "value"].map(part), &entry.shape)?);
            }
            None => values.extend(read(&name_of(&entry.name), &entry.shape)?),
        }
    }
    Ok(values)
}

/// Reads tensors by their name in an encoder. A checkpoint of a task model keeps its encoder under its `kind`; old ones
/// call a norm's numbers gamma and beta.
pub(super) fn reader<'a>(
    stored: &'a Stored,
    kind: &str,
) -> impl Fn(&str, &[usize]) -> Result<Vec<f32>, ModelError> + use<'a> {
    let prefix = format!("{kind}.");
    let has_prefix = stored.has(&format!("{prefix}embeddings.word_embeddings.weight"));
    let prefix = if has_prefix { prefix } else { String::new() };
    move |name, shape| {
        let name = format!("{prefix}{name}");
        let old = name.replace("LayerNorm.weight", "LayerNorm.gamma").replace("LayerNorm.bias", "LayerNorm.beta");
        stored.tensor(if stored.has(&name) || !stored.has(&old) { &name } else { &old }, shape)
    }
}

/// Three matrices of one size below each other; `shape` is that of all three together.
pub(super) fn stacked(
    read: impl Fn(&str, &[usize]) -> Result<Vec<f32>, ModelError>,
    names: [String; 3],
    shape: &[usize],
) -> Result<Vec<f32>, ModelError> {
    let mut one = shape.to_vec();
    one.iter_mut().take(1).for_each(|rows| *rows /= 3);
    let mut values = Vec::new();
    for name in names {
        values.extend(read(&name, &one)?);
    }
    Ok(values)
}

/// BERT's name for one of our tensors that is not stacked.
pub(super) fn name_of(name: &str) -> String {
    match name {
        "embed.token" => return "embeddings.word_embeddings.weight".into(),
        "embed.position" => return "embeddings.position_embeddings.weight".into(),
        "embed.type" => return "embeddings.token_type_embeddings.weight".into(),
        "embed.norm.weight" => return "embeddings.LayerNorm.weight".into(),
        "embed.norm.bias" => return "embeddings.LayerNorm.bias".into(),
        _ => (),
    }
    let [layer, part, kind] = in_layer(name);
    let place = match part {
        "out" => "attention.output.dense",
        "norm1" => "attention.output.LayerNorm",
        "up" => "intermediate.dense",
        "down" => "output.dense",
        "norm2" => "output.LayerNorm",
        other => other,
    };
    format!("encoder.layer.{layer}.{place}.{kind}")
}
