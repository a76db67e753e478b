//! Two texts line by line: the shortest way from one to the other (Myers 1986, "An O(ND) difference algorithm").

/// A line and what became of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Line {
    Same(String),
    Removed(String),
    Added(String),
}

/// The most removals and additions that are looked for (chosen: the work grows with the square). Beyond, the middle is
/// taken as replaced whole.
const MAX_EDITS: usize = 1000;

/// The lines of both texts in order.
pub fn compare(before: &[&str], after: &[&str]) -> Vec<Line> {
    let n_head = before.iter().zip(after).take_while(|(a, b)| a == b).count();
    let (old, new) = (before.get(n_head..).unwrap_or_default(), after.get(n_head..).unwrap_or_default());
    let n_tail = old.iter().rev().zip(new.iter().rev()).take_while(|(a, b)| a == b).count();
    let (old, tail) = old.split_at(old.len() - n_tail);
    let new = new.get(..new.len() - n_tail).unwrap_or_default();
    let same = |lines: &[&str]| lines.iter().map(|line| Line::Same((*line).to_owned())).collect::<Vec<_>>();
    let mut lines = same(before.get(..n_head).unwrap_or_default());
    lines.extend(middle(old, new));
    lines.extend(same(tail));
    lines
}

fn middle(old: &[&str], new: &[&str]) -> Vec<Line> {
    let removed = |line: &&str| Line::Removed((*line).to_owned());
    let added = |line: &&str| Line::Added((*line).to_owned());
    let Some(steps) = way(old, new) else {
        return old.iter().map(removed).chain(new.iter().map(added)).collect();
    };
    let (mut x, mut y) = (0, 0);
    let mut lines = Vec::new();
    for step in steps {
        match step {
            Step::Down => {
                lines.extend(new.get(y).map(added));
                y += 1;
            }
            Step::Right => {
                lines.extend(old.get(x).map(removed));
                x += 1;
            }
            Step::Both => {
                lines.extend(old.get(x).map(|line| Line::Same((*line).to_owned())));
                x += 1;
                y += 1;
            }
        }
    }
    lines
}

#[derive(Clone, Copy)]
enum Step {
    /// A line of the new text.
    Down,
    /// A line of the old text.
    Right,
    /// A line of both.
    Both,
}

/// The shortest way through the edit graph, or none with at most [`MAX_EDITS`] edits.
fn way(old: &[&str], new: &[&str]) -> Option<Vec<Step>> {
    let (n, m) = (old.len() as isize, new.len() as isize);
    let most = MAX_EDITS.min(old.len() + new.len());
    let middle = most as isize + 1;
    // The furthest `x` on each diagonal, for each number of edits so far.
    let mut furthest = vec![0isize; 2 * most + 3];
    let mut history: Vec<Vec<isize>> = Vec::new();
    let at = |furthest: &[isize], k: isize| furthest.get((middle + k) as usize).copied().unwrap_or(-1);
    for d in 0..=most as isize {
        history.push(furthest.clone());
        for k in (-d..=d).step_by(2) {
            let down = k == -d || (k != d && at(&furthest, k - 1) < at(&furthest, k + 1));
            let mut x = if down { at(&furthest, k + 1) } else { at(&furthest, k - 1) + 1 };
            let mut y = x - k;
            while x < n && y < m && old.get(x as usize) == new.get(y as usize) {
                x += 1;
                y += 1;
            }
            if let Some(place) = furthest.get_mut((middle + k) as usize) {
                *place = x;
            }
            if x >= n && y >= m {
                return Some(walk_back(&history, middle, n, m));
            }
        }
    }
    None
}

fn walk_back(history: &[Vec<isize>], middle: isize, n: isize, m: isize) -> Vec<Step> {
    let (mut x, mut y) = (n, m);
    let mut steps = Vec::new();
    for (d, furthest) in history.iter().enumerate().rev() {
        let d = d as isize;
        let at = |k: isize| furthest.get((middle + k) as usize).copied().unwrap_or(-1);
        let k = x - y;
        let down = k == -d || (k != d && at(k - 1) < at(k + 1));
        let before = if down { k + 1 } else { k - 1 };
        let (from_x, from_y) = if d == 0 { (0, 0) } else { (at(before), at(before) - before) };
        while x > from_x && y > from_y {
            steps.push(Step::Both);
            x -= 1;
            y -= 1;
        }
        if d > 0 {
            steps.push(if down { Step::Down } else { Step::Right });
            (x, y) = (from_x, from_y);
        }
    }
    steps.reverse();
    steps
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
