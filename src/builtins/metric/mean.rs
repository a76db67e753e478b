//! `metric::mean`, `metric::interval_t`: the formula is [`intervals::t`], which estimates of a policy use too.

use super::LevelOptions;
use crate::bind::prelude::*;
use crate::stats::intervals;

/// The records.
pub fn register(registry: &mut Registry) {
    registry.add(
        over_seeds(Function::new("metric", "mean", run))
            .about("The mean over seeds, with Student's t interval.")
            .example("metric::mean([0.62, 0.66, 0.64, 0.70, 0.61])", "0.6460 [0.6016, 0.6904] (95 %, 5 seeds)")
            .fails("metric::mean([])", "`values` has no value"),
    );
    registry.add(
        over_seeds(Function::new("metric", "interval_t", run))
            .about("Student's t interval of the mean over seeds; `metric::mean` is the same.")
            .example(
                "let t = metric::interval_t([0.62, 0.66, 0.64, 0.70, 0.61], #{ level: 0.9 }); t.high - t.low < 0.08",
                "true",
            )
            .fails("metric::interval_t([0.5, 0.6], #{ level: 95 })", "the level must be between 0.5 and 1, got `95`"),
    );
}

fn over_seeds(function: Function) -> Function {
    function.details(
        "`mean ± t · s/√n` with n − 1 degrees of freedom. One seed has no interval, and says so. A percentile bootstrap \
         over so few seeds would cover too little (83 % with five seeds, 75 % with three, where 95 % is stated).",
    )
    .source("Student 1908")
    .param::<Vec<f64>>("values", "one number per seed")
    .options::<LevelOptions>()
    .returns("Estimate: the mean with its interval")
}

fn run(call: &mut Call) -> Answer {
    let options: LevelOptions = call.options()?;
    Ok(Dynamic::from(intervals::t(&call.arg::<Vec<f64>>(0)?, options.level)?))
}
