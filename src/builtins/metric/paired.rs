//! `metric::paired`

use crate::bind::prelude::*;
use crate::frames::Frame;
use crate::stats::intervals::{check, counted, t_above};
use crate::stats::scores::mid_ranks;
use crate::stats::{MetricError, covariance, differences, mean};
use polars::prelude::Column;
use statrs::distribution::{Binomial, ContinuousCDF, DiscreteCDF, Normal};

/// The record.
pub fn function() -> Function {
    Function::new("metric", "paired", |call| {
        let (a, b): (Vec<f64>, Vec<f64>) = (call.arg(0)?, call.arg(1)?);
        let answer = paired(&a, &b)?;
        let tests = &answer.tests;
        let frame = Frame::from_columns(vec![
            Column::new("test".into(), tests.iter().map(|test| test.name).collect::<Vec<_>>()),
            Column::new("n".into(), tests.iter().map(|test| test.n as i64).collect::<Vec<_>>()),
            Column::new("difference".into(), vec![answer.difference; tests.len()]),
            Column::new("statistic".into(), tests.iter().map(|test| test.statistic).collect::<Vec<_>>()),
            Column::new("p".into(), tests.iter().map(|test| test.p).collect::<Vec<_>>()),
            Column::new("reason".into(), tests.iter().map(|test| test.note.clone()).collect::<Vec<_>>()),
        ])?;
        Ok(Dynamic::from(frame))
    })
    .about("Whether two methods differ over the same seeds: paired t test, sign test and Wilcoxon's signed ranks.")
    .details(
        "Two-sided. `n` counts the pairs that a test uses (signs and ranks leave out equal pairs); `statistic` is t, the \
         number of pairs where `a` is larger, or the smaller sum of ranks. Up to 200 pairs Wilcoxon's distribution is \
         counted out exactly, shared ranks included. With five pairs neither signs nor ranks can reach p < 0.05: `reason` \
         says so.",
    )
    .source("scipy's `ttest_rel`, `binomtest`, `wilcoxon`; Demšar 2006 on comparing methods")
    .param::<Vec<f64>>("a", "one number per seed")
    .param::<Vec<f64>>("b", "paired by position")
    .returns("Frame: a row per test")
    .example("metric::paired([0.7, 0.8, 0.9, 0.8, 0.7], [0.6, 0.6, 0.6, 0.4, 0.2]).column(\"p\")[2]", "0.0625")
    .fails("metric::paired([0.7, 0.8], [0.6])", "`a` has 2 values, `b` has 1")
}

/// The most pairs whose Wilcoxon distribution is counted out; beyond, the normal approximation is exact enough. Arbitrary.
const MAX_EXACT: usize = 200;

/// One test's answer.
#[derive(Debug, Clone, PartialEq)]
pub struct Test {
    /// `paired_t`, `sign` or `wilcoxon`.
    pub name: &'static str,
    /// Pairs that it uses.
    pub n: usize,
    /// t; the number of positive differences; the smaller sum of ranks.
    pub statistic: Option<f64>,
    /// Two-sided.
    pub p: Option<f64>,
    /// What limits it.
    pub note: Option<String>,
}

/// What the three tests say about `a − b`.
#[derive(Debug, Clone, PartialEq)]
pub struct Paired {
    /// mean(a) − mean(b).
    pub difference: f64,
    pub tests: [Test; 3],
}

/// Compares two methods over the same seeds.
pub fn paired(a: &[f64], b: &[f64]) -> Result<Paired, MetricError> {
    check("a", a)?;
    check("b", b)?;
    if a.len() != b.len() {
        return Err(MetricError::Lengths { a_name: "a", a: a.len(), b_name: "b", b: b.len() });
    }
    if a.len() > 1_000_000 {
        return Err(MetricError::Range { name: "a", what: "at most 1000000 values long", got: a.len() });
    }
    let differences = differences(a, b);
    Ok(Paired {
        difference: mean(&differences),
        tests: [t_test(&differences), sign(&differences), wilcoxon(&differences)],
    })
}

