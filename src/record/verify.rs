//! A recorded run and its rerun, compared in everything that a record holds except times: equal to the bit on the same
//! type of machine; elsewhere by the intervals that stand beside the numbers, and what has none is listed, not judged.

use super::cells::{self, Noise};
use super::folder::RecordError;
use super::kept::{Kept, RECORD, format_of, frame};
use super::page::pages;
use super::pairs::pair;
use super::schema::{FileRead, How, Outcome, Record, Root, What, WrittenFile};
use super::verdict::{NONE, Tally, circumstances, empty};
use crate::core::digest::Digest;
use crate::kernels::Class;
use crate::store::memo::key_of;
use std::collections::{BTreeMap, BTreeSet};

pub use super::verdict::{Circumstances, Counts, Finding, Judgement, Reason, Report, SCHEMA, Verdict};

/// What is wrong with the texts of a run folder before anything is rerun: a changed copy is not the recorded script.
pub fn integrity(kept: &Kept) -> Vec<Finding> {
    let mut tally = Tally::default();
    for source in &kept.record.sources {
        let now = match kept.read(&source.file) {
            Ok(bytes) => hash_of(&bytes),
            Err(error) => error.to_string(),
        };
        let what = format!("the text of `{}`, kept as `{}`", source.name, source.file);
        tally.judge("source", what, &source.digest, &now, true);
    }
    tally.findings
}

/// A report that says only that nothing was rerun, and why.
pub fn refused(kept: &Kept, findings: Vec<Finding>) -> Report {
    let counts = Counts { differs: findings.len(), ..Counts::default() };
    Report { counts, findings, verdict: Verdict::Differs, ..empty(&kept.name, Some(&kept.record)) }
}

/// A report that says only that it cannot be told, and why.
pub fn unknown(run: &str, record: Option<&Record>, reason: Reason) -> Report {
    Report { reason: Some(reason), ..empty(run, record) }
}

/// Fails where a record is of no use to compare with: the run did not end, or no machine can have made it.
pub fn fit(record: &Record) -> Result<(), RecordError> {
    let unfit = |reason: &str| Err(RecordError::Unfit { reason: reason.to_owned() });
    possible(record)?;
    match record.outcome {
        Outcome::Running => {
            unfit("its record says that it runs, or it was ended by force: there is nothing to compare")
        }
        Outcome::Interrupted => unfit("it was interrupted: there is nothing whole to compare"),
        Outcome::Done | Outcome::Failed { .. } if record.settings.memo == "plan" => unfit("it was only planned"),
        Outcome::Done | Outcome::Failed { .. } => Ok(()),
    }
}

/// Fails where the record names a machine that there cannot be: numbers would be judged by intervals, because of a name
/// that somebody made up.
fn possible(record: &Record) -> Result<(), RecordError> {
    let (class, arch) = (&record.settings.kernels, &record.machine.arch);
    let device = &record.settings.device;
    let unfit = |reason: String| Err(RecordError::Unfit { reason });
    let Some(named) = Class::parse(class) else {
        return unfit(format!("its record names the kernels `{class}`, which this program does not know"));
    };
    match (named.version, Class::parse(named.present()).and_then(|present| present.version)) {
        (None | Some(0), _) => {
            return unfit(format!("its record names the kernels `{class}`, and no program had such a version"));
        }
        (Some(found), Some(known)) if found > known => {
            return unfit(format!("its record names the kernels `{class}`, which only a later program has"));
        }
        _ => {}
    }
    if (device == "cpu") != named.kernels.is_some() {
        return unfit(format!("its record names the kernels `{class}` on the device `{device}`, where they never are"));
    }
    match named.family {
        Some(family) if family != arch => {
            unfit(format!("its record names the kernels `{class}` on `{arch}`, and no such machine has them"))
        }
        _ => Ok(()),
    }
}

