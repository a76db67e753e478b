//! The run's page, `report.html`: made from the record and the files that the script wrote.

use super::appendix::{APPENDIX, appendix, texts, verify_line};
use super::kept::{MAX_FILE, read_inside};
use super::readings::{Sum, openings, sums};
use super::shown::Shown;
use super::{Account, How, Outcome, Record, What, WrittenFile};
use crate::report::html::{self, Kept, Operation, Page, TruthRead};
use std::path::Path;

/// The name of the run's page.
pub const PAGE: &str = "report.html";

/// Every file that the program makes of the record and the files of the run in `folder`: the page, and for a run that ended
/// well the appendix. Equal runs give equal texts.
pub fn pages(folder: &Path, record: &Record) -> Vec<(&'static str, String)> {
    let mut pages = vec![(PAGE, page(folder, record, &record.printed.text()))];
    if record.outcome == Outcome::Done {
        pages.extend(APPENDIX.into_iter().zip(texts(&appendix(folder, record))));
    }
    pages
}

/// The page of the run in `folder`. `output` is what the script printed. A file that cannot be read back is named on the page.
pub fn page(folder: &Path, record: &Record, output: &str) -> String {
    let shown = |sum: Sum| {
        let (split, used_by) = (sum.what(), sum.users());
        let Sum { data, by, purpose, n: times, n_rows, .. } = sum;
        TruthRead { data, split, times, n_rows, by, purpose, used_by }
    };
    let truth = sums(record).into_iter().map(shown).collect();
    let mut warnings = Vec::new();
    let mut operations = Vec::new();
    let mut written = Vec::new();
    for event in &record.events {
        match &event.what {
            What::TruthRead(_) | What::TruthUsed { .. } | What::TestRows { .. } | What::VaultOpened { .. } => {}
            What::Warning { text } => warnings.push(text.clone()),
            What::Written { kind, name, caption, files } => written.push(kept(folder, kind, name, caption, files)),
            What::Operation { operation, found } => operations.push(Operation {
                name: operation.name.clone(),
                options: operation.options.clone(),
                what: operation.what.clone(),
                found: match found {
                    How::Computed => "computed",
                    How::Stored { imported: true, .. } => "stored, imported",
                    How::Stored { .. } => "stored",
                    How::Worker { .. } | How::Ahead { .. } => "computed by a worker",
                    How::Planned => "planned",
                }
                .to_owned(),
                seconds: found.seconds(operation),
                digest: operation.digest.clone(),
                curve: operation.curve.clone(),
            }),
        }
    }
    let read = |file: &str| {
        let bytes = folder.canonicalize().ok().and_then(|real| read_inside(&real, file, MAX_FILE).ok());
        bytes.and_then(|bytes| String::from_utf8(bytes).ok()).unwrap_or_default()
    };
    html::page(&Page {
        title: record.script.clone(),
        version: record.program.clone(),
        facts: facts(record),
        kept: written,
        output: output.to_owned(),
        account: Account::of(record).sentence(),
        operations,
        truth,
        vault: openings(record),
        warnings,
        verify: verify_line(&record.name),
        error: match &record.outcome {
            Outcome::Failed { message, place, .. } => {
                place.as_ref().map_or_else(|| message.clone(), |place| format!("{place}: {message}"))
            }
            Outcome::Interrupted => "interrupted".to_owned(),
            Outcome::Running | Outcome::Done => String::new(),
        },
        scripts: record.sources.iter().map(|source| (source.name.clone(), read(&source.file))).collect(),
    })
}

fn facts(record: &Record) -> Vec<(String, String)> {
    let machine = &record.machine;
    let mut facts = vec![
        ("started".to_owned(), record.started.clone()),
        ("took".to_owned(), format!("{:.1} s", record.seconds)),
        ("seed offset".to_owned(), record.settings.seed_offset.to_string()),
        ("world".to_owned(), format!("version {}", record.settings.world)),
        ("device".to_owned(), record.settings.device.clone()),
        ("kernels".to_owned(), record.settings.kernels.clone()),
        ("threads".to_owned(), record.settings.n_threads.to_string()),
        ("machine".to_owned(), format!("{} {}, {} cores", machine.os, machine.arch, machine.n_cores)),
    ];
    if !record.arguments.is_empty() {
        facts.insert(0, ("arguments".to_owned(), record.arguments.join(" ")));
    }
    facts
}

/// What the page shows of something that the script kept. Only bytes are shown whose hash is the record's.
fn kept(folder: &Path, kind: &str, name: &str, caption: &str, files: &[WrittenFile]) -> Kept {
    let name = name.to_owned();
    match Shown::of(folder, kind, files) {
        Shown::Table(frame) => Kept::Table { name, caption: caption.to_owned(), frame },
        // Heading and note stand in the drawing.
        Shown::Figure { svg, .. } => Kept::Figure { name, caption: caption.to_owned(), svg },
        Shown::Nothing { why } => {
            Kept::Files { name, files: files.iter().map(|file| file.path.clone()).collect(), why }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Recorder, Source};
    use super::*;
    use crate::core::context::Event;

    #[test]
    fn the_page_shows_figures_and_names_what_it_cannot_show() {
        let folder = tempfile::tempdir().expect("a folder");
        let recorder = Recorder::for_tests(folder.path(), &["-- <b>".to_owned()]);
        let drawing = crate::report::tests_drawing();
        std::fs::write(folder.path().join("f.svg"), drawing.svg()).expect("written");
        std::fs::write(folder.path().join("f.tikz"), drawing.tikz()).expect("written");
        for (kind, name, endings) in [("figure", "f", &["svg", "tikz"][..]), ("table", "gone", &["parquet"])] {
            let files = endings.iter().map(|ending| folder.path().join(format!("{name}.{ending}"))).collect();
            let (kind, name, caption) = (kind.to_owned(), name.to_owned(), "Seen".to_owned());
            recorder.note(&Event::Written { kind, name, caption, files });
        }
        let source = Source { name: "x.rhai".to_owned(), text: "1 < 2".into(), path: None };
        recorder.copy_sources(&[source]).expect("copied");
        let text = page(folder.path(), &recorder.snapshot(), "hello");
        for part in ["</svg>", "gone.parquet", "</span> &lt; <span", "hello", "-- &lt;b&gt;", "<code>f</code>. Seen<"] {
            assert!(text.contains(part), "{part} is missing: {text}");
        }
        // What somebody put in its place afterwards is not shown, whatever it is.
        std::fs::write(folder.path().join("f.svg"), drawing.svg().replace("A drawing", "Another")).expect("written");
        let text = page(folder.path(), &recorder.snapshot(), "hello");
        assert!(!text.contains("</svg>") && text.contains("changed since it was written"), "{text}");
    }
}
