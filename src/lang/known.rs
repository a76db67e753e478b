//! The model of names: functions, methods and properties of builtins, of scripts and of the language. Errors, `check`,
//! completion and hints read it.

use super::Session;
use super::described::OptionName;
use super::resolve::{self, STDLIB, ScriptFunction};
use crate::bind::{Function, Kind, Registry};
use crate::report::scan::{Scan, Token};
use rhai::Engine;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::OnceLock;

/// Functions that the language's interpreter provides itself; they appear in no list.
pub(super) const SYNTACTIC: &[&str] =
    &["Fn", "call", "curry", "is_def_fn", "is_def_var", "is_shared", "type_of", "print", "debug", "exit"];

/// Whether it is a guard that no script writes.
pub(super) fn is_guard(name: &str) -> bool {
    [super::guard::TEXT, super::guard::CAUGHT].contains(&name)
}

/// Something that can be called, or read as a property.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Callable {
    /// `metric` of `metric::auroc`, as this source calls it.
    pub module: Option<String>,
    /// The type that it is a method or a property of; none for functions.
    pub receiver: Option<String>,
    pub name: String,
    /// Fewest and most arguments, the receiver not counted.
    pub arity: (usize, usize),
    /// `weak: float`, the receiver left out.
    pub params: Vec<String>,
    pub signature: String,
    /// Keys that its option map may have, if it takes one and they are known.
    pub keys: Option<Vec<String>>,
    /// What is said of its options.
    pub options: Vec<OptionName>,
    /// The type of the answer, empty where it is nothing or unknown.
    pub answer: String,
    /// A property: nothing is called.
    pub is_getter: bool,
    /// Whether it is written in Rhai; then `keys` holds the valid ones and others besides.
    pub is_script: bool,
    /// Whether it belongs to the language rather than to w2s or a script.
    pub is_plain: bool,
}

impl Callable {
    /// How it is called: `metric::auroc`, `Frame.filter`, `col`.
    pub fn path(&self) -> String {
        match (&self.module, &self.receiver) {
            (Some(module), _) => format!("{module}::{}", self.name),
            (None, Some(receiver)) => format!("{receiver}.{}", self.name),
            (None, None) => self.name.clone(),
        }
    }

    /// A function that is written in Rhai.
    pub fn script(module: Option<&str>, function: &ScriptFunction) -> Self {
        let n = function.params.len();
        let path = module.map_or_else(|| function.name.clone(), |module| format!("{module}::{}", function.name));
        Callable {
            module: module.map(str::to_owned),
            name: function.name.clone(),
            arity: (n, n),
            params: function.params.clone(),
            signature: format!("{path}({})", function.params.join(", ")),
            keys: function.options.clone(),
            options: function.described.clone(),
            is_script: true,
            ..Callable::default()
        }
    }

    fn builtin(function: &Function) -> Self {
        let mark = |optional: bool| if optional { "?" } else { "" };
        let params = function.params.iter();
        let mut params: Vec<String> =
            params.map(|p| format!("{}{}: {}", p.name, mark(p.optional), p.type_name)).collect();
        if !function.option_docs().is_empty() {
            params.push("#{…}".to_owned());
        }
        let answer = function.returns.split([',', ':', '.', ';']).next().unwrap_or("").trim().trim_start_matches("()");
        let is_free = function.kind == Kind::Function;
        Callable {
            module: (is_free && !function.module.is_empty()).then(|| function.module.to_owned()),
            receiver: (!is_free).then(|| function.module.to_owned()),
            name: function.name.to_owned(),
            arity: function.arity(),
            params,
            signature: function.signature(),
            keys: function.options.as_ref().map(|docs| docs.iter().map(|doc| doc.name.to_owned()).collect()),
            options: function.option_docs().iter().map(OptionName::of).collect(),
            answer: answer.to_owned(),
            is_getter: function.kind == Kind::Getter,
            ..Callable::default()
        }
    }

    /// `module::name(x, …)` as `x.name(…)`.
    fn as_method_of(&self, receiver: &str) -> Self {
        let (least, most) = self.arity;
        Callable {
            module: None,
            receiver: Some(receiver.to_owned()),
            arity: (least.saturating_sub(1), most.saturating_sub(1)),
            params: self.params.iter().skip(1).cloned().collect(),
            ..self.clone()
        }
    }
}

/// What one source can name: what errors, `check` and the prompt read.
#[derive(Debug, Clone, Default)]
pub struct Known {
    pub callables: Vec<Callable>,
    pub properties: Vec<Callable>,
    pub modules: BTreeSet<String>,
    /// Modules of the script stdlib that this source has not imported, with their functions.
    pub not_imported: BTreeMap<String, Vec<ScriptFunction>>,
}

