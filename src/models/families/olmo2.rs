//! OLMo-2: a Llama whose norms follow attention and the feed-forward layer, and which normalises the queries of all heads
//! together, and the keys.

use super::Family;
use super::llama::{self, Dialect};
use crate::models::arch::{Arch, Changes, QkNorm};

pub const FAMILY: Family = Family {
    model_type: "olmo2",
    prefix: llama::PREFIX,
    arch: |config, stored| llama::arch_with(config, stored, DIALECT),
    pieces: |arch| llama::pieces_with(arch, name_of),
    config: |arch| match arch {
        Arch::Llama(c) => {
            let own = Changes { headless: c.changes.headless, ..DIALECT.changes };
            (!c.qkv_bias && c.changes == own).then(|| llama::config_of(c))
        }
        _ => None,
    },
    classes: ["Olmo2Model", "Olmo2ForCausalLM", "Olmo2ForSequenceClassification"],
};

const DIALECT: Dialect = Dialect {
    qkv_bias: false,
    changes: Changes { head: None, qk_norm: QkNorm::Whole, norm_after: true, window: None, headless: false },
    head: None,
    window: false,
};

/// Its name for a part of a block: the norms are called after what they follow.
fn name_of(part: &str) -> &str {
    match part {
        "norm1" => "post_attention_layernorm",
        "norm2" => "post_feedforward_layernorm",
        other => llama::name_of(other),
    }
}
