//! The appendix of a run for a paper: read from its record and its files, written as LaTeX and Markdown.

use super::kept::read_inside;
use super::readings::{Sum, openings, sums};
use super::shown::Shown;
use super::{How, Outcome, Record, RecordError, Root, What, WrittenFile, folder};
use crate::core::context::Form;
use crate::report::paper::{self, Appendix, Kept, Script};
use std::path::{Path, PathBuf};

/// Files of an appendix: the body for `\input`, a document around it, Markdown.
pub const APPENDIX: [&str; 3] = ["appendix.tex", "appendix-standalone.tex", "appendix.md"];

/// The largest script that an appendix takes in, in bytes (arbitrary: a paper is smaller).
const MAX_SCRIPT: u64 = 16 << 20;

/// Writes the appendix of the run in `run`, whose record is `record`, into the folder `into`; answers the files.
///
/// Anywhere but in the run's folder the figures that the Markdown shows are copied too.
pub fn write_appendix(run: &Path, record: &Record, into: &Path) -> Result<Vec<PathBuf>, RecordError> {
    let appendix = appendix(run, record);
    let mut files = Vec::new();
    for (name, text) in APPENDIX.iter().zip(&texts(&appendix)) {
        folder::write(&into.join(name), text.as_bytes())?;
        files.push(into.join(name));
    }
    let same = run.canonicalize().ok().zip(into.canonicalize().ok()).is_some_and(|(run, into)| run == into);
    for kept in appendix.kept.iter().filter(|_| !same) {
        if let Kept::Figure { file, svg, .. } = kept {
            folder::write(&into.join(file), svg.as_bytes())?;
            files.push(into.join(file));
        }
    }
    Ok(files)
}

/// Writes the page and the appendix of a run that ended well into its own folder, as they were; answers the files. `None`
/// where they would not be what its record names, as another version of the program made it, or where the folder goes away,
/// as a bundle's.
pub fn write_pages(kept: &super::Kept) -> Result<Option<Vec<PathBuf>>, RecordError> {
    let pages = super::pages(kept.folder(), &kept.record);
    let named = |(name, text): &(&str, String)| {
        let hash = blake3::hash(text.as_bytes()).to_hex();
        kept.record.pages.iter().any(|page| page.path == *name && page.blake3 == hash.as_str())
    };
    if kept.is_bundle() || kept.record.outcome != Outcome::Done || !pages.iter().all(named) {
        return Ok(None);
    }
    let write = |(name, text): (&str, String)| {
        let file = kept.folder().join(name);
        folder::write(&file, text.as_bytes()).map(|()| file)
    };
    pages.into_iter().map(write).collect::<Result<_, _>>().map(Some)
}

/// The texts of [`APPENDIX`].
pub fn texts(appendix: &Appendix) -> [String; 3] {
    [paper::latex(appendix), paper::standalone(appendix), paper::markdown(appendix)]
}

/// The appendix of the run in `run`.
pub fn appendix(run: &Path, record: &Record) -> Appendix {
    let title = record.script.rsplit(['/', '\\']).next().unwrap_or(&record.script).to_owned();
    // A module of the program is named by the program's version and its digest.
    let scripts = record.sources.iter().enumerate().filter(|(idx, source)| *idx == 0 || source.path.is_some());
    let scripts = scripts
        .map(|(_, source)| Script {
            name: source.name.clone(),
            text: script(run, &source.file, &source.digest).unwrap_or_default(),
            digest: source.digest.clone(),
        })
        .collect();
    let kept = record.events.iter().filter_map(|event| match &event.what {
        What::Written { kind, name, caption, files } => Some(kept(run, kind, name, caption, files)),
        _ => None,
    });
    Appendix {
        title,
        about: about(record),
        scripts,
        kept: kept.collect(),
        facts: facts(record),
        verify: verify_line(&record.name),
        name: record.name.clone(),
    }
}

