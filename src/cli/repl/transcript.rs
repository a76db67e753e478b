//! What succeeded so far, as a script that runs: the file that `:save` writes.
//!
//! Inputs stand in the order in which they were typed, so variables may be defined anew as they were. A function that
//! was defined anew is kept in its last form only, because a script may define it once.

use crate::report::scan::{Kind, Scan, Token};

/// An input that ran to its end, or the part of one that did.
struct Entry {
    code: String,
    /// Whether its value was shown: then the script prints it.
    shown: bool,
}

/// The inputs so far.
#[derive(Default)]
pub struct Transcript {
    entries: Vec<Entry>,
}

impl Transcript {
    /// Keeps an input that succeeded.
    pub fn keep(&mut self, code: &str, shown: bool) {
        self.entries.push(Entry { code: code.trim_end().to_owned(), shown });
    }

    /// Keeps the statements of `code` that ended before the byte `failed_at`.
    pub fn keep_before(&mut self, code: &str, failed_at: usize) {
        let whole = statement_ends(code).into_iter().filter(|end| *end <= failed_at).max().unwrap_or(0);
        let done = code.get(..whole).unwrap_or_default();
        if !done.trim().is_empty() {
            self.keep(done, false);
        }
    }

    /// Whether there is nothing to save.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// The script.
    pub fn script(&self) -> String {
        let mut body = String::new();
        for (idx, entry) in self.entries.iter().enumerate() {
            let later: Vec<Defined> =
                self.entries.iter().skip(idx + 1).flat_map(|entry| definitions(&entry.code)).collect();
            let code = without(&entry.code, &later);
            if code.trim().is_empty() {
                continue;
            }
            body.push_str(&statement(code.trim_end(), entry.shown));
            body.push('\n');
        }
        let imports_w2s = body.contains("import \"w2s\"");
        let import = if body.contains("w2s::") && !imports_w2s { "import \"w2s\" as w2s;\n" } else { "" };
        let version = env!("CARGO_PKG_VERSION");
        format!("// Typed at the prompt of w2s {version}.\nw2s_version(\"{version}\");\n{import}\n{body}")
    }
}

/// The code as a statement; an expression whose value was shown is printed.
fn statement(code: &str, shown: bool) -> String {
    let scan = Scan::new(code);
    let Some(last) = scan.code().next_back() else {
        return code.to_owned();
    };
    let ended = scan.text(last) == ";";
    if shown && !ended && is_expression(code) {
        let (before, after) = code.split_at_checked(last.end).unwrap_or((code, ""));
        return format!("print({before});{after}");
    }
    if ended {
        return code.to_owned();
    }
    let (before, after) = code.split_at_checked(last.end).unwrap_or((code, ""));
    format!("{before};{after}")
}

/// Whether the code is one expression, so that it may be an argument.
fn is_expression(code: &str) -> bool {
    let mut engine = rhai::Engine::new_raw();
    engine.set_max_expr_depths(0, 0);
    engine.compile_expression(code).is_ok()
}

/// A function definition: name, number of parameters, and the bytes it takes.
#[derive(Debug, Clone, PartialEq)]
struct Defined {
    name: String,
    n_params: usize,
    start: usize,
    end: usize,
}

/// The functions that `code` defines outside any block.
fn definitions(code: &str) -> Vec<Defined> {
    let scan = Scan::new(code);
    let tokens: Vec<&Token> = scan.tokens.iter().collect();
    let text = |idx: usize| tokens.get(idx).map_or("", |token| scan.text(token));
    let mut found = Vec::new();
    let mut depth = 0usize;
    let mut at = 0;
    while let Some(token) = tokens.get(at) {
        match token.kind {
            Kind::Open => depth += 1,
            Kind::Close => depth = depth.saturating_sub(1),
            Kind::Keyword if depth == 0 && text(at) == "fn" && text(at + 2) == "(" => {
                let Some(close) = closing(&scan, at + 2) else { break };
                let Some(end) = closing(&scan, close + 1) else { break };
                let names = tokens.get(at + 3..close).unwrap_or_default();
                // A private function is known by its word, and its doc comments go with it.
                let mut first = at;
                while first > 0 && (text(first - 1) == "private" || text(first - 1).starts_with("///")) {
                    first -= 1;
                }
                found.push(Defined {
                    name: text(at + 1).to_owned(),
                    n_params: names.iter().filter(|token| token.kind == Kind::Name).count(),
                    start: tokens.get(first).map_or(0, |token| token.start),
                    end: tokens.get(end).map_or(code.len(), |token| token.end),
                });
                at = end;
            }
            _ => {}
        }
        at += 1;
    }
    found
}

