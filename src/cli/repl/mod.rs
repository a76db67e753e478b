//! The prompt: the bench where a script is found.
//!
//! On a terminal it is edited by rustyline; anything else on standard input is read line by line and stops at the first
//! error with that error's exit code, so that a pipe is as strict as a script.

mod commands;
mod complete;
mod helper;
mod highlight;
mod hint;
mod names;
mod place;
mod transcript;

use super::help::{Reference, Style, terms};
use super::runtime::Runtime;
use super::{draw, exit, output};
use crate::bind::show;
use crate::lang::Session;
use crate::lang::diagnostic::Diagnostic;
use crate::report::scan::Scan;
use commands::{COMMANDS, Input};
use helper::Editing;
use names::Names;
use rustyline::error::ReadlineError;
use rustyline::history::FileHistory;
use rustyline::{CompletionType, Config, Editor};
use std::io::{BufRead, IsTerminal};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;
use transcript::Transcript;

/// What stands before the cursor.
const PROMPT: &str = "w2s> ";

/// Inputs that are remembered between sessions (chosen: years of them).
const MAX_HISTORY: usize = 10_000;

/// What errors call typed code.
const TYPED: &str = "input";

/// Runs the prompt until the user leaves; the exit code.
pub fn run(bench: &Runtime) -> u8 {
    let mut prompt = Prompt::new(bench);
    if std::io::stdin().is_terminal() { at_terminal(&mut prompt) } else { from_pipe(&mut prompt) }
}

/// The state of the prompt.
struct Prompt<'a> {
    bench: &'a Runtime,
    session: Session,
    reference: Arc<Reference>,
    names: Arc<Mutex<Names>>,
    transcript: Transcript,
    /// Whether to say after each input how long it took.
    timed: bool,
    style: Style,
    /// Files that `:save` wrote: it may write them again.
    saved: Vec<PathBuf>,
}

/// What follows an input.
enum Next {
    Go,
    /// The input failed with this exit code.
    Failed(u8),
    Leave,
}

impl<'a> Prompt<'a> {
    fn new(bench: &'a Runtime) -> Self {
        let reference = Arc::new(Reference::shipped());
        let mut prompt = Prompt {
            bench,
            session: bench.session(TYPED, true, &[]),
            names: Arc::new(Mutex::new(Names::new(reference.clone()))),
            reference,
            transcript: Transcript::default(),
            timed: false,
            style: Style::coloured(std::io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none()),
            saved: Vec::new(),
        };
        prompt.refresh();
        prompt
    }

    fn names(&self) -> MutexGuard<'_, Names> {
        self.names.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn refresh(&mut self) {
        let names = self.names.clone();
        names.lock().unwrap_or_else(PoisonError::into_inner).refresh(&self.session, TYPED);
    }

    /// Does what one input says.
    fn answer(&mut self, text: &str) -> Next {
        match commands::read(text) {
            Input::Nothing => Next::Go,
            Input::Quit => Next::Leave,
            Input::Help(name) => self.help(name.as_deref()),
            Input::Commands => self.say(&command_list(self.style)),
            Input::Vars => self.vars(),
            Input::Time(None) => {
                self.timed = !self.timed;
                self.say(if self.timed { "times are shown" } else { "times are no longer shown" })
            }
            Input::Time(Some(code)) => self.evaluate(&code, true),
            Input::Load(path) => self.load(&path),
            Input::Save(path) => self.save(&path),
            Input::Reset => {
                self.session = self.bench.session(TYPED, true, &[]);
                self.transcript = Transcript::default();
                self.refresh();
                Next::Go
            }
            Input::Wrong(why) => self.complain("prompt/command", &why),
            Input::Code(code) => self.evaluate(&code, self.timed),
        }
    }

    fn evaluate(&mut self, code: &str, timed: bool) -> Next {
        self.bench.ctx.interrupt.clear();
        let start = Instant::now();
        let answer = self.session.eval(code);
        let seconds = start.elapsed().as_secs_f64();
        self.bench.progress.clear();
        drop_shadowed(&mut self.session);
        let next = match answer {
            Ok(value) => {
                self.transcript.keep(code, !value.is_unit());
                if value.is_unit() { Next::Go } else { self.say(&draw::plain(&show(&value))) }
            }
            Err(error) => {
                self.transcript.keep_before(code, failed_at(code, &error));
                self.fail(&error)
            }
        };
        if timed {
            let _ = self.say(&self.style.dim(&format!("{}", Seconds(seconds))));
        }
        self.refresh();
        next
    }

    fn help(&self, name: Option<&str>) -> Next {
        let Some(name) = name else {
            let overview = self.reference.overview(self.style);
            return self.say(&format!("{}\n\n{}", overview.trim_end(), command_list(self.style)));
        };
        // A variable is explained by its type, unless the name means something else too.
        let variable = self.names().variable(name).map(|variable| variable.type_name.clone());
        match (self.reference.page(name, self.style), variable) {
            (Ok(page), _) => self.say(page.trim_end()),
            (Err(_), Some(type_name)) => {
                let page = self.reference.page(&type_name, self.style);
                let page = page.map_or_else(|_| String::new(), |page| format!("\n\n{}", page.trim_end()));
                self.say(&format!("{name} is a variable: {type_name}{page}"))
            }
            (Err(unknown), None) => self.complain("help/unknown", &unknown),
        }
    }

