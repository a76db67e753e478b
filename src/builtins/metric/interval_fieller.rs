//! `metric::interval_fieller`

use super::LevelOptions;
use super::gap::no_gap;
use crate::bind::prelude::*;
use crate::stats::estimate::percent;
use crate::stats::intervals::{check, check_level, counted, t_quantile};
use crate::stats::{Estimate, MetricError, covariance, differences, is_rounding, mean};

/// The record.
pub fn function() -> Function {
    Function::new("metric", "interval_fieller", |call| {
        let options: LevelOptions = call.options()?;
        let (weak, student, ceiling): (Vec<f64>, Vec<f64>, Vec<f64>) = (call.arg(0)?, call.arg(1)?, call.arg(2)?);
        Ok(Dynamic::from(with_fieller(&weak, &student, &ceiling, options.level)?))
    })
    .about("PGR over seeds with Fieller's interval, whether or not the gap is significant.")
    .details(
        "All ratios θ for which `mean(student − weak) − θ·mean(ceiling − weak)` is within t standard errors of zero. Where \
         the gap itself could be zero, the interval has no bounds, and says so. `metric::pgr` gives the same interval where \
         the gap is significant, and no number elsewhere.",
    )
    .source("Fieller 1954")
    .param::<Vec<f64>>("weak", "accuracies, one per seed")
    .param::<Vec<f64>>("student", "accuracies, paired by position")
    .param::<Vec<f64>>("ceiling", "accuracies, paired by position")
    .options::<LevelOptions>()
    .returns("Estimate: the ratio with its interval")
    .example("metric::interval_fieller([0.60, 0.62, 0.58], [0.61, 0.60, 0.59], [0.62, 0.61, 0.60]).reason", "")
    .example("metric::interval_fieller([0.5, 0.5, 0.5], [0.6, 0.6, 0.6], [0.6, 0.7, 0.2]).defined", "false")
    .fails("metric::interval_fieller([0.6], [0.7], [0.8, 0.9])", "`weak` has 1 values, `ceiling` has 2")
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

/// The ratio with Fieller's interval whatever the gap's significance; unbounded, and saying so, where the gap is noise.
pub fn with_fieller(weak: &[f64], student: &[f64], ceiling: &[f64], level: f64) -> Result<Estimate, MetricError> {
    check_level(level)?;
    check_lengths(weak, student, ceiling)?;
    if weak.len() < 2 {
        return Ok(Estimate::undefined("PGR", "one seed has no spread, so there is no interval".to_owned()));
    }
    // A sum of differences that cancel leaves a rounding, over which any ratio is a number of 10^15.
    let gaps = differences(ceiling, weak);
    let largest = gaps.iter().fold(0.0f64, |largest, gap| largest.max(gap.abs()));
    if is_rounding(largest + mean(&gaps), largest) {
        return Ok(Estimate::undefined("PGR", no_gap(mean(weak), mean(ceiling))));
    }
    ratio(weak, student, ceiling, level, "seed")
}

/// The ratio of mean differences with its interval.
pub fn ratio(weak: &[f64], student: &[f64], ceiling: &[f64], level: f64, unit: &str) -> Result<Estimate, MetricError> {
    let n = weak.len();
    let (recovered, gaps) = (differences(student, weak), differences(ceiling, weak));
    let value = mean(&recovered) / mean(&gaps);
    let within = if unit == "seed" { "" } else { ", within one seed" };
    let mut estimate =
        Estimate { level, over: format!("Fieller, {}{within}", counted(n, unit)), ..Estimate::plain("PGR", value) };
    let percent = percent(level);
    match fieller(&recovered, &gaps, t_quantile(0.5 + level / 2.0, n - 1)) {
        Fieller::Bounded(low, high) => estimate.bounds = Some((low, high)),
        Fieller::Outside(low, high) => {
            estimate.bounds = Some((f64::NEG_INFINITY, f64::INFINITY));
            estimate.reason = Some(format!(
                "the gap could be zero at {percent} %: the interval has no bounds, only {low:.4} to {high:.4} is excluded"
            ));
        }
        Fieller::Everything => {
            estimate.bounds = Some((f64::NEG_INFINITY, f64::INFINITY));
            estimate.reason = Some(format!("the gap could be zero at {percent} %: the interval has no bounds"));
        }
    }
    if covariance(&gaps, &gaps) == 0.0 && covariance(&recovered, &recovered) == 0.0 {
        estimate.reason = Some(format!("all {unit}s have the same differences, so the interval has no width"));
    }
    Ok(estimate)
}

/// Fails on values that are not three lists of one length.
pub fn check_lengths(weak: &[f64], student: &[f64], ceiling: &[f64]) -> Result<(), MetricError> {
    check("weak", weak)?;
    check("student", student)?;
    check("ceiling", ceiling)?;
    for (name, values) in [("student", student), ("ceiling", ceiling)] {
        if values.len() != weak.len() {
            return Err(MetricError::Lengths { a_name: "weak", a: weak.len(), b_name: name, b: values.len() });
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::random::Random;

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
}
