//! The bucket behind the folder: results and states are fetched from it and sent to it, each byte compared with its hash on
//! the way in, and the lock of a key is a lease there.

use super::content::Content;
use super::files::{LookedUp, MAX_MANIFEST, key_file, lock_file, object_file};
use super::lock::Lock;
use super::partial::partial_file;
use super::{Key, Manifest};
use crate::core::context::{Context, Event};
use crate::core::digest::Digest;
use crate::store::backend::Backend;
use crate::store::bucket::{Bucket, Lease};
use crate::store::{Store, StoreError};
use blake3::Hasher;
use std::fs::File;
use std::io::Write;

/// Held by the one process that computes a key: first here, then in the bucket.
pub(super) struct Computing {
    /// Let go first, so that the next process here finds none of this machine's.
    pub(super) lease: Option<Lease>,
    _lock: Lock,
}

/// What a bucket has of a result.
enum Fetched {
    /// It is in the folder now.
    Here,
    Missing,
    Damaged(String, String),
}

impl Store {
    /// The result of a key from the folder, or else from the bucket, every byte of it checked.
    pub(super) fn find(&self, key: Key) -> Result<LookedUp, StoreError> {
        let here = self.look_up(key)?;
        let Some(bucket) = &self.bucket else { return Ok(here) };
        if let LookedUp::Whole(manifest, _) = &here {
            if !bucket.knows(key) {
                self.share_older(bucket, key, manifest)?;
            }
            return Ok(here);
        }
        match bucket.ask(&self.folder(), |backend| self.fetch(backend, key))? {
            Some(Fetched::Here) => {
                bucket.note(key);
                self.look_up(key)
            }
            Some(Fetched::Damaged(file, why)) => Ok(LookedUp::Damaged(file, why)),
            // What is damaged here and not there was never shared.
            Some(Fetched::Missing) | None => Ok(here),
        }
    }

    /// Sends a result that was computed without the bucket, or while it did not answer.
    fn share_older(&self, bucket: &Bucket, key: Key, manifest: &Manifest) -> Result<(), StoreError> {
        match bucket.ask(&self.folder(), |backend| backend.head(&key_file(key)))? {
            Some(Some(_)) => bucket.note(key),
            Some(None) => self.share(key, manifest)?,
            None => {}
        }
        Ok(())
    }

    /// Sends a result that is in the folder, if there is a bucket: the content first, so that a manifest never names what is
    /// not there.
    pub(super) fn share(&self, key: Key, manifest: &Manifest) -> Result<(), StoreError> {
        let Some(bucket) = &self.bucket else { return Ok(()) };
        if bucket.send(&self.folder(), |backend| self.send(backend, key, manifest))?.is_some() {
            bucket.note(key);
        }
        Ok(())
    }

    /// Writes a result of the folder into the bucket.
    pub(super) fn send(&self, backend: &dyn Backend, key: Key, manifest: &Manifest) -> Result<(), StoreError> {
        let place = object_file(&manifest.content);
        let path = self.path(&place);
        let mut file = File::open(&path).map_err(|error| StoreError::io(&path, &error))?;
        backend.copy_in(&place, &mut file, manifest.bytes)?;
        backend.put(&key_file(key), manifest.write()?.into_bytes())
    }

    /// Brings a result into the folder, checked.
    fn fetch(&self, backend: &dyn Backend, key: Key) -> Result<Fetched, StoreError> {
        let place = key_file(key);
        let Some((text, _)) = backend.get(&place, MAX_MANIFEST)? else { return Ok(Fetched::Missing) };
        let damaged = |place: &str, why: String| Ok(Fetched::Damaged(backend.shown(place), why));
        let manifest = match Manifest::read(&text, key) {
            Ok(manifest) => manifest,
            Err(why) => return damaged(&place, why),
        };
        let object = object_file(&manifest.content);
        let _together = self.adding(&crate::core::context::Interrupt::default())?;
        match self.fetch_content(backend, &manifest)? {
            Ok(()) => {}
            // A collection removes the manifest first: what it took away meanwhile is not damaged.
            Err(_) if backend.head(&place)?.is_none() => return Ok(Fetched::Missing),
            Err(why) => return damaged(&object, why),
        }
        self.write_manifest(key, &manifest, false)?;
        Ok(Fetched::Here)
    }

    /// Brings the content that a manifest names into the folder; why not, where it is not what was written.
    fn fetch_content(&self, backend: &dyn Backend, manifest: &Manifest) -> Result<Result<(), String>, StoreError> {
        let place = object_file(&manifest.content);
        let mut file = self.temporary("objects/new")?;
        let path = file.path().to_owned();
        let (mut hasher, mut n_bytes) = (Hasher::new(), 0u64);
        let found = backend.copy_out(&place, &mut |piece| {
            n_bytes += piece.len() as u64;
            hasher.update(piece);
            file.write_all(piece).map_err(|error| StoreError::io(&path, &error))
        })?;
        if !found {
            return Ok(Err("it is missing".to_owned()));
        }
        if hasher.finalize().to_hex().as_str() != manifest.content {
            return Ok(Err("its content does not have the hash that it is named by".to_owned()));
        }
        if n_bytes != manifest.bytes {
            return Ok(Err(format!("it has {n_bytes} bytes, {} were written", manifest.bytes)));
        }
        self.persist(file, &place, false).map(Ok)
    }

