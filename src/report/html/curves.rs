//! Training losses by step as small multiples: one for each training that differs in more than its seed, all its seeds in it.

use super::super::canvas::num;
use super::super::colour;
use super::Operation;
use super::table::decimal;
use maud::{Markup, html};
use std::collections::{BTreeMap, BTreeSet};

/// The most small figures on the page, and curves in one of them (arbitrary); the record has all.
const MAX_GROUPS: usize = 60;
const MAX_CURVES: usize = 40;

const WIDTH: f64 = 210.0;
const HEIGHT: f64 = 76.0;

/// Trainings that differ in their seed alone.
struct Group<'a> {
    /// Operation and what it was done on.
    what: (&'a str, &'a str),
    /// Its options without the seed.
    options: Vec<&'a str>,
    curves: Vec<&'a [(u64, f64)]>,
}

/// The losses, folded away.
pub fn curves(operations: &[Operation]) -> Markup {
    let groups = groups(operations);
    let n: usize = groups.iter().map(|group| group.curves.len()).sum();
    if n == 0 {
        return html! {};
    }
    let first =
        if groups.len() > MAX_GROUPS { format!(", the first {MAX_GROUPS} of {}", groups.len()) } else { String::new() };
    html! {
        details {
            summary { "training loss by step: " (n) " curves" (first) }
            div.curves {
                @for group in groups.iter().take(MAX_GROUPS) {
                    figure { (drawing(&group.curves)) figcaption { (caption(group, &groups)) } }
                }
            }
        }
    }
}

fn groups(operations: &[Operation]) -> Vec<Group<'_>> {
    let mut groups: Vec<Group> = Vec::new();
    let mut places: BTreeMap<(&str, &str, Vec<&str>), usize> = BTreeMap::new();
    for operation in operations.iter().filter(|operation| operation.curve.len() > 1) {
        let options: Vec<&str> =
            parts(&operation.options).into_iter().filter(|part| !part.starts_with("seed ")).collect();
        let what = (operation.name.as_str(), operation.what.as_str());
        let at = *places.entry((what.0, what.1, options.clone())).or_insert_with(|| {
            groups.push(Group { what, options, curves: Vec::new() });
            groups.len() - 1
        });
        if let Some(group) = groups.get_mut(at) {
            group.curves.push(&operation.curve);
        }
    }
    groups
}

/// Options at their commas; those within brackets belong to one option.
fn parts(options: &str) -> Vec<&str> {
    let mut depth = 0usize;
    let mut split = options.split(|c: char| {
        match c {
            '(' | '[' | '{' => depth += 1,
            ')' | ']' | '}' => depth = depth.saturating_sub(1),
            _ => {}
        }
        c == ',' && depth == 0
    });
    let parts: Vec<&str> = split.by_ref().map(str::trim).filter(|part| !part.is_empty()).collect();
    parts
}

/// What a reader tells this figure by: operation, data, what of its options no other training of the same has, and how it ended.
fn caption(group: &Group, all: &[Group]) -> String {
    let alike: Vec<&Group> = all.iter().filter(|other| other.what == group.what).collect();
    let shared = |part: &&str| alike.iter().all(|other| other.options.contains(part));
    let own: Vec<&str> = group.options.iter().copied().filter(|part| !shared(part)).collect();
    let mut said = format!("{} {}", group.what.0, group.what.1);
    if !own.is_empty() {
        said += &format!(", {}", own.join(", "));
    }
    let ends: Vec<f64> = group.curves.iter().filter_map(|curve| curve.last()).map(|(_, loss)| *loss).collect();
    let n = ends.len();
    let finite = || ends.iter().copied().filter(|loss| loss.is_finite());
    let (low, high) = (finite().fold(f64::INFINITY, f64::min), finite().fold(f64::NEG_INFINITY, f64::max));
    let last = match (finite().count(), n) {
        (0, _) => "no last loss is a number".to_owned(),
        (finite, n) if finite < n => format!("{} of {n} last losses are not numbers", n - finite),
        (_, 1) => format!("last loss {}", decimal(low)),
        _ => format!("last loss {} to {}", decimal(low), decimal(high)),
    };
    match n {
        1 => format!("{said}: {last}"),
        n => format!("{said}: {n} trainings, {last}"),
    }
}

