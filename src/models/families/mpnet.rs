//! MPNet: a BERT without token types whose attention adds a number for the distance between query and key.
//!
//! It counts positions from 2, after that of padding: the first two rows of its table are left out.

use super::bert::{Config, behind_attention, config_of, pieces_with};
use super::{Family, Stored, from_config, must};
use crate::kernels::attention::relative::BUCKETS;
use crate::models::ModelError;
use crate::models::arch::{Arch, BertConfig};
use serde_json::json;

pub const FAMILY: Family = Family {
    model_type: "mpnet",
    prefix: "mpnet.",
    arch,
    pieces: |arch| pieces_with(arch, POSITIONS_BEFORE, name_of),
    config: |arch| match arch {
        Arch::Bert(c) if c.relative && c.n_token_types == 0 => {
            let mut config = config_of(c, POSITIONS_BEFORE);
            config["relative_attention_num_buckets"] = json!(BUCKETS);
            config["pad_token_id"] = json!(1);
            Some(config)
        }
        _ => None,
    },
    classes: ["MPNetModel", "", ""],
};

/// Rows of the position embeddings before that of a row's first token: padding is 1, and counting goes on from there.
const POSITIONS_BEFORE: usize = 2;

fn arch(config: &[u8], _: &Stored) -> Result<Arch, ModelError> {
    let config: Config = from_config(config)?;
    let buckets = config.relative_attention_num_buckets.unwrap_or(BUCKETS);
    if buckets != BUCKETS {
        return Err(must("relative_attention_num_buckets", &BUCKETS.to_string(), buckets));
    }
    Ok(Arch::Bert(BertConfig { relative: true, ..config.encoder(POSITIONS_BEFORE)? }))
}

/// Its name for a part of block `#`.
fn name_of(part: &str) -> &str {
    match part {
        "q" => "encoder.layer.#.attention.attn.q",
        "k" => "encoder.layer.#.attention.attn.k",
        "v" => "encoder.layer.#.attention.attn.v",
        "out" => "encoder.layer.#.attention.attn.o",
        "norm1" => "encoder.layer.#.attention.LayerNorm",
        other => behind_attention(other),
    }
}