/// Why equal cannot mean equal to the bit; nothing where it can.
fn apart(was: &Circumstances, is: &Circumstances) -> Vec<String> {
    let pairs = [
        ("the processor family", &was.arch, &is.arch),
        ("the device", &was.device, &is.device),
        ("the kernels", &was.kernels, &is.kernels),
    ];
    let differ = pairs.into_iter().filter(|(_, was, is)| was != is);
    differ.map(|(what, was, is)| format!("{what}: recorded `{was}`, rerun on `{is}`")).collect()
}

/// Why it cannot mean so on a device of candle's.
fn apart_on_candle(old: &Record, new: &Record) -> Option<String> {
    let device = new.settings.device.as_str();
    match device {
        "cpu" => None,
        "candle" => {
            let machine = |record: &Record| (record.machine.n_cores, record.machine.features.clone());
            let why = "the machine: candle's operations promise equal bits on one alone";
            (machine(old) != machine(new)).then(|| why.to_owned())
        }
        _ => Some(format!("the device: `{device}` promises no equal bits")),
    }
}

/// Compares the run with its rerun.
pub fn compare(kept: &Kept, rerun: &Kept) -> Report {
    let (old, new) = (&kept.record, &rerun.record);
    let (was, is) = (circumstances(old), circumstances(new));
    let mut within_because = apart(&was, &is);
    within_because.extend(apart_on_candle(old, new));
    let mut tally = Tally { same: within_because.is_empty(), ..Tally::default() };
    record(&mut tally, kept);
    made(&mut tally, kept, &new.program);
    outcome(&mut tally, &old.outcome, &new.outcome);
    inputs(&mut tally, old, new);
    files(&mut tally, kept, rerun);
    printed(&mut tally, old, new);
    oracle(&mut tally, old, new);
    operations(&mut tally, old, new);
    warnings(&mut tally, old, new);
    if old.n_events_dropped > 0 {
        tally.note("events that were not recorded", &old.n_events_dropped.to_string(), "");
    }
    let Tally { same, counts, findings } = tally;
    let verdict = match counts {
        Counts { differs: 1.., .. } => Verdict::Differs,
        Counts { within: 0, not_judged: 0, .. } => Verdict::Equal,
        _ => Verdict::Within,
    };
    let report = empty(&kept.name, Some(old));
    Report { verdict, same_machine_type: same, within_because, now: Some(is), counts, findings, ..report }
}

fn outcome(tally: &mut Tally, old: &Outcome, new: &Outcome) {
    let show = |outcome: &Outcome| match outcome {
        Outcome::Failed { code, message, place } => {
            format!("failed at {}: [{code}] {message}", place.as_deref().unwrap_or("no place"))
        }
        other => other.word().to_owned(),
    };
    tally.judge("outcome", "how the run ended".to_owned(), &show(old), &show(new), true);
}

/// The record itself: its seal, and whether its operations were looked up on the machine that it names.
fn record(tally: &mut Tally, kept: &Kept) {
    let record = &kept.record;
    let now = if kept.is_sealed { "as it was written" } else { "changed by hand" };
    tally.judge("record", format!("`{RECORD}`, its seal"), "as it was written", now, true);
    let settings = &record.settings;
    for operation in operations_of(record).iter().filter(|operation| !operation.key.is_empty()) {
        let digest = Digest::from_hex(operation.digest);
        let key = digest.map_or_else(|| NONE.to_owned(), |d| key_of(d, &settings.device, &settings.kernels).to_hex());
        let what = format!("{}, its key on {} with {}", operation.label(), settings.device, settings.kernels);
        tally.judge("record", what, operation.key, &key, true);
    }
}

/// What the program made of the run, the page and the appendix: as the record says, and what the same version of the
/// program makes of this record and these files.
fn made(tally: &mut Tally, kept: &Kept, program: &str) {
    let again: BTreeMap<&str, String> = pages(kept.folder(), &kept.record).into_iter().collect();
    for page in &kept.record.pages {
        let label = format!("the file `{}`", page.path);
        let now = kept.hash(&page.path).unwrap_or_else(|error| error.to_string());
        tally.judge("page", format!("{label}, its hash in the record"), &page.blake3, &now, true);
        if now != page.blake3 || program != kept.record.program {
            continue;
        }
        let made = again.get(page.path.as_str()).map_or_else(|| NONE.to_owned(), |text| hash_of(text.as_bytes()));
        tally.judge("page", format!("{label}, made anew from the record and the run's files"), &now, &made, true);
    }
    let named = |name: &str| kept.record.pages.iter().any(|page| page.path == name);
    for name in again.keys().filter(|name| program == kept.record.program && !named(name)) {
        tally.judge("page", format!("the file `{name}`, in the record"), NONE, "made by every such run", true);
    }
}

