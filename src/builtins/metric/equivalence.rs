//! `metric::equivalence`

use super::t_test::t_test;
use super::{map, number};
use crate::bind::prelude::*;
use crate::stats::MetricError;
use crate::stats::intervals::{check, t_above, t_quantile};

/// The record.
pub fn function() -> Function {
    Function::new("metric", "equivalence", run)
        .about("Whether the mean of numbers is within a margin of zero: two one-sided t tests.")
        .details(
            "That no effect was found is no evidence that there is none; this test has \"an effect as large as the margin\" as what is to be \
             refuted, on both sides. `p_lower` says that the mean is above −margin, `p_upper` that it is below the margin, `p` is the larger of the \
             two. `low` and `high` are the 90 % interval, which lies inside the margin where `p` is below 5 %.",
        )
        .source("Schuirmann 1987; statsmodels' `ttost_mean`")
        .param::<Vec<f64>>("values", "one number per seed, such as paired differences")
        .param::<f64>("margin", "the smallest effect that would matter, above 0")
        .returns("object map: `n`, `mean`, `p`, `p_lower`, `p_upper`, `low`, `high`, `reason`")
        .example("metric::equivalence([0.01, -0.01, 0.02, 0.0], 0.05).p < 0.01", "true")
        .example("metric::equivalence([0.1, -0.1, 0.2, 0.0], 0.05).p > 0.05", "true")
        .fails("metric::equivalence([0.01, 0.02], 0.0)", "`margin` must be above 0, got `0`")
}

fn run(call: &mut Call) -> Answer {
    let found = equivalence(&call.arg::<Vec<f64>>(0)?, call.arg(1)?)?;
    Ok(Dynamic::from(map([
        ("n", Dynamic::from(found.n as i64)),
        ("mean", Dynamic::from(found.mean)),
        ("p", number(found.p)),
        ("p_lower", number(found.p_lower)),
        ("p_upper", number(found.p_upper)),
        ("low", number(found.bounds.map(|(low, _)| low))),
        ("high", number(found.bounds.map(|(_, high)| high))),
        ("reason", found.reason.map_or(Dynamic::UNIT, Dynamic::from)),
    ])))
}

/// What two one-sided tests say.
#[derive(Debug, Clone, PartialEq)]
pub struct Equivalence {
    pub n: usize,
    pub mean: f64,
    /// The larger of the two: that the mean is within the margin.
    pub p: Option<f64>,
    /// That the mean is above −margin.
    pub p_lower: Option<f64>,
    /// That the mean is below the margin.
    pub p_upper: Option<f64>,
    /// The 90 % interval, which lies within the margin where `p` is below 5 %.
    pub bounds: Option<(f64, f64)>,
    pub reason: Option<String>,
}

/// Two one-sided t tests (Schuirmann 1987) that the mean of `values` lies within `±margin`.
pub fn equivalence(values: &[f64], margin: f64) -> Result<Equivalence, MetricError> {
    check("margin", &[margin])?;
    if margin <= 0.0 {
        return Err(MetricError::NotPositive { name: "margin", value: margin });
    }
    let test = t_test(values)?;
    let mut found = Equivalence {
        n: test.n,
        mean: test.mean,
        p: None,
        p_lower: None,
        p_upper: None,
        bounds: None,
        reason: test.reason,
    };
    if let (Some(sd), None) = (test.sd, &found.reason) {
        let error = sd / (test.n as f64).sqrt();
        let above = |bound: f64| t_above((test.mean - bound) / error, test.n - 1);
        let (lower, upper) = (above(-margin), 1.0 - above(margin));
        // 1 − sf loses what is below 1e-16; the other side keeps it.
        let upper = if upper < 1e-3 { t_above((margin - test.mean) / error, test.n - 1) } else { upper };
        let half = t_quantile(0.95, test.n - 1) * error;
        found.p = Some(lower.max(upper));
        found.p_lower = Some(lower);
        found.p_upper = Some(upper);
        found.bounds = Some((test.mean - half, test.mean + half));
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stats::reference::{claims, near, numbers};

    /// By statsmodels' `DescrStatsW.ttost_mean`: `tests/reference/claims.py`.
    #[test]
    fn two_one_sided_tests_agree_with_statsmodels() {
        for case in claims("equivalence") {
            let number = |name: &str| case[name].as_f64().expect("a number");
            let found = equivalence(&numbers(&case, "values"), number("margin")).expect("a test");
            near(found.p, number("p"));
            near(found.p_lower, number("p_lower"));
            near(found.p_upper, number("p_upper"));
            let (low, high) = found.bounds.expect("an interval");
            let is_within = -number("margin") < low && high < number("margin");
            assert_eq!(is_within, number("p") < 0.05, "{case}");
        }
    }

    #[test]
    fn what_has_no_spread_has_no_test_and_says_why() {
        let same = equivalence(&[0.0, 0.0], 0.1).expect("a mean");
        assert!(same.p.is_none() && same.reason.is_some());
        for margin in [0.0, -0.1, f64::NAN] {
            assert!(equivalence(&[0.1, 0.2], margin).is_err());
        }
    }
}
