//! What a text shows, apart from its words and its layout: the numbers in it. Another build may say a thing in other words,
//! and every number that was shown must come again.

use std::collections::HashMap;

/// A number in a text, as far as it was written out.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Shown {
    value: f64,
    /// Digits behind the point.
    n_decimals: i32,
    /// Digits from the first that is not zero.
    n_digits: usize,
}

/// The fewest digits of a number that stands for one with more of them: arbitrary. With fewer, `0.01` would stand for `0.0123`.
const MIN_DIGITS: usize = 3;

impl Shown {
    /// Whether this, which was recorded, and `now` may be one number, rounded to different numbers of digits. A whole number is no
    /// rounding.
    fn agrees(self, now: Shown) -> bool {
        let is_fine = self.n_decimals <= now.n_decimals || now.n_digits >= MIN_DIGITS;
        let n_decimals = self.n_decimals.min(now.n_decimals);
        let half = 0.5 * 10f64.powi(-n_decimals) * (1.0 + 1e-9);
        is_fine && n_decimals > 0 && (self.value - now.value).abs() <= half
    }
}

/// The most pairs of numbers that are compared for rounding: arbitrary, about a second of work.
const MAX_PAIRS: usize = 1 << 28;

/// The first number of `recorded` that does not come again in `now`, rounded to more or fewer digits or not, wherever it stands
/// there. Each number of `now` stands for one of `recorded`.
pub(in crate::record) fn lost(recorded: &str, now: &str) -> Option<String> {
    lost_among(numbers(recorded), now)
}

/// The same for numbers with digits behind the point alone. Whole numbers of a page are mostly counts and places, which another
/// layout has otherwise.
pub(in crate::record) fn lost_result(recorded: &str, now: &str) -> Option<String> {
    lost_among(numbers(recorded).filter(|shown| shown.n_decimals > 0), now)
}

fn lost_among(recorded: impl Iterator<Item = Shown>, now: &str) -> Option<String> {
    let mut left: HashMap<u64, Vec<Shown>> = HashMap::new();
    for shown in numbers(now) {
        left.entry(shown.value.to_bits()).or_default().push(shown);
    }
    let open: Vec<Shown> =
        recorded.filter(|shown| left.get_mut(&shown.value.to_bits()).and_then(Vec::pop).is_none()).collect();
    let mut spare: Vec<Shown> = left.into_values().flatten().collect();
    spare.sort_by(|a, b| a.value.total_cmp(&b.value));
    let is_too_much = open.len().saturating_mul(spare.len()) > MAX_PAIRS;
    let found = open.into_iter().find(|shown| {
        let at = spare.iter().position(|other| !is_too_much && shown.agrees(*other));
        at.map(|at| spare.remove(at)).is_none()
    });
    found.map(|shown| format!("{:.*}", usize::try_from(shown.n_decimals).unwrap_or(0), shown.value))
}

/// The numbers of a text, in order. A digit in a name, such as that of `world-1`, is none.
fn numbers(text: &str) -> impl Iterator<Item = Shown> {
    let is_between = |c: char| c.is_whitespace() || ",;:()[]{}<>|&#=%$\\\"'`*/~^_±→…×".contains(c);
    text.split(is_between).filter_map(|word| {
        let word = word.trim_end_matches(['.', '!', '?', '–', '—']).replace('−', "-");
        let word = word.strip_prefix('+').unwrap_or(&word);
        if !word.starts_with(|c: char| c.is_ascii_digit() || matches!(c, '-' | '.')) {
            return None;
        }
        let value: f64 = word.parse().ok().filter(|value: &f64| value.is_finite())?;
        let mantissa = word.split(['e', 'E']).next().unwrap_or_default();
        let n_decimals = mantissa.split_once('.').map_or(0, |(_, digits)| digits.len());
        let digits = mantissa.chars().filter(char::is_ascii_digit).skip_while(|digit| *digit == '0');
        // Zero has one sign here, and beyond what a float tells apart digits say nothing.
        Some(Shown { value: value + 0.0, n_decimals: n_decimals.min(17) as i32, n_digits: digits.count() })
    })
}

/// What a page in HTML shows as text: without its style, its code, its drawings and its tags.
pub(in crate::record) fn visible(page: &str) -> String {
    let mut shown = page.to_owned();
    for element in ["style", "script", "svg"] {
        shown = without(&shown, &format!("<{element}"), &format!("</{element}>"));
    }
    without(&shown, "<", ">")
}

/// `text` without whatever stands from `open` to the next `close`; a blank in its place.
fn without(text: &str, open: &str, close: &str) -> String {
    let mut kept = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once(open) {
        kept.push_str(before);
        kept.push(' ');
        rest = after.split_once(close).map_or("", |(_, behind)| behind);
    }
    kept.push_str(rest);
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_and_digits_may_change_and_numbers_may_not() {
        let recorded = "naive  world-1 → world-5  0.438 ± 0.476  PGR −0.05 [−∞, ∞]\n(6 rows, 6 columns)";
        for now in [
            recorded,
            "naive: 0.4382 ± 0.4761 of 6 times 6, PGR -0.05",
            "6 rows\n6 columns\nnaive 0.438 0.476 0.999 and -0.050",
            "0.438, 0.476; -0.0501 (6) [6]",
        ] {
            assert_eq!(lost(recorded, now), None, "{now}");
        }
        for (now, gone) in [
            ("naive 0.538 ± 0.476, PGR −0.05 (6, 6)", "0.438"),
            ("naive 0.438 ± 0.476, PGR 0.05 (6, 6)", "-0.05"),
            ("naive 0.438 ± 0.476, PGR −0.05 (6 rows)", "6"),
            ("", "0.438"),
            // A whole number is no rounding of one with digits.
            ("naive 0 ± 0.476, PGR −0.05 (6, 6)", "0.438"),
        ] {
            assert_eq!(lost(recorded, now).as_deref(), Some(gone), "{now}");
        }
        assert_eq!(lost("world-1 fp32 3afd7d4a 2026-11-28 no", ""), None, "names are not numbers");
        assert_eq!(lost("1e-3 and 5e-3.", "0.001, 0.0050"), None);
        assert_eq!(lost_result("39 rows, 0.5", "40 rows, 0.50"), None);
        assert_eq!(lost_result("39 rows, 0.5", "39 rows, 0.6").as_deref(), Some("0.5"));
        assert_eq!(lost("0.5 0.5", "0.5").as_deref(), Some("0.5"), "one stands for one");
        assert_eq!(lost("loss 0.681594841134844", "loss 0.6816"), None);
        assert_eq!(lost("lr 0.0123", "lr 0.01").as_deref(), Some("0.0123"), "more digits than came again");
    }

    #[test]
    fn a_page_shows_what_is_outside_its_tags() {
        let page =
            "<style>a{width:3px}</style><td class=\"n4\">0.5</td><svg><path d=\"M 1 2\"/><text>7</text></svg> <b>6</b>";
        assert_eq!(visible(page).split_whitespace().collect::<Vec<_>>(), ["0.5", "6"]);
        assert_eq!(visible("a < b").trim(), "a");
    }
}
