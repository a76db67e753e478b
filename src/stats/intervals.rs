//! Intervals: Student's t over seeds, Fieller's for a ratio over paired seeds, the bootstrap over rows.

use super::resample::Resampler;
use super::scores::{Metric, Scored};
use super::{Estimate, MetricError, covariance, is_rounding, mean};
use crate::core::context::Context;
use crate::core::random::Random;
use statrs::distribution::{ContinuousCDF, StudentsT};

/// The coverage that is meant where none is stated.
pub const LEVEL: f64 = 0.95;

/// The most values of one sample. Chosen: far above any number of seeds, and rows fit.
const MAX_VALUES: usize = 20_000_000;

/// Fails on values that cannot be averaged.
pub fn check(name: &'static str, values: &[f64]) -> Result<(), MetricError> {
    if values.is_empty() {
        return Err(MetricError::NoValues { name });
    }
    if values.len() > MAX_VALUES {
        return Err(MetricError::Range { name, what: "at most 20000000 values long", got: values.len() });
    }
    match values.iter().find(|value| !value.is_finite()) {
        Some(value) => Err(MetricError::NotFinite { name, value: *value }),
        None => Ok(()),
    }
}

/// Fails on a coverage that is none.
pub fn check_level(level: f64) -> Result<(), MetricError> {
    if level > 0.5 && level < 1.0 { Ok(()) } else { Err(MetricError::Level(level)) }
}

/// The quantile of Student's t: `q` in (0, 1), `freedom` ≥ 1.
pub fn t_quantile(q: f64, freedom: usize) -> f64 {
    StudentsT::new(0.0, 1.0, freedom.max(1) as f64).map_or(f64::NAN, |t| t.inverse_cdf(q))
}

/// The chance that Student's t is above `t`.
pub fn t_above(t: f64, freedom: usize) -> f64 {
    if t.is_infinite() {
        return if t > 0.0 { 0.0 } else { 1.0 };
    }
    StudentsT::new(0.0, 1.0, freedom.max(1) as f64).map_or(f64::NAN, |distribution| distribution.sf(t))
}

/// `5 seeds`, `1 seed`.
pub(super) fn counted(n: usize, unit: &str) -> String {
    if n == 1 { format!("{n} {unit}") } else { format!("{n} {unit}s") }
}

/// The mean over seeds with Student's t interval. One seed has a mean and no interval, and says so.
pub fn t(values: &[f64], level: f64) -> Result<Estimate, MetricError> {
    check("values", values)?;
    check_level(level)?;
    let n = values.len();
    let center = mean(values);
    let mut estimate = Estimate { level, over: counted(n, "seed"), ..Estimate::plain("mean", center) };
    if n < 2 {
        estimate.reason = Some("one seed has no spread, so there is no interval".to_owned());
        return Ok(estimate);
    }
    let is_one_value = is_one_value(values);
    let error = if is_one_value { 0.0 } else { (covariance(values, values) / n as f64).sqrt() };
    let half = t_quantile(0.5 + level / 2.0, n - 1) * error;
    estimate.bounds = Some((center - half, center + half));
    if is_one_value {
        estimate.reason = Some("all seeds have the same value, so the interval has no width".to_owned());
    }
    Ok(estimate)
}

/// Whether values differ by rounding at most: 0.3 and 0.1 + 0.2 have no spread.
fn is_one_value(values: &[f64]) -> bool {
    values.first().is_none_or(|first| values.iter().all(|value| is_rounding(*value, *first)))
}

/// What Fieller's theorem says about a ratio of means.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Fieller {
    /// Between the two.
    Bounded(f64, f64),
    /// Below the first or above the second.
    Outside(f64, f64),
    /// Any ratio at all.
    Everything,
}

