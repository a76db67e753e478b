//! Heat maps: a sweep's numbers by weak and strong model.

use super::axis;
use super::canvas::{Anchor, Canvas, SMALL, Style, TEXT, TITLE, text_width};
use super::{Figure, ReportError, colour};
use std::collections::BTreeMap;

/// One cell. NaN: there is no number, and the cell is hatched.
#[derive(Debug, Clone)]
pub struct Cell {
    pub x: String,
    pub y: String,
    pub value: f64,
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
const MARGIN: f64 = 20.0;
const MAX_LABEL: f64 = 200.0;

/// Draws a heat map with its numbers in the cells. Values of both signs get a scale that is white at zero.
pub fn heat_map(map: &HeatMap) -> Result<Figure, ReportError> {
    super::count("the number of cells", map.cells.len())?;
    let columns = super::in_order(map.cells.iter().map(|cell| cell.x.as_str()));
    let rows = super::in_order(map.cells.iter().map(|cell| cell.y.as_str()));
    for (what, n) in [("the number of columns", columns.len()), ("the number of rows", rows.len())] {
        if n > MAX_SIDE {
            return Err(ReportError::TooMany { what, n, most: MAX_SIDE });
        }
    }
    let mut values: BTreeMap<(&str, &str), f64> = BTreeMap::new();
    for cell in &map.cells {
        if values.insert((&cell.x, &cell.y), cell.value).is_some() {
            let (x_name, y_name) = (map.x_label.clone(), map.y_label.clone());
            return Err(ReportError::Twice { x_name, x: cell.x.clone(), y_name, y: cell.y.clone() });
        }
    }
    let finite = || values.values().copied().filter(|value| value.is_finite());
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
    let widest = |texts: &[&str]| texts.iter().map(|t| text_width(t, small)).fold(0.0, f64::max).min(MAX_LABEL);
    let (column_label, row_label) = (widest(&columns), widest(&rows));
    let side = if columns.len() <= 12 { 62.0 } else { (760.0 / columns.len() as f64).max(5.0) };
    let cell = (side, if rows.len() <= 16 { 38.0 } else { (620.0 / rows.len() as f64).max(5.0) });
    // Upright where they fit beside one another, else read upwards.
    let upright = column_label + 8.0 <= cell.0;
    let label_height = if upright { 20.0 } else { column_label + 12.0 };
    let left = MARGIN + 24.0 + row_label + 10.0;
    let top = MARGIN + 36.0;
    let (right, bottom) = (left + cell.0 * columns.len() as f64, top + cell.1 * rows.len() as f64);
    let bar = (right + 24.0, 16.0);
    let title_width = text_width(&map.title, Style::new(TITLE).bold()).min(900.0);
    let width = (bar.0 + bar.1 + 64.0 + 20.0).max(MARGIN + title_width) + MARGIN;
    let undefined = values.values().any(|value| !value.is_finite());
    let note = if undefined { 22.0 } else { 0.0 };
    let height = (bottom + label_height + 34.0 + note).max(top + 150.0);
    let mut canvas = Canvas::new(width, height);
    canvas.text_within((MARGIN, MARGIN + 12.0), &map.title, width - 2.0 * MARGIN, Style::new(TITLE).bold());

    for (r, row) in rows.iter().enumerate() {
        let y = top + r as f64 * cell.1;
        if cell.1 >= 11.0 {
            canvas.text_within((left - 8.0, y + cell.1 / 2.0 + 4.0), row, MAX_LABEL, small.anchor(Anchor::End));
        }
        for (c, column) in columns.iter().enumerate() {
            let x = left + c as f64 * cell.0;
            let size = (cell.0 - 1.0, cell.1 - 1.0);
            match values.get(&(*column, *row)) {
                None => {}
                Some(value) if value.is_finite() => {
                    let (fill, white) = shade(*value);
                    canvas.rect((x, y), size, &fill, "");
                    let text = axis::minus(&format!("{value:.2}"));
                    if text_width(&text, small) + 4.0 <= cell.0 && cell.1 >= 14.0 {
                        let style = small.anchor(Anchor::Middle).colour(if white { "#ffffff" } else { colour::INK });
                        canvas.text((x + cell.0 / 2.0, y + cell.1 / 2.0 + 4.0), &text, style);
                    }
                }
                Some(_) => hatched(&mut canvas, (x, y), size),
            }
        }
    }
    for (c, column) in columns.iter().enumerate() {
        let x = left + (c as f64 + 0.5) * cell.0;
        if upright {
            canvas.text_within((x, bottom + 16.0), column, cell.0, small.anchor(Anchor::Middle));
        } else if cell.0 >= 11.0 {
            let shown = super::canvas::cut(column, MAX_LABEL, small);
            canvas.text_upwards((x + 4.0, bottom + 6.0), &shown, small.anchor(Anchor::End));
        }
    }
    let centred = Style::new(TEXT).anchor(Anchor::Middle);
    canvas.text(((left + right) / 2.0, bottom + label_height + 20.0), &map.x_label, centred);
    canvas.text_upwards((MARGIN + 10.0, (top + bottom) / 2.0), &map.y_label, centred);

    if undefined {
        let at = (MARGIN, height - 12.0);
        canvas.text(at, "A stroke: no number here, such as PGR over no significant gap.", small.colour(colour::GREY));
    }

    // The colour bar: 40 steps, low at the bottom.
    let length = (bottom - top).clamp(90.0, 260.0);
    let (from, to) = if low < 0.0 && high > 0.0 { (-low.abs().max(high), low.abs().max(high)) } else { (low, high) };
    for step in 0..40 {
        let share = f64::from(step) / 39.0;
        let y = top + length * (1.0 - f64::from(step + 1) / 40.0);
        canvas.rect((bar.0, y), (bar.1, length / 40.0 + 0.5), &shade(from + (to - from) * share).0, "");
    }
    for (value, y) in [(to, top + 9.0), (f64::midpoint(from, to), top + length / 2.0 + 4.0), (from, top + length)] {
        canvas.text((bar.0 + bar.1 + 6.0, y), &axis::minus(&format!("{value:.2}")), small.colour(colour::GREY));
    }
    let style = small.anchor(Anchor::Middle);
    canvas.text_upwards((bar.0 + bar.1 + 56.0, top + length / 2.0), &map.value_label, style);
    Ok(Figure::new("heatmap", &map.title, canvas))
}

/// A cell without a number: grey, with a stroke across.
fn hatched(canvas: &mut Canvas, at: (f64, f64), size: (f64, f64)) {
    canvas.rect(at, size, "#f3f3f3", "");
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
        let cell = |x: &str, y: &str, value| Cell { x: x.to_owned(), y: y.to_owned(), value };
        let drawn =
            heat_map(&map(vec![cell("b", "a", 0.5), cell("c", "a", f64::NAN), cell("c", "b", -0.2)])).expect("draws");
        assert!(drawn.svg().contains(">0.50<") && drawn.svg().contains(">−0.20<") && drawn.svg().contains("#f3f3f3"));
        let twice = heat_map(&map(vec![cell("b", "a", 0.5), cell("b", "a", 0.5)]));
        assert!(matches!(twice, Err(ReportError::Twice { .. })));
    }
}
