//! Two runs compared: which options, data and code differ, and which numbers moved, within noise or beyond.

use super::altered::{Altered, altered};
use super::cells::{self, Noise, TableChange};
use super::kept::Kept;
use super::lines::{self, Line};
use super::pairs::pair;
use super::readings::sums;
use super::schema::{Grants, Record, What};
use crate::core::context::Form;
use crate::core::digest::short;
use crate::core::operation::Operation;
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};

/// The name and version of the format of a difference in JSON.
pub const SCHEMA: &str = "w2s-diff/2";

/// What differs between two runs. Empty lists mean that nothing does.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Diff {
    pub schema: &'static str,
    pub before: String,
    pub after: String,
    /// What of either run is not as it was left.
    pub altered: Pair,
    /// Program, machine, settings, arguments, grants, outcome.
    pub settings: Vec<Change>,
    pub code: Vec<Code>,
    /// Files that were read, and fetched artefacts.
    pub data: Vec<Change>,
    pub operations: Vec<Stage>,
    /// Readings of truth.
    pub oracle: Vec<Change>,
    pub tables: Vec<Table>,
    /// Figures and other files.
    pub files: Vec<Change>,
    pub printed: Vec<String>,
    pub warnings: Vec<Change>,
    pub numbers: Numbers,
}

/// What was changed after the run, of both runs.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Pair {
    pub before: Vec<Altered>,
    pub after: Vec<Altered>,
}

/// One thing before and after.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Change {
    pub what: String,
    pub before: String,
    pub after: String,
}

/// One script text that differs.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Code {
    pub name: String,
    /// Changed lines with two around them, `-`, `+` or a blank before each; `…` between places.
    pub lines: Vec<String>,
}

/// Operations of one kind that differ in the same way.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Stage {
    pub name: String,
    /// How many operations.
    pub n: usize,
    /// The first of them.
    pub what: String,
    /// Options and inputs; none where only results of earlier operations differ.
    pub changes: Vec<Change>,
}

/// One table that differs.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Table {
    pub name: String,
    /// Why its cells were not compared, if so.
    pub note: String,
    pub n_cells: usize,
    pub cells: Vec<Cell>,
}

/// One cell that differs.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Cell {
    pub row: String,
    pub column: String,
    pub before: String,
    pub after: String,
    /// `within`, `beyond`, `unknown` (no interval stands beside it) or `end` (of an interval).
    pub noise: &'static str,
}

/// How many cells of tables moved.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Numbers {
    pub equal: usize,
    pub within: usize,
    pub beyond: usize,
    pub unknown: usize,
}

impl Diff {
    /// Whether nothing differs but times.
    pub fn is_empty(&self) -> bool {
        let lists = [self.settings.len(), self.code.len(), self.data.len(), self.operations.len(), self.oracle.len()];
        let more = [self.tables.len(), self.files.len(), self.printed.len(), self.warnings.len()];
        lists.iter().chain(&more).all(|n| *n == 0)
    }
}

/// What differs between two runs. Times do not count.
pub fn diff(before: &Kept, after: &Kept) -> Diff {
    let (old, new) = (&before.record, &after.record);
    let (tables, numbers) = tables(before, after);
    Diff {
        schema: SCHEMA,
        before: before.name.clone(),
        after: after.name.clone(),
        altered: Pair { before: altered(before, true), after: altered(after, true) },
        settings: changed(settings(old), settings(new)),
        code: code(before, after),
        data: changed(data(old), data(new)),
        operations: operations(old, new),
        oracle: changed(oracle(old), oracle(new)),
        tables,
        files: changed(files(old), files(new)),
        printed: printed(old, new),
        warnings: changed(warnings(old), warnings(new)),
        numbers,
    }
}

/// What stands where something is missing.
const NONE: &str = "none";

fn changed(old: BTreeMap<String, String>, new: BTreeMap<String, String>) -> Vec<Change> {
    let names: BTreeSet<&String> = old.keys().chain(new.keys()).collect();
    let at =
        |held: &BTreeMap<String, String>, name: &String| held.get(name).cloned().unwrap_or_else(|| NONE.to_owned());
    let change = |name: &String| Change { what: name.clone(), before: at(&old, name), after: at(&new, name) };
    names.into_iter().map(change).filter(|change| change.before != change.after).collect()
}

