//! Progress on standard error: bars on a terminal, plain lines elsewhere.

use crate::core::context::Event;
use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::collections::{BTreeMap, BTreeSet};
use std::io::{IsTerminal, Write};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Shows what the context tells.
pub struct Progress {
    quiet: bool,
    bars: Option<MultiProgress>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    work: BTreeMap<String, Work>,
    warned: BTreeSet<String>,
    n_wrote: usize,
}

/// Work that has begun and not ended.
struct Work {
    bar: Option<ProgressBar>,
    total: u64,
    done: u64,
    note: String,
    began: Instant,
    said: Instant,
}

/// Where there is no terminal, work that takes longer says so this often, and shorter work than a tenth of it says nothing.
const SAY_EVERY: Duration = Duration::from_secs(10);

/// How many written files are said one by one (arbitrary).
const SAY_WROTE: usize = 5;

impl Progress {
    /// Bars if standard error is a terminal; nothing but warnings if `quiet`.
    pub fn new(quiet: bool) -> Self {
        let bars = !quiet && std::io::stderr().is_terminal();
        let bars = bars.then(|| MultiProgress::with_draw_target(ProgressDrawTarget::stderr()));
        Progress { quiet, bars, state: Mutex::default() }
    }

    /// Shows one event.
    pub fn show(&self, event: &Event) {
        match event {
            Event::Started { what, total } => self.started(what, *total),
            Event::Progress { what, done, note } => self.progressed(what, *done, note),
            Event::Ended { what } => self.ended(what),
            Event::Warning { text } => {
                let new = self.state.lock().unwrap_or_else(PoisonError::into_inner).warned.insert(text.clone());
                if new {
                    self.note(&format!("warning: {text}"));
                }
            }
            // What a script writes by name; what the report writes stands in the run's folder anyway.
            Event::Written { kind, files, .. } if kind == "frame" || kind == "model" || files.len() == 1 => {
                self.wrote(files);
            }
            Event::Written { .. } => {}
            Event::Operation { .. }
            | Event::Ahead(_)
            | Event::TruthRead(_)
            | Event::TruthUsed { .. }
            | Event::TestRows { .. }
            | Event::VaultOpened { .. }
            | Event::FileRead { .. }
            | Event::FetchedRead { .. }
            | Event::Seed { .. } => {}
        }
    }

    /// Says of no file where it landed: those of a rerun lie in a folder that goes again.
    pub fn keep_files_quiet(&self) {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).n_wrote = SAY_WROTE + 1;
    }

    /// Says where files landed, of the first few.
    fn wrote(&self, files: &[std::path::PathBuf]) {
        if self.quiet {
            return;
        }
        let n_before = {
            let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
            state.n_wrote += 1;
            state.n_wrote - 1
        };
        match files.first().map(|file| crate::lang::resolve::shown(file)) {
            Some(file) if n_before < SAY_WROTE => self.note(&format!("wrote {file}")),
            Some(_) if n_before == SAY_WROTE => self.note("wrote more files: the record names all"),
            _ => {}
        }
    }

    /// A line on standard error, apart from the bars.
    pub fn note(&self, text: &str) {
        // Standard error that is closed takes nothing, and there is nowhere left to say so.
        self.apart(|| {
            let _ = writeln!(std::io::stderr(), "{}", super::draw::plain(text));
        });
    }

    /// Runs `write` while no bar is drawn.
    pub fn apart<T>(&self, write: impl FnOnce() -> T) -> T {
        match &self.bars {
            Some(bars) => bars.suspend(write),
            None => write(),
        }
    }

    /// Takes all bars away; interrupted work never says that it ended.
    pub fn clear(&self) {
        let work = std::mem::take(&mut self.state.lock().unwrap_or_else(PoisonError::into_inner).work);
        work.into_values().filter_map(|work| work.bar).for_each(|bar| bar.finish_and_clear());
    }

    fn started(&self, what: &str, total: u64) {
        if self.quiet {
            return;
        }
        let bar = self.bars.as_ref().map(|bars| {
            let bar = bars.add(ProgressBar::new(total).with_prefix(super::draw::plain(what)));
            let style = ProgressStyle::with_template("{prefix} {bar:30} {pos}/{len} {msg} {eta}");
            bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
            bar
        });
        let now = Instant::now();
        let work = Work { bar, total, done: 0, note: String::new(), began: now, said: now };
        let earlier = self.state.lock().unwrap_or_else(PoisonError::into_inner).work.insert(what.to_owned(), work);
        if let Some(bar) = earlier.and_then(|work| work.bar) {
            bar.finish_and_clear();
        }
    }

    fn progressed(&self, what: &str, done: u64, note: &str) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(work) = state.work.get_mut(what) else { return };
        work.done = done;
        note.clone_into(&mut work.note);
        if let Some(bar) = &work.bar {
            bar.set_message(note.to_owned());
            bar.set_position(done);
        } else if work.said.elapsed() >= SAY_EVERY {
            work.said = Instant::now();
            let text = format!("{what}: {done}/{} {note}", work.total);
            drop(state);
            self.note(text.trim_end());
        }
    }

    fn ended(&self, what: &str) {
        let ended = self.state.lock().unwrap_or_else(PoisonError::into_inner).work.remove(what);
        let Some(work) = ended else { return };
        let took = work.began.elapsed();
        if let Some(bar) = work.bar {
            bar.finish_and_clear();
        } else if took >= SAY_EVERY / 10 {
            let note = if work.note.is_empty() { String::new() } else { format!(", {}", work.note) };
            self.note(&format!("{what}: {}/{} in {:.1} s{note}", work.done, work.total, took.as_secs_f64()));
        }
    }
}
