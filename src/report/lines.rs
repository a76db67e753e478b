//! Lines with bands: accuracy by step, PGR by student size, best-of-N curves.

use super::axis::{self, Scale};
use super::canvas::{Anchor, Canvas, Medium, Paint, SMALL, Shape, Style, TEXT, TITLE, text_width};
use super::{Figure, ReportError, colour};

/// One point; `low` and `high` are NaN where there is no band.
#[derive(Debug, Clone, Copy)]
pub struct Point {
    pub x: f64,
    pub y: f64,
    pub low: f64,
    pub high: f64,
}

/// One line. A point whose y is NaN interrupts it.
#[derive(Debug, Clone)]
pub struct Series {
    pub name: String,
    pub points: Vec<Point>,
}

/// A whole figure.
#[derive(Debug, Clone)]
pub struct Lines {
    pub title: String,
    pub x_label: String,
    pub y_label: String,
    pub log_x: bool,
    pub series: Vec<Series>,
}

/// Dash patterns, changed when the colours have been round once.
const DASHES: [&str; 4] = ["", "7 3", "2 3", "9 3 2 3"];
/// A line with at most this many points shows each of them (chosen).
const MAX_POINTS_MARKED: usize = 40;

/// Sizes that differ between a page and a column.
struct Layout {
    margin: f64,
    plot: (f64, f64),
    max_legend: f64,
    n_ticks: (usize, usize),
    /// From the upper edge to the plot.
    head: f64,
}

impl Layout {
    fn of(medium: Medium, named: bool) -> Layout {
        match medium {
            Medium::Screen => {
                Layout { margin: 20.0, plot: (520.0, 320.0), max_legend: 260.0, n_ticks: (7, 6), head: 56.0 }
            }
            Medium::Paper => {
                let width = if named { 250.0 } else { 330.0 };
                Layout { margin: 1.0, plot: (width, 190.0), max_legend: 110.0, n_ticks: (4, 5), head: 8.0 }
            }
        }
    }
}

/// Draws lines with bands; the legend stands at the right, outside the plot, and the figure grows with it.
pub fn lines(figure: &Lines) -> Result<Figure, ReportError> {
    super::count("the number of points", figure.series.iter().map(|s| s.points.len()).sum())?;
    let points = || figure.series.iter().flat_map(|s| s.points.iter()).filter(|p| p.x.is_finite() && p.y.is_finite());
    if points().next().is_none() {
        return Err(ReportError::Empty { what: "no row has both an x and a y" });
    }
    if figure.log_x
        && let Some(point) = points().find(|point| point.x <= 0.0)
    {
        return Err(ReportError::NotPositive { name: figure.x_label.clone(), value: point.x });
    }
    Ok(Figure::new("lines", &figure.title, "", |medium| draw(figure, medium)))
}

fn draw(figure: &Lines, medium: Medium) -> Canvas {
    let points = || figure.series.iter().flat_map(|s| s.points.iter()).filter(|p| p.x.is_finite() && p.y.is_finite());
    let named = figure.series.len() > 1 || figure.series.iter().any(|s| !s.name.is_empty());
    let Layout { margin, plot, max_legend, n_ticks, head } = Layout::of(medium, named);
    let small = Style::new(SMALL);
    let ys = || points().flat_map(|p| [p.y, p.low, p.high]).filter(|y| y.is_finite());
    let y_ticks = axis::ticks(ys().fold(f64::MAX, f64::min), ys().fold(f64::MIN, f64::max), n_ticks.1);
    let y_labels = axis::labels(&y_ticks);
    let (x_low, x_high) =
        (points().map(|p| p.x).fold(f64::MAX, f64::min), points().map(|p| p.x).fold(f64::MIN, f64::max));
    let x_ticks = if figure.log_x { axis::log_ticks(x_low, x_high) } else { axis::ticks(x_low, x_high, n_ticks.0) };
    let x_labels = if figure.log_x || x_high >= 1e4 {
        x_ticks.iter().map(|tick| axis::short(*tick)).collect()
    } else {
        axis::labels(&x_ticks)
    };

    let label_width = y_labels.iter().map(|label| text_width(label, small)).fold(0.0, f64::max);
    let legend_width = if named {
        figure.series.iter().map(|s| text_width(&s.name, small)).fold(0.0, f64::max).min(max_legend) + 52.0
    } else {
        12.0
    };
    let left = margin + 24.0 + label_width + 8.0;
    let top = head;
    let plot_height = plot.1.max(figure.series.len() as f64 * 19.0);
    let (right, bottom) = (left + plot.0, top + plot_height);
    let mut canvas = Canvas::new(right + legend_width + margin, bottom + 58.0);
    let room = canvas.width - 2.0 * margin;
    if medium == Medium::Screen {
        canvas.text_within((margin, margin + 12.0), &figure.title, room, Style::new(TITLE).bold());
    }

    let ends = |ticks: &[f64]| (ticks.first().copied().unwrap_or(0.0), ticks.last().copied().unwrap_or(1.0));
    let (x, y) = (ends(&x_ticks), ends(&y_ticks));
    let sx = Scale { low: x.0, high: x.1, from: left, to: right, log: figure.log_x };
    let sy = Scale { low: y.0, high: y.1, from: bottom, to: top, log: false };
    for (tick, label) in y_ticks.iter().zip(&y_labels) {
        canvas.line((left, sy.at(*tick)), (right, sy.at(*tick)), colour::GRID, 1.0, "");
        let style = small.anchor(Anchor::End).colour(colour::GREY);
        canvas.text((left - 8.0, sy.at(*tick) + 4.0), label, style);
    }
    for (tick, label) in x_ticks.iter().zip(&x_labels) {
        canvas.line((sx.at(*tick), bottom), (sx.at(*tick), bottom + 5.0), colour::RULE, 1.0, "");
        let style = small.anchor(Anchor::Middle).colour(colour::GREY);
        canvas.text((sx.at(*tick), bottom + 19.0), label, style);
    }
    canvas.line((left, bottom), (right, bottom), colour::RULE, 1.0, "");
    let centred = Style::new(TEXT).anchor(Anchor::Middle);
    canvas.text(((left + right) / 2.0, bottom + 41.0), &figure.x_label, centred);
    canvas.text_upwards((margin + 10.0, (top + bottom) / 2.0), &figure.y_label, centred);

    for (idx, series) in figure.series.iter().enumerate() {
        band(&mut canvas, series, idx, &sx, &sy);
    }
    for (idx, series) in figure.series.iter().enumerate() {
        curve(&mut canvas, series, idx, &sx, &sy);
        if named {
            let at = top + 8.0 + idx as f64 * 19.0;
            canvas.line((right + 18.0, at), (right + 42.0, at), colour::series(idx), 2.0, dash(idx));
            canvas.mark(Shape::nth(idx), (right + 30.0, at), 3.6, colour::series(idx));
            canvas.text_within((right + 50.0, at + 4.0), &series.name, max_legend, small);
        }
    }
    canvas
}