fn t_test(differences: &[f64]) -> Test {
    let n = differences.len();
    let none = |note: &str| Test { name: "paired_t", n, statistic: None, p: None, note: Some(note.to_owned()) };
    if n < 2 {
        return none("one pair has no spread");
    }
    let error = (covariance(differences, differences) / n as f64).sqrt();
    if error == 0.0 {
        return none("all differences are the same: there is no spread to compare with");
    }
    let t = mean(differences) / error;
    Test { name: "paired_t", n, statistic: Some(t), p: Some((2.0 * t_above(t.abs(), n - 1)).min(1.0)), note: None }
}

/// With n pairs, the smallest two-sided p of a test of signs or ranks is 2 / 2^n.
fn limit(n: usize) -> Option<String> {
    let smallest = 2.0 / 2f64.powi(n.min(1000) as i32);
    (smallest > 0.05).then(|| {
        let pairs = counted(n, "pair");
        format!(
            "with {pairs} that differ, no outcome reaches p < 0.05 (the smallest possible is {:.4})",
            smallest.min(1.0)
        )
    })
}

fn sign(differences: &[f64]) -> Test {
    let n_above = differences.iter().filter(|value| **value > 0.0).count();
    let n_below = differences.iter().filter(|value| **value < 0.0).count();
    let n = n_above + n_below;
    if n == 0 {
        return Test { name: "sign", n, statistic: None, p: None, note: Some("no pair differs".to_owned()) };
    }
    let fewer = n_above.min(n_below) as u64;
    let p = Binomial::new(0.5, n as u64).ok().map(|binomial| (2.0 * binomial.cdf(fewer)).min(1.0));
    Test { name: "sign", n, statistic: Some(n_above as f64), p, note: limit(n) }
}

fn wilcoxon(differences: &[f64]) -> Test {
    let differences: Vec<f64> = differences.iter().copied().filter(|value| *value != 0.0).collect();
    let n = differences.len();
    if n == 0 {
        return Test { name: "wilcoxon", n, statistic: None, p: None, note: Some("no pair differs".to_owned()) };
    }
    let sizes: Vec<f64> = differences.iter().map(|value| value.abs()).collect();
    let ranks = mid_ranks(&sizes);
    let above: f64 = ranks.iter().zip(&differences).filter(|(_, value)| **value > 0.0).map(|(rank, _)| rank).sum();
    let below: f64 = ranks.iter().sum::<f64>() - above;
    let statistic = above.min(below);
    let p = if n <= MAX_EXACT { exact(&ranks, statistic) } else { approximate(&ranks, statistic) };
    Test { name: "wilcoxon", n, statistic: Some(statistic), p: Some(p), note: limit(n) }
}

/// The chance of a sum of ranks this small in either direction, when every sign is a fair coin: all 2^n outcomes are
/// counted by their sum. Ranks are doubled, so that shared ones are whole.
fn exact(ranks: &[f64], statistic: f64) -> f64 {
    let doubled: Vec<usize> = ranks.iter().map(|rank| (2.0 * rank).round() as usize).collect();
    let most: usize = doubled.iter().sum();
    let mut chances = vec![0.0; most + 1];
    if let Some(first) = chances.first_mut() {
        *first = 1.0;
    }
    for rank in doubled {
        let before = chances.clone();
        for (sum, chance) in chances.iter_mut().enumerate() {
            let with = sum.checked_sub(rank).and_then(|rest| before.get(rest)).copied().unwrap_or(0.0);
            *chance = 0.5 * (*chance + with);
        }
    }
    let tail: f64 = chances.iter().take((2.0 * statistic).round() as usize + 1).sum();
    (2.0 * tail).min(1.0)
}