    fn vars(&self) -> Next {
        let rows: Vec<(String, String, String)> = self
            .names()
            .variables
            .iter()
            .filter(|variable| variable.name != "args" || !variable.type_name.ends_with("array"))
            .map(|variable| {
                let value = self.session.scope.get(&variable.name).map(show).unwrap_or_default();
                (variable.name.clone(), variable.type_name.clone(), first_line(&value, 60))
            })
            .collect();
        if rows.is_empty() {
            return self.say("no variables yet");
        }
        let widest = |column: fn(&(String, String, String)) -> usize| rows.iter().map(column).max().unwrap_or(0);
        let (a, b) = (widest(|row| row.0.chars().count()), widest(|row| row.1.chars().count()));
        let lines: Vec<String> =
            rows.iter().map(|(name, kind, value)| format!("{name:<a$}  {kind:<b$}  {value}")).collect();
        self.say(&lines.join("\n"))
    }

    fn load(&mut self, path: &str) -> Next {
        match crate::lang::source::read_script(Path::new(path)) {
            Ok(text) => self.evaluate(&text, self.timed),
            Err(why) => self.complain("prompt/load", &format!("`{path}` {why}")),
        }
    }

    fn save(&mut self, path: &str) -> Next {
        if self.transcript.is_empty() {
            return self.complain("prompt/save", "no input has succeeded yet, so there is nothing to save");
        }
        let mut file = PathBuf::from(path);
        if file.extension().is_none() {
            file.set_extension("rhai");
        }
        let shown = file.display().to_string();
        if file.exists() && !self.saved.contains(&file) {
            return self.complain("prompt/save", &format!("`{shown}` is there already; name another file"));
        }
        match std::fs::write(&file, self.transcript.script()) {
            Ok(()) => {
                self.saved.push(file);
                self.say(&format!("saved {shown}; run it with: w2s script {shown}"))
            }
            Err(error) => self.complain(
                "prompt/save",
                &format!("`{shown}` cannot be written: {}", crate::core::context::plain(&error)),
            ),
        }
    }

    fn say(&self, text: &str) -> Next {
        match self.bench.progress.apart(|| output::line(text)) {
            Ok(()) => Next::Go,
            Err(_) => Next::Leave,
        }
    }

    fn complain(&self, code: &str, message: &str) -> Next {
        self.fail(&Diagnostic::new(code, message))
    }

    fn fail(&self, error: &Diagnostic) -> Next {
        if error.interrupted {
            self.bench.progress.note("interrupted");
            return Next::Failed(exit::INTERRUPTED);
        }
        draw::print(error);
        Next::Failed(exit::SCRIPT)
    }
}

/// Edits at a terminal. An error is shown and the prompt comes again.
fn at_terminal(prompt: &mut Prompt) -> u8 {
    super::runtime::keep_the_session();
    let mut editor = match editor(prompt) {
        Ok(editor) => editor,
        Err(error) => {
            draw::print(&Diagnostic::new("prompt/terminal", format!("this terminal cannot be used: {error}")));
            return exit::FILE;
        }
    };
    let history = history_file();
    if let Some(file) = &history {
        // There is none yet, or it cannot be read: the prompt works without.
        let _ = editor.load_history(file);
    }
    let _ = prompt.say(&format!(
        "w2s {}: Tab completes, `help` explains, `:help` lists the prompt's own commands, Ctrl-D leaves",
        env!("CARGO_PKG_VERSION")
    ));
    let styled = if prompt.style == Style::plain() { PROMPT.to_owned() } else { format!("\x1b[1;32m{PROMPT}\x1b[0m") };
    loop {
        let columns = editor.dimensions().map_or(80, |(columns, _)| usize::from(columns));
        if let Some(helper) = editor.helper_mut() {
            helper.columns = columns;
            helper.prompt = PROMPT.len();
        }
        match editor.readline(&(PROMPT, styled.as_str())) {
            Ok(text) => {
                remember(&mut editor, history.as_deref(), &text);
                if let Next::Leave = prompt.answer(&text) {
                    return exit::OK;
                }
            }
            // Ctrl-C clears the line, and says so as a shell does.
            Err(ReadlineError::Interrupted) => {
                let _ = prompt.say("^C");
            }
            Err(ReadlineError::Eof) => return exit::OK,
            Err(error) => {
                draw::print(&Diagnostic::new("prompt/terminal", format!("the terminal went away: {error}")));
                return exit::FILE;
            }
        }
    }
}

fn editor(prompt: &Prompt) -> rustyline::Result<Editor<Editing, FileHistory>> {
    let config = Config::builder()
        .completion_type(CompletionType::List)
        .completion_show_all_if_ambiguous(true)
        .max_history_size(MAX_HISTORY)?
        .history_ignore_dups(true)?
        .bell_style(rustyline::config::BellStyle::None)
        .build();
    let mut editor = Editor::with_config(config)?;
    editor.set_helper(Some(Editing::new(prompt.names.clone(), prompt.bench.ctx.clone())));
    Ok(editor)
}

