//! The content of `record.json`, and how it is read back. `docs/record.md` describes each field.

use super::folder::RecordError;
use super::seal::seal;
use crate::core::context::{Found, Reading, first_world};
use crate::core::operation::Operation;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// The name and version of the format of `record.json`. Raise the version whenever a field changes its meaning.
pub const SCHEMA: &str = "w2s-run/3";

/// Events that a record keeps; further ones are only counted (arbitrary: some tens of megabytes of JSON).
pub const MAX_EVENTS: usize = 100_000;

/// Events that a record keeps beyond those where they say what came of the run: files written, warnings, vaults, test rows met again (arbitrary: a run writes
/// some hundreds). A long sweep has a hundred thousand operations before its first table.
pub const MAX_RESULTS: usize = 10_000;

/// What stands before the version in every schema of a record.
const FAMILY: &str = "w2s-run/";

/// The content of `record.json`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Record {
    pub schema: String,
    /// Such as `w2s 0.1.0`.
    pub program: String,
    /// A hash of the source that the program was built from; empty in records of programs that did not say it.
    #[serde(default)]
    pub build: String,
    /// The version of every derivation, by name; empty likewise.
    #[serde(default)]
    pub versions: Vec<(String, u32)>,
    pub formats: Formats,
    /// What the run folder was called.
    pub name: String,
    /// The script modules that came with the program.
    pub stdlib: Vec<Library>,
    /// The script as it was named on the command line.
    pub script: String,
    pub arguments: Vec<String>,
    pub settings: RecordedSettings,
    /// What the command line granted beyond the project.
    pub grants: Grants,
    /// The way from the run folder to the project, where both lie in one folder of the user's.
    pub project: Option<String>,
    pub machine: Machine,
    /// UTC, RFC 3339.
    pub started: String,
    pub seconds: f64,
    pub outcome: Outcome,
    /// The script and everything it imported, with the digests of their texts.
    pub sources: Vec<Copied>,
    /// Every file that was read, once per content.
    pub reads: Vec<FileRead>,
    /// Every file of a fetched data set or model that was read.
    pub fetched: Vec<FetchedFile>,
    /// Every seed that was used, in order of size.
    pub seeds: Vec<u64>,
    pub printed: Printed,
    pub events: Vec<Recorded>,
    /// Events beyond the most that are kept.
    pub n_events_dropped: usize,
    /// What the program made of all this: the page, and the appendix of a run that ended well. Whoever has the rest can
    /// make them again.
    pub pages: Vec<WrittenFile>,
}

/// The versions of the file formats that this program writes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Formats {
    /// Of a saved model's folder.
    pub model: u32,
    /// Of a bundle.
    pub bundle: String,
}

/// A script module that came with the program.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Library {
    pub name: String,
    /// The blake3 hash of its text.
    pub digest: String,
}

/// Settings that can change a result, and those that must not.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RecordedSettings {
    pub seed_offset: u64,
    /// The version of the generated world that plain names meant.
    #[serde(default = "first_world")]
    pub world: usize,
    pub device: String,
    /// The class and version of the kernels: results of one class are equal to the bit.
    pub kernels: String,
    pub n_threads: usize,
    /// `on` or `off`.
    pub memo: String,
}

/// Command-line grants, as paths from the project; without the project, the store and the run folder themselves.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Grants {
    pub read: Vec<String>,
    pub write: Vec<String>,
}

/// The class of the machine: enough to say why two runs took different times, too little to tell whose it is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Machine {
    pub os: String,
    pub arch: String,
    pub n_cores: usize,
    pub features: Vec<String>,
}

/// How a run ended.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
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

/// The code of the one failure that is not the script's own and passes without a change to it: the store's disk was full.
const FULL: &str = "store/full";

impl Outcome {
    /// Whether the run was stopped before its script came to an end of its own: by its user, or by a full disk.
    pub fn is_stopped(&self) -> bool {
        match self {
            Outcome::Interrupted => true,
            Outcome::Failed { code, .. } => code == FULL,
            Outcome::Running | Outcome::Done => false,
        }
    }

    /// One word.
    pub fn word(&self) -> &'static str {
        match self {
            Outcome::Running => "running",
            Outcome::Done => "done",
            Outcome::Interrupted => "interrupted",
            Outcome::Failed { .. } => "failed",
        }
    }
}

/// One copied text.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Copied {
    /// What messages call it.
    pub name: String,
    /// Where it lies, from the project; none for a module of the program and for typed code.
    pub path: Option<String>,
    /// Its copy, relative to the run folder.
    pub file: String,
    /// The blake3 hash of its text.
    pub digest: String,
}

