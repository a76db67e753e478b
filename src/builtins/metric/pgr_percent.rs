//! `metric::pgr_percent`

use crate::bind::prelude::*;

/// The record.
pub fn function() -> Function {
    Function::new("metric", "pgr_percent", run)
        .about("Performance gap recovered in percent, clamped to 0..100: for teaching, not for reporting.")
        .details(
            "`100 · clamp((student − weak) / (ceiling − weak), 0, 1)`. Where the ceiling equals the weak model: 100 \
             if the student reaches it, else 0. Clamping hides a student below its supervisor; `metric::pgr` does not.",
        )
        .source("an introductory document's worked table; the quantity is Burns et al. 2023")
        .param::<f64>("weak", "the supervisor's accuracy, 0..1")
        .param::<f64>("student", "the student's accuracy, 0..1")
        .param::<f64>("ceiling", "the ceiling's accuracy, 0..1")
        .returns("float: percent, 0..100")
        .example("metric::pgr_percent(0.65, 0.78, 0.95)", "43.33333333333334")
        .fails("metric::pgr_percent(0.65, \"0.78\", 0.95)", "`student` of `metric::pgr_percent` must be a float")
}

fn run(call: &mut Call) -> Answer {
    let (weak, student, ceiling): (f64, f64, f64) = (call.arg(0)?, call.arg(1)?, call.arg(2)?);
    Ok(Dynamic::from(crate::builtins::metric::pgr_percent::pgr_percent(weak, student, ceiling)))
}

/// The clamped PGR in percent.
pub fn pgr_percent(weak: f64, student: f64, ceiling: f64) -> f64 {
    if ceiling == weak {
        return if student >= ceiling { 100.0 } else { 0.0 };
    }
    100.0 * ((student - weak) / (ceiling - weak)).clamp(0.0, 1.0)
}
