//! Tests of one number a seed, such as differences of two methods paired by seed: whether their mean is zero, and whether it is
//! within a margin of zero.

use super::intervals::{LEVEL, check, t_above, t_quantile};
use super::{MetricError, covariance, is_rounding, mean};

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

/// What two one-sided tests say.
#[derive(Debug, Clone, PartialEq)]
pub struct Equivalence {
    pub n: usize,
    pub mean: f64,
    /// The larger of the two: that the mean is within the margin.
    pub p: Option<f64>,
    /// That the mean is above −margin.
    pub p_lower: Option<f64>,
    /// That the mean is below the margin.
    pub p_upper: Option<f64>,
    /// The 90 % interval, which lies within the margin where `p` is below 5 %.
    pub bounds: Option<(f64, f64)>,
    pub reason: Option<String>,
}

/// Two one-sided t tests (Schuirmann 1987) that the mean of `values` lies within `±margin`.
pub fn equivalence(values: &[f64], margin: f64) -> Result<Equivalence, MetricError> {
    check("margin", &[margin])?;
    if margin <= 0.0 {
        return Err(MetricError::NotPositive { name: "margin", value: margin });
    }
    let test = t_test(values)?;
    let mut found = Equivalence {
        n: test.n,
        mean: test.mean,
        p: None,
        p_lower: None,
        p_upper: None,
        bounds: None,
        reason: test.reason,
    };
    if let (Some(sd), None) = (test.sd, &found.reason) {
        let error = sd / (test.n as f64).sqrt();
        let above = |bound: f64| t_above((test.mean - bound) / error, test.n - 1);
        let (lower, upper) = (above(-margin), 1.0 - above(margin));
        // 1 − sf loses what is below 1e-16; the other side keeps it.
        let upper = if upper < 1e-3 { t_above((margin - test.mean) / error, test.n - 1) } else { upper };
        let half = t_quantile(0.95, test.n - 1) * error;
        found.p = Some(lower.max(upper));
        found.p_lower = Some(lower);
        found.p_upper = Some(upper);
        found.bounds = Some((test.mean - half, test.mean + half));
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::super::reference::{claims, numbers};
    use super::*;

    fn near(found: Option<f64>, expected: f64) {
        assert!(
            found.is_some_and(|found| (found - expected).abs() <= 1e-9 * expected.abs().max(1.0)),
            "{found:?} {expected}"
        );
    }

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

    /// By statsmodels' `DescrStatsW.ttost_mean`: `tests/reference/claims.py`.
    #[test]
    fn two_one_sided_tests_agree_with_statsmodels() {
        for case in claims("equivalence") {
            let number = |name: &str| case[name].as_f64().expect("a number");
            let found = equivalence(&numbers(&case, "values"), number("margin")).expect("a test");
            near(found.p, number("p"));
            near(found.p_lower, number("p_lower"));
            near(found.p_upper, number("p_upper"));
            let (low, high) = found.bounds.expect("an interval");
            let is_within = -number("margin") < low && high < number("margin");
            assert_eq!(is_within, number("p") < 0.05, "{case}");
        }
    }

    #[test]
    fn what_has_no_spread_has_no_test_and_says_why() {
        let one = t_test(&[0.5]).expect("a mean");
        assert_eq!((one.mean, one.p, one.sd), (0.5, None, None));
        assert!(one.reason.is_some_and(|reason| reason.contains("one seed")));
        let same = t_test(&[0.3, 0.1 + 0.2, 0.3]).expect("a mean");
        assert_eq!((same.p, same.sd), (None, Some(0.0)));
        let same = equivalence(&[0.0, 0.0], 0.1).expect("a mean");
        assert!(same.p.is_none() && same.reason.is_some());
        assert!(t_test(&[]).is_err() && t_test(&[f64::NAN, 1.0]).is_err());
        for margin in [0.0, -0.1, f64::NAN] {
            assert!(equivalence(&[0.1, 0.2], margin).is_err());
        }
    }
}