/// The copy of a script, if it is the one that the record names.
fn script(run: &Path, file: &str, digest: &str) -> Option<String> {
    let bytes = read_inside(&run.canonicalize().ok()?, file, MAX_SCRIPT).ok()?;
    let same = blake3::hash(&bytes).to_hex().as_str() == digest;
    String::from_utf8(bytes).ok().filter(|_| same)
}

/// The command that runs the run called `name` again and compares every number.
pub fn verify_line(name: &str) -> String {
    format!("w2s verify {}  # the run's folder, or its bundle {name}.w2s.zip", word(name))
}

/// A word of a command line.
fn word(name: &str) -> String {
    let plain = |c: char| c.is_alphanumeric() || matches!(c, '-' | '_' | '.' | '/');
    if name.chars().all(plain) { name.to_owned() } else { format!("'{}'", name.replace('\'', "'\\''")) }
}

fn kept(run: &Path, kind: &str, name: &str, caption: &str, files: &[WrittenFile]) -> Kept {
    let (name, caption) = (name.to_owned(), caption.to_owned());
    match Shown::of(run, kind, files) {
        Shown::Table(frame) => Kept::Table { name, caption, frame },
        Shown::Figure { file, svg, tikz } => Kept::Figure { name, caption, file, svg, tikz },
        Shown::Nothing { .. } => Kept::Files { name, files: files.iter().map(|file| file.path.clone()).collect() },
    }
}

/// When, how long and on what.
fn about(record: &Record) -> String {
    let (machine, settings) = (&record.machine, &record.settings);
    let arguments = if record.arguments.is_empty() {
        String::new()
    } else {
        format!(" with the arguments {}", record.arguments.join(" "))
    };
    let ended = match &record.outcome {
        Outcome::Done => String::new(),
        Outcome::Running => " It is still running, or was killed.".to_owned(),
        Outcome::Interrupted => " It was interrupted.".to_owned(),
        Outcome::Failed { message, .. } => format!(" It failed: {message}."),
    };
    let features =
        if machine.features.is_empty() { String::new() } else { format!(" ({})", machine.features.join(", ")) };
    format!(
        "{} ran {}{arguments} on {}, in {} on {} {} with {} cores{features}, device {}, kernels {}, {} threads.{ended}",
        record.program,
        record.script,
        record.started,
        seconds(record.seconds),
        machine.os,
        machine.arch,
        machine.n_cores,
        settings.device,
        settings.kernels,
        settings.n_threads,
    )
}

fn facts(record: &Record) -> Vec<(String, String)> {
    let mut facts =
        vec![("Seeds".to_owned(), format!("{}; seed offset {}.", seeds(&record.seeds), record.settings.seed_offset))];
    let account = Account::of(record);
    facts.push(("Operations".to_owned(), account.sentence()));
    facts.push(("Data".to_owned(), data(record)));
    facts.push(("Truth".to_owned(), oracle(record)));
    let libraries = record.stdlib.iter().map(|library| {
        let used = record.sources.iter().any(|source| source.path.is_none() && source.name == library.name);
        used.then(|| format!("{} (blake3 {})", library.name, short(&library.digest)))
    });
    let libraries: Vec<String> = libraries.flatten().collect();
    if !libraries.is_empty() {
        facts.push(("Standard library".to_owned(), format!("{} of {}.", libraries.join(", "), record.program)));
    }
    let warnings = record.events.iter().filter(|event| matches!(event.what, What::Warning { .. })).count();
    if warnings > 0 {
        facts.push(("Warnings".to_owned(), format!("{warnings}; the run's record has them.")));
    }
    if record.n_events_dropped > 0 {
        facts.push(("Record".to_owned(), format!("{} events beyond the most that are kept.", record.n_events_dropped)));
    }
    facts
}

