//! `metric::ece`

use super::truth::{Truth, scored};
use crate::bind::prelude::*;
use crate::frames::Frame;
use crate::stats::scores::DEFAULT_BINS;

options! {
    /// How rows are binned.
    pub struct EceOptions {
        /// Bins of equal width between 0 and 1.
        n_bins: usize = DEFAULT_BINS,
    }
}

/// The record.
pub fn function() -> Function {
    Function::new("metric", "ece", run)
        .about("Expected calibration error: how far confidence is from accuracy.")
        .details(
            "Rows are binned by their largest probability; `Σ n_b/n · |accuracy_b − confidence_b|` over 15 bins of equal \
             width unless `n_bins` says otherwise. Bin `b` of `n` holds what is above `(b − 1)/n` and at most `b/n`, each \
             edge as the nearest double: 0.55 of 100 bins is in bin 55. The value depends on the bins: compare equal ones \
             only, at equal numbers of rows: of a calibrated model it is above 0 and falls as rows are added, which \
             `metric::calibration_error` takes off. Classes meet by name where both sides have names.",
        )
        .source("Guo et al. 2017")
        .param::<Frame>("predictions", "`id`, `p0`, `p1`, …")
        .param::<Truth>("truth", "data, whose truth is read and the read recorded, or a frame with `id` and `label`")
        .options::<EceOptions>()
        .returns("float: 0..1")
        .example(
            "let p = frame::of(#{ id: [\"a\", \"b\"], p0: [0.75, 0.25], p1: [0.25, 0.75] });\n\
             metric::ece(p, frame::of(#{ id: [\"a\", \"b\"], label: [0, 0] }))",
            "0.25",
        )
        .example(
            "let p = frame::of(#{ id: [\"a\", \"b\"], p0: [0.45, 0.445], p1: [0.55, 0.555] });\n\
             let truth = frame::of(#{ id: [\"a\", \"b\"], label: [1, 0] });\n\
             (metric::ece(p, truth, #{ n_bins: 100 }) - (0.45 + 0.555) / 2).abs() < 1e-12",
            "true",
        )
        .fails(
            "let p = frame::of(#{ id: [\"a\"], p0: [0.75], p1: [0.25] });\n\
             metric::ece(p, frame::of(#{ id: [\"a\"], label: [0] }), #{ n_bins: 0 })",
            "`n_bins` must be between 1 and 10000, got `0`",
        )
}

fn run(call: &mut Call) -> Answer {
    let options: EceOptions = call.options()?;
    Ok(Dynamic::from(scored(call)?.ece(options.n_bins)?))
}
