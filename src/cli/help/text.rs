//! Text for a terminal: wrapping at 80 columns, and colour where it is wanted.

/// The width that a page is written for.
pub const WIDTH: usize = 80;

/// Whether a page has colours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Style {
    colour: bool,
}

impl Style {
    /// No escape sequences.
    pub fn plain() -> Self {
        Style { colour: false }
    }

    /// Colours if `colour` is true.
    pub fn coloured(colour: bool) -> Self {
        Style { colour }
    }

    /// A heading or a name.
    pub fn strong(self, text: &str) -> String {
        self.wrap(text, "1")
    }

    /// Code.
    pub fn code(self, text: &str) -> String {
        self.wrap(text, "36")
    }

    /// Something beside the point: a default, a type.
    pub fn dim(self, text: &str) -> String {
        self.wrap(text, "2")
    }

    fn wrap(self, text: &str, code: &str) -> String {
        if self.colour { format!("\x1b[{code}m{text}\x1b[0m") } else { text.to_owned() }
    }
}

/// `text` broken into lines of at most `width` columns. Words longer than that stand alone.
pub fn lines(text: &str, width: usize) -> Vec<String> {
    let mut lines = Vec::new();
    let mut line = String::new();
    for word in text.split_whitespace() {
        let longer = line.chars().count() + 1 + word.chars().count() > width;
        if longer && !line.is_empty() {
            lines.push(std::mem::take(&mut line));
        }
        if !line.is_empty() {
            line.push(' ');
        }
        line.push_str(word);
    }
    if !line.is_empty() {
        lines.push(line);
    }
    lines
}

/// Markdown as indented text: paragraphs and list items wrapped, code fences and tables as they are.
pub fn markdown(text: &str, indent: usize) -> String {
    let pad = " ".repeat(indent);
    let mut out = String::new();
    let mut paragraph = String::new();
    let mut in_code = false;
    let flush = |paragraph: &mut String, out: &mut String| {
        let hang = if paragraph.starts_with("- ") || paragraph.starts_with("* ") { "  " } else { "" };
        for (n, line) in lines(paragraph, WIDTH - indent - hang.len()).iter().enumerate() {
            out.push_str(&format!("{pad}{}{line}\n", if n > 0 { hang } else { "" }));
        }
        paragraph.clear();
    };
    for line in text.lines() {
        let trimmed = line.trim();
        if trimmed.starts_with("```") {
            flush(&mut paragraph, &mut out);
            in_code = !in_code;
        } else if in_code {
            out.push_str(format!("{pad}  {line}").trim_end());
            out.push('\n');
        } else if trimmed.is_empty() {
            flush(&mut paragraph, &mut out);
            if !out.is_empty() && !out.ends_with("\n\n") {
                out.push('\n');
            }
        } else if trimmed.starts_with('|') || trimmed.starts_with('#') {
            flush(&mut paragraph, &mut out);
            out.push_str(&format!("{pad}{}\n", trimmed.trim_start_matches('#').trim_start()));
        } else {
            if trimmed.starts_with("- ") || trimmed.starts_with("* ") {
                flush(&mut paragraph, &mut out);
            }
            paragraph.push_str(trimmed);
            paragraph.push(' ');
        }
    }
    flush(&mut paragraph, &mut out);
    out
}

/// Rows of a term and what it means, the terms in a column of their own where they are short enough.
pub fn terms(rows: &[(String, String)], indent: usize, style: Style) -> String {
    let pad = " ".repeat(indent);
    // Terms of up to 26 columns share a line with their meaning (leaves half the page to the meaning).
    let fits = |term: &str| term.chars().count() <= 26;
    let column = rows.iter().map(|(term, _)| term.chars().count()).filter(|n| *n <= 26).max().unwrap_or(0);
    let mut out = String::new();
    for (term, about) in rows {
        let about = lines(about, WIDTH - indent - column - 2);
        let mut about = about.iter();
        if fits(term) {
            let gap = " ".repeat(column - term.chars().count() + 2);
            let first = about.next().map_or("", String::as_str);
            out.push_str(format!("{pad}{}{gap}{first}", style.code(term)).trim_end());
        } else {
            out.push_str(&format!("{pad}{}", style.code(term)));
        }
        out.push('\n');
        for line in about {
            out.push_str(&format!("{pad}{}  {line}\n", " ".repeat(column)));
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paragraphs_are_wrapped_and_code_is_kept() {
        let text = markdown("one two\nthree\n\n- item one\n- item two\n\n```rhai\nlet  x = 1;\n```\nend", 2);
        assert_eq!(text, "  one two three\n\n  - item one\n  - item two\n\n    let  x = 1;\n  end\n");
        assert!(lines(&"word ".repeat(40), 30).iter().all(|line| line.len() <= 30));
    }

    #[test]
    fn terms_stand_in_a_column() {
        let rows = [("a".to_owned(), "first".to_owned()), ("long".to_owned(), "second".to_owned())];
        assert_eq!(terms(&rows, 2, Style::plain()), "  a     first\n  long  second\n");
    }
}
