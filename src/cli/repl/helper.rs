//! What rustyline asks while a line is edited: completion, hints, colours, and whether the input is whole.

use super::complete::complete;
use super::highlight::highlight;
use super::hint::{Suggestion, hint};
use super::names::Names;
use crate::core::context::Context;
use crate::report::scan::Scan;
use rustyline::Helper;
use rustyline::completion::{Completer, Pair};
use rustyline::highlight::{CmdKind, Highlighter};
use rustyline::hint::{Hinter, HistoryHinter};
use rustyline::validate::{ValidationContext, ValidationResult, Validator};
use std::borrow::Cow;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// The editor's view of the session.
pub struct Editing {
    names: Arc<Mutex<Names>>,
    ctx: Arc<Context>,
    earlier: HistoryHinter,
    /// Columns of the terminal.
    pub columns: usize,
    /// Columns of the prompt.
    pub prompt: usize,
}

impl Editing {
    /// A helper over the session's names.
    pub fn new(names: Arc<Mutex<Names>>, ctx: Arc<Context>) -> Self {
        Editing { names, ctx, earlier: HistoryHinter::new(), columns: 80, prompt: 0 }
    }

    fn names(&self) -> MutexGuard<'_, Names> {
        self.names.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Helper for Editing {}

impl Completer for Editing {
    type Candidate = Pair;

    fn complete(&self, line: &str, pos: usize, _: &rustyline::Context<'_>) -> rustyline::Result<(usize, Vec<Pair>)> {
        Ok(complete(&self.names(), &self.ctx.access, line, pos))
    }
}

impl Hinter for Editing {
    type Hint = Suggestion;

    fn hint(&self, line: &str, pos: usize, context: &rustyline::Context<'_>) -> Option<Suggestion> {
        if pos < line.len() || line.trim().is_empty() {
            return None;
        }
        let lines = line.split('\n').count();
        let column = line.rsplit('\n').next().map_or(0, |last| last.chars().count());
        let column = column + if lines == 1 { self.prompt } else { 0 };
        let room = self.columns.saturating_sub(column + 1);
        hint(&self.names(), line, room).or_else(|| {
            let rest = self.earlier.hint(line, pos, context)?;
            Suggestion::earlier(&rest).filter(|_| rest.chars().count() <= room)
        })
    }
}

impl Highlighter for Editing {
    fn highlight<'l>(&self, line: &'l str, pos: usize) -> Cow<'l, str> {
        Cow::Owned(highlight(&self.names(), line, pos))
    }

    fn highlight_hint<'h>(&self, hint: &'h str) -> Cow<'h, str> {
        Cow::Owned(format!("\x1b[90m{hint}\x1b[0m"))
    }

    fn highlight_char(&self, _: &str, _: usize, _: CmdKind) -> bool {
        true
    }
}

impl Validator for Editing {
    fn validate(&self, context: &mut ValidationContext) -> rustyline::Result<ValidationResult> {
        let input = context.input();
        if !input.starts_with(':') && Scan::new(input).wants_more() {
            return Ok(ValidationResult::Incomplete);
        }
        Ok(ValidationResult::Valid(None))
    }
}