/// Adds an input to the history and its file at once, so that nothing is lost with the terminal.
fn remember(editor: &mut Editor<Editing, FileHistory>, file: Option<&Path>, text: &str) {
    if text.trim().is_empty() {
        return;
    }
    // A history that cannot be kept is no reason to disturb the work.
    let _ = editor.add_history_entry(text);
    if let Some(file) = file {
        let _ = editor.append_history(file);
    }
}

/// The history's file in the platform's data folder; none where there is no home or it cannot be made.
fn history_file() -> Option<PathBuf> {
    let folder = directories::ProjectDirs::from("", "", "w2s")?.data_dir().to_owned();
    std::fs::create_dir_all(&folder).ok()?;
    Some(folder.join("history.txt"))
}

/// Reads standard input that is not a terminal. The first error ends it.
fn from_pipe(prompt: &mut Prompt) -> u8 {
    let mut text = String::new();
    for line in std::io::stdin().lock().lines() {
        match line {
            Ok(line) => {
                text.push_str(&line);
                text.push('\n');
            }
            Err(error) => {
                let why = format!("standard input cannot be read: {}", crate::core::context::plain(&error));
                draw::print(&Diagnostic::new("prompt/input", why));
                return exit::FILE;
            }
        }
        let whole = text.trim_end_matches('\n').to_owned();
        if !whole.starts_with(':') && Scan::new(&whole).wants_more() {
            continue;
        }
        text.clear();
        match prompt.answer(&whole) {
            Next::Go => {}
            Next::Failed(code) => return code,
            Next::Leave => return exit::OK,
        }
    }
    match prompt.answer(text.trim_end_matches('\n')) {
        Next::Failed(code) => code,
        _ => exit::OK,
    }
}

/// Variables that a later one of the same name hides can never be read again: what they hold is let go.
fn drop_shadowed(session: &mut Session) {
    let mut seen = std::collections::BTreeSet::new();
    // Newest first.
    let is_kept: Vec<bool> = session.scope.iter_raw().map(|(name, ..)| seen.insert(name.to_owned())).collect();
    if is_kept.iter().all(|kept| *kept) {
        return;
    }
    let held = session.scope.iter_raw().zip(is_kept).filter(|(_, kept)| *kept);
    let mut kept: Vec<(String, bool, rhai::Dynamic)> =
        held.map(|((name, constant, value), _)| (name.to_owned(), constant, value.clone())).collect();
    kept.reverse();
    session.scope.clear();
    for (name, constant, value) in kept {
        if constant {
            session.scope.push_constant_dynamic(name, value);
        } else {
            session.scope.push_dynamic(name, value);
        }
    }
}

/// The byte of `code` in whose statement the error happened: the outermost call's place.
fn failed_at(code: &str, error: &Diagnostic) -> usize {
    let outermost = error.trace.iter().rev().filter_map(|step| step.place.as_ref()).find(|place| place.source == TYPED);
    let Some(place) = outermost.or(error.place.as_ref()).filter(|place| place.source == TYPED) else {
        return 0;
    };
    let before: usize = code.split_inclusive('\n').take(place.line.saturating_sub(1)).map(str::len).sum();
    let line = code.get(before..).unwrap_or_default();
    let column: usize = line.chars().take(place.column.saturating_sub(1)).map(char::len_utf8).sum();
    (before + column).min(code.len())
}

fn command_list(style: Style) -> String {
    let keys = [
        ("help NAME", "a function, module, type, option or variable"),
        ("Tab", "completes names, members, options, paths"),
        ("Ctrl-C", "clears the line, or stops what runs and keeps every variable"),
    ];
    let commands = COMMANDS.iter().map(|c| (format!("{} {}", c.name, c.argument).trim_end().to_owned(), c.about));
    let keys = keys.map(|(key, about)| (key.to_owned(), about));
    let rows: Vec<(String, String)> = commands.chain(keys).map(|(term, about)| (term, about.to_owned())).collect();
    format!("{}\n{}", style.strong("At the prompt"), terms(&rows, 2, style).trim_end())
}

/// The first line of a text, cut to `most` characters.
fn first_line(text: &str, most: usize) -> String {
    let line = text.lines().next().unwrap_or_default();
    if line.chars().count() > most || text.lines().nth(1).is_some() {
        line.chars().take(most.saturating_sub(1)).chain(['…']).collect()
    } else {
        line.to_owned()
    }
}

/// A duration as a person says it.
struct Seconds(f64);

impl std::fmt::Display for Seconds {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.0 {
            s if s < 1e-3 => write!(f, "{:.0} µs", s * 1e6),
            s if s < 1.0 => write!(f, "{:.1} ms", s * 1e3),
            s if s < 120.0 => write!(f, "{s:.2} s"),
            s => write!(f, "{:.0} min {:.0} s", (s / 60.0).floor(), s % 60.0),
        }
    }
}
