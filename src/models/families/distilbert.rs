//! DistilBERT: a BERT without token types, under names of its own.

use super::bert::pieces_with;
use super::{Family, Stored, activation, from_config, name_of_activation};
use crate::models::ModelError;
use crate::models::arch::{Arch, BertConfig, Pooling};
use serde::Deserialize;
use serde_json::json;

pub const FAMILY: Family = Family {
    model_type: "distilbert",
    prefix: "distilbert.",
    arch,
    pieces: |arch| pieces_with(arch, 0, name_of),
    config: |arch| match arch {
        Arch::Bert(c) if !c.relative && c.n_token_types == 0 && c.norm_eps == EPS => Some(json!({
            "vocab_size": c.vocab, "dim": c.width, "n_layers": c.n_layers, "n_heads": c.n_heads,
            "hidden_dim": c.inner, "max_position_embeddings": c.context,
            "activation": name_of_activation(c.activation), "dropout": 0.0, "attention_dropout": 0.0,
        })),
        _ => None,
    },
    classes: ["DistilBertModel", "", ""],
};

/// That of its norms, which no file states.
const EPS: f32 = 1e-12;

/// What is read of `config.json`.
#[derive(Debug, Deserialize)]
struct Config {
    vocab_size: usize,
    dim: usize,
    n_layers: usize,
    n_heads: usize,
    hidden_dim: usize,
    max_position_embeddings: usize,
    activation: String,
}

fn arch(config: &[u8], _: &Stored) -> Result<Arch, ModelError> {
    let config: Config = from_config(config)?;
    Ok(Arch::Bert(BertConfig {
        vocab: config.vocab_size,
        context: config.max_position_embeddings,
        width: config.dim,
        n_layers: config.n_layers,
        n_heads: config.n_heads,
        inner: config.hidden_dim,
        activation: activation("activation", &config.activation)?,
        norm_eps: EPS,
        n_token_types: 0,
        relative: false,
        pooling: Pooling::Mean,
    }))
}

/// Its name for a part of block `#`.
fn name_of(part: &str) -> &str {
    match part {
        "q" => "transformer.layer.#.attention.q_lin",
        "k" => "transformer.layer.#.attention.k_lin",
        "v" => "transformer.layer.#.attention.v_lin",
        "out" => "transformer.layer.#.attention.out_lin",
        "norm1" => "transformer.layer.#.sa_layer_norm",
        "up" => "transformer.layer.#.ffn.lin1",
        "down" => "transformer.layer.#.ffn.lin2",
        "norm2" => "transformer.layer.#.output_layer_norm",
        other => other,
    }
}