fn dash(idx: usize) -> &'static str {
    DASHES.get(idx / colour::SERIES.len() % DASHES.len()).copied().unwrap_or_default()
}

/// Runs of consecutive points for which `good` holds.
fn runs(points: &[Point], good: impl Fn(&Point) -> bool) -> Vec<Vec<Point>> {
    points.split(|point| !good(point)).filter(|run| !run.is_empty()).map(<[Point]>::to_vec).collect()
}

fn band(canvas: &mut Canvas, series: &Series, idx: usize, sx: &Scale, sy: &Scale) {
    for run in runs(&series.points, |p| p.x.is_finite() && p.low.is_finite() && p.high.is_finite()) {
        let upper = run.iter().map(|p| (sx.at(p.x), sy.at(p.high)));
        let lower = run.iter().rev().map(|p| (sx.at(p.x), sy.at(p.low)));
        let outline: Vec<(f64, f64)> = upper.chain(lower).collect();
        canvas.path(&outline, true, Paint::fill(colour::series(idx)).opacity(0.14));
    }
}

fn curve(canvas: &mut Canvas, series: &Series, idx: usize, sx: &Scale, sy: &Scale) {
    let few = series.points.len() <= MAX_POINTS_MARKED;
    for run in runs(&series.points, |p| p.x.is_finite() && p.y.is_finite()) {
        let points: Vec<(f64, f64)> = run.iter().map(|p| (sx.at(p.x), sy.at(p.y))).collect();
        if points.len() > 1 {
            canvas.path(&points, false, Paint::stroke(colour::series(idx), 2.0, dash(idx)));
        }
        if few || points.len() == 1 {
            for point in points {
                canvas.mark(Shape::nth(idx), point, 3.6, colour::series(idx));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn figure(points: Vec<Point>, log_x: bool) -> Lines {
        let text = |s: &str| s.to_owned();
        let series = vec![Series { name: text("a"), points }];
        Lines { title: text("t"), x_label: text("step"), y_label: text("accuracy"), log_x, series }
    }

    #[test]
    fn a_missing_value_interrupts_the_line() {
        let point = |x: f64, y: f64| Point { x, y, low: y - 0.1, high: y + 0.1 };
        let points = vec![point(0.0, 0.5), point(1.0, 0.6), point(2.0, f64::NAN), point(3.0, 0.7), point(4.0, 0.8)];
        let drawn = lines(&figure(points, false)).expect("draws");
        assert_eq!(drawn.svg().matches("fill=\"none\"").count(), 2);
        assert_eq!(drawn.svg().matches("fill-opacity").count(), 2);
    }

    #[test]
    fn a_logarithmic_axis_refuses_zero() {
        let points = vec![Point { x: 0.0, y: 1.0, low: f64::NAN, high: f64::NAN }];
        assert!(matches!(lines(&figure(points, true)), Err(ReportError::NotPositive { .. })));
    }
}
