//! Llama 2 and 3, and what has their shape, such as SmolLM2. Queries, keys and values become one matrix, and so do the
//! gate and what it opens.

use super::{Family, Stored, from_config, in_layer, must, unusable};
use crate::models::ModelError;
use crate::models::arch::{Arch, LlamaConfig, MAX_CONTEXT, Rope, Scaling};
use serde::Deserialize;

pub const FAMILY: Family =
    Family { model_type: "llama", arch: |config| arch_with(config, false), values: stored_values };

/// What is read of `config.json`.
#[derive(Debug, Deserialize)]
struct Config {
    vocab_size: usize,
    hidden_size: usize,
    num_hidden_layers: usize,
    num_attention_heads: usize,
    num_key_value_heads: Option<usize>,
    intermediate_size: usize,
    max_position_embeddings: usize,
    hidden_act: String,
    rms_norm_eps: f32,
    head_dim: Option<usize>,
    rope_theta: Option<f32>,
    /// Where turns are slowed down.
    rope_scaling: Option<RopeConfig>,
    /// Newer files: both in one.
    rope_parameters: Option<RopeConfig>,
    tie_word_embeddings: Option<bool>,
    attention_bias: Option<bool>,
    mlp_bias: Option<bool>,
    use_sliding_window: Option<bool>,
}

/// The published defaults where a file names none (`LlamaConfig`, `Qwen2Config`).
const THETA: f32 = 10_000.0;

#[derive(Debug, Clone, Default, Deserialize)]
struct RopeConfig {
    rope_theta: Option<f32>,
    /// `type` in older files.
    #[serde(alias = "type")]
    rope_type: Option<String>,
    factor: Option<f32>,
    low_freq_factor: Option<f32>,
    high_freq_factor: Option<f32>,
    original_max_position_embeddings: Option<usize>,
}

/// The architecture that a `config.json` describes, with or without a bias of queries, keys and values.
pub(super) fn arch_with(config: &[u8], qkv_bias: bool) -> Result<Arch, ModelError> {
    let config: Config = from_config(config)?;
    if config.hidden_act != "silu" {
        return Err(must("hidden_act", "silu", &config.hidden_act));
    }
    for (field, set) in [
        ("attention_bias", config.attention_bias == Some(true) && !qkv_bias),
        ("mlp_bias", config.mlp_bias == Some(true)),
        ("use_sliding_window", config.use_sliding_window == Some(true)),
    ] {
        if set {
            return Err(must(field, "false", true));
        }
    }
    let (width, n_heads) = (config.hidden_size, config.num_attention_heads);
    if let Some(head) = config.head_dim.filter(|head| head.saturating_mul(n_heads) != width) {
        return Err(must("head_dim", "hidden_size / num_attention_heads", head));
    }
    Ok(Arch::Llama(LlamaConfig {
        vocab: config.vocab_size,
        // Positions are turns, of which there is no table: a longer row than this is not meant to be read here.
        context: config.max_position_embeddings.min(MAX_CONTEXT),
        width,
        n_layers: config.num_hidden_layers,
        n_heads,
        n_kv_heads: config.num_key_value_heads.unwrap_or(n_heads),
        inner: config.intermediate_size,
        norm_eps: config.rms_norm_eps,
        rope: config.rope()?,
        qkv_bias,
        tied: config.tie_word_embeddings.unwrap_or(false),
    }))
}

