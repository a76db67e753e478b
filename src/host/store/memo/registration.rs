//! Which run needs which results: `runs/ID`, locked while the run's process lives, says where the run's folder is and, a
//! line each, which keys it used. A collection keeps them while the process lives or the folder has its record.

use super::Key;
use super::lock::Lock;
use crate::host::digest::Digest;
use crate::host::lab::Lab;
use crate::host::store::{Store, StoreError};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::SystemTime;

/// The file that a run's folder keeps as long as somebody wants the run.
const RECORD: &str = "record.json";

/// The most bytes of a run's record that are read: chosen, more than a record of its most events has.
const MAX_RECORD: u64 = 1 << 30;

/// What this session needs of the store. It is written at the first use.
#[derive(Default)]
pub struct Registration {
    state: Mutex<State>,
    has_added: AtomicBool,
}

#[derive(Default)]
enum State {
    #[default]
    Unused,
    Registered {
        lock: Lock,
        keys: BTreeSet<Key>,
    },
    /// It could not be written, which was said once.
    Given,
}

/// The first line of a registration.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Head {
    /// Where the run writes; a session without a folder needs its results while it lives.
    folder: Option<PathBuf>,
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
    pub(super) fn note(&self, key: Key, store: &Store, lab: &Lab) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if let State::Unused = &*state {
            *state = begin(store, lab)
                .map_or_else(|error| given(lab, &error), |lock| State::Registered { lock, keys: BTreeSet::new() });
        }
        let State::Registered { lock, keys } = &mut *state else { return };
        if !keys.insert(key) {
            return;
        }
        // One write, so that a line is whole or the last one.
        if let Err(error) = lock.file.write_all(format!("{key}\n").as_bytes()) {
            let error = StoreError::io(store.root(), &error);
            *state = given(lab, &error);
        }
    }
}

/// Says that a collection may take what this session needs. Where nothing can be written nothing can be collected either.
fn given(lab: &Lab, error: &StoreError) -> State {
    if !matches!(error, StoreError::ReadOnly { .. } | StoreError::Denied { .. }) {
        lab.warn(format!("`w2s store gc` may remove what this run needs, for the store cannot note it: {error}"));
    }
    State::Given
}

/// Makes this session's file and locks it.
fn begin(store: &Store, lab: &Lab) -> Result<Lock, StoreError> {
    let folder = lab.settings.run_dir.clone();
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    let own: *const Lab = lab;
    let id = format!("{} {own:p} {} {folder:?}", std::process::id(), since.as_nanos());
    let id: String = Digest::of_bytes(id.as_bytes()).to_hex().chars().take(32).collect();
    let path = store.path(&format!("runs/{id}"));
    let fails = |error: &std::io::Error| StoreError::io(&path, error);
    let mut lock = Lock::wait(&path, &lab.interrupt, || {})?;
    if folder.is_some() {
        lock.stays();
    }
    let mut head = serde_json::to_vec(&Head { folder }).unwrap_or_default();
    head.push(b'\n');
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
    /// Registrations of runs whose folder is gone.
    pub(super) gone: Vec<PathBuf>,
}

impl Needs {
    /// Reads every registration.
    pub(super) fn read(store: &Store) -> Result<Needs, StoreError> {
        let mut needs = Needs::default();
        for path in super::listing::files(&store.path("runs"))? {
            let Some((folder, keys)) = read(&path) else {
                needs.gone.push(path);
                continue;
            };
            if is_held(&path)? {
                needs.n_running += 1;
            } else {
                let record = folder.map(|folder| folder.join(RECORD)).filter(|record| record.is_file());
                let Some(record) = record else {
                    needs.gone.push(path);
                    continue;
                };
                needs.n_kept += 1;
                // What workers of the run used stands in its record.
                needs.keys.extend(keys_of(&record));
            }
            needs.keys.extend(keys);
        }
        Ok(needs)
    }
}

/// The run folder and the keys of a registration; `None` where it says nothing.
fn read(path: &Path) -> Option<(Option<PathBuf>, Vec<Key>)> {
    let mut lines = BufReader::new(std::fs::File::open(path).ok()?).lines().map_while(Result::ok);
    let head: Head = serde_json::from_str(&lines.next()?).ok()?;
    Some((head.folder, lines.filter_map(|line| Digest::from_hex(&line)).collect()))
}

/// Whether a living process holds the registration.
fn is_held(path: &Path) -> Result<bool, StoreError> {
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
