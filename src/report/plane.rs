//! Figures with two axes: lines with bands, points, bars and histograms, in one panel or in several that share their axes.

use super::axis::{Axis, Scale, Ticks};
use super::canvas::{Anchor, Canvas, Medium, Paint, SMALL, Shape, Style, TEXT, TITLE, cut, text_width};
use super::forest::{Entry, legend_rows, wrap};
use super::{Figure, ReportError, colour};

/// One point; `low` and `high` are NaN where there is no interval.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Point {
    pub x: f64,
    pub y: f64,
    pub low: f64,
    pub high: f64,
}

/// Points of one name, in the order in which they are joined. One whose y is NaN interrupts a line.
#[derive(Debug, Clone, PartialEq)]
pub struct Series {
    pub name: String,
    pub points: Vec<Point>,
}

/// One panel.
#[derive(Debug, Clone, PartialEq)]
pub struct Facet {
    pub heading: String,
    pub series: Vec<Series>,
}

/// How a series is drawn.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Look {
    Lines,
    Points,
    /// `x` counts the categories of [`Plane::names`].
    Bars,
    /// `x` is the left edge of a bin of this width.
    Bins(f64),
}

impl Look {
    fn kind(self) -> &'static str {
        match self {
            Look::Lines => "lines",
            Look::Points => "scatter",
            Look::Bars => "bar",
            Look::Bins(_) => "histogram",
        }
    }

    /// Whether what is seen is a length, which begins at zero.
    fn is_length(self) -> bool {
        matches!(self, Look::Bars | Look::Bins(_))
    }
}

/// A whole figure.
#[derive(Debug, Clone)]
pub struct Plane {
    pub look: Look,
    pub title: String,
    pub x: Axis,
    pub y: Axis,
    /// Names of categories along the bottom; empty for numbers.
    pub names: Vec<String>,
    /// The heading of the legend; may be empty.
    pub legend: String,
    /// Which names get which colours, as [`colour::slots`] reads it.
    pub order: Vec<String>,
    /// What bands or bars are; may be empty.
    pub note: String,
    pub facets: Vec<Facet>,
}

/// The most panels (arbitrary: beyond, nobody can read them).
const MAX_FACETS: usize = 36;
/// The most categories of a bar chart (arbitrary).
const MAX_NAMES: usize = 60;
/// Dash patterns, changed when the colours have been round once.
const DASHES: [&str; 4] = ["", "7 3", "2 3", "9 3 2 3"];
/// A line with at most this many points shows each of them (arbitrary).
const MAX_POINTS_MARKED: usize = 40;
/// From this many on, points are small and let through what is behind them (arbitrary).
const MANY_POINTS: usize = 200;
/// Between the end of the axis and the first mark.
const INSET: f64 = 9.0;

