//! What happened in a run: its folder, and `record.json` with settings, machine, events and outcome.

pub mod clock;
pub mod folder;
mod page;

pub use folder::{RecordError, create, place, place_named};
pub use page::page;

use super::lab::{Event, Found, Settings};
use serde::Serialize;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Instant, SystemTime};

/// The name and version of the format of `record.json`. Raise the version whenever a field changes its meaning.
pub const SCHEMA: &str = "w2s-run/1";

/// Events kept; further ones are only counted (chosen: some tens of megabytes of JSON).
const MAX_EVENTS: usize = 100_000;

/// Bytes of printed text that the page shows (chosen).
const MAX_PRINTED: usize = 1 << 20;

/// The content of `record.json`.
#[derive(Debug, Clone, Serialize)]
pub struct Record {
    pub schema: &'static str,
    pub program: String,
    /// The script as it was named on the command line.
    pub script: String,
    pub arguments: Vec<String>,
    pub settings: RecordedSettings,
    pub machine: Machine,
    /// UTC, RFC 3339.
    pub started: String,
    pub seconds: f64,
    pub outcome: Outcome,
    /// The script and everything it imported, with the digests of their texts.
    pub sources: Vec<Copied>,
    pub events: Vec<Recorded>,
    /// Events beyond the most that are kept.
    pub n_events_dropped: usize,
}

/// Settings that can change a result, and those that must not.
#[derive(Debug, Clone, Serialize)]
pub struct RecordedSettings {
    pub seed_offset: u64,
    pub device: String,
    pub n_threads: usize,
}

/// The class of the machine: enough to say why two runs took different times, too little to tell whose it is.
#[derive(Debug, Clone, Serialize)]
pub struct Machine {
    pub os: &'static str,
    pub arch: &'static str,
    pub n_cores: usize,
    pub features: Vec<&'static str>,
}

/// How a run ended.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
pub enum Outcome {
    /// Not ended yet, or ended by force.
    Running,
    Done,
    Interrupted,
    Failed {
        code: String,
        message: String,
        place: Option<String>,
    },
}

/// One copied text.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Copied {
    pub name: String,
    /// Its copy, relative to the run folder.
    pub file: String,
    pub digest: String,
}

/// One event with its time.
#[derive(Debug, Clone, Serialize)]
pub struct Recorded {
    /// Seconds since the start.
    pub at: f64,
    #[serde(flatten)]
    pub what: What,
}

/// The events that a record keeps.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum What {
    /// A costly operation was answered.
    Operation {
        name: String,
        what: String,
        /// The derivation of its result.
        digest: String,
        /// What the store looked up.
        key: String,
        /// The digests of its inputs, by name.
        inputs: Vec<(String, String)>,
        options: String,
        found: How,
        /// What this run spent on it.
        seconds: f64,
        /// The training loss: step (from 1) and value.
        curve: Vec<(u64, f64)>,
    },
    /// Sealed truth was read: the oracle log.
    TruthRead {
        data: String,
        /// Of the rows that were read: equal digests, equal rows in the same order.
        digest: String,
        n_rows: usize,
        by: String,
        purpose: String,
    },
    Warning {
        text: String,
    },
    /// A table, a figure or a page was written.
    Written {
        kind: String,
        name: String,
        files: Vec<String>,
    },
}

/// Where an operation's result came from.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
pub enum How {
    Computed,
    /// The store had it; computing it took this many seconds once.
    Stored {
        seconds: f64,
    },
    /// A worker process of this run computed it, which took it this many seconds.
    Worker {
        seconds: f64,
    },
    Planned,
}

impl From<Found> for How {
    fn from(found: Found) -> How {
        match found {
            Found::Computed => How::Computed,
            Found::Stored { seconds } => How::Stored { seconds },
            Found::Worker { seconds } => How::Worker { seconds },
            Found::Planned => How::Planned,
        }
    }
}

/// Collects a run. Cheap to clone; clones share.
#[derive(Clone)]
pub struct Recorder {
    folder: PathBuf,
    start: Instant,
    record: Arc<Mutex<Record>>,
    /// What the script printed, for the page.
    printed: Arc<Mutex<String>>,
}

impl Recorder {
    /// A recorder that writes into `folder`, which exists.
    pub fn new(folder: &Path, script: &str, arguments: &[String], settings: &Settings) -> Self {
        let record = Record {
            schema: SCHEMA,
            program: concat!("w2s ", env!("CARGO_PKG_VERSION")).to_owned(),
            script: script.to_owned(),
            arguments: arguments.to_vec(),
            settings: RecordedSettings {
                seed_offset: settings.seed_offset,
                device: settings.device.clone(),
                n_threads: settings.n_threads,
            },
            machine: machine(),
            started: clock::rfc3339(SystemTime::now()),
            seconds: 0.0,
            outcome: Outcome::Running,
            sources: Vec::new(),
            events: Vec::new(),
            n_events_dropped: 0,
        };
        Recorder {
            folder: folder.to_owned(),
            start: Instant::now(),
            record: Arc::new(Mutex::new(record)),
            printed: Arc::default(),
        }
    }