impl Known {
    /// What the source called `source` can call. `own` are functions that it defines itself.
    pub fn of(session: &Session, source: &str, own: &[ScriptFunction]) -> Known {
        let (plain, stdlib) = session.resolver.plain_names(&session.engine);
        let mut known = Known::builtins(&session.registry);
        known.add_plain(plain);
        known.callables.extend(own.iter().map(|function| Callable::script(None, function)));
        let text = session.sources.find(source).map(|source| source.text);
        let mut imports = imports_of(text.as_deref().unwrap_or_default());
        if session.has_prelude() {
            imports.push(("w2s".to_owned(), "w2s".to_owned()));
        }
        imports.sort();
        imports.dedup();
        for (path, alias) in imports {
            let functions = match stdlib.get(&path) {
                Some(functions) => functions.clone(),
                None => session.resolver.functions(&session.engine, Some(source), &path).unwrap_or_default(),
            };
            let public = functions.iter().filter(|function| !function.is_private);
            known.callables.extend(public.map(|function| Callable::script(Some(&alias), function)));
            known.modules.insert(alias);
        }
        let missing = stdlib.iter().filter(|(name, _)| !known.modules.contains(*name));
        known.not_imported = missing.map(|(name, functions)| (name.clone(), functions.clone())).collect();
        known
    }

    /// What can be named before any source is there, with the script stdlib where `prelude` is true.
    pub fn shipped(registry: &Registry, engine: &Engine, prelude: bool) -> Known {
        let mut known = Known::builtins(registry);
        known.add_plain(&plain(engine));
        for (name, functions) in stdlib().iter().filter(|_| prelude) {
            let public = functions.iter().filter(|function| !function.is_private);
            known.callables.extend(public.map(|function| Callable::script(Some(name), function)));
            known.modules.insert(name.clone());
        }
        known
    }

    fn builtins(registry: &Registry) -> Known {
        let mut known = Known::default();
        known.modules.extend(registry.modules.keys().map(|name| (*name).to_owned()));
        for function in &registry.functions {
            let callable = Callable::builtin(function);
            match function.kind {
                Kind::Function | Kind::Method => {
                    if let Some((receiver, _)) = function.also_method_of {
                        known.callables.push(callable.as_method_of(receiver));
                    }
                    known.callables.push(callable);
                }
                Kind::Getter => known.properties.push(callable),
                Kind::Operator => {}
            }
        }
        known
    }

    fn add_plain(&mut self, plain: &[Callable]) {
        let (getters, callables): (Vec<&Callable>, Vec<&Callable>) =
            plain.iter().partition(|callable| callable.is_getter);
        self.properties.extend(getters.into_iter().cloned());
        self.callables.extend(callables.into_iter().cloned());
    }

    /// Functions of `module` (none: global ones), methods left out.
    pub fn functions(&self, module: Option<&str>) -> impl Iterator<Item = &Callable> {
        self.callables.iter().filter(move |known| known.receiver.is_none() && known.module.as_deref() == module)
    }

    /// Methods of the type called `receiver`.
    pub fn methods(&self, receiver: &str) -> impl Iterator<Item = &Callable> {
        self.callables.iter().filter(move |known| known.receiver.as_deref() == Some(receiver))
    }

    /// Properties of the type called `receiver`.
    pub fn properties(&self, receiver: &str) -> impl Iterator<Item = &Callable> {
        self.properties.iter().filter(move |known| known.receiver.as_deref() == Some(receiver))
    }

    /// Everything called `name`.
    pub fn named(&self, name: &str) -> impl Iterator<Item = &Callable> {
        self.callables.iter().filter(move |known| known.name == name)
    }
}

/// The functions of the script stdlib, by module. A test holds that every module compiles; one that does not would be there without them.
/// Read once in a process: every error of a session asks for them.
pub(super) fn stdlib() -> &'static BTreeMap<String, Vec<ScriptFunction>> {
    static READ: OnceLock<BTreeMap<String, Vec<ScriptFunction>>> = OnceLock::new();
    let functions = |text| resolve::compile_shipped(text).map(|ast| resolve::functions_of(&ast)).unwrap_or_default();
    READ.get_or_init(|| STDLIB.iter().map(|(name, text)| ((*name).to_owned(), functions(text))).collect())
}

