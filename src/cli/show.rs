//! `w2s show RUN`: settings, operations, readings of truth, tables, warnings.

use super::runs::{fail, print_json, warn_of};
use super::{columns, draw, output};
use crate::core::digest::short;
use crate::core::operation::Operation;
use crate::frames::Bounds;
use crate::record::readings::{Sum, sums};
use crate::record::{Account, How, Kept, Outcome, Record, What, altered};
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;

/// Operations of a run that are all listed (arbitrary): of more, kinds and the slowest.
const MAX_OPERATIONS: usize = 16;

/// The slowest operations that are listed (arbitrary).
const MAX_SLOWEST: usize = 10;

/// A table of a run on a terminal: as a script prints it, with more rows (arbitrary).
const BOUNDS: Bounds = Bounds { width: 160, rows: 60, cell: 40 };

/// `w2s show RUN`: for a person, with every operation if `all`, or the record as JSON.
pub fn run(path: &Path, json: bool, all: bool) -> u8 {
    let kept = match Kept::open(path) {
        Ok(kept) => kept,
        Err(refused) => return fail(&refused),
    };
    warn_of(&kept, &altered(&kept, true));
    if json { print_json(&kept.record) } else { output::finish(output::line(&draw::plain(&shown(&kept, all)))) }
}

fn shown(kept: &Kept, all: bool) -> String {
    let record = &kept.record;
    let mut text = String::new();
    let _ = writeln!(text, "{}: `{}`", kept.name, record.command());
    let _ = writeln!(text, "{}, started {}, {}", ended(kept), record.started, record.program);
    let (settings, machine) = (&record.settings, &record.machine);
    let _ = writeln!(
        text,
        "seed offset {}, world {}, device {}, kernels {}, {} threads, memo {}; {} {}, {} cores",
        settings.seed_offset,
        settings.world,
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
    operations(&mut text, record, all);
    section(
        &mut text,
        "readings of truth (the oracle log)",
        &["data", "split", "by", "for", "readings", "rows", "used by"],
        oracle(record),
    );
    section(&mut text, "openings of a vault", &["data", "rows", "metric", "opening", "counted"], openings(record));
    let met = test_rows(record);
    section(&mut text, "test rows that were met again", &["data", "rows", "known by", "became"], met);
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

fn ended(kept: &Kept) -> String {
    let record = &kept.record;
    match record.outcome {
        Outcome::Done => format!("done in {:.1} s", record.seconds),
        Outcome::Running => match kept.is_live() {
            Some(true) => "running".to_owned(),
            Some(false) => format!("killed after at least {:.1} s", record.seconds),
            None => "running, or killed".to_owned(),
        },
        Outcome::Interrupted => format!("interrupted after {:.1} s", record.seconds),
        Outcome::Failed { .. } => format!("failed after {:.1} s", record.seconds),
    }
}

fn section(text: &mut String, title: &str, head: &[&str], rows: Vec<Vec<String>>) {
    if !rows.is_empty() {
        let _ = write!(text, "\n{title}\n{}", columns::table(head, &rows));
    }
}

/// An operation as it is listed.
struct Listed<'a> {
    operation: &'a Operation,
    found: &'static str,
    /// What computing took, or reading it from the store.
    seconds: f64,
}

impl Listed<'_> {
    fn row(&self) -> Vec<String> {
        let Operation { name, what, digest, curve, .. } = self.operation;
        let loss = curve.last().map_or_else(String::new, |(_, loss)| format!("{loss:.4}"));
        let texts = [name, what, self.found].map(str::to_owned);
        texts.into_iter().chain([format!("{:.2}", self.seconds), loss, short(digest).to_owned()]).collect()
    }
}

/// The heading of a list of operations.
const LISTED: [&str; 6] = ["operation", "of", "found", "seconds", "last loss", "digest"];

/// All operations, or of a larger run their kinds and the slowest.
fn operations(text: &mut String, record: &Record, all: bool) {
    let mut listed = Vec::new();
    for (operation, how) in record.operations() {
        let found = match how {
            How::Computed => "computed",
            How::Worker { .. } => "by a worker",
            How::Ahead { .. } => "by a worker, not come to",
            How::Stored { imported: true, .. } => "imported",
            How::Stored { .. } => "stored",
            How::Planned => "planned",
        };
        listed.push(Listed { operation, found, seconds: how.seconds(operation) });
    }
    let rows = |listed: &[&Listed]| listed.iter().map(|one| one.row()).collect();
    let n = listed.len();
    let title = format!("{n} operations: {}", Account::of(record).sentence().replace('\u{a0}', " "));
    if all || n <= MAX_OPERATIONS {
        return section(text, &title, &LISTED, rows(&listed.iter().collect::<Vec<_>>()));
    }
    section(text, &title, &["operation", "computed", "by workers", "stored", "seconds"], kinds(&listed));
    listed.sort_by(|a, b| b.seconds.total_cmp(&a.seconds));
    let slowest: Vec<&Listed> = listed.iter().take(MAX_SLOWEST).collect();
    section(text, &format!("the slowest {}", slowest.len()), &LISTED, rows(&slowest));
    text.push_str("`--operations` lists all\n");
}

/// Operations by kind: how many were computed here, by workers and found in the store, and what they took.
fn kinds(listed: &[Listed]) -> Vec<Vec<String>> {
    let mut kinds: BTreeMap<&str, ([usize; 3], f64)> = BTreeMap::new();
    for one in listed {
        let (counts, seconds) = kinds.entry(&one.operation.name).or_default();
        let [computed, by_workers, stored] = counts;
        match one.found {
            "computed" => *computed += 1,
            "stored" | "imported" => *stored += 1,
            "planned" => {}
            _ => *by_workers += 1,
        }
        *seconds += one.seconds;
    }
    let row = |(name, (counts, seconds)): (&str, ([usize; 3], f64))| {
        [name.to_owned()].into_iter().chain(counts.map(|n| n.to_string())).chain([format!("{seconds:.1}")]).collect()
    };
    kinds.into_iter().map(row).collect()
}

/// Readings of truth, those of one data set and side by one call for one purpose together.
fn oracle(record: &Record) -> Vec<Vec<String>> {
    let row = |sum: &Sum| {
        let (n, n_rows) = (sum.n.to_string(), sum.n_rows.to_string());
        vec![sum.data.clone(), sum.what(), sum.by.clone(), sum.purpose.clone(), n, n_rows, sum.users()]
    };
    sums(record).iter().map(row).collect()
}

/// Openings of a vault: which one it was in the store, and whether it was counted then.
fn openings(record: &Record) -> Vec<Vec<String>> {
    let row = |what: &What| match what {
        What::VaultOpened { data, n_rows, metric, opening, budget, is_new, .. } => {
            let counted = if *is_new { "now" } else { "before" };
            Some(vec![
                data.clone(),
                n_rows.to_string(),
                metric.clone(),
                format!("{opening} of {budget}"),
                counted.to_owned(),
            ])
        }
        _ => None,
    };
    record.events.iter().filter_map(|event| row(&event.what)).collect()
}

/// Rows that the run knew as test rows and met again.
fn test_rows(record: &Record) -> Vec<Vec<String>> {
    let row = |what: &What| match what {
        What::TestRows { data, n_rows, known_by, became, .. } => {
            Some(vec![data.clone(), n_rows.to_string(), known_by.clone(), became.clone()])
        }
        _ => None,
    };
    record.events.iter().filter_map(|event| row(&event.what)).collect()
}
