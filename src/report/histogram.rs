//! Counting values into bins for a histogram.

use super::plane::{Point, Series};
use super::{ReportError, plane};

/// The most bins (arbitrary: more than pixels show).
pub const MAX_BINS: usize = 400;

/// How many bins values fall into where a script does not say: Rice's rule, twice the cube root of their number, at least 5 and at
/// most 60.
pub fn usual(n: usize) -> usize {
    ((2.0 * (n as f64).cbrt()).ceil() as usize).clamp(5, 60)
}

/// Bins of equal width over `low..=high`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Bins {
    pub low: f64,
    pub width: f64,
    pub n: usize,
}

impl Bins {
    /// `n` bins over these limits, or from the least value to the greatest. Values that are all one get a bin around them.
    pub fn over(values: &[f64], limits: Option<(f64, f64)>, n: usize) -> Option<Bins> {
        let finite = || values.iter().copied().filter(|value| value.is_finite());
        let ends = (finite().fold(f64::INFINITY, f64::min), finite().fold(f64::NEG_INFINITY, f64::max));
        let (low, high) = limits.unwrap_or(ends);
        if !(low.is_finite() && high.is_finite()) || n == 0 {
            return None;
        }
        let least = 1e-9 * (1.0 + low.abs().max(high.abs()));
        let (low, high) = if high - low < least { (low - 0.5, high + 0.5) } else { (low, high) };
        Some(Bins { low, width: (high - low) / n as f64, n })
    }

    /// How many values fall into each bin, or which share of them. The last bin has its upper end; values outside are not counted.
    pub fn count(&self, name: &str, values: &[f64], shares: bool) -> Series {
        let mut counts = vec![0usize; self.n];
        let mut total = 0usize;
        for value in values.iter().filter(|value| value.is_finite()) {
            total += 1;
            let at = (value - self.low) / self.width;
            let slack = 1e-9;
            if at < -slack || at > self.n as f64 + slack {
                continue;
            }
            let at = (at.max(0.0) as usize).min(self.n.saturating_sub(1));
            if let Some(count) = counts.get_mut(at) {
                *count += 1;
            }
        }
        let scale = if shares { 1.0 / total.max(1) as f64 } else { 1.0 };
        let point = |(idx, count): (usize, usize)| Point {
            x: self.low + idx as f64 * self.width,
            y: count as f64 * scale,
            low: f64::NAN,
            high: f64::NAN,
        };
        Series { name: name.to_owned(), points: counts.into_iter().enumerate().map(point).collect() }
    }
}

/// A number of bins that a histogram takes.
pub fn checked(n: usize) -> Result<usize, ReportError> {
    match n {
        0 => Err(ReportError::Empty { what: "`bins` is 0" }),
        n if n > MAX_BINS => Err(ReportError::TooMany { what: "the number of bins", n, most: MAX_BINS }),
        n => Ok(n),
    }
}

impl From<Bins> for plane::Look {
    fn from(bins: Bins) -> plane::Look {
        plane::Look::Bins(bins.width)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counts(values: &[f64], limits: Option<(f64, f64)>, n: usize) -> Vec<f64> {
        let bins = Bins::over(values, limits, n).expect("bins");
        bins.count("", values, false).points.iter().map(|point| point.y).collect()
    }

    #[test]
    fn every_value_is_in_one_bin() {
        // numpy.histogram([0, .1, .2, .9, 1], bins=2) gives [3, 2]; with bins=4, range=(0, 2) it gives [3, 1, 1, 0].
        assert_eq!(counts(&[0.0, 0.1, 0.2, 0.9, 1.0], None, 2), [3.0, 2.0]);
        assert_eq!(counts(&[0.0, 0.1, 0.2, 0.9, 1.0], Some((0.0, 2.0)), 4), [3.0, 1.0, 1.0, 0.0]);
        assert_eq!(counts(&[1.0, 1.0, f64::NAN], None, 5), [0.0, 0.0, 2.0, 0.0, 0.0]);
        assert_eq!(counts(&[-1.0, 3.0, 0.5], Some((0.0, 1.0)), 2), [0.0, 1.0]);
        assert_eq!(Bins::over(&[f64::NAN], None, 3), None);
    }

    #[test]
    fn shares_add_up_to_one() {
        let values: Vec<f64> = (0..97).map(|idx| f64::from(idx).sqrt()).collect();
        let bins = Bins::over(&values, None, usual(values.len())).expect("bins");
        assert_eq!(bins.n, 10);
        let sum: f64 = bins.count("", &values, true).points.iter().map(|point| point.y).sum();
        assert!((sum - 1.0).abs() < 1e-12);
        assert!(checked(0).is_err() && checked(MAX_BINS + 1).is_err() && checked(7) == Ok(7));
    }
}
