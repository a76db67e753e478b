//! Text in columns, for a person: what lists, plans and records show.

use super::draw;
use unicode_width::UnicodeWidthStr;

/// On which side a column's text stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    Left,
    Right,
}

/// The widest cell of a [`table`] (arbitrary); longer texts are cut.
const WIDTH: usize = 60;

/// The rows below their heads, two blanks between columns, no blanks at the end of a line.
pub fn columns(heads: &[(&str, Side)], rows: &[impl AsRef<[String]>]) -> String {
    let mut widths: Vec<usize> = heads.iter().map(|(head, _)| head.width()).collect();
    for row in rows {
        for (width, cell) in widths.iter_mut().zip(row.as_ref()) {
            *width = (*width).max(cell.width());
        }
    }
    let line = |cells: &mut dyn Iterator<Item = &str>| {
        let mut line = String::new();
        for ((cell, width), (_, side)) in cells.zip(&widths).zip(heads) {
            let blanks = " ".repeat(width.saturating_sub(cell.width()));
            match side {
                Side::Left => line.extend([cell, &*blanks, "  "]),
                Side::Right => line.extend([&*blanks, cell, "  "]),
            }
        }
        format!("{}\n", line.trim_end())
    };
    let head = line(&mut heads.iter().map(|(head, _)| *head));
    rows.iter().fold(head, |text, row| format!("{text}{}", line(&mut row.as_ref().iter().map(String::as_str))))
}

/// A table with a rule below its head. Columns whose cells are all numbers stand to the right; long cells are cut.
pub fn table(head: &[&str], rows: &[Vec<String>]) -> String {
    let rows: Vec<Vec<String>> = rows.iter().map(|row| row.iter().map(|cell| cut(cell, WIDTH)).collect()).collect();
    let column = |at: usize| rows.iter().filter_map(move |row| row.get(at));
    let is_number = |cell: &String| cell.is_empty() || cell.parse::<f64>().is_ok();
    let side = |at: usize| if !rows.is_empty() && column(at).all(is_number) { Side::Right } else { Side::Left };
    let heads: Vec<(&str, Side)> = head.iter().enumerate().map(|(at, head)| (*head, side(at))).collect();
    let width = |(at, head): (usize, &&str)| column(at).map(|cell| cell.width()).fold(head.width(), usize::max);
    let rule: Vec<String> = head.iter().enumerate().map(|column| "─".repeat(width(column))).collect();
    let ruled: Vec<&Vec<String>> = std::iter::once(&rule).chain(&rows).collect();
    columns(&heads, &ruled)
}

/// One line of at most `most` characters that cannot steer a terminal.
pub fn cut(text: &str, most: usize) -> String {
    let plain = draw::plain(&text.replace(['\n', '\t'], " "));
    if plain.chars().count() <= most {
        return plain;
    }
    plain.chars().take(most.saturating_sub(1)).chain(['…']).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_aligned_on_their_sides() {
        let rows = [["日".to_owned(), "7".to_owned()], ["abc".to_owned(), "120".to_owned()]];
        let text = columns(&[("what", Side::Left), ("n", Side::Right)], &rows);
        assert_eq!(text, "what    n\n日      7\nabc   120\n");
    }

    #[test]
    fn numbers_stand_to_the_right_and_texts_are_cut() {
        let rows = [vec!["a".to_owned(), "1.5".to_owned()], vec!["日本\u{1b}".to_owned(), "10".to_owned()]];
        assert_eq!(table(&["name", "n"], &rows), "name     n\n─────  ───\na      1.5\n日本␛   10\n");
        let long = table(&["x"], &[vec!["y".repeat(100)]]);
        assert!(long.ends_with("y…\n") && long.lines().all(|line| line.chars().count() == WIDTH || line == "x"));
    }
}
