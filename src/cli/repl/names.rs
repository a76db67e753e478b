//! What can be named at the prompt: modules, functions, variables with their types, members of a type.
//!
//! Types are the words of the records (`Frame`, `array of Model`, `float`); the type of an expression is read off its
//! tokens, so that `model::ladder("world")[0].` already knows that a `Model` stands before the dot.

use crate::bind::{Function, Kind, OptionDoc};
use crate::cli::help::Reference;
use crate::lang::Session;
use crate::report::scan::{Kind as TokenKind, Scan};
use rhai::{Array, Dynamic, Map};
use std::any::TypeId;
use std::collections::BTreeMap;
use std::sync::Arc;

/// A variable of the session.
#[derive(Debug, Clone, PartialEq)]
pub struct Variable {
    pub name: String,
    pub type_name: String,
    /// Keys of an object map with the types of their values.
    pub keys: Vec<(String, String)>,
}

/// A function that the session's scripts define: typed at the prompt or imported.
#[derive(Debug, Clone, PartialEq)]
pub struct Defined {
    /// The alias of its module; empty for one that was typed here.
    pub module: String,
    pub name: String,
    pub params: Vec<String>,
}

/// A member of a type of the language, such as `array.push`.
#[derive(Debug, Clone, PartialEq)]
struct Member {
    type_name: &'static str,
    name: String,
    params: Vec<String>,
    is_getter: bool,
}

/// Something that can be called, with what there is to say while its arguments are typed.
#[derive(Debug, Clone, PartialEq)]
pub struct Callable {
    pub name: String,
    /// `weak: float`, without a receiver.
    pub params: Vec<String>,
    pub options: Vec<OptionDoc>,
    /// The type of the answer, empty for nothing.
    pub answer: String,
    /// A property: nothing is called.
    pub is_getter: bool,
}

impl Callable {
    fn of(function: &Function, skip_first: bool) -> Self {
        let mark = |optional: bool| if optional { "?" } else { "" };
        let params = function.params.iter().skip(usize::from(skip_first));
        let mut params: Vec<String> =
            params.map(|p| format!("{}{}: {}", p.name, mark(p.optional), p.type_name)).collect();
        if !function.option_docs().is_empty() {
            params.push("#{…}".to_owned());
        }
        let answer = function.returns.split([',', ':', '.', ';']).next().unwrap_or("").trim().trim_start_matches("()");
        Callable {
            name: function.name.to_owned(),
            params,
            options: function.option_docs().to_vec(),
            answer: answer.to_owned(),
            is_getter: function.kind == Kind::Getter,
        }
    }

    fn untyped(name: &str, params: &[String]) -> Self {
        Callable {
            name: name.to_owned(),
            params: params.to_vec(),
            options: Vec::new(),
            answer: String::new(),
            is_getter: false,
        }
    }
}

/// Everything that can be named now.
pub struct Names {
    pub reference: Arc<Reference>,
    pub variables: Vec<Variable>,
    pub defined: Vec<Defined>,
    language: Vec<Member>,
}

impl Names {
    /// The names of a session that has run nothing yet.
    pub fn new(reference: Arc<Reference>) -> Self {
        Names { reference, variables: Vec::new(), defined: Vec::new(), language: language_members() }
    }

