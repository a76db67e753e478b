//! A wall around a library that may panic on a stranger's file: the panic becomes an error and prints nothing.

use std::any::Any;
use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Once;

thread_local! {
    /// Walls that this thread stands behind.
    static DEPTH: Cell<usize> = const { Cell::new(0) };
}

/// Runs `work` on this thread; of a panic what it said.
pub fn guarded<T>(work: impl FnOnce() -> T) -> Result<T, String> {
    keep_quiet();
    DEPTH.set(DEPTH.get() + 1);
    let done = catch_unwind(AssertUnwindSafe(work));
    DEPTH.set(DEPTH.get() - 1);
    done.map_err(|panic| said(&*panic))
}

/// What a panic said.
pub fn said(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("no message").to_owned()
}

/// Panics behind a wall print nothing, because whoever stands before it reports them.
fn keep_quiet() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let before = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            // A thread that is ending has no depth any more, and no wall.
            if DEPTH.try_with(Cell::get).unwrap_or(0) == 0 {
                before(info);
            }
        }));
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_is_an_answer_and_walls_may_stand_in_walls() {
        assert_eq!(guarded(|| 3), Ok(3));
        let n = 7;
        assert_eq!(guarded(|| -> i32 { panic!("of {n}") }), Err("of 7".to_owned()));
        let inner = guarded(|| guarded(|| -> i32 { panic!("inside") }));
        assert_eq!(inner, Ok(Err("inside".to_owned())));
        assert_eq!(DEPTH.get(), 0);
    }
}
