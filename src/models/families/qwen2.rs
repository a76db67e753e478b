//! Qwen2 and Qwen2.5: a Llama whose queries, keys and values have a bias.

use super::{Family, llama};

pub const FAMILY: Family =
    Family { model_type: "qwen2", arch: |config| llama::arch_with(config, true), values: llama::stored_values };
