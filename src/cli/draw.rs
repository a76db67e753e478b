//! Draws a diagnostic: code, message, source line with a caret, hint, and the calls that led there.

use crate::core::visible::{is_hidden, visible};
use crate::lang::diagnostic::{Diagnostic, Place, Severity};
use std::fmt::Write as _;
use std::io::{IsTerminal, Write as _};
use unicode_width::UnicodeWidthChar;

/// Columns of a source line that are shown; longer lines are cut around the caret (arbitrary).
const WIDTH: usize = 100;

/// Columns of a tab.
const TAB: usize = 4;

/// Draws on standard error, in colour if that is a terminal and nobody minds (`NO_COLOR`).
pub fn print(diagnostic: &Diagnostic) {
    let colour = std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none();
    let mut err = std::io::stderr().lock();
    // Standard error that is closed takes nothing, and there is nowhere left to say so.
    let _ = err.write_all(draw(diagnostic, colour).as_bytes());
}

/// The diagnostic as text with a line end.
pub fn draw(diagnostic: &Diagnostic, colour: bool) -> String {
    let paint =
        |code: &str, text: &str| if colour { format!("\u{1b}[{code}m{text}\u{1b}[0m") } else { text.to_owned() };
    let (word, tone) = match diagnostic.severity {
        Severity::Error => ("error", "1;31"),
        Severity::Warning => ("warning", "1;33"),
    };
    let mut text = String::new();
    let head = paint(tone, &format!("{word}[{}]", diagnostic.code));
    let mut message = plain(&diagnostic.message);
    if let Some(place) = diagnostic.place.as_ref().filter(|_| message.contains('\n')) {
        // A message of several lines stands apart from the place.
        let _ = write!(message, "\n  at {place}");
    }
    let _ = writeln!(text, "{head}: {message}");
    let gutter = diagnostic.place.as_ref().map_or(1, |place| place.line.to_string().len());
    let pad = " ".repeat(gutter);
    let bar = paint("34", "|");
    if let Some(place) = &diagnostic.place {
        let _ = writeln!(text, "{pad}{} {}", paint("34", "-->"), plain(&place.to_string()));
        if let Some(shown) = source_line(place) {
            let _ = writeln!(text, "{pad} {bar}");
            let number = paint("34", &place.line.to_string());
            let _ = writeln!(text, "{number} {bar} {}", shown.line);
            if let Some((blank, width)) = shown.caret {
                let _ = writeln!(text, "{pad} {bar} {}{}", " ".repeat(blank), paint(tone, &"^".repeat(width)));
            }
        }
    }
    if let Some(hint) = &diagnostic.hint {
        let mut lines = hint.lines();
        let _ = writeln!(text, "{pad} {} {}", paint("36", "hint:"), plain(lines.next().unwrap_or_default()));
        for line in lines {
            let _ = writeln!(text, "{pad}       {}", plain(line));
        }
    }
    for (what, n_times) in folded(diagnostic) {
        let times = if n_times > 1 { format!(" ({n_times} times)") } else { String::new() };
        let _ = writeln!(text, "{pad} {what}{times}");
    }
    text
}

/// The trace as lines, equal neighbours counted: a deep recursion is one line.
fn folded(diagnostic: &Diagnostic) -> Vec<(String, usize)> {
    let mut lines: Vec<(String, usize)> = Vec::new();
    for step in &diagnostic.trace {
        let line = match &step.place {
            Some(place) => format!("{} at {}", plain(&step.what), plain(&place.to_string())),
            None => plain(&step.what),
        };
        match lines.last_mut() {
            Some((last, n_times)) if *last == line => *n_times += 1,
            _ => lines.push((line, 1)),
        }
    }
    lines
}

/// A source line as it is drawn.
struct Shown {
    line: String,
    /// Blanks before the carets, and how many carets.
    caret: Option<(usize, usize)>,
}

fn source_line(place: &Place) -> Option<Shown> {
    let text = place.text.as_ref()?;
    let chars: Vec<char> = text.trim_end().chars().collect();
    // One past the end is a place too: where something is missing.
    let caret_at = place.column.checked_sub(1).map(|at| at.min(chars.len()));
    let n_caret = caret_at.map_or(0, |at| word_length(chars.get(at..).unwrap_or_default()));
    let mut cells: Vec<(String, usize)> = Vec::with_capacity(chars.len());
    let mut column = 0;
    for c in &chars {
        let cell = cell(*c, column);
        column += cell.1;
        cells.push(cell);
    }
    let (from, to) = window(&cells, caret_at.unwrap_or(0), n_caret);
    let slice = |from: usize, to: usize| cells.get(from..to).unwrap_or_default();
    let width = |from: usize, to: usize| slice(from, to).iter().map(|cell| cell.1).sum::<usize>();
    let mut line: String = slice(from, to).iter().map(|cell| cell.0.as_str()).collect();
    let cut_before = from > 0;
    if cut_before {
        line.insert(0, '…');
    }
    if to < cells.len() {
        line.push('…');
    }
    let caret = caret_at.map(|at| {
        let blank = width(from, at.max(from)) + usize::from(cut_before);
        (blank, width(at, (at + n_caret).min(to)).max(1))
    });
    Some(Shown { line, caret })
}

