//! `metric::calibration_curve`

use super::calibration_error::bins_of_equal_size;
use super::ece::EceOptions;
use super::interval_wilson::wilson;
use super::truth::{Truth, scored};
use crate::bind::prelude::*;
use crate::frames::Frame;
use crate::stats::{MetricError, Scored, mean};
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
    let points = calibration_curve(&scored(call)?, options.n_bins)?;
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

/// Rows of one bin of a calibration curve.
#[derive(Debug, Clone, PartialEq)]
pub struct CurvePoint {
    pub n: usize,
    /// The mean of the largest probability.
    pub confidence: f64,
    /// The share of rows whose likeliest class is the true one, with Wilson's interval.
    pub accuracy: f64,
    pub bounds: (f64, f64),
}

/// Rows in at most `n_bins` bins of equal size by their largest probability, in rising order: how sure, how often right. Equal
/// probabilities stay together.
pub fn calibration_curve(scored: &Scored, n_bins: usize) -> Result<Vec<CurvePoint>, MetricError> {
    let mut points = Vec::new();
    for (confidences, right) in bins_of_equal_size(scored, n_bins)? {
        if right.is_empty() {
            continue;
        }
        let n_right = right.iter().filter(|right| **right > 0.5).count();
        let share = wilson(n_right, right.len(), 0.95)?;
        points.push(CurvePoint {
            n: right.len(),
            confidence: mean(&confidences),
            accuracy: share.value.unwrap_or(f64::NAN),
            bounds: share.bounds.unwrap_or((0.0, 1.0)),
        });
    }
    Ok(points)
}

#[cfg(test)]
mod tests {
    use super::super::tests::scored;
    use super::*;

    /// Ten rows in three bins of four, three and three, as `numpy.array_split` cuts them; tied rows make one.
    #[test]
    fn a_curve_has_a_point_for_each_bin() {
        let p = [0.55, 0.6, 0.65, 0.7, 0.75, 0.8, 0.85, 0.9, 0.95, 0.99];
        let curve = calibration_curve(&scored(&p, &[1, 0, 1, 0, 1, 1, 0, 1, 1, 1]), 3).expect("rows");
        assert_eq!(curve.iter().map(|point| point.n).collect::<Vec<_>>(), [4, 3, 3]);
        assert!((curve[0].confidence - 0.625).abs() < 1e-7 && curve[0].accuracy == 0.5 && curve[2].accuracy == 1.0);
        // scipy.stats.binomtest(2, 4).proportion_ci(.95, method="wilson")
        assert!((curve[0].bounds.0 - 0.150_039_0).abs() < 1e-6 && (curve[0].bounds.1 - 0.849_961_0).abs() < 1e-6);
        assert_eq!(calibration_curve(&scored(&[0.9; 5], &[0, 1, 0, 1, 1]), 4).expect("rows").len(), 1);
    }
}