fn hash_of(bytes: &[u8]) -> String {
    blake3::hash(bytes).to_hex().to_string()
}

/// Sources, files read, fetched artefacts, seeds, and the program's own modules.
fn inputs(tally: &mut Tally, old: &Record, new: &Record) {
    let sources = |record: &Record| -> BTreeMap<String, String> {
        let own = record.sources.iter().filter_map(|source| {
            let path = source.path.as_ref()?;
            Some((format!("the script text `{path}`"), source.digest.clone()))
        });
        own.collect()
    };
    tally.judge_sets("source", sources(old), sources(new));
    // A file that was granted anew lies elsewhere as seen from the rebuilt project: one name and content is one file.
    type Known = BTreeSet<(String, String)>;
    let known =
        |record: &Record| -> Known { record.reads.iter().map(|read| (name_of(read), read.blake3.clone())).collect() };
    let reads = |record: &Record, other: &Known| -> BTreeMap<String, String> {
        let read = record.reads.iter().map(|read| {
            let is_shared = other.contains(&(name_of(read), read.blake3.clone()));
            let path = if is_shared { name_of(read) } else { read.path.clone() };
            (format!("the file `{path}` that was read"), format!("{} bytes, blake3 {}", read.bytes, read.blake3))
        });
        read.collect()
    };
    tally.judge_sets("read", reads(old, &known(new)), reads(new, &known(old)));
    let fetched = |record: &Record| -> BTreeMap<String, String> {
        let file = record.fetched.iter().map(|file| {
            (
                format!("`{}` of the fetched `{}`", file.file, file.id),
                format!("{} bytes, sha256 {}", file.bytes, file.sha256),
            )
        });
        file.collect()
    };
    tally.judge_sets("fetched", fetched(old), fetched(new));
    let seeds = |record: &Record| -> BTreeMap<String, String> {
        record.seeds.iter().map(|seed| (format!("the seed {seed}"), "used".to_owned())).collect()
    };
    tally.judge_sets("seed", seeds(old), seeds(new));
    let offsets = (old.settings.seed_offset.to_string(), new.settings.seed_offset.to_string());
    tally.judge("seed", "what was added to seeds".to_owned(), &offsets.0, &offsets.1, true);
    if old.program != new.program {
        tally.note("the program", &old.program, &new.program);
    }
    for library in &old.stdlib {
        let now = new.stdlib.iter().find(|other| other.name == library.name).map_or(NONE, |other| &other.digest);
        if now != library.digest {
            tally.note(&format!("the text of the program's module `{}`", library.name), &library.digest, now);
        }
    }
}

fn name_of(read: &FileRead) -> String {
    read.path.rsplit('/').next().unwrap_or_default().to_owned()
}

fn printed(tally: &mut Tally, old: &Record, new: &Record) {
    let (a, b) = (&old.printed, &new.printed);
    let n_before = tally.findings.len();
    for idx in 0..a.lines.len().max(b.lines.len()) {
        let at = |lines: &[String]| lines.get(idx).cloned().unwrap_or_else(|| NONE.to_owned());
        tally.judge("printed", format!("printed text {}", idx + 1), &at(&a.lines), &at(&b.lines), false);
    }
    let counts = (a.n_lines.to_string(), b.n_lines.to_string());
    tally.judge("printed", "how many texts were printed".to_owned(), &counts.0, &counts.1, false);
    if n_before == tally.findings.len() {
        tally.judge("printed", "the hash of all that was printed".to_owned(), &a.blake3, &b.blake3, false);
    }
}

