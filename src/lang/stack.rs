//! The thread that scripts run on: a big stack, and a wall that no panic passes.

use super::diagnostic::Diagnostic;
use crate::core::guard::said;
use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Mutex, PoisonError};

/// Stack of the interpreter's thread. Rhai recurses per call and per nesting, candle's backward per node: 100 000 nodes
/// overflow 8 MB. Pages are only used when touched.
const STACK: usize = 512 << 20;

thread_local! {
    static ON_BIG_STACK: Cell<bool> = const { Cell::new(false) };
}

/// Where the last panic happened.
static LAST_PANIC: Mutex<Option<String>> = Mutex::new(None);

/// Keeps panics below a script from printing: each is caught and reported as a defect, with the place that this notes.
/// Panics of other threads print as ever.
pub fn quiet_panics() {
    static ONCE: std::sync::Once = std::sync::Once::new();
    ONCE.call_once(|| {
        let before = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            let place = info.location().map(|at| format!("{}:{}", at.file(), at.line()));
            *LAST_PANIC.lock().unwrap_or_else(PoisonError::into_inner) = place;
            if !ON_BIG_STACK.get() {
                before(info);
            }
        }));
    });
}

/// Where in the program the last panic happened, if panics are kept quiet.
pub fn last_panic() -> Option<String> {
    LAST_PANIC.lock().unwrap_or_else(PoisonError::into_inner).clone()
}

/// Runs `work` on a thread with a big stack (on this one, if it has it already) and turns a panic into a diagnostic.
pub fn on_big_stack<T: Send>(work: impl FnOnce() -> Result<T, Box<Diagnostic>> + Send) -> Result<T, Box<Diagnostic>> {
    let guarded = || {
        catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|panic| {
            let said = said(&*panic);
            Err(Box::new(Diagnostic::defect(&format!("the interpreter panicked: {said}"))))
        })
    };
    if ON_BIG_STACK.get() {
        return guarded();
    }
    std::thread::scope(|scope| {
        let thread =
            std::thread::Builder::new().name("w2s-script".to_owned()).stack_size(STACK).spawn_scoped(scope, || {
                ON_BIG_STACK.set(true);
                guarded()
            });
        match thread.map(std::thread::ScopedJoinHandle::join) {
            Ok(Ok(answer)) => answer,
            Ok(Err(_)) => Err(Box::new(Diagnostic::defect("the interpreter's thread ended without an answer"))),
            Err(error) => Err(Box::new(Diagnostic::new(
                "limit/stack",
                format!("no thread with a stack of {} MiB could be started: {error}", STACK >> 20),
            ))),
        }
    })
}
