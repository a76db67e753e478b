//! The only floor that prints: parses arguments, shows progress, values and errors.
#![allow(clippy::print_stdout, clippy::print_stderr)]

mod appendix;
mod bundle;
mod check;
mod columns;
pub mod draw;
mod fetch;
pub mod help;
pub mod line;
pub mod output;
mod plan;
pub mod progress;
pub mod repl;
mod runs;
pub mod runtime;
mod script;
mod show;
mod start;
mod store;
mod store_show;
mod units;
mod verify;
mod worker;

use crate::lang::diagnostic::Diagnostic;
use crate::lang::stack;
use clap::{CommandFactory, Parser};
use help::{Reference, Style};
use line::{Command, Global, Line};
use runtime::Runtime;
use std::ffi::OsString;
use std::io::IsTerminal;
use std::path::Path;
use std::process::ExitCode;

/// Exit codes, for shell scripts.
pub mod exit {
    /// Done.
    pub const OK: u8 = 0;
    /// The script, or a checked script, has an error.
    pub const SCRIPT: u8 = 1;
    /// The command line is wrong.
    pub const USAGE: u8 = 2;
    /// A file or folder that was named cannot be read or made.
    pub const FILE: u8 = 3;
    /// Verified on another type of machine, where numbers were compared within intervals.
    pub const WITHIN: u8 = 4;
    /// Nothing differs, and something could not be judged.
    pub const NOT_JUDGED: u8 = 5;
    /// Stopped by Ctrl-C (128 + SIGINT, as a shell would say it).
    pub const INTERRUPTED: u8 = 130;
    /// Whoever read our output stopped reading (128 + SIGPIPE).
    pub const PIPE: u8 = 141;
}

/// Runs the program.
pub fn main() -> ExitCode {
    start::before_threads();
    let line = match Line::try_parse_from(with_command(std::env::args_os().collect())) {
        Ok(line) => line,
        Err(refused) => {
            // Help and version are answers, not errors; clap knows which stream each goes to. A closed pipe is no news.
            let _ = refused.print();
            return ExitCode::from(if refused.use_stderr() { exit::USAGE } else { exit::OK });
        }
    };
    if let Err(refused) = start::prepare(&line.global) {
        draw::print(&refused);
        return ExitCode::from(exit::USAGE);
    }
    let _watch = start::last_resort(&line.global);
    // A script's values can be nested deeper than an ordinary stack: they are shown, and let go, on the big one.
    let answer = stack::on_big_stack(|| Ok(dispatch(&line)));
    ExitCode::from(answer.unwrap_or_else(|refused| {
        draw::print(&refused);
        exit::SCRIPT
    }))
}

/// `w2s FILE.rhai` is `w2s script FILE.rhai`.
fn with_command(mut words: Vec<OsString>) -> Vec<OsString> {
    let line = Line::command();
    let commands: Vec<&str> = line.get_subcommands().map(clap::Command::get_name).collect();
    let is_command = |word: &OsString| word.to_str().is_some_and(|word| commands.contains(&word) || word == "--");
    let is_script = |word: &OsString| Path::new(word).extension().is_some_and(|ending| ending == "rhai");
    let first = words.iter().skip(1).position(|word| is_command(word) || is_script(word));
    if let Some(at) = first.map(|at| at + 1)
        && words.get(at).is_some_and(|word| !is_command(word))
    {
        words.insert(at, "script".into());
    }
    words
}