/// An operation of a record.
struct Operation<'a> {
    /// From 1, among the operations.
    number: usize,
    name: &'a str,
    what: &'a str,
    digest: &'a str,
    key: &'a str,
    inputs: &'a [(String, String)],
    options: &'a str,
    curve: &'a [(u64, f64)],
    is_ahead: bool,
}

fn operations_of(record: &Record) -> Vec<Operation<'_>> {
    let mut operations = Vec::new();
    for event in &record.events {
        if let What::Operation { name, what, digest, key, inputs, options, found, seconds: _, curve } = &event.what {
            let (number, is_ahead) = (operations.len() + 1, matches!(found, How::Ahead { .. }));
            operations.push(Operation { number, name, what, digest, key, inputs, options, curve, is_ahead });
        }
    }
    operations
}

/// Operations are compared by their digest, whatever their order: cells of a sweep end in any. One that has no
/// counterpart is held against the next of the same kind that has none either. What workers computed and the script did
/// not come to is chance, and nothing depends on it.
fn operations(tally: &mut Tally, old: &Record, new: &Record) {
    let needed = |record| operations_of(record).into_iter().filter(|o: &Operation| !o.is_ahead).collect::<Vec<_>>();
    let (old, new) = (needed(old), needed(new));
    let by_digest: BTreeMap<&str, &Operation> = new.iter().map(|operation| (operation.digest, operation)).collect();
    let known: BTreeSet<&str> = old.iter().map(|operation| operation.digest).collect();
    let mut lone = Vec::new();
    for operation in &old {
        match by_digest.get(operation.digest) {
            Some(other) => operation_of_one_digest(tally, &operation.label(), operation, other),
            None => lone.push(operation),
        }
    }
    let come: Vec<&Operation> = new.iter().filter(|operation| !known.contains(operation.digest)).collect();
    let pairs = pair(&keys(&lone), &keys(&come));
    let mut spare = vec![true; come.len()];
    for (operation, at) in lone.iter().zip(pairs) {
        let label = operation.label();
        let now = at.and_then(|at| Some((come.get(at)?, spare.get_mut(at)?)));
        let digest = now.as_ref().map_or(NONE, |(now, _)| now.digest);
        tally.judge("operation", format!("{label}, digest"), operation.digest, digest, false);
        if let Some((now, spare)) = now {
            *spare = false;
            tally.judge("operation", format!("{label}, options"), operation.options, now.options, false);
            curve(tally, &label, operation.curve, now.curve);
        }
    }
    for (operation, _) in come.iter().zip(spare).filter(|(_, spare)| *spare) {
        let label = format!("an operation that was not recorded, `{}` of {}", operation.name, operation.what);
        tally.judge("operation", label, NONE, operation.digest, false);
    }
}

fn keys<'a>(operations: &[&Operation<'a>]) -> Vec<(&'a str, &'a str)> {
    operations.iter().map(|operation| (operation.name, operation.what)).collect()
}

impl Operation<'_> {
    fn label(&self) -> String {
        format!("operation {}, `{}` of {}", self.number, self.name, self.what)
    }
}

fn operation_of_one_digest(tally: &mut Tally, label: &str, old: &Operation, new: &Operation) {
    tally.judge("operation", format!("{label}, name"), old.name, new.name, true);
    tally.judge("operation", format!("{label}, what"), old.what, new.what, true);
    tally.judge("operation", format!("{label}, options"), old.options, new.options, true);
    if tally.same {
        tally.judge("operation", format!("{label}, key"), old.key, new.key, true);
    }
    let inputs = |operation: &Operation| -> BTreeMap<String, String> {
        operation.inputs.iter().map(|(name, digest)| (format!("{label}, input `{name}`"), digest.clone())).collect()
    };
    tally.judge_sets("operation", inputs(old), inputs(new));
    curve(tally, label, old.curve, new.curve);
}

