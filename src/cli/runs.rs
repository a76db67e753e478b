//! `w2s runs`, `w2s show` and `w2s diff`: what was run, and what is different.

use super::{columns, draw, exit, output};
use crate::host::digest::short;
use crate::host::frame::Bounds;
use crate::host::record::diff::{self, Change, Diff};
use crate::host::record::{How, Kept, Outcome, Record, RecordError, What, kept};
use crate::session::diagnostic::Diagnostic;
use serde::Serialize;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;

/// Operations that `show` lists (chosen); `--json` has all.
const MAX_OPERATIONS: usize = 60;

/// Changed cells of one table, and lines of one text, that `diff` shows (chosen); `--json` has all.
const MAX_CHANGES: usize = 60;

/// A table of a run on a terminal: as a script prints it, with more rows (chosen).
const BOUNDS: Bounds = Bounds { width: 160, rows: 60, cell: 40 };

/// One line of `w2s runs`.
#[derive(Debug, Serialize)]
struct Summary {
    run: String,
    started: String,
    script: String,
    outcome: String,
    seconds: f64,
    computed: usize,
    stored: usize,
    tables: Vec<String>,
}

/// `w2s runs [DIR]`: every run folder in a folder, in order of time.
pub fn runs(folder: &Path, json: bool) -> u8 {
    let entries = match std::fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) => {
            let why = format!("`{}`: {}", folder.display(), crate::host::lab::plain(&error));
            let hint = "runs are made by `w2s script FILE`, in the folder `runs`";
            draw::print(&Diagnostic::new("record/read", why).hint(hint));
            return exit::FILE;
        }
    };
    let mut paths: Vec<_> = entries.filter_map(|entry| Some(entry.ok()?.path())).collect();
    paths.push(folder.to_owned());
    paths.retain(|path| path.join(kept::RECORD).symlink_metadata().is_ok());
    let mut summaries = Vec::new();
    for path in paths {
        match Kept::open(&path) {
            Ok(kept) => summaries.push(summary(&kept)),
            Err(refused) => draw::print(&Diagnostic::from_explained(&refused)),
        }
    }
    summaries.sort_by(|a, b| (&a.started, &a.run).cmp(&(&b.started, &b.run)));
    if json {
        return print_json(&summaries);
    }
    if summaries.is_empty() {
        return output::finish(output::line(&format!("no runs in {}", draw::plain(&folder.display().to_string()))));
    }
    let row = |s: &Summary| {
        let numbers = [format!("{:.1}", s.seconds), s.computed.to_string(), s.stored.to_string()];
        let texts = [s.run.clone(), s.started.clone(), s.script.clone(), s.outcome.clone()];
        texts.into_iter().chain(numbers).chain([s.tables.join(", ")]).collect()
    };
    let rows: Vec<Vec<String>> = summaries.iter().map(row).collect();
    let head = ["run", "started", "script", "outcome", "seconds", "computed", "stored", "tables"];
    output::finish(output::line(&columns::table(&head, &rows)))
}

fn summary(kept: &Kept) -> Summary {
    let Counts { computed, stored, .. } = counts(&kept.record);
    Summary {
        run: kept.name.clone(),
        started: kept.record.started.clone(),
        script: kept.record.script.clone(),
        outcome: kept.record.outcome.word().to_owned(),
        seconds: kept.record.seconds,
        computed,
        stored,
        tables: kept.tables().into_iter().map(str::to_owned).collect(),
    }
}

/// Operations by where their results came from.
#[derive(Default)]
struct Counts {
    computed: usize,
    stored: usize,
    planned: usize,
}

fn counts(record: &Record) -> Counts {
    let mut counts = Counts::default();
    for event in &record.events {
        if let What::Operation { found, .. } = &event.what {
            match found {
                How::Computed | How::Worker { .. } => counts.computed += 1,
                How::Stored { .. } => counts.stored += 1,
                How::Planned => counts.planned += 1,
            }
        }
    }
    counts
}

/// `w2s show RUN`.
pub fn show(path: &Path, json: bool) -> u8 {
    match Kept::open(path) {
        Ok(kept) if json => print_json(&kept.record),
        Ok(kept) => output::finish(output::line(&draw::plain(&shown(&kept)))),
        Err(refused) => fail(&refused),
    }
}

/// `w2s diff RUN RUN`: 0 where nothing but times differs, 1 where something does.
pub fn diff(before: &Path, after: &Path, json: bool) -> u8 {
    let (before, after) = match (Kept::open(before), Kept::open(after)) {
        (Ok(before), Ok(after)) => (before, after),
        (Err(refused), _) | (_, Err(refused)) => return fail(&refused),
    };
    let diff = diff::diff(&before, &after);
    let said = if json { print_json(&diff) } else { output::finish(output::line(&draw::plain(&differences(&diff)))) };
    match said {
        exit::OK if !diff.is_empty() => exit::SCRIPT,
        code => code,
    }
}