/// Draws the figure. The legend of one panel stands at its right, that of several above them.
pub fn plane(plane: &Plane) -> Result<Figure, ReportError> {
    let series = || plane.facets.iter().flat_map(|facet| facet.series.iter());
    super::count("the number of points", series().map(|s| s.points.len()).sum())?;
    for (what, n, most) in [
        ("the number of panels", plane.facets.len(), MAX_FACETS),
        ("the number of bars in a row", plane.names.len(), MAX_NAMES),
    ] {
        if n > most {
            return Err(ReportError::TooMany { what, n, most });
        }
    }
    let points = || series().flat_map(|s| s.points.iter()).filter(|p| p.x.is_finite() && p.y.is_finite());
    if points().next().is_none() {
        return Err(ReportError::Empty { what: "no row has both an x and a y" });
    }
    let points = || points().filter(|p| plane.x.holds(p.x));
    if !points().any(|point| plane.y.holds(point.y) || plane.look.is_length()) {
        return Err(ReportError::Empty { what: "no point is within the limits" });
    }
    let width = if let Look::Bins(width) = plane.look { width } else { 0.0 };
    let xs: Vec<f64> = points().flat_map(|p| [p.x, p.x + width]).collect();
    // An interval may reach below what a logarithmic axis shows; a point may not.
    let is_shown = |y: &f64| y.is_finite() && !(plane.y.log && *y <= 0.0);
    let mut ys: Vec<f64> = points().map(|p| p.y).collect();
    ys.extend(points().flat_map(|p| [p.low, p.high]).filter(is_shown));
    if plane.look.is_length() {
        ys.push(0.0);
    }
    let names = super::in_order(series().map(|s| s.name.as_str()));
    let named = names.len() > 1 || names.iter().any(|name| !name.is_empty());
    let layout = |medium| Layout::of(medium, plane.facets.len(), named);
    let ticks = |medium| -> Result<(Ticks, Ticks), ReportError> {
        let Layout { n_ticks, .. } = layout(medium);
        Ok((plane.x.ticks(&xs, n_ticks.0)?, plane.y.ticks(&ys, n_ticks.1)?))
    };
    let (screen, paper) = (ticks(Medium::Screen)?, ticks(Medium::Paper)?);
    let inks: Vec<Ink> = colour::slots(&names, &plane.order).into_iter().map(Ink::of).collect();
    let legend = if named { names.into_iter().zip(inks).collect() } else { Vec::new() };
    let places: Vec<&str> = plane.names.iter().map(String::as_str).collect();
    let places: Vec<Ink> = colour::slots(&places, &plane.order).into_iter().map(Ink::of).collect();
    Ok(Figure::new(plane.look.kind(), &plane.title, &plane.note, |medium| {
        let (x, y) = if medium == Medium::Screen { &screen } else { &paper };
        Drawing { plane, legend: &legend, places: &places, layout: layout(medium), x, y, medium }.draw()
    }))
}

/// How a series looks.
#[derive(Clone, Copy)]
struct Ink {
    colour: &'static str,
    shape: Shape,
    dash: &'static str,
}

impl Ink {
    /// A series without a name.
    const NAMELESS: Ink = Ink { colour: colour::NEUTRAL, shape: Shape::Circle, dash: "" };

    fn of(slot: usize) -> Ink {
        let dash = DASHES.get(slot / colour::SERIES.len() % DASHES.len()).copied().unwrap_or_default();
        Ink { colour: colour::series(slot), shape: Shape::nth(slot), dash }
    }
}

/// Sizes that differ between a page and a column, and with the number of panels.
struct Layout {
    margin: f64,
    /// The plot of one panel.
    plot: (f64, f64),
    n_columns: usize,
    gap: (f64, f64),
    max_legend: f64,
    n_ticks: (usize, usize),
    /// From the upper edge to the first panel, without a legend.
    head: f64,
}

impl Layout {
    fn of(medium: Medium, n_facets: usize, named: bool) -> Layout {
        let one = n_facets <= 1;
        let n_columns = match (medium, n_facets) {
            (_, 0 | 1) => 1,
            (Medium::Paper, _) | (_, 2 | 4) => 2,
            (Medium::Screen, _) => 3,
        };
        match medium {
            Medium::Screen => Layout {
                margin: 20.0,
                plot: if one { (520.0, 320.0) } else { (250.0, 170.0) },
                n_columns,
                gap: (26.0, 40.0),
                max_legend: 260.0,
                n_ticks: if one { (7, 6) } else { (4, 4) },
                head: 56.0,
            },
            Medium::Paper => Layout {
                margin: 1.0,
                plot: if one { (if named { 250.0 } else { 330.0 }, 190.0) } else { (150.0, 110.0) },
                n_columns,
                gap: (20.0, 40.0),
                max_legend: 110.0,
                n_ticks: if one { (4, 5) } else { (3, 3) },
                head: 8.0,
            },
        }
    }
}

struct Drawing<'a> {
    plane: &'a Plane,
    /// Names of series and how they look; empty where there is nothing to name.
    legend: &'a [(&'a str, Ink)],
    /// How the bars of nameless series look, by their place.
    places: &'a [Ink],
    layout: Layout,
    x: &'a Ticks,
    y: &'a Ticks,
    medium: Medium,
}

/// Where a panel lies.
#[derive(Clone, Copy)]
struct Place {
    left: f64,
    right: f64,
    top: f64,
    bottom: f64,
}

