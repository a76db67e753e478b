//! Model families, a file each: what a family's `config.json` says, what its tensors are called, and what differs.
//!
//! A family describes itself as one of the architectures of [`super::arch`] and fills that architecture's parameters from
//! a checkpoint. A new one is a file here and a line in [`FAMILIES`].

mod bert;
pub(super) mod llama;
mod mpnet;
mod qwen2;

use super::ModelError;
use super::arch::Arch;
use super::checkpoint::tensor;
use safetensors::SafeTensors;
use serde::de::DeserializeOwned;

/// A model family.
pub struct Family {
    /// What `config.json` calls it: its `model_type`.
    pub model_type: &'static str,
    /// The architecture that a `config.json` describes.
    pub arch: fn(config: &[u8]) -> Result<Arch, ModelError>,
    /// The trunk's parameters in the order of the architecture's layout.
    pub values: fn(arch: &Arch, stored: &Stored) -> Result<Vec<f32>, ModelError>,
}

/// Every family that is read.
pub const FAMILIES: &[Family] = &[bert::FAMILY, mpnet::FAMILY, llama::FAMILY, qwen2::FAMILY];

/// The family called `model_type`.
pub fn find(model_type: &str) -> Result<&'static Family, ModelError> {
    FAMILIES.iter().find(|family| family.model_type == model_type).ok_or_else(|| {
        let names: Vec<&str> = FAMILIES.iter().map(|family| family.model_type).collect();
        let reason = match names.split_last() {
            Some((last, others)) => format!("`model_type` must be {} or {last}, got `{model_type}`", others.join(", ")),
            None => "no model family is known".to_owned(),
        };
        unusable("config.json", &reason)
    })
}

/// The tensors of a checkpoint, by name.
pub struct Stored<'a>(SafeTensors<'a>);

impl<'a> Stored<'a> {
    /// Of the bytes of a `model.safetensors`.
    pub fn new(bytes: &'a [u8]) -> Result<Self, ModelError> {
        let read = SafeTensors::deserialize(bytes);
        read.map(Stored).map_err(|error| unusable("model.safetensors", &error.to_string()))
    }

    /// Whether there is a tensor of this name.
    pub fn has(&self, name: &str) -> bool {
        self.0.names().contains(&name)
    }

    /// The numbers of a tensor, which must have this shape.
    pub fn tensor(&self, name: &str, shape: &[usize]) -> Result<Vec<f32>, ModelError> {
        tensor(&self.0, name, shape)
    }
}

/// Reads a `config.json`; unknown fields are passed over.
pub(super) fn from_config<T: DeserializeOwned>(config: &[u8]) -> Result<T, ModelError> {
    serde_json::from_slice(config).map_err(|error| unusable("config.json", &error.to_string()))
}

/// A file that cannot be used, and why.
pub(super) fn unusable(file: &str, reason: &str) -> ModelError {
    ModelError::File { file: file.to_owned(), reason: reason.to_owned() }
}

/// A field of `config.json` with a value that is not supported.
fn must(field: &str, must: &str, got: impl std::fmt::Display) -> ModelError {
    unusable("config.json", &format!("`{field}` must be {must}, got `{got}`"))
}

/// Of one of our names within a block: the block, the part, and which of its tensors. `3.norm1.bias` is
/// `["3", "norm1", "bias"]`.
pub(super) fn in_layer(name: &str) -> [&str; 3] {
    let (layer, rest) = name.split_once('.').unwrap_or((name, ""));
    let (part, kind) = rest.split_once('.').unwrap_or((rest, ""));
    [layer, part, kind]
}
