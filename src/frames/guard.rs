//! A wall around polars: its panics become errors and print nothing, on whichever of its threads they happen.

use crate::core::guard;
use std::sync::Once;

/// Stack of the thread that decodes a file: the schema of a stranger's file may lie deep, and polars recurses over it.
/// Pages are only used when touched.
const STACK: usize = 256 << 20;

/// polars panicked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Panicked;

/// Runs polars here; its own threads may help.
pub fn guarded<T>(work: impl FnOnce() -> T) -> Result<T, Panicked> {
    keep_quiet();
    guard::guarded(work).map_err(|_| Panicked)
}

/// As [`guarded`], on a thread of its own with a deep stack.
pub fn guarded_apart<T: Send>(work: impl FnOnce() -> T + Send) -> Result<T, Panicked> {
    std::thread::scope(|scope| {
        let decoder = std::thread::Builder::new().name("w2s-decoder".to_owned()).stack_size(STACK);
        let thread = decoder.spawn_scoped(scope, || guarded(work));
        thread.map_err(|_| Panicked)?.join().map_err(|_| Panicked)?
    })
}

/// Panics on polars' threads print nothing: every one is caught and reported by the call that caused it.
fn keep_quiet() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let before = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            if !std::thread::current().name().is_some_and(|name| name.starts_with("polars-")) {
                before(info);
            }
        }));
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_is_an_answer() {
        assert_eq!(guarded_apart(|| 3), Ok(3));
        assert_eq!(guarded_apart(|| -> i32 { panic!("of the decoder") }), Err(Panicked));
        assert_eq!(guarded(|| 3), Ok(3));
    }
}
