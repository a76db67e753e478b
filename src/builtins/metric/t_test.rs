//! `metric::t_test`

use crate::bind::prelude::*;
use crate::stats::one_sample;

/// The record.
pub fn function() -> Function {
    Function::new("metric", "t_test", run)
        .about("Student's t test of the mean of numbers against zero: one per seed, such as paired differences.")
        .details(
            "`p` is two-sided, `p_greater` says that the mean is above zero, `p_less` that it is below. `low` and `high` are the 95 % interval. \
             One number, or numbers that are all the same, have no test: then these are `()`, and `reason` says why.",
        )
        .source("Student 1908; scipy's `ttest_1samp`")
        .param::<Vec<f64>>("values", "one number per seed")
        .returns("object map: `n`, `mean`, `sd`, `t`, `p`, `p_greater`, `p_less`, `low`, `high`, `reason`")
        .example("let test = metric::t_test([0.1, 0.2, 0.3]); [test.t > 3.4, test.p < 0.08, test.p_greater < 0.04]", "[true, true, true]")
        .example("metric::t_test([0.1]).reason", "one seed has no spread")
        .fails("metric::t_test([])", "`values` has no value")
}

fn run(call: &mut Call) -> Answer {
    let found = one_sample::t_test(&call.arg::<Vec<f64>>(0)?)?;
    Ok(Dynamic::from(map([
        ("n", Dynamic::from(found.n as i64)),
        ("mean", Dynamic::from(found.mean)),
        ("sd", number(found.sd)),
        ("t", number(found.t)),
        ("p", number(found.p)),
        ("p_greater", number(found.p_greater)),
        ("p_less", number(found.p_less)),
        ("low", number(found.bounds.map(|(low, _)| low))),
        ("high", number(found.bounds.map(|(_, high)| high))),
        ("reason", found.reason.map_or(Dynamic::UNIT, Dynamic::from)),
    ])))
}

/// A number that may not be there.
pub(super) fn number(value: Option<f64>) -> Dynamic {
    value.map_or(Dynamic::UNIT, Dynamic::from)
}

pub(super) fn map<const N: usize>(entries: [(&str, Dynamic); N]) -> Map {
    entries.into_iter().map(|(name, value)| (name.into(), value)).collect()
}
