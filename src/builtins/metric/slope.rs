//! `metric::slope`

use super::{map, number};
use crate::bind::prelude::*;
use crate::stats::intervals::{LEVEL, check, t_above, t_quantile};
use crate::stats::{MetricError, covariance, mean};

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
    let found = slope(&call.arg::<Vec<f64>>(0)?, &call.arg::<Vec<f64>>(1)?)?;
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

/// A line by least squares.
#[derive(Debug, Clone, PartialEq)]
pub struct Slope {
    pub n: usize,
    pub slope: f64,
    pub intercept: f64,
    /// The slope's standard error; none of two points.
    pub error: Option<f64>,
    /// Two-sided, against a slope of zero.
    pub p: Option<f64>,
    /// The 95 % interval.
    pub bounds: Option<(f64, f64)>,
    /// Why there is no test.
    pub reason: Option<String>,
}

/// Fits `y` over `x`; each point is one independent unit.
pub fn slope(x: &[f64], y: &[f64]) -> Result<Slope, MetricError> {
    check("x", x)?;
    check("y", y)?;
    if x.len() != y.len() {
        return Err(MetricError::Lengths { a_name: "x", a: x.len(), b_name: "y", b: y.len() });
    }
    let n = x.len();
    let spread = covariance(x, x);
    if spread == 0.0 {
        return Err(MetricError::Undefined(
            "a slope needs points at two places at least: all `x` are the same".to_owned(),
        ));
    }
    let slope = covariance(x, y) / spread;
    let intercept = mean(y) - slope * mean(x);
    let mut found = Slope { n, slope, intercept, error: None, p: None, bounds: None, reason: None };
    if n < 3 {
        found.reason = Some("two points lie on a line: there is no spread around it".to_owned());
        return Ok(found);
    }
    let freedom = n - 2;
    let rest: f64 = x.iter().zip(y).map(|(x, y)| (y - intercept - slope * x).powi(2)).sum();
    let scale = y.iter().map(|y| y * y).sum::<f64>();
    // What is left of points on a line is rounding.
    if rest <= 1e-24 * scale {
        found.reason = Some("all points lie on a line: there is no spread around it".to_owned());
        return Ok(found);
    }
    let error = (rest / freedom as f64 / (spread * (n - 1) as f64)).sqrt();
    let half = t_quantile(0.5 + LEVEL / 2.0, freedom) * error;
    found.error = Some(error);
    found.p = Some((2.0 * t_above((slope / error).abs(), freedom)).min(1.0));
    found.bounds = Some((slope - half, slope + half));
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stats::reference::{claims, numbers};

    /// Random points, by scipy's `linregress`: `tests/reference/claims.py`.
    #[test]
    fn it_agrees_with_scipy() {
        for case in claims("slope") {
            let number = |name: &str| case[name].as_f64().expect("a number");
            let found = slope(&numbers(&case, "x"), &numbers(&case, "y")).expect("a line");
            let near = |found: f64, expected: f64| {
                assert!((found - expected).abs() < 1e-9 * expected.abs().max(1.0), "{case}: {found}")
            };
            near(found.slope, number("slope"));
            near(found.intercept, number("intercept"));
            near(found.error.expect("an error"), number("error"));
            near(found.p.expect("a test"), number("p"));
            let (low, high) = found.bounds.expect("an interval");
            near(low, number("low"));
            near(high, number("high"));
        }
    }

    #[test]
    fn points_without_spread_say_so() {
        assert!(
            slope(&[1.0, 2.0], &[1.0, 3.0]).expect("a line").reason.is_some_and(|reason| reason.contains("two points"))
        );
        let line = slope(&[1.0, 2.0, 3.0], &[0.1, 0.2, 0.3]).expect("a line");
        assert!(line.p.is_none() && line.reason.is_some() && (line.slope - 0.1).abs() < 1e-12);
        assert!(slope(&[1.0, 1.0, 1.0], &[1.0, 2.0, 3.0]).is_err());
        assert!(slope(&[1.0, 2.0], &[1.0]).is_err() && slope(&[], &[]).is_err());
    }
}
