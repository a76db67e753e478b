//! `metric::interval_bootstrap`

use super::truth::{Truth, scored};
use super::{Metric, by_name};
use crate::bind::prelude::*;
use crate::core::context::Context;
use crate::core::random::Random;
use crate::frames::Frame;
use crate::stats::estimate::percent;
use crate::stats::intervals::{LEVEL, check_level, counted, is_one_value};
use crate::stats::{Estimate, MetricError, Scored};

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

/// The record.
pub fn function() -> Function {
    Function::new("metric", "interval_bootstrap", |call| {
        let options: BootstrapOptions = call.options()?;
        let metric = by_name(&options.metric)?;
        let how =
            Resampling { draws: options.draws, seed: call.ctx().seed(options.seed), level: options.level };
        Ok(Dynamic::from(bootstrap(call.ctx(), &scored(call)?, metric, how)?))
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
        "a bootstrap interval of ece does not cover the true value",
    )
}

/// How rows are resampled.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Resampling {
    pub draws: usize,
    pub seed: u64,
    pub level: f64,
}

/// A metric with a percentile bootstrap interval over the rows of one seed. Rows are drawn with repeats; a draw in which
/// the metric has no value (one class only) is left out, and the estimate says how many were. Where every draw gives the
/// same, as of one row or of rows that are all right, there is no interval, and the estimate says why. The calibration error is
/// refused: of a resample it is larger than of the rows, which is larger than the truth, so that no interval would cover.
pub fn bootstrap(
    ctx: &Context,
    scored: &Scored,
    metric: &dyn Metric,
    how: Resampling,
) -> Result<Estimate, MetricError> {
    check_level(how.level)?;
    if !metric.has_bootstrap() {
        return Err(MetricError::NoBootstrap);
    }
    if !(100..=100_000).contains(&how.draws) {
        return Err(MetricError::Range { name: "draws", what: "between 100 and 100000", got: how.draws });
    }
    let value = metric.value(scored)?;
    let n = scored.n_rows();
    let without = |reason: String| Ok(Estimate { reason: Some(reason), ..Estimate::plain("metric", value) });
    if n == 1 {
        return without("one test row has no spread, so there is no interval".to_owned());
    }
    if !value.is_finite() {
        return without(format!("{} has no finite value on these rows, so there is no interval", metric.name()));
    }
    let resampled = metric.resampler(scored)?;
    let mut random = Random::new(how.seed, "metric/bootstrap");
    let mut values = Vec::with_capacity(how.draws);
    for _ in 0..how.draws {
        ctx.interrupt.check()?;
        let places: Vec<usize> = (0..n).map(|_| random.below(n)).collect();
        values.extend(resampled(&places)?);
    }
    let n_lost = how.draws - values.len();
    if n_lost * 20 > how.draws {
        return Err(MetricError::Undefined(format!(
            "{n_lost} of {} draws have a class without any row: there are too few rows to resample",
            how.draws
        )));
    }
    values.sort_by(f64::total_cmp);
    if is_one_value(&values) {
        return without(all_alike(metric, value, n, how.level));
    }
    let tail = (1.0 - how.level) / 2.0;
    let bounds = Some((percentile(&values, tail), percentile(&values, 1.0 - tail)));
    let over = format!("bootstrap over {} of one seed", counted(n, "test row"));
    let reason = (n_lost > 0).then(|| format!("{n_lost} of {} draws lacked a class and were left out", how.draws));
    Ok(Estimate { bounds, level: how.level, over, reason, ..Estimate::plain("metric", value) })
}

/// Why there is no interval where every draw gives the same. Of rows that are all right or all wrong, chance still says how
/// far the rate may be from that: an error rate of `q` leaves `n` rows without an error with the chance `(1 − q)^n`.
fn all_alike(metric: &dyn Metric, value: f64, n: usize, level: f64) -> String {
    let same = format!("every draw gives {value:.4}, so resampling {} has no interval", counted(n, "test row"));
    if !metric.is_share() || !(value == 0.0 || value == 1.0) {
        return same;
    }
    let (what, share) = if value == 1.0 { ("right", "wrong") } else { ("wrong", "right") };
    let most = 1.0 - (1.0 - level).powf(1.0 / n as f64);
    format!(
        "all {} are {what}: {same}; of {n} such rows, up to {:.2} % {share} would go unseen at {} %",
        counted(n, "test row"),
        100.0 * most,
        percent(level)
    )
}

