//! The bench that every host function works at: settings, what may be touched, interruption, and where events go.

use crate::core::digest::Digest;
use crate::store::bucket::Bucket;
use crate::store::memo::Registration;
use crate::store::{Store, StoreError};
use crate::sweep::Desk;
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// The user asked for a stop (Ctrl-C). A script's `try` cannot swallow it; nothing partial is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("interrupted")]
pub struct Interrupted;

/// A flag that Ctrl-C raises and that every long loop polls.
#[derive(Clone, Default)]
pub struct Interrupt(Arc<AtomicBool>);

impl Interrupt {
    /// Asks running work to stop.
    pub fn raise(&self) {
        self.0.store(true, Ordering::SeqCst);
    }

    /// Forgets an earlier request; the REPL does so before each input.
    pub fn clear(&self) {
        self.0.store(false, Ordering::SeqCst);
    }

    /// Whether a stop was asked for.
    pub fn is_raised(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }

    /// Fails with [`Interrupted`] if a stop was asked for. Long work calls this at least every 100 ms.
    pub fn check(&self) -> Result<(), Interrupted> {
        if self.is_raised() { Err(Interrupted) } else { Ok(()) }
    }
}

/// What leaves the host: the session records it and the CLI shows it.
#[derive(Debug, Clone)]
pub enum Event {
    /// Long work began: `total` steps under the name `what` (such as `finetune world-3`).
    Started { what: String, total: u64 },
    /// The work named `what` did its `done`th step; `note` is short (such as `loss 0.412`).
    Progress { what: String, done: u64, note: String },
    /// The work named `what` ended, well or not.
    Ended { what: String },
    /// Sealed truth was read: `n_rows` rows of the data `data`, which `digest` tells apart from other rows of it, by the
    /// call `by`, for `purpose`.
    TruthRead { data: String, digest: String, n_rows: usize, by: String, purpose: String },
    /// A costly operation was answered: looked up, computed, or only planned.
    Operation {
        name: String,
        /// For people: on what.
        what: String,
        /// The derivation of its result.
        digest: String,
        /// What the store looks up; empty where the result cannot be looked up.
        key: String,
        /// The digests of its inputs, by name.
        inputs: Vec<(String, String)>,
        /// Every option with its settled value.
        options: String,
        /// Floating-point operations, estimated.
        work: f64,
        found: Found,
        /// What this run spent on it.
        seconds: f64,
        /// The training loss: step (from 1) and value.
        curve: Vec<(u64, f64)>,
    },
    /// A worker process of this run computed a result, to which this process has not come yet.
    Ahead(Box<Computed>),
    /// Something that the user should know and that is not an error.
    Warning { text: String },
    /// A `table`, `figure`, `page`, `frame` or `model` (its kind) was written, as one file or several.
    Written { kind: String, name: String, files: Vec<PathBuf> },
    /// A file was read; its real path, and the hash and size of its content.
    FileRead { path: PathBuf, blake3: Digest, bytes: u64 },
    /// A file of the fetched artefact `id` was read from the store.
    FetchedRead { id: String, file: String, sha256: String, bytes: u64 },
    /// A seed was used, stated or not.
    Seed { seed: u64 },
}

/// A costly operation that was computed, as [`Event::Operation`] tells it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Computed {
    pub name: String,
    pub what: String,
    pub digest: String,
    pub key: String,
    pub inputs: Vec<(String, String)>,
    pub options: String,
    /// What computing took.
    pub seconds: f64,
    #[serde(with = "crate::record::curve")]
    pub curve: Vec<(u64, f64)>,
}

/// Where a costly operation's result came from.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Found {
    /// This process computed it.
    Computed,
    /// The store had it; computing it took this many seconds once.
    Stored { seconds: f64 },
    /// A worker process of this run computed it, which took it this many seconds.
    Worker { seconds: f64 },
    /// A plan only names it.
    Planned,
}

/// What becomes of costly results.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Memo {
    /// Everything is computed, nothing is looked up or kept.
    Off,
    /// Looked up in the store, computed where it is missing, and kept.
    On,
    /// Looked up in the store; what is missing is only named (`--plan`).
    Plan,
}

/// Settings of a session: they come from the command line and hold for its whole life.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Settings {
    /// Added to every seed that a script does not state (`--seed`).
    pub seed_offset: u64,
    /// Worker threads (`--threads`). Results never depend on it.
    pub n_threads: usize,
    /// `cpu`, `candle`, `cuda` or `metal` (`--device`).
    pub device: String,
    /// The folder where fetched and computed artefacts live (`--store`).
    pub store: PathBuf,
    /// The bucket behind that folder, as an address.
    #[serde(default)]
    pub bucket: Option<String>,
    /// Whether costly results are looked up in the store and kept there.
    pub memo: Memo,
    /// Between two saved states of a training: left out, whatever costs at most 3 % of its time
    /// (`W2S_CHECKPOINT_SECONDS`, for tests).
    pub checkpoint: Option<Duration>,
    /// Where this run writes, if it writes at all.
    pub run_dir: Option<PathBuf>,
}

