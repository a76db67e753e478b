//! The store: a folder of artefacts that were fetched or computed, each written whole or not at all and checked when it is
//! read.
//!
//! What was computed is in [`memo`]'s folders. `fetched/ID/FILE` comes from packages whose content is pinned in [`packages`];
//! `hub/…` from model repositories, whose digests are recorded at the first fetch ([`hub`]). A script only reads the store:
//! fetching is the user's command. What lives as long as a session is in [`StoreSession`].

pub mod backend;
pub mod bucket;
mod error;
pub mod hash;
pub mod hub;
mod ledger;
pub mod memo;
pub mod packages;
mod session;

pub use error::StoreError;
pub use ledger::Opening;
pub use session::StoreSession;

use crate::core::context::Context;
use crate::core::digest::hex;
use crate::core::files;
use backend::Backend;
use bucket::Bucket;
use sha2::{Digest as _, Sha256};
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Where artefacts live.
#[derive(Clone)]
pub struct Store {
    root: PathBuf,
    /// What computed results come from and go to beyond the folder.
    bucket: Option<Arc<Bucket>>,
}

impl Store {
    /// The store of this session.
    pub fn of(ctx: &Context) -> Store {
        let bucket = StoreSession::of(ctx).and_then(|session| session.bucket.clone());
        Store { bucket, ..Store::at(&ctx.settings.store) }
    }

    /// The store at `root`, which need not exist yet.
    pub fn at(root: &Path) -> Store {
        Store { root: root.to_owned(), bucket: None }
    }

    /// The store's folder.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// The store as people call it: its folder, or the bucket behind it.
    pub fn shown(&self) -> String {
        self.bucket.as_ref().map_or_else(|| self.root.display().to_string(), |bucket| bucket.url().to_owned())
    }

    /// What holds the computed results that commands list, check and collect: the bucket where there is one.
    fn backend(&self) -> &dyn Backend {
        match &self.bucket {
            Some(bucket) => bucket.backend(),
            None => self,
        }
    }

    /// Tells what went wrong with the bucket since this was last called.
    fn tell_troubles(&self, ctx: &Context) {
        for trouble in self.bucket.iter().flat_map(|bucket| bucket.troubles()) {
            ctx.warn(trouble);
        }
    }

    /// The store's folder alone.
    fn folder(&self) -> Store {
        Store::at(&self.root)
    }

    /// The folder, from the store's own, of a fetched artefact by its id; `None` where it was not fetched or is unknown.
    pub fn folder_of(&self, id: &str) -> Option<String> {
        let folder = match packages::find(id) {
            Some(package) => package.is_fetched(self).then(|| format!("fetched/{}", package.id))?,
            None => hub::HubId::parse(id).ok().filter(|id| id.is_fetched(self))?.folder(),
        };
        self.path(&folder).is_dir().then_some(folder)
    }

    /// The full path of a file named by the house itself.
    fn path(&self, relative: &str) -> PathBuf {
        self.root.join(relative)
    }

    /// Whether the file is there with this size. Its content is checked when it is read.
    pub fn has(&self, relative: &str, bytes: u64) -> bool {
        self.path(relative).metadata().is_ok_and(|found| found.is_file() && found.len() == bytes)
    }

    /// The file's bytes, `None` where it is missing; fails where its SHA-256 is not `sha256`.
    pub fn read(&self, relative: &str, sha256: &str) -> Result<Option<Vec<u8>>, StoreError> {
        let path = self.path(relative);
        let bytes = match std::fs::read(&path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(StoreError::io(&path, &error)),
        };
        let found = sha256_of(&bytes);
        if found != sha256 {
            return Err(StoreError::Changed { path: path.display().to_string(), expected: sha256.to_owned(), found });
        }
        Ok(Some(bytes))
    }

    /// Writes the file whole or not at all: under a temporary name, flushed to the disk, then renamed.
    pub fn write(&self, relative: &str, bytes: &[u8]) -> Result<(), StoreError> {
        let mut file = self.temporary(relative)?;
        file.write_all(bytes).map_err(|error| StoreError::io(&self.path(relative), &error))?;
        self.persist_flushed(file, relative)
    }

    /// A temporary file beside the place where `relative` will be, for [`Store::persist_flushed`].
    fn temporary(&self, relative: &str) -> Result<tempfile::NamedTempFile, StoreError> {
        let path = self.path(relative);
        let folder = path.parent().unwrap_or(&self.root);
        std::fs::create_dir_all(folder).map_err(|error| StoreError::io(folder, &error))?;
        files::temporary(folder, TEMPORARY).map_err(|error| StoreError::io(folder, &error))
    }

    /// Flushes the temporary file and gives it its name.
    fn persist_flushed(&self, file: tempfile::NamedTempFile, relative: &str) -> Result<(), StoreError> {
        let path = self.path(relative);
        file.as_file().sync_all().map_err(|error| StoreError::io(&path, &error))?;
        give_name(file, &path)?;
        // The rename itself is safe on the disk once the folder is; where folders cannot be flushed, nothing is lost.
        if let Some(folder) = path.parent().and_then(|folder| std::fs::File::open(folder).ok()) {
            let _ = folder.sync_all();
        }
        Ok(())
    }

