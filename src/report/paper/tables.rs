//! A frame as a table that fits a narrow column of a paper: what is alike in all rows is said once, an interval goes under its number,
//! long texts go over several lines, and what is a little too wide is set smaller. Only a table that is wider still becomes several under
//! one another that begin with the same columns.

use super::{flow, plain};
use crate::core::latex;
use crate::frames::{Frame, NULL, Shown, escape_markdown};
use crate::report::canvas::{Style, text_width};
use std::fmt::Write;

/// The most rows (arbitrary: a page); the files hold all.
const MAX_ROWS: usize = 40;

/// Digits of a number: what a reader compares.
const DIGITS: usize = 3;

/// The width that a table may take, in points: the columns of LaTeX's `article` in two columns, the narrowest of the usual.
const ROOM: f64 = 228.0;

/// `\footnotesize` in a paper of 10 points, and the blank between two columns.
const SIZE: f64 = 8.0;
const GAP: f64 = 8.0;

/// How much narrower a paper's serif fonts are than what [`text_width`] makes room for (measured on Computer Modern).
const SERIF: f64 = 0.9;

/// How small a table may be set that is too wide: a footnote becomes what LaTeX's `\scriptsize` is.
const MIN_SCALE: f64 = 0.72;

/// The size of an interval under its number.
const UNDER: f64 = 6.0;

/// The most rows whose intervals go under their numbers, and the most lines of tables that are kept on one page (half of a page,
/// and a page).
const MAX_STACKED: usize = 22;
const MAX_LINES: usize = 44;

/// The widest text column, in points; longer texts are broken into lines.
const MAX_TEXT: f64 = 84.0;

/// Column names that papers write without underscores.
fn words(name: &str) -> Vec<&str> {
    let words: Vec<&str> = name.split('_').filter(|word| !word.is_empty()).collect();
    if words.is_empty() { vec![name] } else { words }
}

/// A frame's columns for a paper, and sentences on what is not in them.
struct Table {
    columns: Vec<Shown>,
    notes: Vec<String>,
}

/// Tables under one another.
struct Panels<'a> {
    /// Whether intervals stand under their numbers.
    stacked: bool,
    /// The columns of each.
    panels: Vec<Vec<&'a Shown>>,
    /// Before which rows a line says what the following rows have in common.
    heads: Vec<(usize, String)>,
}

impl Table {
    fn of(name: &str, frame: &Frame) -> Table {
        let height = frame.height();
        let mut reasons: Vec<(bool, String)> = Vec::new();
        let is_number: Vec<bool> = super::super::columns::numbers_or_nan(frame, "pgr")
            .map(|pgr| pgr.iter().map(|value| value.is_finite()).collect())
            .unwrap_or_default();
        let mut notes = Vec::new();
        let mut columns = Vec::new();
        let mut alike = Vec::new();
        let is_one = |column: &Shown| column.cells.iter().all(|cell| Some(cell) == column.cells.first());
        let shown = frame.shown(MAX_ROWS, DIGITS);
        // Rows that are all the same are a table still.
        let may_say_once = height > 1 && height <= MAX_ROWS && !shown.iter().all(is_one);
        for mut column in shown {
            for cell in &mut column.cells {
                *cell = match cell.as_str() {
                    NULL => "–".to_owned(),
                    digest if digest.len() == 64 && digest.bytes().all(|b| b.is_ascii_hexdigit()) => {
                        digest.chars().take(12).collect()
                    }
                    other => other.to_owned(),
                };
            }
            column.cells.iter_mut().filter(|_| column.right).for_each(|cell| *cell = short(cell));
            // Why a number is not there is a sentence: it stands below, without its figures.
            if column.name == REASON {
                for (row, cell) in column.cells.iter().enumerate().filter(|(_, cell)| *cell != "–") {
                    let is_undefined = !is_number.get(row).copied().unwrap_or(false);
                    let parts = cell.split("; ").enumerate();
                    reasons.extend(parts.map(|(at, part)| (is_undefined && at == 0, without_figures(part))));
                }
                continue;
            }
            let first = column.cells.first().cloned().unwrap_or_default();
            match may_say_once && is_one(&column) {
                // A column of numbers that are all missing is one that a reader looks for.
                true if first == "–" && column.right => {
                    alike.push(format!("{} undefined", words(&column.name).join(" ")))
                }
                true if first == "–" => {}
                true => alike.push(format!("{} {first}", words(&column.name).join(" "))),
                false => columns.push(column),
            }
        }
        // What names the rows stands at the left, whatever its place in the frame was.
        let names_rows = |column: &Shown| !column.right && column.cells.iter().all(|cell| points(cell) <= MAX_TEXT);
        columns.sort_by_key(|column| !names_rows(column));
        if !alike.is_empty() {
            notes.push(format!("In all rows: {}.", alike.join("; ")));
        }
        for (is_undefined, head) in [(true, "Undefined"), (false, "Remarks")] {
            let said = reasons.iter().filter(|(undefined, _)| *undefined == is_undefined);
            let said = super::super::in_order(said.map(|(_, text)| text.as_str()));
            if !said.is_empty() {
                notes.push(format!("{head}: {}.", said.join("; ")));
            }
        }
        if height > MAX_ROWS {
            notes.push(format!("The first {MAX_ROWS} of {height} rows; {name}.csv has all."));
        }
        Table { columns, notes }
    }

