//! What the figures with two axes have in common: their options, and a frame's rows as panels of named series.

use crate::bind::prelude::*;
use crate::frames::Frame;
use crate::report::{self, Axis, Facet, Look, Plane, Point, ReportError, Series, columns, is_share, share_ends};
use std::collections::{BTreeMap, BTreeSet};

crate::options! {
    /// What all figures with two axes say beside and above them.
    pub struct PlaneOptions {
        /// Ends of the y axis; without them, round numbers around the data, and 0 for bars.
        y_limits: Option<Vec<f64>> = None,
        /// What stands along the x axis; without it, the column's name.
        x_label: Option<String> = None,
        /// What stands along the y axis; without it, the column's name, and of a histogram `rows` or `share of rows`.
        y_label: Option<String> = None,
        /// The heading of the legend; without it, the name of the column `by`.
        legend: Option<String> = None,
        /// Names in the order in which they get their colours; others follow.
        order: Vec<String> = vec![],
        /// The heading; without it, the names of the columns.
        title: Option<String> = None,
    }
}

crate::options! {
    /// Which columns are drawn as lines or points, and how.
    pub struct SeriesOptions {
        /// Column of numbers along the bottom.
        x: String = "x".to_owned(),
        /// Column of numbers upwards.
        y: String = "y".to_owned(),
        /// Column whose values name lines, or kinds of points by colour and shape; without it there is one.
        by: Option<String> = None,
        /// Column whose values name panels beside one another, which share their axes.
        facet: Option<String> = None,
        /// Column of the lower edge of the band, or of the lower end of the interval.
        low: Option<String> = None,
        /// Column of the upper edge of the band, or of the upper end of the interval.
        high: Option<String> = None,
        /// Whether the x axis is logarithmic, as for model sizes.
        log_x: bool = false,
        /// Whether the y axis is logarithmic, as for losses.
        log_y: bool = false,
        /// Ends of the x axis, such as `[0, 100]`; without them, round numbers around the data.
        x_limits: Option<Vec<f64>> = None,
    }
    with plane: PlaneOptions
}

impl PlaneOptions {
    /// The x axis of a column.
    pub fn x_axis(&self, column: &str, log: bool, limits: Option<&[f64]>) -> Result<Axis, Fault> {
        Ok(Axis::new(self.x_label.as_deref().unwrap_or(column), log, limits, "x_limits")?)
    }

    /// The y axis of a column, or of what is counted.
    pub fn y_axis(&self, column: &str, log: bool) -> Result<Axis, Fault> {
        Ok(Axis::new(self.y_label.as_deref().unwrap_or(column), log, self.y_limits.as_deref(), "y_limits")?)
    }

    /// The figure of these panels.
    pub fn draw(
        self,
        look: Look,
        [x, y]: [Axis; 2],
        (title, by): (String, Option<String>),
        (facets, names): (Vec<Facet>, Vec<String>),
    ) -> Answer {
        let title = self.title.unwrap_or(title);
        let legend = self.legend.or(by).unwrap_or_default();
        let plane = Plane { look, title, x, y, names, legend, order: self.order, note: String::new(), facets };
        Ok(Dynamic::from(report::plane(&plane)?))
    }
}

impl SeriesOptions {
    /// Which columns say what.
    pub fn columns(&self) -> Columns<'_> {
        Columns {
            x: &self.x,
            y: &self.y,
            low: self.low.as_deref(),
            high: self.high.as_deref(),
            by: self.by.as_deref(),
            facet: self.facet.as_deref(),
        }
    }

    /// The figure of these panels, headed by the columns' names with `word` between them.
    pub fn draw(self, look: Look, word: &str, facets: Vec<Facet>) -> Answer {
        let x = self.plane.x_axis(&self.x, self.log_x, self.x_limits.as_deref())?;
        let y = self.plane.y_axis(&self.y, self.log_y)?;
        let title = format!("{} {word} {}", self.y, self.x);
        self.plane.draw(look, [x, y], (title, self.by), (facets, Vec::new()))
    }
}

/// Which columns of a frame say what.
pub struct Columns<'a> {
    pub x: &'a str,
    pub y: &'a str,
    pub low: Option<&'a str>,
    pub high: Option<&'a str>,
    pub by: Option<&'a str>,
    pub facet: Option<&'a str>,
}

