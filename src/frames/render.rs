//! Frames as text: the terminal's table, Markdown, LaTeX.
//!
//! What is shown depends on the frame and the options alone, never on the terminal or the environment.

use super::Frame;
use super::content::Kind;
use super::error::FrameError;
use crate::core::latex;
use polars::prelude::{AnyValue, Column};

/// How a table is cut for a person.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bounds {
    /// The most characters of a line.
    pub width: usize,
    /// The most rows; the middle is left out.
    pub rows: usize,
    /// The most characters of a cell.
    pub cell: usize,
}

/// Arbitrary: a line fits a usual editor, the rows a screen.
pub const BOUNDS: Bounds = Bounds { width: 120, rows: 20, cell: 32 };

/// One column as text.
#[derive(Debug, Clone, PartialEq)]
pub struct Shown {
    pub name: String,
    pub cells: Vec<String>,
    /// Whether it stands at the right, as numbers do.
    pub right: bool,
}

/// What stands for a value that is not there.
pub const NULL: &str = "null";

impl Frame {
    /// The table for a terminal: numbers to the right, rounded alike within a column; nulls as `null`.
    pub fn show(&self, bounds: Bounds) -> String {
        let (height, width) = (self.height(), self.width());
        let size = format!("{height} {}, {width} {}", plural(height, "row"), plural(width, "column"));
        if width == 0 {
            return format!("empty frame ({size})");
        }
        let rows = shown_rows(height, bounds.rows);
        let gap = (height > rows.len()).then_some(rows.len().div_ceil(2));
        let columns = |cell: usize| -> Vec<Shown> {
            let of = |column| {
                let mut text = shown_column(column, &rows, cell, DIGITS);
                if let Some(at) = gap {
                    text.cells.insert(at.min(text.cells.len()), "⋮".to_owned());
                }
                text
            };
            self.table().columns().iter().map(of).collect()
        };
        let total = |columns: &[Shown]| columns.iter().map(|column| column.width() + 2).sum::<usize>();
        // Cells are cut only as far as the line needs it.
        let widths = [bounds.width, bounds.width / 2, bounds.cell];
        let mut all = widths.into_iter().map(columns).find(|columns| total(columns) <= bounds.width + 2);
        let all = all.get_or_insert_with(|| columns(bounds.cell));
        let (shown, rest) = all.split_at(n_fitting(all, bounds.width));
        // What does not fit stands below, beside the first column again, if one more block takes it.
        let second: Vec<&Shown> = shown.first().into_iter().chain(rest).collect();
        let fits = second.iter().map(|column| column.width() + 2).sum::<usize>() <= bounds.width + 2;
        let second = if rest.is_empty() || !fits { Vec::new() } else { second };
        let hidden: Vec<String> = if second.is_empty() { self.columns().split_off(shown.len()) } else { Vec::new() };
        let mut lines = block(&shown.iter().collect::<Vec<_>>());
        if !second.is_empty() {
            lines.push(String::new());
            lines.extend(block(&second));
        }
        let mut foot = size;
        if !hidden.is_empty() {
            let named: Vec<String> = hidden.iter().take(8).map(|name| clip(name, bounds.cell)).collect();
            let more = if hidden.len() > 8 { ", …" } else { "" };
            foot = format!("{foot}; not shown: {}{more}", named.join(", "));
        }
        lines.push(format!("({foot})"));
        lines.extend(self.note.as_deref().map(str::to_owned));
        lines.join("\n")
    }

    /// A Markdown table of all rows. `x`, `x_low` and `x_high` become one column `x [low, high]` where `intervals`.
    pub fn to_markdown(&self, intervals: bool) -> Result<String, FrameError> {
        let columns = self.text_columns(intervals, Dress::Markdown)?;
        let row = |cells: Vec<&str>| format!("| {} |\n", cells.join(" | "));
        let mut text = row(columns.iter().map(|column| column.name.as_str()).collect());
        text.push_str(&row(columns.iter().map(|column| if column.right { "---:" } else { "---" }).collect()));
        for at in 0..self.height() {
            text.push_str(&row(columns.iter().map(|column| column.cells.get(at).map_or("", String::as_str)).collect()));
        }
        Ok(text)
    }

    /// A LaTeX `tabular` with `booktabs` rules, of all rows; intervals as in [`Frame::to_markdown`].
    pub fn to_latex(&self, intervals: bool) -> Result<String, FrameError> {
        let columns = self.text_columns(intervals, Dress::Latex)?;
        let alignment: String = columns.iter().map(|column| if column.right { 'r' } else { 'l' }).collect();
        let row = |cells: Vec<&str>| format!("{} \\\\\n", cells.join(" & "));
        let mut text = format!("\\begin{{tabular}}{{{alignment}}}\n\\toprule\n");
        text.push_str(&row(columns.iter().map(|column| column.name.as_str()).collect()));
        text.push_str("\\midrule\n");
        for at in 0..self.height() {
            text.push_str(&row(columns.iter().map(|column| column.cells.get(at).map_or("", String::as_str)).collect()));
        }
        text.push_str("\\bottomrule\n\\end{tabular}\n");
        Ok(text)
    }

