//! What is in the store: files of its folders, results with their size and last use.

use super::{Key, Manifest};
use crate::host::digest::Digest;
use crate::host::store::{Store, StoreError};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

/// What temporary files begin with.
pub(super) const TEMPORARY: &str = ".part-";

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
        let mut found = Vec::new();
        for path in files_two_deep(&self.path("keys"))? {
            let Some(key) = stem(&path).and_then(Digest::from_hex) else { continue };
            let Ok(metadata) = path.metadata() else { continue };
            let manifest = match self.manifest(key) {
                Ok(Some(manifest)) => Ok(manifest),
                // A collection took it meanwhile.
                Ok(None) => continue,
                Err(why) => Err(why),
            };
            let used = metadata.modified().unwrap_or(SystemTime::UNIX_EPOCH);
            found.push(Listed { key, manifest, n_bytes: metadata.len(), used });
        }
        Ok(found)
    }

    /// Every content, by hash, with its bytes.
    pub(super) fn objects(&self) -> Result<BTreeMap<String, u64>, StoreError> {
        let paths = files_two_deep(&self.path("objects"))?;
        let named = paths.iter().filter_map(|path| Some((stem(path)?.to_owned(), path.metadata().ok()?.len())));
        Ok(named.filter(|(name, _)| Digest::from_hex(name).is_some()).collect())
    }

    /// Every state of work under way, by key, with its bytes and when it was left.
    pub(super) fn partials(&self) -> Result<Vec<(Key, u64, SystemTime)>, StoreError> {
        let mut found = Vec::new();
        for path in files(&self.path("partial"))? {
            let Some(key) = stem(&path).and_then(Digest::from_hex) else { continue };
            let Ok(metadata) = path.metadata() else { continue };
            found.push((key, metadata.len(), metadata.modified().unwrap_or(SystemTime::UNIX_EPOCH)));
        }
        Ok(found)
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
            total += size_below(&self.path(folder))?;
        }
        Ok(total)
    }

    /// Bytes of everything that was fetched.
    pub fn n_fetched_bytes(&self) -> Result<u64, StoreError> {
        Ok(size_below(&self.path("fetched"))? + size_below(&self.path("hub"))?)
    }
}

/// The files of a folder, in order; none where it is missing.
pub(super) fn files(folder: &Path) -> Result<Vec<PathBuf>, StoreError> {
    Ok(entries(folder)?.into_iter().filter(|path| path.is_file()).collect())
}

/// The files of the folders in a folder, in order.
pub(super) fn files_two_deep(folder: &Path) -> Result<Vec<PathBuf>, StoreError> {
    let mut found = Vec::new();
    for inner in entries(folder)?.into_iter().filter(|path| path.is_dir()) {
        found.extend(files(&inner)?);
    }
    Ok(found)
}

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

/// A file's name without its ending.
fn stem(path: &Path) -> Option<&str> {
    path.file_stem()?.to_str()
}
