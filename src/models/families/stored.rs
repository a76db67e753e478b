//! The tensors of a checkpoint, by name: of one `model.safetensors`, or of several that an index lists.

use super::unusable;
use crate::models::ModelError;
use crate::models::checkpoint::tensor;
use safetensors::SafeTensors;
use std::collections::HashMap;

/// The tensors of a checkpoint, by name.
pub struct Stored<'a> {
    files: Vec<(&'a str, SafeTensors<'a>)>,
    /// Which file has a tensor.
    places: HashMap<String, usize>,
}

impl<'a> Stored<'a> {
    /// Of the bytes of safetensors files, each with its name.
    pub fn new(files: impl IntoIterator<Item = (&'a str, &'a [u8])>) -> Result<Self, ModelError> {
        let mut stored = Stored { files: Vec::new(), places: HashMap::new() };
        for (file, bytes) in files {
            let read = SafeTensors::deserialize(bytes).map_err(|error| unusable(file, &error.to_string()))?;
            let place = stored.files.len();
            for name in read.names() {
                if let Some(other) = stored.places.insert(name.to_owned(), place) {
                    let other = stored.files.get(other).map_or(file, |(other, _)| other);
                    return Err(unusable(file, &format!("the tensor `{name}` is also in `{other}`")));
                }
            }
            stored.files.push((file, read));
        }
        Ok(stored)
    }

    /// Whether there is a tensor of this name.
    pub fn has(&self, name: &str) -> bool {
        self.places.contains_key(name)
    }

    /// The tensors' names, in no order that means anything.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.places.keys().map(String::as_str)
    }

    /// Whether there is a tensor whose name ends so.
    pub fn has_any(&self, end: &str) -> bool {
        self.places.keys().any(|name| name.ends_with(end))
    }

    /// The same tensor's name in files from before norms were called `weight` and `bias`, if that is how it is stored.
    pub(super) fn name_of(&self, name: String) -> String {
        let old = name.replace("LayerNorm.weight", "LayerNorm.gamma").replace("LayerNorm.bias", "LayerNorm.beta");
        if self.has(&name) || !self.has(&old) { name } else { old }
    }

    /// The numbers of a tensor, which must have this shape.
    pub fn tensor(&self, name: &str, shape: &[usize]) -> Result<Vec<f32>, ModelError> {
        let file = self.places.get(name).and_then(|place| self.files.get(*place));
        match file.or(self.files.first()) {
            Some((file, tensors)) => tensor(file, tensors, name, shape),
            None => Err(unusable("model.safetensors", "it holds nothing")),
        }
    }

    /// The shape of a tensor, if there is one of this name.
    pub fn shape(&self, name: &str) -> Option<Vec<usize>> {
        let (_, tensors) = self.files.get(*self.places.get(name)?)?;
        tensors.tensor(name).ok().map(|view| view.shape().to_vec())
    }
}
