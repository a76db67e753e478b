//! Everything in the store read and compared with its hashes.

use super::Key;
use super::files::{key_file, object_file};
use super::partial::partial_file;
use super::partial::read_from;
use crate::core::context::{Context, Event};
use crate::store::hub::HubId;
use crate::store::packages::PACKAGES;
use crate::store::{Store, StoreError};
use std::collections::{BTreeMap, BTreeSet};

/// What a check found.
#[derive(Debug, Clone, Default)]
pub struct Audit {
    pub n_results: usize,
    pub n_contents: usize,
    pub n_partials: usize,
    /// Fetched packages and models that were checked.
    pub n_fetched: usize,
    pub n_bytes: u64,
    /// Files that are not what was written, and why.
    pub damaged: Vec<Damaged>,
}

/// A file that is not what was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Damaged {
    /// From the store's folder.
    pub file: String,
    pub why: String,
    /// What has to be removed so that what it held is computed again; nothing for what was fetched.
    removes: Vec<String>,
}

impl Store {
    /// Reads every file and checks every byte of it.
    pub fn audit(&self, ctx: &Context) -> Result<Audit, StoreError> {
        let mut audit = Audit::default();
        let (results, objects, partials) = (self.results()?, self.objects()?, self.partials()?);
        let what = "check the store".to_owned();
        let total = (results.len() + objects.len() + partials.len()) as u64;
        ctx.tell(Event::Started { what: what.clone(), total });
        let audited = (|| {
            let mut users: BTreeMap<String, Vec<Key>> = BTreeMap::new();
            let mut n_done = 0;
            let mut step = || {
                n_done += 1;
                ctx.tell(Event::Progress { what: what.clone(), done: n_done, note: String::new() });
                ctx.interrupt.check()
            };
            let mut missing = BTreeSet::new();
            for listed in results {
                step()?;
                audit.n_results += 1;
                audit.n_bytes += listed.n_bytes;
                let file = key_file(listed.key);
                match listed.manifest {
                    Err(why) => audit.damaged.push(Damaged { removes: vec![file.clone()], file, why }),
                    Ok(manifest) => {
                        if !objects.contains_key(&manifest.content) {
                            missing.insert(manifest.content.clone());
                        }
                        users.entry(manifest.content).or_default().push(listed.key);
                    }
                }
            }
            for content in objects.keys().chain(&missing) {
                step()?;
                let n_bytes = objects.get(content).map(|entry| entry.n_bytes);
                audit.n_contents += usize::from(n_bytes.is_some());
                audit.n_bytes += n_bytes.unwrap_or(0);
                if let Err(why) = self.check_object(content)? {
                    let file = object_file(content);
                    // A manifest must not name what is not there: it goes first.
                    let keys = users.get(content).into_iter().flatten().map(|key| key_file(*key));
                    let removes = keys.chain([file.clone()]).collect();
                    audit.damaged.push(Damaged { file, why, removes });
                }
            }
            for (key, n_bytes, _) in partials {
                step()?;
                audit.n_partials += 1;
                audit.n_bytes += n_bytes;
                if let Err(why) = self.check_partial(key)? {
                    let file = partial_file(key);
                    audit.damaged.push(Damaged { removes: vec![file.clone()], file, why });
                }
            }
            self.audit_fetched(&mut audit, ctx)
        })();
        ctx.tell(Event::Ended { what });
        audited.map(|()| audit)
    }

    /// A content's bytes against its name; the outer error is a bucket that does not answer.
    fn check_object(&self, content: &str) -> Result<Result<(), String>, StoreError> {
        let missing = || Err("it is missing".to_owned());
        let hash = if self.bucket.is_some() {
            let mut hasher = blake3::Hasher::new();
            let found = self.backend().copy_out(&object_file(content), &mut |piece| {
                hasher.update(piece);
                Ok(())
            })?;
            if !found {
                return Ok(missing());
            }
            hasher.finalize()
        } else {
            match std::fs::read(self.path(&object_file(content))) {
                Ok(bytes) => crate::store::hash::hash(&bytes),
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(missing()),
                Err(error) => return Ok(Err(crate::core::files::plain(&error))),
            }
        };
        let is_whole = hash.to_hex().as_str() == content;
        Ok(if is_whole { Ok(()) } else { Err("its content does not have the hash that it is named by".to_owned()) })
    }

    /// A state's bytes against the hash at their end.
    fn check_partial(&self, key: Key) -> Result<Result<(), String>, StoreError> {
        if self.bucket.is_none() {
            return Ok(self.read_partial(key).map(|_| ()));
        }
        let mut bytes = Vec::new();
        // One that is gone was no longer needed.
        self.backend().copy_out(&partial_file(key), &mut |piece| {
            bytes.extend_from_slice(piece);
            Ok(())
        })?;
        Ok(if bytes.is_empty() { Ok(()) } else { read_from(bytes.as_slice(), bytes.len() as u64, key).map(|_| ()) })
    }

    /// What was fetched: against the pinned digests, and those that were recorded.
    fn audit_fetched(&self, audit: &mut Audit, ctx: &Context) -> Result<(), StoreError> {
        let mut note = |file: String, read: Result<Vec<u8>, StoreError>| match read {
            Ok(bytes) => audit.n_bytes += bytes.len() as u64,
            // One that was never fetched is not damaged.
            Err(StoreError::Missing { .. }) => {}
            Err(error) => audit.damaged.push(Damaged { file, why: error.to_string(), removes: Vec::new() }),
        };
        for package in PACKAGES.iter().filter(|package| self.path(&format!("fetched/{}", package.id)).is_dir()) {
            for member in package.members {
                ctx.interrupt.check()?;
                note(format!("fetched/{}/{}", package.id, member.file), package.read(self, member.file));
            }
        }
        let ids = HubId::fetched(self);
        for id in &ids {
            for (file, read) in id.read_all(self) {
                ctx.interrupt.check()?;
                note(file, read);
            }
        }
        let packages = PACKAGES.iter().filter(|package| package.is_fetched(self)).count();
        audit.n_fetched = ids.len() + packages;
        Ok(())
    }

    /// Removes what was damaged, so that it is computed again; how many files that were.
    pub fn remove_damaged(&self, audit: &Audit, ctx: &Context) -> Result<usize, StoreError> {
        let _alone = self.removing(&ctx.interrupt)?;
        let (backend, mut n_removed) = (self.backend(), 0);
        for file in audit.damaged.iter().flat_map(|damaged| &damaged.removes) {
            if backend.head(file)?.is_some() {
                backend.delete(file)?;
                n_removed += 1;
            }
        }
        Ok(n_removed)
    }
}
