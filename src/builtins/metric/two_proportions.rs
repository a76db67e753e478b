//! `metric::two_proportions`

use crate::bind::prelude::*;
use crate::stats::proportions;

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
    let found = proportions::two_proportions((call.arg(0)?, call.arg(1)?), (call.arg(2)?, call.arg(3)?))?;
    let number = |value: Option<f64>| value.map_or(Dynamic::UNIT, Dynamic::from);
    let map: Map = [
        ("difference".into(), Dynamic::from(found.difference)),
        ("z".into(), number(found.z)),
        ("p".into(), number(found.p)),
    ]
    .into_iter()
    .collect();
    Ok(Dynamic::from(map))
}
