//! Collects a run while it happens and writes its record.

use super::schema::{
    Copied, FetchedFile, FileRead, Formats, Grants, How, Library, MAX_EVENTS, MAX_RESULTS, Machine, Outcome, Printed,
    Record, Recorded, RecordedSettings, Root, SCHEMA, What, WrittenFile,
};
use super::{Places, RecordError, clock, folder, pages};
use crate::core::context::{Access, Event, Memo, Reading, Settings};
use crate::core::digest::Digest;
use crate::core::operation::Operation;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime};

/// Files read and seeds used that are kept, each (chosen as above).
const MAX_NOTED: usize = 100_000;

/// Bytes of printed text that are kept (chosen). All of it is hashed.
const MAX_PRINTED: usize = 1 << 20;

/// What is known of a run before it begins.
pub struct Start<'a> {
    /// The run folder, which exists.
    pub folder: &'a Path,
    /// The script as it was named.
    pub script: &'a str,
    pub arguments: &'a [String],
    pub settings: &'a Settings,
    pub access: &'a Access,
    /// Paths that the command line granted for reading.
    pub read: &'a [PathBuf],
    /// Paths that the command line granted for writing.
    pub write: &'a [PathBuf],
    /// The script modules that come with the program: name and text.
    pub stdlib: &'a [(&'a str, &'a str)],
}

/// One text of a run.
#[derive(Debug, Clone)]
pub struct Source {
    /// What messages call it.
    pub name: String,
    pub text: Arc<str>,
    /// The real path of its file, if it has one.
    pub path: Option<PathBuf>,
}

/// Collects a run. Cheap to clone; clones share.
#[derive(Clone)]
pub struct Recorder {
    folder: PathBuf,
    places: Arc<Places>,
    start: Instant,
    state: Arc<Mutex<State>>,
    /// Every module that comes with the program; the record names those of `tasks/` only where they are imported.
    shipped: Arc<[Library]>,
}

/// The record so far.
struct State {
    record: Record,
    /// Of what the script printed.
    printed: blake3::Hasher,
    n_printed: usize,
    /// What workers computed and the script has not come to, with its time.
    ahead: Vec<(f64, Operation)>,
    /// When the record was last written, and how long that took.
    last: (Instant, Duration),
}

/// How often the record of a running run is written, so that one that is killed leaves what it did (chosen); rarer where
/// writing takes more than a hundredth of that.
const BEAT: Duration = Duration::from_secs(5);

impl Recorder {
    /// A recorder that writes into the run folder.
    pub fn new(start: &Start) -> Self {
        let places = Places::of(start.settings, start.access);
        let granted = |paths: &[PathBuf]| {
            let here = |path: &PathBuf| path.canonicalize().unwrap_or_else(|_| path.clone());
            paths.iter().map(|path| places.place(&here(path)).1).collect()
        };
        let named = |(name, text): &(&str, &str)| Library { name: (*name).to_owned(), digest: hash(text.as_bytes()) };
        let shipped: Arc<[Library]> = start.stdlib.iter().map(named).collect();
        let record = Record {
            schema: SCHEMA.to_owned(),
            program: concat!("w2s ", env!("CARGO_PKG_VERSION")).to_owned(),
            build: env!("W2S_BUILD").to_owned(),
            versions: super::versions::stated(),
            formats: Formats { model: crate::models::CHECKPOINT_VERSION, bundle: super::BUNDLE.to_owned() },
            stdlib: shipped.iter().filter(|library| !library.name.contains('/')).cloned().collect(),
            name: start.folder.file_name().unwrap_or_default().to_string_lossy().into_owned(),
            script: places.clean(start.script),
            arguments: start.arguments.to_vec(),
            settings: RecordedSettings {
                seed_offset: start.settings.seed_offset,
                world: start.settings.world,
                device: start.settings.device.clone(),
                kernels: crate::kernels::class_on(&start.settings.device).to_owned(),
                n_threads: start.settings.n_threads,
                memo: match start.settings.memo {
                    Memo::On => "on",
                    Memo::Off => "off",
                }
                .to_owned(),
            },
            grants: Grants { read: granted(start.read), write: granted(start.write) },
            project: places.project_from_run(),
            machine: machine(),
            started: clock::rfc3339(SystemTime::now()),
            seconds: 0.0,
            outcome: Outcome::Running,
            sources: Vec::new(),
            reads: Vec::new(),
            fetched: Vec::new(),
            seeds: Vec::new(),
            printed: Printed { blake3: hash(b""), ..Printed::default() },
            events: Vec::new(),
            n_events_dropped: 0,
            pages: Vec::new(),
        };
        let last = (Instant::now(), Duration::ZERO);
        let state = State { record, printed: blake3::Hasher::new(), n_printed: 0, ahead: Vec::new(), last };
        Recorder {
            folder: start.folder.to_owned(),
            places: Arc::new(places),
            start: Instant::now(),
            state: Arc::new(Mutex::new(state)),
            shipped,
        }
    }