    /// Gives a file that was fetched beside its place that place.
    fn place_flushed(&self, part: &Path, relative: &str) -> Result<(), StoreError> {
        let path = self.path(relative);
        let file = std::fs::File::open(part).map_err(|error| StoreError::io(part, &error))?;
        file.sync_all().map_err(|error| StoreError::io(part, &error))?;
        std::fs::rename(part, &path).map_err(|error| StoreError::io(&path, &error))?;
        if let Some(folder) = path.parent().and_then(|folder| std::fs::File::open(folder).ok()) {
            let _ = folder.sync_all();
        }
        Ok(())
    }

    /// A temporary folder in the store, removed when dropped.
    fn workplace(&self) -> Result<tempfile::TempDir, StoreError> {
        std::fs::create_dir_all(&self.root).map_err(|error| StoreError::io(&self.root, &error))?;
        let made = tempfile::Builder::new().prefix(".fetch-").tempdir_in(&self.root);
        made.map_err(|error| StoreError::io(&self.root, &error))
    }
}

/// What temporary files begin with.
const TEMPORARY: &str = ".part-";

/// Gives a temporary file its name. A folder that has it is moved aside.
fn give_name(file: tempfile::NamedTempFile, path: &Path) -> Result<(), StoreError> {
    let refused = match file.persist(path) {
        Ok(_) => return Ok(()),
        Err(refused) => refused,
    };
    if !set_aside(path)? {
        return Err(StoreError::io(path, &refused.error));
    }
    refused.file.persist(path).map(|_| ()).map_err(|refused| StoreError::io(path, &refused.error))
}

/// Moves a folder that lies in a file's place aside, for nothing of it is ours; whether there was one.
fn set_aside(path: &Path) -> Result<bool, StoreError> {
    if !path.is_dir() {
        return Ok(false);
    }
    let mut aside = path.as_os_str().to_owned();
    aside.push(format!(".aside-{}", bucket::unique().get(..8).unwrap_or_default()));
    std::fs::rename(path, aside).map(|()| true).map_err(|error| StoreError::io(path, &error))
}

/// SHA-256 as 64 hexadecimal characters: what package indices and hubs publish.
pub fn sha256_of(bytes: &[u8]) -> String {
    hex(&Sha256::digest(bytes))
}

/// Copies at most `most` bytes and hashes them on the way; `each` is told the count so far. `None` if there are more.
fn copy_hashed(
    mut from: impl Read,
    mut to: impl Write,
    most: u64,
    mut each: impl FnMut(u64) -> Result<(), StoreError>,
    fails: impl Fn(&std::io::Error) -> StoreError,
) -> Result<Option<(u64, String)>, StoreError> {
    let mut hasher = Sha256::new();
    let mut buffer = vec![0; 1 << 16];
    let mut total = 0u64;
    loop {
        let n = from.read(&mut buffer).map_err(|error| fails(&error))?;
        let Some(piece) = buffer.get(..n).filter(|piece| !piece.is_empty()) else {
            return Ok(Some((total, hex(&hasher.finalize()))));
        };
        total += n as u64;
        if total > most {
            return Ok(None);
        }
        hasher.update(piece);
        to.write_all(piece).map_err(|error| fails(&error))?;
        each(total)?;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_written_whole_and_checked_when_read() {
        let folder = tempfile::tempdir().expect("a folder");
        let store = Store::at(&folder.path().join("store"));
        let sum = sha256_of(b"abc");
        assert_eq!(sum, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
        assert_eq!(store.read("a/b", &sum).expect("missing is no error"), None);
        store.write("a/b", b"abc").expect("written");
        assert!(store.has("a/b", 3) && !store.has("a/b", 4));
        assert_eq!(store.read("a/b", &sum).expect("right"), Some(b"abc".to_vec()));
        let names = std::fs::read_dir(store.root().join("a")).expect("there").count();
        assert_eq!(names, 1, "no temporary file stays");
        std::fs::write(store.root().join("a/b"), b"abd").expect("damaged");
        let error = store.read("a/b", &sum).expect_err("damaged");
        assert!(matches!(error, StoreError::Changed { .. }), "{error}");
    }

    #[test]
    fn a_copy_is_bounded() {
        let mut held = Vec::new();
        let fails = |_: &std::io::Error| StoreError::from(crate::core::context::Interrupted);
        let copied = copy_hashed(&b"abc"[..], &mut held, 3, |_| Ok(()), fails).expect("copied");
        assert_eq!(copied, Some((3, sha256_of(b"abc"))));
        assert_eq!(copy_hashed(&b"abcd"[..], &mut Vec::new(), 3, |_| Ok(()), fails).expect("stopped"), None);
    }
}
