//! Where a value came from: the results that it was made from, and theirs, as far as the store knows them.

use super::Manifest;
use crate::core::digest::{Digest, short};
use crate::store::{Store, StoreError};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

/// How deep the tree of inputs is followed: deeper than methods chain.
const DEEPEST: usize = 40;

/// Every result of a store by the digest of its value.
pub struct Lineage {
    known: BTreeMap<String, Manifest>,
}

impl Store {
    /// The lineage of everything that was computed. Damaged manifests are left out: what they made is computed again.
    pub fn lineage(&self) -> Result<Lineage, StoreError> {
        let manifests = self.results()?.into_iter().filter_map(|listed| listed.manifest.ok());
        Ok(Lineage { known: manifests.map(|manifest| (manifest.digest.clone(), manifest)).collect() })
    }
}

impl Lineage {
    /// The result whose value has this digest.
    pub fn of(&self, value: Digest) -> Option<&Manifest> {
        self.known.get(&value.to_hex())
    }

    /// The inputs of a result and theirs, a line each, indented by depth. Each is followed once.
    pub fn inputs(&self, manifest: &Manifest) -> String {
        let mut text = String::new();
        self.tree(manifest, 1, &mut BTreeSet::new(), &mut text);
        text
    }

    fn tree(&self, manifest: &Manifest, depth: usize, seen: &mut BTreeSet<String>, text: &mut String) {
        for (name, digest) in &manifest.inputs {
            let made = self.known.get(digest);
            let what = made.map_or(String::new(), |made| format!("  {} {}", made.operation, made.what));
            let again = made.is_some() && !seen.insert(digest.clone());
            let note = if again { "  (as above)" } else { "" };
            let digits = short(digest);
            // Writing to a string cannot fail.
            let _ = writeln!(text, "{:indent$}{name:<8} {digits}{what}{note}", "", indent = 2 * depth);
            if let Some(made) = made.filter(|_| !again && depth < DEEPEST) {
                self.tree(made, depth + 1, seen, text);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn manifest(operation: &str, digest: &str, inputs: &[(&str, &str)]) -> Manifest {
        Manifest {
            operation: operation.to_owned(),
            what: "it".to_owned(),
            digest: digest.to_owned(),
            inputs: inputs.iter().map(|(name, digest)| ((*name).to_owned(), (*digest).to_owned())).collect(),
            options: String::new(),
            content: String::new(),
            bytes: 0,
            work: 0.0,
            seconds: 0.0,
            curve: Vec::new(),
            kernels: String::new(),
            device: String::new(),
            program: String::new(),
            imported: false,
        }
    }

    #[test]
    fn inputs_are_followed_once_and_never_in_a_circle() {
        let student = manifest("finetune", "c", &[("model", "m"), ("labels", "b"), ("again", "b")]);
        let labels = manifest("label", "b", &[("model", "a")]);
        let weak = manifest("finetune", "a", &[("labels", "b")]);
        let known = [student.clone(), labels, weak].map(|one| (one.digest.clone(), one)).into_iter().collect();
        let text = Lineage { known }.inputs(&student);
        assert_eq!(
            text,
            "  model    m\n  labels   b  label it\n    model    a  finetune it\n      labels   b  label it  (as above)\n  again    b  label it  (as above)\n"
        );
    }
}
