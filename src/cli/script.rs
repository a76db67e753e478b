//! `w2s script FILE [-- args]`: one run with its folder.

use super::line::Global;
use super::runtime::{Run, Runtime};
use super::{draw, exit, worker};
use crate::lang::diagnostic::Diagnostic;
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
