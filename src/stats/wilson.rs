//! Wilson's score interval of a share.

use super::intervals::{check_level, counted};
use super::{Estimate, MetricError};
use statrs::distribution::{ContinuousCDF, Normal};

/// The share `n_right` of `n` test rows with Wilson's score interval: the shares that a test with the normal approximation under
/// the share itself does not refuse. It stays within 0 to 1 and has a width where all rows are alike.
pub fn wilson(n_right: usize, n: usize, level: f64) -> Result<Estimate, MetricError> {
    check_level(level)?;
    if n == 0 {
        return Err(MetricError::Empty);
    }
    let (share, rows) = (n_right as f64 / n as f64, n as f64);
    let z = Normal::new(0.0, 1.0).map_or(f64::NAN, |normal| normal.inverse_cdf(0.5 + level / 2.0));
    let shrink = 1.0 + z * z / rows;
    let centre = (share + z * z / (2.0 * rows)) / shrink;
    let half = z / shrink * (share * (1.0 - share) / rows + z * z / (4.0 * rows * rows)).sqrt();
    // At the ends a bound is the end itself, but for rounding.
    let low = if n_right == 0 { 0.0 } else { (centre - half).max(0.0) };
    let high = if n_right == n { 1.0 } else { (centre + half).min(1.0) };
    let over = format!("Wilson, {} of one seed", counted(n, "test row"));
    Ok(Estimate { bounds: Some((low, high)), level, over, ..Estimate::plain("accuracy", share) })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// ```python
    /// from scipy.stats import binomtest
    /// for k, n in [(15, 20), (180, 200), (200, 200), (0, 7), (1, 1)]:
    ///     print(binomtest(k, n).proportion_ci(.95, method="wilson"))
    /// ```
    #[test]
    fn it_agrees_with_scipy() {
        let expected = [
            (15, 20, 0.531_299_122_381_256_1, 0.888_138_298_592_334_4),
            (180, 200, 0.850_594_187_567_282_6, 0.934_329_551_330_904_1),
            (200, 200, 0.981_154_673_622_733_5, 1.0),
            (0, 7, 0.0, 0.354_330_435_066_687_4),
            (1, 1, 0.206_549_314_377_237_45, 1.0),
        ];
        for (right, n, low, high) in expected {
            let (found_low, found_high) = wilson(right, n, 0.95).expect("rows").bounds.expect("an interval");
            assert!(
                (found_low - low).abs() < 1e-8 && (found_high - high).abs() < 1e-8,
                "{right} of {n}: {found_low} {found_high}"
            );
        }
        assert!(wilson(0, 0, 0.95).is_err() && wilson(1, 2, 1.0).is_err());
    }
}
