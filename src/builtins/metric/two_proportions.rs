//! `metric::two_proportions`

use super::{map, number};
use crate::bind::prelude::*;
use crate::stats::MetricError;
use statrs::distribution::{ContinuousCDF, Normal};

/// The record.
pub fn function() -> Function {
    Function::new("metric", "two_proportions", run)
        .about("Whether two shares of different rows differ by more than the draw of the rows explains: the pooled z test.")
        .details(
            "`difference` is `n_a/of_a − n_b/of_b`, `p` two-sided. Where all rows of both are alike there is no spread, and `z` and `p` \
             are `()`. Of the same rows twice it says nothing: these are paired.",
        )
        .source("statsmodels' `proportions_ztest`")
        .param::<usize>("n_a", "rows of the first sample that are right")
        .param::<usize>("of_a", "rows of the first sample")
        .param::<usize>("n_b", "rows of the second sample that are right")
        .param::<usize>("of_b", "rows of the second sample")
        .returns("object map: `difference`, `z`, `p`")
        .example("metric::two_proportions(710, 1000, 610, 1000).p < 0.001", "true")
        .example("metric::two_proportions(10, 10, 20, 20).p", "")
        .fails("metric::two_proportions(5, 4, 1, 2)", "`n_a` must be at most the number of rows, got `5`")
        .fails("metric::two_proportions(0, 0, 1, 2)", "there is no row to measure")
}

fn run(call: &mut Call) -> Answer {
    let found = two_proportions((call.arg(0)?, call.arg(1)?), (call.arg(2)?, call.arg(3)?))?;
    Ok(Dynamic::from(map([
        ("difference", Dynamic::from(found.difference)),
        ("z", number(found.z)),
        ("p", number(found.p)),
    ])))
}

/// What the test says about `a − b`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Proportions {
    pub difference: f64,
    /// None where all rows of both are alike: then there is nothing to compare.
    pub z: Option<f64>,
    /// Two-sided.
    pub p: Option<f64>,
}

/// The pooled z test of two proportions, `n_a` of `of_a` rows against `n_b` of `of_b`.
pub fn two_proportions((n_a, of_a): (usize, usize), (n_b, of_b): (usize, usize)) -> Result<Proportions, MetricError> {
    for (name, n, of) in [("n_a", n_a, of_a), ("n_b", n_b, of_b)] {
        if of == 0 {
            return Err(MetricError::Empty);
        }
        if n > of {
            return Err(MetricError::Range { name, what: "at most the number of rows", got: n });
        }
    }
    let (size_a, size_b) = (of_a as f64, of_b as f64);
    let difference = n_a as f64 / size_a - n_b as f64 / size_b;
    let pooled = (n_a + n_b) as f64 / (size_a + size_b);
    let error = (pooled * (1.0 - pooled) * (1.0 / size_a + 1.0 / size_b)).sqrt();
    if error == 0.0 {
        return Ok(Proportions { difference, z: None, p: None });
    }
    let z = difference / error;
    let p = (2.0 * Normal::standard().sf(z.abs())).min(1.0);
    Ok(Proportions { difference, z: Some(z), p: Some(p) })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stats::reference::cases;

    /// By `statsmodels.stats.proportion.proportions_ztest`: `tests/reference/comparisons.py`.
    #[test]
    fn it_agrees_with_statsmodels() {
        for case in cases("two_proportions") {
            let count = |name: &str| case[name].as_u64().expect("a count") as usize;
            let found = two_proportions((count("n_a"), count("of_a")), (count("n_b"), count("of_b"))).expect("counts");
            match (case["z"].as_f64(), found.z, found.p) {
                (Some(z), Some(found_z), Some(found_p)) => {
                    let p = case["p"].as_f64().expect("p");
                    assert!((found_z - z).abs() < 1e-9 && (found_p - p).abs() < 1e-9, "{case}: {found:?}");
                }
                (None, None, None) => {}
                _ => panic!("{case}: {found:?}"),
            }
        }
    }

    #[test]
    fn what_is_no_count_is_refused() {
        assert!(two_proportions((3, 2), (1, 2)).is_err() && two_proportions((0, 0), (1, 2)).is_err());
    }
}
