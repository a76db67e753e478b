//! Options that depend on how confident the weak labels are.

use crate::bind::prelude::*;
use crate::bind::{FromDynamic, Mismatch, describe};

/// A number, or "midweak": the median confidence of the weak labels.
#[derive(Clone, Copy, PartialEq)]
pub enum Fitted {
    Number(f64),
    Midweak,
}

impl Fitted {
    /// The number, if it is one already.
    pub fn number(self) -> Option<f64> {
        match self {
            Fitted::Number(number) => Some(number),
            Fitted::Midweak => None,
        }
    }
}

impl std::fmt::Debug for Fitted {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Fitted::Number(number) => write!(f, "{number:?}"),
            Fitted::Midweak => f.write_str("\"midweak\""),
        }
    }
}

impl FromDynamic for Fitted {
    fn type_name() -> String {
        "float|string".to_owned()
    }

    fn from_dynamic(value: &Dynamic) -> Result<Self, Mismatch> {
        if value.clone().into_immutable_string().is_ok_and(|text| text == "midweak") {
            return Ok(Fitted::Midweak);
        }
        let other = |_| Mismatch(format!("must be a float or \"midweak\", got {}", describe(value)));
        f64::from_dynamic(value).map(Fitted::Number).map_err(other)
    }
}

/// How confident each weak label is, `max(w) − ½` and at least 0 (with two classes `|w − ½|`), in rising order.
pub fn confidences(weak: &[f32], n_classes: usize) -> Vec<f64> {
    let of = |row: &[f32]| (row.iter().fold(0.0f32, |most, w| most.max(*w)) - 0.5).max(0.0);
    let mut all: Vec<f64> = weak.chunks_exact(n_classes.max(1)).map(|row| f64::from(of(row))).collect();
    all.sort_by(f64::total_cmp);
    all
}

/// The lower of the two middle values of sorted numbers, as `torch.median`; 0 of none.
pub fn lower_median(sorted: &[f64]) -> f64 {
    sorted.get(sorted.len().saturating_sub(1) / 2).copied().unwrap_or(0.0)
}

/// The quantile of sorted numbers by linear interpolation, as `numpy.quantile`; 0 of none.
pub fn quantile(sorted: &[f64], share: f64) -> f64 {
    let place = share * sorted.len().saturating_sub(1) as f64;
    let at = |idx: f64| sorted.get(idx as usize).copied().unwrap_or(0.0);
    at(place.floor()) + (at(place.ceil()) - at(place.floor())) * place.fract()
}

#[cfg(test)]
mod tests {
    use super::*;

    // import numpy as np; c = np.abs(np.array([.9, .2, .5, .6]) - .5); np.sort(c)[1], np.quantile(c, [.5, .9])
    #[test]
    fn quantiles_are_those_of_torch_and_numpy() {
        let weak = [0.1, 0.9, 0.8, 0.2, 0.5, 0.5, 0.4, 0.6];
        let sorted = confidences(&weak, 2);
        let near = |a: f64, b: f64| assert!((a - b).abs() < 1e-7, "{a} {b}");
        near(lower_median(&sorted), 0.1);
        near(quantile(&sorted, 0.5), 0.2);
        near(quantile(&sorted, 0.9), 0.37);
        assert_eq!((lower_median(&[]), quantile(&[], 0.5)), (0.0, 0.0));
        assert_eq!(confidences(&[0.25, 0.25, 0.25, 0.25], 4), [0.0]);
    }
}