    /// Groups of columns that fit beside one another, each beginning with the same ones.
    fn panels(&self) -> Panels<'_> {
        let n_rows = self.columns.first().map_or(0, |column| column.cells.len());
        let wide = |stacked: bool| self.columns.iter().map(|column| width(column, stacked) + GAP).sum::<f64>();
        // Beside their numbers if there is room, else below them.
        let stacked = wide(false) > ROOM + GAP && n_rows <= MAX_STACKED && wide(true) < wide(false);
        if wide(stacked) <= ROOM + GAP {
            return Panels { stacked, panels: vec![self.columns.iter().collect()], heads: Vec::new() };
        }
        let width = |column: &Shown| width(column, stacked);
        // Texts at the left name the rows.
        let n_keys = self.columns.iter().take(4).take_while(|column| !column.right).count();
        let (keys, rest) = self.columns.split_at(n_keys);
        let (stub, heads, rest): (Vec<&Shown>, _, Vec<&Shown>) = match groups(keys) {
            Some((label, heads)) => (vec![label], heads, rest.iter().collect()),
            None => {
                // As many of them as leave half of the room.
                let mut taken = 0.0;
                let fits = |column: &&Shown| {
                    taken += width(column) + GAP;
                    taken <= ROOM * 0.5
                };
                let stub: Vec<&Shown> = keys.iter().take_while(fits).collect();
                let rest = self.columns.iter().skip(stub.len()).collect();
                (stub, Vec::new(), rest)
            }
        };
        let taken: f64 = stub.iter().map(|column| width(column) + GAP).sum();
        let whole = taken + rest.iter().map(|column| width(column) + GAP).sum::<f64>();
        if whole * MIN_SCALE <= ROOM + GAP {
            return Panels { stacked, panels: vec![stub.into_iter().chain(rest).collect()], heads };
        }
        let mut panels: Vec<Vec<&Shown>> = Vec::new();
        let mut used = f64::INFINITY;
        for column in rest {
            if used + width(column) > ROOM {
                panels.push(stub.clone());
                used = taken;
            }
            used += width(column) + GAP;
            if let Some(panel) = panels.last_mut() {
                panel.push(column);
            }
        }
        if panels.is_empty() {
            panels.push(stub);
        }
        Panels { stacked, panels, heads }
    }
}

/// A remark without the figures in brackets, which differ from row to row.
fn without_figures(remark: &str) -> String {
    remark.split(" (").next().unwrap_or_default().to_owned()
}

/// The column that says why a number is not there, in what `w2s::compare` makes.
const REASON: &str = "reason";

