//! Results in the store: a manifest `keys/ab/KEY.json`, a content `objects/ab/HASH.safetensors`.

use super::content::{Content, read_hashed};
use super::lock;
use super::source::read;
use super::{Key, Manifest};
use crate::core::context::Interrupt;
use crate::core::digest::Digest;
use crate::core::files::plain;
use crate::store::{Store, StoreError, give_name};
use blake3::Hasher;
use std::fs::File;
use std::time::{Duration, SystemTime};

/// Results that took fewer seconds are not flushed to the disk before the work goes on. Arbitrary. Whatever a power cut leaves
/// of them is noticed by its hash and computed again.
const WORTH_A_FLUSH: f64 = 1.0;

/// The last use of a result is noted this exactly, so that a use seldom costs a write.
const USE_IS_NOTED: Duration = Duration::from_secs(60);

/// The most bytes of a manifest that are read. Arbitrary: curves are some dozens of points.
pub(super) const MAX_MANIFEST: u64 = 16 << 20;

/// What is wrong with a place where a folder lies.
const FOLDER: &str = "it is a folder, which is moved aside";

/// What was found under a key.
pub(super) enum LookedUp {
    /// A whole result.
    Whole(Box<Manifest>, Content),
    Missing,
    /// A file of it is not what was written: which one, and why.
    Damaged(String, String),
}

impl Store {
    /// The result of a key, every byte of it checked. Finding it is noted as a use.
    pub(super) fn look_up(&self, key: Key) -> Result<LookedUp, StoreError> {
        let place = key_file(key);
        let (text, file, used) = match self.open_small(&place) {
            Ok(Some(found)) => found,
            Ok(None) => return Ok(LookedUp::Missing),
            Err(_) if self.path(&place).is_dir() => return Ok(LookedUp::Damaged(place, FOLDER.to_owned())),
            Err(error) => return Err(error),
        };
        let manifest = match Manifest::read(&text, key) {
            Ok(manifest) => manifest,
            Err(why) => return Ok(LookedUp::Damaged(place, why)),
        };
        let content = match File::open(self.path(&object_file(&manifest.content))) {
            // Somebody else's, which is not damaged.
            Err(error) if error.kind() == std::io::ErrorKind::PermissionDenied => {
                return Err(StoreError::io(&self.path(&object_file(&manifest.content)), &error));
            }
            opened => self.checked_content(&manifest, opened),
        };
        match content {
            Ok(content) => {
                note_use(&file, used);
                Ok(LookedUp::Whole(Box::new(manifest), content))
            }
            // A collection removes the manifest first: what it took away meanwhile is not damaged.
            Err(_) if !self.path(&place).exists() => Ok(LookedUp::Missing),
            Err(why) => Ok(LookedUp::Damaged(object_file(&manifest.content), why)),
        }
    }

    /// The manifest of a key; why not, where it is not whole.
    pub(super) fn manifest(&self, key: Key) -> Result<Option<Manifest>, String> {
        match self.open_small(&key_file(key)) {
            Ok(Some((text, ..))) => Manifest::read(&text, key).map(Some),
            Ok(None) => Ok(None),
            Err(error) => Err(error.to_string()),
        }
    }

    /// The content that a manifest names, from the folder, checked.
    pub(super) fn own_content(&self, manifest: &Manifest) -> Result<Content, String> {
        self.checked_content(manifest, File::open(self.path(&object_file(&manifest.content))))
    }

    fn checked_content(&self, manifest: &Manifest, opened: std::io::Result<File>) -> Result<Content, String> {
        let file = match opened {
            Ok(file) => file,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Err("it is missing".to_owned()),
            Err(error) => return Err(plain(&error)),
        };
        let metadata = file.metadata().map_err(|error| plain(&error))?;
        if metadata.is_dir() {
            return Err(FOLDER.to_owned());
        }
        let n_bytes = metadata.len();
        if n_bytes != manifest.bytes {
            return Err(format!("it has {n_bytes} bytes, {} were written", manifest.bytes));
        }
        let (content, hash) = read_hashed(&file, n_bytes, &[])?;
        if hash.to_hex().as_str() != manifest.content {
            return Err("its content does not have the hash that it is named by".to_owned());
        }
        Ok(content)
    }

    /// Keeps a result: the content first, so that a manifest never names what is not there.
    pub(super) fn keep_result(
        &self,
        key: Key,
        mut manifest: Manifest,
        content: &Content,
        interrupt: &Interrupt,
    ) -> Result<Manifest, StoreError> {
        let _together = self.adding(interrupt)?;
        let flush = manifest.seconds >= WORTH_A_FLUSH;
        // Its name is known when it is written: it begins beside the folders of objects.
        let mut file = self.temporary("objects/new")?;
        let path = file.path().to_owned();
        let mut hasher = Hasher::new();
        manifest.bytes = content.write_hashed(&mut file, &mut hasher, |error| StoreError::io(&path, error))?;
        manifest.content = hasher.finalize().to_hex().to_string();
        self.persist(file, &object_file(&manifest.content), flush)?;
        self.write_manifest(key, &manifest, flush)?;
        Ok(manifest)
    }