fn settings(record: &Record) -> BTreeMap<String, String> {
    let (settings, machine) = (&record.settings, &record.machine);
    let Grants { read, write } = &record.grants;
    let stdlib = record.stdlib.iter().map(|library| format!("{} {}", library.name, short(&library.digest)));
    let pairs = [
        ("program", record.program.clone()),
        ("stdlib", stdlib.collect::<Vec<_>>().join(", ")),
        ("script", record.script.clone()),
        ("arguments", record.arguments.join(" ")),
        ("seed offset", settings.seed_offset.to_string()),
        ("seeds", record.seeds.iter().map(u64::to_string).collect::<Vec<_>>().join(", ")),
        ("world", format!("version {}", settings.world)),
        ("device", settings.device.clone()),
        ("kernels", settings.kernels.clone()),
        ("memo", settings.memo.clone()),
        ("machine", format!("{} {}", machine.os, machine.arch)),
        ("granted to read", read.join(", ")),
        ("granted to write", write.join(", ")),
        ("outcome", record.outcome.word().to_owned()),
    ];
    pairs.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}

/// The script is matched with the script whatever it is called; imports by their place in the project.
fn code(before: &Kept, after: &Kept) -> Vec<Code> {
    let texts = |kept: &Kept| -> BTreeMap<String, (String, String)> {
        let source = |(idx, source): (usize, &super::Copied)| {
            let name =
                if idx == 0 { String::new() } else { source.path.clone().unwrap_or_else(|| source.name.clone()) };
            (name, (source.name.clone(), kept.source(&source.file).unwrap_or_else(|error| error.to_string())))
        };
        kept.record.sources.iter().enumerate().map(source).collect()
    };
    let (old, new) = (texts(before), texts(after));
    let names: BTreeSet<&String> = old.keys().chain(new.keys()).collect();
    let mut changes = Vec::new();
    for name in names {
        let none = (String::new(), String::new());
        let ((old_name, old), (new_name, new)) = (old.get(name).unwrap_or(&none), new.get(name).unwrap_or(&none));
        if old != new {
            let name = if new_name.is_empty() { old_name } else { new_name };
            changes.push(Code { name: name.clone(), lines: line_changes(old, new) });
        }
    }
    changes
}

fn line_changes(old: &str, new: &str) -> Vec<String> {
    let lines = lines::compare(&old.lines().collect::<Vec<_>>(), &new.lines().collect::<Vec<_>>());
    let shown = |line: Option<&Line>| match line {
        None => "…".to_owned(),
        Some(Line::Same(text)) => format!("  {text}"),
        Some(Line::Removed(text)) => format!("- {text}"),
        Some(Line::Added(text)) => format!("+ {text}"),
    };
    lines::changes(&lines, 2).into_iter().map(shown).collect()
}

fn data(record: &Record) -> BTreeMap<String, String> {
    let read =
        record.reads.iter().map(|read| (read.path.clone(), format!("{} ({} bytes)", short(&read.blake3), read.bytes)));
    let fetched =
        record.fetched.iter().map(|file| (format!("{} of {}", file.file, file.id), short(&file.sha256).to_owned()));
    read.chain(fetched).collect()
}

fn oracle(record: &Record) -> BTreeMap<String, String> {
    let mut readings: BTreeMap<String, (usize, usize)> = BTreeMap::new();
    for sum in sums(record).into_iter().filter(|sum| sum.form == Form::Classes) {
        let total = readings.entry(format!("{} by {} for {}", sum.data, sum.by, sum.purpose)).or_default();
        *total = (total.0 + sum.n, total.1 + sum.n_rows);
    }
    let others = sums(record).into_iter().filter(|sum| sum.form != Form::Classes).map(|sum| {
        (format!("{} ({}) by {}", sum.data, sum.what(), sum.by), format!("{} times over {} rows", sum.n, sum.n_rows))
    });
    let classes = readings.into_iter().map(|(name, (n, rows))| (name, format!("{n} readings of {rows} rows")));
    classes.chain(others).collect()
}

fn warnings(record: &Record) -> BTreeMap<String, String> {
    let text = |what: &What| if let What::Warning { text } = what { Some(text.clone()) } else { None };
    record.events.iter().filter_map(|event| Some((text(&event.what)?, "said".to_owned()))).collect()
}

