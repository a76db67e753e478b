//! `w2s store`: what the store holds, whether it is whole, making room, taking results elsewhere.

use super::columns::{Side, columns, cut};
use super::line::StoreCommand;
use super::runtime::Runtime;
use super::{draw, exit, output, store_show, units};
use crate::core::explain::Explain;
use crate::lang::diagnostic::Diagnostic;
use crate::record::Kept;
use crate::store::memo::{Collect, Collected, Key, Listed};
use crate::store::{Store, StoreError};
use std::collections::BTreeSet;
use std::path::Path;
use std::time::{Duration, SystemTime};

/// What computed results may take where nothing else is said: a small part of a laptop's disk.
const MOST: u64 = 20_000_000_000;

/// After a run that found the store too full, it is emptied to this share of the most, so that not every run does it.
const ROOM: f64 = 0.9;

/// Characters of a description that are shown.
const WHAT: usize = 48;

/// Does what was asked; the exit code.
pub fn run(runtime: &Runtime, command: &StoreCommand, run_folder: Option<&Path>) -> u8 {
    let store = Store::of(&runtime.ctx);
    let answer = match command {
        StoreCommand::Ls { operation, since } => ls(&store, operation.as_deref(), *since),
        StoreCommand::Show { key } => store.result(key).map(|listed| store_show::page(&store, &listed)),
        StoreCommand::Gc { max_size, older_than, forget, dry_run } => {
            let collect =
                Collect { max_bytes: *max_size, older_than: *older_than, dry: *dry_run, forget: forget.clone() };
            gc(runtime, &store, collect)
        }
        StoreCommand::Check { remove } => check(runtime, &store, *remove),
        StoreCommand::Export { file, keys } => match run_folder.map(Kept::open).transpose() {
            Ok(kept) => export(runtime, &store, file, keys, kept.as_ref()),
            Err(error) => {
                draw::print(&Diagnostic::from_explained(&error));
                return exit::FILE;
            }
        },
        StoreCommand::Import { file } => import(runtime, &store, file),
    };
    runtime.progress.clear();
    match answer {
        Ok((text, code)) => match output::finish(output::line(&text)) {
            exit::OK => code,
            failed => failed,
        },
        Err(error) => {
            draw::print(&Diagnostic::from_explained(&error));
            if error.is_interruption() { exit::INTERRUPTED } else { exit::FILE }
        }
    }
}

type Said = Result<(String, u8), StoreError>;

fn ls(store: &Store, operation: Option<&str>, since: Option<Duration>) -> Said {
    let after = since.and_then(|since| SystemTime::now().checked_sub(since));
    let mut listed = store.results()?;
    listed.retain(|listed| {
        let named = |name: &str| listed.manifest.as_ref().is_ok_and(|manifest| manifest.operation == name);
        operation.is_none_or(named) && after.is_none_or(|after| listed.used >= after)
    });
    listed.sort_by_key(|listed| (std::cmp::Reverse(listed.used), listed.key));
    let rows: Vec<[String; 6]> = listed.iter().map(row).collect();
    let heads = [
        ("key", Side::Left),
        ("operation", Side::Left),
        ("what", Side::Left),
        ("size", Side::Right),
        ("took", Side::Right),
        ("used", Side::Right),
    ];
    let mut text = if rows.is_empty() { String::new() } else { columns(&heads, &rows) + "\n" };
    let whole = listed.iter().filter_map(|listed| listed.manifest.as_ref().ok());
    // Results with one content share it.
    let contents: std::collections::BTreeMap<&str, u64> =
        whole.clone().map(|manifest| (manifest.content.as_str(), manifest.bytes)).collect();
    let bytes = contents.values().sum::<u64>() + listed.iter().map(|listed| listed.n_bytes).sum::<u64>();
    let took: f64 = whole.map(|manifest| manifest.seconds).sum();
    text +=
        &format!("{}, {}, computed in {}\n", n_of(listed.len(), "result"), units::size(bytes), units::seconds(took));
    if operation.is_none() && after.is_none() {
        let (n_partials, bytes) = store.n_partials()?;
        if n_partials > 0 {
            text += &format!("{} of interrupted work, {}\n", n_of(n_partials, "state"), units::size(bytes));
        }
        text += &format!("fetched: {}\n", units::size(store.n_fetched_bytes()?));
        text += &format!("The store is {}", store.shown());
    }
    Ok((text, exit::OK))
}

