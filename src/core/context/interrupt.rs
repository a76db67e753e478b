//! Cancellation: a flag that Ctrl-C raises and that every long loop polls.

use crate::core::explain::Explain;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// The user asked for a stop (Ctrl-C). A script's `try` cannot swallow it; nothing partial is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("interrupted")]
pub struct Interrupted;

impl Explain for Interrupted {
    fn code(&self) -> &'static str {
        "run/interrupted"
    }

    fn is_interruption(&self) -> bool {
        true
    }
}

/// The flag. Clones share it.
#[derive(Clone, Default)]
pub struct Interrupt(Arc<AtomicBool>);

impl Interrupt {
    /// Asks running work to stop.
    pub fn raise(&self) {
        self.0.store(true, Ordering::SeqCst);
    }

    /// Forgets an earlier request; the REPL does so before each input.
    pub fn clear(&self) {
        self.0.store(false, Ordering::SeqCst);
    }

    /// Whether a stop was asked for.
    pub fn is_raised(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }

    /// Fails with [`Interrupted`] if a stop was asked for. Long work calls this at least every 100 ms.
    pub fn check(&self) -> Result<(), Interrupted> {
        if self.is_raised() { Err(Interrupted) } else { Ok(()) }
    }
}
