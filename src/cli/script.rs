//! `w2s script FILE [-- args]`: one run with its folder.

use super::line::Global;
use super::runtime::{Run, Runtime};
use super::{draw, exit, worker};
use crate::lang::diagnostic::Diagnostic;
use crate::lang::resolve::STDLIB;
use crate::lang::source::read_script;
use std::path::Path;

/// Runs the script and answers the exit code. Of a rerun nobody is told where its record is.
pub fn run(global: &Global, plan: bool, is_rerun: bool, file: &Path, args: &[String]) -> u8 {
    // A script that cannot be read leaves no run folder.
    let text = match read_script(file) {
        Ok(text) => text,
        Err(why) => {
            draw::print(&Diagnostic::new("script/read", format!("`{}` {why}", file.display())));
            return exit::FILE;
        }
    };
    let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
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
    let mut session = runtime.session("input", false, args);
    global.modules.iter().for_each(|(name, text)| session.sources.pin_module(name, text));
    worker::enable(&runtime, &session.sources, global, file, args);
    session.sources.keep(&file.display().to_string(), &text, file.canonicalize().ok().as_deref());
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
    let mut modules = Vec::new();
    for path in entries.flatten().map(|entry| entry.path()) {
        if let Some(name) = path.file_stem().and_then(|stem| stem.to_str()) {
            modules.push((name.to_owned(), read_script(&path).map_err(refuse)?));
        }
    }
    Ok(modules)
}

/// The program's modules as a script imports them: its own texts, but for those in `modules`.
pub fn library(modules: &[(String, String)]) -> Vec<(&str, &str)> {
    let other = |name: &str| modules.iter().any(|(other, _)| other == name);
    let own = STDLIB.iter().copied().filter(|(name, _)| !other(name));
    own.chain(modules.iter().map(|(name, text)| (name.as_str(), text.as_str()))).collect()
}