/// Characters from `from` to `to` that fit into [`WIDTH`] columns around the caret.
fn window(cells: &[(String, usize)], caret_at: usize, n_caret: usize) -> (usize, usize) {
    let total: usize = cells.iter().map(|cell| cell.1).sum();
    if total <= WIDTH {
        return (0, cells.len());
    }
    let back = |from: usize, most: usize| {
        let mut at = from.min(cells.len());
        let mut taken = 0;
        while let Some(cell) = at.checked_sub(1).and_then(|before| cells.get(before)) {
            taken += cell.1;
            if taken > most {
                break;
            }
            at -= 1;
        }
        at
    };
    let forth = |from: usize, most: usize| {
        let mut taken = 0;
        let fit = cells.iter().skip(from).take_while(|cell| {
            taken += cell.1;
            taken <= most
        });
        from + fit.count()
    };
    let end = forth(caret_at, n_caret.clamp(WIDTH / 3, WIDTH / 2));
    let start = back(end, WIDTH - 2);
    (start, forth(start, WIDTH - 2).max(end))
}

/// How a character is drawn at a column, and how wide: tabs as blanks, what cannot be seen as `�`.
fn cell(c: char, column: usize) -> (String, usize) {
    match c {
        '\t' => {
            let width = TAB - column % TAB;
            (" ".repeat(width), width)
        }
        c if is_hidden(c) || c == '\n' => (visible(&c.to_string()).replace('\n', "␊"), 1),
        c => (c.to_string(), c.width().unwrap_or(0)),
    }
}

/// How many characters the word (or operator) has that begins here.
fn word_length(rest: &[char]) -> usize {
    let is_word = |c: &char| c.is_alphanumeric() || *c == '_';
    match rest.first() {
        Some(c) if is_word(c) => rest.iter().take_while(|c| is_word(c)).count(),
        _ => 1,
    }
}

/// A text that cannot steer a terminal.
pub fn plain(text: &str) -> String {
    visible(text).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lang::diagnostic::Step;

    fn at(line: &str, column: usize) -> Diagnostic {
        let place = Place { source: "x.rhai".to_owned(), line: 12, column, text: Some(line.to_owned()) };
        Diagnostic { place: Some(place), ..Diagnostic::new("call/arity", "too few") }
    }

    #[test]
    fn a_caret_stands_under_the_word() {
        let drawn = draw(&at("let a = f(1);", 9).hint("f(a, b)"), false);
        assert_eq!(
            drawn,
            "error[call/arity]: too few\n  --> x.rhai:12:9\n   |\n12 | let a = f(1);\n   |         ^\n   hint: f(a, b)\n"
        );
    }

    #[test]
    fn wide_characters_and_tabs_shift_the_caret() {
        let caret_column = |line: &str, column| {
            let drawn = draw(&at(line, column), false);
            let caret = drawn.lines().nth(4).expect("a caret line").to_owned();
            (caret.find('^').expect("a caret") - "   | ".len(), caret.matches('^').count())
        };
        assert_eq!(caret_column("\"日本\" + oops", 8), (9, 4));
        assert_eq!(caret_column("\toops", 2), (4, 4));
        assert_eq!(caret_column("e\u{301}+x", 4), (2, 1));
        assert_eq!(caret_column("short", 99), (5, 1));
        assert_eq!(caret_column("", 1), (0, 1));
    }

    #[test]
    fn a_long_line_is_cut_around_the_caret() {
        let line = format!("{}oops{}", "a + ".repeat(5000), " + b".repeat(5000));
        let drawn = draw(&at(&line, 20_001), false);
        let (source, caret) = (drawn.lines().nth(3).expect("source"), drawn.lines().nth(4).expect("caret"));
        assert!(source.chars().count() <= WIDTH + 5, "{source}");
        let column = caret.chars().position(|c| c == '^').expect("a caret");
        assert_eq!(source.chars().skip(column).take(4).collect::<String>(), "oops", "{drawn}");
    }

    #[test]
    fn a_terminal_cannot_be_steered() {
        let mut diagnostic = at("x \u{1b}[2J \u{202e}y", 1);
        diagnostic.message = "got `\u{1b}[31m`".to_owned();
        assert!(!draw(&diagnostic, false).contains(['\u{1b}', '\u{202e}']));
    }

    #[test]
    fn a_deep_recursion_is_one_line() {
        let mut diagnostic = at("f(x)", 1);
        let step = Step { what: "in `f`".to_owned(), place: diagnostic.place.clone() };
        diagnostic.trace = vec![step; 60];
        assert!(draw(&diagnostic, false).ends_with("in `f` at x.rhai:12:1 (60 times)\n"));
    }
}
