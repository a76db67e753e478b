//! Heat maps: a sweep's numbers by weak and strong model.

use super::axis;
use super::canvas::{Anchor, Canvas, Medium, SMALL, Style, TEXT, TINY, TITLE, text_width};
use super::{Figure, ReportError, colour};
use std::collections::BTreeMap;

/// One cell. A value of NaN: there is no number, and the cell is hatched. `low` and `high` are NaN where there is no interval; an
/// infinite one leaves the number open, and the cell stays pale.
#[derive(Debug, Clone)]
pub struct Cell {
    pub x: String,
    pub y: String,
    pub value: f64,
    pub low: f64,
    pub high: f64,
}

impl Cell {
    fn has_interval(&self) -> bool {
        self.value.is_finite() && !self.low.is_nan() && !self.high.is_nan()
    }

    /// Whether its number is one to be shaded by.
    fn is_precise(&self) -> bool {
        self.value.is_finite() && !self.is_open()
    }

    fn is_open(&self) -> bool {
        self.has_interval() && super::is_unbounded(self.low, self.high)
    }
}

/// A whole figure. Columns and rows stand in the order of first appearance; a pair that no cell names stays empty.
#[derive(Debug, Clone)]
pub struct HeatMap {
    pub title: String,
    pub x_label: String,
    pub y_label: String,
    pub value_label: String,
    pub cells: Vec<Cell>,
}

/// The most columns or rows (chosen).
const MAX_SIDE: usize = 200;

/// Draws a heat map with its numbers and, under them, their intervals in the cells. Values of both signs get a scale that is
/// white at zero.
pub fn heat_map(map: &HeatMap) -> Result<Figure, ReportError> {
    super::count("the number of cells", map.cells.len())?;
    let columns = super::in_order(map.cells.iter().map(|cell| cell.x.as_str()));
    let rows = super::in_order(map.cells.iter().map(|cell| cell.y.as_str()));
    for (what, n) in [("the number of columns", columns.len()), ("the number of rows", rows.len())] {
        if n > MAX_SIDE {
            return Err(ReportError::TooMany { what, n, most: MAX_SIDE });
        }
    }
    let mut cells: BTreeMap<(&str, &str), &Cell> = BTreeMap::new();
    for cell in &map.cells {
        if cells.insert((&cell.x, &cell.y), cell).is_some() {
            let (x_name, y_name) = (map.x_label.clone(), map.y_label.clone());
            return Err(ReportError::Twice { x_name, x: cell.x.clone(), y_name, y: cell.y.clone() });
        }
    }
    let grid = Grid { map, columns, rows, cells };
    Ok(Figure::new("heatmap", &map.title, &grid.notes().join(" "), |medium| grid.draw(medium)))
}

/// A heat map whose cells are found by column and row.
struct Grid<'a> {
    map: &'a HeatMap,
    columns: Vec<&'a str>,
    rows: Vec<&'a str>,
    cells: BTreeMap<(&'a str, &'a str), &'a Cell>,
}

/// Sizes that differ between a page and a column, and with the number of cells.
struct Layout {
    margin: f64,
    max_label: f64,
    cell: (f64, f64),
    /// Whether a number fits into a cell, and its interval under it.
    numbers: bool,
    intervals: bool,
}

