//! `metric::t_test`

use super::{map, number};
use crate::bind::prelude::*;
use crate::stats::intervals::{LEVEL, check, t_above, t_quantile};
use crate::stats::{MetricError, covariance, is_rounding, mean};

/// The record.
pub fn function() -> Function {
    Function::new("metric", "t_test", run)
        .about("Student's t test of the mean of numbers against zero: one per seed, such as paired differences.")
        .details(
            "`p` is two-sided, `p_greater` says that the mean is above zero, `p_less` that it is below. `low` and `high` are the 95 % interval. \
             One number, or numbers that are all the same, have no test: then these are `()`, and `reason` says why.",
        )
        .source("Student 1908; scipy's `ttest_1samp`")
        .param::<Vec<f64>>("values", "one number per seed")
        .returns("object map: `n`, `mean`, `sd`, `t`, `p`, `p_greater`, `p_less`, `low`, `high`, `reason`")
        .example("let test = metric::t_test([0.1, 0.2, 0.3]); [test.t > 3.4, test.p < 0.08, test.p_greater < 0.04]", "[true, true, true]")
        .example("metric::t_test([0.1]).reason", "one seed has no spread")
        .fails("metric::t_test([])", "`values` has no value")
}

fn run(call: &mut Call) -> Answer {
    let found = t_test(&call.arg::<Vec<f64>>(0)?)?;
    Ok(Dynamic::from(map([
        ("n", Dynamic::from(found.n as i64)),
        ("mean", Dynamic::from(found.mean)),
        ("sd", number(found.sd)),
        ("t", number(found.t)),
        ("p", number(found.p)),
        ("p_greater", number(found.p_greater)),
        ("p_less", number(found.p_less)),
        ("low", number(found.bounds.map(|(low, _)| low))),
        ("high", number(found.bounds.map(|(_, high)| high))),
        ("reason", found.reason.map_or(Dynamic::UNIT, Dynamic::from)),
    ])))
}

/// What the t test of a mean against zero says.
#[derive(Debug, Clone, PartialEq)]
pub struct TTest {
    pub n: usize,
    pub mean: f64,
    /// The sample standard deviation (n − 1); none of one value.
    pub sd: Option<f64>,
    pub t: Option<f64>,
    /// Two-sided.
    pub p: Option<f64>,
    /// That the mean is above zero: one-sided.
    pub p_greater: Option<f64>,
    /// That the mean is below zero: one-sided.
    pub p_less: Option<f64>,
    /// The 95 % interval.
    pub bounds: Option<(f64, f64)>,
    /// Why there is no test.
    pub reason: Option<String>,
}

/// Student's t test of the mean of `values` against zero.
pub fn t_test(values: &[f64]) -> Result<TTest, MetricError> {
    check("values", values)?;
    let (n, center) = (values.len(), mean(values));
    let without = |sd, reason: &str| TTest {
        n,
        mean: center,
        sd,
        t: None,
        p: None,
        p_greater: None,
        p_less: None,
        bounds: None,
        reason: Some(reason.to_owned()),
    };
    if n < 2 {
        return Ok(without(None, "one seed has no spread"));
    }
    if is_one_value(values) {
        return Ok(without(Some(0.0), "all seeds have the same value: there is no spread to compare with"));
    }
    let sd = covariance(values, values).sqrt();
    let error = sd / (n as f64).sqrt();
    let t = center / error;
    let half = t_quantile(0.5 + LEVEL / 2.0, n - 1) * error;
    Ok(TTest {
        n,
        mean: center,
        sd: Some(sd),
        t: Some(t),
        p: Some((2.0 * t_above(t.abs(), n - 1)).min(1.0)),
        p_greater: Some(t_above(t, n - 1)),
        p_less: Some(t_above(-t, n - 1)),
        bounds: Some((center - half, center + half)),
        reason: None,
    })
}

/// Whether values differ by rounding at most.
fn is_one_value(values: &[f64]) -> bool {
    let largest = values.iter().fold(0.0f64, |largest, value| largest.max(value.abs()));
    values.first().is_none_or(|first| values.iter().all(|value| is_rounding(largest + value - first, largest)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stats::reference::{claims, near, numbers};

    /// Random differences over 2 to 20 seeds, by scipy's `ttest_1samp`: `tests/reference/claims.py`.
    #[test]
    fn the_t_test_agrees_with_scipy() {
        for case in claims("t_test") {
            let number = |name: &str| case[name].as_f64().expect("a number");
            let found = t_test(&numbers(&case, "values")).expect("a test");
            near(found.t, number("t"));
            near(found.p, number("p"));
            near(found.p_greater, number("p_greater"));
            near(found.p_less, number("p_less"));
            let (low, high) = found.bounds.expect("an interval");
            near(Some(low), number("low"));
            near(Some(high), number("high"));
        }
    }

    #[test]
    fn what_has_no_spread_has_no_test_and_says_why() {
        let one = t_test(&[0.5]).expect("a mean");
        assert_eq!((one.mean, one.p, one.sd), (0.5, None, None));
        assert!(one.reason.is_some_and(|reason| reason.contains("one seed")));
        let same = t_test(&[0.3, 0.1 + 0.2, 0.3]).expect("a mean");
        assert_eq!((same.p, same.sd), (None, Some(0.0)));
        assert!(t_test(&[]).is_err() && t_test(&[f64::NAN, 1.0]).is_err());
    }
}