/// What the costly operations of a run took, and what the store saved.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Account {
    pub n_computed: usize,
    pub n_stored: usize,
    /// How many of the stored ones came out of an archive.
    pub n_imported: usize,
    /// What computing took, in this process and its workers.
    pub spent: f64,
    /// What computing the stored results took once, less what reading them took.
    pub saved: f64,
}

impl Account {
    /// Adds a run's operations up.
    pub fn of(record: &Record) -> Account {
        let mut account = Account::default();
        for (operation, found) in record.operations() {
            match found {
                How::Computed | How::Worker { .. } | How::Ahead { .. } => {
                    account.n_computed += 1;
                    account.spent += found.seconds(operation);
                }
                How::Stored { seconds: once, imported } => {
                    account.n_stored += 1;
                    account.n_imported += usize::from(*imported);
                    account.saved += (once - operation.seconds).max(0.0);
                }
                How::Planned => {}
            }
        }
        account
    }

    /// `12 computed in 33.1 s; 20 found in the store, which saved 100.2 s.`
    pub fn sentence(&self) -> String {
        let computed = format!("{} computed in {}", self.n_computed, seconds(self.spent));
        let stored = match self.n_stored {
            0 => return format!("{computed}."),
            n => format!("{computed}; {n} found in the store, which saved {}", seconds(self.saved)),
        };
        match self.n_imported {
            0 => format!("{stored}."),
            n => format!("{stored}; {n} of those were imported from an archive, and not computed here."),
        }
    }
}

/// A time as people say it.
pub fn seconds(seconds: f64) -> String {
    match seconds {
        // The unit stays with its number.
        s if s < 100.0 => format!("{s:.1}\u{a0}s"),
        s if s < 6000.0 => format!("{:.0}\u{a0}min", s / 60.0),
        s => format!("{:.1}\u{a0}h", s / 3600.0),
    }
}

/// `0 to 4, 7`.
fn seeds(seeds: &[u64]) -> String {
    let mut runs: Vec<(u64, u64)> = Vec::new();
    for seed in seeds {
        match runs.last_mut() {
            Some((_, last)) if last.checked_add(1) == Some(*seed) => *last = *seed,
            _ => runs.push((*seed, *seed)),
        }
    }
    let said: Vec<String> = runs
        .iter()
        .map(|(first, last)| match last - first {
            0 => first.to_string(),
            1 => format!("{first}, {last}"),
            _ => format!("{first} to {last}"),
        })
        .collect();
    if said.is_empty() { "None was used".to_owned() } else { said.join(", ") }
}

fn short(digest: &str) -> String {
    digest.chars().take(16).collect()
}

/// Files with their digests; what came with the program has none of its own.
fn data(record: &Record) -> String {
    let mut said = Vec::new();
    for read in record.reads.iter().filter(|read| read.root != Root::Run) {
        said.push(format!("{} (blake3 {})", read.path, short(&read.blake3)));
    }
    for file in &record.fetched {
        said.push(format!("{} of {} (sha256 {})", file.file, file.id, short(&file.sha256)));
    }
    if said.is_empty() {
        return format!("No file was read; data and models are those of {}.", record.program);
    }
    format!("{}.", said.join("; "))
}

/// The oracle log in a sentence.
fn oracle(record: &Record) -> String {
    let sums = sums(record);
    let of = |form: Form| sums.iter().filter(move |sum| sum.form == form);
    let said = |sum: &Sum| {
        let times = if sum.n == 1 { "once".to_owned() } else { format!("{} times", sum.n) };
        let side = if sum.split.is_empty() { String::new() } else { format!(" ({} rows)", sum.split) };
        format!("of {}{side} by {} for {} ({times}, {} rows in all)", sum.data, sum.by, sum.purpose, sum.n_rows)
    };
    let all = |form: Form| of(form).map(said).collect::<Vec<_>>().join("; ");
    let mut sentences = vec![match of(Form::Classes).count() {
        0 => "No sealed label was read.".to_owned(),
        _ => format!("Sealed labels were read {}.", all(Form::Classes)),
    }];
    for (form, begin) in [
        (Form::Draw, "Rows were drawn by their sealed labels"),
        (Form::Rule, "The rule behind the labels was read"),
        (Form::File, "Files with sealed labels were read past the seal"),
    ] {
        if of(form).count() > 0 {
            sentences.push(format!("{begin} {}.", all(form)));
        }
    }
    let openings = openings(record);
    if !openings.is_empty() {
        sentences.push(format!("A vault was scored: {}.", openings.join("; ")));
    }
    sentences.join(" ")
}

