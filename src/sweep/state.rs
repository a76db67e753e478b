//! The sweeps of one session: which call of `sweep::map` is the next, whether a cell is being run, and what workers computed.
//!
//! Whoever sets a session up lends the state to the context; a context without one runs its cells one after the other.

use super::channel::WorkerChannel;
use super::launch::Launcher;
use crate::core::context::{Context, Event, Found};
use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

/// The sweeps of one session.
#[derive(Default)]
pub struct SweepState {
    state: Mutex<State>,
    launcher: OnceLock<Launcher>,
    channel: OnceLock<Arc<WorkerChannel>>,
}

#[derive(Default)]
struct State {
    /// Calls of `sweep::map` so far that were not made by a cell.
    n_calls: usize,
    /// Cells that are being run, one inside the other.
    depth: usize,
    /// Look-up keys that workers of this run computed and this process has not used, with the seconds that it took.
    computed: HashMap<String, f64>,
    /// Warnings of workers, which have been passed on.
    warned: HashSet<String>,
    /// Whether this process computed something that workers cannot look up.
    has_untraceable: bool,
}

impl SweepState {
    /// The state that was lent to the context.
    pub fn of(ctx: &Context) -> Option<&SweepState> {
        ctx.extension()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Lets this session start workers.
    pub fn enable(&self, launcher: Launcher) {
        // A session is set up once; a second launcher would be the same.
        let _ = self.launcher.set(launcher);
    }

    /// How workers are started, if they may be.
    pub fn launcher(&self) -> Option<&Launcher> {
        self.launcher.get()
    }

    /// Makes this process a worker.
    pub fn serve(&self, channel: Arc<WorkerChannel>) {
        let _ = self.channel.set(channel);
    }

    /// Where a worker takes its cells from; `None` in any other process.
    pub fn channel(&self) -> Option<&Arc<WorkerChannel>> {
        self.channel.get()
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

    /// Whether a worker could not get to where this process is without computing something again.
    pub fn has_untraceable(&self) -> bool {
        self.state().has_untraceable
    }

    /// Sees every event that the session tells, and answers what is to become of it. A result that a worker of this run
    /// computed is said once to be the worker's; a warning that a worker gave already is left out.
    pub fn observe(&self, event: Event) -> Option<Event> {
        let mut state = self.state();
        match event {
            Event::Warning { text } if state.warned.remove(&text) => None,
            Event::Operation { mut operation, work, mut found } => {
                state.has_untraceable |= operation.key.is_empty() && found == Found::Computed;
                let by_worker = state.computed.get(&operation.key).copied();
                if let Some(took) = by_worker.filter(|_| matches!(found, Found::Stored { .. })) {
                    state.computed.remove(&operation.key);
                    found = Found::Worker { seconds: took };
                    operation.seconds += took;
                }
                Some(Event::Operation { operation, work, found })
            }
            event => Some(event),
        }
    }

    /// Notes that a worker computed a result.
    pub(super) fn note_computed(&self, key: String, seconds: f64) {
        self.state().computed.insert(key, seconds);
    }

    /// Passes a worker's warning on; the same text is not told again when this process comes to it.
    pub(super) fn pass_on(&self, text: String, ctx: &Context) {
        let is_new = !self.state().warned.contains(&text);
        if is_new {
            ctx.warn(text.clone());
            self.state().warned.insert(text);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::operation::Operation;

    fn operation(key: &str, found: Found) -> Event {
        let text = String::new;
        let (name, what, digest, key, options) = (text(), text(), text(), key.to_owned(), text());
        let (inputs, curve) = (Vec::new(), Vec::new());
        let operation = Operation { name, what, digest, key, inputs, options, seconds: 0.5, curve };
        Event::Operation { operation, work: 0.0, found }
    }

    #[test]
    fn calls_are_numbered_and_cells_nest() {
        let state = SweepState::default();
        assert_eq!((state.number(), state.inside(|| state.number()), state.number()), (Some(0), None, Some(1)));
    }

    #[test]
    fn what_a_worker_said_and_computed_is_told_once() {
        let state = Arc::new(SweepState::default());
        let ctx = Context::for_tests().with(state.clone());
        let told = Arc::new(Mutex::new(Vec::new()));
        let (observing, sink) = (state.clone(), told.clone());
        ctx.listen(move |event| {
            if let Some(event) = observing.observe(event) {
                sink.lock().expect("whole").push(event);
            }
        });
        state.pass_on("careful".to_owned(), &ctx);
        state.pass_on("careful".to_owned(), &ctx);
        ctx.warn("careful");
        assert_eq!(told.lock().expect("whole").len(), 1);
        ctx.warn("careful");
        assert_eq!(told.lock().expect("whole").len(), 2);
        state.note_computed("k".to_owned(), 2.0);
        let stored = Found::Stored { seconds: 9.0, imported: false };
        let found = |key: &str| match state.observe(operation(key, stored)) {
            Some(Event::Operation { operation, found, .. }) => (found, operation.seconds),
            other => panic!("{other:?}"),
        };
        assert_eq!(found("other"), (stored, 0.5));
        assert_eq!(found("k"), (Found::Worker { seconds: 2.0 }, 2.5));
        assert_eq!(found("k"), (stored, 0.5));
    }

    #[test]
    fn what_workers_cannot_look_up_is_noticed_when_it_was_computed() {
        let state = SweepState::default();
        for (key, found) in [("k", Found::Computed), ("", Found::Planned)] {
            state.observe(operation(key, found));
            assert!(!state.has_untraceable());
        }
        state.observe(operation("", Found::Computed));
        assert!(state.has_untraceable());
    }
}
