//! `metric::calibration_curve`

use super::ece::EceOptions;
use super::truth::{Truth, scored};
use crate::bind::prelude::*;
use crate::frames::Frame;
use crate::stats::calibration::CurvePoint;
use polars::prelude::Column;

/// The record.
pub fn function() -> Function {
    Function::new("metric", "calibration_curve", run)
        .about("How often a model is right by how sure it is: a reliability diagram's points.")
        .details(
            "Rows are binned by their largest probability into 15 bins of equal size unless `n_bins` says otherwise (equal probabilities stay \
             together). A row for each bin, in rising order: `n`, `confidence` (the mean of the largest probability), `accuracy`, and \
             `accuracy_low` and `accuracy_high` (Wilson's 95 % interval). Of a calibrated model accuracy equals confidence. \
             `plot::lines(curve, #{ x: \"confidence\", y: \"accuracy\" })` draws it.",
        )
        .source("Murphy and Winkler 1977; `metric::calibration_error` sums the same bins")
        .param::<Frame>("predictions", "`id`, `p0`, `p1`, …")
        .param::<Truth>("truth", "data, whose truth is read and the read recorded, or a frame with `id` and `label`")
        .options::<EceOptions>()
        .returns("Frame: one row per bin")
        .example(
            "let ids = [\"a\", \"b\", \"c\", \"d\"];\n\
             let p = frame::of(#{ id: ids, p0: [0.25, 0.25, 0.375, 0.375], p1: [0.75, 0.75, 0.625, 0.625] });\n\
             let curve = metric::calibration_curve(p, frame::of(#{ id: ids, label: [1, 1, 1, 0] }), #{ n_bins: 2 });\n\
             [curve.column(\"confidence\"), curve.column(\"accuracy\")]",
            "[[0.625, 0.75], [0.5, 1.0]]",
        )
        .fails(
            "let p = frame::of(#{ id: [\"a\"], p0: [0.75], p1: [0.25] });\n\
             metric::calibration_curve(p, frame::of(#{ id: [\"a\"], label: [0] }), #{ n_bins: 0 })",
            "`n_bins` must be between 1 and 10000, got `0`",
        )
}

fn run(call: &mut Call) -> Answer {
    let options: EceOptions = call.options()?;
    let points = scored(call)?.calibration_curve(options.n_bins)?;
    let column = |name: &str, value: fn(&CurvePoint) -> f64| {
        Column::new(name.into(), points.iter().map(value).collect::<Vec<f64>>())
    };
    let frame = Frame::from_columns(vec![
        Column::new("n".into(), points.iter().map(|point| point.n as i64).collect::<Vec<_>>()),
        column("confidence", |point| point.confidence),
        column("accuracy", |point| point.accuracy),
        column("accuracy_low", |point| point.bounds.0),
        column("accuracy_high", |point| point.bounds.1),
    ])?;
    Ok(Dynamic::from(frame))
}
