//! What the language leaves to chance, written out before a text is compiled.
//!
//! A loop's variable becomes a new one in each turn, so that a closure keeps the value of its turn. A variable that holds a
//! closure is called like a function: `f(x)` becomes `f.call(x)`. What goes into a text passes a guard that refuses nothing,
//! `()`. An error that `catch` holds gets a code. [`Edits`] leads every column back to the text as it was written.

use super::guard;
use crate::report::scan::{Kind, Scan};
use rhai::{AST, ASTNode, Engine, ParseError, Scope, Stmt};
use std::collections::{BTreeMap, BTreeSet};

/// A text put in before a column. Lines and columns count from 1, in characters of the written text.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Edit {
    line: usize,
    column: usize,
    text: String,
    /// The column that an error inside the new text is shown at.
    shown: usize,
}

/// Everything that was put into one text.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Edits(BTreeMap<usize, Vec<Edit>>);

impl Edits {
    fn add(&mut self, edit: Edit) {
        let line = self.0.entry(edit.line).or_default();
        line.push(edit);
        line.sort_by_key(|edit| edit.column);
    }

    fn has(&self, edit: &Edit) -> bool {
        self.0.get(&edit.line).is_some_and(|line| line.contains(edit))
    }

    /// The column of the written text that `column` of the compiled one came from.
    pub fn written(&self, line: usize, column: usize) -> usize {
        let mut shift = 0;
        for edit in self.0.get(&line).into_iter().flatten() {
            let (start, length) = (edit.column + shift, edit.text.chars().count());
            if column < start {
                break;
            }
            if column < start + length {
                return edit.shown;
            }
            shift += length;
        }
        column - shift
    }

    /// These and those of `other`, which stand in other lines.
    pub fn extend(&mut self, other: Edits) {
        self.0.extend(other.0);
    }

    fn apply(&self, text: &str) -> String {
        if self.0.is_empty() {
            return text.to_owned();
        }
        let mut made = String::with_capacity(text.len() + 256);
        for (idx, line) in text.split_inclusive('\n').enumerate() {
            let Some(edits) = self.0.get(&(idx + 1)) else {
                made.push_str(line);
                continue;
            };
            let mut edits = edits.iter().peekable();
            for (at, c) in line.chars().enumerate() {
                while let Some(edit) = edits.next_if(|edit| edit.column <= at + 1) {
                    made.push_str(&edit.text);
                }
                made.push(c);
            }
            edits.for_each(|edit| made.push_str(&edit.text));
        }
        made
    }
}

/// Compiles `text`. `scope` holds what is declared before it, `is_function` knows every function from elsewhere.
pub fn compile(
    engine: &Engine,
    scope: &Scope,
    is_function: &dyn Fn(&str) -> bool,
    text: &str,
) -> Result<(AST, Edits), ParseError> {
    let mut edits = Edits::default();
    let outer: Vec<&str> = scope.iter_raw().map(|(name, ..)| name).collect();
    Reader::new(text, is_function).read(&outer).into_iter().for_each(|edit| edits.add(edit));
    let Ok(mut ast) = engine.compile_with_scope(scope, edits.apply(text)) else {
        // What was written says best what is wrong with it.
        return engine.compile_with_scope(scope, text).map(|ast| (ast, Edits::default()));
    };
    let fresh: Vec<Edit> = fresh_in_each_turn(&ast, &edits).into_iter().filter(|edit| !edits.has(edit)).collect();
    if !fresh.is_empty() {
        let mut more = edits.clone();
        fresh.into_iter().for_each(|edit| more.add(edit));
        if let Ok(made) = engine.compile_with_scope(scope, more.apply(text)) {
            (ast, edits) = (made, more);
        }
    }
    Ok((ast, edits))
}