#[cfg(test)]
mod tests {
    use super::super::{Recorder, Source};
    use super::*;
    use crate::core::context::{Event, Found};
    use crate::core::operation::Operation;

    #[test]
    fn an_appendix_shows_what_the_run_kept_and_follows_no_path_out_of_it() {
        let folder = tempfile::tempdir().expect("a folder");
        let run = folder.path().join("x-001");
        std::fs::create_dir(&run).expect("made");
        let drawing = crate::report::tests_drawing();
        std::fs::write(folder.path().join("secret.svg"), drawing.svg()).expect("written");
        std::fs::write(run.join("f.svg"), drawing.svg()).expect("written");
        std::fs::write(run.join("f.tikz"), drawing.tikz()).expect("written");
        let recorder = Recorder::for_tests(&run, &["--n".to_owned()]);
        let files = vec![run.join("f.svg"), run.join("f.tikz")];
        let (kind, name, caption) = ("figure".to_owned(), "f".to_owned(), "Seen.".to_owned());
        recorder.note(&Event::Written { kind, name, caption, files });
        for seed in [4, 0, 1, 2] {
            recorder.note(&Event::Seed { seed });
        }
        let text = |text: &str| text.to_owned();
        for found in [Found::Computed, Found::Stored { seconds: 5.0, imported: false }] {
            let operation = Operation {
                name: text("finetune"),
                what: text("m"),
                digest: text("d"),
                key: text("k"),
                inputs: Vec::new(),
                options: String::new(),
                seconds: 2.0,
                curve: Vec::new(),
            };
            recorder.note(&Event::Operation { operation, work: 0.0, found });
        }
        let source = |name: &str, path: bool| Source {
            name: name.to_owned(),
            text: "1".into(),
            path: path.then(|| run.join(name)),
        };
        recorder
            .copy_sources(&[source("x.rhai", true), source("lib", false), source("part.rhai", true)])
            .expect("copied");
        let mut record = recorder.snapshot();
        for event in &mut record.events.clone() {
            if let What::Written { files, .. } = &mut event.what {
                files[0].path = "../secret.svg".to_owned();
            }
            record.events.push(event.clone());
        }
        let made = appendix(&run, &record);
        assert!(matches!(&made.kept[0], Kept::Figure { file, tikz: Some(_), .. } if file == "f.svg"));
        assert!(matches!(&made.kept[1], Kept::Files { .. }));
        assert_eq!(made.scripts.iter().map(|script| script.name.as_str()).collect::<Vec<_>>(), ["x.rhai", "part.rhai"]);
        assert_eq!(made.verify, "w2s verify x-001  # the run's folder, or its bundle x-001.w2s.zip");
        let facts: Vec<&str> = made.facts.iter().map(|(_, text)| text.as_str()).collect();
        assert_eq!(facts[0], "0 to 2, 4; seed offset 0.");
        assert_eq!(facts[1], "2 computed in 4.0\u{a0}s; 2 found in the store, which saved 6.0\u{a0}s.");
        assert!(facts[4].starts_with("lib (blake3 "), "{facts:?}");
        // Elsewhere the figure goes along.
        let into = folder.path().join("paper");
        let files = write_appendix(&run, &record, &into).expect("written");
        assert_eq!(files.len(), 4);
        assert!(into.join("f.svg").exists() && into.join("appendix.tex").exists());
    }
}
