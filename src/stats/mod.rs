//! What metrics share, and what other rooms compute with too. A metric itself is a file of `builtins::metric`: formula, record and tests.
//!
//! Predictions and truth meet by id and must cover the same rows. What cannot be computed honestly (one class, no gap,
//! one seed) is refused or explained, never smoothed over.

mod error;
pub mod estimate;
pub mod intervals;
pub mod least_squares;
pub mod logistic;
pub mod neighbours;
pub mod overlap;
pub mod scores;

pub use error::MetricError;
pub use estimate::Estimate;
pub use scores::Scored;

/// The mean; 0 of nothing, which callers refuse first.
pub(crate) fn mean(values: &[f64]) -> f64 {
    if values.is_empty() { 0.0 } else { values.iter().sum::<f64>() / values.len() as f64 }
}

/// The sample covariance (n − 1) of paired values; the variance if both are the same. 0 of fewer than two, and exactly 0
/// where one side does not vary: the mean of equal values is off by a rounding, and a spread of 1e-17 would pass for one.
pub(crate) fn covariance(a: &[f64], b: &[f64]) -> f64 {
    let is_constant = |values: &[f64]| values.windows(2).all(|pair| pair.first() == pair.last());
    if a.len() < 2 || is_constant(a) || is_constant(b) {
        return 0.0;
    }
    let (mean_a, mean_b) = (mean(a), mean(b));
    a.iter().zip(b).map(|(x, y)| (x - mean_a) * (y - mean_b)).sum::<f64>() / (a.len() - 1) as f64
}

/// The differences `a − b`, in which anything below a billionth is rounding.
pub(crate) fn differences(a: &[f64], b: &[f64]) -> Vec<f64> {
    a.iter()
        .zip(b)
        .map(|(x, y)| {
            let difference = x - y;
            // Arbitrary: accuracies are ratios of counts below 10^8; 0.9 − 0.8 and 0.8 − 0.7 must count as equal.
            (difference * 1e12).round() / 1e12
        })
        .collect()
}

/// Whether `a` and `b` differ by no more than rounding, as 0.3 and 0.1 + 0.2 do. Arbitrary: a billionth of a thousandth of the
/// larger, far above the error of a sum of shares and far below one row in 10^8.
pub(crate) fn is_rounding(a: f64, b: f64) -> bool {
    (a - b).abs() <= 1e-12 * a.abs().max(b.abs())
}

/// Values of statsmodels and scipy, with the code that made them: `tests/reference/comparisons.py`, `claims.py` and `methods.py`.
#[cfg(test)]
pub(crate) mod reference {
    use serde_json::Value;

    /// The cases of one test of `comparisons.py`, at least eight.
    pub fn cases(of: &str) -> Vec<Value> {
        listed(include_str!("../../tests/reference/comparisons.json"), of)
    }

    /// The cases of one test of `claims.py`.
    pub fn claims(of: &str) -> Vec<Value> {
        listed(include_str!("../../tests/reference/claims.json"), of)
    }

    /// The cases of one test of `methods.py`: values of scikit-learn, ruptures and statsmodels.
    pub fn methods(of: &str) -> Vec<Value> {
        listed(include_str!("../../tests/reference/methods.json"), of)
    }

    fn listed(text: &str, of: &str) -> Vec<Value> {
        let all: Value = serde_json::from_str(text).expect("JSON");
        let cases = all[of].as_array().expect("cases").clone();
        assert!(cases.len() >= 8, "{of}: {}", cases.len());
        cases
    }

    /// Holds a number against its reference value, to nine digits.
    pub fn near(found: Option<f64>, expected: f64) {
        assert!(
            found.is_some_and(|found| (found - expected).abs() <= 1e-9 * expected.abs().max(1.0)),
            "{found:?} {expected}"
        );
    }

    /// A list of numbers of a case.
    pub fn numbers(case: &Value, name: &str) -> Vec<f64> {
        let list = case[name].as_array().expect("a list");
        list.iter().map(|number| number.as_f64().expect("a number")).collect()
    }
}
