//! A costly operation that was answered, as events tell it, workers pass it on, records keep it and reruns are held against it.

use serde::{Deserialize, Serialize};

/// What was computed, from what, and how it went.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Operation {
    /// `finetune`, `predict`, …
    pub name: String,
    /// For people: on what.
    pub what: String,
    /// The derivation of its result.
    pub digest: String,
    /// What the store looks up; empty where the result cannot be looked up.
    pub key: String,
    /// The digests of its inputs, by name.
    pub inputs: Vec<(String, String)>,
    /// Every option with its settled value.
    pub options: String,
    /// What this run spent on it.
    pub seconds: f64,
    /// The training loss: step (from 1) and value.
    #[serde(with = "crate::core::curve")]
    pub curve: Vec<(u64, f64)>,
}