impl Drawing<'_> {
    fn draw(&self) -> Canvas {
        let Layout { margin, plot, n_columns, gap, max_legend, head, .. } = self.layout;
        let plane = self.plane;
        let small = Style::new(SMALL);
        let n_facets = plane.facets.len();
        let beside = n_facets <= 1 && !self.legend.is_empty();
        let label_width = self.y.labels.iter().map(|label| text_width(label, small)).fold(0.0, f64::max);
        let left = margin + 24.0 + label_width + 8.0;
        let n_rows = n_facets.div_ceil(n_columns).max(1);
        let (wide, high) = (n_columns.min(n_facets.max(1)) as f64, n_rows as f64);
        let right = left + wide * plot.0 + (wide - 1.0) * gap.0;
        let shown: Vec<&str> = self.legend.iter().map(|(name, _)| *name).collect();
        let legend_width = if beside {
            let heading = text_width(&plane.legend, small.bold()).min(max_legend + 32.0);
            let names = shown.iter().map(|name| text_width(name, small)).fold(0.0, f64::max).min(max_legend);
            (names + 52.0).max(heading + 20.0)
        } else {
            12.0
        };
        let width = (right + legend_width + margin).round();
        let rows = if beside { Vec::new() } else { self.legend_above(width - 2.0 * margin) };
        let heading = if n_facets > 1 { 18.0 } else { 0.0 };
        let top = head + rows.len() as f64 * 20.0 + heading;
        let beside_rows = self.legend.len() as f64 + if plane.legend.is_empty() { 0.0 } else { 1.0 };
        let plot_height = if beside { plot.1.max(beside_rows * 19.0) } else { plot.1 };
        let names = self.names_height(plot.0);
        let bottom = top + high * plot_height + (high - 1.0) * (gap.1 + heading + names - 20.0);
        let mut canvas = Canvas::new(width, bottom + 38.0 + names + self.note_height(width));

        if self.medium == Medium::Screen {
            let style = Style::new(TITLE).bold();
            canvas.text_within((margin, margin + 12.0), &plane.title, width - 2.0 * margin, style);
        }
        for (idx, entries) in rows.iter().enumerate() {
            let y = head + 4.0 + idx as f64 * 20.0;
            for (x, (text, shape, colour)) in entries {
                // The legend's own heading has no mark.
                if colour.is_empty() {
                    canvas.text((margin + x, y), text, small.bold());
                } else {
                    canvas.mark(*shape, (margin + x + 6.0, y - 4.0), 4.2, colour);
                    canvas.text((margin + x + 17.0, y), text, small);
                }
            }
        }
        for (idx, facet) in plane.facets.iter().enumerate() {
            let (column, row) = ((idx % n_columns) as f64, (idx / n_columns) as f64);
            let from = (left + column * (plot.0 + gap.0), top + row * (plot_height + gap.1 + heading + names - 20.0));
            let place = Place { left: from.0, right: from.0 + plot.0, top: from.1, bottom: from.1 + plot_height };
            if n_facets > 1 {
                canvas.text_within((place.left, place.top - 7.0), &facet.heading, plot.0, small.bold());
            }
            self.axes(&mut canvas, place, idx % n_columns == 0);
            self.panel(&mut canvas, facet, place);
        }
        let centred = Style::new(TEXT).anchor(Anchor::Middle);
        let under = bottom + 21.0 + names;
        canvas.text(((left + right) / 2.0, under), &cut(&plane.x.label, right - margin, centred), centred);
        let label = cut(&plane.y.label, bottom - margin, centred);
        canvas.text_upwards((margin + 10.0, (top + bottom) / 2.0), &label, centred);
        if beside {
            self.legend_beside(&mut canvas, (right, top));
        }
        for (idx, line) in self.note_lines(width).iter().enumerate() {
            canvas.text((margin, under + 22.0 + 15.0 * idx as f64), line, small.colour(colour::GREY));
        }
        canvas
    }

    fn note_lines(&self, width: f64) -> Vec<String> {
        if self.medium == Medium::Paper {
            return Vec::new();
        }
        wrap(&self.plane.note, width - 2.0 * self.layout.margin, Style::new(SMALL))
    }

    fn note_height(&self, width: f64) -> f64 {
        let n = self.note_lines(width).len() as f64;
        if n > 0.0 { 8.0 + 15.0 * n } else { 0.0 }
    }

    /// The place of one category.
    fn slot(&self, plot: f64) -> f64 {
        plot / self.plane.names.len().max(1) as f64
    }

    /// The height of what stands under the axis: lines of names, or names that read upwards.
    fn names_height(&self, plot: f64) -> f64 {
        if let Some(lines) = self.name_lines(plot) {
            return 7.0 + 13.0 * lines.iter().map(Vec::len).max().unwrap_or(0).max(1) as f64;
        }
        let widest = self.plane.names.iter().map(|name| text_width(name, Style::new(SMALL))).fold(0.0, f64::max);
        widest.min(MAX_NAME) + 14.0
    }

    /// The names in lines that fit their places; none where a word is too long or the lines are too many.
    fn name_lines(&self, plot: f64) -> Option<Vec<Vec<String>>> {
        let (room, small) = (self.slot(plot) - 6.0, Style::new(SMALL));
        let fit = |name: &String| {
            let lines = wrap(name, room, small);
            let fits = lines.len() <= MAX_NAME_LINES && lines.iter().all(|line| text_width(line, small) <= room);
            fits.then_some(lines)
        };
        self.plane.names.iter().map(fit).collect()
    }

    fn legend_above(&self, room: f64) -> Vec<Vec<(f64, Entry<'_>)>> {
        let heading = (!self.plane.legend.is_empty()).then_some((self.plane.legend.as_str(), Shape::Circle, ""));
        let entries = self.legend.iter().map(|(name, ink)| (*name, self.shape(*ink), ink.colour));
        let entries: Vec<_> = heading.into_iter().filter(|_| !self.legend.is_empty()).chain(entries).collect();
        legend_rows(&entries, room)
    }

    fn shape(&self, ink: Ink) -> Shape {
        if self.plane.look.is_length() { Shape::Square } else { ink.shape }
    }

    fn legend_beside(&self, canvas: &mut Canvas, (right, top): (f64, f64)) {
        let small = Style::new(SMALL);
        let mut at = top + 8.0;
        if !self.plane.legend.is_empty() {
            let room = self.layout.max_legend + 32.0;
            canvas.text_within((right + 18.0, at + 4.0), &self.plane.legend, room, small.bold());
            at += 19.0;
        }
        let names: Vec<&str> = self.legend.iter().map(|(name, _)| *name).collect();
        for (name, ink) in self.legend {
            let colour = ink.colour;
            if self.plane.look == Look::Lines {
                canvas.line((right + 18.0, at), (right + 42.0, at), colour, 2.0, ink.dash);
            }
            canvas.mark(
                self.shape(*ink),
                (right + 30.0, at),
                if self.plane.look.is_length() { 5.0 } else { 3.6 },
                colour,
            );
            canvas.name((right + 50.0, at + 4.0), name, &names, self.layout.max_legend, small);
            at += 19.0;
        }
    }

    fn scales(&self, place: Place) -> (Scale, Scale) {
        let inset = if matches!(self.plane.look, Look::Bins(_)) { 0.0 } else { INSET };
        let (low, high, inset) = if self.plane.names.is_empty() {
            (self.x.low, self.x.high, inset)
        } else {
            (-0.5, self.plane.names.len() as f64 - 0.5, 0.0)
        };
        let x = Scale { low, high, from: place.left + inset, to: place.right - inset, log: self.plane.x.log };
        let y = Scale { low: self.y.low, high: self.y.high, from: place.bottom, to: place.top, log: self.plane.y.log };
        (x, y)
    }

    /// Grid, ticks and their texts; those of y only for the first panel of a row.
    fn axes(&self, canvas: &mut Canvas, place: Place, first: bool) {
        let (sx, sy) = self.scales(place);
        let small = Style::new(SMALL).colour(colour::GREY);
        for (tick, label) in self.y.at.iter().zip(&self.y.labels) {
            let y = sy.at(*tick);
            canvas.line((place.left, y), (place.right, y), colour::GRID, 1.0, "");
            if first {
                canvas.text((place.left - 8.0, y + 4.0), label, small.anchor(Anchor::End));
            }
        }
        if self.plane.names.is_empty() {
            // Where numbers would touch, every second one is left out.
            let widest = self.x.labels.iter().map(|label| text_width(label, small)).fold(0.0, f64::max) + 6.0;
            let between = (place.right - place.left) / self.x.at.len().max(1) as f64;
            let every = ((widest / between).ceil() as usize).max(1);
            for (idx, (tick, label)) in self.x.at.iter().zip(&self.x.labels).enumerate() {
                let x = sx.at(*tick);
                canvas.line((x, place.bottom), (x, place.bottom + 5.0), colour::RULE, 1.0, "");
                if idx % every == 0 {
                    canvas.text((x, place.bottom + 19.0), label, small.anchor(Anchor::Middle));
                }
            }
        } else {
            let slot = self.slot(place.right - place.left);
            let lines = self.name_lines(place.right - place.left);
            let ink = small.colour(colour::INK);
            for (idx, name) in self.plane.names.iter().enumerate() {
                let x = sx.at(idx as f64);
                if let Some(lines) = lines.as_ref().and_then(|lines| lines.get(idx)) {
                    for (row, line) in lines.iter().enumerate() {
                        canvas.text((x, place.bottom + 16.0 + 13.0 * row as f64), line, ink.anchor(Anchor::Middle));
                    }
                } else if slot >= 11.0 {
                    let at = (x + 4.0, place.bottom + 6.0);
                    canvas.name_upwards(at, name, &self.plane.names, MAX_NAME, ink.anchor(Anchor::End));
                }
            }
        }
        canvas.line((place.left, place.bottom), (place.right, place.bottom), colour::RULE, 1.0, "");
    }

    fn panel(&self, canvas: &mut Canvas, facet: &Facet, place: Place) {
        let ink = |series: &Series| {
            self.legend.iter().find(|(name, _)| *name == series.name).map_or(Ink::NAMELESS, |(_, ink)| *ink)
        };
        let scales = self.scales(place);
        match self.plane.look {
            Look::Lines => {
                facet.series.iter().for_each(|series| band(canvas, series, ink(series), &scales, place));
                facet.series.iter().for_each(|series| curve(canvas, series, ink(series), &scales, place));
            }
            Look::Points => {
                let many = facet.series.iter().map(|series| series.points.len()).sum::<usize>() >= MANY_POINTS;
                facet.series.iter().for_each(|series| spots(canvas, series, ink(series), &scales, place, many));
            }
            Look::Bars => self.bars(canvas, facet, &ink, &scales, place),
            Look::Bins(width) => {
                for series in &facet.series {
                    bins(canvas, series, ink(series), &scales, place, (width, facet.series.len()));
                }
            }
        }
    }

    fn bars(
        &self,
        canvas: &mut Canvas,
        facet: &Facet,
        ink: &impl Fn(&Series) -> Ink,
        (sx, sy): &(Scale, Scale),
        place: Place,
    ) {
        // Equal places in every panel, whatever is missing in one.
        let n = self.legend.len().max(1);
        let wide = (self.slot(place.right - place.left) * 0.8 / n as f64).min(64.0);
        let within = |y: f64| sy.at(y).clamp(place.top, place.bottom);
        let zero = within(0.0);
        for series in &facet.series {
            let nth = self.legend.iter().position(|(name, _)| *name == series.name).unwrap_or(0);
            for point in &series.points {
                // Bars of one series differ by their place: a method has its colour here too, where there are colours enough.
                let coloured = self.legend.is_empty() && self.places.len() <= colour::SERIES.len();
                let own = self.places.get(point.x as usize).filter(|_| coloured);
                let colour = own.copied().unwrap_or_else(|| ink(series)).colour;
                let middle = sx.at(point.x) + (nth as f64 - (n - 1) as f64 / 2.0) * wide;
                if !point.y.is_finite() {
                    let style = Style::new(SMALL).colour(colour::GREY).anchor(Anchor::Middle);
                    canvas.text((middle, zero - 4.0), "–", style);
                    continue;
                }
                let y = within(point.y);
                canvas.rect((middle - wide * 0.45, y.min(zero)), (wide * 0.9, (y - zero).abs()), colour);
                whisker(canvas, middle, point, sy, place, colour::INK);
            }
        }
        canvas.line((place.left, zero), (place.right, zero), colour::RULE, 1.0, "");
    }
}

