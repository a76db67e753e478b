//! Collection: what nobody needs goes, the least recently used first, and never what a running process or a kept run needs.

use super::Key;
use super::files::{key_file, lock_file, object_file};
use super::listing::{TEMPORARY, files, files_two_deep};
use super::lock::Lock;
use super::partial::partial_file;
use super::registration::Needs;
use crate::host::lab::Interrupt;
use crate::host::store::{Store, StoreError};
use std::collections::BTreeMap;
use std::path::Path;
use std::time::{Duration, SystemTime};

/// Temporary files that nothing was written to for this long belong to no living process: chosen.
const ABANDONED: Duration = Duration::from_secs(3600);

/// States of work that nobody went on with for this long are given up: chosen.
const GIVEN_UP: Duration = Duration::from_secs(30 * 24 * 3600);

/// What to collect.
#[derive(Debug, Clone, Default)]
pub struct Collect {
    /// The most bytes that computed results may take.
    pub max_bytes: Option<u64>,
    /// Results whose last use is longer ago go.
    pub older_than: Option<Duration>,
    /// Only say what would go.
    pub dry: bool,
}

/// What was collected, or would be.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Collected {
    /// Results, because they were old or the least recently used.
    pub n_results: usize,
    /// States of interrupted work.
    pub n_partials: usize,
    /// Contents without a manifest, manifests without a content, abandoned temporary files, locks of nobody,
    /// registrations of runs that are gone.
    pub n_rubbish: usize,
    pub n_bytes: u64,
    /// Results that stay, and their bytes with states of work and whatever else stays.
    pub n_left: usize,
    pub n_bytes_left: u64,
    /// Of those, results that runs need, and their bytes.
    pub n_needed: usize,
    pub n_bytes_needed: u64,
    pub n_running: usize,
    pub n_kept_runs: usize,
}

/// Something that may go, and what it takes.
struct Candidate {
    used: SystemTime,
    what: Thing,
}

enum Thing {
    Result { key: Key, n_bytes: u64, content: String },
    Partial { key: Key, n_bytes: u64 },
}

impl Store {
    /// Removes what nobody needs.
    pub fn collect(&self, collect: &Collect, interrupt: &Interrupt) -> Result<Collected, StoreError> {
        if !self.root().is_dir() {
            return Ok(Collected::default());
        }
        let _alone = self.removing(interrupt)?;
        let needs = Needs::read(self)?;
        let mut run = Collection {
            store: self,
            dry: collect.dry,
            done: Collected { n_running: needs.n_running, n_kept_runs: needs.n_kept, ..Collected::default() },
        };
        for path in &needs.gone {
            run.rubbish(path);
        }
        let objects = self.objects()?;
        let mut candidates = Vec::new();
        // How many results share a content.
        let mut n_users: BTreeMap<String, usize> = BTreeMap::new();
        for listed in self.results()? {
            interrupt.check()?;
            let content = listed.manifest.as_ref().ok().map(|manifest| manifest.content.clone());
            let Some(content) = content.filter(|content| objects.contains_key(content)) else {
                run.rubbish(&self.path(&key_file(listed.key)));
                continue;
            };
            *n_users.entry(content.clone()).or_default() += 1;
            let what = Thing::Result { key: listed.key, n_bytes: listed.n_bytes, content };
            candidates.push(Candidate { used: listed.used, what });
        }
        for name in objects.keys().filter(|name| !n_users.contains_key(*name)) {
            run.rubbish(&self.path(&object_file(name)));
        }
        run.partials(&mut candidates)?;
        run.temporaries()?;
        run.locks()?;
        let total = |thing: &Candidate| match &thing.what {
            Thing::Result { n_bytes, .. } | Thing::Partial { n_bytes, .. } => *n_bytes,
        };
        let shared: u64 = n_users.keys().filter_map(|name| objects.get(name)).sum();
        let mut n_bytes = candidates.iter().map(total).sum::<u64>() + shared;
        candidates.sort_by_key(|candidate| candidate.used);
        let now = SystemTime::now();
        for Candidate { used, what } in candidates {
            interrupt.check()?;
            let idle = now.duration_since(used).unwrap_or_default();
            let is_old = collect.older_than.is_some_and(|most| idle > most);
            let over = collect.max_bytes.is_some_and(|most| n_bytes > most);
            match what {
                Thing::Result { key, n_bytes: n_own, content } => {
                    let n_content = objects.get(&content).copied().unwrap_or(0);
                    let left = n_users.entry(content.clone()).or_default();
                    if needs.keys.contains(&key) || !(is_old || over) {
                        run.done.n_left += 1;
                        if needs.keys.contains(&key) {
                            run.done.n_needed += 1;
                            run.done.n_bytes_needed += n_own + n_content;
                        }
                        continue;
                    }
                    *left -= 1;
                    let mut freed = n_own;
                    // The manifest first: it must never name what is not there.
                    run.remove(&self.path(&key_file(key)));
                    if *left == 0 {
                        freed += n_content;
                        run.remove(&self.path(&object_file(&content)));
                    }
                    run.done.n_results += 1;
                    run.done.n_bytes += freed;
                    n_bytes -= freed;
                }
                Thing::Partial { key, n_bytes: n_own } => {
                    if needs.keys.contains(&key) || !(is_old || over || idle > GIVEN_UP) {
                        continue;
                    }
                    run.remove(&self.path(&partial_file(key)));
                    run.done.n_partials += 1;
                    run.done.n_bytes += n_own;
                    n_bytes -= n_own;
                }
            }
        }
        run.done.n_bytes_left = n_bytes;
        Ok(run.done)
    }
}

