//! `metric::holm`

use crate::bind::prelude::*;
use crate::stats::MetricError;

/// The record.
pub fn function() -> Function {
    Function::new("metric", "holm", run)
        .about("The p values of several tests, corrected for their number: Holm's step-down method.")
        .details(
            "Among all tests of the family the chance of one false finding stays below the level, whatever their dependence: of `m` \
             values the smallest is multiplied by `m`, the next by `m − 1`, and so on, none below the one before, at most 1. `()`, a \
             test that could not be made, stays `()` and does not count.",
        )
        .source("Holm 1979; statsmodels' `multipletests(…, method=\"holm\")`")
        .param::<Vec<Option<f64>>>("p", "p values from 0 to 1, or `()`, in any order")
        .returns("array of float or (): the corrected values, in the same order")
        .example("metric::holm([0.01, 0.04, 0.03])", "[0.03, 0.06, 0.06]")
        .example("metric::holm([0.5, (), 0.5])", "[1.0, (), 1.0]")
        .fails("metric::holm([0.5, 1.5])", "`p` must be a probability from 0 to 1, got `1.5`")
}

fn run(call: &mut Call) -> Answer {
    let corrected = holm(&call.arg::<Vec<Option<f64>>>(0)?)?;
    Ok(corrected.into_iter().map(|p| p.map_or(Dynamic::UNIT, Dynamic::from)).collect::<Array>().into())
}

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
    use super::*;
    use crate::stats::reference::{cases, numbers};

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
