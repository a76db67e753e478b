//! What can be named at the prompt: modules, functions, variables with their types, members of a type.
//!
//! Types are the words of the records (`Frame`, `array of Model`, `float`); the type of an expression is read off its
//! tokens, so that `model::ladder("world")[0].` already knows that a `Model` stands before the dot.

use crate::bind::Kind;
use crate::cli::help::Reference;
use crate::lang::Session;
use crate::lang::known::{Callable, Known};
use crate::report::scan::{Kind as TokenKind, Scan};
use rhai::{Array, Dynamic, Map};
use std::sync::Arc;

/// A variable of the session.
#[derive(Debug, Clone, PartialEq)]
pub struct Variable {
    pub name: String,
    pub type_name: String,
    /// Keys of an object map with the types of their values.
    pub keys: Vec<(String, String)>,
}

/// Everything that can be named now.
pub struct Names {
    pub reference: Arc<Reference>,
    pub variables: Vec<Variable>,
    pub known: Known,
}

impl Names {
    /// The names of a session that has run nothing yet.
    pub fn new(reference: Arc<Reference>) -> Self {
        let known = Known::shipped(&reference.registry, &rhai::Engine::new(), true);
        Names { reference, variables: Vec::new(), known }
    }

    /// Reads the session's variables and functions anew. `source` is what its inputs are called.
    pub fn refresh(&mut self, session: &Session, source: &str) {
        let mut seen = std::collections::BTreeSet::new();
        let mut variables: Vec<Variable> = Vec::new();
        // Newest first: an earlier variable of the same name is hidden.
        for (name, _, value) in session.scope.iter_raw() {
            if seen.insert(name.to_owned()) {
                let keys = value
                    .read_lock::<Map>()
                    .map(|map| map.iter().map(|(key, held)| (key.to_string(), self.type_of(held))).collect::<Vec<_>>());
                variables.push(Variable {
                    name: name.to_owned(),
                    type_name: self.type_of(value),
                    keys: keys.unwrap_or_default(),
                });
            }
        }
        variables.reverse();
        self.variables = variables;
        self.known = Known::of(session, source, &session.functions());
    }

    /// The type of a value in the records' words.
    pub fn type_of(&self, value: &Dynamic) -> String {
        // What a closure captured is shared; asked for its type, only its content says it.
        if value.is_shared() {
            return self.type_of(&value.flatten_clone());
        }
        if let Some(record) = self.reference.registry.types.iter().find(|record| record.id == value.type_id()) {
            return record.name.to_owned();
        }
        if let Some(items) = value.read_lock::<Array>() {
            let mut kinds = items.iter().take(20).map(|item| self.type_of(item));
            let first = kinds.next();
            return match first {
                Some(kind) if kinds.all(|other| other == kind) => format!("array of {kind}"),
                _ => "array".to_owned(),
            };
        }
        match value.type_name() {
            "()" => "()".to_owned(),
            "i64" => "integer".to_owned(),
            "f64" => "float".to_owned(),
            "map" => "object map".to_owned(),
            "Fn" => "function".to_owned(),
            other => other.rsplit("::").next().unwrap_or(other).to_owned(),
        }
    }

    /// The variable `name`.
    pub fn variable(&self, name: &str) -> Option<&Variable> {
        self.variables.iter().find(|variable| variable.name == name)
    }

    /// The functions of a module; of no module where `module` is empty.
    pub fn functions(&self, module: &str) -> impl Iterator<Item = &Callable> {
        self.known.functions(Some(module).filter(|module| !module.is_empty()))
    }

    /// Properties and methods of a type, each name of the language once.
    pub fn members(&self, type_name: &str) -> Vec<&Callable> {
        let type_name = if type_name.starts_with("array") { "array" } else { type_name };
        let mut found: Vec<&Callable> = self.known.properties(type_name).chain(self.known.methods(type_name)).collect();
        found.dedup_by(|a, b| a.is_plain && b.is_plain && a.name == b.name && a.is_getter == b.is_getter);
        found
    }

