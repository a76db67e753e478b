//! Student's t: the interval of a mean over seeds, and what tests take from the distribution.

use super::{Estimate, MetricError, covariance, is_rounding, mean};
use statrs::distribution::{ContinuousCDF, StudentsT};

/// The coverage that is meant where none is stated.
pub const LEVEL: f64 = 0.95;

/// The most values of one sample. Arbitrary: far above any number of seeds, and rows fit.
const MAX_VALUES: usize = 20_000_000;

/// Fails on values that cannot be averaged.
pub fn check(name: &'static str, values: &[f64]) -> Result<(), MetricError> {
    if values.is_empty() {
        return Err(MetricError::NoValues { name });
    }
    if values.len() > MAX_VALUES {
        return Err(MetricError::Range { name, what: "at most 20000000 values long", got: values.len() });
    }
    match values.iter().find(|value| !value.is_finite()) {
        Some(value) => Err(MetricError::NotFinite { name, value: *value }),
        None => Ok(()),
    }
}

/// Fails on a coverage that is none.
pub fn check_level(level: f64) -> Result<(), MetricError> {
    if level > 0.5 && level < 1.0 { Ok(()) } else { Err(MetricError::Level(level)) }
}

/// The quantile of Student's t: `q` in (0, 1), `freedom` ≥ 1.
pub fn t_quantile(q: f64, freedom: usize) -> f64 {
    StudentsT::new(0.0, 1.0, freedom.max(1) as f64).map_or(f64::NAN, |t| t.inverse_cdf(q))
}

/// The chance that Student's t is above `t`.
pub fn t_above(t: f64, freedom: usize) -> f64 {
    if t.is_infinite() {
        return if t > 0.0 { 0.0 } else { 1.0 };
    }
    StudentsT::new(0.0, 1.0, freedom.max(1) as f64).map_or(f64::NAN, |distribution| distribution.sf(t))
}

/// `5 seeds`, `1 seed`.
pub(crate) fn counted(n: usize, unit: &str) -> String {
    if n == 1 { format!("{n} {unit}") } else { format!("{n} {unit}s") }
}

/// The mean over seeds with Student's t interval. One seed has a mean and no interval, and says so.
pub fn t(values: &[f64], level: f64) -> Result<Estimate, MetricError> {
    check("values", values)?;
    check_level(level)?;
    let n = values.len();
    let center = mean(values);
    let mut estimate = Estimate { level, over: counted(n, "seed"), ..Estimate::plain("mean", center) };
    if n < 2 {
        estimate.reason = Some("one seed has no spread, so there is no interval".to_owned());
        return Ok(estimate);
    }
    let is_one_value = is_one_value(values);
    let error = if is_one_value { 0.0 } else { (covariance(values, values) / n as f64).sqrt() };
    let half = t_quantile(0.5 + level / 2.0, n - 1) * error;
    estimate.bounds = Some((center - half, center + half));
    if is_one_value {
        estimate.reason = Some("all seeds have the same value, so the interval has no width".to_owned());
    }
    Ok(estimate)
}

/// Whether values differ by rounding at most: 0.3 and 0.1 + 0.2 have no spread.
pub(crate) fn is_one_value(values: &[f64]) -> bool {
    values.first().is_none_or(|first| values.iter().all(|value| is_rounding(*value, *first)))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// ```python
    /// from scipy import stats
    /// stats.t.ppf(.975, [1, 2, 4, 9, 30, 1000])
    /// stats.t.interval(.95, 4, loc=np.mean(x), scale=stats.sem(x))  # x = [.62, .66, .64, .70, .61]
    /// ```
    #[test]
    fn t_agrees_with_scipy() {
        let expected = [
            (1, 12.706_204_736_174_694),
            (2, 4.302_652_729_749_462),
            (4, 2.776_445_105_197_793),
            (9, 2.262_157_162_798_205),
            (30, 2.042_272_456_301_237_8),
            (1000, 1.962_339_080_826_408_3),
        ];
        for (freedom, quantile) in expected {
            assert!((t_quantile(0.975, freedom) / quantile - 1.0).abs() < 1e-8, "{freedom}");
        }
        let (low, high) = t(&[0.62, 0.66, 0.64, 0.70, 0.61], 0.95).expect("five values").bounds.expect("an interval");
        assert!((low - 0.601_576_878_316_835_4).abs() < 1e-9 && (high - 0.690_423_121_683_164_7).abs() < 1e-9);
    }

    #[test]
    fn few_and_odd_values_are_explained() {
        let one = t(&[0.5], 0.95).expect("a mean");
        assert_eq!((one.value, one.bounds), (Some(0.5), None));
        assert!(one.to_string().contains("one seed has no spread"));
        assert!(t(&[], 0.95).is_err() && t(&[f64::NAN], 0.95).is_err() && t(&[1.0, 2.0], 1.0).is_err());
        let same = t(&[0.5, 0.5], 0.95).expect("a mean");
        assert_eq!(same.bounds, Some((0.5, 0.5)));
        assert!(same.reason.is_some());
        let same = t(&[0.1; 3], 0.95).expect("a mean");
        assert!(same.bounds.is_some_and(|(low, high)| low == high) && same.reason.is_some(), "{same:?}");
    }

    #[test]
    fn seeds_that_differ_by_rounding_have_no_spread() {
        let same = t(&[0.3, 0.1 + 0.2, 0.3], 0.95).expect("a mean");
        assert!(same.bounds.is_some_and(|(low, high)| low == high) && same.reason.is_some(), "{same:?}");
        assert!(t(&[0.3, 0.3 + 1e-9], 0.95).expect("a mean").reason.is_none());
    }
}
