//! `w2s script FILE [-- args]`: one run with its folder. `-` reads the script from standard input.

use super::line::Global;
use super::runtime::{Run, Runtime};
use super::{draw, exit, worker};
use crate::lang::diagnostic::Diagnostic;
use crate::lang::resolve::shipped;
use crate::lang::source::{MAX_SCRIPT, read_script};
use std::io::Read;
use std::path::Path;

/// Runs the script and answers the exit code. Of a rerun nobody is told where its record is.
pub fn run(global: &Global, plan: bool, is_rerun: bool, file: &Path, args: &[String]) -> u8 {
    // A script that cannot be read leaves no run folder.
    let is_piped = file == Path::new("-");
    let file = if is_piped { Path::new(PIPED) } else { file };
    let text = match if is_piped { piped() } else { read_script(file) } {
        Ok(text) => text,
        Err(why) => {
            draw::print(&Diagnostic::new("script/read", format!("`{}` {why}", file.display())));
            return exit::FILE;
        }
    };
    let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    if plan && is_piped {
        draw::print(&Diagnostic::new("usage/plan", "`--plan` reads a file, not standard input"));
        return exit::USAGE;
    }
    if plan {
        return super::plan::run(global, file, folder, args);
    }
    // What would be said after the run is said before it.
    if let Err(error) = super::store::most().map_err(|error| Diagnostic::from_explained(&error)) {
        draw::print(&error);
        return exit::USAGE;
    }
    let runtime = match Runtime::new(global, folder, Some(Run { script: file, args })) {
        Ok(runtime) => runtime,
        Err(refused) => {
            draw::print(&refused);
            return exit::FILE;
        }
    };
    if is_rerun {
        runtime.progress.keep_files_quiet();
    }
    let mut session = runtime.session("input", false, args);
    global.modules.iter().for_each(|(name, text)| session.sources.pin_module(name, text));
    worker::enable(&runtime, &session.sources, global, file, args);
    if is_piped {
        session.sources.pin(&file.canonicalize().unwrap_or_else(|_| file.to_owned()), &text);
    }
    // Workers get the text of standard input as that of a file which is not there.
    let real = file.canonicalize().ok().or_else(|| is_piped.then(|| file.to_owned()));
    session.sources.keep(&file.display().to_string(), &text, real.as_deref());
    if let Err(refused) = runtime.begin(&session.sources, file) {
        draw::print(&refused);
        return exit::FILE;
    }
    let answer = session.run_script(file);
    let code = match runtime.end(answer, &session.sources, Some(file)) {
        Ok(_) => exit::OK,
        Err(code) => code,
    };
    super::store::after_run(&runtime);
    runtime.store.finish(&runtime.ctx);
    if let Some(folder) = runtime.ctx.settings.run_dir.as_ref().filter(|_| !global.quiet && !is_rerun) {
        runtime.progress.note(&format!("record: {}", crate::lang::resolve::shown(&folder.join("record.json"))));
    }
    code
}

/// The texts in a folder that are imported in place of the program's own modules, by name; none without a folder.
pub fn modules(folder: Option<&Path>) -> Result<Vec<(String, String)>, Box<Diagnostic>> {
    let Some(folder) = folder else { return Ok(Vec::new()) };
    let refuse = |why: String| Box::new(Diagnostic::new("script/modules", format!("`{}` {why}", folder.display())));
    let entries = std::fs::read_dir(folder).map_err(|error| refuse(crate::core::context::plain(&error)))?;
    let tasks = std::fs::read_dir(folder.join("tasks")).into_iter().flatten().map(|entry| ("tasks/", entry));
    let mut modules = Vec::new();
    for (before, path) in
        entries.map(|entry| ("", entry)).chain(tasks).filter_map(|(b, entry)| Some((b, entry.ok()?.path())))
    {
        if let Some(name) = path.file_stem().and_then(|stem| stem.to_str()).filter(|_| path.is_file()) {
            modules.push((format!("{before}{name}"), read_script(&path).map_err(refuse)?));
        }
    }
    Ok(modules)
}

/// The program's modules as a script imports them: its own texts, but for those in `modules`.
pub fn library(modules: &[(String, String)]) -> Vec<(&str, &str)> {
    let other = |name: &str| modules.iter().any(|(other, _)| other == name);
    let mut all: Vec<(&str, &str)> = shipped().filter(|(name, _)| !other(name)).collect();
    all.extend(modules.iter().map(|(name, text)| (name.as_str(), text.as_str())));
    all
}

/// What a script from standard input is called.
const PIPED: &str = "stdin.rhai";

/// The script on standard input, bounded as a file is.
fn piped() -> Result<String, String> {
    let mut text = String::new();
    let read = std::io::stdin().take(MAX_SCRIPT + 1).read_to_string(&mut text);
    read.map_err(|error| format!("cannot be read from standard input: {}", crate::core::context::plain(&error)))?;
    if text.len() as u64 > MAX_SCRIPT {
        return Err(format!("has more than the {MAX_SCRIPT} bytes that a script may have"));
    }
    Ok(text)
}
