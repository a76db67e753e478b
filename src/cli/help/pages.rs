//! Pages of help as text: one shape for the command `w2s help` and for the prompt.

use super::text::{self, Style, WIDTH};
use super::{Entry, Reference, ScriptFunction};
use crate::bind::{Example, Function, Kind, OptionDoc, TypeRecord};
use crate::lang::described::OptionName;
use std::sync::Arc;

/// How to go on, modules, types, and what else can be typed.
pub(super) fn overview(reference: &Reference, style: Style) -> String {
    let mut out = text::markdown(
        "`w2s` is a laboratory for weak-to-strong generalization: models, data, losses, metrics and whole experiments \
         as functions of the Rhai script language.",
        0,
    );
    heading(&mut out, "Modules", style);
    let mut rows: Vec<(String, String)> =
        reference.registry.modules.iter().map(|(name, about)| ((*name).to_owned(), (*about).to_owned())).collect();
    rows.extend(reference.scripts.iter().map(|module| (module.name.clone(), module.summary())));
    out.push_str(&text::terms(&rows, 2, style));

    if !reference.registry.types.is_empty() {
        heading(&mut out, "Types", style);
        let rows: Vec<(String, String)> =
            reference.registry.types.iter().map(|record| (record.name.to_owned(), record.about.to_owned())).collect();
        out.push_str(&text::terms(&rows, 2, style));
    }

    let free: Vec<(String, String)> =
        free_functions(reference).map(|f| (f.name.to_owned(), f.about.to_owned())).collect();
    if !free.is_empty() {
        heading(&mut out, "Functions without a module", style);
        out.push_str(&text::terms(&free, 2, style));
    }

    heading(&mut out, "More", style);
    let more = [
        ("w2s help NAME", "a module, type, function, method or option: help metric, help Frame, help lr"),
        ("w2s script FILE", "run a script and keep a record of the run"),
        ("w2s eval EXPRESSION", "print the value of an expression"),
        ("w2s repl", "the prompt, where Tab completes, `help NAME` works, and `:help` lists its commands"),
        ("w2s --help", "every command and flag"),
    ];
    out.push_str(&text::terms(&more.map(|(term, about)| (term.to_owned(), about.to_owned())), 2, style));
    out
}

/// The page of one entry.
pub(super) fn page(reference: &Reference, entry: &Entry, style: Style) -> String {
    match entry {
        Entry::Module { name, about } => module(reference, name, about, style),
        Entry::Script(module) => {
            let mut out = format!("{}\n\n{}", style.strong(&module.name), text::markdown(&module.about, 2));
            heading(&mut out, "Functions", style);
            let rows: Vec<_> = module.functions.iter().map(|f| (f.name.clone(), f.about())).collect();
            out.push_str(&text::terms(&rows, 2, style));
            out
        }
        Entry::Type(record) => type_page(reference, record, style),
        Entry::Function(record) => function(record, style),
        Entry::ScriptFunction(_, record) => {
            format!("{}\n\n{}", style.strong(&record.signature()), text::markdown(&record.doc, 2))
        }
        Entry::Option(name, takers) => option(name, takers, style),
        Entry::ScriptOption(name, takers) => {
            let mut out = format!("{}\n\n  an option of\n", style.strong(name));
            let row = |(function, option): &(&ScriptFunction, &OptionName)| {
                (function.path.clone(), format!("{}. {}", option.typed(), option.about))
            };
            let rows: Vec<(String, String)> = takers.iter().map(row).collect();
            out.push_str(&text::terms(&rows, 2, style));
            out
        }
        Entry::Topic(topic) => format!("{}\n\n{}", style.strong(topic.shows), text::markdown(topic.about, 2)),
        Entry::Language { signature, about } => {
            format!("{}\n\n{}", style.strong(signature), text::markdown(about, 2))
        }
    }
}

fn module(reference: &Reference, name: &str, about: &str, style: Style) -> String {
    let mut out = format!("{}\n\n{}", style.strong(name), text::markdown(about, 2));
    heading(&mut out, "Functions", style);
    let rows: Vec<(String, String)> = reference
        .registry
        .functions
        .iter()
        .filter(|f| f.kind == Kind::Function && f.module == name)
        .map(|f| (f.name.to_owned(), f.about.to_owned()))
        .collect();
    out.push_str(&text::terms(&rows, 2, style));
    out
}

fn type_page(reference: &Reference, record: &TypeRecord, style: Style) -> String {
    let mut out = format!("{}\n\n{}", style.strong(record.name), text::markdown(record.about, 2));
    for (title, members) in members(reference, record.name) {
        if members.is_empty() {
            continue;
        }
        heading(&mut out, title, style);
        let rows: Vec<(String, String)> = members.iter().map(|f| (member_name(f), f.about.to_owned())).collect();
        let rows = if title == "Operators" { joined(rows) } else { rows };
        out.push_str(&text::terms(&rows, 2, style));
    }
    out
}

/// Rows that say the same as one: an operator stands there for each type on its other side.
fn joined(rows: Vec<(String, String)>) -> Vec<(String, String)> {
    let mut said: Vec<(Vec<String>, String)> = Vec::new();
    for (name, about) in rows {
        match said.iter_mut().find(|(_, held)| *held == about) {
            Some((names, _)) if names.contains(&name) => {}
            Some((names, _)) => names.push(name),
            None => said.push((vec![name], about)),
        }
    }
    said.into_iter().map(|(names, about)| (names.join(" "), about)).collect()
}

