//! What holds a store's files: a folder, or a bucket. As few operations as both have, by a file's place from the top, with
//! slashes.

use super::{Store, StoreError};
use crate::core::files::plain;
use std::io::{ErrorKind, Read};
use std::path::Path;
use std::time::SystemTime;

/// A file as a listing tells of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    pub place: String,
    pub n_bytes: u64,
    /// When it was written or its use was noted.
    pub changed: SystemTime,
}

/// One writing of a file: equal where nothing was written in between, and good for nothing but that.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Version(pub(super) String);

/// Holds files. Each appears whole or not at all.
pub trait Backend: Send + Sync {
    /// What a person would call the place.
    fn shown(&self, place: &str) -> String;

    /// Every file below the folder, by place.
    fn list(&self, folder: &str) -> Result<Vec<Entry>, StoreError>;

    /// The file as a listing would tell of it, `None` where it is missing.
    fn head(&self, place: &str) -> Result<Option<Entry>, StoreError>;

    /// The file, and which writing it is; `None` where it is missing. Of one with more than `most` bytes not all is given.
    fn get(&self, place: &str, most: u64) -> Result<Option<(Vec<u8>, Version)>, StoreError>;

    /// Gives the file's bytes to `to`, piece by piece; whether it is there.
    fn copy_out(&self, place: &str, to: &mut dyn FnMut(&[u8]) -> Result<(), StoreError>) -> Result<bool, StoreError>;

    /// Writes a small file, whatever was there.
    fn put(&self, place: &str, bytes: Vec<u8>) -> Result<(), StoreError>;

    /// Writes a small file where none is; `None` where one is, which stays.
    fn put_new(&self, place: &str, bytes: Vec<u8>) -> Result<Option<Version>, StoreError>;

    /// Writes a small file in place of that writing; `None` where something else is there or nothing, which stays so.
    fn put_over(&self, place: &str, bytes: Vec<u8>, version: &Version) -> Result<Option<Version>, StoreError>;

    /// Writes a file of any size from its bytes, whatever was there.
    fn copy_in(&self, place: &str, from: &mut (dyn Read + Send), n_bytes: u64) -> Result<(), StoreError>;

    /// Removes the file; that it is missing is no error.
    fn delete(&self, place: &str) -> Result<(), StoreError>;
}

/// Bytes that are copied at once. Arbitrary.
pub(super) const PIECE: usize = 1 << 20;

impl Backend for Store {
    fn shown(&self, place: &str) -> String {
        self.path(place).display().to_string()
    }

    fn list(&self, folder: &str) -> Result<Vec<Entry>, StoreError> {
        let (mut found, mut open) = (Vec::new(), vec![folder.to_owned()]);
        while let Some(folder) = open.pop() {
            let path = self.path(&folder);
            let read = match std::fs::read_dir(&path) {
                Ok(read) => read,
                Err(error) if error.kind() == ErrorKind::NotFound => continue,
                Err(error) => return Err(StoreError::io(&path, &error)),
            };
            for entry in read.flatten() {
                let Ok(name) = entry.file_name().into_string() else { continue };
                // One that was removed meanwhile is left out.
                let Ok(metadata) = entry.metadata() else { continue };
                let place = format!("{folder}/{name}");
                if metadata.is_dir() {
                    open.push(place);
                } else {
                    let changed = metadata.modified().unwrap_or(SystemTime::UNIX_EPOCH);
                    found.push(Entry { place, n_bytes: metadata.len(), changed });
                }
            }
        }
        found.sort_by(|one, other| one.place.cmp(&other.place));
        Ok(found)
    }

    fn head(&self, place: &str) -> Result<Option<Entry>, StoreError> {
        match self.path(place).metadata() {
            Ok(metadata) => {
                let changed = metadata.modified().unwrap_or(SystemTime::UNIX_EPOCH);
                Ok(Some(Entry { place: place.to_owned(), n_bytes: metadata.len(), changed }))
            }
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(StoreError::io(&self.path(place), &error)),
        }
    }

    fn get(&self, place: &str, most: u64) -> Result<Option<(Vec<u8>, Version)>, StoreError> {
        let Some(file) = open(&self.path(place))? else { return Ok(None) };
        let mut bytes = Vec::new();
        file.take(most).read_to_end(&mut bytes).map_err(|error| StoreError::io(&self.path(place), &error))?;
        let version = version(&bytes);
        Ok(Some((bytes, version)))
    }

    fn copy_out(&self, place: &str, to: &mut dyn FnMut(&[u8]) -> Result<(), StoreError>) -> Result<bool, StoreError> {
        let Some(mut file) = open(&self.path(place))? else { return Ok(false) };
        let mut buffer = vec![0; PIECE];
        loop {
            let n = file.read(&mut buffer).map_err(|error| StoreError::io(&self.path(place), &error))?;
            let Some(piece) = buffer.get(..n).filter(|piece| !piece.is_empty()) else { return Ok(true) };
            to(piece)?;
        }
    }

    fn put(&self, place: &str, bytes: Vec<u8>) -> Result<(), StoreError> {
        self.write(place, &bytes)
    }

    fn put_new(&self, place: &str, bytes: Vec<u8>) -> Result<Option<Version>, StoreError> {
        let path = self.path(place);
        let mut file = self.temporary(place)?;
        let written = std::io::Write::write_all(&mut file, &bytes).and_then(|()| file.as_file().sync_all());
        written.map_err(|error| StoreError::io(&path, &error))?;
        match file.persist_noclobber(&path) {
            Ok(_) => Ok(Some(version(&bytes))),
            Err(error) if error.error.kind() == ErrorKind::AlreadyExists => Ok(None),
            Err(error) => Err(StoreError::io(&path, &error.error)),
        }
    }

    fn put_over(&self, place: &str, bytes: Vec<u8>, expected: &Version) -> Result<Option<Version>, StoreError> {
        // Between comparing and renaming no other process may do the same.
        let _alone = super::memo::alone(&self.path("locks/together"))?;
        match self.get(place, u64::MAX)? {
            Some((_, found)) if found == *expected => {}
            _ => return Ok(None),
        }
        self.write(place, &bytes)?;
        Ok(Some(version(&bytes)))
    }

    fn copy_in(&self, place: &str, from: &mut (dyn Read + Send), _n_bytes: u64) -> Result<(), StoreError> {
        let mut file = self.temporary(place)?;
        std::io::copy(from, &mut file).map_err(|error| StoreError::io(&self.path(place), &error))?;
        self.persist_flushed(file, place)
    }

    fn delete(&self, place: &str) -> Result<(), StoreError> {
        let path = self.path(place);
        match std::fs::remove_file(&path) {
            Err(error) if error.kind() == ErrorKind::NotFound || super::set_aside(&path)? => Ok(()),
            removed => removed.map_err(|error| StoreError::io(&path, &error)),
        }
    }
}

/// Which writing these bytes are: folders keep no number of it.
fn version(bytes: &[u8]) -> Version {
    Version(blake3::hash(bytes).to_hex().to_string())
}

fn open(path: &Path) -> Result<Option<std::fs::File>, StoreError> {
    match std::fs::File::open(path) {
        Ok(file) => Ok(Some(file)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(StoreError::File { path: path.display().to_string(), reason: plain(&error) }),
    }
}
