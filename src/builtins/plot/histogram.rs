//! `plot::histogram`

use super::panels::{PlaneOptions, grouped};
use crate::bind::prelude::*;
use crate::frames::Frame;
use crate::report::histogram::{Bins, checked, usual};
use crate::report::{Facet, ReportError, columns};

crate::options! {
    /// Which column is counted, and how.
    pub struct HistogramOptions {
        /// Column of numbers to count.
        x: String = "x".to_owned(),
        /// Column whose values name histograms over one another.
        by: Option<String> = None,
        /// Column whose values name panels beside one another, which share their bins.
        facet: Option<String> = None,
        /// How many bins; without it, twice the cube root of the number of values (Rice's rule), 5 to 60.
        bins: Option<usize> = None,
        /// Whether shares of each histogram are shown instead of counts: for groups of different sizes.
        shares: bool = false,
        /// Ends of the x axis and of the bins; without them, the least and the greatest value.
        x_limits: Option<Vec<f64>> = None,
    }
    with plane: PlaneOptions
}

/// The record.
pub fn function() -> Function {
    Function::new("plot", "histogram", run)
        .about("Histograms: the confidence of a student, the lengths of texts.")
        .details(
            "Bins have one width and hold their lower end; the last one has its upper end too. Nulls and NaN are not counted, nor is \
             what lies beyond `x_limits`.",
        )
        .param::<Frame>("frame", "one row per value")
        .options::<HistogramOptions>()
        .returns("Figure: the drawing")
        .example(
            "plot::histogram(frame::of(#{ p1: [0.1, 0.2, 0.2, 0.8, 0.9, 0.9, 0.95] }), #{ x: \"p1\", bins: 10, x_limits: [0, 1] })",
            "",
        )
        .fails("plot::histogram(frame::of([#{ x: 1 }]), #{ bins: 0 })", "nothing to draw: `bins` is 0")
        .fails("plot::histogram(frame::of([#{ x: () }]))", "`x` has no finite number")
}

fn run(call: &mut Call) -> Answer {
    let frame: Frame = call.arg(0)?;
    let options: HistogramOptions = call.options()?;
    let values = columns::numbers(&frame, &options.x)?;
    let finite = values.iter().filter(|value| value.is_finite()).count();
    let n = checked(options.bins.unwrap_or_else(|| usual(finite)))?;
    let mut x = options.plane.x_axis(&options.x, false, options.x_limits.as_deref())?;
    let bins = Bins::over(&values, x.limits, n).ok_or_else(|| ReportError::NoNumbers { name: options.x.clone() })?;
    x.limits = Some((bins.low, bins.low + bins.width * bins.n as f64));
    let y = options.plane.y_axis(if options.shares { "share of rows" } else { "rows" }, false)?;
    let facets = grouped(&frame, options.by.as_deref(), options.facet.as_deref(), &values)?;
    let counted = |facet: (String, Vec<(String, Vec<f64>)>)| Facet {
        heading: facet.0,
        series: facet.1.iter().map(|(name, values)| bins.count(name, values, options.shares)).collect(),
    };
    let facets = facets.into_iter().map(counted).collect();
    options.plane.draw(bins.into(), [x, y], (options.x, options.by), (facets, Vec::new()))
}
