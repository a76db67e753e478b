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

    /// Whether it ends the script for good: the user's interruption (Ctrl-C), or the end of a dry run. A script's `try` must
    /// not swallow it.
    fn is_interruption(&self) -> bool {
        false
    }
}

/// The first line of another library's error, in lower case as messages are: below it may stand a backtrace.
pub fn first_line(error: &(impl std::fmt::Display + ?Sized)) -> String {
    error.to_string().lines().next().unwrap_or("unknown error").to_lowercase()
}

/// The name nearest to `word` by edit distance, if it is near enough to be meant.
pub fn nearest<'a>(word: &str, names: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    names
        .into_iter()
        .map(|name| (edit_distance(word, name), name))
        .filter(|(distance, name)| *distance <= 1 + name.chars().count().min(word.chars().count()) / 4)
        .min()
        .map(|(_, name)| name)
}

/// Levenshtein distance in characters.
pub fn edit_distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, ca) in a.chars().enumerate() {
        let mut diagonal = i;
        let mut left = i + 1;
        for (slot, cb) in row.iter_mut().skip(1).zip(&b) {
            let above = *slot;
            let cost = (diagonal + usize::from(ca != *cb)).min(above + 1).min(left + 1);
            diagonal = above;
            *slot = cost;
            left = cost;
        }
        if let Some(first) = row.first_mut() {
            *first = i + 1;
        }
    }
    row.last().copied().unwrap_or(0)
}

/// Names for a message, the first twenty of them.
pub fn listed(names: &[String]) -> String {
    let shown: Vec<String> = names.iter().take(20).map(|name| format!("`{name}`")).collect();
    shown.join(", ") + if names.len() > 20 { ", …" } else { "" }
}