/// The most lines of a category's name (arbitrary).
const MAX_NAME_LINES: usize = 4;

/// The most pixels of a category's name that reads upwards.
const MAX_NAME: f64 = 130.0;

/// The bar of a point's interval. An end that is not there draws nothing; one beyond the axis ends at its edge without a cap.
fn whisker(canvas: &mut Canvas, x: f64, point: &Point, sy: &Scale, place: Place, colour: &str) {
    if point.low.is_nan() || point.high.is_nan() {
        return;
    }
    let end = |bound: f64| {
        let y = if bound.is_infinite() || (sy.log && bound <= 0.0) {
            if bound > 0.0 { f64::MIN } else { f64::MAX }
        } else {
            sy.at(bound)
        };
        (y.clamp(place.top, place.bottom), (place.top - 0.01..=place.bottom + 0.01).contains(&y))
    };
    let ends = [end(point.low), end(point.high)];
    let [(from, _), (to, _)] = ends;
    canvas.line((x, from), (x, to), colour, 1.4, "");
    for (y, _) in ends.into_iter().filter(|(_, inside)| *inside) {
        canvas.line((x - 3.5, y), (x + 3.5, y), colour, 1.4, "");
    }
}

/// Runs of consecutive points for which `good` holds.
fn runs(points: &[Point], good: impl Fn(&Point) -> bool) -> Vec<&[Point]> {
    points.split(|point| !good(point)).filter(|run| !run.is_empty()).collect()
}

