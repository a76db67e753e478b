//! `metric::pgr_percent`

use crate::bind::prelude::*;
use crate::stats::{MetricError, is_rounding};

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
    Ok(Dynamic::from(percent(weak, student, ceiling)?))
}

/// PGR of three accuracies in percent, clamped to 0..100. Without a gap 100 if the student reaches the two, else 0; refused
/// where the ceiling is below the weak model, for there the clamp gives 100 to the worst of the three.
pub fn percent(weak: f64, student: f64, ceiling: f64) -> Result<f64, MetricError> {
    for (name, value) in [("weak", weak), ("student", student), ("ceiling", ceiling)] {
        if !(0.0..=1.0).contains(&value) {
            return Err(MetricError::Accuracy { name, value });
        }
    }
    if is_rounding(ceiling, weak) {
        return Ok(if student >= ceiling.min(weak) { 100.0 } else { 0.0 });
    }
    if ceiling < weak {
        return Err(MetricError::CeilingBelow { weak, ceiling });
    }
    Ok(100.0 * ((student - weak) / (ceiling - weak)).clamp(0.0, 1.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_percentage_has_a_domain() {
        assert!(percent(0.65, 0.78, 0.95).is_ok_and(|value| (value - 1300.0 / 30.0).abs() < 1e-9));
        assert_eq!([0.6, 0.99].map(|student| percent(0.65, student, 0.95).ok()), [Some(0.0), Some(100.0)]);
        assert_eq!([0.2, 0.3, 0.4].map(|s| percent(0.3, s, 0.1 + 0.2).ok()), [Some(0.0), Some(100.0), Some(100.0)]);
        let worst = percent(0.9, 0.4, 0.5).expect_err("the ceiling is below").to_string();
        assert_eq!(worst, "no gap to recover: the ceiling `0.5` is below the weak model `0.9`");
        for odd in [f64::NAN, f64::INFINITY, -0.1, 1.1, 65.0] {
            assert!(
                percent(odd, 0.5, 0.9).is_err() && percent(0.1, odd, 0.9).is_err() && percent(0.1, 0.5, odd).is_err()
            );
        }
    }
}
