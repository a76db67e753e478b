//! Options of functions that are written in Rhai, from their doc comments: a list item for each,
//! ``- `name` (default): what it is``, and sentences that take over those of another function.

use super::resolve::ScriptFunction;
use crate::bind::OptionDoc;

/// One option of a function, for completion, hints and help.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct OptionName {
    pub name: String,
    /// Empty where only a run can say.
    pub type_name: String,
    /// As a script would write it; `()` where it is nothing.
    pub default: String,
    pub about: String,
}

impl OptionName {
    /// Of a builtin's record.
    pub fn of(doc: &OptionDoc) -> Self {
        OptionName {
            name: doc.name.to_owned(),
            type_name: doc.type_name.clone(),
            default: doc.default.clone(),
            about: doc.about.clone(),
        }
    }

    /// `lr: float = 0.005`; without the default where that is nothing, without the type where none is known.
    pub fn typed(&self) -> String {
        match (self.type_name.as_str(), self.default.as_str()) {
            ("", "()" | "") => self.name.clone(),
            ("", default) => format!("{} = {default}", self.name),
            (kind, "()" | "") => format!("{}: {kind}", self.name),
            (kind, default) => format!("{}: {kind} = {default}", self.name),
        }
    }
}

/// Fills in the options that each function's comment describes or takes over from another function of the module.
pub(super) fn fill(functions: &mut [ScriptFunction]) {
    let own: Vec<Vec<OptionName>> = functions.iter().map(|function| listed(&function.comment)).collect();
    let all: Vec<OptionName> = own.iter().flatten().cloned().collect();
    for (function, listed) in functions.iter_mut().zip(own) {
        if function.params.last().map(String::as_str) != Some("options") {
            continue;
        }
        let mut described = listed;
        for name in taken_over(&function.comment) {
            let known = described.iter().any(|option| option.name == name);
            if let Some(option) = all.iter().find(|option| option.name == name).filter(|_| !known) {
                described.push(option.clone());
            }
        }
        function.described = described;
    }
}

/// The list items of a comment.
fn listed(comment: &str) -> Vec<OptionName> {
    let mut options: Vec<OptionName> = Vec::new();
    let mut is_open = false;
    for line in comment.lines() {
        let line = line.trim();
        if let Some(item) = line.strip_prefix("- `") {
            let Some((name, rest)) = item.split_once('`') else { continue };
            let (default, about) = rest.trim_start().strip_prefix('(').and_then(closed).unwrap_or(("", rest));
            let default = default.split(": ").next().unwrap_or(default).trim_matches('`').to_owned();
            let about = about.trim_start_matches(':').trim().to_owned();
            let type_name = type_of(&default).to_owned();
            options.push(OptionName { name: name.to_owned(), type_name, default, about });
            is_open = true;
        } else if line.is_empty() {
            is_open = false;
        } else if let Some(option) = options.last_mut().filter(|_| is_open) {
            option.about.push(' ');
            option.about.push_str(line);
        }
    }
    options
}

/// What stands before the bracket that closes one that is open, and what follows.
fn closed(text: &str) -> Option<(&str, &str)> {
    let mut depth = 1usize;
    for (at, c) in text.char_indices() {
        match c {
            '(' => depth += 1,
            ')' => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return Some((text.get(..at)?, text.get(at + 1..)?));
        }
    }
    None
}

fn type_of(default: &str) -> &'static str {
    match default {
        "true" | "false" => "bool",
        text if text.starts_with('"') => "string",
        text if text.starts_with("#{") => "object map",
        text if text.starts_with('[') => "array",
        text if text.parse::<i64>().is_ok() => "integer",
        text if text.parse::<f64>().is_ok() => "float",
        _ => "",
    }
}

/// Names between backticks in the paragraph that begins with the word "Options", list items left out.
fn taken_over(comment: &str) -> Vec<String> {
    let paragraphs = comment.split("\n\n");
    let mut names = Vec::new();
    for paragraph in paragraphs {
        let Some(at) = paragraph.find("Options") else { continue };
        let text: Vec<&str> =
            paragraph.get(at..).unwrap_or_default().lines().take_while(|l| !l.trim().starts_with("- ")).collect();
        names.extend(text.join(" ").split('`').skip(1).step_by(2).map(str::to_owned));
    }
    names
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lang::resolve::{STDLIB, functions_of};

    fn of(name: &str) -> Vec<OptionName> {
        let mut engine = rhai::Engine::new_raw();
        engine.set_max_expr_depths(0, 0);
        let (_, text) = STDLIB.iter().find(|(module, _)| *module == "w2s").expect("shipped");
        let functions = functions_of(&engine.compile(text).expect("compiles"));
        let taking =
            functions.into_iter().filter(|f| f.name == name && f.params.last().is_some_and(|p| p == "options"));
        taking.flat_map(|f| f.described).collect()
    }

    #[test]
    fn options_of_the_stdlib_are_read_from_its_comments() {
        let transfer = of("transfer");
        let n = transfer.iter().find(|option| option.name == "n").expect("described");
        assert_eq!((n.type_name.as_str(), n.default.as_str()), ("integer", "400"));
        assert_eq!(n.about, "rows in each half; `()` for the whole training split");
        let bootstrap: Vec<String> = of("bootstrap").into_iter().map(|option| option.name).collect();
        for name in ["hops", "rungs", "rows", "seeds", "loss", "weak_train"] {
            assert!(bootstrap.iter().any(|found| found == name), "{name}: {bootstrap:?}");
        }
        let sweep: Vec<String> = of("sweep").into_iter().map(|option| option.name).collect();
        assert!(sweep.iter().any(|name| name == "seeds") && !sweep.iter().any(|name| name == "hops"), "{sweep:?}");
    }

    #[test]
    fn every_option_that_a_function_of_the_stdlib_takes_is_described() {
        let taken = [
            ("transfer", "method seeds n hard train weak_train loss metric controls reuse"),
            ("bootstrap", "method seeds n hard train weak_train loss metric controls reuse hops rungs rows"),
            ("repeated", "method seeds n hard train weak_train loss metric controls reuse hops rungs rows"),
            ("sweep", "method seeds n hard train weak_train loss metric controls"),
        ];
        for (function, names) in taken {
            let described: Vec<String> = of(function).into_iter().map(|option| option.name).collect();
            for name in names.split(' ') {
                assert!(described.iter().any(|found| found == name), "{function}: {name} is not described");
            }
        }
    }
}
