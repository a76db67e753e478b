//! A frame's rows as panels of named series, for the figures with two axes.

use crate::bind::prelude::*;
use crate::frames::Frame;
use crate::report::{Facet, Point, ReportError, Series, columns, is_share, share_ends};
use std::collections::{BTreeMap, BTreeSet};

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