fn band(canvas: &mut Canvas, series: &Series, ink: Ink, (sx, sy): &(Scale, Scale), place: Place) {
    let is_inside = |p: &Point| (place.left..=place.right).contains(&sx.at(p.x));
    let good = |p: &Point| p.x.is_finite() && is_inside(p) && p.low.is_finite() && p.high.is_finite();
    for run in runs(&series.points, good) {
        let within = |y: f64| sy.at(y).clamp(place.top, place.bottom);
        let upper = run.iter().map(|p| (sx.at(p.x), within(p.high)));
        let lower = run.iter().rev().map(|p| (sx.at(p.x), within(p.low)));
        let outline: Vec<(f64, f64)> = upper.chain(lower).collect();
        canvas.path(&outline, true, Paint::fill(ink.colour).opacity(0.14));
    }
}

fn curve(canvas: &mut Canvas, series: &Series, ink: Ink, (sx, sy): &(Scale, Scale), place: Place) {
    let few = series.points.len() <= MAX_POINTS_MARKED;
    for run in runs(&series.points, |p| p.x.is_finite() && p.y.is_finite()) {
        let points: Vec<(f64, f64)> = run.iter().map(|p| (sx.at(p.x), sy.at(p.y))).collect();
        for piece in clipped(&points, place) {
            canvas.path(&piece, false, Paint::stroke(ink.colour, 2.0, ink.dash));
        }
        if few || points.len() == 1 {
            for point in points.into_iter().filter(|point| place.holds(*point)) {
                canvas.mark(ink.shape, point, 3.6, ink.colour);
            }
        }
    }
}