/// Linear interpolation between the two nearest of sorted values.
fn percentile(sorted: &[f64], q: f64) -> f64 {
    let at = q * sorted.len().saturating_sub(1) as f64;
    let of = |place: f64| sorted.get(place as usize).copied().unwrap_or(f64::NAN);
    let (below, above) = (of(at.floor()), of(at.ceil()));
    if below == above { below } else { below + (above - below) * at.fract() }
}

#[cfg(test)]
mod tests {
    use super::super::BY_NAME;
    use super::super::accuracy::Accuracy;
    use super::super::auroc::Auroc;
    use super::super::brier::Brier;
    use super::super::ece::Ece;
    use super::super::log_loss::LogLoss;
    use super::super::tests::scored;
    use super::*;

    #[test]
    fn the_bootstrap_repeats_and_says_what_it_covers() {
        let ctx = Context::for_tests();
        let p1: Vec<f32> = (0..200).map(|row| if row % 4 == 0 { 0.25 } else { 0.75 }).collect();
        let scored = scored(&p1, &(0..200).map(|row| row % 2).collect::<Vec<_>>());
        let how = Resampling { draws: 500, seed: 3, level: 0.95 };
        let one = bootstrap(&ctx, &scored, &Accuracy, how).expect("an estimate");
        assert_eq!(one, bootstrap(&ctx, &scored, &Accuracy, how).expect("an estimate"));
        let (low, high) = one.bounds.expect("an interval");
        // The normal approximation: 0.75 ± 1.96·√(0.75·0.25/200) = 0.69 … 0.81.
        assert!((low - 0.69).abs() < 0.02 && (high - 0.81).abs() < 0.02, "{low} {high}");
        assert!(one.to_string().contains("bootstrap over 200 test rows of one seed"));
        ctx.interrupt.raise();
        assert!(bootstrap(&ctx, &scored, &Accuracy, how).is_err());
    }

    #[test]
    fn rows_without_a_spread_have_no_interval_and_say_why() {
        let ctx = Context::for_tests();
        let how = Resampling { draws: 200, seed: 0, level: 0.95 };
        let of = |p1: &[f32], truth: &[usize], metric: &dyn Metric| bootstrap(&ctx, &scored(p1, truth), metric, how);
        let one = of(&[0.75], &[1], &Accuracy).expect("a value");
        assert_eq!((one.value, one.bounds), (Some(1.0), None));
        assert!(one.to_string().contains("one test row has no spread"), "{one}");
        let (p1, truth) = ([0.75; 60], [1; 60]);
        let right = of(&p1, &truth, &Accuracy).expect("a value");
        assert_eq!((right.value, right.bounds), (Some(1.0), None));
        // 1 − 0.05^(1/60), the exact bound that the rule of three comes near to.
        assert!(right.to_string().contains("up to 4.87 % wrong would go unseen at 95 %"), "{right}");
        let wrong = of(&p1, &[0; 60], &Accuracy).expect("a value");
        assert!(wrong.bounds.is_none() && wrong.to_string().contains("all 60 test rows are wrong"), "{wrong}");
        let apart = of(&[0.9, 0.8, 0.9, 0.8, 0.1, 0.2, 0.1, 0.2], &[1, 1, 1, 1, 0, 0, 0, 0], &Auroc).expect("a value");
        assert_eq!((apart.value, apart.bounds), (Some(1.0), None));
        assert!(of(&p1, &truth, &Brier).expect("a value").bounds.is_none());
        let certain = of(&[1.0, 1.0, 0.5, 0.25], &[0, 1, 1, 0], &LogLoss).expect("a value");
        assert!(certain.bounds.is_none() && certain.to_string().contains("no finite value"), "{certain}");
        assert!(of(&p1, &truth, &Ece).expect_err("biased").to_string().contains("does not cover the true value"));
    }

    #[test]
    fn a_resample_has_the_value_of_its_rows_to_the_bit() {
        let mut random = Random::new(2, "resample");
        let p1: Vec<f32> = (0..60).map(|_| random.below(12) as f32 / 11.0).collect();
        let truth: Vec<usize> = (0..60).map(|row| usize::from(row % 7 > 3)).collect();
        let scored = scored(&p1, &truth);
        for metric in BY_NAME {
            let resampled = metric.resampler(&scored).expect("rows");
            for n in [60, 2] {
                for _ in 0..200 {
                    let places: Vec<usize> = (0..n).map(|_| random.below(60)).collect();
                    let got = resampled(&places).expect("a draw").map(f64::to_bits);
                    assert_eq!(
                        got,
                        metric.value(&scored.resampled(&places)).ok().map(f64::to_bits),
                        "{}",
                        metric.name()
                    );
                }
            }
        }
    }
}
