//! `metric::calibration_error`

use super::ece::EceOptions;
use super::truth::{Truth, scored};
use crate::bind::prelude::*;
use crate::frames::Frame;

/// The record.
pub fn function() -> Function {
    Function::new("metric", "calibration_error", run)
        .about("Debiased calibration error: how far confidence is from accuracy, without the noise of the bins.")
        .details(
            "Rows are binned by their largest probability into 15 bins of equal size unless `n_bins` says otherwise (equal \
             probabilities stay together). The root of `Σ n_b/n · [(accuracy_b − confidence_b)² − accuracy_b (1 − accuracy_b) / \
             (n_b − 1)]`, and 0 where the sum is below 0. The subtracted term is what the draw of a bin's rows adds to a square: \
             `metric::ece`, which lacks it, is above 0 for a perfectly calibrated model and falls with the number of rows. Its scale is \
             another than that of `ece`. There is no interval.",
        )
        .source("Kumar, Liang and Ma 2019, arXiv 1909.10155, for the top label")
        .param::<Frame>("predictions", "`id`, `p0`, `p1`, …")
        .param::<Truth>("truth", "data, whose truth is read and the read recorded, or a frame with `id` and `label`")
        .options::<EceOptions>()
        .returns("float: 0..1")
        .example(
            "let ids = [\"a\", \"b\", \"c\", \"d\"];\n\
             let p = frame::of(#{ id: ids, p0: [0.25, 0.25, 0.25, 0.25], p1: [0.75, 0.75, 0.75, 0.75] });\n\
             metric::calibration_error(p, frame::of(#{ id: ids, label: [1, 1, 1, 0] }))",
            "0.0",
        )
        .example(
            "let ids = [\"a\", \"b\", \"c\", \"d\"];\n\
             let p = frame::of(#{ id: ids, p0: [0.25, 0.25, 0.25, 0.25], p1: [0.75, 0.75, 0.75, 0.75] });\n\
             metric::calibration_error(p, frame::of(#{ id: ids, label: [0, 0, 0, 0] }))",
            "0.75",
        )
        .fails(
            "let p = frame::of(#{ id: [\"a\"], p0: [0.75], p1: [0.25] });\n\
             metric::calibration_error(p, frame::of(#{ id: [\"a\"], label: [0] }), #{ n_bins: 0 })",
            "`n_bins` must be between 1 and 10000, got `0`",
        )
}

fn run(call: &mut Call) -> Answer {
    let options: EceOptions = call.options()?;
    Ok(Dynamic::from(scored(call)?.calibration_error(options.n_bins)?))
}