/// A collection under way.
struct Collection<'a> {
    store: &'a Store,
    dry: bool,
    done: Collected,
}

impl Collection<'_> {
    fn remove(&self, path: &Path) {
        if !self.dry {
            // What cannot be removed, or was removed by someone else, is there or not the next time.
            let _ = std::fs::remove_file(path);
        }
    }

    fn rubbish(&mut self, path: &Path) {
        self.done.n_bytes += path.metadata().map_or(0, |found| found.len());
        self.done.n_rubbish += 1;
        self.remove(path);
    }

    /// States whose result is there are rubbish; those that nobody works on are candidates.
    fn partials(&mut self, candidates: &mut Vec<Candidate>) -> Result<(), StoreError> {
        for (key, n_bytes, used) in self.store.partials()? {
            let Some(_lock) = Lock::take(&self.store.path(&lock_file(key)))? else { continue };
            if self.store.path(&key_file(key)).exists() {
                self.rubbish(&self.store.path(&partial_file(key)));
            } else {
                candidates.push(Candidate { used, what: Thing::Partial { key, n_bytes } });
            }
        }
        Ok(())
    }

    /// Temporary files of processes that died.
    fn temporaries(&mut self) -> Result<(), StoreError> {
        let mut found = Vec::new();
        for folder in ["keys", "objects", "partial"] {
            found.extend(files(&self.store.path(folder))?);
            found.extend(files_two_deep(&self.store.path(folder))?);
        }
        let now = SystemTime::now();
        for path in found {
            let is_temporary = path.file_name().is_some_and(|name| name.to_string_lossy().starts_with(TEMPORARY));
            let written = path.metadata().and_then(|metadata| metadata.modified());
            let idle = written.ok().and_then(|written| now.duration_since(written).ok());
            if is_temporary && idle.is_some_and(|idle| idle > ABANDONED) {
                self.rubbish(&path);
            }
        }
        Ok(())
    }

    /// Locks that nobody holds: of processes that died.
    fn locks(&mut self) -> Result<(), StoreError> {
        for path in files(&self.store.path("locks"))? {
            // The lock of this collection is the one that is not named by a key.
            if path.file_name().is_none_or(|name| name.len() != 64) {
                continue;
            }
            if let Some(mut lock) = Lock::take(&path)? {
                if self.dry {
                    lock.stays();
                }
                self.done.n_rubbish += 1;
            }
        }
        Ok(())
    }
}
