//! Mistral: a Llama whose queries see the tokens of a window (version 0.1; later ones have none).

use super::Family;
use super::llama::{self, Dialect};
use crate::models::arch::{Arch, Changes};
use serde_json::json;

pub const FAMILY: Family = Family {
    model_type: "mistral",
    prefix: llama::PREFIX,
    arch: |config, stored| llama::arch_with(config, stored, Dialect { window: true, ..Dialect::default() }),
    pieces: |arch| llama::pieces_with(arch, llama::name_of),
    config: |arch| match arch {
        Arch::Llama(c) => {
            let Changes { head, headless, window, .. } = c.changes;
            let own = Changes { head, headless, window, ..Changes::default() };
            (!c.qkv_bias && window.is_some() && c.changes == own).then(|| {
                let mut config = llama::config_of(c);
                config["sliding_window"] = json!(window);
                config
            })
        }
        _ => None,
    },
    classes: ["MistralModel", "MistralForCausalLM", "MistralForSequenceClassification"],
};
