//! Collection: what nobody needs goes, the least recently used first, and never what a running process or a kept run needs.

use super::Key;
use super::files::{MAX_MANIFEST, key_file, lock_file, object_file};
use super::lock::Lock;
use super::partial::partial_file;
use super::registration::Needs;
use super::remote::key_at;
use crate::core::context::Interrupt;
use crate::store::backend::Entry;
use crate::store::bucket::Lease;
use crate::store::{Store, StoreError, TEMPORARY};
use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::time::{Duration, SystemTime};

/// Temporary files that nothing was written to for this long belong to no living process. Arbitrary.
const ABANDONED: Duration = Duration::from_secs(3600);

/// States of work that nobody went on with for this long are given up. Arbitrary.
const GIVEN_UP: Duration = Duration::from_secs(30 * 24 * 3600);

/// Contents of a bucket that no result names are leftovers after so long, for whoever writes one writes its manifest next.
const SETTLED: Duration = Duration::from_secs(3600);

/// What to collect.
#[derive(Debug, Clone, Default)]
pub struct Collect {
    /// The most bytes that computed results may take.
    pub max_bytes: Option<u64>,
    /// Results whose last use is longer ago go.
    pub older_than: Option<Duration>,
    /// Only say what would go.
    pub dry: bool,
    /// What runs of this machine need, as far as a bucket knows them, is no longer kept.
    pub forget: Option<String>,
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
    /// Other machines whose runs need results, as people call them, and how many runs.
    pub others: BTreeMap<String, usize>,
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
        if self.bucket.is_none() && !self.root().is_dir() {
            return Ok(Collected::default());
        }
        let _alone = self.collecting(collect.dry, interrupt)?;
        let needs = Needs::read(self, collect.forget.as_deref())?;
        let mut run = Collection {
            store: self,
            dry: collect.dry,
            now: SystemTime::now(),
            done: Collected {
                n_running: needs.n_running,
                n_kept_runs: needs.n_kept,
                others: needs.others.clone(),
                ..Collected::default()
            },
        };
        for entry in &needs.gone {
            run.rubbish(entry)?;
        }
        let objects = self.objects()?;
        let mut candidates = Vec::new();
        // How many results share a content.
        let mut n_users: BTreeMap<String, usize> = BTreeMap::new();
        for listed in self.results()? {
            interrupt.check()?;
            let content = listed.manifest.as_ref().ok().map(|manifest| manifest.content.clone());
            let Some(content) = content.filter(|content| objects.contains_key(content)) else {
                let place = key_file(listed.key);
                run.rubbish(&Entry { place, n_bytes: listed.n_bytes, changed: listed.used })?;
                continue;
            };
            *n_users.entry(content.clone()).or_default() += 1;
            let what = Thing::Result { key: listed.key, n_bytes: listed.n_bytes, content };
            // A bucket's files do not say when they were used; the sessions that used them do.
            let used = needs.used.get(&listed.key).map_or(listed.used, |used| listed.used.max(*used));
            candidates.push(Candidate { used, what });
        }
        for (_, entry) in objects.iter().filter(|(name, _)| !n_users.contains_key(*name)) {
            if self.bucket.is_none() || run.idle(entry) > SETTLED {
                run.rubbish(entry)?;
            }
        }
        run.partials(&mut candidates)?;
        run.temporaries()?;
        run.locks()?;
        let total = |thing: &Candidate| match &thing.what {
            Thing::Result { n_bytes, .. } | Thing::Partial { n_bytes, .. } => *n_bytes,
        };
        let shared: u64 = n_users.keys().filter_map(|name| objects.get(name)).map(|entry| entry.n_bytes).sum();
        let mut n_bytes = candidates.iter().map(total).sum::<u64>() + shared;
        candidates.sort_by_key(|candidate| candidate.used);
        let now = run.now;
        for Candidate { used, what } in candidates {
            interrupt.check()?;
            let idle = now.duration_since(used).unwrap_or_default();
            let is_old = collect.older_than.is_some_and(|most| idle > most);
            let over = collect.max_bytes.is_some_and(|most| n_bytes > most);
            match what {
                Thing::Result { key, n_bytes: n_own, content } => {
                    let n_content = objects.get(&content).map_or(0, |entry| entry.n_bytes);
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
                    run.remove(&key_file(key))?;
                    if *left == 0 {
                        freed += n_content;
                        run.remove(&object_file(&content))?;
                    }
                    run.done.n_results += 1;
                    run.done.n_bytes += freed;
                    n_bytes -= freed;
                }
                Thing::Partial { key, n_bytes: n_own } => {
                    if needs.keys.contains(&key) || !(is_old || over || idle > GIVEN_UP) {
                        continue;
                    }
                    run.remove(&partial_file(key))?;
                    run.done.n_partials += 1;
                    run.done.n_bytes += n_own;
                    n_bytes -= n_own;
                }
            }
        }
        run.done.n_bytes_left = n_bytes;
        run.note_uses(&needs)?;
        Ok(run.done)
    }
}