/// A number, and an interval, without the zero before the point. An interval without an end is said in words.
fn short(cell: &str) -> String {
    let number = |text: &str| -> String {
        let text = text.trim();
        match text.strip_prefix('-').map_or(("", text), |rest| ("-", rest)) {
            (sign, rest) if rest.starts_with("0.") => format!("{sign}{}", rest.trim_start_matches('0')),
            _ => text.to_owned(),
        }
    };
    // What the frame says of an open interval in words.
    if let Some((value, ends)) = pair(cell).filter(|(_, ends)| !ends.starts_with('[')) {
        let ends = match ends.split_once(' ') {
            Some((sign, end)) => format!("{sign} {}", number(end)),
            None => ends.to_owned(),
        };
        return format!("{} {ends}", number(value));
    }
    let Some((value, (low, high))) = split(cell) else { return number(cell) };
    let ends = match (low.contains('∞'), high.contains('∞')) {
        (false, false) => format!("[{}, {}]", number(low), number(high)),
        (false, true) => format!("≥ {}", number(low)),
        (true, false) => format!("≤ {}", number(high)),
        (true, true) => "unbounded".to_owned(),
    };
    format!("{} {ends}", number(value))
}

/// A number and the ends of its interval.
fn split(cell: &str) -> Option<(&str, (&str, &str))> {
    let (value, ends) = cell.split_once(" [")?;
    Some((value, ends.strip_suffix(']')?.split_once(", ")?))
}

/// A number and what stands under it.
fn pair(cell: &str) -> Option<(&str, &str)> {
    let (value, ends) = cell.split_once(' ')?;
    let is_interval = ends.starts_with(['[', '≥', '≤']) || ends == "unbounded";
    is_interval.then_some((value, ends))
}

/// Of several columns that name rows, the one that tells the rows of a group apart, and what the others say before each group:
/// methods under a heading per task and pair. None where the rows do not stand in such groups.
fn groups(keys: &[Shown]) -> Option<(&Shown, Vec<(usize, String)>)> {
    let n_rows = keys.first()?.cells.len();
    keys.iter().enumerate().filter(|_| keys.len() > 1).find_map(|(at, label)| {
        let others: Vec<&Shown> = keys.iter().enumerate().filter(|(idx, _)| *idx != at).map(|(_, key)| key).collect();
        let of = |row: usize| -> Vec<&str> {
            others.iter().map(|key| key.cells.get(row).map_or("", String::as_str)).collect()
        };
        let starts: Vec<usize> = (0..n_rows).filter(|row| *row == 0 || of(*row) != of(row - 1)).collect();
        let ends = starts.iter().skip(1).copied().chain([n_rows]);
        let apart = starts.iter().zip(ends).all(|(start, end)| {
            let labels = label.cells.get(*start..end).unwrap_or_default();
            labels.iter().collect::<std::collections::BTreeSet<_>>().len() == labels.len()
        });
        let said = |row: &usize| {
            let texts: Vec<String> = others
                .iter()
                .map(|key| format!("{} {}", words(&key.name).join(" "), key.cells.get(*row).map_or("", String::as_str)))
                .collect();
            (*row, texts.join(", "))
        };
        (apart && starts.len() * 2 <= n_rows).then(|| (label, starts.iter().map(said).collect()))
    })
}

fn points(text: &str) -> f64 {
    text_width(text, Style::new(SIZE)) * SERIF
}

/// How wide a column will be, in points.
fn width(column: &Shown, stacked: bool) -> f64 {
    let cells = column.cells.iter().map(|cell| cell_points(cell, stacked && column.right)).fold(0.0, f64::max);
    let cells = if column.right { cells } else { cells.min(MAX_TEXT) };
    words(&column.name).iter().map(|word| points(word)).fold(cells, f64::max)
}

fn cell_points(cell: &str, stacked: bool) -> f64 {
    match pair(cell).filter(|_| stacked) {
        Some((value, ends)) => points(value).max(points(ends) * UNDER / SIZE),
        None => points(cell),
    }
}

