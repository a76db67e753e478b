//! The layout that PGR and accuracy figures share: one line per method, in groups, points with interval bars on one axis,
//! and the numbers in columns at the right.

use super::axis::{self, Scale};
use super::canvas::{Anchor, Canvas, Medium, Paint, SMALL, Shape, Style, TEXT, TITLE, text_width};
use super::colour;

/// A point and its interval. A NaN end draws no bar to that side, an infinite one an arrow.
#[derive(Debug, Clone)]
pub(super) struct Mark {
    pub value: f64,
    pub low: f64,
    pub high: f64,
    pub shape: Shape,
    pub colour: &'static str,
}

/// One line of the figure.
#[derive(Debug, Clone)]
pub(super) struct Line {
    pub label: String,
    pub marks: Vec<Mark>,
    /// Stands in the plot where there is nothing to mark: why not.
    pub note: String,
    /// One text per column at the right.
    pub values: Vec<String>,
}

#[derive(Debug, Clone)]
pub(super) struct Group {
    pub heading: String,
    pub lines: Vec<Line>,
}

/// A whole figure.
pub(super) struct Forest<'a> {
    pub title: &'a str,
    pub x_label: &'a str,
    /// Heads of the columns at the right.
    pub heads: &'a [&'a str],
    pub groups: &'a [Group],
    /// Vertical lines with a meaning.
    pub references: &'a [(f64, &'a str)],
    pub legend: &'a [(&'a str, Shape, &'static str)],
    /// What the axis must show at least, and how far beyond the points an interval may stretch it.
    pub must_show: (f64, f64),
    pub stretch: f64,
    /// Ends beyond which the quantity cannot be.
    pub bounds: (f64, f64),
    /// Whether a thin line joins the marks of one line.
    pub joined: bool,
    pub footnote: &'a str,
}

const HEADING: f64 = 30.0;

/// Sizes that differ between a page and a column.
struct Layout {
    margin: f64,
    plot: f64,
    max_label: f64,
    max_value: f64,
    /// Between the plot and the numbers at its right.
    gap: f64,
    /// A line's height with one mark.
    row: f64,
    n_ticks: usize,
}

impl Layout {
    fn of(medium: Medium) -> Layout {
        match medium {
            Medium::Screen => Layout {
                margin: 20.0,
                plot: 400.0,
                max_label: 260.0,
                max_value: 190.0,
                gap: 34.0,
                row: 24.0,
                n_ticks: 6,
            },
            Medium::Paper => Layout {
                margin: 1.0,
                plot: 190.0,
                max_label: 150.0,
                max_value: 130.0,
                gap: 34.0,
                row: 20.0,
                n_ticks: 4,
            },
        }
    }
}

