//! The files that both runs wrote. What holds a table counts by its values, a model by its bytes; a table in Markdown or LaTeX and
//! the drawing of a figure are words and layout.

use super::super::cells::{self, Noise};
use super::super::kept::{Kept, format_of, frame};
use super::super::schema::{Record, Root, What, WrittenFile};
use super::super::verdict::{Judgement, NONE, Tally};
use super::hash_of;
use std::collections::{BTreeMap, BTreeSet};

/// What a file counts by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Sort {
    /// A table: by its values.
    Values,
    /// A table as text: by the numbers that it shows.
    Text,
    /// A drawing.
    Look,
    /// By its bytes.
    Bytes,
}

fn sort_of(kind: &str, path: &str) -> Sort {
    match kind {
        _ if format_of(path).is_some() && kind != "model" => Sort::Values,
        "table" | "frame" => Sort::Text,
        "figure" => Sort::Look,
        _ => Sort::Bytes,
    }
}

/// One thing that a run wrote, as one file or several: the table `results`.
struct Thing<'a> {
    kind: &'a str,
    name: &'a str,
    /// Of the run folder, each with its last state in the record.
    files: Vec<&'a WrittenFile>,
}

fn things(record: &Record) -> Vec<Thing<'_>> {
    let last: BTreeMap<&str, &WrittenFile> =
        record.written().into_iter().map(|file| (file.path.as_str(), file)).collect();
    record.events.iter().filter_map(|event| thing(&event.what, &last)).collect()
}

fn thing<'a>(what: &'a What, last: &BTreeMap<&str, &WrittenFile>) -> Option<Thing<'a>> {
    let What::Written { kind, name, files, .. } = what else { return None };
    // A later event wrote the file anew: it is judged there.
    let inside = files.iter().filter(|file| file.root == Root::Run);
    Some(Thing { kind, name, files: inside.filter(|file| last.get(file.path.as_str()) == Some(file)).collect() })
}

/// Compares everything that was written.
pub(super) fn files(tally: &mut Tally, kept: &Kept, rerun: &Kept) {
    let (old, new) = (things(&kept.record), things(&rerun.record));
    let now: BTreeMap<&str, &WrittenFile> =
        rerun.record.written().into_iter().map(|file| (file.path.as_str(), file)).collect();
    for thing in &old {
        // A table is written in several forms, and a cell that moved is named once.
        let mut named = BTreeSet::new();
        let is_there = |file: &&&WrittenFile| now.contains_key(file.path.as_str());
        let has_values =
            thing.files.iter().filter(is_there).any(|file| sort_of(thing.kind, &file.path) == Sort::Values);
        for file in &thing.files {
            let sort = sort_of(thing.kind, &file.path);
            let Some(now) = now.get(file.path.as_str()) else {
                let what = format!("the file `{}`", file.path);
                let is_form = matches!(sort, Sort::Text | Sort::Look) || has_values;
                let judge = if is_form { Tally::judge_look } else { Tally::judge };
                judge(tally, "file", what, &file.blake3, NONE, true);
                continue;
            };
            one_file(tally, (kept, rerun), (file, now), sort, &mut named);
        }
    }
    let known: BTreeSet<(&str, &str)> = old.iter().map(|thing| (thing.kind, thing.name)).collect();
    let paths: BTreeSet<&str> = old.iter().flat_map(|thing| &thing.files).map(|file| file.path.as_str()).collect();
    for thing in &new {
        let judge = if known.contains(&(thing.kind, thing.name)) { Tally::judge_look } else { Tally::judge };
        for file in thing.files.iter().filter(|file| !paths.contains(file.path.as_str())) {
            judge(tally, "file", format!("the file `{}`", file.path), NONE, &file.blake3, true);
        }
    }
}