/// The table with its caption.
pub(super) fn latex(name: &str, label: &str, caption: &str, frame: &Frame) -> String {
    let table = Table::of(name, frame);
    let caption = std::iter::once(said(name, caption)).chain(table.notes.iter().cloned());
    let mut out = String::new();
    let Panels { stacked, panels, heads } = table.panels();
    let n_rows = table.columns.first().map_or(0, |column| column.cells.len());
    let n_lines = panels.len() * (n_rows * if stacked { 2 } else { 1 } + heads.len() + 3);
    // Tables that fit on one page stay on one.
    let together = n_lines <= MAX_LINES;
    for (idx, panel) in panels.iter().enumerate() {
        out.push_str(if idx == 0 || !together { "\\begin{wtsblock}\n" } else { "\\par\\vskip6pt\n" });
        if idx == 0 {
            let _ = writeln!(
                out,
                "\\wtscaption{{table}}{{{}}}{{{}}}\\label{{tab:{label}}}\\vskip4pt",
                latex::text(name),
                flow(&caption.clone().collect::<Vec<_>>().join(" "))
            );
        }
        let _ =
            writeln!(out, "\\footnotesize\\tabcolsep{}pt\n\\wtsfit{{{}}}", GAP / 2.0, tabular(panel, &heads, stacked));
        if idx + 1 == panels.len() || !together {
            out.push_str("\\end{wtsblock}\n");
        }
    }
    out
}

/// What the script says of a table, or its name, as a sentence.
fn said(name: &str, caption: &str) -> String {
    if caption.is_empty() {
        format!("{}.", words(name).join(" "))
    } else {
        format!("{}.", caption.trim_end_matches('.'))
    }
}

fn tabular(columns: &[&Shown], groups: &[(usize, String)], stacked: bool) -> String {
    let alignment: String = columns.iter().map(|column| if column.right { 'r' } else { 'l' }).collect();
    let row = |cells: Vec<String>| format!("{} \\\\\n", cells.join(" & "));
    let mut out = format!("\\begin{{tabular}}{{@{{}}{alignment}@{{}}}}\n\\toprule\n");
    let heads: Vec<Vec<&str>> = columns.iter().map(|column| head(column, stacked)).collect();
    let n_lines = heads.iter().map(Vec::len).max().unwrap_or(0);
    for line in 0..n_lines {
        // A short name stands on the last line, beside the rule.
        let cell = |words: &Vec<&str>| {
            let at = (line + words.len()).checked_sub(n_lines);
            at.and_then(|at| words.get(at)).map_or_else(String::new, |word| latex::text(&word.replace('_', " ")))
        };
        out.push_str(&row(heads.iter().map(cell).collect()));
    }
    out.push_str("\\midrule\n");
    let n_rows = columns.first().map_or(0, |column| column.cells.len());
    for at in 0..n_rows {
        if let Some((_, said)) = groups.iter().find(|(row, _)| *row == at) {
            let space = if at == 0 { "" } else { "\\addlinespace[2pt]\n" };
            let _ = writeln!(
                out,
                "{space}\\multicolumn{{{}}}{{@{{}}l@{{}}}}{{\\itshape {}}} \\\\",
                columns.len(),
                latex::text(said)
            );
        }
        out.push_str(&row(columns.iter().map(|column| cell(column, at, stacked)).collect()));
    }
    out.push_str("\\bottomrule\n\\end{tabular}");
    out
}

/// The words of a column's name, one a line where the column is narrower than the name.
fn head(column: &Shown, stacked: bool) -> Vec<&str> {
    let all = words(&column.name);
    let cells = column.cells.iter().map(|cell| cell_points(cell, stacked && column.right)).fold(0.0, f64::max);
    if all.len() > 1 && points(&all.join(" ")) > cells.max(points("mmmm")) {
        return all;
    }
    // On one line, the underscore reads as a blank.
    if all.len() == 1 { all } else { vec![column.name.as_str()] }
}

fn cell(column: &Shown, at: usize, stacked: bool) -> String {
    let text = column.cells.get(at).map_or("", String::as_str);
    if column.right {
        // A minus, not a hyphen.
        let number = |text: &str| latex::text(&text.replace('-', "−"));
        return match pair(text).filter(|_| stacked) {
            Some((value, ends)) => format!("\\wtspair{{{}}}{{{}}}", number(value), number(ends)),
            None => number(text),
        };
    }
    if points(text) > MAX_TEXT {
        return format!("\\parbox[t]{{{MAX_TEXT}pt}}{{\\raggedright\\hbadness10000 {}\\strut}}", flow(text));
    }
    latex::text(text)
}

