//! Dry runs: a script is followed without computing anything costly.
//!
//! There are two. A plan (`--plan`) goes to the script's end: a stand-in takes the place of each result that the store
//! lacks, and nothing is written. A look at a cell of a sweep ends at the first such result, for a worker is to compute it;
//! until the look is over, whatever the cell tells and prints is held back, since the cell may have to be run again.
//!
//! Whatever computes asks [`Context::dry_run`] first. In a look it answers [`Context::not_computed`], an error that no
//! `try` of a script can catch; the look's caller gets [`Look::Missing`] and never sees the error.

use super::{Context, Event};
use crate::core::explain::Explain;
use std::sync::{Arc, MutexGuard, PoisonError};

/// Why results that the store lacks are not computed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DryRun {
    /// A stand-in takes the place of a missing result.
    Plan,
    /// It ends at the first missing result.
    Look,
}

/// The result at which a look ended.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Missing {
    /// The store does not have it; computing it takes so many floating-point operations, estimated.
    Result { work: f64 },
    /// The store cannot have it, so that no other process can help.
    Untraceable,
}

/// What ends a look: nobody's mistake, and not for a script to catch.
#[derive(Debug, Clone, Copy, PartialEq, thiserror::Error)]
#[error("a dry run ends where a result has to be computed")]
pub struct NotComputed(pub Missing);

impl Explain for NotComputed {
    fn code(&self) -> &'static str {
        "run/not-computed"
    }

    fn is_interruption(&self) -> bool {
        true
    }
}

/// What came of a look.
pub enum Look<T> {
    /// It came to its end: its answer, and what it would have told and printed.
    Whole(T, Vec<HeldBack>),
    /// It ended at a result that the store does not have. What it told is forgotten: the cell will be run again.
    Missing(Missing),
}

/// Takes a line that a script printed.
pub type Printer = Arc<dyn Fn(&str) + Send + Sync>;

/// Something that waits for a look to come to its end.
pub enum HeldBack {
    Event(Box<Event>),
    /// A warning that is told once: what names it, and its text.
    Once(String, String),
    Line(String, Printer),
}

/// The look that is under way.
#[derive(Default)]
pub(super) struct LookState {
    is_under_way: bool,
    missing: Option<Missing>,
    held_back: Vec<HeldBack>,
}

impl Context {
    /// Which kind of dry run this is at the moment, if it is one.
    pub fn dry_run(&self) -> Option<DryRun> {
        if self.is_plan {
            return Some(DryRun::Plan);
        }
        self.look_state().is_under_way.then_some(DryRun::Look)
    }

    /// Runs `work` as a look. Looks are not nested.
    pub fn look<T>(&self, work: impl FnOnce() -> T) -> Look<T> {
        self.look_state().is_under_way = true;
        let answer = work();
        let LookState { missing, held_back, .. } = std::mem::take(&mut *self.look_state());
        match missing {
            Some(missing) => Look::Missing(missing),
            None => Look::Whole(answer, held_back),
        }
    }

    /// Ends the look that is under way, for `missing` would have to be computed.
    pub fn not_computed(&self, missing: Missing) -> NotComputed {
        NotComputed(*self.look_state().missing.get_or_insert(missing))
    }

    /// Tells and prints what a look held back.
    pub fn release(&self, held_back: Vec<HeldBack>) {
        for one in held_back {
            match one {
                HeldBack::Event(event) => self.tell(*event),
                HeldBack::Once(key, text) => self.warn_once(&key, text),
                HeldBack::Line(text, printer) => self.print(&text, &printer),
            }
        }
    }

    /// Prints a line of a script, now or when the look that is under way is released.
    pub fn print(&self, text: &str, printer: &Printer) {
        let mut state = self.look_state();
        if state.is_under_way {
            state.held_back.push(HeldBack::Line(text.to_owned(), printer.clone()));
            return;
        }
        // A printer may take long, and may tell something.
        drop(state);
        printer(text);
    }

    /// The event, unless a look holds it back. Progress is never held back.
    pub(super) fn not_held_back(&self, event: Event) -> Option<Event> {
        let is_progress = matches!(event, Event::Started { .. } | Event::Progress { .. } | Event::Ended { .. });
        if is_progress {
            return Some(event);
        }
        let mut state = self.look_state();
        if !state.is_under_way {
            return Some(event);
        }
        state.held_back.push(HeldBack::Event(Box::new(event)));
        None
    }

    /// Whether a look is under way, which then keeps this warning until it is released.
    pub(super) fn holds_back_once(&self, key: &str, text: &str) -> bool {
        let mut state = self.look_state();
        if state.is_under_way {
            state.held_back.push(HeldBack::Once(key.to_owned(), text.to_owned()));
        }
        state.is_under_way
    }

    fn look_state(&self) -> MutexGuard<'_, LookState> {
        self.look.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Mutex;

    #[test]
    fn a_look_holds_everything_back_and_says_what_was_missing_first() {
        let ctx = Context::for_tests();
        let told = Arc::new(Mutex::new(Vec::new()));
        let (sink, lines) = (told.clone(), told.clone());
        ctx.listen(move |event| {
            if let Event::Warning { text } = event {
                sink.lock().expect("whole").push(text);
            }
        });
        let printer: Printer = Arc::new(move |text| lines.lock().expect("whole").push(text.to_owned()));
        let work = || {
            assert_eq!(ctx.dry_run(), Some(DryRun::Look));
            ctx.warn("careful");
            ctx.print("line", &printer);
            7
        };
        let Look::Whole(7, held_back) = ctx.look(work) else { panic!("nothing was missing") };
        assert!(told.lock().expect("whole").is_empty() && ctx.dry_run().is_none());
        ctx.release(held_back);
        assert_eq!(*told.lock().expect("whole"), ["careful", "line"]);
        let look = ctx.look(|| {
            work();
            ctx.not_computed(Missing::Result { work: 3.0 });
            assert_eq!(ctx.not_computed(Missing::Untraceable), NotComputed(Missing::Result { work: 3.0 }));
        });
        assert!(matches!(look, Look::Missing(Missing::Result { work: 3.0 })));
        assert!(matches!(ctx.look(|| ()), Look::Whole((), held_back) if held_back.is_empty()));
        assert_eq!(told.lock().expect("whole").len(), 2);
    }

    #[test]
    fn a_warning_is_told_once_and_a_look_does_not_count() {
        let ctx = Context::for_tests();
        let told = Arc::new(Mutex::new(0));
        let sink = told.clone();
        ctx.listen(move |event| {
            if let Event::Warning { .. } = event {
                *sink.lock().expect("whole") += 1;
            }
        });
        let _ = ctx.look(|| ctx.warn_once("key", "careful"));
        assert_eq!(*told.lock().expect("whole"), 0);
        let Look::Whole((), held_back) = ctx.look(|| ctx.warn_once("key", "careful")) else { panic!("a look") };
        let Look::Whole((), again) = ctx.look(|| ctx.warn_once("key", "careful")) else { panic!("a look") };
        [held_back, again].into_iter().for_each(|held_back| ctx.release(held_back));
        assert_eq!(*told.lock().expect("whole"), 1);
        for _ in 0..3 {
            ctx.warn_once("key", "careful");
        }
        ctx.warn_once("other", "careful");
        assert_eq!(*told.lock().expect("whole"), 2);
    }

    #[test]
    fn a_plan_is_one_to_its_end() {
        let ctx = Context::for_tests().planning();
        assert!(ctx.dry_run() == Some(DryRun::Plan) && ctx.writes_nothing());
    }
}
