//! GPT-NeoX, such as Pythia: rotary positions for a part of each head, attention and feed-forward layer side by side, a
//! matrix of its own that reads next tokens. The rows of queries, keys and values are stored head by head.

use super::llama::{RopeConfig, reads_tokens};
use super::{Family, Form, Piece, Stored, activation, from_config, in_layer, must, name_of_activation};
use crate::models::ModelError;
use crate::models::arch::{Arch, Entry, MAX_CONTEXT, NeoxConfig};
use serde::Deserialize;
use serde_json::json;

pub const FAMILY: Family = Family {
    model_type: "gpt_neox",
    prefix: "gpt_neox.",
    arch,
    pieces: |arch| arch.layout().entries.iter().map(|entry| piece(arch.n_heads(), entry)).collect(),
    config,
    classes: ["GPTNeoXModel", "GPTNeoXForCausalLM", "GPTNeoXForSequenceClassification"],
};

/// What is read of `config.json`; defaults are those of `GPTNeoXConfig`.
#[derive(Debug, Deserialize)]
struct Config {
    vocab_size: usize,
    hidden_size: usize,
    num_hidden_layers: usize,
    num_attention_heads: usize,
    intermediate_size: usize,
    max_position_embeddings: usize,
    hidden_act: String,
    #[serde(default = "eps")]
    layer_norm_eps: f32,
    rotary_pct: Option<f64>,
    rotary_emb_base: Option<f32>,
    rope_scaling: Option<RopeConfig>,
    rope_parameters: Option<RopeConfig>,
    use_parallel_residual: Option<bool>,
    attention_bias: Option<bool>,
    tie_word_embeddings: Option<bool>,
}

fn eps() -> f32 {
    1e-5
}

/// What a tensor that reads next tokens is called.
const HEAD: &str = "embed_out.weight";

fn arch(config: &[u8], stored: &Stored) -> Result<Arch, ModelError> {
    let config: Config = from_config(config)?;
    if config.attention_bias == Some(false) {
        return Err(must("attention_bias", "true", false));
    }
    let head = config.hidden_size / config.num_attention_heads.max(1);
    let rope = config.rope_parameters.or(config.rope_scaling).unwrap_or_default();
    // The published defaults.
    let part = rope.partial_rotary_factor.or(config.rotary_pct).unwrap_or(0.25);
    let (tied, headless) = reads_tokens(config.tie_word_embeddings.unwrap_or(false), HEAD, stored);
    Ok(Arch::Neox(NeoxConfig {
        vocab: config.vocab_size,
        context: config.max_position_embeddings.min(MAX_CONTEXT),
        width: config.hidden_size,
        n_layers: config.num_hidden_layers,
        n_heads: config.num_attention_heads,
        inner: config.intermediate_size,
        activation: activation("hidden_act", &config.hidden_act)?,
        norm_eps: config.layer_norm_eps,
        rope: rope.rope(config.rotary_emb_base)?,
        n_turned: (head as f64 * part) as usize,
        parallel: config.use_parallel_residual.unwrap_or(true),
        tied,
        headless,
    }))
}

fn config(arch: &Arch) -> Option<serde_json::Value> {
    let Arch::Neox(c) = arch else { return None };
    let part = c.n_turned as f64 / c.head().max(1) as f64;
    let mut rope = RopeConfig::of(&c.rope);
    rope.partial_rotary_factor = Some(part);
    Some(json!({
        "vocab_size": c.vocab, "hidden_size": c.width, "num_hidden_layers": c.n_layers,
        "num_attention_heads": c.n_heads, "intermediate_size": c.inner, "max_position_embeddings": c.context,
        "hidden_act": name_of_activation(c.activation), "layer_norm_eps": c.norm_eps, "rotary_pct": part,
        "rotary_emb_base": c.rope.theta, "rope_parameters": rope, "use_parallel_residual": c.parallel,
        "attention_bias": true, "tie_word_embeddings": c.tied && !c.headless,
        "hidden_dropout": 0.0, "attention_dropout": 0.0,
    }))
}

fn piece(n_heads: usize, entry: &Entry) -> Piece {
    let named = |name: String| Piece::new(name, &entry.shape);
    match entry.name.as_str() {
        "embed.token" => return named("embed_in.weight".into()),
        "embed.out" => return Piece::of_head(HEAD, entry),
        "norm.weight" | "norm.bias" => return named(entry.name.replace("norm", "final_layer_norm")),
        _ => (),
    }
    let [layer, part, kind] = in_layer(&entry.name);
    let place = match part {
        "norm1" => "input_layernorm",
        "qkv" => "attention.query_key_value",
        "out" => "attention.dense",
        "norm2" => "post_attention_layernorm",
        "up" => "mlp.dense_h_to_4h",
        "down" => "mlp.dense_4h_to_h",
        other => other,
    };
    let piece = named(format!("layers.{layer}.{place}.{kind}"));
    if part == "qkv" { piece.in_form(Form::Heads { n_heads, n_parts: 3 }) } else { piece }
}
