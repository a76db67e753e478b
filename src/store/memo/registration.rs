//! Which run needs which results: `runs/ID`, locked while the run's process lives, says where the run's folder is and, a
//! line each, which keys it used. A collection keeps them while the process lives or the folder has its record.

use super::Key;
use super::lock::Lock;
use crate::core::context::Context;
use crate::core::digest::Digest;
use crate::store::backend::Entry;
use crate::store::bucket::{ENDED, host};
use crate::store::{Store, StoreError};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, SystemTime};

/// The file that a run's folder keeps as long as somebody wants the run.
const RECORD: &str = "record.json";

/// The most bytes of a run's record that are read: more than a record of its most events has.
const MAX_RECORD: u64 = 1 << 30;

/// The most bytes of a registration that are read: a million keys.
const MAX_REGISTRATION: u64 = 64 << 20;

/// A session of another machine lives whose registration in the bucket was written so lately: three signs of life.
const LIVES: Duration = Duration::from_secs(600);

/// A session of another machine that has no run folder needs its results for so long after its last sign of life. Arbitrary.
const WITHOUT_FOLDER: Duration = Duration::from_secs(24 * 3600);

/// What this session needs of the store. It is written at the first use.
#[derive(Default)]
pub struct Registration {
    state: Mutex<RegistrationState>,
    has_added: AtomicBool,
}

#[derive(Default)]
enum RegistrationState {
    #[default]
    Unused,
    Registered {
        lock: Lock,
        keys: BTreeSet<Key>,
    },
    /// Registration failed; warned once.
    Failed,
}

/// The first line of a registration.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Head {
    /// Where the run writes; a session without a folder needs its results while it lives.
    folder: Option<PathBuf>,
    /// Where a bucket is behind the store: what tells this machine from others, and what people call it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    machine: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    host: Option<String>,
}

impl Registration {
    /// Notes that the session added to the store.
    pub(super) fn added(&self) {
        self.has_added.store(true, Ordering::Relaxed);
    }

    /// Whether the session added to the store.
    pub fn has_added(&self) -> bool {
        self.has_added.load(Ordering::Relaxed)
    }

    /// Notes that the session needs the result of `key`.
    pub(super) fn note(&self, key: Key, store: &Store, ctx: &Context) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if let RegistrationState::Unused = &*state {
            *state = begin(store, ctx).map_or_else(
                |error| failed(ctx, &error),
                |lock| RegistrationState::Registered { lock, keys: BTreeSet::new() },
            );
        }
        let RegistrationState::Registered { lock, keys } = &mut *state else { return };
        if !keys.insert(key) {
            return;
        }
        if let Some(bucket) = &store.bucket {
            bucket.note_use(&format!("{key}\n"));
        }
        // One write, so that a line is whole or the last one.
        if let Err(error) = lock.file.write_all(format!("{key}\n").as_bytes()) {
            let error = StoreError::io(store.root(), &error);
            *state = failed(ctx, &error);
        }
    }
}

/// Says that a collection may take what this session needs. Where nothing can be written nothing can be collected either.
fn failed(ctx: &Context, error: &StoreError) -> RegistrationState {
    if !matches!(error, StoreError::ReadOnly { .. } | StoreError::Denied { .. }) {
        ctx.warn(format!("`w2s store gc` may remove what this run needs: the store could not register it: {error}"));
    }
    RegistrationState::Failed
}

/// Makes this session's file and locks it.
fn begin(store: &Store, ctx: &Context) -> Result<Lock, StoreError> {
    let folder = ctx.settings.run_dir.clone();
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    let own: *const Context = ctx;
    let id = format!("{} {own:p} {} {folder:?}", std::process::id(), since.as_nanos());
    let id: String = Digest::of_bytes(id.as_bytes()).to_hex().chars().take(32).collect();
    let path = store.path(&format!("runs/{id}"));
    let fails = |error: &std::io::Error| StoreError::io(&path, error);
    let mut lock = Lock::wait(&path, &ctx.interrupt, || {})?;
    if folder.is_some() {
        lock.stays();
    }
    let machine = store.bucket.as_ref().map(|bucket| bucket.leases().machine().to_owned());
    let host = machine.as_ref().map(|_| host());
    let mut head = serde_json::to_vec(&Head { folder, machine, host }).unwrap_or_default();
    head.push(b'\n');
    if let Some(bucket) = &store.bucket {
        bucket.register(&format!("runs/{id}"), &head);
    }
    lock.file.write_all(&head).map_err(|error| fails(&error))?;
    Ok(lock)
}

/// Who needs results, and which.
#[derive(Debug, Default)]
pub(super) struct Needs {
    /// What must not be removed.
    pub(super) keys: BTreeSet<Key>,
    pub(super) n_running: usize,
    pub(super) n_kept: usize,
    /// Other machines whose runs need results, as people call them, and how many runs.
    pub(super) others: BTreeMap<String, usize>,
    /// Registrations of runs whose folder is gone.
    pub(super) gone: Vec<Entry>,
    /// The last use of each result that a registration of a bucket names; and of those that only such ones name that are gone.
    pub(super) used: BTreeMap<Key, SystemTime>,
    pub(super) gone_uses: BTreeMap<Key, SystemTime>,
}