/// The same as Markdown, which has room.
pub(super) fn markdown(name: &str, caption: &str, frame: &Frame) -> String {
    let Table { columns, notes } = Table::of(name, frame);
    let row = |cells: Vec<String>| format!("| {} |\n", cells.join(" | "));
    let caption = if caption.is_empty() { String::new() } else { said(name, caption) };
    let notes: Vec<String> = std::iter::once(caption).filter(|text| !text.is_empty()).chain(notes).collect();
    let mut out = format!("**{}.** {}\n\n", plain(&words(name).join(" ")), plain(&notes.join(" ")));
    out.push_str(&row(columns.iter().map(|column| escape_markdown(&words(&column.name).join(" "))).collect()));
    out.push_str(&row(columns.iter().map(|column| if column.right { "---:" } else { "---" }.to_owned()).collect()));
    for at in 0..columns.first().map_or(0, |column| column.cells.len()) {
        let cell = |column: &Shown| escape_markdown(column.cells.get(at).map_or("", String::as_str));
        out.push_str(&row(columns.iter().map(cell).collect()));
    }
    out.push('\n');
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use polars::prelude::{Column, DataFrame, df};

    #[test]
    fn what_is_alike_is_said_once_and_intervals_stand_with_their_numbers() {
        let frame = Frame::new(
            df!(
                "task" => ["era", "era"], "method" => ["naive", "50% {x}"], "reason" => [None::<&str>, None],
                "pgr" => [Some(-0.25), None], "pgr_low" => [Some(-0.5), None], "pgr_high" => [Some(f64::INFINITY), None],
            )
            .expect("frame"),
        );
        let text = latex("my_table", "my-table", "", &frame);
        assert!(text.contains("In all rows: task era.") && !text.contains("reason"), "{text}");
        assert!(text.contains("naive & $-$.250 $\\geq$ $-$.500"), "{text}");
        assert!(text.contains("50\\% $\\{$x$\\}$ & {\\rmfamily \\textendash{}}"), "{text}");
        let text = markdown("my_table", "", &frame);
        assert!(text.contains("| naive | -.250 ≥ -.500 |"), "{text}");
    }

    #[test]
    fn rows_that_are_all_the_same_are_shown() {
        let frame = Frame::new(df!("method" => ["naive", "naive"], "n" => [3i64, 3]).expect("frame"));
        let text = latex("t", "t", "", &frame);
        assert_eq!(text.matches("naive & 3").count(), 2, "{text}");
        assert!(markdown("t", "", &frame).contains("| naive | 3 |"));
    }

    #[test]
    fn a_wide_table_becomes_several_that_fit() {
        let mut columns = vec![Column::new("method".into(), ["naive", "bootstrap"])];
        columns.extend((0..12).map(|idx| Column::new(format!("student_accuracy{idx}").into(), [0.123_45, 0.2])));
        let frame = Frame::new(DataFrame::new(2, columns).expect("frame"));
        let table = Table::of("t", &frame);
        let panels = table.panels().panels;
        assert!(panels.len() > 2);
        for panel in &panels {
            assert_eq!(panel[0].name, "method");
            assert!(panel.iter().map(|column| width(column, false) + GAP).sum::<f64>() <= ROOM + GAP);
        }
        assert_eq!(panels.iter().map(|panel| panel.len() - 1).sum::<usize>(), 12);
    }

    #[test]
    fn rows_stand_under_what_they_have_in_common() {
        let mut columns = vec![
            Column::new("method".into(), ["naive", "chain", "naive", "chain"]),
            Column::new("task".into(), ["era", "era", "verdict", "verdict"]),
            Column::new("weak".into(), ["w1", "w1", "w1", "w1"]),
        ];
        columns
            .extend((0..6).map(|idx| Column::new(format!("student_accuracy{idx}").into(), [0.123_45, 0.2, 0.3, 0.4])));
        let frame = Frame::new(DataFrame::new(4, columns).expect("frame"));
        let text = latex("t", "t", "", &frame);
        assert!(text.contains("In all rows: weak w1."), "{text}");
        assert!(text.contains("{\\itshape task era} \\\\\nnaive & .123"), "{text}");
        assert!(text.contains("{\\itshape task verdict} \\\\\nnaive & .300"), "{text}");
    }

    #[test]
    fn long_tables_are_cut_and_say_so() {
        let frame = Frame::new(df!("x" => (0..100i64).collect::<Vec<_>>()).expect("frame"));
        let text = latex("t", "t", "", &frame);
        assert!(text.contains("The first 40 of 100 rows; t.csv has all."), "{text}");
        assert_eq!(text.matches(" \\\\\n").count(), 41);
    }

    /// What `w2s::compare` makes of three methods on two gaps.
    fn comparison() -> Frame {
        let n = 6;
        let texts = |texts: &[&str]| (0..n).map(|row| texts[row % texts.len()].to_owned()).collect::<Vec<_>>();
        let mut columns = vec![
            Column::new("method".into(), texts(&["naive", "confidence", "bootstrap, 3 hops"])),
            Column::new("task".into(), texts(&["world/era"])),
            Column::new("weak".into(), ["w1", "w1", "w1", "w2", "w2", "w2"]),
            Column::new("n_seeds".into(), vec![3i64; n]),
            Column::new("gap".into(), vec![0.1, 0.1, 0.1, 0.2, 0.2, 0.2]),
        ];
        for (idx, name) in ["weak_accuracy", "student_accuracy", "ceiling_accuracy", "pgr"].into_iter().enumerate() {
            let is_there = |row: usize| name != "pgr" || row > 0;
            let values: Vec<Option<f64>> =
                (0..n).map(|row| is_there(row).then_some(0.612_3 + 0.01 * (row + idx) as f64)).collect();
            let moved = |by: f64| values.iter().map(|value| value.map(|value| value + by)).collect::<Vec<_>>();
            columns.push(Column::new(format!("{name}_low").into(), moved(-0.1)));
            columns.push(Column::new(format!("{name}_high").into(), moved(0.1)));
            columns.push(Column::new(name.into(), values.clone()));
        }
        columns.push(Column::new(
            "reason".into(),
            vec![
                Some("gap not significant (p = 0.1); confounded: better on D2 (0.7)"),
                Some("confounded: better on D2 (0.7)"),
                None,
                None,
                None,
                None,
            ],
        ));
        Frame::new(DataFrame::new(n, columns).expect("frame"))
    }

    #[test]
    fn a_comparison_is_one_table_on_one_page() {
        let text = latex("comparison", "comparison", "Three methods", &comparison());
        assert_eq!(
            (text.matches("\\begin{wtsblock}").count(), text.matches("\\begin{tabular}").count()),
            (1, 1),
            "{text}"
        );
        assert!(
            text.contains(
                "Three methods. In all rows: task world/era; n seeds 3. Undefined: gap not significant. \
                 Remarks: confounded: better on D2."
            ),
            "{text}"
        );
        assert!(text.contains("& \\wtspair{.612}{{[}.512, .712{]}} & \\wtspair{.622}"), "{text}");
        assert!(text.contains("{\\itshape weak w2}"), "{text}");
        assert!(!text.contains("p = 0.1"), "{text}");
    }

    #[test]
    fn a_quantity_that_is_undefined_in_every_row_is_spoken_of() {
        let frame = Frame::new(
            df!("method" => ["a", "b"], "pgr" => [None::<f64>, None], "reason" => ["no gap (p = 0.4)", "no gap (p = 0.2)"])
                .expect("frame"),
        );
        let text = latex("t", "t", "", &frame);
        assert!(text.contains("In all rows: pgr undefined. Undefined: no gap."), "{text}");
    }

    #[test]
    fn numbers_are_short_and_open_ends_are_words() {
        assert_eq!(short("0.500"), ".500");
        assert_eq!(short("-0.5 [-1.0, 0.25]"), "-.5 [-1.0, .25]");
        assert_eq!(short("0.39 [-∞, ∞]"), ".39 unbounded");
        assert_eq!(short("10.05 [-∞, 12.00]"), "10.05 ≤ 12.00");
        assert_eq!(short("–"), "–");
        assert_eq!(pair(".39 unbounded"), Some((".39", "unbounded")));
        assert_eq!(pair("a b"), None);
    }
}