/// Points with numbers for x; a row without one is refused.
pub fn panels(frame: &Frame, of: &Columns) -> Result<Vec<Facet>, Fault> {
    let x = columns::numbers(frame, of.x)?;
    if let Some(row) = x.iter().position(|x| !x.is_finite()) {
        return Err(ReportError::Missing { row, what: "finite x" }.into());
    }
    with_points(frame, of, &x)
}

/// Points whose x counts the names of a column, and the names. Two rows for one place are refused.
pub fn named_panels(frame: &Frame, of: &Columns) -> Result<(Vec<Facet>, Vec<String>), Fault> {
    let texts = columns::texts(frame, of.x)?;
    let mut names: Vec<String> = Vec::new();
    let mut seen = BTreeMap::new();
    for name in &texts {
        seen.entry(name.as_str()).or_insert_with(|| {
            names.push(name.clone());
            names.len() - 1
        });
    }
    let x: Vec<f64> = texts.iter().map(|name| seen.get(name.as_str()).map_or(f64::NAN, |at| *at as f64)).collect();
    let of = Columns { low: of.low, high: of.high, ..*of };
    // The interval that belongs to a column by its name.
    let (low, high) = (format!("{}_low", of.y), format!("{}_high", of.y));
    let is_there = columns::has(frame, &low) && columns::has(frame, &high);
    let ends = if is_there && of.low.is_none() && of.high.is_none() {
        (Some(low.as_str()), Some(high.as_str()))
    } else {
        (of.low, of.high)
    };
    let facets = with_points(frame, &Columns { low: ends.0, high: ends.1, ..of }, &x)?;
    for series in facets.iter().flat_map(|facet| &facet.series) {
        let mut places = BTreeSet::new();
        for point in &series.points {
            if !places.insert(point.x as usize) {
                let name = names.get(point.x as usize).cloned().unwrap_or_default();
                let by = of.by.map_or_else(String::new, |by| format!(", {by} `{}`", series.name));
                return Err(ReportError::OneBar { bar: format!("{} `{name}`{by}", of.x) }.into());
            }
        }
    }
    Ok((facets, names))
}

fn with_points(frame: &Frame, of: &Columns, x: &[f64]) -> Result<Vec<Facet>, Fault> {
    let y = columns::numbers(frame, of.y)?;
    let end = |name: Option<&str>| match name {
        Some(name) => columns::numbers(frame, name),
        None => Ok(vec![f64::NAN; x.len()]),
    };
    let (low, high) = (end(of.low)?, end(of.high)?);
    let points: Vec<Point> = x
        .iter()
        .zip(y)
        .zip(low.into_iter().zip(high))
        .map(|((x, y), (low, high))| {
            let (low, high) = if is_share(of.y) { share_ends(low, high) } else { (low, high) };
            Point { x: *x, y, low, high }
        })
        .collect();
    let facets = grouped(frame, of.by, of.facet, &points)?;
    let series = |(name, points)| Series { name, points };
    let facet = |(heading, all): (String, Vec<(String, Vec<Point>)>)| Facet {
        heading,
        series: all.into_iter().map(series).collect(),
    };
    Ok(facets.into_iter().map(facet).collect())
}

/// Items with their names.
type Named<T> = Vec<(String, T)>;

/// One item a row, gathered by panel and in it by name, both in the order of first appearance.
pub fn grouped<T: Clone>(
    frame: &Frame,
    by: Option<&str>,
    facet: Option<&str>,
    items: &[T],
) -> Result<Named<Named<Vec<T>>>, Fault> {
    let texts = |name: Option<&str>| match name {
        Some(name) => columns::texts(frame, name),
        None => Ok(vec![String::new(); items.len()]),
    };
    let (names, headings) = (texts(by)?, texts(facet)?);
    let mut facets: Named<Named<Vec<T>>> = Vec::new();
    let mut places: BTreeMap<(&str, &str), (usize, usize)> = BTreeMap::new();
    let mut panels: BTreeMap<&str, usize> = BTreeMap::new();
    for ((name, heading), item) in names.iter().zip(&headings).zip(items) {
        let panel = *panels.entry(heading).or_insert_with(|| {
            facets.push((heading.clone(), Vec::new()));
            facets.len() - 1
        });
        let Some((_, series)) = facets.get_mut(panel) else { continue };
        let (_, at) = *places.entry((heading, name)).or_insert_with(|| {
            series.push((name.clone(), Vec::new()));
            (panel, series.len() - 1)
        });
        if let Some((_, kept)) = series.get_mut(at) {
            kept.push(item.clone());
        }
    }
    Ok(facets)
}