    /// Keeps what of `event` belongs into a record.
    pub fn note(&self, event: &Event) {
        let clean = |text: String| self.places.clean(&text);
        let cleaned = |reading: Reading| Reading { data: clean(reading.data.clone()), ..reading };
        let what = match event.clone() {
            Event::Started { .. } | Event::Progress { .. } | Event::Ended { .. } => return,
            Event::FileRead { path, blake3, bytes } => {
                let (root, path) = self.places.place(&path);
                let read = FileRead { root, path, blake3: blake3.to_hex(), bytes };
                return self.with(|state| keep_sorted(&mut state.record.reads, read));
            }
            Event::FetchedRead { id, file, sha256, bytes } => {
                let read = FetchedFile { id, file, sha256, bytes };
                return self.with(|state| keep_sorted(&mut state.record.fetched, read));
            }
            Event::Ahead(computed) => {
                let computed = Operation { what: clean(computed.what.clone()), ..*computed };
                let at = self.start.elapsed().as_secs_f64();
                return self.with(|state| state.ahead.push((at, computed)));
            }
            Event::Seed { seed } => return self.with(|state| keep_sorted(&mut state.record.seeds, seed)),
            Event::Operation { operation, work: _, found } => {
                let operation = Operation { what: clean(operation.what), ..operation };
                What::Operation { operation, found: found.into() }
            }
            Event::TruthRead(reading) => What::TruthRead(cleaned(reading)),
            Event::TruthUsed { reading, by, result } => What::TruthUsed { reading: cleaned(reading), by, result },
            Event::VaultOpened { data, digest, n_rows, predictions, metric, opening, budget, is_new } => {
                let data = clean(data);
                What::VaultOpened { data, digest, n_rows, predictions, metric, opening, budget, is_new }
            }
            Event::TestRows { data, digest, n_rows, known_by, became } => {
                let (known_by, became) = (known_by.to_owned(), became.to_owned());
                What::TestRows { data: clean(data), digest, n_rows, known_by, became }
            }
            Event::Warning { text } => What::Warning { text: clean(text) },
            Event::Written { kind, name, caption, files } => {
                let files = files.iter().map(|path| self.written(path)).collect();
                What::Written { kind, name: clean(name), caption: clean(caption), files }
            }
        };
        let at = self.start.elapsed().as_secs_f64();
        self.with(|state| {
            if let What::Operation { operation, .. } = &what {
                state.ahead.retain(|(_, computed)| computed.key != operation.key);
            }
            push(&mut state.record, Recorded { at, what });
        });
    }

    /// Whether the record of a run that goes on should be written again by now.
    pub fn is_due(&self) -> bool {
        let is_due = |state: &State| state.last.0.elapsed() > BEAT.max(state.last.1 * 100);
        self.with(|state| state.record.outcome == Outcome::Running && is_due(state))
    }