/// The language's own functions: each is a function, and a method of its first argument's type.
pub(super) fn plain(engine: &Engine) -> Vec<Callable> {
    let mut callables = engine.collect_fn_metadata(
        None,
        |info| {
            let metadata = info.metadata;
            let (name, is_getter) = match metadata.name.strip_prefix("get$") {
                Some(name) => (name, true),
                None => (metadata.name.as_str(), false),
            };
            let starts_well = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
            if !info.namespace.is_empty() || name.contains('$') || !starts_well || is_guard(name) {
                return None;
            }
            // Builtins have no type information here; they come from the registry.
            let first = metadata.params_info.first()?;
            let signature = metadata.gen_signature(|name| name.into());
            let receiver = first.rsplit(": ").next().map(|name| type_word(name.trim_start_matches("&mut ")));
            let n = metadata.num_params;
            let params = metadata.params_info.iter().skip(1);
            Some(Callable {
                receiver,
                name: name.to_owned(),
                arity: (n.saturating_sub(1), n.saturating_sub(1)),
                params: params.map(|param| param.split(':').next().unwrap_or("").trim().to_owned()).collect(),
                signature: words(&signature),
                is_getter,
                is_plain: true,
                ..Callable::default()
            })
        },
        true,
    );
    callables.sort_by(|a, b| (&a.name, &a.receiver, a.arity).cmp(&(&b.name, &b.receiver, b.arity)));
    callables.dedup();
    callables
}

/// A type as a person calls it.
pub fn type_word(name: &str) -> String {
    let name = name.trim();
    let short = name.rsplit("::").next().unwrap_or(name);
    match short {
        "i64" | "INT" => "integer",
        "f64" | "FLOAT" => "float",
        "()" => "nothing, `()`,",
        "map" | "Map" => "object map",
        "Array" | "array" => "array",
        "Fn" | "FnPtr" => "function",
        "str" | "&str" | "ImmutableString" | "String" | "string" | "&str | ImmutableString | String" => "string",
        "Dynamic" => "any",
        other => other,
    }
    .to_owned()
}

/// A signature of the language's own with types as a person calls them.
fn words(signature: &str) -> String {
    let mut text = signature.split(" -> ").next().unwrap_or(signature).replace("&mut ", "");
    for (raw, word) in [
        ("&str | ImmutableString | String", "string"),
        ("ImmutableString", "string"),
        ("&str", "string"),
        ("i64", "integer"),
        ("INT", "integer"),
        ("f64", "float"),
        ("FLOAT", "float"),
        ("FnPtr", "function"),
        ("Fn", "function"),
        ("Dynamic", "any"),
        ("Array", "array"),
        ("Map", "object map"),
    ] {
        text = text.replace(raw, word);
    }
    text
}

/// `import "path" as alias` in a text that may not even parse.
pub fn imports_of(text: &str) -> Vec<(String, String)> {
    let scan = Scan::new(text);
    let words: Vec<&str> = scan.code().map(|token| scan.text(token)).collect();
    let found = words.windows(4).filter_map(|window| match window {
        ["import", path, "as", alias] if path.starts_with(['"', '`']) => {
            Some((path.trim_matches(['"', '`']).to_owned(), (*alias).to_owned()))
        }
        _ => None,
    });
    found.collect()
}

/// `let x` and `const x` in a text that may not even parse, with their lines from 1.
pub(super) fn declarations(text: &str) -> Vec<(usize, &str)> {
    let scan = Scan::new(text);
    let tokens: Vec<&Token> = scan.code().collect();
    let mut found = Vec::new();
    for pair in tokens.windows(2) {
        if let [word, name] = pair
            && matches!(scan.text(word), "let" | "const")
        {
            let line = text.get(..name.start).unwrap_or_default().matches('\n').count() + 1;
            found.push((line, scan.text(name)));
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_shipped_module_is_known_with_all_its_public_functions() {
        let shown = |text: &str| -> BTreeSet<String> {
            let heads = text.lines().filter_map(|line| line.strip_prefix("fn "));
            heads.filter_map(|head| head.split_once('(')).map(|(name, _)| name.to_owned()).collect()
        };
        let registry = crate::builtins::registry();
        let known = Known::shipped(&registry, &Engine::new(), true);
        for (name, text) in resolve::shipped() {
            let written = shown(text);
            assert!(!written.is_empty(), "{name}");
            let module = crate::lang::resolve::compile_shipped(text).expect(name);
            let read: BTreeSet<String> =
                resolve::functions_of(&module).into_iter().filter(|f| !f.is_private).map(|f| f.name).collect();
            assert_eq!(read, written, "{name}");
            if STDLIB.iter().any(|(shipped, _)| *shipped == name) {
                let named: BTreeSet<String> = known.functions(Some(name)).map(|c| c.name.clone()).collect();
                assert_eq!(named, written, "{name} at the prompt");
            }
        }
    }

    #[test]
    fn imports_are_read_from_text() {
        let text = "// import \"no\" as no\nimport \"w2s\" as w2s; import `lib/a` as a;\nlet import_x = 1;";
        let expected = [("w2s", "w2s"), ("lib/a", "a")].map(|(path, alias)| (path.to_owned(), alias.to_owned()));
        assert_eq!(imports_of(text), expected);
    }
}