    /// Writes a manifest whose content is there.
    pub(super) fn write_manifest(&self, key: Key, manifest: &Manifest, flush: bool) -> Result<(), StoreError> {
        let place = key_file(key);
        let text = manifest.write()?;
        let mut file = self.temporary(&place)?;
        let written = std::io::Write::write_all(&mut file, text.as_bytes());
        written.map_err(|error| StoreError::io(&self.path(&place), &error))?;
        self.persist(file, &place, flush)
    }

    /// Gives a temporary file its name; flushed to the disk first if a power cut must not cost it.
    pub(super) fn persist(&self, file: tempfile::NamedTempFile, place: &str, flush: bool) -> Result<(), StoreError> {
        let path = self.path(place);
        let folder = path.parent().unwrap_or(self.root());
        std::fs::create_dir_all(folder).map_err(|error| StoreError::io(folder, &error))?;
        if flush {
            return self.persist_flushed(file, place);
        }
        give_name(file, &path)
    }

    /// Held while something is added, so that a collection does not take a content whose manifest is not yet written.
    pub(super) fn adding(&self, interrupt: &Interrupt) -> Result<File, StoreError> {
        lock::hold(&self.path(TOGETHER), false, interrupt)
    }

    /// Held while something is removed: nothing is added meanwhile.
    pub(super) fn removing(&self, interrupt: &Interrupt) -> Result<File, StoreError> {
        lock::hold(&self.path(TOGETHER), true, interrupt)
    }

    /// A small file's bytes, the open file, and when it was changed; `None` where it is missing.
    fn open_small(&self, place: &str) -> Result<Option<(Vec<u8>, File, SystemTime)>, StoreError> {
        let path = self.path(place);
        let file = match File::open(&path) {
            Ok(file) => file,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(StoreError::io(&path, &error)),
        };
        let fails = |error| StoreError::io(&path, &error);
        let metadata = file.metadata().map_err(fails)?;
        let changed = metadata.modified().map_err(fails)?;
        let bytes = read(&file, metadata.len().min(MAX_MANIFEST) as usize).map_err(fails)?;
        Ok(Some((bytes, file, changed)))
    }
}

impl Manifest {
    /// A manifest from its file: the hash of the rest on the first line, then JSON. It must be the one of `key`.
    pub(super) fn read(text: &[u8], key: Key) -> Result<Manifest, String> {
        let manifest = Manifest::read_any(text)?;
        if manifest.key() != Some(key) {
            return Err("it belongs to another key than it is named by".to_owned());
        }
        Ok(manifest)
    }

    /// As [`Manifest::read`], for whatever key it is.
    pub(super) fn read_any(text: &[u8]) -> Result<Manifest, String> {
        let text = std::str::from_utf8(text).map_err(|_| "it is not text".to_owned())?;
        let (sum, rest) = text.split_once('\n').ok_or("it has no first line")?;
        if blake3::hash(rest.as_bytes()).to_hex().as_str() != sum {
            return Err("its text does not have the hash on its first line".to_owned());
        }
        let manifest: Manifest = serde_json::from_str(rest).map_err(|error| error.to_string())?;
        if Digest::from_hex(&manifest.content).is_none() {
            return Err("its content has no hash".to_owned());
        }
        Ok(manifest)
    }

    /// The file's text.
    pub(super) fn write(&self) -> Result<String, StoreError> {
        let text = serde_json::to_string_pretty(self)
            .map_err(|error| StoreError::Content { what: self.what.clone(), reason: error.to_string() })?;
        Ok(format!("{}\n{text}", blake3::hash(text.as_bytes()).to_hex()))
    }

    /// The look-up key that it belongs to; `None` where its digest is none.
    pub fn key(&self) -> Option<Key> {
        Digest::from_hex(&self.digest).map(|digest| super::key_of(digest, &self.device, &self.kernels))
    }
}

/// What is locked by whoever adds or removes.
const TOGETHER: &str = "locks/together";

pub(super) fn key_file(key: Key) -> String {
    let hex = key.to_hex();
    format!("keys/{}/{hex}.json", hex.get(..2).unwrap_or_default())
}

pub(super) fn object_file(content: &str) -> String {
    format!("objects/{}/{content}.safetensors", content.get(..2).unwrap_or_default())
}

pub(super) fn lock_file(key: Key) -> String {
    format!("locks/{}", key.to_hex())
}

/// Notes that a result whose last use was `noted` is used now: the time of its manifest.
fn note_use(file: &File, noted: SystemTime) {
    let now = SystemTime::now();
    if now.duration_since(noted).is_ok_and(|since| since > USE_IS_NOTED) {
        // A store of somebody else's cannot be written to: its owner's uses are the ones that count.
        let _ = file.set_modified(now);
    }
}
