//! A table of claims on the page: a row for each, which opens to what the script kept about it.
//!
//! A kept table called `claims` with text columns `claim`, `says` and `verdict` is one. What the script kept as `claim-NUMBER` or
//! `claim-NUMBER-…` belongs to the row whose `claim` is that number.

use super::{Kept, table};
use crate::frames::Frame;
use maud::{Markup, html};
use polars::prelude::{Column, DataType};

/// The name under which a script keeps it.
const NAME: &str = "claims";

/// Columns that stand in a row's line; all other ones stand below it.
const LINE: [&str; 6] = ["claim", "says", "on", "off", "p_corrected", "verdict"];

/// The table of claims among what was kept: its place and itself.
pub fn find(kept: &[Kept]) -> Option<(usize, &Frame)> {
    kept.iter().enumerate().find_map(|(place, kept)| match kept {
        Kept::Table { name, frame, .. } if name == NAME => {
            let is_text =
                |name: &str| frame.table().column(name).is_ok_and(|column| *column.dtype() == DataType::String);
            ["claim", "says", "verdict"].into_iter().all(is_text).then_some((place, frame))
        }
        _ => None,
    })
}

/// Whether something kept under `name` belongs to the claim `number`.
pub fn belongs(name: &str, number: &str) -> bool {
    let rest = name.strip_prefix("claim-").and_then(|rest| rest.strip_prefix(number));
    rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('-'))
}

/// The numbers of the claims, in the table's order.
pub fn numbers(frame: &Frame) -> Vec<String> {
    let column = frame.table().column("claim");
    (0..frame.table().height())
        .map(|row| column.as_ref().ok().and_then(|column| text(column, row)).unwrap_or_default())
        .collect()
}

/// The rows; `below` has for each what was kept about it. `scripts` are the names of the page's sources, by their anchors.
pub fn rows(frame: &Frame, below: &[Markup], scripts: &[(String, String)]) -> Markup {
    let columns = frame.table().columns();
    let find = |name: &str| columns.iter().find(|column| column.name() == name);
    let say = |name: &str, row| find(name).and_then(|column| text(column, row));
    let rest: Vec<&Column> = columns
        .iter()
        .filter(|column| {
            let name = column.name().as_str();
            let stem = name.strip_suffix("_low").or_else(|| name.strip_suffix("_high")).unwrap_or(name);
            !LINE.contains(&stem)
        })
        .collect();
    let measured = |name: &str, row| {
        let value = find(name).and_then(|column| table::number(column, row));
        let end = |end: &str| find(&format!("{name}_{end}")).and_then(|column| table::number(column, row));
        html! {
            @match value {
                Some(value) => {
                    (short(value))
                    @if let (Some(low), Some(high)) = (end("low"), end("high")) { small { (super::super::interval(low, high, short)) } }
                }
                None => "–",
            }
        }
    };
    html! {
        div.claims {
            div.claim.head { span { "claim" } span { "" } span.n { "on" } span.n { "off" } span.n { "p, corrected" } span { "verdict" } }
            @for row in 0..frame.table().height() {
                @let verdict = say("verdict", row).unwrap_or_default();
                details {
                    summary.claim {
                        span { (say("claim", row).unwrap_or_default()) }
                        span { (say("says", row).unwrap_or_default()) }
                        span.n { (measured("on", row)) }
                        span.n { (measured("off", row)) }
                        span.n { (find("p_corrected").and_then(|column| table::number(column, row)).map_or_else(|| "–".to_owned(), chance)) }
                        span.holds[verdict == "holds"].fails[verdict == "does not hold"].open[verdict == "cannot tell"] { (verdict) }
                    }
                    dl.of {
                        @for column in &rest {
                            @if let Some(value) = said(column, row) {
                                div {
                                    dt { (column.name().replace('_', " ")) }
                                    dd {
                                        @match scripts.iter().find(|(name, _)| column.name() == "script" && name.ends_with(&value)) {
                                            Some((_, id)) => a href={ "#" (id) } { (value) },
                                            None => (value),
                                        }
                                    }
                                }
                            }
                        }
                    }
                    @if let Some(below) = below.get(row) { (below) }
                }
            }
        }
    }
}

/// A text; none where it is null or empty.
fn text(column: &Column, row: usize) -> Option<String> {
    table::cell(column, row).filter(|text| !text.is_empty())
}

/// A text, or a number as a person writes it.
fn said(column: &Column, row: usize) -> Option<String> {
    if !column.dtype().is_primitive_numeric() {
        return text(column, row);
    }
    if column.dtype().is_integer() {
        return table::cell(column, row);
    }
    let value = table::number(column, row)?;
    Some(if matches!(column.name().as_str(), "p" | "p_corrected") { chance(value) } else { short(value) })
}

/// Two decimals, three below .1: what an interval over seeds can say.
fn short(value: f64) -> String {
    if !value.is_finite() {
        return table::decimal(value);
    }
    let decimals = if value.abs() < 0.095 { 3 } else { 2 };
    super::super::axis::minus(&format!("{value:.decimals$}"))
}

fn chance(p: f64) -> String {
    if p < 0.0005 { "< 0.001".to_owned() } else { format!("{p:.3}") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use polars::prelude::df;

    fn claims() -> Frame {
        let table = df!("claim" => ["1", "11"], "says" => ["a <rises>", "b"], "on" => [Some(0.5), None], "on_low" => [Some(0.4), None],
            "on_high" => [Some(0.61), None], "off" => [0.01, 0.02], "off_low" => [-0.01, 0.0], "off_high" => [0.02, 0.04],
            "p_corrected" => [0.0001, 0.25], "verdict" => ["holds", "cannot tell"], "why" => ["", "too few"], "delta" => [0.1, 0.1],
            "script" => ["01_a.rhai", "11_b.rhai"]);
        Frame::new(table.expect("frame"))
    }

    #[test]
    fn a_row_says_what_was_measured_and_opens_to_the_rest() {
        let kept = [Kept::Table { name: "claims".into(), caption: String::new(), frame: claims() }];
        assert!(find(&kept).is_some_and(|(place, _)| place == 0));
        let scripts = [("paper/01_a.rhai".to_owned(), "script-3".to_owned())];
        let page = rows(&claims(), &[html! { "its figure" }], &scripts).into_string();
        for part in [
            "a &lt;rises&gt;",
            "0.50<small>[0.40, 0.61]</small>",
            "&lt; 0.001",
            "open\">cannot tell",
            "its figure",
            "too few",
            "<a href=\"#script-3\">01_a.rhai</a>",
            "<dd>11_b.rhai</dd>",
            "<dd>0.10</dd>",
        ] {
            assert!(page.contains(part), "{part}: {page}");
        }
        assert_eq!(page.matches("<details").count(), 2);
        assert_eq!(page.matches("<dt>why</dt>").count(), 1, "what is empty is left out: {page}");
    }

    #[test]
    fn what_is_kept_belongs_to_its_claim_alone() {
        assert!(belongs("claim-1", "1") && belongs("claim-1-cells", "1"));
        assert!(!belongs("claim-11", "1") && !belongs("claims", "1") && !belongs("claim-1x", "1"));
        let other = df!("claim" => [1i64], "says" => ["a"], "verdict" => ["holds"]).expect("frame");
        assert!(
            find(&[Kept::Table { name: "claims".into(), caption: String::new(), frame: Frame::new(other) }]).is_none()
        );
    }
}
