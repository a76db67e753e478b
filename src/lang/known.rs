//! Everything that could have been meant: functions, methods and properties of builtins, of scripts and of the language.

use super::Session;
use super::resolve::{self, STDLIB, ScriptFunction};
use crate::bind::{Function, Kind};
use rhai::Engine;
use std::collections::{BTreeMap, BTreeSet};

/// Functions that the language's interpreter provides itself; they appear in no list.
pub(super) const SYNTACTIC: &[&str] =
    &["Fn", "call", "curry", "is_def_fn", "is_def_var", "is_shared", "type_of", "print", "debug", "exit"];

/// Whether it is a guard that no script writes.
pub(super) fn is_guard(name: &str) -> bool {
    [super::guard::TEXT, super::guard::CAUGHT].contains(&name)
}

/// Something that can be called.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Callable {
    /// `metric` of `metric::auroc`, as this source calls it.
    pub module: Option<String>,
    /// The type that it is a method of; none for functions.
    pub receiver: Option<String>,
    pub name: String,
    /// Fewest and most arguments, the receiver not counted.
    pub arity: (usize, usize),
    pub signature: String,
    /// Keys of its option map, if it takes one and they are known.
    pub options: Option<Vec<String>>,
    /// Whether it is written in Rhai; then `options` holds the valid keys and others besides.
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

    fn script(module: Option<&str>, function: &ScriptFunction) -> Self {
        let n = function.params.len();
        let path = module.map_or_else(|| function.name.clone(), |module| format!("{module}::{}", function.name));
        Callable {
            module: module.map(str::to_owned),
            receiver: None,
            name: function.name.clone(),
            arity: (n, n),
            signature: format!("{path}({})", function.params.join(", ")),
            options: function.options.clone(),
            is_script: true,
            is_plain: false,
        }
    }
}

/// What one source can call.
#[derive(Default)]
pub struct Known {
    pub callables: Vec<Callable>,
    /// `(type, property)`.
    pub properties: Vec<(String, String)>,
    pub modules: BTreeSet<String>,
    /// Modules of the script stdlib that this source has not imported, with their functions.
    pub not_imported: BTreeMap<String, Vec<ScriptFunction>>,
}

impl Known {
    /// What the source called `source` can call. `own` are functions that it defines itself.
    pub fn of(session: &Session, source: &str, own: &[ScriptFunction]) -> Known {
        let mut known = Known::default();
        for function in &session.registry.functions {
            known.builtin(function);
        }
        known.modules.extend(session.registry.modules.keys().map(|name| (*name).to_owned()));
        known.callables.extend(own.iter().map(|function| Callable::script(None, function)));
        let text = session.sources.find(source).map(|source| source.text);
        let mut imports = imports_of(text.as_deref().unwrap_or_default());
        if session.has_prelude() {
            imports.push(("w2s".to_owned(), "w2s".to_owned()));
        }
        for (path, alias) in imports {
            let functions = session.resolver.functions(&session.engine, Some(source), &path).unwrap_or_default();
            known.callables.extend(functions.iter().map(|function| Callable::script(Some(&alias), function)));
            known.modules.insert(alias);
        }
        for (name, text) in STDLIB {
            if !known.modules.contains(*name)
                && let Ok(ast) = session.engine.compile(text)
            {
                known.not_imported.insert((*name).to_owned(), resolve::functions_of(&ast));
            }
        }
        known.callables.extend(plain(&session.engine));
        known
    }

    fn builtin(&mut self, function: &Function) {
        let options = function.options.as_ref().map(|docs| docs.iter().map(|doc| doc.name.to_owned()).collect());
        let (least, most) = function.arity();
        let callable = Callable {
            module: (function.kind == Kind::Function && !function.module.is_empty())
                .then(|| function.module.to_owned()),
            receiver: (function.kind == Kind::Method).then(|| function.module.to_owned()),
            name: function.name.to_owned(),
            arity: (least, most),
            signature: function.signature(),
            options,
            is_script: false,
            is_plain: false,
        };
        match function.kind {
            Kind::Function | Kind::Method => {
                if let Some((receiver, _)) = function.also_method_of {
                    self.callables.push(Callable {
                        module: None,
                        receiver: Some(receiver.to_owned()),
                        arity: (least.saturating_sub(1), most.saturating_sub(1)),
                        ..callable.clone()
                    });
                }
                self.callables.push(callable);
            }
            Kind::Getter => self.properties.push((function.module.to_owned(), function.name.to_owned())),
            Kind::Operator => {}
        }
    }

    /// Functions of `module` (none: global ones), methods left out.
    pub fn functions(&self, module: Option<&str>) -> impl Iterator<Item = &Callable> {
        self.callables.iter().filter(move |known| known.receiver.is_none() && known.module.as_deref() == module)
    }

    /// Methods of the type called `receiver`.
    pub fn methods(&self, receiver: &str) -> impl Iterator<Item = &Callable> {
        self.callables.iter().filter(move |known| known.receiver.as_deref() == Some(receiver))
    }

    /// Everything called `name`.
    pub fn named(&self, name: &str) -> impl Iterator<Item = &Callable> {
        self.callables.iter().filter(move |known| known.name == name)
    }
}

/// The language's own functions: each is a function, and a method of its first argument's type.
fn plain(engine: &Engine) -> Vec<Callable> {
    let mut callables = engine.collect_fn_metadata(
        None,
        |info| {
            let metadata = info.metadata;
            let starts_well = metadata.name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
            if !info.namespace.is_empty() || metadata.name.contains('$') || !starts_well || is_guard(&metadata.name) {
                return None;
            }
            // Builtins have no type information here; they come from the registry.
            let first = metadata.params_info.first()?;
            let signature = metadata.gen_signature(|name| name.into());
            let receiver = first.rsplit(": ").next().map(|name| type_word(name.trim_start_matches("&mut ")));
            let n = metadata.num_params;
            Some(Callable {
                module: None,
                receiver,
                name: metadata.name.to_string(),
                arity: (n.saturating_sub(1), n.saturating_sub(1)),
                signature: words(&signature),
                options: None,
                is_script: false,
                is_plain: true,
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
    text.lines()
        .filter(|line| !line.trim_start().starts_with("//"))
        .flat_map(|line| line.split(';'))
        .filter_map(|statement| {
            let rest = statement.trim().strip_prefix("import")?.trim_start();
            let (path, rest) = rest.strip_prefix(['"', '`'])?.split_once(['"', '`'])?;
            let alias = rest.trim().strip_prefix("as")?.trim();
            let is_name = !alias.is_empty() && alias.chars().all(|c| c.is_alphanumeric() || c == '_');
            is_name.then(|| (path.to_owned(), alias.to_owned()))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn imports_are_read_from_text() {
        let text = "// import \"no\" as no\nimport \"w2s\" as w2s; import `lib/a` as a;\nlet import_x = 1;";
        let expected = [("w2s", "w2s"), ("lib/a", "a")].map(|(path, alias)| (path.to_owned(), alias.to_owned()));
        assert_eq!(imports_of(text), expected);
    }
}