fn row(listed: &Listed) -> [String; 6] {
    let key = listed.key.short();
    let used = units::ago(listed.used);
    match &listed.manifest {
        Ok(manifest) => [
            key,
            draw::plain(&manifest.operation),
            cut(&manifest.what, WHAT),
            units::size(manifest.bytes + listed.n_bytes),
            units::seconds(manifest.seconds),
            used,
        ],
        Err(why) => [key, "damaged".to_owned(), cut(why, WHAT), units::size(listed.n_bytes), String::new(), used],
    }
}

pub(super) fn n_of(n: usize, what: &str) -> String {
    if n == 1 { format!("1 {what}") } else { format!("{n} {what}s") }
}

fn gc(runtime: &Runtime, store: &Store, mut collect: Collect) -> Said {
    // A bucket is not this machine's to keep small unless it is said how small.
    if collect.max_bytes.is_none() && runtime.ctx.settings.bucket.is_none() {
        collect.max_bytes = most()?;
    }
    let done = store.collect(&collect, &runtime.ctx.interrupt)?;
    let max_bytes = collect.max_bytes;
    let verb = if collect.dry { "would remove" } else { "removed" };
    let mut text = format!(
        "{verb} {}, {} of interrupted work and {}: {}\n",
        n_of(done.n_results, "result"),
        n_of(done.n_partials, "state"),
        n_of(done.n_rubbish, "leftover"),
        units::size(done.n_bytes)
    );
    text += &format!("left: {}, {} in all", n_of(done.n_left, "result"), units::size(done.n_bytes_left));
    text += &needed(&done);
    if let Some(most) = max_bytes.filter(|most| done.n_bytes_left > *most) {
        text += &format!("\nthat is more than {}: remove run folders that you no longer need", units::size(most));
    }
    for (host, n_runs) in &done.others {
        let host = draw::plain(host);
        text += &format!("\n`{host}` has {}; `--forget {host}` keeps nothing for it", n_of(*n_runs, "such run"));
    }
    Ok((text, exit::OK))
}

fn needed(done: &Collected) -> String {
    if done.n_needed == 0 {
        return String::new();
    }
    let runs = match (done.n_kept_runs, done.n_running) {
        (kept, 0) => n_of(kept, "kept run"),
        (0, running) => n_of(running, "running process").replace("processs", "processes"),
        (kept, running) => format!("{} and {running} running", n_of(kept, "kept run")),
    };
    format!("; {} of them, {}, are needed by {runs}", done.n_needed, units::size(done.n_bytes_needed))
}

/// The most bytes that computed results may take: `W2S_STORE_MAX`, or [`MOST`]; `None` for as many as there are.
pub fn most() -> Result<Option<u64>, StoreError> {
    let Some(said) = std::env::var("W2S_STORE_MAX").ok().filter(|said| !said.is_empty()) else { return Ok(Some(MOST)) };
    if said == "none" {
        return Ok(None);
    }
    units::parse_size(&said).map(Some).map_err(|why| StoreError::Setting { name: "W2S_STORE_MAX".to_owned(), why })
}

/// After a run that added to the store: makes room if it is over its most.
pub fn after_run(runtime: &Runtime) {
    if !runtime.store.has_added() {
        return;
    }
    // The folder alone: what a bucket holds is many machines'.
    let store = Store::at(&runtime.ctx.settings.store);
    let collected = (|| {
        let Some(most) = most()? else { return Ok(None) };
        if store.n_computed_bytes()? <= most {
            return Ok(None);
        }
        let max_bytes = Some((most as f64 * ROOM) as u64);
        let done = store.collect(&Collect { max_bytes, ..Collect::default() }, &runtime.ctx.interrupt)?;
        Ok::<_, StoreError>(Some((most, done)))
    })();
    match collected {
        Ok(None) => {}
        Ok(Some((most, done))) => runtime.progress.note(&format!(
            "the store had more than {}: removed {}, the least recently used, {}{}",
            units::size(most),
            n_of(done.n_results, "result"),
            units::size(done.n_bytes),
            needed(&done)
        )),
        Err(error) => runtime.progress.note(&format!("warning: the store was not tidied up: {error}")),
    }
}