fn fail(refused: &RecordError) -> u8 {
    draw::print(&Diagnostic::from_explained(refused));
    exit::FILE
}

fn print_json(value: &impl Serialize) -> u8 {
    match serde_json::to_string_pretty(value) {
        Ok(text) => output::finish(output::line(&text)),
        Err(error) => {
            draw::print(&Diagnostic::new("record/write", error.to_string()));
            exit::FILE
        }
    }
}

fn shown(kept: &Kept) -> String {
    let record = &kept.record;
    let mut text = String::new();
    let arguments: String = record.arguments.iter().map(|argument| format!(" {argument}")).collect();
    let arguments = if arguments.is_empty() { arguments } else { format!(" --{arguments}") };
    let _ = writeln!(text, "{}: `{}{arguments}`", kept.name, record.script);
    let _ = writeln!(text, "{}, started {}, {}", ended(record), record.started, record.program);
    let (settings, machine) = (&record.settings, &record.machine);
    let _ = writeln!(
        text,
        "seed offset {}, device {}, kernels {}, {} threads, memo {}; {} {}, {} cores",
        settings.seed_offset,
        settings.device,
        settings.kernels,
        settings.n_threads,
        settings.memo,
        machine.os,
        machine.arch,
        machine.n_cores
    );
    if !record.seeds.is_empty() {
        let _ = writeln!(text, "seeds {}", record.seeds.iter().map(u64::to_string).collect::<Vec<_>>().join(", "));
    }
    if let Outcome::Failed { code, message, place } = &record.outcome {
        let at = place.as_ref().map_or_else(String::new, |place| format!("\n  at {place}"));
        let _ = writeln!(text, "\nerror[{code}]: {message}{at}");
    }
    let sources = record.sources.iter().map(|s| vec![s.name.clone(), s.file.clone(), short(&s.digest).to_owned()]);
    section(&mut text, "scripts", &["name", "copy", "blake3"], sources.collect());
    let read = record.reads.iter().map(|r| vec![r.path.clone(), r.bytes.to_string(), short(&r.blake3).to_owned()]);
    section(&mut text, "files read", &["path", "bytes", "blake3"], read.collect());
    let fetched = record.fetched.iter().map(|f| vec![f.id.clone(), f.file.clone(), short(&f.sha256).to_owned()]);
    section(&mut text, "fetched artefacts used", &["id", "file", "sha256"], fetched.collect());
    operations(&mut text, record);
    section(
        &mut text,
        "readings of truth (the oracle log)",
        &["data", "by", "for", "readings", "rows"],
        oracle(record),
    );
    for name in kept.tables() {
        let table = kept.table(name).map_or_else(|error| error.to_string(), |table| table.show(BOUNDS));
        let _ = writeln!(text, "\ntable `{name}`\n{table}");
    }
    let files = record.written();
    let files = files.iter().map(|f| vec![f.path.clone(), f.bytes.to_string(), short(&f.blake3).to_owned()]);
    section(&mut text, "files written", &["path", "bytes", "blake3"], files.collect());
    let mut warned: Vec<&str> = Vec::new();
    for event in &record.events {
        if let What::Warning { text } = &event.what
            && !warned.contains(&text.as_str())
        {
            warned.push(text);
        }
    }
    if !warned.is_empty() {
        let _ = writeln!(text, "\nwarnings");
        warned.iter().for_each(|warning| text += &format!("  {warning}\n"));
    }
    if record.n_events_dropped > 0 {
        let _ = writeln!(text, "\n{} further events were not recorded", record.n_events_dropped);
    }
    text
}

fn ended(record: &Record) -> String {
    match record.outcome {
        Outcome::Done => format!("done in {:.1} s", record.seconds),
        Outcome::Running => "running, or ended by force".to_owned(),
        Outcome::Interrupted => format!("interrupted after {:.1} s", record.seconds),
        Outcome::Failed { .. } => format!("failed after {:.1} s", record.seconds),
    }
}

fn section(text: &mut String, title: &str, head: &[&str], rows: Vec<Vec<String>>) {
    if !rows.is_empty() {
        let _ = write!(text, "\n{title}\n{}", columns::table(head, &rows));
    }
}

fn operations(text: &mut String, record: &Record) {
    let mut rows = Vec::new();
    for event in &record.events {
        if let What::Operation { name, what, digest, found, seconds, curve, .. } = &event.what {
            let (how, once) = match found {
                How::Computed => ("computed", *seconds),
                How::Worker { seconds } => ("by a worker", *seconds),
                How::Stored { seconds } => ("stored", *seconds),
                How::Planned => ("planned", 0.0),
            };
            let loss = curve.last().map_or_else(String::new, |(_, loss)| format!("{loss:.4}"));
            let cells =
                [name.clone(), what.clone(), how.to_owned(), format!("{once:.2}"), loss, short(digest).to_owned()];
            rows.push(Vec::from(cells));
        }
    }
    let n = rows.len();
    let Counts { computed, stored, planned } = counts(record);
    rows.truncate(MAX_OPERATIONS);
    let planned = if planned > 0 { format!(", {planned} planned") } else { String::new() };
    let title = format!("{n} operations: {computed} computed, {stored} from the store{planned}");
    section(text, &title, &["operation", "of", "found", "seconds", "last loss", "digest"], rows);
    if n > MAX_OPERATIONS {
        let _ = writeln!(text, "… and {} more: --json has all", n - MAX_OPERATIONS);
    }
}