/// Compares one written file with what the record says of it and with the rerun's. `named` are the cells that moved in
/// other forms of the same table.
fn one_file(
    tally: &mut Tally,
    (kept, rerun): (&Kept, &Kept),
    (file, now): (&WrittenFile, &WrittenFile),
    sort: Sort,
    named: &mut BTreeSet<[String; 4]>,
) {
    let path = &file.path;
    let label = format!("the file `{path}`");
    let (before, after) = match (kept.read(path), rerun.read(path)) {
        (Ok(before), Ok(after)) => (before, after),
        (Err(error), _) | (_, Err(error)) => {
            return tally.judge("file", label, &file.blake3, &error.to_string(), true);
        }
    };
    let hash = hash_of(&before);
    let is_whole = hash == file.blake3 && before.len() as u64 == file.bytes;
    if before == after {
        // The rerun gives what is in the folder; a record that says otherwise was changed.
        tally.judge("file", format!("{label}, its hash in the record"), &file.blake3, &now.blake3, true);
        let sizes = (file.bytes.to_string(), now.bytes.to_string());
        return tally.judge("file", format!("{label}, its size in the record"), &sizes.0, &sizes.1, true);
    }
    if !is_whole {
        let what = format!("{label} was changed after the run: its hash");
        tally.add(Judgement::Differs, "file", what, &file.blake3, &hash);
    }
    let values = || Some(cells::compare(&frame(path, before.clone()).ok()?, &frame(path, after.clone()).ok()?));
    if let Some(change) = (sort == Sort::Values).then(values).flatten() {
        return numbers(tally, path, change, is_whole, named);
    }
    let line = first_difference(&before, &after);
    if !is_whole {
        if let Some((a, b)) = line {
            tally.add(Judgement::Differs, "file", format!("{label}, its first line that differs"), &a, &b);
        }
        return;
    }
    let (a, b) = line.unwrap_or_else(|| (file.blake3.clone(), now.blake3.clone()));
    let is_format = kept.record.formats.model == rerun.record.formats.model;
    match sort {
        Sort::Text if !tally.same_build => {
            let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
            match super::words::lost(&text(&before), &text(&after)) {
                None => tally.tell("file", &format!("{label}: every number comes again"), &a, &b),
                Some(_) if !tally.same => tally.add(Judgement::NotJudged, "file", label, &a, &b),
                Some(number) => tally.unjudged("file", format!("{label}: {number} does not come again"), &a, &b),
            }
        }
        Sort::Look => tally.judge_look("file", label, &a, &b, false),
        Sort::Bytes if !is_format => {
            let formats = (kept.record.formats.model, rerun.record.formats.model);
            let what = format!("{label}, format of models {} → {}", formats.0, formats.1);
            tally.unjudged("file", what, &file.blake3, &now.blake3);
        }
        Sort::Text | Sort::Values | Sort::Bytes => tally.judge_made("file", label, &a, &b, false),
    }
}

fn numbers(
    tally: &mut Tally,
    path: &str,
    change: cells::TableChange,
    is_whole: bool,
    named: &mut BTreeSet<[String; 4]>,
) {
    tally.counts.equal += change.n_cells - change.cells.len().min(change.n_cells);
    if change.cells.is_empty() && is_whole {
        tally.tell("file", &format!("`{path}`: every cell is equal, the bytes around them are not"), "", "");
    }
    let moved: BTreeSet<(String, String)> =
        change.cells.iter().map(|cell| (cell.row.clone(), cell.column.clone())).collect();
    // The end of an interval follows its number, which is judged.
    let follows = |cell: &cells::CellChange| {
        let stem = cell.column.strip_suffix("_low").or_else(|| cell.column.strip_suffix("_high"));
        cell.noise == Noise::End && stem.is_some_and(|stem| moved.contains(&(cell.row.clone(), stem.to_owned())))
    };
    for cell in &change.cells {
        let cells::CellChange { row, column, before, after, noise } = cell;
        if is_whole && !named.insert([row, column, before, after].map(Clone::clone)) {
            continue;
        }
        let what = format!("`{path}`, row `{row}`, column `{column}`");
        let judgement = match noise {
            _ if !is_whole => Judgement::Differs,
            Noise::New => {
                tally.judge_look("number", what, before, after, true);
                continue;
            }
            Noise::Remark => {
                tally.judge_words("number", what, before, after, false);
                continue;
            }
            _ if !tally.moved.is_empty() => {
                tally.judge_made("number", what, before, after, false);
                continue;
            }
            _ if tally.same => Judgement::Differs,
            Noise::End if follows(cell) => continue,
            Noise::Within => Judgement::Within,
            Noise::Beyond => Judgement::Differs,
            Noise::Unknown | Noise::End => Judgement::NotJudged,
        };
        tally.add(judgement, "number", what, before, after);
    }
}

/// The first line in which two texts differ; `None` where one is not a text, or only line ends differ.
fn first_difference(before: &[u8], after: &[u8]) -> Option<(String, String)> {
    let (before, after) = (std::str::from_utf8(before).ok()?, std::str::from_utf8(after).ok()?);
    let n_same = before.lines().zip(after.lines()).take_while(|(a, b)| a == b).count();
    let at = |text: &str| {
        text.lines().nth(n_same).map_or_else(|| NONE.to_owned(), |line| format!("line {}: {line}", n_same + 1))
    };
    Some((at(before), at(after))).filter(|(a, b)| a != b)
}