impl Grid<'_> {
    fn intervals(&self) -> bool {
        self.map.cells.iter().any(Cell::has_interval)
    }

    fn layout(&self, medium: Medium) -> Layout {
        let (n_columns, n_rows) = (self.columns.len(), self.rows.len());
        let wide = self.intervals();
        let (margin, max_label, side, all, tall): (f64, f64, f64, f64, f64) = match medium {
            Medium::Screen => (20.0, 200.0, if wide { 82.0 } else { 62.0 }, 760.0, 38.0),
            // The smallest size of a paper's fonts is a wide one.
            Medium::Paper => (1.0, 110.0, if wide { 78.0 } else { 46.0 }, 470.0, 30.0),
        };
        let cell = (
            side.min((all / n_columns.max(1) as f64).max(5.0)),
            if n_rows <= 16 { tall } else { (tall * 16.0 / n_rows as f64).max(5.0) },
        );
        let spread = if medium == Medium::Paper { 1.2 } else { 1.0 };
        let fits = |text: String, size: f64| text_width(&text, Style::new(size)) * spread <= cell.0;
        let finite = || self.map.cells.iter().filter(|cell| cell.value.is_finite());
        let numbers = cell.1 >= 14.0 && finite().all(|cell| fits(number(cell.value), SMALL));
        let intervals = numbers && cell.1 >= 28.0 && finite().all(|cell| fits(interval(cell), TINY));
        Layout { margin, max_label, cell, numbers, intervals }
    }

    /// What a reader must know beside the numbers.
    fn notes(&self) -> Vec<&'static str> {
        let mut notes = Vec::new();
        if self.intervals() {
            notes.push(if self.layout(Medium::Paper).intervals && self.layout(Medium::Screen).intervals {
                "Brackets: the interval of the number above."
            } else {
                "A ring: the interval holds zero."
            });
        }
        if self.map.cells.iter().any(|cell| !cell.value.is_finite()) {
            notes.push("A stroke: no number here, such as PGR over no significant gap.");
        }
        if self.map.cells.iter().any(Cell::is_open) {
            notes.push("Pale with a number: its interval is unbounded, so the number means little.");
        }
        notes
    }

    fn draw(&self, medium: Medium) -> Canvas {
        let Grid { map, columns, rows, cells } = self;
        let layout = self.layout(medium);
        let Layout { margin, max_label, cell, numbers, .. } = layout;
        let paper = medium == Medium::Paper;
        let finite = || map.cells.iter().filter(|cell| cell.is_precise()).map(|cell| cell.value);
        let (low, high) = (finite().fold(f64::MAX, f64::min), finite().fold(f64::MIN, f64::max));
        let (low, high) = if low > high { (0.0, 1.0) } else { (low, high) };
        let shade = |value: f64| {
            if low < 0.0 && high > 0.0 {
                colour::diverging(value / low.abs().max(high))
            } else if high - low < 1e-12 {
                colour::sequential(0.5)
            } else {
                colour::sequential((value - low) / (high - low))
            }
        };

        let small = Style::new(SMALL);
        let widest = |texts: &[&str]| texts.iter().map(|t| text_width(t, small)).fold(0.0, f64::max).min(max_label);
        let (column_label, row_label) = (widest(columns), widest(rows));
        // Upright where they fit beside one another, else read upwards.
        let upright = column_label + 8.0 <= cell.0;
        let label_height = if upright { 20.0 } else { column_label + 12.0 };
        let left = margin + 24.0 + row_label + 10.0;
        let top = if paper { 2.0 } else { margin + 36.0 };
        let (right, bottom) = (left + cell.0 * columns.len() as f64, top + cell.1 * rows.len() as f64);
        // Where every cell says its number, a column of a paper needs no scale.
        let scale = !(paper && numbers);
        let bar = (right + 24.0, 16.0);
        let title_width = if paper { 0.0 } else { text_width(&map.title, Style::new(TITLE).bold()).min(900.0) };
        let drawn = if scale { bar.0 + bar.1 + 84.0 } else { right };
        let notes = if paper { Vec::new() } else { self.notes() };
        let width = drawn.max(margin + title_width) + margin;
        let height =
            (bottom + label_height + 34.0 + 18.0 * notes.len() as f64).max(if scale { top + 150.0 } else { 0.0 });
        let mut canvas = Canvas::new(width, height);
        if !paper {
            canvas.text_within((margin, margin + 12.0), &map.title, width - 2.0 * margin, Style::new(TITLE).bold());
        }

        for (r, row) in rows.iter().enumerate() {
            let y = top + r as f64 * cell.1;
            if cell.1 >= 11.0 {
                canvas.name((left - 8.0, y + cell.1 / 2.0 + 4.0), row, rows, max_label, small.anchor(Anchor::End));
            }
            for (c, column) in columns.iter().enumerate() {
                let at = (left + c as f64 * cell.0, y);
                let size = (cell.0 - 1.0, cell.1 - 1.0);
                match cells.get(&(*column, *row)) {
                    None => {}
                    Some(found) if found.is_precise() => {
                        let (fill, white) = shade(found.value);
                        canvas.rect(at, size, &fill);
                        say(&mut canvas, found, at, &layout, if white { colour::ON_DARK } else { colour::ON_LIGHT });
                    }
                    Some(found) if found.is_open() => {
                        canvas.rect(at, size, colour::PALE);
                        say(&mut canvas, found, at, &layout, colour::GREY);
                    }
                    Some(_) => hatched(&mut canvas, at, size),
                }
            }
        }
        for (c, column) in columns.iter().enumerate() {
            let x = left + (c as f64 + 0.5) * cell.0;
            if upright {
                canvas.name((x, bottom + 16.0), column, columns, cell.0, small.anchor(Anchor::Middle));
            } else if cell.0 >= 11.0 {
                canvas.name_upwards((x + 4.0, bottom + 6.0), column, columns, max_label, small.anchor(Anchor::End));
            }
        }
        let centred = Style::new(TEXT).anchor(Anchor::Middle);
        canvas.text(((left + right) / 2.0, bottom + label_height + 20.0), &map.x_label, centred);
        canvas.text_upwards((margin + 10.0, (top + bottom) / 2.0), &map.y_label, centred);
        for (idx, note) in notes.iter().rev().enumerate() {
            canvas.text((margin, height - 12.0 - 18.0 * idx as f64), note, small.colour(colour::GREY));
        }
        if !scale {
            return canvas;
        }

        // The colour bar: 40 steps, low at the bottom.
        let length = (bottom - top).clamp(90.0, 260.0);
        let (from, to) =
            if low < 0.0 && high > 0.0 { (-low.abs().max(high), low.abs().max(high)) } else { (low, high) };
        for step in 0..40 {
            let share = f64::from(step) / 39.0;
            let y = top + length * (1.0 - f64::from(step + 1) / 40.0);
            canvas.rect((bar.0, y), (bar.1, length / 40.0 + 0.5), &shade(from + (to - from) * share).0);
        }
        for (value, y) in [(to, top + 9.0), (f64::midpoint(from, to), top + length / 2.0 + 4.0), (from, top + length)] {
            canvas.text((bar.0 + bar.1 + 6.0, y), &number(value), small.colour(colour::GREY));
        }
        let style = small.anchor(Anchor::Middle);
        canvas.text_upwards((bar.0 + bar.1 + 56.0, top + length / 2.0), &map.value_label, style);
        canvas
    }
}

