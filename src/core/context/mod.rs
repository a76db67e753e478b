//! What every function of the library is given: settings, what may be touched, cancellation, and where events go.
//!
//! It knows nothing above the core. What rooms above keep for a session (the store its bucket, sweeps what workers computed) is
//! lent to the context by whoever owns both, and found again by its type.

mod access;
mod dry_run;
mod event;
mod extensions;
mod interrupt;

use crate::core::files::MISSING;
pub use crate::core::files::plain;
pub use access::{Access, AccessError, DISK};
pub use dry_run::{DryRun, HeldBack, Look, Missing, NotComputed, Printer};
pub use event::{Event, Form, Found, Reading};
pub use interrupt::{Interrupt, Interrupted};

use crate::core::digest::Digest;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// What becomes of costly results.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Memo {
    /// Everything is computed, nothing is looked up or kept.
    Off,
    /// Looked up in the store, computed where it is missing, and kept.
    On,
}

/// The newest version of the generated world. A number rather than a name from the room of the world, because settings are below it.
pub const NEWEST_WORLD: usize = 2;

/// What records and settings that do not name the world's version were made with.
pub fn first_world() -> usize {
    1
}

/// Settings of a session: they come from the command line and hold for its whole life.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Settings {
    /// Added to every seed that a script does not state (`--seed`).
    pub seed_offset: u64,
    /// The version of the generated world that `world/…`, `world::language()` and `model::ladder("world")` mean (`--world`).
    #[serde(default = "first_world")]
    pub world: usize,
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

type Sink = Box<dyn Fn(Event) + Send + Sync>;

/// One session's context. Shared by reference; everything in it is for many threads.
pub struct Context {
    pub settings: Settings,
    pub access: Access,
    pub interrupt: Interrupt,
    is_plan: bool,
    look: Mutex<dry_run::LookState>,
    extensions: extensions::Extensions,
    states: extensions::States,
    sink: Mutex<Sink>,
    /// Names of files that `report` keeps in the run's folder, in small letters.
    pub(super) kept: Mutex<BTreeSet<String>>,
    /// Bytes that the script has written so far.
    pub(super) written: AtomicU64,
    /// What was warned of once.
    warned: Mutex<BTreeSet<String>>,
}

impl Context {
    /// A context whose events are dropped until [`Context::listen`] is called.
    pub fn new(settings: Settings, access: Access) -> Self {
        let (interrupt, look, extensions, states, kept, written, warned) = Default::default();
        let sink = Mutex::new(Box::new(|_| {}) as Sink);
        Context { settings, access, interrupt, is_plan: false, look, extensions, states, sink, kept, written, warned }
    }

    /// A context for tests: two threads, no files, no network.
    pub fn for_tests() -> Self {
        let settings = Settings {
            seed_offset: 0,
            world: NEWEST_WORLD,
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

    /// The context of a plan: see [`DryRun::Plan`].
    #[must_use]
    pub fn planning(self) -> Self {
        Context { is_plan: true, ..self }
    }

    /// Lends the context what a room above keeps for the session.
    #[must_use]
    pub fn with<T: Send + Sync + 'static>(mut self, value: Arc<T>) -> Self {
        self.extensions.insert(value);
        self
    }

    /// What was lent to the context of this type, if anything.
    pub fn extension<T: Send + Sync + 'static>(&self) -> Option<&T> {
        self.extensions.get()
    }

    /// What a room keeps for the session in a value of this type, made empty when it is first asked for.
    pub fn state<T: Default + Send + Sync + 'static>(&self) -> Arc<T> {
        self.states.get()
    }

    /// Sends every later event to `sink`.
    pub fn listen(&self, sink: impl Fn(Event) + Send + Sync + 'static) {
        *self.sink.lock().unwrap_or_else(PoisonError::into_inner) = Box::new(sink);
    }

    /// Tells the outside.
    pub fn tell(&self, event: Event) {
        let Some(event) = self.not_held_back(event) else { return };
        (self.sink.lock().unwrap_or_else(PoisonError::into_inner))(event);
    }

    /// Tells the outside something that the user should know.
    pub fn warn(&self, text: impl Into<String>) {
        self.tell(Event::Warning { text: text.into() });
    }

    /// Warns once in the session of what `key` names. What a look holds back counts when it is told.
    pub fn warn_once(&self, key: &str, text: impl Into<String>) {
        let text = text.into();
        if self.holds_back_once(key, &text) {
            return;
        }
        let is_new = self.warned.lock().unwrap_or_else(PoisonError::into_inner).insert(key.to_owned());
        if is_new {
            self.warn(text);
        }
    }

    /// Tells that the file at the real path `path` was read and held `content`.
    pub fn note_read(&self, path: &Path, content: &[u8]) {
        self.note_content(path, Digest::of_bytes(content), content.len() as u64);
    }

    /// Tells that a file was read whose content has this hash and so many bytes.
    pub fn note_content(&self, path: &Path, blake3: Digest, bytes: u64) {
        self.tell(Event::FileRead { path: path.to_owned(), blake3, bytes });
    }

    /// Tells that files were written for the script: what they are together, by what name.
    pub fn note_written(&self, kind: &str, name: &str, files: Vec<PathBuf>) {
        let (kind, name, caption) = (kind.to_owned(), name.to_owned(), String::new());
        self.tell(Event::Written { kind, name, caption, files });
    }

    /// Whether nothing that a script writes is kept, because it is only planned.
    pub fn writes_nothing(&self) -> bool {
        self.dry_run() == Some(DryRun::Plan)
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
