//! `metric::pgr_percent`

use crate::bind::prelude::*;
use crate::stats::pgr;

/// The record.
pub fn function() -> Function {
    Function::new("metric", "pgr_percent", run)
        .about("Performance gap recovered in percent, clamped to 0..100: for teaching, not for reporting.")
        .details(
            "`100 · clamp((student − weak) / (ceiling − weak), 0, 1)` of accuracies, each from 0 to 1, with the ceiling not \
             below the weak model. Where the two are equal but for rounding: 100 if the student reaches them, else 0. \
             Elsewhere there is no percentage, and the call fails. Clamping hides a student below its supervisor; \
             `metric::pgr` does not.",
        )
        .source("an introductory document's worked table; the quantity is Burns et al. 2023")
        .param::<f64>("weak", "the supervisor's accuracy, 0..1")
        .param::<f64>("student", "the student's accuracy, 0..1")
        .param::<f64>("ceiling", "the ceiling's accuracy, 0..1")
        .returns("float: percent, 0..100")
        .example("metric::pgr_percent(0.65, 0.78, 0.95)", "43.33333333333334")
        .fails("metric::pgr_percent(0.9, 0.4, 0.5)", "the ceiling `0.5` is below the weak model `0.9`")
        .fails("metric::pgr_percent(65, 78, 95)", "`weak` must be an accuracy from 0 to 1, got `65`")
        .fails("metric::pgr_percent(0.65, \"0.78\", 0.95)", "`student` of `metric::pgr_percent` must be a float")
}

fn run(call: &mut Call) -> Answer {
    let (weak, student, ceiling): (f64, f64, f64) = (call.arg(0)?, call.arg(1)?, call.arg(2)?);
    Ok(Dynamic::from(pgr::percent(weak, student, ceiling)?))
}