    /// The type of the expression that ends before the token at `end`: a variable, a call, members, indices.
    pub fn type_before(&self, scan: &Scan, end: usize) -> Option<String> {
        let start = scan.chain_start(end)?;
        self.chain_type(scan, start, end)
    }

    fn chain_type(&self, scan: &Scan, start: usize, end: usize) -> Option<String> {
        let text = |idx: usize| if idx < end { scan.tokens.get(idx).map_or("", |token| scan.text(token)) } else { "" };
        let first = scan.tokens.get(start)?;
        let mut at = start + 1;
        let (mut kind, mut keys) = match first.kind {
            TokenKind::Text => ("string".to_owned(), Vec::new()),
            TokenKind::Number => return None,
            TokenKind::Open if scan.text(first) == "[" => {
                at = scan.after_bracket(start, end)?;
                ("array".to_owned(), Vec::new())
            }
            TokenKind::Open if scan.text(first) == "(" => {
                at = scan.after_bracket(start, end)?;
                (self.type_before(scan, at - 1)?, Vec::new())
            }
            TokenKind::Name if text(at) == "::" => {
                let callable = self.functions(text(start)).find(|f| f.name == text(start + 2))?;
                at = scan.after_bracket(start + 3, end)?;
                (callable.answer.clone(), Vec::new())
            }
            TokenKind::Name if text(at) == "(" => {
                let callable = self.functions("").find(|f| f.name == text(start))?;
                at = scan.after_bracket(at, end)?;
                (callable.answer.clone(), Vec::new())
            }
            TokenKind::Name => {
                let variable = self.variable(text(start))?;
                (variable.type_name.clone(), variable.keys.clone())
            }
            _ => return None,
        };
        while at < end {
            match text(at) {
                "." | "?." => {
                    let name = text(at + 1);
                    let called = text(at + 2) == "(";
                    let by_key = keys.iter().find(|(key, _)| key == name).map(|(_, kind)| kind.clone());
                    let member = self.members(&kind).into_iter().find(|m| m.name == name && m.is_getter != called);
                    kind = member.map(|m| m.answer.clone()).or(by_key)?;
                    at = if called { scan.after_bracket(at + 2, end)? } else { at + 2 };
                }
                "[" | "?[" => {
                    kind = self.item_type(&kind)?;
                    at = scan.after_bracket(at, end)?;
                }
                _ => return None,
            }
            keys.clear();
        }
        (!kind.is_empty()).then_some(kind)
    }

    /// The type of `value[i]`.
    fn item_type(&self, kind: &str) -> Option<String> {
        if let Some(item) = kind.strip_prefix("array of ") {
            return Some(item.to_owned());
        }
        let functions = self.reference.registry.functions.iter();
        let mut index =
            functions.filter(|f| f.kind == Kind::Operator && f.module == kind && f.name.starts_with("index"));
        let answer = index.next()?.returns.split([',', ':', '.', ';']).next().unwrap_or("").trim();
        Some(answer.to_owned())
    }

    /// What is called by the bracket `(` at the token `open`.
    pub fn callee(&self, scan: &Scan, open: usize) -> Option<Callable> {
        let name = scan.tokens.get(open.checked_sub(1)?)?;
        if name.kind != TokenKind::Name || name.end != scan.tokens.get(open)?.start {
            return None;
        }
        self.named(scan, open - 1)
    }

    /// The function whose name is the token at `idx`.
    pub fn named(&self, scan: &Scan, idx: usize) -> Option<Callable> {
        let name = scan.text(scan.tokens.get(idx)?);
        let before = idx.checked_sub(1).and_then(|at| scan.tokens.get(at)).map_or("", |token| scan.text(token));
        match before {
            "::" => {
                let module = scan.text(scan.tokens.get(idx.checked_sub(2)?)?);
                // Of several of one name the longest is meant: it shows all that there is.
                self.functions(module).filter(|f| f.name == name).max_by_key(|f| f.params.len()).cloned()
            }
            "." | "?." => {
                let kind = self.type_before(scan, idx - 1)?;
                self.members(&kind).into_iter().find(|f| f.name == name && !f.is_getter).cloned()
            }
            "fn" => None,
            _ => self.functions("").find(|f| f.name == name).cloned(),
        }
    }
}