/// The normal approximation with the variance of the ranks as they are, shared ones included.
fn approximate(ranks: &[f64], statistic: f64) -> f64 {
    let center = ranks.iter().sum::<f64>() / 2.0;
    let spread = (ranks.iter().map(|rank| rank * rank).sum::<f64>() / 4.0).sqrt();
    (2.0 * Normal::standard().cdf((statistic - center) / spread)).min(1.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stats::reference::{cases, numbers};

    fn near(test: &Test, statistic: f64, p: f64) {
        assert!(test.statistic.is_some_and(|value| (value - statistic).abs() < 1e-9), "{test:?}");
        assert!(test.p.is_some_and(|value| (value - p).abs() < 1e-9), "{test:?}");
    }

    /// ```python
    /// a = [.71, .74, .69, .77, .72, .80, .75]; b = [.70, .70, .70, .71, .74, .73, .70]
    /// stats.ttest_rel(a, b)     # 2.140129125019265, 0.07613679645642425
    /// stats.binomtest(5, 7)     # 0.453125
    /// d = np.round(np.array(a) - np.array(b), 12); r = stats.rankdata(abs(d)); W = min(r[d > 0].sum(), r[d < 0].sum())
    /// 2 * sum(np.dot(s, r) <= W for s in itertools.product([0, 1], repeat=7)) / 2**7  # W 4.5, p 0.125
    /// ```
    #[test]
    fn the_tests_agree_with_scipy() {
        let a = [0.71, 0.74, 0.69, 0.77, 0.72, 0.80, 0.75];
        let b = [0.70, 0.70, 0.70, 0.71, 0.74, 0.73, 0.70];
        let Paired { difference, tests: [t, sign, wilcoxon] } = paired(&a, &b).expect("paired");
        assert!((difference - 0.2 / 7.0).abs() < 1e-9);
        near(&t, 2.140_129_125_019_265, 0.076_136_796_456_424_25);
        near(&sign, 5.0, 0.453_125);
        near(&wilcoxon, 4.5, 0.125);
    }

    /// Random pairs over 2 to 12 seeds, by scipy's `ttest_rel`, `binomtest` and exact `wilcoxon`: `tests/reference/comparisons.py`.
    #[test]
    fn random_pairs_agree_with_scipy() {
        for case in cases("paired") {
            let number = |name: &str| case[name].as_f64().expect("a number");
            let [t, sign, wilcoxon] = paired(&numbers(&case, "a"), &numbers(&case, "b")).expect("paired").tests;
            near(&t, number("t"), number("t_p"));
            near(&sign, number("above"), number("sign_p"));
            near(&wilcoxon, number("w"), number("w_p"));
        }
    }

    /// `stats.wilcoxon(d, method="exact")` with `d = np.arange(1, 61) * np.where(np.arange(60) % 3 == 0, -1, 1.)`:
    /// 590, 0.01613712308755133; with `method="approx"`: 0.016733071607703435. Ties by enumeration as above, over
    /// `[1, 1, -1, 2, 3, -2, 4, 4]`: 6.5, 0.1328125.
    #[test]
    fn wilcoxon_is_exact_and_meets_its_approximation() {
        let many: Vec<f64> = (0..60).map(|at| f64::from(at + 1) * if at % 3 == 0 { -1.0 } else { 1.0 }).collect();
        near(&wilcoxon(&many), 590.0, 0.016_137_123_087_551_33);
        let ranks = mid_ranks(&many.iter().map(|value| value.abs()).collect::<Vec<_>>());
        assert!((approximate(&ranks, 590.0) - 0.016_733_071_607_703_435).abs() < 1e-9);
        near(&wilcoxon(&[1.0, 1.0, -1.0, 2.0, 3.0, -2.0, 4.0, 4.0]), 6.5, 0.1328125);
    }

    #[test]
    fn five_pairs_cannot_reach_the_usual_level() {
        let Paired { tests: [_, sign, wilcoxon], .. } =
            paired(&[0.9, 0.91, 0.92, 0.93, 0.94], &[0.1, 0.2, 0.3, 0.4, 0.45]).expect("paired");
        near(&wilcoxon, 0.0, 0.0625);
        near(&sign, 5.0, 0.0625);
        assert!(wilcoxon.note.is_some_and(|note| note.contains("5 pairs") && note.contains("0.0625")));
    }

    #[test]
    fn what_does_not_vary_is_explained() {
        let Paired { tests: [t, sign, wilcoxon], .. } = paired(&[0.5, 0.6], &[0.5, 0.6]).expect("paired");
        assert!(t.p.is_none() && t.note.is_some());
        // 0.1 three times: their mean is 0.10000000000000002.
        let even = paired(&[0.9, 0.8, 0.7], &[0.8, 0.7, 0.6]).expect("paired").tests;
        assert!(even[0].p.is_none() && even[0].statistic.is_none() && even[0].note.is_some(), "{even:?}");
        near(&even[1], 3.0, 0.25);
        assert_eq!(sign.note.as_deref(), Some("no pair differs"));
        assert!(wilcoxon.p.is_none());
        assert!(paired(&[], &[]).is_err() && paired(&[1.0], &[1.0, 2.0]).is_err());
        assert!(paired(&[f64::INFINITY], &[1.0]).is_err());
    }
}