    /// Keeps what of `event` belongs into a record.
    pub fn note(&self, event: &Event) {
        let what = match event.clone() {
            Event::Started { .. } | Event::Progress { .. } | Event::Ended { .. } => return,
            Event::Operation { name, what, digest, key, inputs, options, work: _, found, seconds, curve } => {
                What::Operation { name, what, digest, key, inputs, options, found: found.into(), seconds, curve }
            }
            Event::TruthRead { data, digest, n_rows, by, purpose } => {
                What::TruthRead { data, digest, n_rows, by, purpose }
            }
            Event::Warning { text } => What::Warning { text },
            Event::Written { kind, name, files } => {
                let inside = |file: PathBuf| file.strip_prefix(&self.folder).unwrap_or(&file).display().to_string();
                What::Written { kind, name, files: files.into_iter().map(inside).collect() }
            }
        };
        let at = self.start.elapsed().as_secs_f64();
        let mut record = self.record.lock().unwrap_or_else(PoisonError::into_inner);
        if record.events.len() < MAX_EVENTS {
            record.events.push(Recorded { at, what });
        } else {
            record.n_events_dropped += 1;
        }
    }

    /// Copies the texts of a run, `(name, text)` with the script first, and notes their digests.
    pub fn copy_sources(&self, sources: &[(String, Arc<str>)]) -> Result<(), RecordError> {
        let mut copied: Vec<Copied> = Vec::new();
        for (idx, (name, text)) in sources.iter().enumerate() {
            let stem = folder::plain_name(name.trim_end_matches(".rhai"));
            let mut file = if idx == 0 { "script.rhai".to_owned() } else { format!("imports/{stem}.rhai") };
            if copied.iter().any(|other| other.file == file) {
                file = format!("imports/{stem}-{idx}.rhai");
            }
            folder::write(&self.folder.join(&file), text.as_bytes())?;
            let digest = super::digest::Digest::of_bytes(text.as_bytes()).to_hex();
            copied.push(Copied { name: name.clone(), file, digest });
        }
        self.record.lock().unwrap_or_else(PoisonError::into_inner).sources = copied;
        Ok(())
    }

    /// Writes `record.json` with this outcome, whole or not at all; and `report.html` once the run has ended.
    pub fn write(&self, outcome: Outcome) -> Result<(), RecordError> {
        let ended = outcome != Outcome::Running;
        let record = {
            let mut record = self.record.lock().unwrap_or_else(PoisonError::into_inner);
            record.outcome = outcome;
            record.seconds = self.start.elapsed().as_secs_f64();
            record.clone()
        };
        let mut text = serde_json::to_string_pretty(&record)
            .map_err(|error| RecordError::Write { path: "record.json".to_owned(), reason: error.to_string() })?;
        text.push('\n');
        folder::write(&self.folder.join("record.json"), text.as_bytes())?;
        if ended { self.write_page() } else { Ok(()) }
    }

    /// Notes a line that the script printed. The page shows the first [`MAX_PRINTED`] bytes and says that there was more.
    pub fn printed(&self, line: &str) {
        let mut printed = self.printed.lock().unwrap_or_else(PoisonError::into_inner);
        if printed.len() > MAX_PRINTED {
            return;
        }
        printed.push_str(line);
        printed.push('\n');
        if printed.len() > MAX_PRINTED {
            let end = (0..=MAX_PRINTED).rev().find(|at| printed.is_char_boundary(*at)).unwrap_or(0);
            printed.truncate(end);
            printed.push_str("\n… the script printed more\n");
        }
    }

    /// Writes the run's page, from the record so far.
    fn write_page(&self) -> Result<(), RecordError> {
        let printed = self.printed.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let text = page(&self.folder, &self.snapshot(), &printed);
        folder::write(&self.folder.join("report.html"), text.as_bytes())
    }

    /// The record so far.
    pub fn snapshot(&self) -> Record {
        self.record.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// The class of this machine.
pub fn machine() -> Machine {
    Machine {
        os: std::env::consts::OS,
        arch: std::env::consts::ARCH,
        n_cores: std::thread::available_parallelism().map_or(1, std::num::NonZeroUsize::get),
        features: features(),
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
mod tests {
    use super::*;

    #[test]
    fn a_run_leaves_its_script_its_events_and_its_outcome() {
        let folder = tempfile::tempdir().expect("a folder");
        let settings = super::super::lab::Lab::for_tests().settings;
        let recorder = Recorder::new(folder.path(), "x.rhai", &["5".to_owned()], &settings);
        recorder.note(&Event::Warning { text: "careful".to_owned() });
        recorder.note(&Event::Progress { what: "w".to_owned(), done: 1, note: String::new() });
        let file = folder.path().join("t.csv");
        recorder.note(&Event::Written { kind: "table".to_owned(), name: "t".to_owned(), files: vec![file] });
        let sources = [("a/x.rhai".to_owned(), "1".into()), ("b/x.rhai".to_owned(), "2".into())];
        recorder.copy_sources(&sources).expect("copied");
        recorder.printed("said <so>");
        recorder.write(Outcome::Running).expect("written");
        assert!(!folder.path().join("report.html").exists());
        recorder.write(Outcome::Done).expect("written");
        let page = std::fs::read_to_string(folder.path().join("report.html")).expect("there");
        assert!(page.contains("said &lt;so&gt;"), "{page}");
        let text = std::fs::read_to_string(folder.path().join("record.json")).expect("there");
        let json: serde_json::Value = serde_json::from_str(&text).expect("json");
        assert_eq!(json["schema"], SCHEMA);
        assert_eq!(json["outcome"]["kind"], "done");
        assert_eq!(json["events"].as_array().map(Vec::len), Some(2));
        assert_eq!(json["events"][1]["files"][0], "t.csv");
        assert_eq!(json["sources"][1]["file"], "imports/b-x.rhai");
        assert_eq!(std::fs::read_to_string(folder.path().join("script.rhai")).expect("there"), "1");
    }
}
