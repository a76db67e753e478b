//! Figures and pages: drawings by this room itself, as SVG and for LaTeX; the one-file HTML report of a run; its appendix for a
//! paper.
//!
//! What is drawn is decided here; reading a script's frame into these structs is too ([`columns`]), writing files is not:
//! that belongs to `record`. Every drawing is a pure function of its input, byte for byte.

mod accuracy;
mod axis;
mod canvas;
pub mod colour;
pub mod columns;
mod forest;
pub mod grammar;
mod heatmap;
pub mod histogram;
pub mod html;
pub mod listing;
pub mod paper;
mod pgr;
mod plane;
pub mod scan;
mod table;
mod tikz;

pub use accuracy::{AccuracyRow, accuracy};
pub use axis::Axis;
pub use canvas::escape;
pub use heatmap::{Cell, HeatMap, heat_map};
pub use pgr::{PgrRow, pgr};
pub use plane::{Facet, Look, Plane, Point, Series, plane};
pub use table::{TABLE_EXTENSIONS, table_files};

use crate::core::digest::Digest;
use crate::core::explain::explained;
use canvas::Medium;
use std::sync::Arc;

/// The most rows, series or cells that one figure takes (arbitrary: beyond, nobody can read it).
pub const MAX_MARKS: usize = 20_000;

/// A finished drawing. Cheap to clone.
#[derive(Clone)]
pub struct Figure {
    inner: Arc<Inner>,
}

struct Inner {
    kind: &'static str,
    title: String,
    note: String,
    svg: String,
    tikz: String,
    width: f64,
    height: f64,
    digest: Digest,
}

impl Figure {
    /// Draws for both media; `note` is what stands below the drawing on a page and in the caption of a paper.
    fn new(kind: &'static str, title: &str, note: &str, draw: impl Fn(Medium) -> canvas::Canvas) -> Self {
        let drawn = draw(Medium::Screen);
        let (width, height) = (drawn.width, drawn.height);
        let svg = drawn.svg(title);
        let tikz = tikz::tikz(&draw(Medium::Paper), title, note);
        let digest = Digest::of("figure", 2).text("svg", &svg).finish();
        let (title, note) = (title.to_owned(), note.to_owned());
        Figure { inner: Arc::new(Inner { kind, title, note, svg, tikz, width, height, digest }) }
    }

    /// What it is, such as `pgr`: the file name where a script gives none.
    pub fn kind(&self) -> &'static str {
        self.inner.kind
    }

    /// The heading.
    pub fn title(&self) -> &str {
        &self.inner.title
    }

    /// The whole SVG document.
    pub fn svg(&self) -> &str {
        &self.inner.svg
    }

    /// What the bars and bands are; may be empty.
    pub fn note(&self) -> &str {
        &self.inner.note
    }

    /// The drawing for a column of a paper: a `tikzpicture`, whose text is set in the paper's fonts. Heading and note are
    /// comments in it: they belong into the caption.
    pub fn tikz(&self) -> &str {
        &self.inner.tikz
    }

    /// Width and height in CSS pixels.
    pub fn size(&self) -> (f64, f64) {
        (self.inner.width, self.inner.height)
    }

    /// The digest of the drawing.
    pub fn digest(&self) -> Digest {
        self.inner.digest
    }
}