/// What values of `type_name` have: properties, methods, operators; and the module functions that make or take them.
pub(super) fn members<'a>(reference: &'a Reference, type_name: &str) -> [(&'static str, Vec<&'a Arc<Function>>); 4] {
    let of = |kind: Kind| -> Vec<&Arc<Function>> {
        let also = |f: &Function| kind == Kind::Method && f.also_method_of.is_some_and(|(name, _)| name == type_name);
        reference.registry.functions.iter().filter(|f| (f.kind == kind && f.module == type_name) || also(f)).collect()
    };
    let makers = reference
        .registry
        .functions
        .iter()
        .filter(|f| f.kind == Kind::Function && f.also_method_of.is_none())
        .filter(|f| answer_type(f).trim_start_matches("array of ") == type_name)
        .collect();
    [
        ("Properties", of(Kind::Getter)),
        ("Methods", of(Kind::Method)),
        ("Operators", of(Kind::Operator)),
        ("Made by", makers),
    ]
}

/// The type that a function answers with, as its record says.
pub(super) fn answer_type(function: &Function) -> &str {
    function.returns.split([',', ':', '.', ';']).next().unwrap_or("").trim()
}

fn member_name(function: &Function) -> String {
    match function.kind {
        Kind::Function if function.also_method_of.is_none() => function.path(),
        Kind::Function | Kind::Method | Kind::Getter => function.name.to_owned(),
        Kind::Operator if function.name.starts_with("index") => "[…]".to_owned(),
        Kind::Operator => function.name.to_owned(),
    }
}

/// Functions that are called without a module, such as `col`.
pub(super) fn free_functions(reference: &Reference) -> impl Iterator<Item = &Arc<Function>> {
    reference.registry.functions.iter().filter(|f| f.kind == Kind::Function && f.module.is_empty())
}

fn function(record: &Function, style: Style) -> String {
    let mut out = format!("{}\n", broken_signature(record, style));
    if let Some((type_name, _)) = record.also_method_of {
        let first = record.params.first().map_or("value", |param| param.name);
        out.push_str(&format!("also {first}.{}(…) where {first} is a {type_name}\n", record.name));
    }
    out.push('\n');
    out.push_str(&text::markdown(record.about, 2));
    if !record.details.is_empty() {
        out.push('\n');
        out.push_str(&text::markdown(record.details, 2));
    }
    if !record.params.is_empty() {
        heading(&mut out, "Parameters", style);
        let rows: Vec<(String, String)> = record
            .params
            .iter()
            .map(|p| (format!("{}{}: {}", p.name, if p.optional { "?" } else { "" }, p.type_name), p.about.to_owned()))
            .collect();
        out.push_str(&text::terms(&rows, 2, style));
    }
    if !record.option_docs().is_empty() {
        heading(&mut out, "Options", style);
        out.push_str(&text::terms(&record.option_docs().iter().map(option_row).collect::<Vec<_>>(), 2, style));
    }
    if !matches!(record.returns, "" | "()") {
        heading(&mut out, "Returns", style);
        out.push_str(&text::markdown(record.returns, 2));
    }
    if !record.examples.is_empty() {
        heading(&mut out, if record.examples.len() == 1 { "Example" } else { "Examples" }, style);
        out.push_str(&record.examples.iter().map(|example| shown(example, style)).collect::<Vec<_>>().join("\n"));
    }
    if !record.failures.is_empty() {
        heading(&mut out, "Fails", style);
        out.push_str(&record.failures.iter().map(|example| shown(example, style)).collect::<Vec<_>>().join("\n"));
    }
    if !record.source.is_empty() {
        heading(&mut out, "Source", style);
        out.push_str(&text::markdown(record.source, 2));
    }
    out
}

/// The signature, one parameter a line where it is longer than the page.
fn broken_signature(record: &Function, style: Style) -> String {
    let signature = record.signature();
    let breaks = signature.chars().count() > WIDTH;
    match (signature.split_once('('), signature.rsplit_once(')')) {
        (Some((head, _)), Some((_, tail))) if breaks && record.kind != Kind::Operator => {
            let inner = signature.get(head.len() + 1..signature.len() - tail.len() - 1).unwrap_or_default();
            format!("{}\n    {}\n){tail}", style.strong(&format!("{head}(")), inner.replace(", ", ",\n    "))
        }
        (Some((head, rest)), _) => format!("{}({rest}", style.strong(head)),
        _ => style.strong(&signature),
    }
}

/// `lr: float = 0.001` and what it means.
fn option_row(doc: &OptionDoc) -> (String, String) {
    (typed(doc), doc.about.clone())
}

/// `lr: float = 0.005`; without the default where that is "nothing".
fn typed(doc: &OptionDoc) -> String {
    match doc.default.as_str() {
        "()" => format!("{}: {}", doc.name, doc.type_name),
        default => format!("{}: {} = {default}", doc.name, doc.type_name),
    }
}

/// Code, then what comes of it.
fn shown(example: &Example, style: Style) -> String {
    let mut out = String::new();
    for line in example.code.lines() {
        out.push_str(&format!("  {}\n", style.code(line)));
    }
    for line in example.result.lines() {
        out.push_str(&format!("  {}\n", style.dim(&format!("=> {line}"))));
    }
    out
}

fn option(name: &str, takers: &[(&Arc<Function>, &OptionDoc)], style: Style) -> String {
    let mut out = format!("{}\n\n  an option of\n", style.strong(name));
    let rows: Vec<(String, String)> =
        takers.iter().map(|(function, doc)| (function.path(), format!("{}. {}", typed(doc), doc.about))).collect();
    out.push_str(&text::terms(&rows, 2, style));
    out
}

fn heading(out: &mut String, title: &str, style: Style) {
    out.push_str(&format!("\n{}\n", style.strong(title)));
}