impl Needs {
    /// Reads every registration; those of the machine `forget` count no longer.
    pub(super) fn read(store: &Store, forget: Option<&str>) -> Result<Needs, StoreError> {
        let mut needs = Needs::default();
        let backend = store.backend();
        for entry in backend.list("runs")? {
            let text = backend.get(&entry.place, MAX_REGISTRATION)?;
            let Some((head, keys, has_ended)) = text.as_ref().and_then(|(text, _)| read(text)) else {
                needs.gone.push(entry);
                continue;
            };
            let is_remote = store.bucket.as_ref().is_some_and(|bucket| !head.is_of(bucket.leases().machine()));
            let state =
                if is_remote { head.elsewhere(&entry, has_ended, forget) } else { head.here(store, &entry.place)? };
            if store.bucket.is_some() {
                for key in &keys {
                    let last = needs.used.entry(*key).or_insert(entry.changed);
                    *last = entry.changed.max(*last);
                }
            }
            match state {
                Run::Gone => {
                    needs.gone_uses.extend(keys.iter().filter_map(|key| Some((*key, *needs.used.get(key)?))));
                    needs.gone.push(entry);
                    continue;
                }
                Run::Lives => needs.n_running += 1,
                Run::Kept(record) => {
                    needs.n_kept += 1;
                    // What workers of the run used stands in its record.
                    needs.keys.extend(record.iter().flat_map(|record| keys_of(record)));
                }
            }
            if is_remote {
                *needs.others.entry(head.host.unwrap_or_default()).or_default() += 1;
            }
            needs.keys.extend(keys);
        }
        Ok(needs)
    }
}

/// What became of a registered run.
enum Run {
    Lives,
    /// Its record, where it can be read from here.
    Kept(Option<PathBuf>),
    Gone,
}

impl Head {
    fn is_of(&self, machine: &str) -> bool {
        self.machine.as_deref() == Some(machine)
    }

    /// What became of a run of this machine.
    fn here(&self, store: &Store, place: &str) -> Result<Run, StoreError> {
        if is_held(&store.path(place))? {
            return Ok(Run::Lives);
        }
        let record = self.folder.as_ref().map(|folder| folder.join(RECORD)).filter(|record| record.is_file());
        Ok(record.map_or(Run::Gone, |record| Run::Kept(Some(record))))
    }

    /// What is known here of a run of another machine: only that machine sees whether its folder is still there.
    fn elsewhere(&self, entry: &Entry, has_ended: bool, forget: Option<&str>) -> Run {
        let idle = SystemTime::now().duration_since(entry.changed).unwrap_or_default();
        match &self.folder {
            _ if forget.is_some() && self.host.as_deref() == forget => Run::Gone,
            _ if !has_ended && idle < LIVES => Run::Lives,
            None if has_ended || idle > WITHOUT_FOLDER => Run::Gone,
            _ => Run::Kept(None),
        }
    }
}

/// The run and the keys of a registration, and whether its session said that it was over; `None` where it says nothing.
fn read(text: &[u8]) -> Option<(Head, Vec<Key>, bool)> {
    let mut lines = text.lines().map_while(Result::ok);
    let head: Head = serde_json::from_str(&lines.next()?).ok()?;
    let (mut keys, mut has_ended) = (Vec::new(), false);
    for line in lines {
        // A key after the end: the session went on.
        has_ended = line == ENDED;
        keys.extend(Digest::from_hex(&line));
    }
    Some((head, keys, has_ended))
}

/// Whether a living process holds the registration.
fn is_held(path: &Path) -> Result<bool, StoreError> {
    // One that was only ever in a bucket is nobody's here.
    if !path.is_file() {
        return Ok(false);
    }
    let Some(mut lock) = Lock::take(path)? else { return Ok(true) };
    lock.stays();
    Ok(false)
}

/// Every look-up key in a run's record, wherever it stands. A record that cannot be read has none.
pub(super) fn keys_of(record: &Path) -> BTreeSet<Key> {
    let mut keys = BTreeSet::new();
    let small = record.metadata().is_ok_and(|found| found.len() <= MAX_RECORD);
    let text = if small { std::fs::read(record).unwrap_or_default() } else { Vec::new() };
    let mut open: Vec<serde_json::Value> = serde_json::from_slice(&text).into_iter().collect();
    while let Some(value) = open.pop() {
        match value {
            serde_json::Value::Array(items) => open.extend(items),
            serde_json::Value::Object(members) => {
                keys.extend(members.get("key").and_then(serde_json::Value::as_str).and_then(Digest::from_hex));
                open.extend(members.into_iter().map(|(_, value)| value));
            }
            _ => {}
        }
    }
    keys
}