    /// Whether `earlier` is the record of the same command: script, arguments, seed and version of the world.
    pub fn is_same_command(&self, earlier: &Record) -> bool {
        let of = |record: &Record| {
            let settings = &record.settings;
            (record.script.clone(), record.arguments.clone(), settings.seed_offset, settings.world)
        };
        self.with(|state| of(&state.record) == of(earlier))
    }

    fn written(&self, path: &Path) -> WrittenFile {
        let real = path.canonicalize().unwrap_or_else(|_| path.to_owned());
        let (root, path) = self.places.place(&real);
        let hashed = std::fs::File::open(&real).and_then(|file| {
            let bytes = file.metadata()?.len();
            Ok((blake3::Hasher::new().update_reader(file)?.finalize().to_hex().to_string(), bytes))
        });
        let (blake3, bytes) = hashed.unwrap_or_default();
        WrittenFile { root, path, blake3, bytes }
    }

    fn with<T>(&self, change: impl FnOnce(&mut State) -> T) -> T {
        change(&mut self.state.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Copies the texts of a run, the script first, and notes their digests.
    pub fn copy_sources(&self, sources: &[Source]) -> Result<(), RecordError> {
        let mut copied: Vec<Copied> = Vec::new();
        for (idx, source) in sources.iter().enumerate() {
            let name = self.places.clean(&source.name);
            let stem = folder::plain_name(name.trim_end_matches(".rhai"));
            let mut file = if idx == 0 { "script.rhai".to_owned() } else { format!("imports/{stem}.rhai") };
            if copied.iter().any(|other| other.file == file) {
                file = format!("imports/{stem}-{idx}.rhai");
            }
            folder::write(&self.folder.join(&file), source.text.as_bytes())?;
            let path = source.path.as_ref().map(|path| self.places.place(path).1);
            copied.push(Copied { name, path, file, digest: hash(source.text.as_bytes()) });
        }
        // Which of the program's task files are imported is known only now, and more may be.
        let imported = |name: &str| copied.iter().any(|source| source.name == name);
        let named = self.shipped.iter().filter(|library| !library.name.contains('/') || imported(&library.name));
        let stdlib = named.cloned().collect();
        self.with(|state| {
            state.record.stdlib = stdlib;
            state.record.sources = copied;
        });
        Ok(())
    }

    /// Writes `record.json` with this outcome, whole or not at all; before it `report.html` once the run has ended, and the
    /// appendix for a paper once it has ended well.
    pub fn write(&self, outcome: Outcome) -> Result<(), RecordError> {
        let ended = outcome != Outcome::Running;
        let outcome = match outcome {
            Outcome::Failed { code, message, place } => Outcome::Failed {
                code,
                message: self.places.clean(&message),
                place: place.map(|place| self.places.clean(&place)),
            },
            other => other,
        };
        let began = Instant::now();
        let mut record = self.with(|state| {
            state.record.outcome = outcome;
            state.record.seconds = self.start.elapsed().as_secs_f64();
            state.with_ahead()
        });
        if ended {
            for (name, text) in pages(&self.folder, &record) {
                folder::write(&self.folder.join(name), text.as_bytes())?;
                let (blake3, bytes) = (hash(text.as_bytes()), text.len() as u64);
                record.pages.push(WrittenFile { root: Root::Run, path: name.to_owned(), blake3, bytes });
            }
        }
        folder::write(&self.folder.join("record.json"), record.to_text()?.as_bytes())?;
        if ended {
            folder::settle(&self.folder)?;
        }
        self.with(|state| {
            state.record.pages = record.pages;
            state.last = (Instant::now(), began.elapsed());
        });
        Ok(())
    }

    /// Notes a text that the script printed: the first [`MAX_PRINTED`] bytes are kept, all are hashed.
    pub fn printed(&self, line: &str) {
        let line = self.places.clean(line);
        self.with(|state| {
            state.printed.update(line.as_bytes()).update(b"\n");
            let printed = &mut state.record.printed;
            printed.blake3 = state.printed.finalize().to_hex().to_string();
            printed.n_lines += 1;
            state.n_printed += line.len() + 1;
            if state.n_printed <= MAX_PRINTED {
                printed.lines.push(line);
            }
        });
    }

    /// The record so far.
    pub fn snapshot(&self) -> Record {
        self.with(|state| state.with_ahead())
    }
}

impl State {
    /// The record with what workers computed and the script has not come to.
    fn with_ahead(&self) -> Record {
        let mut record = self.record.clone();
        for (at, operation) in self.ahead.iter().cloned() {
            let found = How::Ahead { seconds: operation.seconds };
            let what = What::Operation { operation: Operation { seconds: 0.0, ..operation }, found };
            push(&mut record, Recorded { at, what });
        }
        record
    }
}

/// Keeps an event, or counts it where there are too many: of steps before results, since a sweep may have a hundred thousand before its first table.
fn push(record: &mut Record, event: Recorded) {
    let most = if event.what.is_step() { MAX_EVENTS } else { MAX_EVENTS + MAX_RESULTS };
    if record.events.len() < most {
        record.events.push(event);
    } else {
        record.n_events_dropped += 1;
    }
}

/// Puts `item` in its place unless it is there, or there are too many.
fn keep_sorted<T: Ord>(items: &mut Vec<T>, item: T) {
    if let Err(at) = items.binary_search(&item)
        && items.len() < MAX_NOTED
    {
        items.insert(at, item);
    }
}

fn hash(bytes: &[u8]) -> String {
    Digest::of_bytes(bytes).to_hex()
}

/// The class of this machine.
pub fn machine() -> Machine {
    Machine {
        os: std::env::consts::OS.to_owned(),
        arch: std::env::consts::ARCH.to_owned(),
        n_cores: std::thread::available_parallelism().map_or(1, std::num::NonZeroUsize::get),
        features: features().into_iter().map(str::to_owned).collect(),
    }
}

#[cfg(target_arch = "x86_64")]
fn features() -> Vec<&'static str> {
    [
        ("avx2", is_x86_feature_detected!("avx2")),
        ("fma", is_x86_feature_detected!("fma")),
        ("avx512f", is_x86_feature_detected!("avx512f")),
        ("avx512bf16", is_x86_feature_detected!("avx512bf16")),
    ]
    .into_iter()
    .filter_map(|(name, there)| there.then_some(name))
    .collect()
}

#[cfg(not(target_arch = "x86_64"))]
fn features() -> Vec<&'static str> {
    Vec::new()
}

