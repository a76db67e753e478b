//! Completion: modules, functions, variables, members, options, paths, and the prompt's own commands.

use super::commands::COMMANDS;
use super::names::Names;
use super::place::{Place, place};
use crate::core::context::Access;
use crate::lang::known::Callable;
use crate::report::scan::KEYWORDS;
use rustyline::completion::Pair;
use std::path::Path;

/// Where the completed word starts, and what could stand there.
pub fn complete(names: &Names, access: &Access, line: &str, pos: usize) -> (usize, Vec<Pair>) {
    let Some(typed) = line.get(..pos) else {
        return (pos, Vec::new());
    };
    let after = line.get(pos..).unwrap_or_default();
    if let Some(found) = command(names, typed) {
        return found;
    }
    let (found, start) = place(names, typed);
    let word = typed.get(start..).unwrap_or_default();
    let mut candidates = match found {
        Place::Member(type_name, keys) => {
            let mut members: Vec<Pair> = keys.iter().map(|(key, _)| plain(key)).collect();
            let callables = type_name.map(|name| names.members(&name)).unwrap_or_default();
            members.extend(callables.iter().map(|callable| call(callable, after)));
            members
        }
        Place::Path(module) => names.functions(&module).map(|callable| call(callable, after)).collect(),
        Place::Option(callable, there) => callable
            .options
            .iter()
            .filter(|option| !there.contains(&option.name))
            .map(|option| Pair { display: option.name.clone(), replacement: format!("{}: ", option.name) })
            .collect(),
        Place::Free => free(names, after),
        Place::Text(start, import) => return text(names, access, typed, start, import),
        Place::Nothing => Vec::new(),
    };
    candidates.retain(|pair| pair.replacement.starts_with(word) && pair.replacement != word);
    candidates.sort_by(|a, b| a.replacement.cmp(&b.replacement));
    candidates.dedup_by(|a, b| a.replacement == b.replacement);
    (start, candidates)
}

fn plain(name: &str) -> Pair {
    Pair { display: name.to_owned(), replacement: name.to_owned() }
}

/// A function opens its bracket, so that the hint with its parameters follows.
fn call(callable: &Callable, after: &str) -> Pair {
    let bracket = match callable {
        Callable { is_getter: true, .. } => "",
        _ if after.starts_with('(') => "",
        Callable { params, .. } if params.is_empty() => "()",
        _ => "(",
    };
    Pair { display: callable.name.clone(), replacement: format!("{}{bracket}", callable.name) }
}

fn free(names: &Names, after: &str) -> Vec<Pair> {
    let mut found: Vec<Pair> = names.variables.iter().map(|variable| plain(&variable.name)).collect();
    found.extend(names.known.modules.iter().map(|module| plain(&format!("{module}::"))));
    found.extend(names.functions("").map(|callable| call(callable, after)));
    found.extend(["print", "debug", "help"].map(plain));
    found.extend(KEYWORDS.iter().filter(|word| word.len() > 3).map(|word| plain(word)));
    found
}

/// `:lo`, `:load PATH`, `help NAME`.
fn command(names: &Names, typed: &str) -> Option<(usize, Vec<Pair>)> {
    if let Some(name) = typed.strip_prefix("help ") {
        let word = name.trim_start();
        let mut found: Vec<String> = names.reference.names();
        found.extend(names.variables.iter().map(|variable| variable.name.clone()));
        found.sort();
        found.dedup();
        let pairs = found.iter().filter(|name| name.starts_with(word)).map(|name| plain(name)).collect();
        return Some((typed.len() - word.len(), pairs));
    }
    if !typed.starts_with(':') {
        return None;
    }
    match typed.split_once(' ') {
        None => {
            let pairs = COMMANDS.iter().filter(|command| command.name.starts_with(typed));
            Some((0, pairs.map(|command| plain(command.name)).collect()))
        }
        // A person's own files, wherever they lie.
        Some((":load" | ":save", path)) => {
            let path = path.trim_start();
            let (folder, word) = path.rsplit_once('/').map_or(("", path), |(folder, word)| (folder, word));
            let real = if path.starts_with('/') && folder.is_empty() { Path::new("/") } else { Path::new(folder) };
            let real = if real.as_os_str().is_empty() { Path::new(".") } else { real };
            Some((typed.len() - word.len(), entries(real, word)))
        }
        Some((":time", code)) => {
            let offset = typed.len() - code.len();
            let (start, pairs) = complete(names, &Access::default(), code, code.len());
            Some((offset + start, pairs))
        }
        Some(_) => Some((typed.len(), Vec::new())),
    }
}

/// Paths inside a string: only what a script may read.
fn text(names: &Names, access: &Access, typed: &str, start: usize, import: bool) -> (usize, Vec<Pair>) {
    let content = typed.get(start..).unwrap_or_default();
    let (folder, word) = content.rsplit_once('/').map_or(("", content), |(folder, word)| (folder, word));
    let mut found = Vec::new();
    if import {
        found.extend(names.reference.scripts.iter().filter(|m| m.name.starts_with(content)).map(|m| plain(&m.name)));
    }
    let asked = if folder.is_empty() && !content.starts_with('/') { "." } else { folder };
    if let Ok(real) = access.readable(asked) {
        found.extend(entries(&real, word).into_iter().filter(|pair| !import || is_module(&pair.replacement)));
    }
    (typed.len() - word.len(), found)
}

fn is_module(name: &str) -> bool {
    name.ends_with('/') || name.ends_with(".rhai")
}

/// The most entries of a folder that are looked at (chosen).
const MAX_ENTRIES: usize = 2000;

/// Entries of `folder` that begin with `word`; hidden ones only where they are asked for.
fn entries(folder: &Path, word: &str) -> Vec<Pair> {
    let Ok(listed) = std::fs::read_dir(folder) else {
        return Vec::new();
    };
    let mut found: Vec<Pair> = listed
        .take(MAX_ENTRIES)
        .filter_map(Result::ok)
        .filter_map(|entry| {
            let name = entry.file_name().to_str()?.to_owned();
            let wanted = name.starts_with(word) && (word.starts_with('.') || !name.starts_with('.'));
            let is_folder = entry.path().is_dir();
            wanted.then(|| plain(&if is_folder { format!("{name}/") } else { name }))
        })
        .collect();
    found.sort_by(|a, b| a.replacement.cmp(&b.replacement));
    found
}