impl Config {
    fn rope(&self) -> Result<Rope, ModelError> {
        let own = self.rope_parameters.as_ref().or(self.rope_scaling.as_ref()).cloned().unwrap_or_default();
        let theta = own.rope_theta.or(self.rope_theta).unwrap_or(THETA);
        let field = |name: &str| unusable("config.json", &format!("rotary scaling lacks `{name}`"));
        let factor = own.factor.ok_or_else(|| field("factor"));
        let scaling = match own.rope_type.as_deref() {
            None | Some("default") => None,
            Some("linear") => Some(Scaling::Linear { factor: factor? }),
            Some("llama3") => Some(Scaling::Llama3 {
                factor: factor?,
                low: own.low_freq_factor.ok_or_else(|| field("low_freq_factor"))?,
                high: own.high_freq_factor.ok_or_else(|| field("high_freq_factor"))?,
                original: own
                    .original_max_position_embeddings
                    .ok_or_else(|| field("original_max_position_embeddings"))?,
            }),
            Some(other) => {
                let reason = format!("rotary scaling must be default, linear or llama3, got `{other}`");
                return Err(unusable("config.json", &reason));
            }
        };
        Ok(Rope { theta, scaling })
    }
}

/// The trunk's parameters in the order of our layout. `read` is asked for `embed.token`, `embed.out`, `norm.weight`, and of
/// each layer for `{i}.norm1.weight`, `{i}.q.weight`, `{i}.k.weight`, `{i}.v.weight` (and `.bias`), `{i}.out.weight`,
/// `{i}.norm2.weight`, `{i}.gate.weight`, `{i}.up.weight` and `{i}.down.weight`, each with the shape that it must have.
pub(in crate::models) fn values(
    config: &LlamaConfig,
    mut read: impl FnMut(&str, &[usize]) -> Result<Vec<f32>, ModelError>,
) -> Result<Vec<f32>, ModelError> {
    let layout = Arch::Llama(config.clone()).layout();
    let (width, kv, inner) = (config.width, config.kv_width(), config.inner);
    let mut values = Vec::with_capacity(layout.n_params);
    for entry in &layout.entries {
        let (layer, part) = entry.name.split_once('.').unwrap_or((&entry.name, ""));
        let pieces = match part {
            "qkv.weight" | "qkv.bias" => vec![("q", width), ("k", kv), ("v", kv)],
            "up.weight" => vec![("gate", inner), ("up", inner)],
            _ => vec![],
        };
        if pieces.is_empty() {
            values.extend(read(&entry.name, &entry.shape)?);
        }
        let kind = part.rsplit('.').next().unwrap_or_default();
        for (piece, n_rows) in pieces {
            let mut shape = entry.shape.clone();
            shape.iter_mut().take(1).for_each(|rows| *rows = n_rows);
            values.extend(read(&format!("{layer}.{piece}.{kind}"), &shape)?);
        }
    }
    Ok(values)
}

/// The trunk's parameters from a checkpoint. One that predicts tokens keeps its trunk under `model.`.
pub(super) fn stored_values(arch: &Arch, stored: &Stored) -> Result<Vec<f32>, ModelError> {
    let Arch::Llama(config) = arch else { return Err(unusable("config.json", "it does not describe a Llama")) };
    let prefix = if stored.has("model.embed_tokens.weight") { "model." } else { "" };
    values(config, |piece, shape| match piece {
        "embed.out" => stored.tensor("lm_head.weight", shape),
        _ => stored.tensor(&format!("{prefix}{}", hf_name(piece)), shape),
    })
}

/// Their name for one of the pieces that [`values`] asks for, without the trunk's prefix.
fn hf_name(piece: &str) -> String {
    match piece {
        "embed.token" => return "embed_tokens.weight".into(),
        "norm.weight" => return piece.into(),
        _ => (),
    }
    let [layer, part, kind] = in_layer(piece);
    let place = match part {
        "norm1" => "input_layernorm",
        "q" => "self_attn.q_proj",
        "k" => "self_attn.k_proj",
        "v" => "self_attn.v_proj",
        "out" => "self_attn.o_proj",
        "norm2" => "post_attention_layernorm",
        "gate" => "mlp.gate_proj",
        "up" => "mlp.up_proj",
        "down" => "mlp.down_proj",
        other => other,
    };
    format!("layers.{layer}.{place}.{kind}")
}
