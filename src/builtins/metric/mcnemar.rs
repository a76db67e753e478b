//! `metric::mcnemar`

use super::truth::Truth;
use super::{map, number};
use crate::bind::prelude::*;
use crate::builtins::frame::warn_of_indices;
use crate::frames::Frame;
use crate::stats::scores::{gather, meet};
use crate::stats::{MetricError, Scored};
use statrs::distribution::{Binomial, ChiSquared, ContinuousCDF, DiscreteCDF};

/// The record.
pub fn function() -> Function {
    Function::new("metric", "mcnemar", run)
        .about("Whether one of two models is right more often on the same rows: McNemar's test, exact and by χ².")
        .details(
            "`n_both`, `n_only_a`, `n_only_b` and `n_neither` count rows by who is right. `p` is exact and two-sided: the binomial test that \
             of the rows on which one alone is right half are either's; 1 where there is none. `chi2` is (|n_only_a − n_only_b| − 1)² / \
             (n_only_a + n_only_b), with `chi2_p`; `()` where there is none. It is about these two models and these rows: over seeds \
             `metric::paired` tests.",
        )
        .source("McNemar 1947; statsmodels' `mcnemar`")
        .param::<Frame>("a", "the first model's predictions")
        .param::<Frame>("b", "the second model's predictions, on the same rows")
        .param::<Truth>("truth", "data, whose truth is read and the read recorded, or a frame with `id` and `label`")
        .returns("object map: counts, `p`, `chi2`, `chi2_p`")
        .example(
            "let ids = [\"a\", \"b\", \"c\", \"d\"];\n\
             let truth = frame::of(#{ id: ids, label: [1, 1, 1, 1] });\n\
             let found = metric::mcnemar(frame::of(#{ id: ids, prediction: [1, 1, 1, 0] }), frame::of(#{ id: ids, prediction: [1, 0, 0, 0] }), truth);\n\
             [found.n_only_a, found.n_only_b, found.chi2]",
            "[2, 0, 0.5]",
        )
        .fails(
            "let a = frame::of(#{ id: [\"a\"], prediction: [1] });\n\
             metric::mcnemar(a, frame::of(#{ id: [\"b\"], prediction: [1] }), frame::of(#{ id: [\"a\"], label: [1] }))",
            "1 rows of the truth are missing, the first with id `b`",
        )
}

fn run(call: &mut Call) -> Answer {
    let (a, b, truth): (Frame, Frame, Truth) = (call.arg(0)?, call.arg(1)?, call.arg(2)?);
    let truth = truth.labels(call)?;
    warn_of_indices(call, &[("`a`", &a), ("`b`", &b), ("`truth`", &truth)]);
    let found = mcnemar(&Scored::new(&a, &truth)?, &Scored::new(&b, &truth)?)?;
    Ok(Dynamic::from(map([
        ("n_both", Dynamic::from(found.n_both as INT)),
        ("n_only_a", Dynamic::from(found.n_only_a as INT)),
        ("n_only_b", Dynamic::from(found.n_only_b as INT)),
        ("n_neither", Dynamic::from(found.n_neither as INT)),
        ("p", Dynamic::from(found.p)),
        ("chi2", number(found.chi2)),
        ("chi2_p", number(found.chi2_p)),
    ])))
}

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
    let places = meet(&a.ids, &b.ids, ("first predictions", "second predictions"))?;
    let b_right = gather(&b.is_right(), &places);
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
mod tests {
    use super::super::tests::scored;
    use super::*;
    use crate::stats::reference::methods;

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
