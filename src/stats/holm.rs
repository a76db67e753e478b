//! Several tests at once: p values corrected so that the chance of one false finding among them stays what a level says.

use super::MetricError;

/// Holm's step-down correction of the p values of one family, in their order: of `m` values the `i`-th smallest (from 0)
/// becomes the largest of `(m − j)·p_j` over `j ≤ i`, at most 1. A value that is not there is no test: it stays so, and does not
/// count.
pub fn holm(family: &[Option<f64>]) -> Result<Vec<Option<f64>>, MetricError> {
    for p in family.iter().flatten() {
        if !(0.0..=1.0).contains(p) {
            return Err(MetricError::Probability { name: "p", value: *p });
        }
    }
    let mut order: Vec<(usize, f64)> = family.iter().enumerate().filter_map(|(at, p)| p.map(|p| (at, p))).collect();
    order.sort_by(|a, b| a.1.total_cmp(&b.1));
    let mut corrected = vec![None; family.len()];
    let mut largest = 0.0f64;
    for (rank, (at, p)) in order.iter().enumerate() {
        largest = largest.max((order.len() - rank) as f64 * p).min(1.0);
        if let Some(slot) = corrected.get_mut(*at) {
            *slot = Some(largest);
        }
    }
    Ok(corrected)
}

#[cfg(test)]
mod tests {
    use super::super::reference::{cases, numbers};
    use super::*;

    /// Random and degenerate families, by `statsmodels.stats.multitest.multipletests`: `tests/reference/comparisons.py`.
    #[test]
    fn it_agrees_with_statsmodels() {
        for family in cases("holm") {
            let (p, expected) = (numbers(&family, "p"), numbers(&family, "corrected"));
            let found = holm(&p.iter().copied().map(Some).collect::<Vec<_>>()).expect("probabilities");
            for (found, expected) in found.iter().zip(&expected) {
                assert!(found.is_some_and(|found| (found - expected).abs() < 1e-12), "{p:?}: {found:?} {expected}");
            }
        }
    }

    #[test]
    fn what_was_not_tested_does_not_count() {
        let found = holm(&[None, Some(0.02), None, Some(0.04)]).expect("probabilities");
        assert_eq!(found, [None, Some(0.04), None, Some(0.04)]);
        assert_eq!(holm(&[]).expect("nothing"), []);
        for odd in [-0.1, 1.5, f64::NAN] {
            assert!(holm(&[Some(0.5), Some(odd)]).is_err());
        }
    }
}