fn spots(canvas: &mut Canvas, series: &Series, ink: Ink, (sx, sy): &(Scale, Scale), place: Place, many: bool) {
    let colour = ink.colour;
    for point in series.points.iter().filter(|p| p.x.is_finite() && p.y.is_finite()) {
        let at = (sx.at(point.x), sy.at(point.y));
        if !place.holds(at) {
            continue;
        }
        if many {
            canvas.bar((at.0 - 1.6, at.1 - 1.6), (3.2, 3.2), colour, 0.55);
        } else {
            whisker(canvas, at.0, point, sy, place, colour);
            canvas.mark(ink.shape, at, 4.0, colour);
        }
    }
}

fn bins(
    canvas: &mut Canvas,
    series: &Series,
    ink: Ink,
    (sx, sy): &(Scale, Scale),
    place: Place,
    (width, n_series): (f64, usize),
) {
    let within = |y: f64| sy.at(y).clamp(place.top, place.bottom);
    let zero = within(0.0);
    let colour = ink.colour;
    let mut outline: Vec<(f64, f64)> = Vec::new();
    for point in &series.points {
        let clamp = |x: f64| sx.at(x).clamp(place.left, place.right);
        let (from, to, y) = (clamp(point.x), clamp(point.x + width), within(point.y));
        if to - from < 1e-6 {
            continue;
        }
        if n_series == 1 {
            canvas.bar((from + 0.5, y), (to - from - 1.0, zero - y), colour, 0.8);
        } else {
            canvas.bar((from, y), (to - from, zero - y), colour, 0.22);
            if outline.is_empty() {
                outline.push((from, zero));
            }
            outline.extend([(from, y), (to, y)]);
        }
    }
    if let Some((x, _)) = outline.last().copied() {
        outline.push((x, zero));
        canvas.path(&outline, false, Paint::stroke(colour, 1.6, ink.dash));
    }
}

