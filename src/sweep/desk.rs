//! What a context knows of sweeps: which call stands where, what a look is allowed to do, and what workers computed.

use super::launch::Launcher;
use super::post::Post;
use crate::core::context::{Context, Event};
use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

/// Takes a line that a script printed.
pub type Printer = Arc<dyn Fn(&str) + Send + Sync>;

/// Something that would have left the context while a cell was only looked at.
pub enum Held {
    Event(Box<Event>),
    Line(String, Printer),
}

/// Why a look at a cell ended before its end.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Missing {
    /// The store does not have a result; its floating-point operations, estimated.
    Result { work: f64 },
    /// Something that cannot be looked up has to be computed, so that no other process can help.
    Untraceable,
}

/// One context's desk for sweeps.
#[derive(Default)]
pub struct Desk {
    state: Mutex<State>,
    launcher: OnceLock<Launcher>,
    post: OnceLock<Arc<Post>>,
}

#[derive(Default)]
struct State {
    /// Calls of `sweep::map` so far that were not made by a cell.
    n_calls: usize,
    /// Cells that are being run, one inside the other.
    depth: usize,
    looking: bool,
    missing: Option<Missing>,
    held: Vec<Held>,
    /// Look-up keys that workers of this run computed, with the seconds that it took.
    computed: HashMap<String, f64>,
    /// Warnings of workers, which have been passed on.
    said: HashSet<String>,
    /// Whether something was computed that workers could not look up.
    spoilt: bool,
}

impl Desk {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Lets this context start workers.
    pub fn enable(&self, launcher: Launcher) {
        // A context is set up once; a second launcher would be the same.
        let _ = self.launcher.set(launcher);
    }

    /// How workers are started, if they may be.
    pub fn launcher(&self) -> Option<&Launcher> {
        self.launcher.get()
    }

    /// Makes this process a worker.
    pub fn serve(&self, post: Arc<Post>) {
        let _ = self.post.set(post);
    }

    /// Where a worker takes its cells from; `None` in any other process.
    pub fn post(&self) -> Option<&Arc<Post>> {
        self.post.get()
    }

    /// Counts a call of `sweep::map`: its number from 0, or `None` for a call that a cell makes.
    pub fn number(&self) -> Option<usize> {
        let mut state = self.state();
        if state.depth > 0 {
            return None;
        }
        state.n_calls += 1;
        Some(state.n_calls - 1)
    }

    /// Runs `work` as a cell: calls of `sweep::map` in it are nested.
    pub fn inside<T>(&self, work: impl FnOnce() -> T) -> T {
        self.state().depth += 1;
        let answer = work();
        self.state().depth -= 1;
        answer
    }

    /// Runs `work` so far as the store has what it needs: what it answers, what it would have told, and whether
    /// something was missing.
    pub fn look<T>(&self, work: impl FnOnce() -> T) -> (T, Vec<Held>, Option<Missing>) {
        self.state().looking = true;
        let answer = work();
        let mut state = self.state();
        state.looking = false;
        (answer, std::mem::take(&mut state.held), state.missing.take())
    }

    /// Whether a result that the store does not have must not be computed now, because this is only a look.
    pub fn refuses(&self, missing: Missing) -> bool {
        let mut state = self.state();
        if state.looking {
            state.missing.get_or_insert(missing);
        } else if missing == Missing::Untraceable {
            state.spoilt = true;
        }
        state.looking
    }

    /// Whether a worker could not get to where this process is without computing something again.
    pub fn is_spoilt(&self) -> bool {
        self.state().spoilt
    }

    /// Keeps an event back while a cell is only looked at; gives it back otherwise. Progress is never kept back.
    pub fn hold(&self, event: Event) -> Option<Event> {
        if matches!(event, Event::Started { .. } | Event::Progress { .. } | Event::Ended { .. }) {
            return Some(event);
        }
        let mut state = self.state();
        if let Event::Warning { text } = &event
            && state.said.remove(text)
        {
            return None;
        }
        if !state.looking {
            return Some(event);
        }
        state.held.push(Held::Event(Box::new(event)));
        None
    }

    /// As [`Desk::hold`] for a printed line: prints it, now or when the cell is released.
    pub fn print(&self, text: &str, printer: &Printer) {
        {
            let mut state = self.state();
            if state.looking {
                state.held.push(Held::Line(text.to_owned(), printer.clone()));
                return;
            }
        }
        printer(text);
    }

    /// Notes that a worker computed a result.
    pub(super) fn note_computed(&self, key: String, seconds: f64) {
        self.state().computed.insert(key, seconds);
    }

    /// What it took a worker of this run to compute the result called `key`; said once.
    pub fn take_computed(&self, key: &str) -> Option<f64> {
        let mut state = self.state();
        // A look that ends early is repeated: it must not use up what is said once.
        if state.looking { state.computed.get(key).copied() } else { state.computed.remove(key) }
    }

    /// Passes a worker's warning on; the same text is not told again when this process comes to it.
    pub(super) fn pass_on(&self, text: String, ctx: &Context) {
        let new = !self.state().said.contains(&text);
        if new {
            ctx.warn(text.clone());
            self.state().said.insert(text);
        }
    }
}

/// Tells what was kept back.
pub fn release(held: Vec<Held>, ctx: &Context) {
    for one in held {
        match one {
            Held::Event(event) => ctx.tell(*event),
            Held::Line(text, printer) => printer(&text),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_look_keeps_everything_back_and_says_what_is_missing_first() {
        let ctx = Arc::new(Context::for_tests());
        let told = Arc::new(Mutex::new(Vec::new()));
        let (sink, lines) = (told.clone(), told.clone());
        ctx.listen(move |event| {
            if let Event::Warning { text } = event {
                sink.lock().expect("whole").push(text);
            }
        });
        let printer: Printer = Arc::new(move |text| lines.lock().expect("whole").push(text.to_owned()));
        let ((), held, missing) = ctx.sweep.look(|| {
            ctx.warn("careful");
            ctx.sweep.print("line", &printer);
            assert!(ctx.sweep.refuses(Missing::Result { work: 3.0 }));
            assert!(ctx.sweep.refuses(Missing::Untraceable));
        });
        assert_eq!((held.len(), missing), (2, Some(Missing::Result { work: 3.0 })));
        assert!(told.lock().expect("whole").is_empty() && !ctx.sweep.is_spoilt());
        release(held, &ctx);
        assert_eq!(*told.lock().expect("whole"), ["careful", "line"]);
        assert!(!ctx.sweep.refuses(Missing::Untraceable) && ctx.sweep.is_spoilt());
        assert_eq!(ctx.sweep.look(|| ()).2, None);
    }

    #[test]
    fn calls_are_numbered_and_cells_nest() {
        let desk = Desk::default();
        assert_eq!((desk.number(), desk.inside(|| desk.number()), desk.number()), (Some(0), None, Some(1)));
    }

    #[test]
    fn what_a_worker_said_and_computed_is_told_once() {
        let ctx = Context::for_tests();
        ctx.sweep.pass_on("careful".to_owned(), &ctx);
        let event = || Event::Warning { text: "careful".to_owned() };
        assert!(ctx.sweep.hold(event()).is_none() && ctx.sweep.hold(event()).is_some());
        ctx.sweep.note_computed("k".to_owned(), 2.0);
        assert_eq!(ctx.sweep.look(|| ctx.sweep.take_computed("k")).0, Some(2.0));
        assert_eq!((ctx.sweep.take_computed("k"), ctx.sweep.take_computed("k")), (Some(2.0), None));
    }
}