fn curve(tally: &mut Tally, label: &str, old: &[(u64, f64)], new: &[(u64, f64)]) {
    let points = |curve: &[(u64, f64)]| -> BTreeMap<u64, String> {
        curve.iter().map(|(step, loss)| (*step, format!("{loss:?}"))).collect()
    };
    let (old, mut new) = (points(old), points(new));
    for (step, loss) in old {
        let now = new.remove(&step).unwrap_or_else(|| NONE.to_owned());
        tally.judge("number", format!("{label}, loss at step {step}"), &loss, &now, false);
    }
    for (step, now) in new {
        tally.judge("number", format!("{label}, loss at step {step}"), NONE, &now, false);
    }
}

/// A reading of truth: data, digest of the rows, their number, the call, the purpose.
type Reading<'a> = (&'a str, &'a str, String, &'a str, &'a str);

fn readings(record: &Record) -> Vec<Reading<'_>> {
    record.events.iter().filter_map(|event| reading(&event.what)).collect()
}

fn reading(what: &What) -> Option<Reading<'_>> {
    match what {
        What::TruthRead { data, digest, n_rows, by, purpose } => Some((data, digest, n_rows.to_string(), by, purpose)),
        _ => None,
    }
}

fn oracle(tally: &mut Tally, old: &Record, new: &Record) {
    let (old, new) = (readings(old), readings(new));
    for (idx, (data, digest, n_rows, by, purpose)) in old.iter().enumerate() {
        let label = |part: &str| format!("reading {} of truth, {part}", idx + 1);
        let Some(now) = new.get(idx) else {
            tally.judge("oracle", label("whole"), &format!("{n_rows} rows of {data} by {by}"), NONE, true);
            continue;
        };
        tally.judge("oracle", label("data"), data, now.0, true);
        tally.judge("oracle", label("rows"), n_rows, &now.2, true);
        tally.judge("oracle", label("reader"), by, now.3, true);
        tally.judge("oracle", label("purpose"), purpose, now.4, true);
        tally.judge("oracle", label("digest of the rows"), digest, now.1, false);
    }
    for (idx, (data, _, n_rows, by, _)) in new.iter().enumerate().skip(old.len()) {
        let now = format!("{n_rows} rows of {data} by {by}");
        tally.judge("oracle", format!("reading {} of truth, whole", idx + 1), NONE, &now, true);
    }
}

/// Warnings may come from the machine or the store: they are told, not judged.
fn warnings(tally: &mut Tally, old: &Record, new: &Record) {
    let texts = |record: &Record| -> BTreeSet<String> {
        let text = |what: &What| if let What::Warning { text } = what { Some(text.clone()) } else { None };
        record.events.iter().filter_map(|event| text(&event.what)).collect()
    };
    let (old, new) = (texts(old), texts(new));
    old.difference(&new).for_each(|text| tally.note("a warning", text, NONE));
    new.difference(&old).for_each(|text| tally.note("a warning", NONE, text));
}

/// Files of one `Written` event, each with its last state in the record.
fn files(tally: &mut Tally, kept: &Kept, rerun: &Kept) {
    let by_path = |record: &Record| -> BTreeMap<String, WrittenFile> {
        record.written().into_iter().map(|file| (file.path.clone(), file.clone())).collect()
    };
    let (old, new) = (by_path(&kept.record), by_path(&rerun.record));
    for event in &kept.record.events {
        let What::Written { files, .. } = &event.what else { continue };
        // A table is written in several forms: its numbers are judged once.
        let mut judged = false;
        for file in files.iter().filter(|file| file.root == Root::Run) {
            // A later event wrote the file anew: it is judged there.
            if old.get(&file.path) != Some(file) {
                continue;
            }
            judged |= one_file(tally, kept, rerun, file, new.get(&file.path), judged);
        }
    }
    for file in new.values().filter(|file| !old.contains_key(&file.path)) {
        tally.judge("file", format!("the file `{}`", file.path), NONE, &file.blake3, true);
    }
}

