//! `report`: what a script keeps in its run folder, and numbers as a report writes them.

mod figure;
mod number;
mod table;

use crate::bind::prelude::*;
use crate::core::context::Context;
use crate::record::folder::announce;
use crate::record::{RecordError, place};
use std::path::PathBuf;

/// Lists the module's functions.
pub fn register(registry: &mut Registry) {
    registry.module("report", "Keeps tables and figures in the run folder, where the run's page finds them.");
    registry.add(figure::function());
    registry.add(table::function());
    registry.add(number::function());
}

crate::options! {
    /// What the files are called, and what is said of them.
    pub struct NameOptions {
        /// The files' name without its ending; without it, one that names the content, numbered where it is taken.
        name: Option<String> = None,
        /// What the page and the appendix say under it; without it, its name or heading.
        caption: Option<String> = None,
    }
}

/// Where files called `name` go, one path per extension; `stem` is the name where the script gives none. Names are given once.
fn places(
    ctx: &Context,
    name: Option<String>,
    stem: &str,
    extensions: &[&str],
) -> Result<(String, Vec<PathBuf>), Fault> {
    let all = |name: &str| -> Result<Vec<PathBuf>, RecordError> {
        extensions.iter().map(|extension| place(ctx, name, extension)).collect()
    };
    let taken = |paths: &[PathBuf]| paths.iter().any(|path| path.symlink_metadata().is_ok());
    let keep = |paths: &[PathBuf]| -> Result<(), RecordError> {
        announce(ctx, paths)?;
        ctx.keeps(paths);
        Ok(())
    };
    if let Some(name) = name {
        let paths = all(&name)?;
        if taken(&paths) {
            return Err(Fault::new("report/taken", format!("this run has already kept something called `{name}`"))
                .hint("give it another name"));
        }
        keep(&paths)?;
        return Ok((name, paths));
    }
    for number in 1..=MAX_NUMBERED {
        let name = if number == 1 { stem.to_owned() } else { format!("{stem}-{number}") };
        let paths = all(&name)?;
        if !taken(&paths) {
            keep(&paths)?;
            return Ok((name, paths));
        }
    }
    Err(Fault::new("report/taken", format!("this run has already kept {MAX_NUMBERED} things called `{stem}`"))
        .hint("give it a name: #{ name: \"…\" }"))
}

/// The most characters of a caption (arbitrary: a paragraph).
const MAX_CAPTION: usize = 2000;

/// A caption on one line.
fn caption(text: Option<String>) -> Result<String, Fault> {
    let text = text.unwrap_or_default();
    let n = text.chars().count();
    if n > MAX_CAPTION {
        let message = format!("`caption` has {n} characters, at most {MAX_CAPTION} are kept");
        return Err(Fault::new("report/caption", message).hint("say the rest in the text"));
    }
    Ok(text.split_whitespace().collect::<Vec<_>>().join(" "))
}

/// What a warning says of a file that is not written where nothing is kept.
fn no_folder(file: &str) -> String {
    format!(
        "`{file}` was not written: there is no run folder here; `w2s script FILE` makes one, and `w2s --run DIR` gives the prompt one"
    )
}

/// The most unnamed files of one kind (chosen).
const MAX_NUMBERED: usize = 1000;