    /// The first `n_rows` rows as text for a paper: an interval stands with its number, all with at most `digits` digits.
    pub fn shown(&self, n_rows: usize, digits: usize) -> Vec<Shown> {
        self.columns_shown(true, &(0..self.height().min(n_rows)).collect::<Vec<_>>(), digits)
    }

    fn text_columns(&self, intervals: bool, dress: Dress) -> Result<Vec<Shown>, FrameError> {
        /// Arbitrary: a table for a paper, not a data file.
        const MAX_TABLE_ROWS: usize = 10_000;
        if self.height() > MAX_TABLE_ROWS {
            return Err(FrameError::TooManyRows {
                verb: "a table as text",
                n_rows: self.height() as u128,
                most: MAX_TABLE_ROWS,
            });
        }
        let rows: Vec<usize> = (0..self.height()).collect();
        Ok(self.columns_shown(intervals, &rows, DIGITS).into_iter().map(|column| dress.dressed(column)).collect())
    }

    fn columns_shown(&self, intervals: bool, rows: &[usize], digits: usize) -> Vec<Shown> {
        let names = self.columns();
        let is_bound = |name: &str| {
            intervals
                && [("_low", "_high"), ("_high", "_low")].iter().any(|(end, other)| {
                    name.strip_suffix(end).is_some_and(|stem| {
                        names.contains(&stem.to_owned()) && names.contains(&format!("{stem}{other}"))
                    })
                })
        };
        let mut columns = Vec::new();
        for column in self.table().columns().iter().filter(|column| !is_bound(column.name())) {
            let name = column.name().as_str();
            let bounds = (self.column(&format!("{name}_low")), self.column(&format!("{name}_high")));
            let shown = match bounds {
                (Ok(low), Ok(high)) if intervals => with_interval(column, low, high, rows, digits),
                _ => shown_column(column, rows, usize::MAX, digits),
            };
            columns.push(shown);
        }
        columns
    }
}

/// How many columns fit into a line; one at least.
fn n_fitting(columns: &[Shown], width: usize) -> usize {
    let mut left = width;
    for (idx, column) in columns.iter().enumerate() {
        let needs = column.width() + 2;
        if needs > left && idx > 0 {
            return idx;
        }
        left = left.saturating_sub(needs);
    }
    columns.len()
}

/// Names, a rule, and a line for each row.
fn block(columns: &[&Shown]) -> Vec<String> {
    let mut lines = vec![line(columns.iter().map(|column| (column.name.as_str(), *column)))];
    lines.push(columns.iter().map(|column| "─".repeat(column.width())).collect::<Vec<_>>().join("  "));
    let n_lines = columns.first().map_or(0, |column| column.cells.len());
    lines.extend(
        (0..n_lines)
            .map(|row| line(columns.iter().map(|column| (column.cells.get(row).map_or("", String::as_str), *column)))),
    );
    lines
}

/// A value beside its interval, all three rounded alike.
fn with_interval(column: &Column, low: &Column, high: &Column, rows: &[usize], most: usize) -> Shown {
    let of = |column: &Column| -> Vec<Option<f64>> { rows.iter().map(|row| float_at(column, *row)).collect() };
    let (values, lows, highs) = (of(column), of(low), of(high));
    let digits = decimals(values.iter().chain(&lows).chain(&highs).flatten().copied(), false, most);
    let cells = values
        .iter()
        .zip(lows.iter().zip(&highs))
        .map(|(value, bounds)| match (value, bounds) {
            (None, _) => NULL.to_owned(),
            (Some(value), (Some(low), Some(high))) => {
                let bounds = interval(*low, *high, |number| rounded(number, digits));
                format!("{} {bounds}", rounded(*value, digits))
            }
            (Some(value), _) => rounded(*value, digits),
        })
        .collect();
    Shown { name: column.name().to_string(), cells, right: true }
}

/// An interval in words that nobody mistakes for a number: `[0.20, 0.64]`, `≥ 0.20`, `≤ 0.64`, `unbounded`.
pub fn interval(low: f64, high: f64, number: impl Fn(f64) -> String) -> String {
    match (low == f64::NEG_INFINITY, high == f64::INFINITY) {
        (false, false) => format!("[{}, {}]", number(low), number(high)),
        (false, true) => format!("≥ {}", number(low)),
        (true, false) => format!("≤ {}", number(high)),
        (true, true) => "unbounded".to_owned(),
    }
}

