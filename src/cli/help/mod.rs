//! Help: what a person reads about a function, module, type, method or option, on a terminal, in Markdown and in an
//! editor.
//!
//! All three are written from the same records: the registry of builtins and the doc comments of the script stdlib.
//! What a function says lives in its own file, never here.

mod definitions;
mod markdown;
mod pages;
mod stdlib;
mod text;
mod topics;

pub use definitions::definitions;
pub use markdown::markdown;
pub use stdlib::{ScriptFunction, ScriptModule};
pub use text::{Style, terms};

use crate::bind::{Function, Kind, OptionDoc, Registry, TypeRecord};
use crate::lang::described::OptionName;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use strsim::levenshtein;
use topics::Topic;

/// Everything that can be looked up.
pub struct Reference {
    pub registry: Registry,
    /// The modules that are written in Rhai and come with the program.
    pub scripts: Vec<ScriptModule>,
}

/// What a name stands for.
pub enum Entry<'a> {
    Module {
        name: &'a str,
        about: &'a str,
    },
    Script(&'a ScriptModule),
    Type(&'a TypeRecord),
    Function(&'a Arc<Function>),
    ScriptFunction(&'a ScriptModule, &'a ScriptFunction),
    /// An option and the functions that take it.
    Option(&'a str, Vec<(&'a Arc<Function>, &'a OptionDoc)>),
    /// An option of functions that are written in Rhai.
    ScriptOption(&'a str, Vec<(&'a ScriptFunction, &'a OptionName)>),
    /// A statement of the language, or a word that is explained.
    Topic(&'static Topic),
    /// A function of the script language itself: signature and doc comments.
    Language {
        signature: String,
        about: String,
    },
}

impl Reference {
    /// The reference of `registry` and of the script modules in `sources`: name and source text.
    pub fn new(registry: Registry, sources: &[(&str, &str)]) -> Self {
        let scripts = sources.iter().map(|(name, source)| ScriptModule::read(name, source)).collect();
        Reference { registry, scripts }
    }

    /// The reference of everything that comes with the program.
    pub fn shipped() -> Self {
        Reference::new(crate::builtins::registry(), crate::lang::resolve::STDLIB)
    }

    /// What `name` stands for: a path first, else every entry whose last part is `name`.
    pub fn find(&self, name: &str) -> Vec<Entry<'_>> {
        let name = name.trim().trim_end_matches(';').trim_end_matches("()").trim_end_matches("::");
        let mut found = Vec::new();
        if let Some((name, about)) = self.registry.modules.get_key_value(name) {
            found.push(Entry::Module { name, about });
        }
        found.extend(self.scripts.iter().filter(|module| module.name == name).map(Entry::Script));
        found.extend(self.registry.types.iter().filter(|record| record.name == name).map(Entry::Type));
        if !found.is_empty() {
            return found;
        }
        found.extend(self.registry.find(name).into_iter().map(Entry::Function));
        found.extend(
            self.script_functions()
                .filter(|(_, f)| f.path == name || f.name == name)
                .map(|(module, function)| Entry::ScriptFunction(module, function)),
        );
        if found.is_empty() {
            // `model.finetune`, as scripts write it, is documented as `model::finetune`, and `frame.filter` as `Frame.filter`.
            let as_method = |f: &&Arc<Function>| {
                let also = f.also_method_of.map(|(type_name, _)| format!("{type_name}.{}", f.name));
                name.contains('.')
                    && [Some(f.path()), also].iter().flatten().any(|path| path.eq_ignore_ascii_case(name))
            };
            found.extend(self.registry.functions.iter().filter(as_method).map(Entry::Function));
        }
        if found.is_empty() {
            let takers = self.takers(name);
            if let Some((_, doc)) = takers.first() {
                found.push(Entry::Option(doc.name, takers));
            }
            let takers = self.script_takers(name);
            if let Some((_, option)) = takers.first() {
                found.push(Entry::ScriptOption(option.name.as_str(), takers));
            }
        }
        if let Some(topic) = topics::find(name) {
            found.insert(0, Entry::Topic(topic));
        }
        if let Some((signature, about)) = topics::word(name) {
            found.insert(0, Entry::Language { signature, about });
        }
        if found.is_empty() {
            found = language(name);
        }
        found
    }

    /// The functions that are written in Rhai and take the option `name`.
    fn script_takers(&self, name: &str) -> Vec<(&ScriptFunction, &OptionName)> {
        let functions = self.script_functions().map(|(_, function)| function);
        let options = functions.flat_map(|f| f.options.iter().map(move |option| (f, option)));
        options.filter(|(_, option)| option.name == name).collect()
    }

    /// The functions that take the option `name`.
    fn takers(&self, name: &str) -> Vec<(&Arc<Function>, &OptionDoc)> {
        let functions = self.registry.functions.iter();
        let options = functions.flat_map(|f| f.option_docs().iter().map(move |doc| (f, doc)));
        options.filter(|(_, doc)| doc.name == name).collect()
    }

    /// Every function of the script modules with its module.
    pub fn script_functions(&self) -> impl Iterator<Item = (&ScriptModule, &ScriptFunction)> {
        self.scripts.iter().flat_map(|module| module.functions.iter().map(move |function| (module, function)))
    }

    /// Every name that [`Reference::find`] knows, in order, each once.
    pub fn names(&self) -> Vec<String> {
        let mut names: Vec<String> = self.registry.modules.keys().map(|name| (*name).to_owned()).collect();
        names.extend(self.scripts.iter().map(|module| module.name.clone()));
        names.extend(self.registry.types.iter().map(|record| record.name.to_owned()));
        names.extend(self.registry.functions.iter().filter(|f| f.kind != Kind::Operator).map(|f| f.path()));
        names.extend(self.script_functions().map(|(_, function)| function.path.clone()));
        names.extend(self.registry.functions.iter().flat_map(|f| f.option_docs()).map(|doc| doc.name.to_owned()));
        names.extend(self.script_functions().flat_map(|(_, f)| f.options.iter().map(|option| option.name.clone())));
        names.extend(topics::TOPICS.iter().flat_map(|topic| topic.names.iter().map(|name| (*name).to_owned())));
        names.sort();
        names.dedup();
        names
    }

    /// The page for `name` as text of at most 80 columns, or why there is none.
    pub fn page(&self, name: &str, style: Style) -> Result<String, String> {
        let found = self.find(name);
        if found.is_empty() {
            return Err(self.unknown(name));
        }
        Ok(found.iter().map(|entry| pages::page(self, entry, style)).collect::<Vec<_>>().join("\n"))
    }

    /// The overview: how to go on, modules, types, commands of the prompt.
    pub fn overview(&self, style: Style) -> String {
        pages::overview(self, style)
    }

    /// "there is no `aurco`; similar names: metric::auroc".
    fn unknown(&self, name: &str) -> String {
        let names = self.names();
        let last = |path: &str| path.rsplit([':', '.']).next().unwrap_or(path).to_lowercase();
        let wanted = last(name);
        let mut near: Vec<(usize, &String)> = names
            .iter()
            .map(|known| {
                let distance = levenshtein(&wanted, &last(known)).min(levenshtein(name, known));
                let contains = wanted.chars().count() >= 3 && known.to_lowercase().contains(&wanted);
                (if contains { distance.min(1) } else { distance }, known)
            })
            .filter(|(distance, _)| *distance <= 1 + wanted.chars().count() / 3)
            .collect();
        near.sort();
        let near: Vec<&str> = near.iter().take(5).map(|(_, known)| known.as_str()).collect();
        if near.is_empty() {
            format!("there is no `{name}`; `help` lists what there is")
        } else {
            format!("there is no `{name}`; similar names: {}", near.join(", "))
        }
    }

    /// Every generated file below `docs/`: path and content.
    pub fn files(&self) -> Vec<(PathBuf, String)> {
        let mut files = markdown(self);
        files.extend(definitions(self));
        files
    }

    /// Writes every generated file below `folder` and removes generated files that no longer belong there.
    pub fn write(&self, folder: &Path) -> io::Result<usize> {
        for generated in GENERATED {
            match std::fs::remove_dir_all(folder.join(generated)) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
        }
        let files = self.files();
        for (path, content) in &files {
            let path = folder.join(path);
            if let Some(parent) = path.parent() {
                std::fs::create_dir_all(parent)?;
            }
            std::fs::write(path, content)?;
        }
        Ok(files.len())
    }
}

/// The folders below `docs/` whose files are all generated.
pub const GENERATED: [&str; 2] = ["reference", "definitions"];

/// What the script language itself knows under `name`: arrays, strings, maps, numbers.
fn language(name: &str) -> Vec<Entry<'static>> {
    let wanted = name.rsplit(['.', ':']).next().unwrap_or(name);
    let mut found: Vec<(String, String)> = rhai::Engine::new()
        .collect_fn_metadata(
            None,
            |info| {
                let record = info.metadata;
                let about: Vec<&str> = record.comments.iter().map(|line| line.as_str()).collect();
                (record.name == wanted).then(|| (language_signature(record), stdlib::plain_comment(&about)))
            },
            true,
        )
        .into_iter()
        .collect();
    found.sort();
    found.dedup();
    found.into_iter().map(|(signature, about)| Entry::Language { signature, about }).collect()
}

/// `push(array: Array, item: any)`, from Rust's names.
fn language_signature(record: &rhai::FuncMetadata) -> String {
    let params: Vec<String> = record
        .params_info
        .iter()
        .map(|param| match param.split_once(':') {
            Some((name, kind)) => format!("{}: {}", name.trim(), language_type(kind)),
            None => param.to_string(),
        })
        .collect();
    let answer = match record.return_type.as_str() {
        "" | "()" => String::new(),
        other => format!(" -> {}", language_type(other)),
    };
    format!("{}({}){answer}", record.name, params.join(", "))
}

/// Rust's name of a type as a script would say it.
fn language_type(name: &str) -> String {
    let name = name.trim().trim_start_matches("&mut ").trim_start_matches('&');
    let name = name.strip_prefix("RhaiResultOf<").and_then(|rest| rest.strip_suffix('>')).unwrap_or(name);
    match name.rsplit("::").next().unwrap_or(name).trim() {
        "Dynamic" | "RhaiResult" | "?" | "_" => "any".to_owned(),
        "INT" | "i64" => "integer".to_owned(),
        "FLOAT" | "f64" => "float".to_owned(),
        "Array" => "array".to_owned(),
        "Map" => "object map".to_owned(),
        "FnPtr" => "function".to_owned(),
        "ImmutableString" | "str" | "String" => "string".to_owned(),
        other => other.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reference() -> Reference {
        let source =
            "/// Adds one.\n///\n/// More of it.\nfn plus_one(number) { number + 1 }\nprivate fn hidden() { 1 }";
        Reference::new(crate::builtins::registry(), &[("w2s", source)])
    }

    #[test]
    fn a_name_is_found_by_path_and_by_its_last_part() {
        let reference = reference();
        let by_path = reference.page("metric::pgr_percent", Style::plain()).expect("known");
        assert_eq!(by_path, reference.page("pgr_percent", Style::plain()).expect("known"));
        assert!(by_path.starts_with("metric::pgr_percent(weak: float, student: float, ceiling: float) -> float\n"));
        assert!(by_path.contains("=> 43.333"), "{by_path}");
        assert!(reference.page("metric", Style::plain()).expect("known").contains("pgr_percent"));
        assert!(reference.page("plus_one", Style::plain()).expect("known").contains("w2s::plus_one(number)"));
        assert!(reference.page("push", Style::plain()).expect("known").contains("array: array"));
    }

    #[test]
    fn a_method_is_found_as_a_script_writes_it() {
        let reference = Reference::shipped();
        let page = |name: &str| reference.page(name, Style::plain());
        assert_eq!(page("model.finetune"), page("model::finetune"));
        assert_eq!(page("judge.rankings"), page("judge::rankings"));
        assert_eq!(page("frame.filter"), page("Frame.filter"));
        assert!(page("model.finetunes").is_err());
    }

    #[test]
    fn options_of_scripts_statements_and_first_words_are_explained() {
        let reference = Reference::shipped();
        let page = |name: &str| -> String {
            let page = reference.page(name, Style::plain()).expect("known");
            page.split_whitespace().collect::<Vec<_>>().join(" ")
        };
        assert!(page("hops").contains("w2s::bootstrap") && page("hops").contains("trainings after the supervisor"));
        assert!(page("for").contains("a new one in each turn"));
        assert!(page("print").contains("one value"));
        assert!(page("store").contains("w2s store ls"));
        assert!(page("n").contains("w2s::transfer"), "{}", page("n"));
    }

    #[test]
    fn an_unknown_name_is_answered_with_the_nearest() {
        let said = reference().page("metric::pgr_precent", Style::plain()).expect_err("unknown");
        assert!(said.contains("metric::pgr_percent"), "{said}");
        let said = reference().page("hidden", Style::plain()).expect_err("private");
        assert!(said.contains("there is no `hidden`"), "{said}");
    }

    #[test]
    fn pages_fit_eighty_columns() {
        let reference = reference();
        let mut text = reference.overview(Style::plain());
        for name in reference.names() {
            text.push_str(&reference.page(&name, Style::plain()).expect("a known name has a page"));
        }
        for line in text.lines() {
            // A signature, an example and what comes of it are not broken: they are shown as they are.
            let code = line.contains("=> ") || line.contains('(') || line.contains('{') || line.contains("::");
            assert!(code || line.chars().count() <= 80, "{} columns: {line}", line.chars().count());
        }
    }
}
