//! `w2s runs` and `w2s diff`: what was run, and what is different.

use super::{columns, draw, exit, output};
use crate::core::visible::visible_json;
use crate::lang::diagnostic::{Diagnostic, Severity};
use crate::record::diff::{self, Change, Diff};
use crate::record::{Account, Altered, Kept, Outcome, RecordError, kept};
use serde::Serialize;
use std::fmt::Write as _;
use std::path::Path;

/// Changed cells of one table, and lines of one text, that `diff` shows (arbitrary); `--json` has all.
const MAX_CHANGES: usize = 60;

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
            let why = format!("`{}`: {}", folder.display(), crate::core::files::plain(&error));
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
    let Account { n_computed: computed, n_stored: stored, .. } = Account::of(&kept.record);
    Summary {
        run: kept.name.clone(),
        started: kept.record.started.clone(),
        script: kept.record.script.clone(),
        outcome: match kept.record.outcome {
            Outcome::Running if kept.is_live() == Some(false) => "killed".to_owned(),
            ref outcome => outcome.word().to_owned(),
        },
        seconds: kept.record.seconds,
        computed,
        stored,
        tables: kept.tables().into_iter().map(str::to_owned).collect(),
    }
}

/// `w2s diff RUN RUN`: 0 where nothing but times differs, 1 where something does.
pub fn diff(before: &Path, after: &Path, json: bool) -> u8 {
    let (before, after) = match (Kept::open(before), Kept::open(after)) {
        (Ok(before), Ok(after)) => (before, after),
        (Err(refused), _) | (_, Err(refused)) => return fail(&refused),
    };
    let diff = diff::diff(&before, &after);
    for (kept, altered) in [(&before, &diff.altered.before), (&after, &diff.altered.after)] {
        warn_of(kept, altered);
    }
    let said = if json { print_json(&diff) } else { output::finish(output::line(&draw::plain(&differences(&diff)))) };
    match said {
        exit::OK if !diff.is_empty() => exit::SCRIPT,
        code => code,
    }
}

/// Warns of what is not as the run left it: what is shown of such a run is not what was recorded.
pub fn warn_of(kept: &Kept, altered: &[Altered]) {
    if altered.is_empty() {
        return;
    }
    let files: Vec<String> = altered.iter().map(|file| format!("`{}`", file.path)).collect();
    let why = format!("`{}` is not what the run left: changed or gone since then is {}", kept.name, files.join(", "));
    let hint = format!("`w2s verify {}` says what differs", kept.name);
    draw::print(&Diagnostic { severity: Severity::Warning, ..Diagnostic::new("record/altered", why).hint(hint) });
}

/// Says why a run cannot be opened.
pub fn fail(refused: &RecordError) -> u8 {
    draw::print(&Diagnostic::from_explained(refused));
    exit::FILE
}

/// Prints a value as JSON.
pub fn print_json(value: &impl Serialize) -> u8 {
    match serde_json::to_string_pretty(value) {
        Ok(text) => output::finish(output::line(&visible_json(&text))),
        Err(error) => {
            draw::print(&Diagnostic::new("record/write", error.to_string()));
            exit::FILE
        }
    }
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
