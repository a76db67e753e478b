//! `metric::equivalence`

use super::t_test::{map, number};
use crate::bind::prelude::*;
use crate::stats::one_sample;

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
    let found = one_sample::equivalence(&call.arg::<Vec<f64>>(0)?, call.arg(1)?)?;
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