/// What a script may touch, decided on the command line. Every path is resolved, links first, before it is compared.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Access {
    /// Folders (or files) that may be read.
    pub read: Vec<PathBuf>,
    /// Folders (or files) that may be written.
    pub write: Vec<PathBuf>,
    /// Hosts that may be reached.
    pub net: Vec<String>,
    /// Relative paths in a script start here.
    pub project: PathBuf,
}

/// A path or host that the script was not granted.
#[derive(Debug, Clone, thiserror::Error)]
pub enum AccessError {
    #[error("reading `{path}` is outside this script's project")]
    Read { path: String },
    #[error("writing `{path}` is outside this run's folder")]
    Write { path: String },
    #[error("`{path}`: {reason}")]
    Path { path: String, reason: String },
    #[error("`{path}`: no such file or folder")]
    NotFound { path: String, looked: Vec<(&'static str, PathBuf)> },
    #[error("the network host `{host}` was not granted")]
    Net { host: String },
}

impl crate::core::explain::Explain for AccessError {
    fn code(&self) -> &'static str {
        match self {
            AccessError::Read { .. } => "access/read",
            AccessError::Write { .. } => "access/write",
            AccessError::Path { .. } | AccessError::NotFound { .. } => "access/path",
            AccessError::Net { .. } => "access/net",
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            AccessError::Read { path } => Some(format!("grant it on the command line: --allow-read {path}")),
            AccessError::Write { path } => Some(format!("grant it on the command line: --allow-write {path}")),
            AccessError::Path { .. } => None,
            AccessError::NotFound { looked, .. } => {
                let place = |(what, folder): &(&str, PathBuf)| format!("{what} `{}`", folder.display());
                let places: Vec<String> = looked.iter().map(place).collect();
                Some(format!("it was looked for in {}", places.join(", then in ")))
            }
            AccessError::Net { host } => Some(format!("grant it on the command line: --allow-net {host}")),
        }
    }
}

impl Access {
    /// The real path of a file or folder that a script wants to read; fails where it was not granted or does not exist.
    pub fn readable(&self, path: &str) -> Result<PathBuf, AccessError> {
        let asked = self.project.join(path);
        let real = asked.canonicalize().map_err(|error| {
            // Whether a file outside the grants exists is nobody's business: the refusal comes first.
            if Self::inside(&self.read, &lexical(&asked)) {
                AccessError::Path { path: path.to_owned(), reason: plain(&error) }
            } else {
                AccessError::Read { path: path.to_owned() }
            }
        })?;
        if Self::inside(&self.read, &real) { Ok(real) } else { Err(AccessError::Read { path: path.to_owned() }) }
    }

    /// The real path of a file that a script wants to write; its folder must exist and be granted.
    pub fn writable(&self, path: &Path) -> Result<PathBuf, AccessError> {
        let shown = || path.display().to_string();
        let asked = self.project.join(path);
        let (Some(folder), Some(name)) = (asked.parent(), asked.file_name()) else {
            return Err(AccessError::Write { path: shown() });
        };
        let folder = folder.canonicalize().map_err(|_| AccessError::Write { path: shown() })?;
        let mut real = folder.join(name);
        if real.symlink_metadata().is_ok() {
            real = real.canonicalize().map_err(|_| AccessError::Write { path: shown() })?;
        }
        if Self::inside(&self.write, &real) { Ok(real) } else { Err(AccessError::Write { path: shown() }) }
    }

    /// Fails unless `host` was granted.
    pub fn reachable(&self, host: &str) -> Result<(), AccessError> {
        if self.net.iter().any(|granted| granted == host) {
            Ok(())
        } else {
            Err(AccessError::Net { host: host.to_owned() })
        }
    }

    fn inside(grants: &[PathBuf], real: &Path) -> bool {
        grants.iter().any(|grant| real.starts_with(grant.canonicalize().as_deref().unwrap_or(grant)))
    }
}

/// The path with `.` and `..` folded by name alone, for a file that does not exist.
fn lexical(path: &Path) -> PathBuf {
    let mut folded = PathBuf::new();
    for part in path.components() {
        match part {
            std::path::Component::ParentDir => {
                folded.pop();
            }
            std::path::Component::CurDir => {}
            other => folded.push(other),
        }
    }
    folded
}

/// What is said of a file that is not there.
const MISSING: &str = "no such file or folder";

/// An I/O error in plain words, without the operating system's number.
pub fn plain(error: &std::io::Error) -> String {
    match error.kind() {
        std::io::ErrorKind::NotFound => MISSING.to_owned(),
        std::io::ErrorKind::PermissionDenied => "permission denied".to_owned(),
        std::io::ErrorKind::IsADirectory => "is a folder".to_owned(),
        std::io::ErrorKind::NotADirectory => "a part of it is a file, not a folder".to_owned(),
        std::io::ErrorKind::AlreadyExists => "something is there already".to_owned(),
        _ => error.to_string().to_lowercase(),
    }
}

type Sink = Box<dyn Fn(Event) + Send + Sync>;

/// One session's bench. Shared by reference; everything in it is for many threads.
pub struct Context {
    pub settings: Settings,
    pub access: Access,
    pub interrupt: Interrupt,
    /// What stands of `sweep::map`.
    pub sweep: Desk,
    /// Tells the store which results this session needs.
    pub registration: Registration,
    bucket: Option<Arc<Bucket>>,
    sink: Mutex<Sink>,
}

impl Context {
    /// A context whose events are dropped until [`Context::listen`] is called.
    pub fn new(settings: Settings, access: Access) -> Self {
        let (interrupt, sweep, registration, bucket) = Default::default();
        Context { settings, access, interrupt, sweep, registration, bucket, sink: Mutex::new(Box::new(|_| {})) }
    }

