//! `metric::holm`

use crate::bind::prelude::*;
use crate::stats::holm::holm;

/// The record.
pub fn function() -> Function {
    Function::new("metric", "holm", run)
        .about("The p values of several tests, corrected for their number: Holm's step-down method.")
        .details(
            "Among all tests of the family the chance of one false finding stays below the level, whatever their dependence: of `m` \
             values the smallest is multiplied by `m`, the next by `m − 1`, and so on, none below the one before, at most 1. `()`, a \
             test that could not be made, stays `()` and does not count.",
        )
        .source("Holm 1979; statsmodels' `multipletests(…, method=\"holm\")`")
        .param::<Vec<Option<f64>>>("p", "p values from 0 to 1, or `()`, in any order")
        .returns("array of float or (): the corrected values, in the same order")
        .example("metric::holm([0.01, 0.04, 0.03])", "[0.03, 0.06, 0.06]")
        .example("metric::holm([0.5, (), 0.5])", "[1.0, (), 1.0]")
        .fails("metric::holm([0.5, 1.5])", "`p` must be a probability from 0 to 1, got `1.5`")
}

fn run(call: &mut Call) -> Answer {
    let corrected = holm(&call.arg::<Vec<Option<f64>>>(0)?)?;
    Ok(corrected.into_iter().map(|p| p.map_or(Dynamic::UNIT, Dynamic::from)).collect::<Array>().into())
}
