//! GPT-2: learned positions, a fused matrix for queries, keys and values, biases everywhere. Its linear layers are stored
//! `[in, out]`.

use super::{Family, Form, Piece, Stored, activation, from_config, in_layer, must, name_of_activation};
use crate::models::ModelError;
use crate::models::arch::{Arch, CausalConfig, Entry};
use serde::Deserialize;
use serde_json::json;

pub const FAMILY: Family = Family {
    model_type: "gpt2",
    prefix: "transformer.",
    arch,
    pieces: |arch| arch.layout().entries.iter().map(piece).collect(),
    config,
    classes: ["GPT2Model", "GPT2LMHeadModel", "GPT2ForSequenceClassification"],
};

/// What is read of `config.json`; defaults are those of `GPT2Config`.
#[derive(Debug, Deserialize)]
struct Config {
    vocab_size: usize,
    n_positions: usize,
    n_embd: usize,
    n_layer: usize,
    n_head: usize,
    n_inner: Option<usize>,
    #[serde(default = "gelu_new")]
    activation_function: String,
    #[serde(default = "eps")]
    layer_norm_epsilon: f32,
    scale_attn_weights: Option<bool>,
    scale_attn_by_inverse_layer_idx: Option<bool>,
    tie_word_embeddings: Option<bool>,
}

fn gelu_new() -> String {
    "gelu_new".to_owned()
}

fn eps() -> f32 {
    1e-5
}

fn arch(config: &[u8], _: &Stored) -> Result<Arch, ModelError> {
    let config: Config = from_config(config)?;
    for (field, value, needed) in [
        ("scale_attn_weights", config.scale_attn_weights, true),
        ("scale_attn_by_inverse_layer_idx", config.scale_attn_by_inverse_layer_idx, false),
        ("tie_word_embeddings", config.tie_word_embeddings, true),
    ] {
        if let Some(got) = value.filter(|got| *got != needed) {
            return Err(must(field, &needed.to_string(), got));
        }
    }
    Ok(Arch::Causal(CausalConfig {
        vocab: config.vocab_size,
        context: config.n_positions,
        width: config.n_embd,
        n_layers: config.n_layer,
        n_heads: config.n_head,
        inner: config.n_inner.unwrap_or(config.n_embd.saturating_mul(4)),
        activation: activation("activation_function", &config.activation_function)?,
        norm_eps: config.layer_norm_epsilon,
    }))
}

fn config(arch: &Arch) -> Option<serde_json::Value> {
    let Arch::Causal(c) = arch else { return None };
    Some(json!({
        "vocab_size": c.vocab, "n_positions": c.context, "n_embd": c.width, "n_layer": c.n_layers, "n_head": c.n_heads,
        "n_inner": c.inner, "activation_function": name_of_activation(c.activation), "layer_norm_epsilon": c.norm_eps,
        "resid_pdrop": 0.0, "embd_pdrop": 0.0, "attn_pdrop": 0.0, "tie_word_embeddings": true,
    }))
}

fn piece(entry: &Entry) -> Piece {
    let named = |name: String| Piece::new(name, &entry.shape);
    match entry.name.as_str() {
        "embed.token" => return named("wte.weight".into()),
        "embed.position" => return named("wpe.weight".into()),
        "norm.weight" | "norm.bias" => return named(entry.name.replace("norm", "ln_f")),
        _ => (),
    }
    let [layer, part, kind] = in_layer(&entry.name);
    let place = match part {
        "norm1" => "ln_1",
        "qkv" => "attn.c_attn",
        "out" => "attn.c_proj",
        "norm2" => "ln_2",
        "up" => "mlp.c_fc",
        "down" => "mlp.c_proj",
        other => other,
    };
    let piece = named(format!("h.{layer}.{place}.{kind}"));
    if entry.shape.len() > 1 { piece.in_form(Form::Turned) } else { piece }
}
