//! Text in columns.

use unicode_width::UnicodeWidthStr;

/// On which side a column's text stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    Left,
    Right,
}

/// The rows below their heads, two blanks between columns, no blanks at the end of a line.
pub fn columns<const N: usize>(heads: [(&str, Side); N], rows: &[[String; N]]) -> String {
    let mut widths = heads.map(|(head, _)| head.width());
    for row in rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.width());
        }
    }
    let line = |cells: [&str; N]| {
        let mut line = String::new();
        for ((cell, width), (_, side)) in cells.iter().zip(widths).zip(heads) {
            let blanks = " ".repeat(width.saturating_sub(cell.width()));
            match side {
                Side::Left => line.extend([cell, &*blanks, "  "]),
                Side::Right => line.extend([&*blanks, cell, "  "]),
            }
        }
        format!("{}\n", line.trim_end())
    };
    let head = line(heads.map(|(head, _)| head));
    rows.iter().fold(head, |text, row| text + line(row.each_ref().map(String::as_str)).as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_aligned_on_their_sides() {
        let rows = [["日".to_owned(), "7".to_owned()], ["abc".to_owned(), "120".to_owned()]];
        let text = columns([("what", Side::Left), ("n", Side::Right)], &rows);
        assert_eq!(text, "what    n\n日      7\nabc   120\n");
    }
}