#[derive(Clone, Copy)]
enum Dress {
    Markdown,
    Latex,
}

impl Dress {
    fn dressed(self, mut column: Shown) -> Shown {
        let escape = |text: &str| match self {
            Dress::Markdown => escape_markdown(text),
            Dress::Latex => latex::text(text),
        };
        column.name = escape(&column.name);
        column.cells = column.cells.iter().map(|cell| escape(cell)).collect();
        column
    }
}

/// Text that Markdown shows as it is, within a table cell.
pub fn escape_markdown(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '\\' | '|' | '*' | '_' | '`' | '<' | '>' | '#' | '[' | ']' | '~' | '$' | '&' => {
                escaped.push('\\');
                escaped.push(letter);
            }
            letter => escaped.push(letter),
        }
    }
    escaped
}

impl Shown {
    fn width(&self) -> usize {
        self.cells.iter().map(|cell| columns_of(cell)).max().unwrap_or(0).max(columns_of(&self.name))
    }
}

fn line<'a>(cells: impl Iterator<Item = (&'a str, &'a Shown)>) -> String {
    let padded: Vec<String> = cells
        .map(|(cell, column)| {
            let space = " ".repeat(column.width().saturating_sub(columns_of(cell)));
            if column.right { format!("{space}{cell}") } else { format!("{cell}{space}") }
        })
        .collect();
    padded.join("  ").trim_end().to_owned()
}

fn shown_rows(height: usize, most: usize) -> Vec<usize> {
    if height <= most {
        return (0..height).collect();
    }
    let head = most.div_ceil(2);
    (0..head).chain(height - (most - head)..height).collect()
}

fn shown_column(column: &Column, rows: &[usize], cell: usize, most: usize) -> Shown {
    let name = clip(&plain(column.name()), cell);
    let kind = Kind::of(column.dtype());
    if kind == Some(Kind::Float) {
        let values: Vec<Option<f64>> = rows.iter().map(|row| float_at(column, *row)).collect();
        let digits = decimals(values.iter().flatten().copied(), true, most);
        let cells =
            values.iter().map(|value| value.map_or_else(|| NULL.to_owned(), |value| rounded(value, digits))).collect();
        return Shown { name, cells, right: true };
    }
    let cells = rows
        .iter()
        .map(|row| match column.get(*row) {
            Ok(AnyValue::Null) | Err(_) => NULL.to_owned(),
            Ok(AnyValue::String(text)) => clip(&plain(text), cell),
            Ok(AnyValue::StringOwned(text)) => clip(&plain(&text), cell),
            Ok(value) => clip(&plain(&value.to_string()), cell),
        })
        .collect();
    Shown { name, cells, right: kind.is_some_and(Kind::is_number) }
}

fn float_at(column: &Column, row: usize) -> Option<f64> {
    match column.get(row) {
        Ok(AnyValue::Null) | Err(_) => None,
        Ok(value) => value.extract::<f64>(),
    }
}

/// Digits of the largest value of a column: as many as an accuracy over ten thousand rows has.
const DIGITS: usize = 4;

/// How many decimals show the largest value to so many digits; fewer where no value needs them.
fn decimals(values: impl Iterator<Item = f64> + Clone, trim: bool, digits: usize) -> usize {
    let largest = values.clone().filter(|value| value.is_finite()).map(f64::abs).fold(0.0, f64::max);
    if largest == 0.0 || largest < 1e-6 {
        return if largest == 0.0 { 1 } else { digits };
    }
    // Few digits are for shares: one that passes 1 by a little keeps its decimals.
    let largest = if digits < DIGITS && largest < 2.0 { largest.min(1.0) } else { largest };
    let most = (digits as i32 - largest.log10().ceil() as i32).clamp(1, 8) as usize;
    if !trim {
        return most;
    }
    let needed = |value: f64| {
        let text = format!("{value:.most$}");
        let digits = text.trim_end_matches('0');
        digits.rsplit_once('.').map_or(0, |(_, after)| after.len())
    };
    values.filter(|value| value.is_finite()).map(needed).max().unwrap_or(1).max(1)
}

/// A float with so many decimals; very large and very small ones with an exponent.
fn rounded(value: f64, decimals: usize) -> String {
    if value.is_nan() {
        "NaN".to_owned()
    } else if value.is_infinite() {
        if value > 0.0 { "∞" } else { "−∞" }.to_owned()
    } else if value != 0.0 && (value.abs() >= 1e12 || value.abs() < 0.5 * 10f64.powi(-(decimals as i32))) {
        format!("{value:.2e}")
    } else {
        format!("{value:.decimals$}")
    }
}