/// Files other than those of tables, which are compared cell by cell.
fn files(record: &Record) -> BTreeMap<String, String> {
    let mut files = BTreeMap::new();
    for event in &record.events {
        if let What::Written { kind, files: written, .. } = &event.what
            && kind != "table"
        {
            files.extend(written.iter().map(|file| (file.path.clone(), short(&file.blake3).to_owned())));
        }
    }
    files
}

fn printed(old: &Record, new: &Record) -> Vec<String> {
    if old.printed == new.printed {
        return Vec::new();
    }
    let mut changes = line_changes(&old.printed.lines.join("\n"), &new.printed.lines.join("\n"));
    if changes.is_empty() {
        changes.push("… what was printed beyond the recorded texts differs".to_owned());
    }
    changes
}

/// Operations with equal digests are equal. The others are matched by kind and description in their order, then by kind
/// alone; those that change in the same way are one stage.
fn operations(old: &Record, new: &Record) -> Vec<Stage> {
    let of = |record| Record::operations(record).map(|(operation, _)| operation).collect::<Vec<_>>();
    let (old, new): (Vec<&Operation>, Vec<&Operation>) = (of(old), of(new));
    let digests = |list: &[&Operation]| -> BTreeSet<String> { list.iter().map(|o| o.digest.clone()).collect() };
    let (in_old, in_new) = (digests(&old), digests(&new));
    let lone: Vec<&Operation> = old.into_iter().filter(|o| !in_new.contains(&o.digest)).collect();
    let come: Vec<&Operation> = new.into_iter().filter(|o| !in_old.contains(&o.digest)).collect();
    let pairs = pair(&keys(&lone), &keys(&come));
    let mut spare = vec![true; come.len()];
    let mut stages: Vec<Stage> = Vec::new();
    let mut known: BTreeMap<(String, Vec<Change>), usize> = BTreeMap::new();
    let mut add = |operation: &Operation, changes: Vec<Change>| {
        let at = *known.entry((operation.name.to_owned(), changes.clone())).or_insert(stages.len());
        match stages.get_mut(at) {
            Some(stage) => stage.n += 1,
            None => {
                let (name, what) = (operation.name.to_owned(), operation.what.to_owned());
                stages.push(Stage { name, n: 1, what, changes });
            }
        }
    };
    let whole = |before: &str, after: &str| {
        vec![Change { what: "the operation".to_owned(), before: before.to_owned(), after: after.to_owned() }]
    };
    for (a, at) in lone.iter().zip(pairs) {
        let Some((b, spare)) = at.and_then(|at| Some((come.get(at)?, spare.get_mut(at)?))) else {
            add(a, whole("there", NONE));
            continue;
        };
        *spare = false;
        let mut changes = options(&a.options, &b.options);
        changes.extend(inputs(a, b, &in_old, &in_new));
        add(a, changes);
    }
    come.iter().zip(spare).filter(|(_, spare)| *spare).for_each(|(operation, _)| add(operation, whole(NONE, "there")));
    stages
}

fn keys<'a>(operations: &[&'a Operation]) -> Vec<(&'a str, &'a str)> {
    operations.iter().map(|operation| (operation.name.as_str(), operation.what.as_str())).collect()
}

/// Inputs that differ and that no operation of their run made.
fn inputs(a: &Operation, b: &Operation, in_old: &BTreeSet<String>, in_new: &BTreeSet<String>) -> Vec<Change> {
    let of = |operation: &Operation, made: &BTreeSet<String>| -> BTreeMap<String, String> {
        let show = |digest: &String| if made.contains(digest) { "made".to_owned() } else { short(digest).to_owned() };
        operation.inputs.iter().map(|(name, digest)| (format!("input `{name}`"), show(digest))).collect()
    };
    changed(of(a, in_old), of(b, in_new))
}