impl Place {
    fn holds(&self, (x, y): (f64, f64)) -> bool {
        let slack = 0.01;
        (self.left - slack..=self.right + slack).contains(&x) && (self.top - slack..=self.bottom + slack).contains(&y)
    }

    /// The part of a stroke that lies in the panel (Liang and Barsky 1984).
    fn clip(&self, (x0, y0): (f64, f64), (x1, y1): (f64, f64)) -> Option<((f64, f64), (f64, f64))> {
        let (dx, dy) = (x1 - x0, y1 - y0);
        let (mut from, mut to) = (0.0f64, 1.0f64);
        let edges = [(-dx, x0 - self.left), (dx, self.right - x0), (-dy, y0 - self.top), (dy, self.bottom - y0)];
        for (slope, room) in edges {
            if slope == 0.0 {
                if room < 0.0 {
                    return None;
                }
            } else if slope < 0.0 {
                from = from.max(room / slope);
            } else {
                to = to.min(room / slope);
            }
        }
        // Ends that lie inside stay as they are, so that one stroke begins where the last one ended.
        let at = |share: f64| match share {
            0.0 => (x0, y0),
            1.0 => (x1, y1),
            share => (x0 + share * dx, y0 + share * dy),
        };
        (from <= to).then(|| (at(from), at(to)))
    }
}

/// The pieces of a line that lie in the panel.
fn clipped(points: &[(f64, f64)], place: Place) -> Vec<Vec<(f64, f64)>> {
    let mut pieces: Vec<Vec<(f64, f64)>> = Vec::new();
    for (from, to) in points.iter().zip(points.iter().skip(1)) {
        let Some((start, end)) = place.clip(*from, *to) else { continue };
        match pieces.last_mut() {
            Some(piece) if piece.last() == Some(&start) => piece.push(end),
            _ => pieces.push(vec![start, end]),
        }
    }
    pieces
}

#[cfg(test)]
mod tests {
    use super::*;

    fn figure(look: Look, series: Vec<Series>) -> Plane {
        Plane {
            look,
            title: "t".to_owned(),
            x: Axis { label: "step".to_owned(), ..Axis::default() },
            y: Axis { label: "accuracy".to_owned(), ..Axis::default() },
            names: Vec::new(),
            legend: String::new(),
            order: Vec::new(),
            note: String::new(),
            facets: vec![Facet { heading: String::new(), series }],
        }
    }

    fn series(name: &str, ys: &[f64]) -> Series {
        let point = |(x, y): (usize, &f64)| Point { x: x as f64, y: *y, low: y - 0.1, high: y + 0.1 };
        Series { name: name.to_owned(), points: ys.iter().enumerate().map(point).collect() }
    }

    #[test]
    fn a_missing_value_interrupts_the_line() {
        let drawn = plane(&figure(Look::Lines, vec![series("a", &[0.5, 0.6, f64::NAN, 0.7, 0.8])])).expect("draws");
        assert_eq!(drawn.svg().matches("fill=\"none\"").count(), 2);
        assert_eq!(drawn.svg().matches("fill-opacity").count(), 2);
    }