/// Where a file's path starts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Root {
    /// At the project; the path may begin with `..`.
    Project,
    /// At the run folder.
    Run,
    /// Somewhere else: only the file's name is recorded.
    Outside,
}

/// One file that the script read.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct FileRead {
    pub root: Root,
    pub path: String,
    pub blake3: String,
    pub bytes: u64,
}

/// One file of a fetched data set or model that the script read.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct FetchedFile {
    /// As `w2s fetch` takes it.
    pub id: String,
    pub file: String,
    pub sha256: String,
    pub bytes: u64,
}

/// What the script printed.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Printed {
    /// The first texts, one per call of `print`.
    pub lines: Vec<String>,
    /// How many there were.
    pub n_lines: usize,
    /// The blake3 hash of all of them, each with a line end.
    pub blake3: String,
}

impl Printed {
    /// The texts that were kept, and a note where there were more.
    pub fn text(&self) -> String {
        let mut text: String = self.lines.iter().flat_map(|line| [line.as_str(), "\n"]).collect();
        if self.n_lines > self.lines.len() {
            text.push_str("\n… the script printed more\n");
        }
        text
    }
}

/// One event with its time.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Recorded {
    /// Seconds since the start.
    pub at: f64,
    #[serde(flatten)]
    pub what: What,
}

/// The events that a record keeps.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum What {
    /// A costly operation was answered.
    Operation {
        #[serde(flatten)]
        operation: Operation,
        found: How,
    },
    /// Sealed truth was read: the oracle log.
    TruthRead(Reading),
    /// A training or a score used truth that was read before.
    TruthUsed {
        /// The reading, as it was told: its data, split and purpose.
        reading: Reading,
        by: String,
        /// The digest of what came of it; empty for a score.
        result: String,
    },
    /// Rows that the run knew as test rows came again in another data set.
    TestRows {
        data: String,
        digest: String,
        n_rows: usize,
        known_by: String,
        became: String,
    },
    /// A vault was scored.
    VaultOpened {
        data: String,
        /// Of the vault's rows.
        digest: String,
        n_rows: usize,
        /// Digest of what was predicted.
        predictions: String,
        metric: String,
        /// Which of the store's openings of this vault.
        opening: usize,
        budget: usize,
        /// Whether these predictions were not scored in this store before.
        is_new: bool,
    },
    Warning {
        text: String,
    },
    /// A table, a figure, a page, a frame or a model was written.
    Written {
        kind: String,
        name: String,
        /// What the script says of it; empty if nothing, and in records of earlier programs.
        #[serde(default)]
        caption: String,
        files: Vec<WrittenFile>,
    },
}

impl What {
    /// Whether it is one of the many steps of a run, and not what came of it.
    pub fn is_step(&self) -> bool {
        matches!(self, What::Operation { .. } | What::TruthRead(_) | What::TruthUsed { .. })
    }
}

/// One file that the run wrote.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WrittenFile {
    pub root: Root,
    pub path: String,
    /// Empty where the file could not be read back.
    pub blake3: String,
    pub bytes: u64,
}

/// Where an operation's result came from.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
pub enum How {
    Computed,
    /// The store had it; computing it took this many seconds once.
    Stored {
        seconds: f64,
        /// Whether it came out of an archive, so that another machine may have computed it, or nobody.
        #[serde(default)]
        imported: bool,
    },
    /// A worker process of this run computed it, which took it this many seconds.
    Worker {
        seconds: f64,
    },
    /// The same, and the run ended before the script came to it: it is in the store, and nothing of the run depends on it.
    Ahead {
        seconds: f64,
    },
    Planned,
}

impl How {
    /// What computing or reading the result of `operation` took, wherever that was done.
    pub fn seconds(&self, operation: &Operation) -> f64 {
        match self {
            How::Worker { seconds } | How::Ahead { seconds } => *seconds,
            How::Computed | How::Stored { .. } | How::Planned => operation.seconds,
        }
    }
}

impl From<Found> for How {
    fn from(found: Found) -> How {
        match found {
            Found::Computed => How::Computed,
            Found::Stored { seconds, imported } => How::Stored { seconds, imported },
            Found::Worker { seconds } => How::Worker { seconds },
            Found::Planned => How::Planned,
        }
    }
}

impl Record {
    /// Its costly operations and where each result came from, in order.
    pub fn operations(&self) -> impl Iterator<Item = (&Operation, &How)> {
        self.events.iter().filter_map(|event| match &event.what {
            What::Operation { operation, found } => Some((operation, found)),
            _ => None,
        })
    }