/// The lines over one another, with the highest value and the last step.
fn drawing(curves: &[&[(u64, f64)]]) -> Markup {
    let points = || curves.iter().flat_map(|curve| curve.iter()).filter(|(_, loss)| loss.is_finite());
    let (low, high) = points().fold((0.0f64, f64::MIN), |(low, high), (_, loss)| (low.min(*loss), high.max(*loss)));
    if low > high {
        return html! { p.note { "no loss was a number" } };
    }
    let steps: BTreeSet<u64> = curves.iter().flat_map(|curve| curve.iter()).map(|(step, _)| *step).collect();
    let (first, last) = (steps.first().copied().unwrap_or(0), steps.last().copied().unwrap_or(1));
    let span = (high - low).max(1e-12);
    let x = |step: u64| step.saturating_sub(first) as f64 / last.saturating_sub(first).max(1) as f64 * WIDTH;
    let y = |loss: f64| 4.0 + (1.0 - (loss - low) / span) * (HEIGHT - 8.0);
    let line = |curve: &[(u64, f64)]| -> String {
        let finite = curve.iter().filter(|(_, loss)| loss.is_finite());
        finite.map(|(step, loss)| format!("{},{}", num(x(*step)), num(y(*loss)))).collect::<Vec<_>>().join(" ")
    };
    let opacity = if curves.len() > 1 { "0.55" } else { "1" };
    let zero = num(y(0.0));
    html! {
        svg xmlns="http://www.w3.org/2000/svg" viewBox=(format!("0 0 {} {}", WIDTH + 52.0, HEIGHT + 16.0)) role="img" font-size="11" {
            line x1="0" y1=(zero) x2=(WIDTH) y2=(zero) stroke=(colour::RULE) {}
            @for curve in curves.iter().take(MAX_CURVES) {
                polyline points=(line(curve)) fill="none" stroke=(colour::NEUTRAL) stroke-width="1.4" stroke-opacity=(opacity) {}
            }
            text x=(WIDTH + 6.0) y="12" fill=(colour::GREY) { (decimal(high)) }
            text x=(WIDTH + 6.0) y=(num(y(0.0).min(HEIGHT))) fill=(colour::GREY) { "0" }
            text x="0" y=(HEIGHT + 13.0) fill=(colour::GREY) { "step " (first) }
            text x=(WIDTH) y=(HEIGHT + 13.0) fill=(colour::GREY) text-anchor="end" { (last) }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn training(what: &str, options: &str, end: f64) -> Operation {
        Operation {
            name: "finetune".into(),
            what: what.into(),
            options: options.into(),
            curve: vec![(1, 0.9), (9, end)],
            ..Operation::default()
        }
    }

    #[test]
    fn seeds_are_gathered_and_captions_differ() {
        let operations = [
            training("m on <d>", "loss::ce(a, b), lr 0.1, seed 0", 0.25),
            training("m on <d>", "loss::ce(a, b), lr 0.1, seed 1", 0.5),
            training("m on <d>", "loss::ce(a, c), lr 0.1, seed 0", f64::NAN),
            training("n on d", "lr 0.1, seed 0", 0.125),
            Operation { name: "predict".into(), ..Operation::default() },
        ];
        let html = curves(&operations).into_string();
        assert!(html.contains("training loss by step: 4 curves"), "{html}");
        assert_eq!((html.matches("<svg").count(), html.matches("<polyline").count()), (3, 4), "{html}");
        for caption in [
            "finetune m on &lt;d&gt;, loss::ce(a, b): 2 trainings, last loss 0.2500 to 0.5000<",
            "finetune m on &lt;d&gt;, loss::ce(a, c): no last loss is a number<",
            "finetune n on d: last loss 0.1250<",
        ] {
            assert!(html.contains(caption), "{caption}: {html}");
        }
    }

    #[test]
    fn losses_that_are_no_numbers_are_said() {
        let html = curves(&[Operation { curve: vec![(1, f64::NAN), (2, f64::INFINITY)], ..Operation::default() }])
            .into_string();
        assert!(html.contains("no loss was a number") && !html.contains("<svg"), "{html}");
        assert!(curves(&[]).into_string().is_empty());
    }
}
