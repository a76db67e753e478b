//! Colours of what is typed: keywords, strings, numbers, comments, known functions, the bracket that belongs.

use super::names::Names;
use crate::report::scan::{Kind, Scan};
use std::fmt::Write;

/// `line` with escape sequences; `pos` is the cursor.
pub fn highlight(names: &Names, line: &str, pos: usize) -> String {
    if line.starts_with(':') {
        let end = line.find(' ').unwrap_or(line.len());
        let (command, rest) = line.split_at_checked(end).unwrap_or((line, ""));
        return format!("\x1b[1m{command}\x1b[0m{rest}");
    }
    let scan = Scan::new(line);
    let pair = matching(&scan, pos);
    let mut out = String::with_capacity(line.len() * 2);
    let mut at = 0;
    for (idx, token) in scan.tokens.iter().enumerate() {
        out.push_str(line.get(at..token.start).unwrap_or_default());
        at = token.end;
        let text = scan.text(token);
        let next = scan.tokens.get(idx + 1).map_or("", |token| scan.text(token));
        let code = match token.kind {
            Kind::Keyword => Some("35"),
            Kind::Text => Some("32"),
            Kind::Number => Some("36"),
            Kind::Comment => Some("90"),
            Kind::Open | Kind::Close if pair.is_some_and(|(a, b)| a == idx || b == idx) => Some("1;4"),
            Kind::Name if next == "::" && names.known.modules.contains(text) => Some("34"),
            Kind::Name if next == "(" && names.named(&scan, idx).is_some() => Some("34"),
            _ => None,
        };
        // A write to a string cannot fail.
        let _ = match code {
            Some(code) => write!(out, "\x1b[{code}m{text}\x1b[0m"),
            None => write!(out, "{text}"),
        };
    }
    out.push_str(line.get(at..).unwrap_or_default());
    out
}

/// The brackets of which one stands at the cursor or before it.
fn matching(scan: &Scan, pos: usize) -> Option<(usize, usize)> {
    let mut open: Vec<usize> = Vec::new();
    for (idx, token) in scan.tokens.iter().enumerate() {
        match token.kind {
            Kind::Open => open.push(idx),
            Kind::Close => {
                let opened = open.pop()?;
                let start = scan.tokens.get(opened)?;
                let touches = |start: usize, end: usize| pos == end || (start..end).contains(&pos);
                if touches(start.start, start.end) || touches(token.start, token.end) {
                    return Some((opened, idx));
                }
            }
            _ => {}
        }
    }
    None
}
