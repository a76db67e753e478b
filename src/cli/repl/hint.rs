//! Hints: what comes next, in grey behind the cursor. Signatures while a call is typed, an option's type and default,
//! else the last input that began the same way.

use super::names::{Callable, Names};
use super::place::{map_of_call, open_call};
use super::scan::{Kind, Scan};
use rustyline::hint::Hint;

/// A hint; only one from the history can be taken over with the right arrow.
#[derive(Debug, Clone, PartialEq)]
pub struct Suggestion {
    shown: String,
    taken: Option<String>,
}

impl Hint for Suggestion {
    fn display(&self) -> &str {
        &self.shown
    }

    fn completion(&self) -> Option<&str> {
        self.taken.as_deref()
    }
}

impl Suggestion {
    /// An earlier input whose rest is `rest`.
    pub fn earlier(rest: &str) -> Option<Self> {
        // A hint stands on one line.
        let shown = rest.lines().next().unwrap_or_default().to_owned();
        (!shown.is_empty()).then(|| Suggestion { shown, taken: Some(rest.to_owned()) })
    }
}

/// What the records say at the end of `line`, cut to `room` columns.
pub fn hint(names: &Names, line: &str, room: usize) -> Option<Suggestion> {
    let scan = Scan::new(line);
    if scan.within.is_some() || line.trim_start().starts_with(':') {
        return None;
    }
    let said = options(names, &scan).or_else(|| arguments(names, &scan)).or_else(|| signature(names, &scan, line))?;
    let shown = if said.chars().count() <= room {
        said
    } else {
        said.chars().take(room.checked_sub(1)?).chain(['…']).collect()
    };
    // Fewer columns than these say nothing (chosen).
    (shown.chars().count() >= 3).then_some(Suggestion { shown, taken: None })
}

/// Inside `#{` of a call: the options still to choose from, or the one being given.
fn options(names: &Names, scan: &Scan) -> Option<String> {
    let typing = scan.tokens.last().filter(|token| token.end == scan.source.len() && token.kind == Kind::Name);
    let end = scan.tokens.len() - usize::from(typing.is_some());
    let (callable, at_key, there) = map_of_call(names, scan, end)?;
    if !at_key {
        // The value of `key:`; once it has begun the hint would be in its way.
        let key = callable.options.iter().find(|option| there.last().is_some_and(|key| key == option.name))?;
        let last = scan.tokens.last().map_or("", |token| scan.text(token));
        let gap = if scan.source.ends_with(' ') { "" } else { " " };
        return (last == ":").then(|| format!("{gap}{} = {}: {}", key.type_name, key.default, key.about));
    }
    let word = typing.map_or("", |token| scan.text(token));
    let left: Vec<String> = callable
        .options
        .iter()
        .filter(|option| option.name.starts_with(word) && !there.iter().any(|key| key == option.name))
        .map(|option| format!("{}: {} = {}", option.name, option.type_name, option.default))
        .collect();
    let text = left.join(", ");
    let text = text.get(word.len()..).unwrap_or_default().to_owned();
    let gap = if word.is_empty() && !scan.source.ends_with([' ', '{']) { " " } else { "" };
    (!text.is_empty()).then(|| format!("{gap}{text}"))
}

/// Inside the bracket of a call: the parameters to come.
fn arguments(names: &Names, scan: &Scan) -> Option<String> {
    let (callable, nth, begun) = open_call(names, scan)?;
    let rest: Vec<&str> = callable.params.iter().skip(nth + usize::from(begun)).map(String::as_str).collect();
    let lead = match (rest.is_empty(), begun, scan.source.ends_with(',')) {
        (true, ..) => "",
        (_, true, _) => ", ",
        (_, false, true) => " ",
        _ => "",
    };
    Some(format!("{lead}{}){}", rest.join(", "), arrow(&callable)))
}

/// After the whole name of a function.
fn signature(names: &Names, scan: &Scan, line: &str) -> Option<String> {
    let last = scan.tokens.len().checked_sub(1)?;
    let token = scan.tokens.get(last)?;
    if token.kind != Kind::Name || token.end != line.len() {
        return None;
    }
    let callable = names.named(scan, last)?;
    Some(format!("({}){}", callable.params.join(", "), arrow(&callable)))
}

fn arrow(callable: &Callable) -> String {
    if callable.answer.is_empty() { String::new() } else { format!(" -> {}", callable.answer) }
}
