//! Two models on the same rows: whether one is right more often than the rows on which they differ explain by chance.

use super::MetricError;
use super::scores::Scored;
use statrs::distribution::{Binomial, ChiSquared, ContinuousCDF, DiscreteCDF};

/// Rows by who is right, and the tests.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct McNemar {
    pub n_both: usize,
    pub n_only_a: usize,
    pub n_only_b: usize,
    pub n_neither: usize,
    /// Two-sided, exact: of rows on which one alone is right each is as likely to be either's.
    pub p: f64,
    /// With the continuity correction; none where no row differs.
    pub chi2: Option<f64>,
    pub chi2_p: Option<f64>,
}

/// McNemar's test of two models' predictions of the same rows.
pub fn mcnemar(a: &Scored, b: &Scored) -> Result<McNemar, MetricError> {
    let places = super::scores::meet(&a.ids, &b.ids, ("first predictions", "second predictions"))?;
    let b_right = super::scores::gather(&b.is_right(), &places);
    let mut counts = [0usize; 4];
    for (a, b) in a.is_right().iter().zip(&b_right) {
        let kind = match (*a > 0.5, *b > 0.5) {
            (true, true) => 0,
            (true, false) => 1,
            (false, true) => 2,
            (false, false) => 3,
        };
        if let Some(count) = counts.get_mut(kind) {
            *count += 1;
        }
    }
    let [n_both, n_only_a, n_only_b, n_neither] = counts;
    let (p, chi2, chi2_p) = tests(n_only_a, n_only_b);
    Ok(McNemar { n_both, n_only_a, n_only_b, n_neither, p, chi2, chi2_p })
}

/// The exact p, and χ² with its p.
fn tests(n_only_a: usize, n_only_b: usize) -> (f64, Option<f64>, Option<f64>) {
    let n = (n_only_a + n_only_b) as u64;
    if n == 0 {
        return (1.0, None, None);
    }
    let least = n_only_a.min(n_only_b) as u64;
    let exact = Binomial::new(0.5, n).map_or(f64::NAN, |binomial| (2.0 * binomial.cdf(least)).min(1.0));
    // Where both have as many, the correction would make a statistic above 0 of a difference of 0: statsmodels does that too.
    let distance = (n_only_a as f64 - n_only_b as f64).abs() - 1.0;
    let chi2 = distance * distance / n as f64;
    let chi2_p = ChiSquared::new(1.0).map_or(f64::NAN, |chi| chi.sf(chi2));
    (exact, Some(chi2), Some(chi2_p))
}

#[cfg(test)]
mod reference_tests {
    use super::super::reference::methods;
    use super::super::scores::tests::scored;
    use super::*;

    /// By `statsmodels.stats.contingency_tables.mcnemar`: `tests/reference/methods.py`.
    #[test]
    fn it_agrees_with_statsmodels() {
        for case in methods("mcnemar") {
            let count = |name: &str| case[name].as_u64().expect("a count") as usize;
            let (p, chi2, chi2_p) = tests(count("only_a"), count("only_b"));
            let near = |found: f64, name: &str| {
                let expected = case[name].as_f64().expect("a number");
                assert!((found - expected).abs() < 1e-9 * expected.abs().max(1e-3), "{case}: {found}");
            };
            near(p, "p");
            if let (Some(chi2), Some(chi2_p)) = (chi2, chi2_p) {
                near(chi2, "chi2");
                near(chi2_p, "chi2_p");
            }
        }
    }

    #[test]
    fn rows_are_counted_by_who_is_right() {
        let a = scored(&[0.9, 0.9, 0.1, 0.1, 0.9], &[1, 1, 1, 1, 0]);
        let b = scored(&[0.9, 0.1, 0.9, 0.1, 0.9], &[1, 1, 1, 1, 0]);
        let found = mcnemar(&a, &b).expect("the same rows");
        assert_eq!((found.n_both, found.n_only_a, found.n_only_b, found.n_neither), (1, 1, 1, 2));
        let same = mcnemar(&a, &a).expect("the same rows");
        assert_eq!((same.p, same.chi2), (1.0, None));
    }
}