fn dispatch(line: &Line) -> u8 {
    let global = &line.global;
    match &line.command {
        None | Some(Command::Repl) => with_runtime(global, repl::run),
        Some(Command::Script { plan, rerun, modules, file, args }) => match script::modules(modules.as_deref()) {
            Ok(modules) => script::run(&Global { modules, ..global.clone() }, *plan, *rerun, file, args),
            Err(refused) => {
                draw::print(&refused);
                exit::FILE
            }
        },
        Some(Command::Appendix { run, output }) => appendix::run(run, output.as_deref()),
        Some(Command::Eval { code }) => with_runtime(global, |runtime| eval(runtime, code)),
        Some(Command::Check { files }) => check::run(global, files),
        Some(Command::Help { name }) => help(name.as_deref()),
        Some(Command::Store { command }) => {
            // A run's folder that is named here is read, not made.
            let plain = Global { run: None, ..global.clone() };
            with_runtime(&plain, |runtime| store::run(runtime, command, global.run.as_deref()))
        }
        Some(Command::Fetch { ids }) => with_runtime(global, |runtime| fetch::run(runtime, ids)),
        Some(Command::Runs { folder, json }) => runs::runs(folder, *json),
        Some(Command::Show { run, json, operations }) => show::run(run, *json, *operations),
        Some(Command::Diff { before, after, json }) => runs::diff(before, after, *json),
        Some(Command::Verify { run, json }) => verify::run(global, run, json.as_deref()),
        Some(Command::Bundle { run, out, no_data }) => bundle::run(global, run, out.as_deref(), *no_data),
        Some(Command::Worker) => worker::run(),
        Some(Command::Docs { folder }) => docs(folder),
        Some(Command::Completions { shell }) => {
            let mut text = Vec::new();
            clap_complete::generate(*shell, &mut Line::command(), "w2s", &mut text);
            output::finish(output::write(&text))
        }
    }
}

/// Sets a runtime up for code that is typed, in the project of the current folder.
fn with_runtime(global: &Global, work: impl FnOnce(&Runtime) -> u8) -> u8 {
    match Runtime::new(global, Path::new("."), None) {
        Ok(runtime) => {
            let code = work(&runtime);
            runtime.store.finish(&runtime.ctx);
            code
        }
        Err(refused) => {
            draw::print(&refused);
            exit::FILE
        }
    }
}

/// `w2s eval EXPR`: prints the value.
fn eval(runtime: &Runtime, code: &str) -> u8 {
    let mut session = runtime.session("eval", true, &[]);
    let answer = session.eval(code);
    match runtime.end(answer, &session.sources, None) {
        Ok(value) if value.is_unit() => exit::OK,
        Ok(value) => output::finish(output::line(&draw::plain(&crate::bind::show(&value)))),
        Err(code) => code,
    }
}

/// `w2s help [NAME]`.
fn help(name: Option<&str>) -> u8 {
    let reference = Reference::shipped();
    let style = Style::coloured(std::io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none());
    let Some(name) = name else {
        return output::finish(output::line(&reference.overview(style)));
    };
    match reference.page(name, style) {
        Ok(page) => output::finish(output::line(&page)),
        Err(unknown) => {
            eprintln!("{unknown}");
            exit::SCRIPT
        }
    }
}

/// `w2s docs [DIR]`.
fn docs(folder: &Path) -> u8 {
    match Reference::shipped().write(folder) {
        Ok(n_files) => output::finish(output::line(&format!("{n_files} files below {}", folder.display()))),
        Err(error) => {
            let why = format!("`{}` cannot be written: {}", folder.display(), crate::core::files::plain(&error));
            draw::print(&Diagnostic::new("docs/write", why));
            exit::FILE
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_script_alone_is_run() {
        let read = |line: &str| -> String {
            let words = with_command(line.split(' ').map(OsString::from).collect());
            words.iter().map(|word| word.to_string_lossy().into_owned()).collect::<Vec<_>>().join(" ")
        };
        assert_eq!(read("w2s a.rhai"), "w2s script a.rhai");
        assert_eq!(read("w2s --quiet dir/a.rhai -- b.rhai"), "w2s --quiet script dir/a.rhai -- b.rhai");
        for line in ["w2s script a.rhai", "w2s check a.rhai", "w2s", "w2s repl", "w2s eval 1", "w2s nope"] {
            assert_eq!(read(line), line);
        }
    }
}
