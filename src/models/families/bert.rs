//! BERT: learned positions and token types, norms behind each half of a block, no head of its own here.
//!
//! Query, key and value become one matrix; the pooler and task heads are left out. The encoders that descend from it share
//! [`Config`] and [`pieces_with`].

use super::{Family, Form, Piece, Stored, activation, from_config, in_layer, must, name_of_activation, unusable};
use crate::models::ModelError;
use crate::models::arch::{Arch, BertConfig, Pooling};
use serde::Deserialize;
use serde_json::{Value, json};

pub const FAMILY: Family = Family {
    model_type: "bert",
    prefix: "bert.",
    arch,
    pieces: |arch| pieces_with(arch, 0, name_of),
    // A RoBERTa is a BERT once its positions are counted from 0.
    config: |arch| match arch {
        Arch::Bert(c) if !c.relative && c.n_token_types > 0 => Some(config_of(c, 0)),
        _ => None,
    },
    classes: ["BertModel", "", ""],
};

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
    pub pad_token_id: Option<usize>,
    pub is_decoder: Option<bool>,
}

fn absolute() -> String {
    "absolute".to_owned()
}

impl Config {
    /// The encoder that it describes, without token types and with absolute positions alone. `n_before` rows of the table of
    /// positions are no token's.
    pub fn encoder(&self, n_before: usize) -> Result<BertConfig, ModelError> {
        if self.position_embedding_type != "absolute" {
            return Err(must("position_embedding_type", "absolute", &self.position_embedding_type));
        }
        if self.is_decoder == Some(true) {
            return Err(must("is_decoder", "false", true));
        }
        Ok(BertConfig {
            vocab: self.vocab_size,
            context: self.max_position_embeddings.saturating_sub(n_before),
            width: self.hidden_size,
            n_layers: self.num_hidden_layers,
            n_heads: self.num_attention_heads,
            inner: self.intermediate_size,
            activation: activation("hidden_act", &self.hidden_act)?,
            norm_eps: self.layer_norm_eps,
            n_token_types: 0,
            relative: false,
            pooling: Pooling::Mean,
        })
    }

    /// How many rows of token types there are; a file must say it.
    pub fn token_types(&self) -> Result<usize, ModelError> {
        self.type_vocab_size.ok_or_else(|| unusable("config.json", "missing field `type_vocab_size`"))
    }
}

fn arch(config: &[u8], _: &Stored) -> Result<Arch, ModelError> {
    let config: Config = from_config(config)?;
    Ok(Arch::Bert(BertConfig { n_token_types: config.token_types()?, ..config.encoder(0)? }))
}

/// What a `config.json` says of this encoder, as BERT has it.
pub(super) fn config_of(c: &BertConfig, n_before: usize) -> Value {
    json!({
        "vocab_size": c.vocab, "hidden_size": c.width, "num_hidden_layers": c.n_layers,
        "num_attention_heads": c.n_heads, "intermediate_size": c.inner,
        "max_position_embeddings": c.context + n_before, "type_vocab_size": c.n_token_types,
        "hidden_act": name_of_activation(c.activation), "layer_norm_eps": c.norm_eps,
        "hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0,
    })
}

/// The tensors of an encoder's checkpoint; `name_of` names the parts of a block.
pub(super) fn pieces_with(arch: &Arch, n_before: usize, name_of: fn(&str) -> &str) -> Vec<Piece> {
    let mut pieces = Vec::new();
    for entry in arch.layout().entries {
        let one = |name: &str| Piece::new(name, &entry.shape);
        let [layer, part, kind] = in_layer(&entry.name);
        match entry.name.as_str() {
            "embed.token" => pieces.push(one("embeddings.word_embeddings.weight")),
            "embed.position" => {
                let piece = one("embeddings.position_embeddings.weight");
                pieces.push(if n_before > 0 { piece.in_form(Form::Behind(n_before)) } else { piece });
            }
            "embed.type" => pieces.push(one("embeddings.token_type_embeddings.weight")),
            "embed.relative" => pieces.push(one("encoder.relative_attention_bias.weight")),
            "embed.norm.weight" | "embed.norm.bias" => {
                pieces.push(one(&entry.name.replace("embed.norm", "embeddings.LayerNorm")));
            }
            _ if part == "qkv" => {
                let mut shape = entry.shape.clone();
                shape.iter_mut().take(1).for_each(|rows| *rows /= 3);
                let named = |part| Piece::new(format!("{}.{kind}", name_of(part).replace('#', layer)), &shape);
                pieces.extend(["q", "k", "v"].map(named));
            }
            _ => pieces.push(one(&format!("{}.{kind}", name_of(part).replace('#', layer)))),
        }
    }
    pieces
}

/// BERT's name for a part of block `#`.
fn name_of(part: &str) -> &str {
    match part {
        "q" => "encoder.layer.#.attention.self.query",
        "k" => "encoder.layer.#.attention.self.key",
        "v" => "encoder.layer.#.attention.self.value",
        "out" => "encoder.layer.#.attention.output.dense",
        "norm1" => "encoder.layer.#.attention.output.LayerNorm",
        other => behind_attention(other),
    }
}

/// The same for what BERT and MPNet call alike.
pub(super) fn behind_attention(part: &str) -> &str {
    match part {
        "up" => "encoder.layer.#.intermediate.dense",
        "down" => "encoder.layer.#.output.dense",
        "norm2" => "encoder.layer.#.output.LayerNorm",
        other => other,
    }
}

/// The pieces of a family whose blocks have BERT's names.
pub(super) fn pieces(arch: &Arch, n_before: usize) -> Vec<Piece> {
    pieces_with(arch, n_before, name_of)
}