    /// Reads the session's variables and functions anew.
    pub fn refresh(&mut self, session: &Session, aliases: &BTreeMap<String, Vec<Defined>>) {
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
        self.defined = session
            .functions()
            .into_iter()
            .map(|f| Defined { module: String::new(), name: f.name, params: f.params })
            .chain(aliases.values().flatten().cloned())
            .collect();
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

    /// Names of modules that have functions: builtins, the script stdlib, what was imported here.
    pub fn modules(&self) -> Vec<String> {
        let mut names: Vec<String> = self.reference.registry.modules.keys().map(|name| (*name).to_owned()).collect();
        names.extend(self.reference.scripts.iter().map(|module| module.name.clone()));
        names.extend(self.defined.iter().map(|f| f.module.clone()).filter(|module| !module.is_empty()));
        names.sort();
        names.dedup();
        names
    }

    /// The functions of a module; of no module where `module` is empty.
    pub fn functions(&self, module: &str) -> Vec<Callable> {
        let builtins = self.reference.registry.functions.iter();
        let builtins = builtins.filter(|f| f.kind == Kind::Function && f.module == module);
        let mut found: Vec<Callable> = builtins.map(|f| Callable::of(f, false)).collect();
        let scripts = self.reference.script_functions().filter(|(script, _)| script.name == module);
        found.extend(scripts.map(|(_, f)| Callable::untyped(&f.name, &f.params)));
        let defined = self.defined.iter().filter(|f| f.module == module);
        found.extend(defined.map(|f| Callable::untyped(&f.name, &f.params)));
        found
    }

    /// Properties and methods of a type.
    pub fn members(&self, type_name: &str) -> Vec<Callable> {
        let mut found = Vec::new();
        for function in &self.reference.registry.functions {
            let own = matches!(function.kind, Kind::Method | Kind::Getter) && function.module == type_name;
            let also = function.also_method_of.is_some_and(|(name, _)| name == type_name);
            if own || also {
                found.push(Callable::of(function, also));
            }
        }
        let plain = if type_name.starts_with("array") { "array" } else { type_name };
        for member in self.language.iter().filter(|member| member.type_name == plain) {
            found.push(Callable { is_getter: member.is_getter, ..Callable::untyped(&member.name, &member.params) });
        }
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
                let callable = self.functions(text(start)).into_iter().find(|f| f.name == text(start + 2))?;
                at = scan.after_bracket(start + 3, end)?;
                (callable.answer, Vec::new())
            }
            TokenKind::Name if text(at) == "(" => {
                let callable = self.functions("").into_iter().find(|f| f.name == text(start))?;
                at = scan.after_bracket(at, end)?;
                (callable.answer, Vec::new())
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
                    kind = member.map(|m| m.answer).or(by_key)?;
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
        index.next().map(|f| Callable::of(f, false).answer)
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
                self.functions(module).into_iter().find(|f| f.name == name)
            }
            "." | "?." => {
                let kind = self.type_before(scan, idx - 1)?;
                self.members(&kind).into_iter().find(|f| f.name == name && !f.is_getter)
            }
            "fn" => None,
            _ => self.functions("").into_iter().find(|f| f.name == name),
        }
    }
}

/// What the language itself offers on arrays, strings, maps and functions.
fn language_members() -> Vec<Member> {
    let types = [
        (TypeId::of::<Array>(), "array"),
        (TypeId::of::<rhai::ImmutableString>(), "string"),
        (TypeId::of::<Map>(), "object map"),
        (TypeId::of::<rhai::FnPtr>(), "function"),
        (TypeId::of::<i64>(), "integer"),
        (TypeId::of::<f64>(), "float"),
    ];
    let engine = rhai::Engine::new();
    let mut members = engine.collect_fn_metadata(
        None,
        |info| {
            let record = info.metadata;
            let first = record.param_types.first()?;
            let (_, type_name) = types.iter().find(|(id, _)| id == first)?;
            let (name, is_getter) = match record.name.strip_prefix("get$") {
                Some(name) => (name, true),
                None => (record.name.as_str(), false),
            };
            if !rhai::is_valid_identifier(name) {
                return None;
            }
            let params = record.params_info.iter().skip(1);
            let params = params.map(|param| param.split(':').next().unwrap_or("").trim().to_owned()).collect();
            Some(Member { type_name, name: name.to_owned(), params, is_getter })
        },
        true,
    );
    members.sort_by(|a, b| (a.type_name, &a.name, a.params.len()).cmp(&(b.type_name, &b.name, b.params.len())));
    members.dedup_by(|a, b| (a.type_name, &a.name) == (b.type_name, &b.name));
    members
}
