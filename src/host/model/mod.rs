//! Models: architecture, parameters, head, tokenizer. Immutable; training returns a new one.

pub mod arch;
pub mod trunk;

use super::digest::Digest;
use arch::{Arch, Params};
use std::sync::Arc;
use tokenizers::Tokenizer;

/// A classification head without bias: `logits = features · weightᵀ`.
#[derive(Debug, Clone)]
pub struct Head {
    /// Row-major `[n_classes, width]`.
    pub weight: Vec<f32>,
    pub n_classes: usize,
}

/// A model. Cheap to clone; the trunk's parameters are shared until training replaces them.
#[derive(Clone)]
pub struct Model {
    pub inner: Arc<ModelInner>,
}

/// What a model is made of.
pub struct ModelInner {
    /// Such as `world-3` or `all-MiniLM-L6-v2[..2]`.
    pub name: String,
    pub arch: Arch,
    pub params: Arc<Params>,
    pub head: Option<Arc<Head>>,
    pub tokenizer: Arc<Tokenizer>,
    /// The derivation key: how this model came to be.
    pub digest: Digest,
    /// One line for a person: `world-0, finetuned on 800 rows of world/subject`.
    pub lineage: String,
}
