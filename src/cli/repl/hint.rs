//! Hints: what comes next, in grey behind the cursor. Signatures while a call is typed, an option's type and default,
//! else the last input that began the same way.

use super::names::Names;
use super::place::{map_of_call, open_call};
use crate::lang::described::OptionName;
use crate::lang::known::Callable;
use crate::report::scan::{Kind, Scan};
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
    if said.chars().count() <= room {
        return (!said.is_empty()).then_some(Suggestion { shown: said, taken: None });
    }
    // Cut to fewer columns than these it says nothing (chosen).
    let cut = || said.chars().take(room - 1).chain(['…']).collect();
    (room >= 10).then(|| Suggestion { shown: cut(), taken: None })
}

/// Inside `#{` of a call: the options still to choose from, or the one being given.
fn options(names: &Names, scan: &Scan) -> Option<String> {
    let typing = scan.tokens.last().filter(|token| token.end == scan.source.len() && token.kind == Kind::Name);
    let end = scan.tokens.len() - usize::from(typing.is_some());
    let (callable, at_key, there) = map_of_call(names, scan, end)?;
    if !at_key {
        // The value of `key:`; once it has begun the hint would be in its way.
        let key = callable.options.iter().find(|option| there.last().is_some_and(|key| *key == option.name))?;
        let last = scan.tokens.last().map_or("", |token| scan.text(token));
        let gap = if scan.source.ends_with(' ') { "" } else { " " };
        let typed = key.typed();
        let typed = typed.strip_prefix(key.name.as_str()).unwrap_or(&typed).trim_start_matches([':', ' ']);
        return (last == ":").then(|| format!("{gap}{typed}: {}", key.about));
    }
    let word = typing.map_or("", |token| scan.text(token));
    let left: Vec<String> = callable
        .options
        .iter()
        .filter(|option| option.name.starts_with(word) && !there.contains(&option.name))
        .map(OptionName::typed)
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::help::Reference;
    use crate::cli::repl::names::Variable;
    use rustyline::hint::Hint;
    use std::sync::Arc;

    fn names() -> Names {
        let mut names = Names::new(Arc::new(Reference::shipped()));
        let variable = |name: &str, type_name: &str| Variable {
            name: name.to_owned(),
            type_name: type_name.to_owned(),
            keys: Vec::new(),
        };
        names.variables = vec![variable("task", "Data"), variable("tasks", "array of Data")];
        let params = vec!["a".to_owned(), "b".to_owned()];
        names.known.callables.push(Callable { name: "mine".to_owned(), params, ..Callable::default() });
        names
    }

    #[track_caller]
    fn shows(line: &str, wanted: &str) {
        let found = hint(&names(), line, 200).map(|hint| hint.display().to_owned()).unwrap_or_default();
        assert!(found.starts_with(wanted) && wanted.is_empty() == found.is_empty(), "{line}: {found:?}");
    }

    #[test]
    fn a_signature_follows_what_is_typed() {
        shows("metric::pgr_percent", "(weak: float, student: float, ceiling: float) -> float");
        shows("metric::pgr_percent(", "weak: float, student: float, ceiling: float) -> float");
        shows("metric::pgr_percent(0.5", ", student: float, ceiling: float) -> float");
        shows("metric::pgr_percent(0.5,", " student: float, ceiling: float)");
        shows("metric::pgr_percent(max(1, 2), ", "student: float, ceiling: float)");
        shows("let x = mine(1, ", "b)");
        shows("mine(|a, b| a + b, ", "b)");
        shows("nothing(", "");
        shows("\"metric::pgr_percent(", "");
        shows(":time metric::pgr_percent(", "");
    }

    #[test]
    fn options_follow_in_the_map_of_a_known_call() {
        shows("data::load(\"world/subject\", #{", "seed: integer");
        shows("data::load(\"world/subject\", #{ se", "ed: integer");
        shows("data::load(\"world/subject\", #{ seed:", " integer: ");
        shows("data::load(\"world/subject\", #{ seed: 1", "");
        shows("w2s::bootstrap(task, task, #{ ho", "ps: integer = 3");
        shows("w2s::transfer(a, b, task, #{ n:", " integer = 400: rows in each half");
        shows("w2s::sweep(a, task, #{ reu", "");
    }

    #[test]
    fn the_type_of_an_expression_is_known_before_the_dot() {
        let kind = |code: &str| {
            let scan = Scan::new(code);
            names().type_before(&scan, scan.tokens.len())
        };
        assert_eq!(kind("task.train").as_deref(), Some("Data"));
        assert_eq!(kind("tasks[0].train.frame()").as_deref(), Some("Frame"));
        assert_eq!(kind("let x = data::load(\"a\", #{ seed: f(1) })").as_deref(), Some("Data"));
        assert_eq!(kind("(tasks[0])").as_deref(), Some("Data"));
        assert_eq!(kind("[1, 2]").as_deref(), Some("array"));
        assert_eq!(kind("unknown.train"), None);
        assert_eq!(kind("1 + 2"), None);
    }

    #[test]
    fn no_line_makes_it_fail() {
        let line = "let x = metric::pgr_percent(tasks[0].train.frame(), #{ a: `b ${c}`, d: |e, f| { e } })[1].head(";
        for (end, _) in line.char_indices() {
            let part = line.get(..end).expect("a boundary");
            let _ = hint(&names(), part, 20);
            let _ = crate::cli::repl::complete::complete(&names(), &Default::default(), line, end);
            let _ = crate::cli::repl::highlight::highlight(&names(), part, end);
        }
    }
}