#[cfg(test)]
impl Recorder {
    /// A recorder of the script `x.rhai` into `folder`, which is its project too.
    pub fn for_tests(folder: &Path, arguments: &[String]) -> Recorder {
        let settings =
            Settings { run_dir: Some(folder.to_owned()), ..crate::core::context::Context::for_tests().settings };
        let access = Access { project: folder.to_owned(), ..Access::default() };
        Recorder::new(&Start {
            folder,
            script: "x.rhai",
            arguments,
            settings: &settings,
            access: &access,
            read: &[],
            write: &[],
            stdlib: &[("lib", "fn f() {}")],
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source(name: &str, text: &str) -> Source {
        Source { name: name.to_owned(), text: text.into(), path: None }
    }

    #[test]
    fn steps_beyond_the_most_that_are_kept_are_counted_and_results_are_kept() {
        let folder = tempfile::tempdir().expect("a folder");
        let recorder = Recorder::for_tests(folder.path(), &[]);
        let mut record = recorder.snapshot();
        let text = String::new;
        let reading = Reading {
            data: text(),
            digest: text(),
            n_rows: 1,
            split: text(),
            by: text(),
            purpose: text(),
            form: Default::default(),
        };
        let step = || What::TruthUsed { reading: reading.clone(), by: "a score".to_owned(), result: String::new() };
        for _ in 0..MAX_EVENTS + 3 {
            push(&mut record, Recorded { at: 0.0, what: step() });
        }
        push(&mut record, Recorded { at: 0.0, what: What::Warning { text: "late".to_owned() } });
        assert_eq!((record.events.len(), record.n_events_dropped), (MAX_EVENTS + 1, 3));
        assert_eq!(record.events.last().map(|event| event.what.is_step()), Some(false));
        let text = serde_json::to_vec(&record).expect("written");
        assert_eq!(Record::parse("record.json", &text).expect("reads").events.len(), MAX_EVENTS + 1);
    }

    #[test]
    fn a_run_leaves_its_script_its_events_and_its_outcome() {
        let folder = tempfile::tempdir().expect("a folder");
        let recorder = Recorder::for_tests(folder.path(), &["5".to_owned()]);
        recorder.note(&Event::Warning { text: format!("careful with {}/t.csv", folder.path().display()) });
        recorder.note(&Event::Progress { what: "w".to_owned(), done: 1, note: String::new() });
        let file = folder.path().join("t.csv");
        std::fs::write(&file, "a\n1\n").expect("written");
        recorder.note(&Event::Written {
            kind: "table".to_owned(),
            name: "t".to_owned(),
            caption: String::new(),
            files: vec![file.clone()],
        });
        for _ in 0..2 {
            recorder.note(&Event::FileRead { path: file.clone(), blake3: Digest::of_bytes(b"a\n1\n"), bytes: 4 });
            recorder.note(&Event::Seed { seed: 3 });
        }
        recorder.note(&Event::Seed { seed: 1 });
        recorder.copy_sources(&[source("a/x.rhai", "1"), source("b/x.rhai", "2")]).expect("copied");
        recorder.printed("said <so>");
        recorder.write(Outcome::Running).expect("written");
        assert!(!folder.path().join("report.html").exists());
        recorder.with(|state| state.last.0 = Instant::now().checked_sub(2 * BEAT).unwrap_or(state.last.0));
        assert!(recorder.is_due());
        recorder.write(Outcome::Done).expect("written");
        recorder.with(|state| state.last.0 = Instant::now().checked_sub(2 * BEAT).unwrap_or(state.last.0));
        assert!(!recorder.is_due(), "what has ended stays so");
        let page = std::fs::read_to_string(folder.path().join("report.html")).expect("there");
        assert!(page.contains("said &lt;so&gt;"), "{page}");
        let text = std::fs::read(folder.path().join("record.json")).expect("there");
        let record = Record::parse("record.json", &text).expect("reads");
        assert_eq!(record, recorder.snapshot());
        assert_eq!((record.outcome, record.events.len()), (Outcome::Done, 2));
        assert_eq!(record.events[0].what, What::Warning { text: "careful with RUN/t.csv".to_owned() });
        let digest = Digest::of_bytes(b"a\n1\n").to_hex();
        let What::Written { files, .. } = &record.events[1].what else { panic!("{:?}", record.events) };
        assert_eq!((files[0].path.as_str(), &files[0].blake3, files[0].bytes), ("t.csv", &digest, 4));
        assert_eq!((record.reads.len(), &record.reads[0].blake3, record.reads[0].root), (1, &digest, Root::Run));
        assert_eq!(record.seeds, [1, 3]);
        assert_eq!(record.sources[1].file, "imports/b-x.rhai");
        assert_eq!(record.printed.lines, ["said <so>"]);
        assert_eq!(record.printed.blake3, Digest::of_bytes(b"said <so>\n").to_hex());
        assert_eq!(std::fs::read_to_string(folder.path().join("script.rhai")).expect("there"), "1");
    }

    #[test]
    fn what_is_printed_is_bounded_and_hashed_whole() {
        let folder = tempfile::tempdir().expect("a folder");
        let recorder = Recorder::for_tests(folder.path(), &[]);
        let line = "x".repeat(MAX_PRINTED / 2);
        (0..3).for_each(|_| recorder.printed(&line));
        let printed = recorder.snapshot().printed;
        assert_eq!((printed.lines.len(), printed.n_lines), (1, 3));
        assert_eq!(printed.blake3, Digest::of_bytes(format!("{line}\n").repeat(3).as_bytes()).to_hex());
        assert!(printed.text().ends_with("… the script printed more\n"));
    }
}
