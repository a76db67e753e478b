//! What is in the store: files of its folders, results with their size and last use.

use super::files::{MAX_MANIFEST, key_file, object_file};
use super::remote::key_at;
use super::{Key, Manifest};
use crate::store::backend::Entry;
use crate::store::{Store, StoreError};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

/// Small files of a bucket that are asked for at once. Arbitrary.
const AT_ONCE: usize = 16;

/// A result as it lies in the store, its content not looked at.
#[derive(Debug, Clone)]
pub struct Listed {
    pub key: Key,
    /// The manifest; why it cannot be read.
    pub manifest: Result<Manifest, String>,
    /// Bytes of the manifest's file.
    pub n_bytes: u64,
    pub used: SystemTime,
}

impl Store {
    /// Every result, by key.
    pub fn results(&self) -> Result<Vec<Listed>, StoreError> {
        let backend = self.backend();
        let entries: Vec<(Key, Entry)> =
            backend.list("keys")?.into_iter().filter_map(|entry| Some((key_at(&entry.place)?, entry))).collect();
        // What lies somewhere else is not found by its name.
        let entries: Vec<(Key, Entry)> =
            entries.into_iter().filter(|(key, entry)| key_file(*key) == entry.place).collect();
        let read = |(key, entry): &(Key, Entry)| {
            let manifest = match backend.get(&entry.place, MAX_MANIFEST) {
                Ok(Some((text, _))) => Manifest::read(&text, *key),
                // A collection took it meanwhile.
                Ok(None) => return Ok(None),
                Err(error) if self.bucket.is_some() => return Err(error),
                Err(error) => Err(error.to_string()),
            };
            Ok(Some(Listed { key: *key, manifest, n_bytes: entry.n_bytes, used: entry.changed }))
        };
        if self.bucket.is_none() {
            return entries.iter().filter_map(|entry| read(entry).transpose()).collect();
        }
        // Each answer of a bucket takes a while.
        let mut found = Vec::new();
        for some in entries.chunks(AT_ONCE) {
            let read = &read;
            let answers: Vec<_> = std::thread::scope(|scope| {
                let asked: Vec<_> = some.iter().map(|entry| scope.spawn(move || read(entry))).collect();
                asked.into_iter().filter_map(|asked| asked.join().ok()).collect()
            });
            for answer in answers {
                found.extend(answer?);
            }
        }
        Ok(found)
    }

    /// Every content, by hash.
    pub(super) fn objects(&self) -> Result<BTreeMap<String, Entry>, StoreError> {
        let listed = self.backend().list("objects")?.into_iter();
        let named = listed.filter_map(|entry| Some((key_at(&entry.place)?.to_hex(), entry)));
        Ok(named.filter(|(name, entry)| object_file(name) == entry.place).collect())
    }

    /// Every state of work under way, by key, with its bytes and when it was left.
    pub(super) fn partials(&self) -> Result<Vec<(Key, u64, SystemTime)>, StoreError> {
        let listed = self.backend().list("partial")?.into_iter();
        Ok(listed.filter_map(|entry| Some((key_at(&entry.place)?, entry.n_bytes, entry.changed))).collect())
    }

    /// The result that `prefix`, the beginning of its key or of its value's digest, tells from all others.
    pub fn result(&self, prefix: &str) -> Result<Listed, StoreError> {
        let unknown = || StoreError::NoResult { key: prefix.to_owned() };
        let means = |listed: &Listed| {
            let digest = listed.manifest.as_ref().is_ok_and(|manifest| manifest.digest.starts_with(prefix));
            listed.key.to_hex().starts_with(prefix) || digest
        };
        let mut found: Vec<Listed> = self.results()?.into_iter().filter(means).collect();
        if found.len() > 1 {
            let some: Vec<String> = found.iter().take(5).map(|listed| listed.key.to_hex()).collect();
            let n_found = found.len();
            return Err(StoreError::Ambiguous { key: prefix.to_owned(), n_found, some: some.join(", ") });
        }
        found.pop().ok_or_else(unknown)
    }

    /// How many states of interrupted work there are, and their bytes.
    pub fn n_partials(&self) -> Result<(usize, u64), StoreError> {
        let partials = self.partials()?;
        Ok((partials.len(), partials.iter().map(|(_, n_bytes, _)| n_bytes).sum()))
    }

    /// Bytes of everything that was computed: manifests, contents, states of work under way.
    pub fn n_computed_bytes(&self) -> Result<u64, StoreError> {
        let mut total = 0;
        for folder in ["keys", "objects", "partial"] {
            total += self.backend().list(folder)?.iter().map(|entry| entry.n_bytes).sum::<u64>();
        }
        Ok(total)
    }

    /// Bytes of everything that was fetched.
    pub fn n_fetched_bytes(&self) -> Result<u64, StoreError> {
        Ok(size_below(&self.path("fetched"))? + size_below(&self.path("hub"))?)
    }
}

/// What is in a folder, in order; nothing where it is missing.
fn entries(folder: &Path) -> Result<Vec<PathBuf>, StoreError> {
    let read = match std::fs::read_dir(folder) {
        Ok(read) => read,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(StoreError::io(folder, &error)),
    };
    let mut found: Vec<PathBuf> = read.flatten().map(|entry| entry.path()).collect();
    found.sort();
    Ok(found)
}

fn size_below(folder: &Path) -> Result<u64, StoreError> {
    let (mut total, mut open) = (0, vec![folder.to_owned()]);
    while let Some(folder) = open.pop() {
        for path in entries(&folder)? {
            match path.symlink_metadata() {
                Ok(found) if found.is_dir() => open.push(path),
                Ok(found) => total += found.len(),
                // It was removed meanwhile.
                Err(_) => {}
            }
        }
    }
    Ok(total)
}