/// Readings of truth, those of one data set by one call for one purpose together.
fn oracle(record: &Record) -> Vec<Vec<String>> {
    let mut order: Vec<[&str; 3]> = Vec::new();
    let mut totals: BTreeMap<[&str; 3], (usize, usize)> = BTreeMap::new();
    for event in &record.events {
        if let What::TruthRead { data, n_rows, by, purpose, .. } = &event.what {
            let key = [data.as_str(), by.as_str(), purpose.as_str()];
            let total = totals.entry(key).or_insert_with(|| {
                order.push(key);
                (0, 0)
            });
            *total = (total.0 + 1, total.1 + n_rows);
        }
    }
    let row = |key: [&str; 3]| {
        let (n, rows) = totals.get(&key).copied().unwrap_or_default();
        key.into_iter().map(str::to_owned).chain([n.to_string(), rows.to_string()]).collect()
    };
    order.into_iter().map(row).collect()
}

fn differences(diff: &Diff) -> String {
    let mut text = format!("from {} to {}\n", diff.before, diff.after);
    if diff.is_empty() {
        return text + "nothing differs but times\n";
    }
    changes(&mut text, "settings", &diff.settings);
    for code in &diff.code {
        let _ = writeln!(text, "\ncode: {}", code.name);
        bounded(&mut text, &code.lines);
    }
    changes(&mut text, "data", &diff.data);
    if !diff.operations.is_empty() {
        let _ = writeln!(text, "\noperations");
    }
    for stage in &diff.operations {
        let what = if stage.n > 1 {
            format!("{} × `{}`, such as of", stage.n, stage.name)
        } else {
            format!("`{}` of", stage.name)
        };
        let _ = writeln!(text, "  {what} {}", stage.what);
        for change in &stage.changes {
            let _ = writeln!(text, "    {}: {} → {}", change.what, change.before, change.after);
        }
        if stage.changes.is_empty() {
            let _ = writeln!(text, "    made from results of earlier operations that differ");
        }
    }
    changes(&mut text, "readings of truth", &diff.oracle);
    for table in &diff.tables {
        let _ = writeln!(
            text,
            "\ntable `{}`: {}",
            table.name,
            if table.note.is_empty() { "cells that moved" } else { &table.note }
        );
        let moved = table.cells.iter().filter(|cell| cell.noise != "end");
        let verdict = |noise: &str| match noise {
            "within" => "within noise",
            "beyond" => "beyond noise",
            _ => "no interval",
        };
        let row = |c: &diff::Cell| {
            Vec::from([c.row.clone(), c.column.clone(), c.before.clone(), c.after.clone(), verdict(c.noise).to_owned()])
        };
        let rows: Vec<Vec<String>> = moved.map(row).collect();
        if !rows.is_empty() {
            let shown = rows.get(..MAX_CHANGES).unwrap_or(&rows);
            text += &columns::table(&["row", "column", "before", "after", ""], shown);
        }
        if rows.len() > MAX_CHANGES {
            let _ = writeln!(text, "… and {} more: --json has all", rows.len() - MAX_CHANGES);
        }
    }
    changes(&mut text, "files", &diff.files);
    if !diff.printed.is_empty() {
        let _ = writeln!(text, "\nprinted");
        bounded(&mut text, &diff.printed);
    }
    changes(&mut text, "warnings", &diff.warnings);
    let numbers = diff.numbers;
    let moved = numbers.within + numbers.beyond + numbers.unknown;
    let _ = writeln!(
        text,
        "\n{moved} cells of tables moved: {} within noise, {} beyond, {} without an interval; {} are equal",
        numbers.within, numbers.beyond, numbers.unknown, numbers.equal
    );
    text
}

fn changes(text: &mut String, title: &str, changes: &[Change]) {
    if changes.is_empty() {
        return;
    }
    let _ = writeln!(text, "\n{title}");
    for change in changes {
        let value = |value: &str| if value.is_empty() { "none".to_owned() } else { value.to_owned() };
        let _ = writeln!(text, "  {}: {} → {}", change.what, value(&change.before), value(&change.after));
    }
}

fn bounded(text: &mut String, lines: &[String]) {
    lines.iter().take(MAX_CHANGES).for_each(|line| text.push_str(&format!("  {line}\n")));
    if lines.len() > MAX_CHANGES {
        let _ = writeln!(text, "  … and {} more lines: --json has all", lines.len() - MAX_CHANGES);
    }
}
