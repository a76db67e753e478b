//! `metric::slope`

use super::t_test::{map, number};
use crate::bind::prelude::*;
use crate::stats::slope;

/// The record.
pub fn function() -> Function {
    Function::new("metric", "slope", run)
        .about("The slope of a straight line through points, by least squares, with its 95 % interval.")
        .details(
            "Every point counts as one independent unit: of a slope over model sizes these are pretrained models, not seeds of finetuning them. \
             `p` is two-sided, against a slope of zero, with n − 2 degrees of freedom. Two points, or points that all lie on a line, have no spread, \
             and `reason` says so.",
        )
        .source("scipy's `linregress`")
        .param::<Vec<f64>>("x", "such as the logarithm of compute")
        .param::<Vec<f64>>("y", "paired by position")
        .returns("object map: `n`, `slope`, `intercept`, `error`, `p`, `low`, `high`, `reason`")
        .example("let line = metric::slope([1, 2, 3, 4], [0.1, 0.3, 0.4, 0.6]); [line.slope > 0.15, line.p < 0.01]", "[true, true]")
        .fails("metric::slope([1, 1, 1], [0.1, 0.2, 0.3])", "all `x` are the same")
        .fails("metric::slope([1, 2], [0.1])", "`x` has 2 values, `y` has 1")
}

fn run(call: &mut Call) -> Answer {
    let found = slope::slope(&call.arg::<Vec<f64>>(0)?, &call.arg::<Vec<f64>>(1)?)?;
    Ok(Dynamic::from(map([
        ("n", Dynamic::from(found.n as i64)),
        ("slope", Dynamic::from(found.slope)),
        ("intercept", Dynamic::from(found.intercept)),
        ("error", number(found.error)),
        ("p", number(found.p)),
        ("low", number(found.bounds.map(|(low, _)| low))),
        ("high", number(found.bounds.map(|(_, high)| high))),
        ("reason", found.reason.map_or(Dynamic::UNIT, Dynamic::from)),
    ])))
}