/// Options that differ. An option is a name and a value between commas outside brackets.
fn options(old: &str, new: &str) -> Vec<Change> {
    let (old, new) = (parts(old), parts(new));
    let lone = |list: &[&str], other: &[&str]| -> Vec<String> {
        list.iter().filter(|part| !other.contains(part)).map(|part| (*part).to_owned()).collect()
    };
    let (mut gone, mut come) = (lone(&old, &new), lone(&new, &old));
    let split = |part: &str| part.split_once(' ').map(|(name, value)| (name.to_owned(), value.to_owned()));
    let mut changes = Vec::new();
    gone.retain(|part| {
        let Some((name, before)) = split(part) else { return true };
        let at = come.iter().position(|other| split(other).is_some_and(|(other, _)| other == name));
        let Some((_, after)) = at.and_then(|at| split(&come.remove(at))) else { return true };
        changes.push(Change { what: name, before, after });
        false
    });
    if !gone.is_empty() || !come.is_empty() {
        let (before, after) = (gone.join(", "), come.join(", "));
        let name = |text: String| if text.is_empty() { NONE.to_owned() } else { text };
        changes.insert(0, Change { what: "option".to_owned(), before: name(before), after: name(after) });
    }
    changes
}

fn parts(options: &str) -> Vec<&str> {
    let (mut parts, mut depth, mut start) = (Vec::new(), 0i32, 0);
    for (at, c) in options.char_indices() {
        match c {
            '(' | '[' | '{' => depth += 1,
            ')' | ']' | '}' => depth -= 1,
            ',' if depth <= 0 => {
                parts.extend(options.get(start..at).map(str::trim));
                start = at + 1;
            }
            _ => {}
        }
    }
    parts.extend(options.get(start..).map(str::trim));
    parts.retain(|part| !part.is_empty());
    parts
}

fn tables(before: &Kept, after: &Kept) -> (Vec<Table>, Numbers) {
    let (old, new) = (before.tables(), after.tables());
    let set = |names: &[&str]| -> BTreeSet<String> { names.iter().map(|name| (*name).to_owned()).collect() };
    let (in_old, in_new) = (set(&old), set(&new));
    let names = old.iter().copied().chain(new.iter().copied().filter(|name| !in_old.contains(*name)));
    let mut numbers = Numbers::default();
    let mut tables = Vec::new();
    for name in names {
        let note = |note: String| Table { name: name.to_owned(), note, n_cells: 0, cells: Vec::new() };
        match (in_old.contains(name), in_new.contains(name)) {
            (true, false) => tables.push(note("only in the first run".to_owned())),
            (false, true) => tables.push(note("only in the second run".to_owned())),
            _ => match (before.table(name), after.table(name)) {
                (Ok(a), Ok(b)) => tables.extend(table(name, cells::compare(&a, &b), &mut numbers)),
                (Err(error), _) | (_, Err(error)) => tables.push(note(error.to_string())),
            },
        }
    }
    (tables, numbers)
}

fn table(name: &str, change: TableChange, numbers: &mut Numbers) -> Option<Table> {
    numbers.equal += change.n_cells - change.cells.len().min(change.n_cells);
    let mut cells = Vec::new();
    for cell in change.cells {
        let noise = match cell.noise {
            Noise::Within => {
                numbers.within += 1;
                "within"
            }
            Noise::Beyond | Noise::New | Noise::Remark => {
                numbers.beyond += 1;
                "beyond"
            }
            Noise::Unknown => {
                numbers.unknown += 1;
                "unknown"
            }
            Noise::End => "end",
        };
        let cells::CellChange { row, column, before, after, .. } = cell;
        cells.push(Cell { row, column, before, after, noise });
    }
    let (name, n_cells) = (name.to_owned(), change.n_cells);
    (!cells.is_empty()).then_some(Table { name, note: String::new(), n_cells, cells })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(old: &str, new: &str) -> Vec<String> {
        options(old, new).iter().map(|c| format!("{}: {} → {}", c.what, c.before, c.after)).collect()
    }

    #[test]
    fn options_are_compared_by_name() {
        let old = "loss::cross_entropy(), steps 78, lr 0.005, betas [0.9, 0.999], seed 0";
        assert_eq!(shown(old, old), Vec::<String>::new());
        assert_eq!(shown(old, &old.replace("0.005", "0.01")), ["lr: 0.005 → 0.01"]);
        assert_eq!(shown(old, &old.replace("0.999", "0.99")), ["betas: [0.9, 0.999] → [0.9, 0.99]"]);
        let other = old.replace("loss::cross_entropy()", "loss::gce(q: 0.7, k: 1)").replace("seed 0", "seed 1");
        assert_eq!(shown(old, &other), ["option: loss::cross_entropy() → loss::gce(q: 0.7, k: 1)", "seed: 0 → 1"]);
        assert_eq!(shown(old, &format!("{old}, new true")), ["option: none → new true"]);
    }
}
