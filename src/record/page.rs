//! The run's page, `report.html`: made from the record and the files that the script wrote.

use super::appendix::{APPENDIX, appendix, read, read_text, texts, verify_line};
use super::kept::frame;
use super::{Account, How, Outcome, Record, Root, What, WrittenFile};
use crate::report::html::{self, Operation, Page, TruthRead};
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
    let mut truth = Vec::new();
    let mut warnings = Vec::new();
    let mut operations = Vec::new();
    let mut written: Vec<(&str, &str, &[WrittenFile])> = Vec::new();
    for event in &record.events {
        match &event.what {
            What::TruthRead { data, n_rows, by, purpose, .. } => {
                truth.push(TruthRead { data: data.clone(), n_rows: *n_rows, by: by.clone(), purpose: purpose.clone() })
            }
            What::Warning { text } => warnings.push(text.clone()),
            What::Written { kind, name, files } => written.push((kind, name, files)),
            What::Operation { operation, found } => operations.push(Operation {
                name: operation.name.clone(),
                what: operation.what.clone(),
                found: match found {
                    How::Computed => "computed",
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
    let kept = written.iter().map(|(kind, name, files)| fragment(folder, kind, name, files)).collect();
    let read = |file: &str| read_text(folder, file).unwrap_or_default();
    html::page(&Page {
        title: record.script.clone(),
        version: record.program.clone(),
        facts: facts(record),
        kept,
        output: output.to_owned(),
        account: Account::of(record).sentence(),
        operations,
        truth,
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

fn fragment(folder: &Path, kind: &str, name: &str, files: &[WrittenFile]) -> String {
    let inside = |extension: &str| files.iter().find(|file| file.root == Root::Run && file.path.ends_with(extension));
    let with = |extension: &str| inside(extension).and_then(|file| read(folder, &file.path));
    let shown = match kind {
        "figure" => with(".svg").and_then(|svg| String::from_utf8(svg).ok()).map(|svg| html::figure(name, &svg)),
        "table" => {
            with(".parquet").and_then(|table| frame(".parquet", table).ok()).map(|table| html::table(name, &table))
        }
        _ => None,
    };
    let paths: Vec<String> = files.iter().map(|file| file.path.clone()).collect();
    shown.unwrap_or_else(|| html::files(name, &paths))
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
        std::fs::write(folder.path().join("f.svg"), "<svg>drawing</svg>\n").expect("written");
        for (kind, name) in [("figure", "f"), ("table", "gone")] {
            let extension = if kind == "figure" { "svg" } else { "parquet" };
            let files = vec![folder.path().join(format!("{name}.{extension}"))];
            recorder.note(&Event::Written { kind: kind.to_owned(), name: name.to_owned(), files });
        }
        let source = Source { name: "x.rhai".to_owned(), text: "1 < 2".into(), path: None };
        recorder.copy_sources(&[source]).expect("copied");
        let text = page(folder.path(), &recorder.snapshot(), "hello");
        for part in ["<svg>drawing</svg>", "gone.parquet", "</span> &lt; <span", "hello", "-- &lt;b&gt;"] {
            assert!(text.contains(part), "{part} is missing: {text}");
        }
    }
}