/// The number in its cell and what is known of its doubt: the interval, or a ring where it holds zero and cannot be written.
fn say(canvas: &mut Canvas, cell: &Cell, at: (f64, f64), layout: &Layout, colour: &'static str) {
    let middle = (at.0 + layout.cell.0 / 2.0, at.1 + layout.cell.1 / 2.0);
    let style = |size: f64| Style::new(size).anchor(Anchor::Middle).colour(colour);
    let under = layout.intervals && cell.has_interval();
    if layout.numbers {
        canvas.text((middle.0, middle.1 + if under { -1.0 } else { 4.0 }), &number(cell.value), style(SMALL));
    }
    if under {
        canvas.text((middle.0, middle.1 + 10.5), &interval(cell), style(TINY));
    } else if cell.has_interval() && cell.low <= 0.0 && cell.high >= 0.0 {
        let radius = (layout.cell.0.min(layout.cell.1) / 6.0).min(3.0);
        let corner = (at.0 + layout.cell.0 - 3.0 - radius, at.1 + 2.0 + radius);
        canvas.ring(if layout.numbers { corner } else { middle }, radius, colour);
    }
}

fn number(value: f64) -> String {
    axis::minus(&format!("{value:.2}"))
}

/// `[−0.12, 0.51]`, or nothing.
fn interval(cell: &Cell) -> String {
    if !cell.has_interval() {
        return String::new();
    }
    super::interval(cell.low, cell.high, |end| super::number(end, 2))
}

