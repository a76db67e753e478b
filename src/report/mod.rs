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
mod heatmap;
pub mod html;
mod lines;
pub mod listing;
pub mod paper;
mod pgr;
pub mod scan;
mod table;
mod tikz;

pub use accuracy::{AccuracyRow, accuracy};
pub use canvas::escape;
pub use heatmap::{Cell, HeatMap, heat_map};
pub use lines::{Lines, Point, Series, lines};
pub use pgr::{PgrRow, pgr};
pub use table::{TABLE_EXTENSIONS, table_files};

use crate::core::digest::Digest;
use crate::core::explain::Explain;
use canvas::Medium;
use std::sync::Arc;

/// The most rows, series or cells that one figure takes (chosen: beyond, nobody can read it).
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
        let digest = Digest::of("figure", 1).text("svg", &svg).finish();
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

/// Why a figure cannot be drawn.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum ReportError {
    #[error("the frame has no column `{name}`")]
    NoColumn { name: String, have: String },
    #[error("column `{name}` must hold {wanted}, it holds {got}")]
    ColumnType { name: String, wanted: &'static str, got: String },
    #[error("nothing to draw: {what}")]
    Empty { what: &'static str },
    #[error("{what} is {n}, a figure takes at most {most}")]
    TooMany { what: &'static str, n: usize, most: usize },
    #[error("row {row} has no {what}")]
    Missing { row: usize, what: &'static str },
    #[error("two rows have {x_name} `{x}` and {y_name} `{y}`")]
    Twice { x_name: String, x: String, y_name: String, y: String },
    #[error("the table could not be written: {reason}")]
    Table { reason: String },
    #[error("`{name}` must be positive on a logarithmic axis, got `{value}`")]
    NotPositive { name: String, value: f64 },
}

impl Explain for ReportError {
    fn code(&self) -> &'static str {
        match self {
            ReportError::NoColumn { .. } => "report/no-column",
            ReportError::ColumnType { .. } => "report/column-type",
            ReportError::Empty { .. } => "report/empty",
            ReportError::TooMany { .. } => "report/too-many",
            ReportError::Missing { .. } => "report/missing",
            ReportError::Twice { .. } => "report/twice",
            ReportError::Table { .. } => "report/table",
            ReportError::NotPositive { .. } => "report/not-positive",
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            ReportError::NoColumn { have, .. } => Some(format!("it has: {have}")),
            ReportError::Twice { .. } => {
                Some("a heat map has one value a cell: choose rows with filter(…) or average with group_by(…)".into())
            }
            ReportError::TooMany { .. } => Some("choose rows with filter(…) first".into()),
            _ => None,
        }
    }
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
    format!("{} {}", show(value), crate::frames::interval(low, high, show))
}