/// A declaration at the head of each loop whose variable a closure in its body captures.
fn fresh_in_each_turn(ast: &AST, edits: &Edits) -> BTreeSet<Edit> {
    let mut found = BTreeSet::new();
    ast.walk(&mut |path: &[ASTNode]| {
        let Some((ASTNode::Stmt(Stmt::Share(captured)), around)) = path.split_last() else { return true };
        for (ident, _) in captured.iter() {
            let holder = around.iter().rev().find_map(|node| match node {
                ASTNode::Stmt(Stmt::For(parts, _)) => {
                    let is_own = parts.0.name == ident.name || parts.1.as_ref().is_some_and(|c| c.name == ident.name);
                    is_own.then_some(&parts.2.body)
                }
                _ => None,
            });
            let Some(body) = holder else { continue };
            // A script that does it itself stays as it is.
            if matches!(body.statements().first(), Some(Stmt::Var(parts, ..)) if parts.0.name == ident.name) {
                continue;
            }
            if let (Some(line), Some(column)) = (body.position().line(), body.position().position()) {
                let column = edits.written(line, column);
                let text = format!(" let {0} = {0};", ident.name);
                found.insert(Edit { line, column: column + 1, text, shown: column });
            }
        }
        true
    });
    found
}

/// Names that are declared in one block.
#[derive(Default)]
struct Level<'t> {
    names: Vec<&'t str>,
    /// Parameters of closures: gone after the argument or statement that they stand in.
    params: Vec<&'t str>,
    /// Declared at the end of the statement.
    coming: Vec<&'t str>,
    /// The body of a function: nothing outside can be seen.
    is_function: bool,
}

struct Reader<'t> {
    text: &'t str,
    scan: Scan<'t>,
    is_function: &'t dyn Fn(&str) -> bool,
    own: BTreeSet<&'t str>,
    /// Where each line starts, in bytes.
    lines: Vec<usize>,
    edits: Vec<Edit>,
    wrapped: BTreeSet<(usize, usize)>,
}

impl<'t> Reader<'t> {
    fn new(text: &'t str, is_function: &'t dyn Fn(&str) -> bool) -> Self {
        let mut scan = Scan::new(text);
        scan.tokens.retain(|token| token.kind != Kind::Comment);
        let lines = std::iter::once(0).chain(text.match_indices('\n').map(|(at, _)| at + 1)).collect();
        let (own, edits, wrapped) = (BTreeSet::new(), Vec::new(), BTreeSet::new());
        let mut reader = Reader { text, scan, is_function, own, lines, edits, wrapped };
        let n = reader.scan.tokens.len();
        reader.own = (1..n).filter(|idx| reader.word(idx - 1) == "fn").map(|idx| reader.word(idx)).collect();
        reader
    }

