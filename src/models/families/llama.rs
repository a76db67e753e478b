//! Llama 2 and 3, and what has their shape, such as SmolLM2. Queries, keys and values become one matrix, and so do the
//! gate and what it opens. The families that changed this block name their differences in a [`Dialect`].

use super::{Family, Piece, Stored, from_config, in_layer, must, unusable};
use crate::models::ModelError;
use crate::models::arch::{Arch, Changes, LlamaConfig, MAX_CONTEXT, Rope, Scaling};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

pub const FAMILY: Family = Family {
    model_type: "llama",
    prefix: PREFIX,
    arch: |config, stored| arch_with(config, stored, Dialect::default()),
    pieces: |arch| pieces_with(arch, name_of),
    config: |arch| match arch {
        Arch::Llama(c) if !c.qkv_bias && c.changes == plain(&c.changes) => Some(config_of(c)),
        _ => None,
    },
    classes: ["LlamaModel", "LlamaForCausalLM", "LlamaForSequenceClassification"],
};

/// What stands before the trunk's names in a checkpoint that predicts tokens.
pub(super) const PREFIX: &str = "model.";
/// What a tensor that reads next tokens is called.
const HEAD: &str = "lm_head.weight";

/// How a family differs from Llama.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Dialect {
    /// Whether queries, keys and values have a bias.
    pub qkv_bias: bool,
    /// What it changed in the block, but for what the file says.
    pub changes: Changes,
    /// Features of a head where `config.json` names none, instead of `hidden_size / num_attention_heads`.
    pub head: Option<usize>,
    /// Whether `sliding_window` is in force wherever it is a number.
    pub window: bool,
}

/// What of these changes a Llama's `config.json` can say.
fn plain(changes: &Changes) -> Changes {
    Changes { head: changes.head, headless: changes.headless, ..Changes::default() }
}

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
    sliding_window: Option<usize>,
}

/// The published defaults where a file names none (`LlamaConfig`, `Qwen2Config`).
const THETA: f32 = 10_000.0;

/// How queries and keys turn.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(super) struct RopeConfig {
    #[serde(skip_serializing_if = "Option::is_none")]
    rope_theta: Option<f32>,
    /// `type` in older files.
    #[serde(alias = "type", skip_serializing_if = "Option::is_none")]
    rope_type: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    factor: Option<f32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    low_freq_factor: Option<f32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    high_freq_factor: Option<f32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    original_max_position_embeddings: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub partial_rotary_factor: Option<f64>,
}

/// The architecture that a `config.json` describes.
pub(super) fn arch_with(config: &[u8], stored: &Stored, dialect: Dialect) -> Result<Arch, ModelError> {
    let config: Config = from_config(config)?;
    if config.hidden_act != "silu" {
        return Err(must("hidden_act", "silu", &config.hidden_act));
    }
    for (field, set) in [
        ("attention_bias", config.attention_bias == Some(true) && !dialect.qkv_bias),
        ("mlp_bias", config.mlp_bias == Some(true)),
        ("use_sliding_window", config.use_sliding_window == Some(true)),
    ] {
        if set {
            return Err(must(field, "false", true));
        }
    }
    let (width, n_heads) = (config.hidden_size, config.num_attention_heads);
    let head = config.head_dim.or(dialect.head).filter(|head| head.saturating_mul(n_heads) != width);
    let window = config.sliding_window.filter(|_| dialect.window);
    let (tied, headless) = reads_tokens(config.tie_word_embeddings.unwrap_or(false), HEAD, stored);
    let rope = config.rope_parameters.or(config.rope_scaling).unwrap_or_default();
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
        rope: rope.rope(config.rope_theta)?,
        qkv_bias: dialect.qkv_bias,
        tied,
        changes: Changes { head, window, headless, ..dialect.changes },
    }))
}

/// Whether next tokens are read by the token embedding, and whether they cannot be read at all: a trunk that was saved
/// without its head says that they are not read by the embedding, and has nothing else.
pub(super) fn reads_tokens(tied: bool, head: &str, stored: &Stored) -> (bool, bool) {
    let headless = !tied && !stored.has(head);
    (tied || headless, headless)
}

/// What a `config.json` says of this architecture, as Llama has it; other families add to it.
pub(super) fn config_of(c: &LlamaConfig) -> Value {
    json!({
        "vocab_size": c.vocab, "hidden_size": c.width, "num_hidden_layers": c.n_layers,
        "num_attention_heads": c.n_heads, "num_key_value_heads": c.n_kv_heads, "head_dim": c.head(),
        "intermediate_size": c.inner, "max_position_embeddings": c.context, "hidden_act": "silu",
        "rms_norm_eps": c.norm_eps, "rope_parameters": RopeConfig::of(&c.rope), "rope_theta": c.rope.theta,
        "tie_word_embeddings": c.tied && !c.changes.headless, "attention_bias": false, "mlp_bias": false,
        "attention_dropout": 0.0,
    })
}