explained! {
    /// Why a figure cannot be drawn.
    #[derive(Debug, Clone, PartialEq, thiserror::Error)]
    pub enum ReportError {
        #[error("the frame has no column `{name}`")]
        #[code("report/no-column")]
        #[hint("it has: {have}")]
        NoColumn { name: String, have: String },
        #[error("column `{name}` must hold {wanted}, it holds {got}")]
        #[code("report/column-type")]
        ColumnType { name: String, wanted: &'static str, got: String },
        #[error("nothing to draw: {what}")]
        #[code("report/empty")]
        Empty { what: &'static str },
        #[error("{what} is {n}, a figure takes at most {most}")]
        #[code("report/too-many")]
        #[hint("choose rows with filter(…) first")]
        TooMany { what: &'static str, n: usize, most: usize },
        #[error("row {row} has no {what}")]
        #[code("report/missing")]
        Missing { row: usize, what: &'static str },
        #[error("two rows have {x_name} `{x}` and {y_name} `{y}`")]
        #[code("report/twice")]
        #[hint("a heat map has one value a cell: choose rows with filter(…) or average with group_by(…)")]
        Twice { x_name: String, x: String, y_name: String, y: String },
        #[error("the table could not be written: {reason}")]
        #[code("report/table")]
        Table { reason: String },
        #[error("`{name}` must be positive on a logarithmic axis, got `{value}`")]
        #[code("report/not-positive")]
        NotPositive { name: String, value: f64 },
        #[error("`{option}` must be two numbers, the lower one first, got `{got}`")]
        #[code("report/limits")]
        #[hint("type {option}: [0.0, 1.0]")]
        Limits { option: &'static str, got: String },
        #[error("two rows give the same bar: {bar}")]
        #[code("report/one-bar")]
        #[hint("a bar is one row: choose with filter(…), average with group_by(…), or separate them with `by`")]
        OneBar { bar: String },
        #[error("`{name}` has no finite number")]
        #[code("report/no-numbers")]
        NoNumbers { name: String },
    }
    from { }
}

/// Fails if there is nothing to draw or too much.
fn count(what: &'static str, n: usize) -> Result<(), ReportError> {
    match n {
        0 => Err(ReportError::Empty { what: "the frame has no rows" }),
        n if n > MAX_MARKS => Err(ReportError::TooMany { what, n, most: MAX_MARKS }),
        _ => Ok(()),
    }
}

/// Distinct texts in the order of their first appearance.
fn in_order<'a>(texts: impl Iterator<Item = &'a str>) -> Vec<&'a str> {
    let mut seen = std::collections::BTreeSet::new();
    texts.filter(|text| seen.insert(*text)).collect()
}

/// A number with a fixed count of decimals: infinities as ∞, NaN as a dash, the typographic minus.
pub fn number(value: f64, decimals: usize) -> String {
    match value {
        x if x == f64::INFINITY => "∞".to_owned(),
        x if x == f64::NEG_INFINITY => "−∞".to_owned(),
        x if x.is_nan() => "–".to_owned(),
        x => axis::minus(&format!("{x:.decimals$}")),
    }
}

/// `0.42 [0.20, 0.64]`; ends without a bound as in frames, absent intervals left out.
fn with_interval(value: f64, low: f64, high: f64, decimals: usize) -> String {
    let show = |x| number(x, decimals);
    if value.is_nan() || low.is_nan() || high.is_nan() {
        return show(value);
    }
    format!("{} {}", show(value), interval(low, high, show))
}

/// `[0.20, 0.64]`, as frames print it.
fn interval(low: f64, high: f64, show: impl Fn(f64) -> String) -> String {
    crate::frames::interval(low, high, show)
}

/// Whether an interval leaves its number open at one end or both.
fn is_unbounded(low: f64, high: f64) -> bool {
    low.is_infinite() || high.is_infinite()
}

/// Whether a column of that name holds shares, which lie between 0 and 1.
pub fn is_share(name: &str) -> bool {
    name == "accuracy" || name.ends_with("_accuracy")
}

/// The ends of a share's interval, cut at 0 and 1: methods that know no bounds, such as Student's t, reach beyond.
pub fn share_ends(low: f64, high: f64) -> (f64, f64) {
    // `clamp` keeps NaN.
    (low.clamp(0.0, 1.0), high.clamp(0.0, 1.0))
}

/// A drawing for the tests of other rooms.
#[cfg(test)]
pub(crate) fn tests_drawing() -> Figure {
    let row = PgrRow { method: "m".into(), gap: "a → b".into(), pgr: 0.5, low: 0.4, high: 0.6, ..PgrRow::default() };
    pgr(&[row], "A drawing", "", &[]).expect("draws")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_open_end_is_said_in_words() {
        let infinity = f64::INFINITY;
        assert_eq!(with_interval(0.42, 0.2, 0.64, 2), "0.42 [0.20, 0.64]");
        assert_eq!(with_interval(0.42, 0.2, infinity, 2), "0.42 ≥ 0.20");
        assert_eq!(with_interval(-0.42, -infinity, -0.2, 2), "−0.42 ≤ −0.20");
        assert_eq!(with_interval(0.42, -infinity, infinity, 2), "0.42 unbounded");
        assert_eq!(with_interval(f64::NAN, 0.1, 0.2, 2), "–");
        assert_eq!(share_ends(-0.1, 1.1), (0.0, 1.0));
        assert!(share_ends(f64::NAN, 0.5).0.is_nan() && is_share("student_accuracy") && !is_share("inaccuracy"));
    }
}
