//! Two texts line by line: the shortest way from one to the other (Myers 1986, by the crate `similar`).

use similar::{Algorithm, Change, ChangeTag, capture_diff_slices_deadline};
use std::time::{Duration, Instant};

/// A line and what became of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Line {
    Same(String),
    Removed(String),
    Added(String),
}

/// How long the shortest way is looked for; then what is found so far is taken (arbitrary: only two texts of many thousand
/// lines that have little in common take so long).
const PATIENCE: Duration = Duration::from_secs(1);

/// The lines of both texts in order.
pub fn compare(before: &[&str], after: &[&str]) -> Vec<Line> {
    let ops = capture_diff_slices_deadline(Algorithm::Myers, before, after, Some(Instant::now() + PATIENCE));
    let changes = ops.iter().flat_map(|op| op.iter_changes(before, after));
    let line = |change: Change<&str>| {
        let text = change.value().to_owned();
        match change.tag() {
            ChangeTag::Equal => Line::Same(text),
            ChangeTag::Delete => Line::Removed(text),
            ChangeTag::Insert => Line::Added(text),
        }
    };
    changes.map(line).collect()
}

/// The lines that changed, each with `around` unchanged ones before and after; `None` between places.
pub fn changes(lines: &[Line], around: usize) -> Vec<Option<&Line>> {
    let is_changed = |idx: usize| lines.get(idx).is_some_and(|line| !matches!(line, Line::Same(_)));
    let mut shown = Vec::new();
    let mut last = None;
    for (idx, line) in lines.iter().enumerate() {
        let near = idx.saturating_sub(around)..=(idx + around);
        if near.into_iter().any(is_changed) {
            if last.is_some_and(|last| last + 1 < idx) {
                shown.push(None);
            }
            shown.push(Some(line));
            last = Some(idx);
        }
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    fn show(before: &str, after: &str) -> String {
        let lines = compare(&before.lines().collect::<Vec<_>>(), &after.lines().collect::<Vec<_>>());
        let line = |line: &Line| match line {
            Line::Same(text) => format!(" {text}"),
            Line::Removed(text) => format!("-{text}"),
            Line::Added(text) => format!("+{text}"),
        };
        lines.iter().map(line).collect::<Vec<_>>().join("|")
    }

    #[test]
    fn the_shortest_way_is_found() {
        assert_eq!(show("a\nb\nc", "a\nb\nc"), " a| b| c");
        assert_eq!(show("a\nb\nc", "a\nx\nc"), " a|-b|+x| c");
        assert_eq!(show("", "a"), "+a");
        assert_eq!(show("a", ""), "-a");
        // The example of the paper: five edits.
        let paper = show("a\nb\nc\na\nb\nb\na", "c\nb\na\nb\na\nc");
        assert_eq!(paper.matches(['-', '+']).count(), 5, "{paper}");
    }

    #[test]
    fn both_texts_can_be_read_off() {
        let mut random = crate::core::random::Random::new(3, "test/lines");
        for _ in 0..200 {
            let mut text = || (0..random.below(12)).map(|_| ["a", "b", "c"][random.below(3)]).collect::<Vec<_>>();
            let (before, after) = (text(), text());
            let lines = compare(&before, &after);
            let keep = |out: fn(&Line) -> Option<&String>| lines.iter().filter_map(out).cloned().collect::<Vec<_>>();
            let old = keep(|line| match line {
                Line::Same(text) | Line::Removed(text) => Some(text),
                Line::Added(_) => None,
            });
            let new = keep(|line| match line {
                Line::Same(text) | Line::Added(text) => Some(text),
                Line::Removed(_) => None,
            });
            assert_eq!(
                (old, new),
                (before.iter().map(|s| (*s).to_owned()).collect(), after.iter().map(|s| (*s).to_owned()).collect())
            );
        }
    }

    #[test]
    fn a_text_that_has_nothing_in_common_is_replaced_whole() {
        let long = |word: &str| (0..3000).map(|n| format!("{word}{n}\n")).collect::<String>();
        let shown = show(&long("a"), &long("b"));
        assert_eq!(shown.matches('-').count() + shown.matches('+').count(), 6000);
    }

    #[test]
    fn only_what_is_near_a_change_is_shown() {
        let before: Vec<String> = (0..20).map(|n| n.to_string()).collect();
        let mut after = before.clone();
        after[3] = "x".to_owned();
        after[15] = "y".to_owned();
        let texts = |lines: &[String]| lines.to_vec();
        let (before, after) = (texts(&before), texts(&after));
        let lines = compare(
            &before.iter().map(String::as_str).collect::<Vec<_>>(),
            &after.iter().map(String::as_str).collect::<Vec<_>>(),
        );
        let shown = changes(&lines, 1);
        assert_eq!((shown.len(), shown.iter().filter(|line| line.is_none()).count()), (9, 1));
    }
}