impl RopeConfig {
    /// The turns that it describes; `theta` is what the file names outside of it.
    pub fn rope(&self, theta: Option<f32>) -> Result<Rope, ModelError> {
        let theta = self.rope_theta.or(theta).unwrap_or(THETA);
        let field = |name: &str| unusable("config.json", &format!("rotary scaling lacks `{name}`"));
        let factor = self.factor.ok_or_else(|| field("factor"));
        let scaling = match self.rope_type.as_deref() {
            None | Some("default") => None,
            Some("linear") => Some(Scaling::Linear { factor: factor? }),
            Some("llama3") => Some(Scaling::Llama3 {
                factor: factor?,
                low: self.low_freq_factor.ok_or_else(|| field("low_freq_factor"))?,
                high: self.high_freq_factor.ok_or_else(|| field("high_freq_factor"))?,
                original: self
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

    /// The description of these turns.
    pub fn of(rope: &Rope) -> RopeConfig {
        let mut config = RopeConfig { rope_theta: Some(rope.theta), ..RopeConfig::default() };
        let kind = match rope.scaling {
            None => "default",
            Some(Scaling::Linear { factor }) => {
                config.factor = Some(factor);
                "linear"
            }
            Some(Scaling::Llama3 { factor, low, high, original }) => {
                (config.factor, config.low_freq_factor, config.high_freq_factor) =
                    (Some(factor), Some(low), Some(high));
                config.original_max_position_embeddings = Some(original);
                "llama3"
            }
        };
        config.rope_type = Some(kind.to_owned());
        config
    }
}

/// The pieces of the parameters in the order of our layout, each with its shape: `embed.token`, `embed.out`, `norm.weight`,
/// and of each layer `{i}.norm1.weight`, `{i}.q.weight`, `{i}.k.weight`, `{i}.v.weight` (and `.bias`), `{i}.q_norm.weight`,
/// `{i}.k_norm.weight`, `{i}.out.weight`, `{i}.norm2.weight`, `{i}.gate.weight`, `{i}.up.weight` and `{i}.down.weight`.
fn pieces(config: &LlamaConfig) -> Vec<(String, Vec<usize>)> {
    let layout = Arch::Llama(config.clone()).layout();
    let (q, kv, inner) = (config.q_width(), config.kv_width(), config.inner);
    let mut pieces = Vec::new();
    for entry in layout.entries {
        let [layer, part, kind] = in_layer(&entry.name);
        let parts = match part {
            "qkv" => vec![("q", q), ("k", kv), ("v", kv)],
            "up" => vec![("gate", inner), ("up", inner)],
            _ => vec![],
        };
        for (part, n_rows) in &parts {
            let mut shape = entry.shape.clone();
            shape.iter_mut().take(1).for_each(|rows| *rows = *n_rows);
            pieces.push((format!("{layer}.{part}.{kind}"), shape));
        }
        if parts.is_empty() {
            pieces.push((entry.name, entry.shape));
        }
    }
    pieces
}

/// The trunk's parameters in the order of our layout. `read` is asked for each of its pieces, with the shape that it must
/// have.
pub(in crate::models) fn values(
    config: &LlamaConfig,
    mut read: impl FnMut(&str, &[usize]) -> Result<Vec<f32>, ModelError>,
) -> Result<Vec<f32>, ModelError> {
    let mut values = Vec::with_capacity(Arch::Llama(config.clone()).layout().n_params);
    for (piece, shape) in pieces(config) {
        values.extend(read(&piece, &shape)?);
    }
    Ok(values)
}

/// The tensors of a checkpoint, whose parts of a block are called as `name_of` says.
pub(super) fn pieces_with(arch: &Arch, name_of: fn(&str) -> &str) -> Vec<Piece> {
    let Arch::Llama(config) = arch else { return Vec::new() };
    let named = |(piece, shape): (String, Vec<usize>)| {
        let [layer, part, kind] = in_layer(&piece);
        match piece.as_str() {
            "embed.token" => Piece::new("embed_tokens.weight", &shape),
            "embed.out" => Piece { in_trunk: false, ..Piece::new(HEAD, &shape) },
            "norm.weight" => Piece::new(piece, &shape),
            _ => Piece::new(format!("layers.{layer}.{}.{kind}", name_of(part)), &shape),
        }
    };
    pieces(config).into_iter().map(named).collect()
}

/// Their name for a part of a block.
pub(super) fn name_of(part: &str) -> &str {
    match part {
        "norm1" => "input_layernorm",
        "q" => "self_attn.q_proj",
        "k" => "self_attn.k_proj",
        "v" => "self_attn.v_proj",
        "q_norm" => "self_attn.q_norm",
        "k_norm" => "self_attn.k_norm",
        "out" => "self_attn.o_proj",
        "norm2" => "post_attention_layernorm",
        "gate" => "mlp.gate_proj",
        "up" => "mlp.up_proj",
        "down" => "mlp.down_proj",
        other => other,
    }
}
