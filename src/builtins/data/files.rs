//! `data::files`: where a split of a data set lies in a folder that is laid out as the hub lays out data sets.

use crate::bind::prelude::*;
use crate::core::context::Context;
use std::path::{Path, PathBuf};

options! {
    /// Which part of the data set.
    pub struct FilesOptions {
        /// The configuration, as the hub calls a data set's parts; `default` and none are the same.
        config: Option<String> = None,
    }
}

/// The record.
pub fn function() -> Function {
    Function::new("data", "files", run)
        .about("The files of a split in a folder laid out as the hub lays out data sets.")
        .details(
            "Looked for in this order, where `CONFIG` is left out for `default`: `CONFIG/SPLIT/*.parquet` (the hub's branch \
             `refs/convert/parquet`), `CONFIG/SPLIT-*.parquet`, `data/SPLIT-*.parquet`, `CONFIG/data/SPLIT-*.parquet`, and one file \
             `CONFIG/SPLIT` or `SPLIT` that ends in .parquet, .jsonl, .ndjson, .csv or .tsv. A folder of the hub's cache \
             (`datasets--OWNER--NAME`) is read at its `refs/main`. Shards that count themselves (`train-00000-of-00002`) must all \
             be there.",
        )
        .param::<String>("folder", "the data set's folder, in the run's folder or else in the project")
        .param::<String>("split", "`train`, `validation` or whatever it is called there")
        .options::<FilesOptions>()
        .returns("array of string: paths for `data::load`")
        .example(
            "let f = frame::of([#{ text: \"good\", label: \"yes\" }]);\n\
             f.write_parquet(\"train.parquet\");\n\
             data::files(\".\", \"train\")",
            "[\"./train.parquet\"]",
        )
        .fails("data::files(\"nowhere\", \"train\")", "`nowhere`: no such file or folder")
        .fails("data::files(\".\", \"validation\")", "has no files of the split `validation`")
}

fn run(call: &mut Call) -> Answer {
    let (folder, split): (String, String) = (call.arg(0)?, call.arg(1)?);
    let options: FilesOptions = call.options()?;
    let config = options.config.filter(|config| config != "default");
    for (what, part) in [("split", Some(&split)), ("config", config.as_ref())] {
        if let Some(part) = part.filter(|part| !is_plain(part)) {
            let said = format!("`{what}` must be a name without `/`, got `{part}`");
            return Err(Fault::new("data/split", said).hint("it is a name of the hub, such as \"train\""));
        }
    }
    let real = call.ctx().readable(&folder)?;
    let (real, folder) = snapshot(&real, folder, call.ctx())?;
    let config = config.as_deref();
    let found = places(config, &split).into_iter().find_map(|(below, is_ours)| {
        let mut names = names_in(&real.join(&below));
        names.retain(|name| is_ours(name, &split));
        names.sort();
        (!names.is_empty()).then_some((below, names))
    });
    let Some((below, names)) = found else {
        let of = config.map_or(String::new(), |config| format!(" of `{config}`"));
        let said = format!("`{folder}` has no files of the split `{split}`{of}");
        let there = names_in(&real);
        let there: Vec<&str> = there.iter().take(12).map(String::as_str).collect();
        return Err(Fault::new("data/split", said)
            .hint(format!("it holds: {}; help data::files says what is looked for", there.join(", "))));
    };
    whole(&names, &folder)?;
    let path = |name: &String| {
        let below = if below.as_os_str().is_empty() { String::new() } else { format!("{}/", below.display()) };
        Dynamic::from(format!("{folder}/{below}{name}"))
    };
    Ok(names.iter().map(path).collect::<Array>().into())
}

fn is_plain(part: &str) -> bool {
    !part.is_empty() && !part.starts_with('.') && !part.contains(['/', '\\'])
}

/// Whether a file's name is one of a split.
type IsOurs = fn(&str, &str) -> bool;

/// Where files of a split may lie, and which there are its.
fn places(config: Option<&str>, split: &str) -> Vec<(PathBuf, IsOurs)> {
    let parquet: IsOurs = |name, _| name.ends_with(".parquet");
    let shard: IsOurs = |name, split| {
        let rest = name.strip_prefix(split).and_then(|rest| rest.strip_prefix('-'));
        rest.is_some_and(|rest| rest.ends_with(".parquet") && rest.starts_with(|c: char| c.is_ascii_digit()))
    };
    let single: IsOurs = |name, split| {
        let ending = name.strip_prefix(split).and_then(|rest| rest.strip_prefix('.'));
        ending.is_some_and(|ending| ["parquet", "jsonl", "ndjson", "csv", "tsv"].contains(&ending))
    };
    let below = |part: &str| config.map_or_else(|| PathBuf::from(part), |config| Path::new(config).join(part));
    let mut places = vec![
        (below(split), parquet),
        (below(""), shard),
        (PathBuf::from("data"), shard),
        (below("data"), shard),
        (below(""), single),
        (PathBuf::new(), single),
    ];
    if config.is_none() {
        // The hub's branch names the configuration that nobody names.
        places.insert(0, (Path::new("default").join(split), parquet));
        places.insert(1, (Path::new("default").to_path_buf(), shard));
    }
    places
}

/// The names in a folder; none where there is no such folder. The folder that it lies in was granted.
#[allow(clippy::disallowed_methods)] // A loader: paths come from `ctx.readable`.
fn names_in(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    entries.filter_map(|entry| entry.file_name().into_string().ok()).collect()
}

/// Of a folder of the hub's cache the snapshot of its main revision, else the folder itself.
#[allow(clippy::disallowed_methods)] // A loader: paths come from `ctx.readable`.
fn snapshot(real: &Path, folder: String, ctx: &Context) -> Result<(PathBuf, String), Fault> {
    let Ok(commit) = std::fs::read_to_string(real.join("refs/main")) else { return Ok((real.to_path_buf(), folder)) };
    let commit = commit.trim();
    let folder = format!("{folder}/snapshots/{commit}");
    if !is_plain(commit) {
        return Err(Fault::new("data/split", format!("`{folder}` is no snapshot")).hint("fetch the data set anew"));
    }
    Ok((ctx.readable(&folder)?, folder))
}

/// Refuses shards of which one is missing: `train-00000-of-00002.parquet` says how many there are.
fn whole(names: &[String], folder: &str) -> Result<(), Fault> {
    let stated =
        names.iter().find_map(|name| name.rsplit_once("-of-")?.1.strip_suffix(".parquet")?.parse::<usize>().ok());
    match stated.filter(|n| *n != names.len()) {
        None => Ok(()),
        Some(n) => {
            let said = format!("`{folder}` has {} of {n} files: {}", names.len(), names.join(", "));
            Err(Fault::new("data/split", said).hint("fetch the data set whole"))
        }
    }
}