    /// Reads the text of a `record.json`; `name` is what errors call it. Fails with the reason where it is of another
    /// version of the format, or damaged.
    pub fn parse(name: &str, text: &[u8]) -> Result<Record, RecordError> {
        let damaged = |reason: String| RecordError::Damaged { path: name.to_owned(), reason };
        let held: serde_json::Value = serde_json::from_slice(text).map_err(|error| damaged(error.to_string()))?;
        let schema = held.get("schema").and_then(serde_json::Value::as_str);
        let schema = schema.ok_or_else(|| damaged("it names no `schema`".to_owned()))?;
        if schema != SCHEMA {
            let version = |schema: &str| schema.strip_prefix(FAMILY).and_then(|version| version.parse::<u64>().ok());
            let (path, schema) = (name.to_owned(), schema.to_owned());
            return Err(match (version(&schema), version(SCHEMA)) {
                (Some(found), Some(this)) if found > this => RecordError::Newer { path, schema },
                (Some(_), _) => RecordError::Older { path, schema },
                _ => damaged(format!("`{schema}` is not a schema of a run's record")),
            });
        }
        let record: Record = serde_json::from_value(held).map_err(|error| damaged(error.to_string()))?;
        let most = MAX_EVENTS + MAX_RESULTS;
        if record.events.len() > most {
            return Err(damaged(format!("it has {} events, a record has at most {most}", record.events.len())));
        }
        Ok(record)
    }

    /// The record as text, sealed.
    pub fn to_text(&self) -> Result<String, RecordError> {
        let text = serde_json::to_string_pretty(self);
        let refused =
            |error: serde_json::Error| RecordError::Write { path: "record.json".to_owned(), reason: error.to_string() };
        Ok(seal(&text.map_err(refused)?))
    }

    /// The copies of the program's own script modules that the run imported.
    pub fn modules(&self) -> impl Iterator<Item = &Copied> {
        let is_known = |name: &str| self.stdlib.iter().any(|library| library.name == name);
        self.sources.iter().skip(1).filter(move |source| source.path.is_none() && is_known(&source.name))
    }

    /// The script and its arguments, as they were typed.
    pub fn command(&self) -> String {
        let arguments: String = self.arguments.iter().map(|argument| format!(" {argument}")).collect();
        if arguments.is_empty() { self.script.clone() } else { format!("{} --{arguments}", self.script) }
    }

    /// Every file that the run wrote into its folder, the last of each name, in order of writing.
    pub fn written(&self) -> Vec<&WrittenFile> {
        let mut files: Vec<&WrittenFile> = Vec::new();
        let mut seen = BTreeSet::new();
        for event in self.events.iter().rev() {
            if let What::Written { files: written, .. } = &event.what {
                let inside = written.iter().rev().filter(|file| file.root == Root::Run);
                files.extend(inside.filter(|file| seen.insert(file.path.as_str())));
            }
        }
        files.reverse();
        files
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn curved(curve: Vec<(u64, f64)>) -> Recorded {
        let text = || "x".to_owned();
        let operation = Operation {
            name: text(),
            what: text(),
            digest: text(),
            key: text(),
            inputs: vec![("data".to_owned(), text())],
            options: text(),
            seconds: 0.25,
            curve,
        };
        let what = What::Operation { operation, found: How::Stored { seconds: 1.5, imported: false } };
        Recorded { at: 0.5, what }
    }

    #[test]
    fn an_event_comes_back_whatever_its_loss_was() {
        let event = curved(vec![(1, 0.1 + 0.2), (2, f64::INFINITY), (3, f64::NEG_INFINITY)]);
        let text = serde_json::to_string(&event).expect("text");
        assert_eq!(serde_json::from_str::<Recorded>(&text).expect("reads"), event, "{text}");
        let text = serde_json::to_string(&curved(vec![(1, f64::NAN)])).expect("text");
        let back: Recorded = serde_json::from_str(&text).expect("reads");
        assert!(matches!(back.what, What::Operation { operation, .. } if operation.curve[0].1.is_nan()), "{text}");
    }

    #[test]
    fn a_record_of_another_version_or_damaged_says_so() {
        let said = |text: &str| Record::parse("r/record.json", text.as_bytes()).expect_err("refused").to_string();
        assert!(said(r#"{"schema": "w2s-run/2"}"#).contains("`w2s-run/2`, an older format"));
        assert!(said(r#"{"schema": "w2s-run/99"}"#).contains("`w2s-run/99`, a newer format"));
        assert!(said(r#"{"schema": "else"}"#).contains("not a schema of a run's record"));
        assert!(said(r#"{"schem"#).contains("is damaged"));
        assert!(said("[]").contains("names no `schema`"));
        assert!(said(&format!(r#"{{"schema": "{SCHEMA}"}}"#)).contains("missing field `program`"));
    }
}