    /// Makes sure that the folder has the result of a key, whole, as far as there is one.
    pub(super) fn bring(&self, key: Key) -> Result<(), StoreError> {
        let Some(bucket) = &self.bucket else { return Ok(()) };
        if matches!(self.look_up(key)?, LookedUp::Whole(..)) {
            return Ok(());
        }
        match self.fetch(bucket.backend(), key)? {
            Fetched::Damaged(path, reason) => Err(StoreError::File { path, reason }),
            Fetched::Here | Fetched::Missing => Ok(()),
        }
    }

    /// The content that a manifest names, from the folder or the bucket, checked.
    pub fn content(&self, manifest: &Manifest) -> Result<Content, String> {
        let here = self.own_content(manifest);
        let Some(bucket) = self.bucket.as_ref().filter(|_| here.is_err()) else { return here };
        match self.fetch_content(bucket.backend(), manifest) {
            Ok(Ok(())) => self.own_content(manifest),
            Ok(Err(why)) => Err(why),
            Err(error) => Err(error.to_string()),
        }
    }

    /// Waits until this process alone may compute the key. The lock ends when it is dropped or the process dies.
    pub(super) fn lock(&self, key: Key, what: &str, ctx: &Context) -> Result<Computing, StoreError> {
        let bar = format!("wait for another process to {what}");
        let (mut waited, place) = (false, lock_file(key));
        let mut wait = || {
            if !std::mem::replace(&mut waited, true) {
                ctx.tell(Event::Started { what: bar.clone(), total: 1 });
            }
        };
        let locked = Lock::wait(&self.path(&place), &ctx.interrupt, &mut wait).and_then(|lock| {
            let Some(bucket) = &self.bucket else { return Ok(Computing { lease: None, _lock: lock }) };
            let lease = bucket
                .send(&self.folder(), |backend| bucket.leases().acquire(backend, &place, &ctx.interrupt, &mut wait))?;
            Ok(Computing { lease, _lock: lock })
        });
        if waited {
            ctx.tell(Event::Ended { what: bar });
        }
        locked
    }

    /// Brings the state that another machine left of this work, where the folder has none; whether it did. One that was taken
    /// over may have left it a moment ago.
    pub(super) fn bring_partial(&self, key: Key, was_left: bool) -> Result<bool, StoreError> {
        let Some(bucket) = &self.bucket else { return Ok(false) };
        let (place, folder) = (partial_file(key), self.folder());
        if self.path(&place).exists() || !(was_left || bucket.may_have(&folder, &place)?) {
            return Ok(false);
        }
        let brought = bucket.ask(&folder, |backend| {
            let mut file = self.temporary(&place)?;
            let found = backend.copy_out(&place, &mut |piece| {
                file.write_all(piece).map_err(|error| StoreError::io(&self.path(&place), &error))
            })?;
            // Its hash is compared when it is read.
            if found { self.persist(file, &place, false).map(|()| true) } else { Ok(false) }
        })?;
        Ok(brought == Some(true))
    }

    /// Sends the state that was left of this work, so that another machine can go on from it; whether it was sent.
    pub(super) fn share_partial(&self, key: Key) -> Result<bool, StoreError> {
        let Some(bucket) = &self.bucket else { return Ok(false) };
        let place = partial_file(key);
        let path = self.path(&place);
        let sent = bucket.send(&self.folder(), |backend| {
            let mut file = File::open(&path).map_err(|error| StoreError::io(&path, &error))?;
            let n_bytes = file.metadata().map_err(|error| StoreError::io(&path, &error))?.len();
            backend.copy_in(&place, &mut file, n_bytes)
        });
        match sent {
            // Work that is to stop left its state here, where it is found again.
            Err(StoreError::Interrupted(_)) => Ok(false),
            sent => Ok(sent?.is_some()),
        }
    }

    /// Removes the state of this work from the bucket: its result is there.
    pub(super) fn forget_partial(&self, key: Key) {
        if let Some(bucket) = &self.bucket {
            // One that cannot be removed is found again by `w2s store gc`.
            let _ = bucket.send(&self.folder(), |backend| backend.delete(&partial_file(key)));
        }
    }
}

/// Whether a file's name is a key's, for one that lies at `place`.
pub(super) fn key_at(place: &str) -> Option<Key> {
    let name = place.rsplit('/').next()?;
    Digest::from_hex(name.split_once('.').map_or(name, |(stem, _)| stem))
}

#[cfg(test)]
mod tests;
