//! The accuracy ladder: weak supervisor, student and ceiling of every method on one axis.

use super::canvas::Shape;
use super::forest::{Forest, Group, Line, Mark, draw};
use super::{Figure, ReportError, colour};

/// A mean with its interval; NaN where absent.
pub type Interval = (f64, f64, f64);

/// One method on one gap.
#[derive(Debug, Clone)]
pub struct AccuracyRow {
    pub method: String,
    /// What the lines are grouped by: `world-0 → world-4`.
    pub gap: String,
    pub weak: Interval,
    pub student: Interval,
    pub ceiling: Interval,
}

/// Supervisor and ceiling are what a student is measured against, and grey; the student has its method's colour, as in every other
/// figure.
const ROLES: [(&str, Shape, &str); 3] = [
    ("weak supervisor", Shape::Circle, colour::GREY),
    ("student, in the colour of its method", Shape::Diamond, colour::INK),
    ("ceiling (trained on truth)", Shape::Square, colour::GREY),
];

/// Draws accuracies, or what `metric` names, with intervals, grouped by gap. `note` says below what the bars are, `order` which
/// methods get which colours.
pub fn accuracy(
    rows: &[AccuracyRow],
    title: &str,
    metric: &str,
    note: &str,
    order: &[String],
) -> Result<Figure, ReportError> {
    super::count("the number of rows", rows.len())?;
    let methods = super::in_order(rows.iter().map(|row| row.method.as_str()));
    let slots = colour::slots(&methods, order);
    let colour_of = |row: &AccuracyRow| {
        methods
            .iter()
            .zip(&slots)
            .find(|(method, _)| **method == row.method)
            .map_or(colour::INK, |(_, slot)| colour::series(*slot))
    };
    let groups: Vec<Group> = super::in_order(rows.iter().map(|row| row.gap.as_str()))
        .into_iter()
        .map(|gap| Group {
            heading: gap.to_owned(),
            lines: rows.iter().filter(|row| row.gap == gap).map(|row| line(row, colour_of(row))).collect(),
        })
        .collect();
    let values = || rows.iter().flat_map(|row| [row.weak.0, row.student.0, row.ceiling.0]).filter(|v| v.is_finite());
    let (low, high) = (values().fold(f64::MAX, f64::min), values().fold(f64::MIN, f64::max));
    if low > high {
        return Err(ReportError::Empty { what: "no row has an accuracy" });
    }
    let forest = Forest {
        title,
        x_label: &format!("{metric} on the test split"),
        heads: &["weak", "student", "ceiling"],
        groups: &groups,
        references: &[],
        legend: &ROLES,
        must_show: (low, high),
        stretch: f64::INFINITY,
        bounds: (low.min(0.0), high.max(1.0)),
        joined: true,
        footnote: note,
    };
    Ok(Figure::new("accuracy", title, note, |medium| draw(&forest, medium)))
}

fn line(row: &AccuracyRow, colour: &'static str) -> Line {
    let three = [row.weak, row.student, row.ceiling].map(|(value, low, high)| {
        let (low, high) = super::share_ends(low, high);
        (value, low, high)
    });
    let marks = three
        .iter()
        .zip(ROLES)
        .map(|((value, low, high), (_, shape, grey))| {
            let colour = if shape == Shape::Diamond { colour } else { grey };
            Mark { value: *value, low: *low, high: *high, shape, colour }
        })
        .collect();
    let values = three.iter().map(|(value, low, high)| super::with_interval(*value, *low, *high, 3)).collect();
    Line { label: row.method.clone(), marks, note: String::new(), values }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn three_marks_a_line_and_their_numbers() {
        let row = AccuracyRow {
            method: "naive".to_owned(),
            gap: "a → b".to_owned(),
            weak: (0.7, 0.68, 0.72),
            student: (0.75, f64::NAN, f64::NAN),
            ceiling: (0.95, 0.88, 1.02),
        };
        let svg = accuracy(&[row], "Accuracy", "accuracy", "", &[]).expect("draws").svg().to_owned();
        assert!(svg.contains("0.700 [0.680, 0.720]") && svg.contains(">0.750<"), "{svg}");
        assert!(svg.contains("0.950 [0.880, 1.000]"), "no accuracy is above 1: {svg}");
        assert!(svg.contains("fill=\"#0072B2\" stroke=\"#ffffff\""), "the student has its method's colour: {svg}");
        assert!(!svg.contains("NaN"), "{svg}");
    }
}
