//! Model families, a file each: what a family's `config.json` says, what its tensors are called, and what differs.
//!
//! A family describes itself as one of the architectures of [`super::arch`], and names for each piece of that
//! architecture's parameters the tensor that holds it. Reading and writing both follow from these names. A new family is a
//! file here and a line in [`FAMILIES`].

mod bert;
mod distilbert;
mod form;
mod gpt2;
pub(super) mod llama;
mod mistral;
mod modernbert;
mod mpnet;
mod neox;
mod olmo2;
mod qwen2;
mod qwen3;
mod roberta;
mod stored;

use super::ModelError;
use super::arch::{Activation, Arch, Entry};
pub use form::Form;
use serde::de::DeserializeOwned;
pub use stored::Stored;

/// A model family.
pub struct Family {
    /// What `config.json` calls it: its `model_type`.
    pub model_type: &'static str,
    /// What stands before the names of a trunk that was saved below a head.
    pub prefix: &'static str,
    /// The architecture that a `config.json` describes. Of the tensors only their names may be asked for.
    pub arch: fn(config: &[u8], stored: &Stored) -> Result<Arch, ModelError>,
    /// The tensors that the architecture's parameters lie in, in the order of its layout.
    pub pieces: fn(arch: &Arch) -> Vec<Piece>,
    /// The `config.json` of an architecture, if this family is the one to write it; what all families have is added.
    pub config: fn(arch: &Arch) -> Option<serde_json::Value>,
    /// What transformers calls the classes for the trunk alone, with next tokens, and with a classifying head at the last
    /// token; empty where there is none.
    pub classes: [&'static str; 3],
}

/// Every family that is read.
pub const FAMILIES: &[Family] = &[
    bert::FAMILY,
    distilbert::FAMILY,
    roberta::FAMILY,
    mpnet::FAMILY,
    gpt2::FAMILY,
    neox::FAMILY,
    llama::FAMILY,
    mistral::FAMILY,
    qwen2::FAMILY,
    qwen3::FAMILY,
    olmo2::FAMILY,
    modernbert::FAMILY,
];

/// One tensor of a checkpoint.
#[derive(Debug, Clone, PartialEq)]
pub struct Piece {
    /// Its name, without the trunk's prefix.
    pub name: String,
    /// Its shape in our buffer, where pieces lie one behind the other.
    pub shape: Vec<usize>,
    pub form: Form,
    /// Whether it belongs to the trunk, so that the prefix may stand before its name.
    pub in_trunk: bool,
}

impl Piece {
    /// A tensor of the trunk that is stored as it is computed with.
    pub fn new(name: impl Into<String>, shape: &[usize]) -> Piece {
        Piece { name: name.into(), shape: shape.to_vec(), form: Form::Plain, in_trunk: true }
    }

    /// The same in another form.
    pub fn in_form(self, form: Form) -> Piece {
        Piece { form, ..self }
    }

    /// A tensor of this entry's shape, whose name has no prefix: what reads next tokens.
    pub fn of_head(name: &str, entry: &Entry) -> Piece {
        Piece { in_trunk: false, ..Piece::new(name, &entry.shape) }
    }

    /// How many numbers.
    pub fn n(&self) -> usize {
        self.shape.iter().product()
    }
}

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

impl Family {
    /// The trunk's parameters in the order of the architecture's layout.
    pub fn values(&self, arch: &Arch, stored: &Stored) -> Result<Vec<f32>, ModelError> {
        let pieces = (self.pieces)(arch);
        let is_below = |piece: &&Piece| piece.in_trunk && stored.has(&format!("{}{}", self.prefix, piece.name));
        let prefix = if pieces.iter().any(|piece| is_below(&piece)) { self.prefix } else { "" };
        let mut values = Vec::with_capacity(arch.layout().n_params);
        for piece in &pieces {
            let name = if piece.in_trunk { format!("{prefix}{}", piece.name) } else { piece.name.clone() };
            let read = stored.tensor(&stored.name_of(name), &piece.form.stored_shape(&piece.shape))?;
            values.extend(piece.form.ours(read, &piece.shape));
        }
        Ok(values)
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

/// The activation that `field` names.
fn activation(field: &str, name: &str) -> Result<Activation, ModelError> {
    match name {
        "gelu" => Ok(Activation::GeluErf),
        "gelu_new" | "gelu_pytorch_tanh" | "gelu_fast" => Ok(Activation::GeluTanh),
        other => Err(must(field, "gelu, gelu_new, gelu_fast or gelu_pytorch_tanh", other)),
    }
}

/// Its name in a `config.json`.
fn name_of_activation(activation: Activation) -> &'static str {
    match activation {
        Activation::GeluErf => "gelu",
        Activation::GeluTanh => "gelu_pytorch_tanh",
    }
}

/// Of one of our names within a block: the block, the part, and which of its tensors. `3.norm1.bias` is
/// `["3", "norm1", "bias"]`.
pub(super) fn in_layer(name: &str) -> [&str; 3] {
    let (layer, rest) = name.split_once('.').unwrap_or((name, ""));
    let (part, kind) = rest.split_once('.').unwrap_or((rest, ""));
    [layer, part, kind]
}

#[cfg(test)]
mod tests;