/// Fieller's interval for mean(y) / mean(x) over pairs: the ratios θ for which mean(y) − θ·mean(x) is within `t` standard
/// errors of zero. The set of them is the solution of a quadratic inequality; where mean(x) itself is within `t`
/// standard errors of zero, it has no bounds.
pub fn fieller(y: &[f64], x: &[f64], t: f64) -> Fieller {
    let n = y.len().min(x.len()) as f64;
    let (my, mx) = (mean(y), mean(x));
    let (vyy, vxx, vxy) = (covariance(y, y) / n, covariance(x, x) / n, covariance(y, x) / n);
    // a·θ² − 2·b·θ + c ≤ 0
    let (a, b, c) = (mx * mx - t * t * vxx, mx * my - t * t * vxy, my * my - t * t * vyy);
    let discriminant = b * b - a * c;
    if a > 0.0 {
        let root = discriminant.max(0.0).sqrt();
        return Fieller::Bounded((b - root) / a, (b + root) / a);
    }
    if discriminant <= 0.0 || a == 0.0 {
        return Fieller::Everything;
    }
    let root = discriminant.sqrt();
    // a is negative: dividing turns the order.
    Fieller::Outside((b + root) / a, (b - root) / a)
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
pub fn bootstrap(ctx: &Context, scored: &Scored, metric: Metric, how: Resampling) -> Result<Estimate, MetricError> {
    check_level(how.level)?;
    if metric == Metric::Ece {
        return Err(MetricError::NoBootstrap);
    }
    if !(100..=100_000).contains(&how.draws) {
        return Err(MetricError::Range { name: "draws", what: "between 100 and 100000", got: how.draws });
    }
    let value = scored.value(metric)?;
    let n = scored.n_rows();
    let without = |reason: String| Ok(Estimate { reason: Some(reason), ..Estimate::plain("metric", value) });
    if n == 1 {
        return without("one test row has no spread, so there is no interval".to_owned());
    }
    if !value.is_finite() {
        return without(format!("{metric} has no finite value on these rows, so there is no interval"));
    }
    let resampler = Resampler::new(scored, metric)?;
    let mut random = Random::new(how.seed, "metric/bootstrap");
    let mut values = Vec::with_capacity(how.draws);
    for _ in 0..how.draws {
        ctx.interrupt.check()?;
        let places: Vec<usize> = (0..n).map(|_| random.below(n)).collect();
        values.extend(resampler.value(&places)?);
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
fn all_alike(metric: Metric, value: f64, n: usize, level: f64) -> String {
    let same = format!("every draw gives {value:.4}, so resampling {} has no interval", counted(n, "test row"));
    if metric != Metric::Accuracy || !(value == 0.0 || value == 1.0) {
        return same;
    }
    let (what, share) = if value == 1.0 { ("right", "wrong") } else { ("wrong", "right") };
    let most = 1.0 - (1.0 - level).powf(1.0 / n as f64);
    format!(
        "all {} are {what}: {same}; of {n} such rows, up to {:.2} % {share} would go unseen at {} %",
        counted(n, "test row"),
        100.0 * most,
        super::estimate::percent(level)
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
    use super::super::scores::tests::scored;
    use super::*;

    /// ```python
    /// from scipy import stats
    /// stats.t.ppf(.975, [1, 2, 4, 9, 30, 1000])
    /// stats.t.interval(.95, 4, loc=np.mean(x), scale=stats.sem(x))  # x = [.62, .66, .64, .70, .61]
    /// ```
    #[test]
    fn t_agrees_with_scipy() {
        let expected = [
            (1, 12.706_204_736_174_694),
            (2, 4.302_652_729_749_462),
            (4, 2.776_445_105_197_793),
            (9, 2.262_157_162_798_205),
            (30, 2.042_272_456_301_237_8),
            (1000, 1.962_339_080_826_408_3),
        ];
        for (freedom, quantile) in expected {
            assert!((t_quantile(0.975, freedom) / quantile - 1.0).abs() < 1e-8, "{freedom}");
        }
        let (low, high) = t(&[0.62, 0.66, 0.64, 0.70, 0.61], 0.95).expect("five values").bounds.expect("an interval");
        assert!((low - 0.601_576_878_316_835_4).abs() < 1e-9 && (high - 0.690_423_121_683_164_7).abs() < 1e-9);
    }

    #[test]
    fn few_and_odd_values_are_explained() {
        let one = t(&[0.5], 0.95).expect("a mean");
        assert_eq!((one.value, one.bounds), (Some(0.5), None));
        assert!(one.to_string().contains("one seed has no spread"));
        assert!(t(&[], 0.95).is_err() && t(&[f64::NAN], 0.95).is_err() && t(&[1.0, 2.0], 1.0).is_err());
        let same = t(&[0.5, 0.5], 0.95).expect("a mean");
        assert_eq!(same.bounds, Some((0.5, 0.5)));
        assert!(same.reason.is_some());
        let same = t(&[0.1; 3], 0.95).expect("a mean");
        assert!(same.bounds.is_some_and(|(low, high)| low == high) && same.reason.is_some(), "{same:?}");
    }

    /// The interval covers the true ratio as often as it says: 4 000 experiments of five pairs with a ratio of 0.5, where
    /// the gap is clear and where it is within the noise (there the sets without bounds are what keeps the promise).
    #[test]
    fn fieller_covers_the_true_ratio() {
        for gap in [0.3, 0.05] {
            let mut random = Random::new(1, "fieller");
            let (mut n_covered, mut n_unbounded) = (0, 0);
            for _ in 0..4000 {
                let pairs: Vec<(f64, f64)> = (0..5)
                    .map(|_| {
                        let shared = random.normal();
                        let x = gap + 0.04 * (0.6 * shared + 0.8 * random.normal());
                        (0.5 * gap + 0.04 * (0.6 * shared + 0.8 * random.normal()), x)
                    })
                    .collect();
                let (y, x): (Vec<f64>, Vec<f64>) = pairs.into_iter().unzip();
                n_covered += usize::from(match fieller(&y, &x, t_quantile(0.975, 4)) {
                    Fieller::Bounded(low, high) => low <= 0.5 && 0.5 <= high,
                    Fieller::Outside(low, high) => {
                        n_unbounded += 1;
                        0.5 <= low || high <= 0.5
                    }
                    Fieller::Everything => {
                        n_unbounded += 1;
                        true
                    }
                });
            }
            let coverage = n_covered as f64 / 4000.0;
            // Four standard errors of a share of 0.95 over 4 000.
            assert!((coverage - 0.95).abs() < 0.014, "gap {gap}: coverage {coverage}, unbounded {n_unbounded}");
            assert_eq!(n_unbounded > 400, gap == 0.05, "unbounded {n_unbounded}");
        }
    }

    #[test]
    fn fieller_knows_its_three_shapes() {
        let t = t_quantile(0.975, 2);
        assert!(
            matches!(fieller(&[0.1, 0.11, 0.12], &[0.2, 0.21, 0.22], t), Fieller::Bounded(low, high) if low < high)
        );
        assert_eq!(fieller(&[0.1, -0.1, 0.05], &[0.1, -0.1, -0.02], t), Fieller::Everything);
        assert!(
            matches!(fieller(&[0.5, 0.51, 0.49], &[0.1, -0.1, 0.05], t), Fieller::Outside(low, high) if low < high)
        );
    }

    #[test]
    fn the_bootstrap_repeats_and_says_what_it_covers() {
        let ctx = Context::for_tests();
        let p1: Vec<f32> = (0..200).map(|row| if row % 4 == 0 { 0.25 } else { 0.75 }).collect();
        let scored = scored(&p1, &(0..200).map(|row| row % 2).collect::<Vec<_>>());
        let how = Resampling { draws: 500, seed: 3, level: 0.95 };
        let one = bootstrap(&ctx, &scored, Metric::Accuracy, how).expect("an estimate");
        assert_eq!(one, bootstrap(&ctx, &scored, Metric::Accuracy, how).expect("an estimate"));
        let (low, high) = one.bounds.expect("an interval");
        // The normal approximation: 0.75 ± 1.96·√(0.75·0.25/200) = 0.69 … 0.81.
        assert!((low - 0.69).abs() < 0.02 && (high - 0.81).abs() < 0.02, "{low} {high}");
        assert!(one.to_string().contains("bootstrap over 200 test rows of one seed"));
        ctx.interrupt.raise();
        assert!(bootstrap(&ctx, &scored, Metric::Accuracy, how).is_err());
    }

    #[test]
    fn rows_without_a_spread_have_no_interval_and_say_why() {
        let ctx = Context::for_tests();
        let how = Resampling { draws: 200, seed: 0, level: 0.95 };
        let of = |p1: &[f32], truth: &[usize], metric| bootstrap(&ctx, &scored(p1, truth), metric, how);
        let one = of(&[0.75], &[1], Metric::Accuracy).expect("a value");
        assert_eq!((one.value, one.bounds), (Some(1.0), None));
        assert!(one.to_string().contains("one test row has no spread"), "{one}");
        let (p1, truth) = ([0.75; 60], [1; 60]);
        let right = of(&p1, &truth, Metric::Accuracy).expect("a value");
        assert_eq!((right.value, right.bounds), (Some(1.0), None));
        // 1 − 0.05^(1/60), the exact bound that the rule of three comes near to.
        assert!(right.to_string().contains("up to 4.87 % wrong would go unseen at 95 %"), "{right}");
        let wrong = of(&p1, &[0; 60], Metric::Accuracy).expect("a value");
        assert!(wrong.bounds.is_none() && wrong.to_string().contains("all 60 test rows are wrong"), "{wrong}");
        let apart =
            of(&[0.9, 0.8, 0.9, 0.8, 0.1, 0.2, 0.1, 0.2], &[1, 1, 1, 1, 0, 0, 0, 0], Metric::Auroc).expect("a value");
        assert_eq!((apart.value, apart.bounds), (Some(1.0), None));
        assert!(of(&p1, &truth, Metric::Brier).expect("a value").bounds.is_none());
        let certain = of(&[1.0, 1.0, 0.5, 0.25], &[0, 1, 1, 0], Metric::LogLoss).expect("a value");
        assert!(certain.bounds.is_none() && certain.to_string().contains("no finite value"), "{certain}");
        assert!(of(&p1, &truth, Metric::Ece).expect_err("biased").to_string().contains("covers nothing"));
    }

    #[test]
    fn seeds_that_differ_by_rounding_have_no_spread() {
        let same = t(&[0.3, 0.1 + 0.2, 0.3], 0.95).expect("a mean");
        assert!(same.bounds.is_some_and(|(low, high)| low == high) && same.reason.is_some(), "{same:?}");
        assert!(t(&[0.3, 0.3 + 1e-9], 0.95).expect("a mean").reason.is_none());
    }

    /// Rows whose class is drawn with the chance that the model says are calibrated: the error is 0. No resample of 300 sets of
    /// 400 rows comes near: this is why its interval is refused.
    #[test]
    fn the_calibration_error_of_resamples_never_covers_the_true_one() {
        let mut random = Random::new(2, "ece");
        let n_covering = (0..300)
            .filter(|_| {
                let p1: Vec<f32> = (0..400).map(|_| 0.5 + 0.5 * random.uniform() as f32).collect();
                let truth: Vec<usize> = p1.iter().map(|p| usize::from(random.uniform() < f64::from(*p))).collect();
                let scored = scored(&p1, &truth);
                let mut draws: Vec<f64> = (0..20)
                    .map(|_| {
                        let places: Vec<usize> = (0..400).map(|_| random.below(400)).collect();
                        scored.resampled(&places).ece(15).expect("rows")
                    })
                    .collect();
                draws.sort_by(f64::total_cmp);
                draws[0] <= 1e-3
            })
            .count();
        assert_eq!(n_covering, 0);
    }
}
