//! ModernBERT (Warner et al. 2024): an encoder with rotary positions and gated feed-forward layers, of whose blocks every third
//! sees whole rows and the others a window. Nothing has a bias. What predicts masked tokens or classifies is left out.

use super::llama::RopeConfig;
use super::{Family, Piece, Stored, activation, from_config, in_layer, must, name_of_activation};
use crate::models::ModelError;
use crate::models::arch::{Arch, Entry, MAX_CONTEXT, ModernConfig, Pooling};
use serde::Deserialize;
use serde_json::{Value, json};
use std::collections::BTreeMap;

pub const FAMILY: Family = Family {
    model_type: "modernbert",
    prefix: "model.",
    arch,
    pieces: |arch| arch.layout().entries.iter().map(piece).collect(),
    config,
    classes: ["ModernBertModel", "", ""],
};

/// What the turns of a kind of block are called in `rope_parameters`, and that kind in `layer_types`.
const GLOBAL: &str = "full_attention";
const LOCAL: &str = "sliding_attention";

/// What is read of `config.json`; defaults are those of `ModernBertConfig`.
#[derive(Debug, Deserialize)]
struct Config {
    vocab_size: usize,
    hidden_size: usize,
    num_hidden_layers: usize,
    num_attention_heads: usize,
    intermediate_size: usize,
    max_position_embeddings: usize,
    hidden_activation: Option<String>,
    norm_eps: Option<f32>,
    norm_bias: Option<bool>,
    attention_bias: Option<bool>,
    mlp_bias: Option<bool>,
    global_attn_every_n_layers: Option<usize>,
    /// Newer files: the kind of each block.
    layer_types: Option<Vec<String>>,
    /// Tokens of a window, half of them on either side.
    local_attention: Option<usize>,
    global_rope_theta: Option<f32>,
    local_rope_theta: Option<f32>,
    /// Newer files: both, by the kind of block.
    rope_parameters: Option<BTreeMap<String, RopeConfig>>,
    classifier_pooling: Option<String>,
}

impl Config {
    /// How fast a kind of block turns.
    fn theta(&self, kind: &str, older: Option<f32>, default: f32) -> Result<f32, ModelError> {
        let named = self.rope_parameters.as_ref().and_then(|all| all.get(kind)).cloned().unwrap_or_default();
        let rope = named.rope(Some(older.unwrap_or(default)))?;
        match rope.scaling {
            None => Ok(rope.theta),
            Some(_) => Err(must("rope_type", "default", "a scaled one")),
        }
    }

    /// Every so many-th block sees whole rows.
    fn global_every(&self) -> Result<usize, ModelError> {
        let Some(types) = &self.layer_types else { return Ok(self.global_attn_every_n_layers.unwrap_or(3)) };
        let next = types.iter().skip(1).position(|kind| kind == GLOBAL).map(|at| at + 1);
        let every = next.unwrap_or(types.len().max(self.num_hidden_layers));
        let fits = |(nth, kind): (usize, &String)| kind == if nth % every.max(1) == 0 { GLOBAL } else { LOCAL };
        if types.len() != self.num_hidden_layers || !types.iter().enumerate().all(fits) {
            let pattern =
                format!("`{GLOBAL}` every so many blocks, from the first on, and else `{LOCAL}`, one for each block");
            return Err(must("layer_types", &pattern, types.join(", ")));
        }
        Ok(every)
    }
}

fn arch(config: &[u8], _: &Stored) -> Result<Arch, ModelError> {
    let config: Config = from_config(config)?;
    let biases =
        [("norm_bias", config.norm_bias), ("attention_bias", config.attention_bias), ("mlp_bias", config.mlp_bias)];
    if let Some((field, _)) = biases.into_iter().find(|(_, set)| *set == Some(true)) {
        return Err(must(field, "false", true));
    }
    let pooling = match config.classifier_pooling.as_deref() {
        None | Some("cls") => Pooling::First,
        Some("mean") => Pooling::Mean,
        Some(other) => return Err(must("classifier_pooling", "cls or mean", other)),
    };
    Ok(Arch::Modern(ModernConfig {
        vocab: config.vocab_size,
        context: config.max_position_embeddings.min(MAX_CONTEXT),
        width: config.hidden_size,
        n_layers: config.num_hidden_layers,
        n_heads: config.num_attention_heads,
        inner: config.intermediate_size,
        activation: activation("hidden_activation", config.hidden_activation.as_deref().unwrap_or("gelu"))?,
        norm_eps: config.norm_eps.unwrap_or(1e-5),
        theta: config.theta(GLOBAL, config.global_rope_theta, 160_000.0)?,
        local_theta: config.theta(LOCAL, config.local_rope_theta, 10_000.0)?,
        global_every: config.global_every()?,
        window: config.local_attention.unwrap_or(128) / 2,
        pooling,
    }))
}

fn config(arch: &Arch) -> Option<Value> {
    let Arch::Modern(c) = arch else { return None };
    let types: Vec<&str> = (0..c.n_layers).map(|nth| if c.is_local(nth) { LOCAL } else { GLOBAL }).collect();
    let rope = |is_local: bool| RopeConfig::of(&c.rope(is_local));
    Some(json!({
        "vocab_size": c.vocab, "hidden_size": c.width, "num_hidden_layers": c.n_layers,
        "num_attention_heads": c.n_heads, "intermediate_size": c.inner, "max_position_embeddings": c.context,
        "hidden_activation": name_of_activation(c.activation), "norm_eps": c.norm_eps, "norm_bias": false,
        "attention_bias": false, "mlp_bias": false, "global_attn_every_n_layers": c.global_every, "layer_types": types,
        "local_attention": 2 * c.window, "global_rope_theta": c.theta, "local_rope_theta": c.local_theta,
        "rope_parameters": { GLOBAL: rope(false), LOCAL: rope(true) },
        "classifier_pooling": if c.pooling == Pooling::First { "cls" } else { "mean" },
        "attention_dropout": 0.0, "embedding_dropout": 0.0, "mlp_dropout": 0.0, "classifier_dropout": 0.0,
    }))
}

fn piece(entry: &Entry) -> Piece {
    let named = |name: String| Piece::new(name, &entry.shape);
    match entry.name.as_str() {
        "embed.token" => return named("embeddings.tok_embeddings.weight".into()),
        "embed.norm.weight" => return named("embeddings.norm.weight".into()),
        "norm.weight" => return named("final_norm.weight".into()),
        _ => (),
    }
    let [layer, part, kind] = in_layer(&entry.name);
    let place = match part {
        "norm1" => "attn_norm",
        "qkv" => "attn.Wqkv",
        "out" => "attn.Wo",
        "norm2" => "mlp_norm",
        "up" => "mlp.Wi",
        "down" => "mlp.Wo",
        other => other,
    };
    named(format!("layers.{layer}.{place}.{kind}"))
}