/// Held while a collection is under way: nothing is added to the folder meanwhile, and no other one collects in the bucket.
enum Alone {
    Folder(#[allow(dead_code)] File),
    Bucket(#[allow(dead_code)] Lease),
    /// Nothing is removed.
    Looking,
}

impl Store {
    fn collecting(&self, is_dry: bool, interrupt: &Interrupt) -> Result<Alone, StoreError> {
        let Some(bucket) = &self.bucket else { return self.removing(interrupt).map(Alone::Folder) };
        if is_dry {
            return Ok(Alone::Looking);
        }
        bucket.connect(&self.folder())?;
        let lease = bucket.leases().acquire(bucket.backend(), COLLECTING, interrupt, || {})?;
        Ok(Alone::Bucket(lease))
    }
}

/// The lease of whoever collects in a bucket.
const COLLECTING: &str = "locks/collecting";

/// A collection under way.
struct Collection<'a> {
    store: &'a Store,
    dry: bool,
    now: SystemTime,
    done: Collected,
}

impl Collection<'_> {
    fn remove(&self, place: &str) -> Result<(), StoreError> {
        if self.dry {
            return Ok(());
        }
        match self.store.backend().delete(place) {
            Err(error) if error.is_of_bucket() => Err(error),
            // What cannot be removed from a folder is there or not the next time.
            _ => Ok(()),
        }
    }

    fn rubbish(&mut self, entry: &Entry) -> Result<(), StoreError> {
        self.done.n_bytes += entry.n_bytes;
        self.done.n_rubbish += 1;
        self.remove(&entry.place)
    }

    fn idle(&self, entry: &Entry) -> Duration {
        self.now.duration_since(entry.changed).unwrap_or_default()
    }

    /// States whose result is there are rubbish; those that nobody works on are candidates.
    fn partials(&mut self, candidates: &mut Vec<Candidate>) -> Result<(), StoreError> {
        let backend = self.store.backend();
        // Of a bucket's work a lease says that somebody is at it.
        let listed = if self.store.bucket.is_some() { backend.list("locks")? } else { Vec::new() };
        let leased: BTreeSet<&str> = listed.iter().map(|entry| entry.place.as_str()).collect();
        for (key, n_bytes, used) in self.store.partials()? {
            let place = lock_file(key);
            let _lock = if self.store.bucket.is_none() {
                let Some(lock) = Lock::take(&self.store.path(&place))? else { continue };
                Some(lock)
            } else if leased.contains(place.as_str()) {
                continue;
            } else {
                None
            };
            if backend.head(&key_file(key))?.is_some() {
                self.rubbish(&Entry { place: partial_file(key), n_bytes, changed: used })?;
            } else {
                candidates.push(Candidate { used, what: Thing::Partial { key, n_bytes } });
            }
        }
        Ok(())
    }

    /// Writes manifests of a bucket anew whose last use only registrations knew that are removed here.
    fn note_uses(&self, needs: &Needs) -> Result<(), StoreError> {
        if self.dry || self.store.bucket.is_none() {
            return Ok(());
        }
        let backend = self.store.backend();
        for (key, used) in &needs.gone_uses {
            let place = key_file(*key);
            if backend.head(&place)?.is_some_and(|entry| entry.changed < *used)
                && let Some((text, version)) = backend.get(&place, MAX_MANIFEST)?
            {
                backend.put_over(&place, text, &version)?;
            }
        }
        Ok(())
    }

    /// Temporary files of processes that died. A bucket has none.
    fn temporaries(&mut self) -> Result<(), StoreError> {
        for folder in ["keys", "objects", "partial"] {
            for entry in self.store.backend().list(folder)? {
                let is_temporary = entry.place.rsplit('/').next().is_some_and(|name| name.starts_with(TEMPORARY));
                if is_temporary && self.idle(&entry) > ABANDONED {
                    self.rubbish(&entry)?;
                }
            }
        }
        Ok(())
    }

    /// Locks that nobody holds: of processes that died.
    fn locks(&mut self) -> Result<(), StoreError> {
        // The lock of this collection is the one that is not named by a key.
        let listed: Vec<Entry> = self.store.backend().list("locks")?;
        for entry in listed.into_iter().filter(|entry| key_at(&entry.place).is_some()) {
            if self.store.bucket.is_some() {
                // A lease that lives is renewed many times within this.
                if self.idle(&entry) > ABANDONED {
                    self.rubbish(&entry)?;
                }
            } else if let Some(mut lock) = Lock::take(&self.store.path(&entry.place))? {
                if self.dry {
                    lock.stays();
                }
                self.done.n_rubbish += 1;
            }
        }
        Ok(())
    }
}