fn check(runtime: &Runtime, store: &Store, remove: bool) -> Said {
    let audit = store.audit(&runtime.ctx)?;
    let mut text = String::new();
    for damaged in &audit.damaged {
        text += &format!("damaged: {}: {}\n", draw::plain(&damaged.file), draw::plain(&damaged.why));
    }
    text += &format!(
        "checked {}, {}, {} of interrupted work and {}: {}; ",
        n_of(audit.n_results, "result"),
        n_of(audit.n_contents, "content"),
        n_of(audit.n_partials, "state"),
        n_of(audit.n_fetched, "fetched package"),
        units::size(audit.n_bytes)
    );
    if audit.damaged.is_empty() {
        return Ok((text + "all whole", exit::OK));
    }
    text += &format!("{} damaged", n_of(audit.damaged.len(), "file"));
    if remove {
        let n_removed = store.remove_damaged(&audit, &runtime.ctx)?;
        text += &format!("; removed {}, what they held is computed again when it is needed", n_of(n_removed, "file"));
    } else {
        text += "; `w2s store check --remove` removes what can be computed again";
    }
    if audit.damaged.iter().any(|damaged| damaged.file.starts_with("fetched/") || damaged.file.starts_with("hub/")) {
        text += "; `w2s fetch` brings fetched files again";
    }
    Ok((text, exit::SCRIPT))
}

fn export(runtime: &Runtime, store: &Store, file: &Path, keys: &[String], run: Option<&Kept>) -> Said {
    let mut chosen: BTreeSet<Key> = BTreeSet::new();
    for key in keys {
        chosen.insert(store.result(key)?.key);
    }
    let mut note = String::new();
    if let Some(run) = run {
        let used = Store::keys_of_run(run.folder());
        if used.is_empty() {
            return Err(StoreError::File { path: run.name.clone(), reason: "its record names no result".to_owned() });
        }
        let n_used = used.len();
        let held: BTreeSet<Key> = store.results()?.into_iter().map(|listed| listed.key).collect();
        chosen.extend(used.intersection(&held));
        let n_missing = n_used - used.intersection(&held).count();
        if n_missing > 0 {
            note = format!("; {} of the run are not in the store", n_of(n_missing, "result"));
        }
    } else if keys.is_empty() {
        chosen =
            store.results()?.into_iter().filter(|listed| listed.manifest.is_ok()).map(|listed| listed.key).collect();
    }
    let bytes = store.export(&chosen, file, &runtime.ctx)?;
    Ok((format!("{} in {}, {}{note}", n_of(chosen.len(), "result"), file.display(), units::size(bytes)), exit::OK))
}

fn import(runtime: &Runtime, store: &Store, file: &Path) -> Said {
    let done = store.import(file, &runtime.ctx)?;
    let text = format!(
        "{} new, {}; {} had been there",
        n_of(done.n_new, "result"),
        units::size(done.n_bytes),
        n_of(done.n_known, "result")
    );
    Ok((text, exit::OK))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_read_as_people_say_them() {
        assert_eq!([0, 1, 2].map(|n| n_of(n, "result")), ["0 results", "1 result", "2 results"]);
        let done =
            Collected { n_needed: 2, n_bytes_needed: 1500, n_running: 1, n_kept_runs: 3, ..Collected::default() };
        assert_eq!(needed(&done), "; 2 of them, 1.5 kB, are needed by 3 kept runs and 1 running");
        assert_eq!(cut("a\u{1b}[31m\nb", WHAT).matches('\u{1b}').count(), 0);
    }
}