/// The bracket that closes the one at `open`.
fn closing(scan: &Scan, open: usize) -> Option<usize> {
    let mut depth = 0usize;
    for idx in open..scan.tokens.len() {
        match scan.tokens.get(idx)?.kind {
            Kind::Open => depth += 1,
            Kind::Close => depth = depth.checked_sub(1)?,
            Kind::Comment => continue,
            _ => {}
        }
        if depth == 0 {
            return Some(idx);
        }
    }
    None
}

/// `code` without the functions that are in `later` again.
fn without(code: &str, later: &[Defined]) -> String {
    let mut out = String::new();
    let mut at = 0;
    for own in definitions(code) {
        if later.iter().any(|other| other.name == own.name && other.n_params == own.n_params) {
            out.push_str(code.get(at..own.start).unwrap_or_default());
            at = own.end;
        }
    }
    out.push_str(code.get(at..).unwrap_or_default());
    out
}

/// Where the statements of `code` end: after each `;` outside brackets, and after a block that ends a statement.
fn statement_ends(code: &str) -> Vec<usize> {
    let scan = Scan::new(code);
    let tokens: Vec<&Token> = scan.code().collect();
    let mut ends = Vec::new();
    let (mut depth, mut fresh, mut is_block) = (0usize, true, false);
    for (idx, token) in tokens.iter().enumerate() {
        let text = scan.text(token);
        if fresh && depth == 0 {
            is_block = ["if", "for", "while", "loop", "fn", "private", "try", "switch"].contains(&text) || text == "{";
            fresh = false;
        }
        match token.kind {
            Kind::Open => depth += 1,
            Kind::Close => depth = depth.saturating_sub(1),
            _ => {}
        }
        let next = tokens.get(idx + 1).map_or("", |token| scan.text(token));
        let closes = is_block && text == "}" && !["else", "catch", ".", ";"].contains(&next);
        if depth == 0 && (text == ";" || closes) {
            ends.push(token.end);
            fresh = true;
        }
    }
    ends
}

#[cfg(test)]
mod tests {
    use super::*;

    fn script(inputs: &[(&str, bool)]) -> String {
        let mut transcript = Transcript::default();
        for (code, shown) in inputs {
            transcript.keep(code, *shown);
        }
        let script = transcript.script();
        script.split_once("\n\n").map_or(script.clone(), |(_, body)| body.to_owned())
    }

    #[test]
    fn inputs_become_statements_and_shown_values_are_printed() {
        let inputs = [("let x = 1", false), ("x + 1 // more", true), ("let x = x + 1;", false), ("print(x)", false)];
        assert_eq!(script(&inputs), "let x = 1;\nprint(x + 1); // more\nlet x = x + 1;\nprint(x);\n");
        assert_eq!(script(&[("let a = 2; a * 2", true)]), "let a = 2; a * 2;\n");
    }

    #[test]
    fn a_function_defined_anew_is_there_once() {
        let inputs = [
            ("/// old\nfn f(x) { x }\nlet y = f(1);", false),
            ("fn f(a, b) { a + b }", false),
            ("fn f(x) { `${x}}` }", false),
        ];
        let script = script(&inputs);
        assert_eq!(script, "\nlet y = f(1);\nfn f(a, b) { a + b };\nfn f(x) { `${x}}` };\n");
        let engine = rhai::Engine::new();
        assert_eq!(engine.eval::<String>(&format!("{script} f(7)")).expect("runs"), "7}");
    }

    #[test]
    fn what_ran_before_an_error_is_kept() {
        let code = "let a = 1; if a > 0 { a += 1; } else { } let b = a.nothing; let c = 2;";
        let failed_at = code.find("nothing").expect("there");
        let mut transcript = Transcript::default();
        transcript.keep_before(code, failed_at);
        assert!(
            transcript.script().ends_with("let a = 1; if a > 0 { a += 1; } else { };\n"),
            "{}",
            transcript.script()
        );
        let mut transcript = Transcript::default();
        transcript.keep_before("let a = nothing", 8);
        assert!(transcript.is_empty());
    }

    #[test]
    fn w2s_is_imported_where_it_is_used() {
        let mut transcript = Transcript::default();
        transcript.keep("w2s::compare([])", true);
        assert!(transcript.script().contains("import \"w2s\" as w2s;\n\nprint(w2s::compare([]));"));
    }
}
