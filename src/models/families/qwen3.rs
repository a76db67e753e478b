//! Qwen3: a Llama that normalises queries and keys head by head, with heads of a width of their own.

use super::Family;
use super::llama::{self, Dialect};
use crate::models::arch::{Arch, Changes, QkNorm};

pub const FAMILY: Family = Family {
    model_type: "qwen3",
    prefix: llama::PREFIX,
    arch: |config, stored| llama::arch_with(config, stored, DIALECT),
    pieces: |arch| llama::pieces_with(arch, llama::name_of),
    config: |arch| match arch {
        Arch::Llama(c) => {
            let Changes { head, headless, .. } = c.changes;
            let own = Changes { head, headless, ..DIALECT.changes };
            (!c.qkv_bias && c.changes == own).then(|| llama::config_of(c))
        }
        _ => None,
    },
    classes: ["Qwen3Model", "Qwen3ForCausalLM", "Qwen3ForSequenceClassification"],
};

const DIALECT: Dialect = Dialect {
    qkv_bias: false,
    changes: Changes { head: None, qk_norm: QkNorm::Heads, norm_after: false, window: None, headless: false },
    // The default of `Qwen3Config`.
    head: Some(128),
    window: false,
};
