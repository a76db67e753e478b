//! What every host error can say beyond its message: a stable code, and what to type instead.

/// An error that a user can act on.
///
/// Each room has its own `thiserror` enum; the binding layer turns any of them into a fault with a position.
/// Messages are lower case, without a full stop, with values in back-ticks and both sides of a mismatch.
pub trait Explain: std::error::Error {
    /// A stable code, `room/what`, such as `data/unknown-task`. Scripts and tests may rely on it.
    fn code(&self) -> &'static str;

    /// What to type instead, if that can be said.
    fn hint(&self) -> Option<String> {
        None
    }

    /// Whether this is the user's interruption (Ctrl-C), which a script's `try` must not swallow.
    fn is_interruption(&self) -> bool {
        false
    }
}