/// A cell without a number: grey, with a stroke across.
fn hatched(canvas: &mut Canvas, at: (f64, f64), size: (f64, f64)) {
    canvas.rect(at, size, colour::PALE);
    canvas.line((at.0, at.1 + size.1), (at.0 + size.0, at.1), colour::RULE, 1.0, "");
}

#[cfg(test)]
mod tests {
    use super::*;

    fn map(cells: Vec<Cell>) -> HeatMap {
        let text = |s: &str| s.to_owned();
        HeatMap { title: text("t"), x_label: text("strong"), y_label: text("weak"), value_label: text("pgr"), cells }
    }

    #[test]
    fn missing_numbers_are_hatched_and_doubles_refused() {
        let none = f64::NAN;
        let cell = |x: &str, y: &str, value| Cell { x: x.to_owned(), y: y.to_owned(), value, low: none, high: none };
        let drawn =
            heat_map(&map(vec![cell("b", "a", 0.5), cell("c", "a", f64::NAN), cell("c", "b", -0.2)])).expect("draws");
        assert!(
            drawn.svg().contains(">0.50<")
                && drawn.svg().contains(">−0.20<")
                && drawn.svg().contains("fill=\"#f3f3f3\"/>")
        );
        let twice = heat_map(&map(vec![cell("b", "a", 0.5), cell("b", "a", 0.5)]));
        assert!(matches!(twice, Err(ReportError::Twice { .. })));
    }

    #[test]
    fn a_number_stands_with_its_doubt() {
        let cell =
            |x: usize, value: f64| Cell { x: format!("s{x}"), y: "w".to_owned(), value, low: value - 0.3, high: 0.95 };
        let drawn = heat_map(&map(vec![cell(0, 0.5), cell(1, -0.1)])).expect("draws");
        for text in [drawn.svg(), drawn.tikz()] {
            assert!(text.contains("0.20, ") && text.contains("0.40, "), "{text}");
        }
        assert!(drawn.svg().contains(">[−0.40, 0.95]<"), "{}", drawn.svg());
        assert_eq!(drawn.note(), "Brackets: the interval of the number above.");
        // With many columns there is no room: a ring says where the interval holds zero, and nowhere else.
        let many = heat_map(&map((0..60).map(|x| cell(x, if x < 20 { 0.1 } else { 0.9 })).collect())).expect("draws");
        assert_eq!(many.svg().matches("<circle").count(), 20);
        assert_eq!(many.note(), "A ring: the interval holds zero.");
    }

    #[test]
    fn a_number_without_bounds_is_as_pale_as_none() {
        let cell =
            |x: &str, value: f64, low: f64, high: f64| Cell { x: x.to_owned(), y: "w".to_owned(), value, low, high };
        let infinity = f64::INFINITY;
        let drawn = heat_map(&map(vec![
            cell("a", 0.2, 0.1, 0.3),
            cell("b", 0.3, 0.2, 0.4),
            cell("c", 0.39, -infinity, infinity),
            cell("d", -9.0, -20.0, infinity),
        ]))
        .expect("draws");
        let svg = drawn.svg();
        assert_eq!(svg.matches("fill=\"#f3f3f3\"/>").count(), 2, "{svg}");
        assert!(svg.contains(">unbounded<") && svg.contains(">≥ −20.00<") && !svg.contains('∞'), "{svg}");
        // It does not stretch the scale either: the darkest blue is the precise 0.3.
        assert!(svg.contains("fill=\"#08306b\"") && drawn.note().contains("means little"), "{svg}");
    }
}
