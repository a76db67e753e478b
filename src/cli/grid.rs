//! Texts in columns, for a person: what lists and records show.

use super::draw;
use unicode_width::UnicodeWidthStr;

/// The widest cell (chosen); longer texts are cut.
const WIDTH: usize = 60;

/// A table with a head. Columns whose cells are all numbers stand to the right.
pub fn table(head: &[&str], rows: &[Vec<String>]) -> String {
    let rows: Vec<Vec<String>> = rows.iter().map(|row| row.iter().map(|cell| cut(cell)).collect()).collect();
    let column = |at: usize| rows.iter().filter_map(move |row| row.get(at));
    let width = |at: usize| column(at).map(|cell| cell.width()).chain(head.get(at).map(|h| h.width())).max();
    let widths: Vec<usize> = (0..head.len()).map(|at| width(at).unwrap_or(0)).collect();
    let is_number = |cell: &String| cell.is_empty() || cell.parse::<f64>().is_ok();
    let right: Vec<bool> = (0..head.len()).map(|at| !rows.is_empty() && column(at).all(is_number)).collect();
    let line = |cells: &[&str]| {
        let mut text = String::new();
        for ((cell, width), right) in cells.iter().zip(&widths).zip(&right) {
            let pad = " ".repeat(width.saturating_sub(cell.width()));
            text += &if *right { format!("{pad}{cell}  ") } else { format!("{cell}{pad}  ") };
        }
        format!("{}\n", text.trim_end())
    };
    let bars: Vec<String> = widths.iter().map(|width| "─".repeat(*width)).collect();
    let mut text = line(head);
    for row in std::iter::once(&bars).chain(&rows) {
        text.push_str(&line(&row.iter().map(String::as_str).collect::<Vec<_>>()));
    }
    text
}

/// One line of at most [`WIDTH`] characters that cannot steer a terminal.
fn cut(cell: &str) -> String {
    let plain = draw::plain(&cell.replace(['\n', '\t'], " "));
    if plain.chars().count() <= WIDTH {
        return plain;
    }
    plain.chars().take(WIDTH - 1).chain(['…']).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_stand_to_the_right_and_texts_are_cut() {
        let rows = [vec!["a".to_owned(), "1.5".to_owned()], vec!["日本\u{1b}".to_owned(), "10".to_owned()]];
        assert_eq!(table(&["name", "n"], &rows), "name     n\n─────  ───\na      1.5\n日本\u{fffd}   10\n");
        let long = table(&["x"], &[vec!["y".repeat(100)]]);
        assert!(long.ends_with("y…\n") && long.lines().all(|line| line.chars().count() == WIDTH || line == "x"));
    }
}
