//! `metric::mean`, `metric::interval_t`, `metric::interval_bootstrap`, `metric::interval_wilson`, `metric::paired`

use super::pgr::LevelOptions;
use super::truth::{Truth, scored};
use crate::bind::prelude::*;
use crate::frames::Frame;
use crate::stats::intervals::{self, LEVEL, Resampling};
use crate::stats::paired;
use polars::prelude::Column;

/// Lists the functions.
pub fn register(registry: &mut Registry) {
    registry.add(
        over_seeds("mean")
            .about("The mean over seeds, with Student's t interval.")
            .example("metric::mean([0.62, 0.66, 0.64, 0.70, 0.61])", "0.6460 [0.6016, 0.6904] (95 %, 5 seeds)")
            .fails("metric::mean([])", "`values` has no value"),
    );
    registry.add(
        over_seeds("interval_t")
            .about("Student's t interval of the mean over seeds; `metric::mean` is the same.")
            .example(
                "let t = metric::interval_t([0.62, 0.66, 0.64, 0.70, 0.61], #{ level: 0.9 }); t.high - t.low < 0.08",
                "true",
            )
            .fails("metric::interval_t([0.5, 0.6], #{ level: 95 })", "the level must be between 0.5 and 1, got `95`"),
    );
    registry.add(bootstrap());
    registry.add(share());
    registry.add(compared());
}

fn over_seeds(name: &'static str) -> Function {
    Function::new("metric", name, |call| {
        let options: LevelOptions = call.options()?;
        Ok(Dynamic::from(intervals::t(&call.arg::<Vec<f64>>(0)?, options.level)?))
    })
    .details(
        "`mean ± t · s/√n` with n − 1 degrees of freedom. One seed has no interval, and says so. A percentile bootstrap \
         over so few seeds would cover too little (83 % with five seeds, 75 % with three, where 95 % is stated).",
    )
    .source("Student 1908")
    .param::<Vec<f64>>("values", "one number per seed")
    .options::<LevelOptions>()
    .returns("Estimate: the mean with its interval")
}

options! {
    /// What is resampled, and how.
    pub struct BootstrapOptions {
        /// `accuracy`, `auroc`, `log_loss` or `brier`.
        metric: String = "accuracy".to_owned(),
        /// How many resamples.
        draws: usize = 1000,
        /// The session's seed unless given.
        seed: Option<u64> = None,
        /// The interval's coverage.
        level: f64 = LEVEL,
    }
}

fn bootstrap() -> Function {
    Function::new("metric", "interval_bootstrap", |call| {
        let options: BootstrapOptions = call.options()?;
        let metric = options.metric.parse()?;
        let how =
            Resampling { draws: options.draws, seed: call.ctx().seed(options.seed), level: options.level };
        Ok(Dynamic::from(intervals::bootstrap(call.ctx(), &scored(call)?, metric, how)?))
    })
    .about("A metric of one seed's predictions with a percentile bootstrap interval over the test rows.")
    .details(
        "Rows are drawn with repeats. The interval covers the draw of test rows only, not the seeds of training: over seeds \
         use `metric::mean`. Draws in which the metric has no value are left out and counted. Where all draws give the same, as \
         of one row or of rows that are all right, there is no interval, and `reason` says how much could go unseen. `ece` is \
         refused: a resample's calibration error lies above that of the rows.",
    )
    .source("Efron 1979")
    .param::<Frame>("predictions", "`id`, `p0`, `p1`, …")
    .param::<Truth>("truth", "data, whose truth is read and the read recorded, or a frame with `id` and `label`")
    .options::<BootstrapOptions>()
    .returns("Estimate: the metric with its interval")
    .example(
        "let p = frame::of(#{ id: [\"a\", \"b\", \"c\", \"d\"], p0: [0.9, 0.8, 0.2, 0.4], p1: [0.1, 0.2, 0.8, 0.6] });\n\
         let truth = frame::of(#{ id: [\"a\", \"b\", \"c\", \"d\"], label: [0, 0, 1, 0] });\n\
         metric::interval_bootstrap(p, truth, #{ seed: 0 }).value",
        "0.75",
    )
    .example(
        "let p = frame::of(#{ id: [\"a\"], p0: [0.9], p1: [0.1] });\n\
         metric::interval_bootstrap(p, frame::of(#{ id: [\"a\"], label: [0] }))",
        "1.0000; one test row has no spread, so there is no interval",
    )
    .fails(
        "let p = frame::of(#{ id: [\"a\"], p0: [0.9], p1: [0.1] });\n\
         metric::interval_bootstrap(p, frame::of(#{ id: [\"a\"], label: [0] }), #{ metric: \"f1\" })",
        "there is no metric `f1` to resample",
    )
    .fails(
        "let p = frame::of(#{ id: [\"a\"], p0: [0.9], p1: [0.1] });\n\
         metric::interval_bootstrap(p, frame::of(#{ id: [\"a\"], label: [0] }), #{ metric: \"ece\" })",
        "a bootstrap of ece covers nothing",
    )
}

fn share() -> Function {
    Function::new("metric", "interval_wilson", |call| {
        let options: LevelOptions = call.options()?;
        let right = scored(call)?.is_right();
        let n_right = right.iter().filter(|is_right| **is_right > 0.5).count();
        Ok(Dynamic::from(crate::stats::wilson(n_right, right.len(), options.level)?))
    })
    .about("The accuracy of one seed's predictions with Wilson's interval over the test rows.")
    .details(
        "The shares that the rows do not contradict, by the normal approximation under each share itself: within 0 to 1, not \
         symmetric near the ends, and with a width where all rows are right. It covers the draw of test rows only, not the seeds \
         of training. Of the agreement of two models: give the one's predictions as truth, \
         `p.rename(#{ prediction: \"label\" })`.",
    )
    .source("Wilson 1927; Brown, Cai and DasGupta 2001")
    .param::<Frame>("predictions", "`id`, and `p0`, `p1`, … or `prediction`")
    .param::<Truth>("truth", "data, whose truth is read and the read recorded, or a frame with `id` and `label`")
    .options::<LevelOptions>()
    .returns("Estimate: the accuracy, 0 to 1, with its interval")
    .example(
        "let ids = [\"a\", \"b\", \"c\", \"d\"];\n\
         metric::interval_wilson(frame::of(#{ id: ids, prediction: [0, 1, 1, 0] }), frame::of(#{ id: ids, label: [0, 1, 1, 1] }))",
        "0.7500 [0.3006, 0.9544] (95 %, Wilson, 4 test rows of one seed)",
    )
    .fails(
        "let ids = [\"a\", \"b\"];\n\
         let p = frame::of(#{ id: ids, prediction: [0, 1] });\n\
         metric::interval_wilson(p, frame::of(#{ id: ids, label: [0, 1] }), #{ level: 95 })",
        "the level must be between 0.5 and 1, got `95`",
    )
}

fn compared() -> Function {
    Function::new("metric", "paired", |call| {
        let (a, b): (Vec<f64>, Vec<f64>) = (call.arg(0)?, call.arg(1)?);
        let answer = paired::paired(&a, &b)?;
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