/// Draws it.
pub(super) fn draw(forest: &Forest, medium: Medium) -> Canvas {
    let Layout { margin, plot, max_label, max_value, gap, row, n_ticks } = Layout::of(medium);
    let paper = medium == Medium::Paper;
    let (body, small) = (Style::new(TEXT), Style::new(SMALL));
    // A column of a paper has no room for three columns of numbers; a table says them.
    let heads = if paper && forest.heads.len() > 1 { &[] } else { forest.heads };
    let widest = |texts: &mut dyn Iterator<Item = &str>, style: Style, most: f64| {
        texts.map(|text| text_width(text, style)).fold(0.0, f64::max).min(most)
    };
    let lines = || forest.groups.iter().flat_map(|group| group.lines.iter());
    let label_width = widest(&mut lines().map(|line| line.label.as_str()), body, max_label).max(60.0);
    let value_widths: Vec<f64> = heads
        .iter()
        .enumerate()
        .map(|(idx, head)| {
            let cells =
                widest(&mut lines().filter_map(|line| line.values.get(idx).map(String::as_str)), small, max_value);
            cells.max(text_width(head, small.bold()))
        })
        .collect();

    let marks_per_line = lines().map(|line| line.marks.len()).max().unwrap_or(1).max(1);
    let offset = if marks_per_line > 1 { 7.0 } else { 0.0 };
    let row = row + 2.0 * offset;
    let plot = if paper && heads.is_empty() { plot * 1.4 } else { plot };
    let above = if paper && heads.is_empty() && forest.references.is_empty() { 6.0 } else { 26.0 };
    let left = margin + label_width + 16.0;
    let right = left + plot;
    let values_at: Vec<f64> = value_widths
        .iter()
        .scan(right + gap, |at, width| {
            let here = *at;
            *at += width + 18.0;
            Some(here)
        })
        .collect();
    let heading_width =
        forest.groups.iter().map(|group| text_width(&group.heading, body.bold())).fold(0.0, f64::max).min(900.0);
    let width = values_at
        .last()
        .zip(value_widths.last())
        .map_or(right, |(at, width)| at + width)
        .max(margin + heading_width)
        .max(if paper { 0.0 } else { margin + text_width(forest.title, Style::new(TITLE).bold()).min(900.0) })
        + margin;

    let legend_rows = legend_rows(forest.legend, width - 2.0 * margin);
    let under_title = if paper { 0.0 } else { margin + 22.0 };
    let top = under_title + legend_rows.len() as f64 * 20.0 + above;
    let n_lines = lines().count() as f64;
    let bottom = top + forest.groups.len() as f64 * HEADING + n_lines * row + 6.0;
    let footnotes = if paper { Vec::new() } else { wrap(forest.footnote, width - 2.0 * margin, small) };
    let height = bottom + 50.0 + footnotes.len() as f64 * 15.0 + 8.0;
    let mut canvas = Canvas::new(width, height);

    if !paper {
        canvas.text_within((margin, margin + 12.0), forest.title, width - 2.0 * margin, Style::new(TITLE).bold());
    }
    for (idx, entries) in legend_rows.iter().enumerate() {
        let y = under_title + 14.0 + idx as f64 * 20.0;
        for (x, entry) in entries {
            canvas.mark(entry.1, (margin + x + 6.0, y - 4.0), 4.6, entry.2);
            canvas.text((margin + x + 17.0, y), entry.0, small);
        }
    }

    let scale = scale(forest, left, right, n_ticks);
    axis(&mut canvas, forest, &scale, (top, bottom), n_ticks);
    for (head, x) in heads.iter().zip(&values_at) {
        canvas.text((*x, top - 9.0), head, small.bold().colour(colour::GREY));
    }

    let mut y = top;
    for (idx, group) in forest.groups.iter().enumerate() {
        if idx > 0 {
            canvas.line((margin, y + 3.0), (width - margin, y + 3.0), colour::RULE, 0.75, "");
        }
        let heading = body.bold().backed();
        // White behind the words, so that grid and reference lines do not run through them.
        let wide = text_width(&group.heading, heading).min(width - 2.0 * margin);
        canvas.rect((margin, y + 6.0), (wide + 4.0, 19.0), colour::GROUND);
        canvas.text_within((margin, y + 20.0), &group.heading, width - 2.0 * margin, heading);
        y += HEADING;
        let labels: Vec<&str> = group.lines.iter().map(|line| line.label.as_str()).collect();
        for line in &group.lines {
            let middle = y + row / 2.0;
            canvas.name((margin + 10.0, middle + 4.5), &line.label, &labels, label_width + 2.0, body);
            draw_line(&mut canvas, forest, line, &scale, middle, offset);
            for ((value, x), room) in line.values.iter().zip(&values_at).zip(&value_widths) {
                canvas.text_within((*x, middle + 4.0), value, room + 4.0, small);
            }
            y += row;
        }
    }
    for (idx, line) in footnotes.iter().enumerate() {
        canvas.text((margin, bottom + 58.0 + idx as f64 * 15.0), line, small.colour(colour::GREY));
    }
    canvas
}

fn draw_line(canvas: &mut Canvas, forest: &Forest, line: &Line, scale: &Scale, middle: f64, offset: f64) {
    let n = line.marks.len();
    let y_of = |idx: usize| middle + (idx as f64 - (n.max(1) - 1) as f64 / 2.0) * offset;
    let (left, right) = (scale.from, scale.to);
    if forest.joined {
        let points: Vec<(f64, f64)> = line
            .marks
            .iter()
            .enumerate()
            .filter(|(_, mark)| mark.value.is_finite())
            .map(|(idx, mark)| (scale.at(mark.value), y_of(idx)))
            .collect();
        if points.len() > 1 {
            canvas.path(&points, false, Paint::stroke(colour::RULE, 1.0, ""));
        }
    }
    for (idx, mark) in line.marks.iter().enumerate() {
        if !mark.value.is_finite() {
            continue;
        }
        let y = y_of(idx);
        let x = scale.at(mark.value);
        let end = |bound: f64| {
            if bound.is_nan() {
                x
            } else if bound < scale.low {
                left
            } else if bound > scale.high {
                right
            } else {
                scale.at(bound)
            }
        };
        let (from, to) = (end(mark.low), end(mark.high));
        // An interval without an end bounds nothing: it must not look like one that does.
        let open = super::is_unbounded(mark.low, mark.high);
        if to - from > 0.5 {
            canvas.line((from, y), (to, y), mark.colour, if open { 1.0 } else { 2.0 }, if open { "2 3" } else { "" });
        }
        for (bound, at, is_right) in [(mark.low, from, false), (mark.high, to, true)] {
            if bound.is_nan() {
                continue;
            }
            if bound < scale.low || bound > scale.high {
                canvas.arrow((at + if is_right { 5.0 } else { -5.0 }, y), is_right, mark.colour);
            } else {
                canvas.line((at, y - 4.0), (at, y + 4.0), mark.colour, 2.0, "");
            }
        }
        if open {
            canvas.hollow(mark.shape, (x, y), 4.2, mark.colour);
        } else {
            canvas.mark(mark.shape, (x, y), 4.6, mark.colour);
        }
    }
    if !line.note.is_empty() {
        let style = Style::new(SMALL).italic().colour(colour::GREY).backed();
        // White behind the words, so that reference lines do not run through them.
        let shown = super::canvas::cut(&line.note, right - left - 20.0, style);
        canvas.rect((left + 6.0, middle - 8.0), (text_width(&shown, style) + 8.0, 17.0), colour::GROUND);
        canvas.text_within((left + 10.0, middle + 4.0), &line.note, right - left - 20.0, style);
    }
}

