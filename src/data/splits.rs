//! Where the files of a data set's split lie, in a folder that is laid out as the hub lays out data sets, or in the store.

use super::DataError;
use crate::core::context::Context;
use crate::store::Store;
use crate::store::hub::HubId;
use std::path::{Path, PathBuf};

/// The files of a split, by names that [`super::read::read`] knows; no `config` is the one that nobody names.
pub fn files(ctx: &Context, folder: &str, config: Option<&str>, split: &str) -> Result<Vec<String>, DataError> {
    for (what, part) in [("split", Some(split)), ("config", config)] {
        if let Some(part) = part.filter(|part| !is_plain(part)) {
            let said = format!("`{what}` must be a name without `/`, got `{part}`");
            return Err(misfit(said, "it is a name of the hub, such as \"train\""));
        }
    }
    let of = config.map_or(String::new(), |config| format!(" of `{config}`"));
    if folder.starts_with("hub:") {
        let wrong = || misfit(format!("`{folder}` is not a data set of the hub"), "such as hub:datasets/google/boolq");
        let id = HubId::parse(folder).ok().filter(HubId::is_data).ok_or_else(wrong)?;
        let files = id.files_of(&Store::of(ctx), config, split)?;
        if files.is_empty() {
            let said = format!("`{id}` has no files of the split `{split}`{of}");
            return Err(misfit(said, format!("type: w2s fetch {id}")));
        }
        return Ok(files.iter().map(|file| format!("{id}#{file}")).collect());
    }
    let real = ctx.readable(folder)?;
    let (real, folder) = snapshot(&real, folder, ctx)?;
    let found = places(config, split).into_iter().find_map(|(below, is_ours)| {
        let mut names = names_in(&real.join(&below));
        names.retain(|name| is_ours(name, split));
        names.sort();
        (!names.is_empty()).then_some((below, names))
    });
    let Some((below, names)) = found else {
        let there = names_in(&real);
        let there: Vec<&str> = there.iter().take(12).map(String::as_str).collect();
        let said = format!("`{folder}` has no files of the split `{split}`{of}");
        return Err(misfit(said, format!("it holds: {}; help data::files says what is looked for", there.join(", "))));
    };
    whole(&names, &folder)?;
    let below = if below.as_os_str().is_empty() { String::new() } else { format!("{}/", below.display()) };
    Ok(names.iter().map(|name| format!("{folder}/{below}{name}")).collect())
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
        (PathBuf::new(), shard),
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
fn snapshot(real: &Path, folder: &str, ctx: &Context) -> Result<(PathBuf, String), DataError> {
    let Ok(commit) = std::fs::read_to_string(real.join("refs/main")) else {
        return Ok((real.to_path_buf(), folder.to_owned()));
    };
    let commit = commit.trim();
    let folder = format!("{folder}/snapshots/{commit}");
    if !is_plain(commit) {
        return Err(misfit(format!("`{folder}` is not a snapshot"), "fetch the data set anew"));
    }
    Ok((ctx.readable(&folder)?, folder))
}

/// Refuses shards of which one is missing: `train-00000-of-00002.parquet` says how many there are.
fn whole(names: &[String], folder: &str) -> Result<(), DataError> {
    let stated = |name: &String| name.rsplit_once("-of-")?.1.strip_suffix(".parquet")?.parse::<usize>().ok();
    match names.iter().find_map(stated).filter(|n| *n != names.len()) {
        None => Ok(()),
        Some(n) => {
            let said = format!("`{folder}` has {} of {n} files: {}", names.len(), names.join(", "));
            Err(misfit(said, "fetch the data set whole"))
        }
    }
}

fn misfit(what: String, hint: impl Into<String>) -> DataError {
    DataError::Split { what, hint: hint.into() }
}
