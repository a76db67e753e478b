//! The PGR figure: one line per method and gap, the undefined ones shown as such.

use super::canvas::Shape;
use super::forest::{Forest, Group, Line, Mark, draw};
use super::{Figure, ReportError, colour};

/// One method on one gap, as `w2s::compare` tells it.
#[derive(Debug, Clone, Default)]
pub struct PgrRow {
    pub method: String,
    /// What the lines are grouped by: `world-0 → world-4`.
    pub gap: String,
    /// NaN where undefined.
    pub pgr: f64,
    /// Interval ends; infinite where unbounded, NaN where there is no interval.
    pub low: f64,
    pub high: f64,
    /// Why it is undefined.
    pub reason: String,
}

/// How far beyond the points (and 0 and 1) an interval may stretch the axis; beyond, it ends in an arrow (arbitrary: one gap's width).
const STRETCH: f64 = 1.0;

/// Draws PGR with intervals, grouped by gap, with lines at 0 and 1. `note` says below what the bars are, `order` which methods get
/// which colours.
pub fn pgr(rows: &[PgrRow], title: &str, note: &str, order: &[String]) -> Result<Figure, ReportError> {
    super::count("the number of rows", rows.len())?;
    let methods = super::in_order(rows.iter().map(|row| row.method.as_str()));
    let slots = colour::slots(&methods, order);
    let methods: Vec<(&str, usize)> = methods.into_iter().zip(slots).collect();
    let groups: Vec<Group> = super::in_order(rows.iter().map(|row| row.gap.as_str()))
        .into_iter()
        .map(|gap| Group {
            heading: gap.to_owned(),
            lines: rows.iter().filter(|row| row.gap == gap).map(|row| line(row, &methods)).collect(),
        })
        .collect();
    let undefined = rows.iter().any(|row| !row.pgr.is_finite());
    let confounded = rows.iter().any(is_confounded);
    let open = rows.iter().any(|row| row.pgr.is_finite() && super::is_unbounded(row.low, row.high));
    let mut notes = vec![note];
    if undefined {
        notes.push(
            "Undefined: the ceiling is not significantly above the weak supervisor, so a ratio over that gap is noise.",
        );
    }
    if open {
        notes.push("Hollow, dotted: the interval is unbounded on that side, so the number means little.");
    }
    if confounded {
        notes.push(
            "* confounded: on the rows that it labelled the supervisor is better or worse than on the test rows, and so is a student \
             that copies it.",
        );
    }
    let footnote = notes.join(" ").trim().to_owned();
    let forest = Forest {
        title,
        x_label: "performance gap recovered (PGR)",
        heads: &["PGR  [interval]"],
        groups: &groups,
        references: &[(0.0, "weak"), (1.0, "ceiling")],
        legend: &[],
        must_show: (0.0, 1.0),
        stretch: STRETCH,
        bounds: (f64::NEG_INFINITY, f64::INFINITY),
        joined: false,
        footnote: &footnote,
    };
    Ok(Figure::new("pgr", title, &footnote, |medium| draw(&forest, medium)))
}

/// Whether there is a number, and the comparison says that it is confounded.
fn is_confounded(row: &PgrRow) -> bool {
    row.pgr.is_finite() && row.reason.contains("confounded")
}

fn line(row: &PgrRow, methods: &[(&str, usize)]) -> Line {
    let slot = methods.iter().find(|(method, _)| *method == row.method).map_or(0, |(_, slot)| *slot);
    if !row.pgr.is_finite() {
        // What else stands against the row is not why there is no number.
        let reason = row.reason.split("; ").next().unwrap_or_default();
        let reason = if reason.is_empty() { "no reason was given" } else { reason };
        return Line {
            label: row.method.clone(),
            marks: Vec::new(),
            note: format!("undefined: {reason}"),
            values: vec!["undefined".to_owned()],
        };
    }
    let label = if is_confounded(row) { format!("{} *", row.method) } else { row.method.clone() };
    let mark =
        Mark { value: row.pgr, low: row.low, high: row.high, shape: Shape::nth(slot), colour: colour::series(slot) };
    Line {
        label,
        marks: vec![mark],
        note: String::new(),
        values: vec![super::with_interval(row.pgr, row.low, row.high, 2)],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(method: &str, pgr: f64, low: f64, high: f64) -> PgrRow {
        PgrRow {
            method: method.to_owned(),
            gap: "a → b".to_owned(),
            pgr,
            low,
            high,
            reason: "gap not significant".to_owned(),
        }
    }

    #[test]
    fn undefined_says_why_and_unbounded_ends_in_an_arrow() {
        let rows = [row("naive <1>", 0.3, -40.0, f64::INFINITY), row("none", f64::NAN, f64::NAN, f64::NAN)];
        let figure = pgr(&rows, "PGR", "", &[]).expect("draws");
        let svg = figure.svg();
        assert!(svg.contains("undefined: gap not significant") && svg.contains(">undefined<"), "{svg}");
        assert!(svg.contains(">0.30 ≥ −40.00<") && !svg.contains('∞'), "{svg}");
        // A hollow mark: its fill is the ground's, its outline the method's.
        assert!(svg.contains("fill=\"#ffffff\" stroke=\"#0072B2\"") && figure.note().contains("Hollow"), "{svg}");
        assert!(svg.contains("naive &lt;1&gt;") && !svg.contains("NaN") && !svg.contains("inf"), "{svg}");
        assert_eq!(figure.svg(), pgr(&rows, "PGR", "", &[]).expect("draws").svg());
        assert_eq!(pgr(&[], "PGR", "", &[]).err(), Some(ReportError::Empty { what: "the frame has no rows" }));
    }

    #[test]
    fn a_confounded_number_has_a_star_and_a_note() {
        let mut rows = [row("naive", 0.3, 0.1, 0.5), row("chain", 0.3, 0.1, 0.5)];
        rows[0].reason =
            "confounded: the supervisor is better on the rows that it labelled (0.71 against 0.61)".to_owned();
        let figure = pgr(&rows, "PGR", "", &[]).expect("draws");
        assert!(figure.svg().contains(">naive *<") && figure.svg().contains(">chain<"), "{}", figure.svg());
        assert!(figure.note().starts_with("* confounded:"), "{}", figure.note());
    }

    #[test]
    fn a_point_at_zero_lies_on_the_line_at_zero() {
        let svg = pgr(&[row("naive", 0.0, -0.1, 0.1)], "PGR", "", &[]).expect("draws").svg().to_owned();
        let dashed = svg.lines().find(|line| line.contains("stroke-dasharray")).expect("a reference line");
        let x = dashed.split("x1=\"").nth(1).and_then(|rest| rest.split('"').next()).expect("x").to_owned();
        assert!(svg.contains(&format!("<circle cx=\"{x}\"")), "{svg}");
    }
}