fn scale(forest: &Forest, left: f64, right: f64, n_ticks: usize) -> Scale {
    let marks = || forest.groups.iter().flat_map(|g| g.lines.iter()).flat_map(|l| l.marks.iter());
    let values = || marks().map(|mark| mark.value).filter(|value| value.is_finite());
    let low = values().fold(forest.must_show.0, f64::min);
    let high = values().fold(forest.must_show.1, f64::max);
    let bars = || marks().flat_map(|mark| [mark.low, mark.high]).filter(|bound| bound.is_finite());
    let low = bars().filter(|bound| *bound >= low - forest.stretch).fold(low, f64::min).max(forest.bounds.0);
    let high = bars().filter(|bound| *bound <= high + forest.stretch).fold(high, f64::max).min(forest.bounds.1);
    let ticks = axis::ticks(low, high, n_ticks);
    let (first, last) = (ticks.first().copied().unwrap_or(0.0), ticks.last().copied().unwrap_or(1.0));
    Scale { low: first, high: last, from: left, to: right, log: false }
}

fn axis(canvas: &mut Canvas, forest: &Forest, scale: &Scale, (top, bottom): (f64, f64), n_ticks: usize) {
    let (left, right) = (scale.from, scale.to);
    let small = Style::new(SMALL).anchor(Anchor::Middle).colour(colour::GREY);
    let ticks = axis::ticks(scale.low, scale.high, n_ticks);
    for (tick, label) in ticks.iter().zip(axis::labels(&ticks)) {
        let x = scale.at(*tick);
        canvas.line((x, top), (x, bottom), colour::GRID, 1.0, "");
        canvas.text((x, bottom + 16.0), &label, small);
    }
    for (value, name) in forest.references {
        let x = scale.at(*value);
        if x < left - 0.5 || x > right + 0.5 {
            continue;
        }
        canvas.line((x, top), (x, bottom), colour::GREY, 1.2, "4 3");
        canvas.text((x, top - 9.0), name, small);
    }
    canvas.line((left, bottom), (right, bottom), colour::RULE, 1.0, "");
    canvas.text(((left + right) / 2.0, bottom + 35.0), forest.x_label, Style::new(TEXT).anchor(Anchor::Middle));
}

/// What a legend says: a name, its shape and its colour.
pub(super) type Entry<'a> = (&'a str, Shape, &'static str);

/// Legend entries with their x offsets, broken into rows that fit.
pub(super) fn legend_rows<'a>(legend: &[Entry<'a>], room: f64) -> Vec<Vec<(f64, Entry<'a>)>> {
    let mut rows: Vec<Vec<(f64, Entry)>> = Vec::new();
    let mut x = 0.0;
    for entry in legend {
        let width = 17.0 + text_width(entry.0, Style::new(SMALL)) + 20.0;
        if rows.is_empty() || (x + width - 20.0 > room && x > 0.0) {
            rows.push(Vec::new());
            x = 0.0;
        }
        if let Some(row) = rows.last_mut() {
            row.push((x, *entry));
        }
        x += width;
    }
    rows
}

/// Words broken into lines of at most `room` pixels.
pub(super) fn wrap(text: &str, room: f64, style: Style) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in text.split_whitespace() {
        match lines.last_mut() {
            Some(line) if text_width(line, style) + text_width(word, style) + 4.0 <= room => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    lines
}
