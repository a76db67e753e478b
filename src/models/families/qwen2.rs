//! Qwen2 and Qwen2.5: a Llama whose queries, keys and values have a bias.

use super::Family;
use super::llama::{self, Dialect};
use crate::models::arch::{Arch, Changes};

pub const FAMILY: Family = Family {
    model_type: "qwen2",
    prefix: llama::PREFIX,
    arch: |config, stored| llama::arch_with(config, stored, Dialect { qkv_bias: true, ..Dialect::default() }),
    pieces: |arch| llama::pieces_with(arch, llama::name_of),
    config: |arch| match arch {
        Arch::Llama(c) => {
            let headless = Changes { headless: c.changes.headless, ..Changes::default() };
            (c.qkv_bias && c.changes == headless).then(|| llama::config_of(c))
        }
        _ => None,
    },
    classes: ["Qwen2Model", "Qwen2ForCausalLM", "Qwen2ForSequenceClassification"],
};