/// Compares one written file with what the record says of it and with the rerun's. Whether its cells were judged.
fn one_file(
    tally: &mut Tally,
    kept: &Kept,
    rerun: &Kept,
    file: &WrittenFile,
    now: Option<&WrittenFile>,
    judged: bool,
) -> bool {
    let path = &file.path;
    let label = format!("the file `{path}`");
    let Some(now) = now else {
        tally.judge("file", label, &file.blake3, NONE, true);
        return false;
    };
    let (before, after) = match (kept.read(path), rerun.read(path)) {
        (Ok(before), Ok(after)) => (before, after),
        (Err(error), _) | (_, Err(error)) => {
            tally.judge("file", label, &file.blake3, &error.to_string(), true);
            return false;
        }
    };
    let hash = hash_of(&before);
    let is_whole = hash == file.blake3 && before.len() as u64 == file.bytes;
    if before == after {
        // The rerun gives what is in the folder; a record that says otherwise was changed.
        tally.judge("file", format!("{label}, its hash in the record"), &file.blake3, &now.blake3, true);
        tally.judge(
            "file",
            format!("{label}, its size in the record"),
            &file.bytes.to_string(),
            &now.bytes.to_string(),
            true,
        );
        return false;
    }
    if !is_whole {
        tally.add(
            Judgement::Differs,
            "file",
            format!("{label} was changed after the run: its hash"),
            &file.blake3,
            &hash,
        );
    }
    // The numbers of this table were judged in its first form.
    if judged && is_whole {
        return false;
    }
    match table_pair(path, before.clone(), after.clone()) {
        Some(change) => {
            numbers(tally, path, change, is_whole, hash != now.blake3);
            true
        }
        None if is_whole => {
            let (a, b) = first_difference(&before, &after).unwrap_or_else(|| (file.blake3.clone(), now.blake3.clone()));
            tally.judge("file", label, &a, &b, false);
            false
        }
        None => {
            if let Some((a, b)) = first_difference(&before, &after) {
                tally.add(Judgement::Differs, "file", format!("{label}, its first line that differs"), &a, &b);
            }
            false
        }
    }
}

fn table_pair(path: &str, before: Vec<u8>, after: Vec<u8>) -> Option<cells::TableChange> {
    format_of(path)?;
    Some(cells::compare(&frame(path, before).ok()?, &frame(path, after).ok()?))
}

fn numbers(tally: &mut Tally, path: &str, change: cells::TableChange, is_whole: bool, bytes_differ: bool) {
    tally.counts.equal += change.n_cells - change.cells.len().min(change.n_cells);
    if change.cells.is_empty() && is_whole && bytes_differ {
        tally.note(&format!("`{path}`: every cell is equal, the bytes around them are not"), "", "");
    }
    let moved: BTreeSet<(String, String)> =
        change.cells.iter().map(|cell| (cell.row.clone(), cell.column.clone())).collect();
    // The end of an interval follows its number, which is judged.
    let follows = |cell: &cells::CellChange| {
        let stem = cell.column.strip_suffix("_low").or_else(|| cell.column.strip_suffix("_high"));
        cell.noise == Noise::End && stem.is_some_and(|stem| moved.contains(&(cell.row.clone(), stem.to_owned())))
    };
    for cell in &change.cells {
        let what = format!("`{path}`, row `{}`, column `{}`", cell.row, cell.column);
        let judgement = match cell.noise {
            _ if tally.same || !is_whole => Judgement::Differs,
            Noise::End if follows(cell) => continue,
            Noise::Within => Judgement::Within,
            Noise::Beyond => Judgement::Differs,
            Noise::Unknown | Noise::End => Judgement::NotJudged,
        };
        tally.add(judgement, "number", what, &cell.before, &cell.after);
    }
}

/// The first line in which two texts differ; `None` where one is no text, or only line ends differ.
fn first_difference(before: &[u8], after: &[u8]) -> Option<(String, String)> {
    let (before, after) = (std::str::from_utf8(before).ok()?, std::str::from_utf8(after).ok()?);
    let n_same = before.lines().zip(after.lines()).take_while(|(a, b)| a == b).count();
    let at = |text: &str| {
        text.lines().nth(n_same).map_or_else(|| NONE.to_owned(), |line| format!("line {}: {line}", n_same + 1))
    };
    Some((at(before), at(after))).filter(|(a, b)| a != b)
}