/// Control characters as escapes, so that a cell cannot steer the terminal or break the line.
fn plain(text: &str) -> String {
    text.chars()
        .flat_map(|letter| {
            let bidi = matches!(letter, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
            if letter.is_control() || bidi { letter.escape_default().collect::<Vec<_>>() } else { vec![letter] }
        })
        .collect()
}

fn clip(text: &str, most: usize) -> String {
    if columns_of(text) <= most {
        return text.to_owned();
    }
    let mut clipped = String::new();
    let mut used = 1;
    for letter in text.chars() {
        used += letter_columns(letter);
        if used > most {
            break;
        }
        clipped.push(letter);
    }
    clipped.push('…');
    clipped
}

/// Terminal columns: East Asian wide letters take two.
fn columns_of(text: &str) -> usize {
    text.chars().map(letter_columns).sum()
}

fn letter_columns(letter: char) -> usize {
    // The wide blocks of Unicode's East Asian Width, coarsely; combining marks take none.
    match u32::from(letter) {
        0x0300..=0x036f | 0x200b..=0x200d | 0xfe00..=0xfe0f => 0,
        0x1100..=0x115f | 0x2e80..=0xa4cf | 0xac00..=0xd7a3 | 0xf900..=0xfaff | 0xfe30..=0xfe6f | 0xff00..=0xff60 => 2,
        0xffe0..=0xffe6 | 0x1f300..=0x1f64f | 0x1f900..=0x1f9ff | 0x20000..=0x3fffd => 2,
        _ => 1,
    }
}

fn plural(n: usize, noun: &str) -> String {
    if n == 1 { noun.to_owned() } else { format!("{noun}s") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use polars::df;
    use polars::prelude::{DataFrame, PolarsResult};

    fn frame(table: PolarsResult<DataFrame>) -> Frame {
        Frame::tidy(table.expect("columns of one length")).expect("a tidy table")
    }

    #[test]
    fn numbers_are_rounded_alike_and_nulls_are_shown() {
        let table = frame(df!(
            "id" => ["a", "b"],
            "pgr" => [Some(0.433_333_333), None],
            "n" => [1i64, 200],
            "reason" => [None, Some("gap not significant")],
        ));
        let expected = "\
id     pgr    n  reason
──  ──────  ───  ───────────────────
a   0.4333    1  null
b     null  200  gap not significant
(2 rows, 4 columns)";
        assert_eq!(table.show(BOUNDS), expected);
    }

    #[test]
    fn long_tables_and_wide_tables_are_cut() {
        let table = frame(df!("x" => (0..100i64).collect::<Vec<_>>()));
        let text = table.show(BOUNDS);
        assert_eq!(text.lines().count(), 24, "{text}");
        assert!(text.contains("⋮") && text.ends_with("(100 rows, 1 column)"));
        let columns = (0..40).map(|idx| Column::new(format!("column{idx}").into(), [0.5])).collect();
        let text = Frame::from_columns(columns).expect("a frame").show(BOUNDS);
        assert!(text.lines().all(|line| columns_of(line) <= 140), "{text}");
        assert!(text.contains("not shown: column"));
    }

    #[test]
    fn a_cell_cannot_break_the_table_or_steer_the_terminal() {
        let table = frame(df!("t" => ["a|b\n\u{1b}[2J", "100% of $x_1 & {y}"]));
        assert!(table.show(BOUNDS).contains("a|b\\n\\u{1b}[2J"));
        let markdown = table.to_markdown(true).expect("a table");
        assert_eq!(markdown.lines().count(), 4);
        assert!(markdown.contains("a\\|b"));
        let latex = table.to_latex(true).expect("a table");
        assert!(latex.contains("100\\% of \\$x\\_1 \\& $\\{$y$\\}$"), "{latex}");
    }

    #[test]
    fn an_interval_stands_beside_its_value() {
        let table = frame(df!(
            "pgr" => [Some(0.5), None],
            "pgr_low" => [Some(0.25), None],
            "pgr_high" => [Some(f64::INFINITY), None],
        ));
        let expected = "| pgr |\n| ---: |\n| 0.5000 ≥ 0.2500 |\n| null |\n";
        assert_eq!(table.to_markdown(true).expect("a table"), expected);
        assert_eq!(interval(f64::NEG_INFINITY, f64::INFINITY, |x| x.to_string()), "unbounded");
        assert_eq!(interval(f64::NEG_INFINITY, 0.5, |x| x.to_string()), "≤ 0.5");
        assert!(table.to_markdown(false).expect("a table").contains("pgr\\_low"));
    }

    #[test]
    fn extreme_numbers_have_an_exponent() {
        let table = frame(df!("x" => [1e300, -1e-300, f64::NAN, f64::NEG_INFINITY, 0.0]));
        let text = table.show(BOUNDS);
        for part in ["1.00e300", "-1.00e-300", "NaN", "−∞", "0.0"] {
            assert!(text.contains(part), "{text}");
        }
    }
}