    fn word(&self, idx: usize) -> &'t str {
        self.scan.tokens.get(idx).map_or("", |token| self.scan.text(token))
    }

    fn kind(&self, idx: usize) -> Option<Kind> {
        self.scan.tokens.get(idx).map(|token| token.kind)
    }

    /// Line and column of a byte.
    fn place(&self, byte: usize) -> (usize, usize) {
        let line = self.lines.partition_point(|start| *start <= byte);
        let start = self.lines.get(line.saturating_sub(1)).copied().unwrap_or(0);
        let column = self.text.get(start..byte).map_or(0, |before| before.chars().count()) + 1;
        (line, column)
    }

    fn put(&mut self, byte: usize, text: &str, shown: usize) {
        let ((line, column), (_, shown)) = (self.place(byte), self.place(shown));
        self.edits.push(Edit { line, column, text: text.to_owned(), shown });
    }

    fn read(mut self, outer: &[&'t str]) -> Vec<Edit> {
        let mut levels = vec![Level { names: outer.to_vec(), ..Level::default() }];
        // Names that hold in the next block at this depth, and whether it is a function's body.
        let mut next: Option<(usize, Vec<&'t str>, bool)> = None;
        let mut idx = 0;
        while let Some(kind) = self.kind(idx) {
            let (word, depth) = (self.word(idx), levels.len());
            match kind {
                Kind::Open => {
                    if word == "${" {
                        self.interpolation(idx);
                    }
                    let head = next.take_if(|(at, ..)| *at == depth && word == "{");
                    let (names, is_function) = head.map_or_else(Default::default, |(_, names, body)| (names, body));
                    levels.push(Level { names, is_function, ..Level::default() });
                }
                Kind::Close if levels.len() > 1 => {
                    levels.pop();
                }
                Kind::Keyword => match word {
                    "let" | "const" if self.kind(idx + 1) == Some(Kind::Name) => {
                        let name = self.word(idx + 1);
                        levels.last_mut().into_iter().for_each(|level| level.coming.push(name));
                        idx += 1;
                    }
                    "for" => next = Some((depth, self.names_until(idx + 1, &["in", "{"]), false)),
                    "catch" => {
                        let names = self.names_until(idx + 1, &["{"]);
                        self.caught(idx, names.first().copied());
                        next = Some((depth, names, false));
                    }
                    "fn" => {
                        let open = (idx..idx + 5).find(|at| self.word(*at) == "(").unwrap_or(idx);
                        next = Some((depth, self.names_until(open, &["{"]), true));
                        idx = open.saturating_sub(1).max(idx);
                    }
                    _ => {}
                },
                Kind::Operator => match word {
                    ";" | "," => {
                        if let Some(level) = levels.last_mut() {
                            level.params.clear();
                            if word == ";" {
                                level.names.append(&mut level.coming);
                            }
                        }
                    }
                    "|" if self.starts_expression(idx) => {
                        let close = (idx + 1..).take_while(|at| self.kind(*at).is_some());
                        if let Some(close) = close.into_iter().find(|at| self.word(*at) == "|") {
                            let names: Vec<&str> = (idx + 1..close)
                                .filter(|at| self.kind(*at) == Some(Kind::Name))
                                .map(|at| self.word(at))
                                .collect();
                            levels.last_mut().into_iter().for_each(|level| level.params.extend(&names));
                            idx = close;
                        }
                    }
                    "+" | "+=" if !self.starts_expression(idx) => self.sum(idx),
                    _ => {}
                },
                Kind::Name if self.word(idx + 1) == "(" => self.called(idx, &levels),
                _ => {}
            }
            idx += 1;
        }
        self.edits
    }

    /// Names from `from` on, up to one of `ends`.
    fn names_until(&self, from: usize, ends: &[&str]) -> Vec<&'t str> {
        let inside = (from..from + 64).take_while(|at| self.kind(*at).is_some() && !ends.contains(&self.word(*at)));
        inside.filter(|at| self.kind(*at) == Some(Kind::Name)).map(|at| self.word(at)).collect()
    }

    /// Whether an operand is expected at `idx`, so that `|` opens a closure and `+` is a sign.
    fn starts_expression(&self, idx: usize) -> bool {
        match idx.checked_sub(1).and_then(|before| self.kind(before)) {
            Some(Kind::Name | Kind::Number | Kind::Text | Kind::Close) => false,
            Some(Kind::Keyword) => !matches!(self.word(idx - 1), "this" | "true" | "false"),
            _ => true,
        }
    }

    /// `f(…)` where `f` is a variable and no function.
    fn called(&mut self, idx: usize, levels: &[Level]) {
        let name = self.word(idx);
        let before = idx.checked_sub(1).map_or("", |before| self.word(before));
        let (Some(token), Some(open)) = (self.scan.tokens.get(idx), self.scan.tokens.get(idx + 1)) else { return };
        let (start, end, is_joined) = (token.start, token.end, token.end == open.start);
        if !is_joined || matches!(before, "." | "?." | "::" | "fn") || self.own.contains(name) {
            return;
        }
        let seen = levels.iter().rposition(|level| level.is_function).unwrap_or(0);
        let visible = levels.get(seen..).unwrap_or_default();
        let is_variable = visible.iter().any(|level| level.names.contains(&name) || level.params.contains(&name));
        if is_variable && !(self.is_function)(name) {
            self.put(end, ".call", start);
        }
    }

    /// `${…}` of one expression.
    fn interpolation(&mut self, open: usize) {
        let Some(after) = self.scan.after_bracket(open, self.scan.tokens.len()) else { return };
        let (first, close) = (open + 1, after - 1);
        let is_plain = matches!(self.kind(first), Some(Kind::Text | Kind::Keyword)) || close <= first;
        let is_number = close == first + 1 && self.kind(first) == Some(Kind::Number);
        let has_statements = (first..close).any(|at| matches!(self.word(at), ";" | "{"));
        if !is_plain && !is_number && !has_statements {
            self.guard(first, close);
        }
    }

    /// Puts the tokens from `first` to before `end` through the guard of texts.
    fn guard(&mut self, first: usize, end: usize) {
        let (Some(start), Some(last)) = (self.scan.tokens.get(first), self.scan.tokens.get(end.saturating_sub(1)))
        else {
            return;
        };
        let (start, end) = (start.start, last.end);
        if self.wrapped.insert((start, end)) {
            self.put(start, &format!("{}(", guard::TEXT), start);
            self.put(end, ")", start);
        }
    }

    /// The operands at a `+` that joins texts.
    fn sum(&mut self, at: usize) {
        let joins = self.is_sum_with_text(at);
        let changes = |reader: &Self, first: usize, end: usize| {
            let name =
                (first..end).rev().find(|idx| reader.word(idx + 1) == "(" && reader.word(idx.saturating_sub(1)) == ".");
            name.is_some_and(|idx| {
                guard::RETURNS_NOTHING.contains(&reader.word(idx))
                    && reader.scan.after_bracket(idx + 1, end) == Some(end)
            })
        };
        if let Some(end) = self.scan.chain_end(at + 1)
            && (joins || changes(self, at + 1, end))
        {
            self.guard(at + 1, end);
        }
        if self.word(at) != "+" || self.kind(at - 1) == Some(Kind::Text) {
            return;
        }
        if let Some(first) = self.scan.chain_start(at)
            && (self.kind(first) == Some(Kind::Name) || matches!(self.word(first), "(" | "["))
        {
            let before = first.checked_sub(1).map_or("", |before| self.word(before));
            let is_first = !matches!(before, "+" | "-" | "*" | "/" | "%" | "**" | "!");
            if is_first && (joins || changes(self, first, at)) {
                self.guard(first, at);
            }
        }
    }

    /// Whether a text stands among the operands around a `+`.
    fn is_sum_with_text(&self, at: usize) -> bool {
        let goes_on = |idx: usize| matches!(self.word(idx), "+" | "-" | "*" | "/" | "%" | "." | "?." | "::");
        let mut idx = at;
        while let Some(before) = idx.checked_sub(1) {
            match self.kind(before) {
                Some(Kind::Text) => return true,
                Some(Kind::Close) => idx = self.scan.opening(before).unwrap_or(0),
                Some(Kind::Name | Kind::Number) => idx = before,
                Some(Kind::Operator) if goes_on(before) => idx = before,
                _ => break,
            }
        }
        let mut idx = at + 1;
        loop {
            match self.kind(idx) {
                Some(Kind::Text) => return true,
                Some(Kind::Open) if self.word(idx) != "{" => {
                    match self.scan.after_bracket(idx, self.scan.tokens.len()) {
                        Some(after) => idx = after,
                        None => return false,
                    }
                }
                Some(Kind::Name | Kind::Number) => idx += 1,
                Some(Kind::Operator) if goes_on(idx) => idx += 1,
                _ => return false,
            }
        }
    }

    /// The head of a `catch (e) { … }`.
    fn caught(&mut self, idx: usize, name: Option<&str>) {
        let Some(name) = name else { return };
        let open = (idx..idx + 5).find(|at| self.word(*at) == "{");
        if let Some(token) = open.and_then(|open| self.scan.tokens.get(open)) {
            let (at, text) = (token.end, format!(" {}({name});", guard::CAUGHT));
            self.put(at, &text, at.saturating_sub(1));
        }
    }
}