    /// Connects with the bucket of the settings, if they name one. Until then the store is its folder alone.
    pub fn open_bucket(&mut self) -> Result<(), StoreError> {
        let Some(url) = &self.settings.bucket else { return Ok(()) };
        let bucket = Bucket::open(url, &Store::at(&self.settings.store))?;
        self.use_bucket(bucket);
        Ok(())
    }

    /// Puts a bucket behind the store's folder.
    pub fn use_bucket(&mut self, bucket: Bucket) {
        self.interrupt = bucket.interrupt().clone();
        self.bucket = Some(Arc::new(bucket));
    }

    /// The bucket behind the store's folder, if there is one.
    pub(crate) fn bucket(&self) -> Option<Arc<Bucket>> {
        self.bucket.clone()
    }

    /// A context for tests: one thread, no files, no network.
    pub fn for_tests() -> Self {
        let settings = Settings {
            seed_offset: 0,
            n_threads: 2,
            device: "cpu".to_owned(),
            store: std::env::temp_dir().join("w2s-test-store"),
            bucket: None,
            memo: Memo::Off,
            checkpoint: None,
            run_dir: None,
        };
        Context::new(settings, Access::default())
    }

    /// Sends every later event to `sink`.
    pub fn listen(&self, sink: impl Fn(Event) + Send + Sync + 'static) {
        *self.sink.lock().unwrap_or_else(PoisonError::into_inner) = Box::new(sink);
    }

    /// Tells the outside.
    pub fn tell(&self, event: Event) {
        let Some(event) = self.sweep.hold(event) else { return };
        (self.sink.lock().unwrap_or_else(PoisonError::into_inner))(event);
    }

    /// Tells the outside something that the user should know.
    pub fn warn(&self, text: impl Into<String>) {
        self.tell(Event::Warning { text: text.into() });
    }

    /// Tells that the file at the real path `path` was read and held `content`.
    pub fn note_read(&self, path: &Path, content: &[u8]) {
        let (path, blake3, bytes) = (path.to_owned(), Digest::of_bytes(content), content.len() as u64);
        self.tell(Event::FileRead { path, blake3, bytes });
    }

    /// Tells that files were written for the script: what they are together, by what name.
    pub fn note_written(&self, kind: &str, name: &str, files: Vec<PathBuf>) {
        self.tell(Event::Written { kind: kind.to_owned(), name: name.to_owned(), files });
    }

    /// Whether nothing that a script writes is kept, because it is only planned.
    pub fn writes_nothing(&self) -> bool {
        self.settings.memo == Memo::Plan
    }

    /// Where a path to be written starts: at the run's folder if it is relative and there is a run.
    pub fn in_run(&self, path: &Path) -> PathBuf {
        self.settings.run_dir.as_ref().map_or_else(|| path.to_owned(), |folder| folder.join(path))
    }

    /// The real path of a file or folder that a script wants to read. A relative path is looked for in the run's folder first,
    /// where the script's own writes go, and then in the project.
    pub fn readable(&self, path: &str) -> Result<PathBuf, AccessError> {
        let own = Path::new(path).components().all(|part| matches!(part, std::path::Component::Normal(_)));
        let inside = self.settings.run_dir.as_ref().filter(|_| own && !path.is_empty()).map(|folder| folder.join(path));
        match inside.as_deref().filter(|inside| inside.exists()).and_then(Path::to_str) {
            Some(inside) => self.access.readable(inside),
            None => self.access.readable(path).map_err(|error| match error {
                AccessError::Path { path, reason } if own && reason == MISSING => {
                    let run = self.settings.run_dir.iter().map(|folder| ("the run's folder", folder.clone()));
                    let looked = run.chain([("the project", self.access.project.clone())]).collect();
                    AccessError::NotFound { path, looked }
                }
                other => other,
            }),
        }
    }

    /// The seed to use: the one that was stated, or 0 plus the session's offset.
    pub fn seed(&self, stated: Option<u64>) -> u64 {
        let seed = stated.unwrap_or(self.settings.seed_offset);
        self.tell(Event::Seed { seed });
        seed
    }
}