    #[test]
    fn a_logarithmic_axis_refuses_zero_and_takes_a_band_that_reaches_it() {
        let mut lines = figure(Look::Lines, vec![series("a", &[1.0, 0.1])]);
        lines.y.log = true;
        let drawn = plane(&lines).expect("the low end alone is zero");
        assert!(!drawn.svg().contains("NaN") && !drawn.svg().contains("inf"), "{}", drawn.svg());
        lines.x.log = true;
        assert!(matches!(plane(&lines), Err(ReportError::NotPositive { .. })));
    }

    #[test]
    fn nothing_is_drawn_beyond_the_limits() {
        let mut lines = figure(Look::Lines, vec![series("naive", &[0.0, 1.0, 0.5])]);
        lines.y.limits = Some((0.25, 0.75));
        let svg = plane(&lines).expect("draws").svg().to_owned();
        assert_eq!(svg.matches("<circle").count(), 2, "one point and its entry in the legend: {svg}");
        assert_eq!(svg.matches("fill=\"none\"").count(), 2, "up and out, and in again: {svg}");
        lines.y.limits = Some((5.0, 6.0));
        assert_eq!(plane(&lines).err(), Some(ReportError::Empty { what: "no point is within the limits" }));
    }

    #[test]
    fn a_stroke_is_cut_at_the_edges() {
        let place = Place { left: 0.0, right: 10.0, top: 0.0, bottom: 10.0 };
        assert_eq!(place.clip((-5.0, 5.0), (15.0, 5.0)), Some(((0.0, 5.0), (10.0, 5.0))));
        assert_eq!(place.clip((-5.0, 0.0), (-1.0, 9.0)), None);
        assert_eq!(clipped(&[(1.0, 1.0), (2.0, 2.0), (20.0, 2.0), (2.0, 20.0)], place).len(), 1);
    }

    #[test]
    fn bars_begin_at_zero_and_a_missing_one_is_a_dash() {
        let mut bars = figure(Look::Bars, vec![series("a", &[0.5, f64::NAN]), series("b", &[0.7, -0.2])]);
        bars.names = vec!["one".to_owned(), "two <2>".to_owned()];
        let drawn = plane(&bars).expect("draws");
        let svg = drawn.svg();
        assert!(svg.contains(">0.0<") && svg.contains(">–<") && svg.contains("two &lt;2&gt;"), "{svg}");
        // The ground, three bars and two marks of the legend.
        assert_eq!(svg.matches("<rect").count(), 6, "{svg}");
        assert_eq!(drawn.kind(), "bar");
    }

    #[test]
    fn panels_share_their_axes() {
        let mut lines = figure(Look::Lines, vec![series("a", &[0.5, 0.6])]);
        lines.facets = (0..5)
            .map(|idx| Facet {
                heading: format!("task {idx}"),
                series: vec![series("a", &[0.1 * f64::from(idx), 0.9])],
            })
            .collect();
        let drawn = plane(&lines).expect("draws");
        for text in [drawn.svg(), drawn.tikz()] {
            assert!((0..5).all(|idx| text.contains(&format!("task {idx}"))), "{text}");
        }
        assert_eq!(drawn.svg(), plane(&lines).expect("draws").svg(), "the same input gives the same bytes");
        lines.facets = vec![lines.facets[0].clone(); MAX_FACETS + 1];
        assert!(matches!(plane(&lines), Err(ReportError::TooMany { .. })));
    }

    #[test]
    fn every_look_is_drawn_for_both_media() {
        for look in [Look::Lines, Look::Points, Look::Bars, Look::Bins(1.0)] {
            let mut some = figure(look, vec![series("a", &[0.5, 0.75]), series("b", &[0.25, 1.0])]);
            if look == Look::Bars {
                some.names = vec!["x".to_owned(), "y".to_owned()];
            }
            some.legend = "method".to_owned();
            let drawn = plane(&some).expect("draws");
            for text in [drawn.svg(), drawn.tikz()] {
                assert!(text.contains("method") && !text.contains("NaN") && !text.contains("inf"), "{look:?}: {text}");
            }
        }
    }
}
