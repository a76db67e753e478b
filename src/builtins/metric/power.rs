//! `metric::power`, `metric::seeds_needed`

use crate::bind::prelude::*;
use crate::stats::MetricError;
use crate::stats::intervals::{check, t_quantile};
use statrs::distribution::{ContinuousCDF, Normal};
use statrs::function::gamma::ln_gamma;

options! {
    /// Which test is planned.
    pub struct PowerOptions {
        /// The level: of the two-sided t test, or of each of two one-sided tests.
        alpha: f64 = 0.05,
        /// Whether it is two one-sided tests that a true effect of zero lies within `±effect`.
        equivalence: bool = false,
    }
}

options! {
    /// Which test is planned, and how surely it is to succeed.
    pub struct SeedsOptions {
        /// The power that is wanted.
        power: f64 = 0.8,
        /// The level: of the two-sided t test, or of each of two one-sided tests.
        alpha: f64 = 0.05,
        /// Whether it is two one-sided tests that a true effect of zero lies within `±effect`.
        equivalence: bool = false,
    }
}

/// The records.
pub fn register(registry: &mut Registry) {
    registry.add(
        Function::new("metric", "power", |call| {
            let options: PowerOptions = call.options()?;
            let design = Design { alpha: options.alpha, is_equivalence: options.equivalence };
            Ok(Dynamic::from(power(call.arg(0)?, call.arg(1)?, call.arg(2)?, design)?))
        })
        .about("The power of a paired t test: how often it detects a true effect of this size with so many seeds.")
        .details(
            "By the noncentral t distribution. `sd` is the standard deviation over seeds of what is tested: of the differences, where methods \
             are paired. With `equivalence`, how often `metric::equivalence` with this margin succeeds where the true effect is zero.",
        )
        .source("statsmodels' `TTestPower`; Schuirmann 1987 for two one-sided tests")
        .param::<f64>("effect", "the true effect, or the margin")
        .param::<f64>("sd", "standard deviation over seeds, above 0")
        .param::<usize>("n", "seeds, at least 2")
        .options::<PowerOptions>()
        .returns("float: from 0 to 1")
        .example("let power = metric::power(0.1, 0.1, 10); power > 0.803 && power < 0.804", "true")
        .example("metric::power(0.1, 0.1, 10, #{ equivalence: true }) < metric::power(0.1, 0.1, 10)", "true")
        .fails("metric::power(0.1, 0.0, 10)", "`sd` must be above 0, got `0`")
        .fails("metric::power(0.1, 0.1, 1)", "`n` must be at least 2, got `1`"),
    );
    registry.add(
        Function::new("metric", "seeds_needed", |call| {
            let options: SeedsOptions = call.options()?;
            let design = Design { alpha: options.alpha, is_equivalence: options.equivalence };
            let needed = seeds_needed(call.arg(0)?, call.arg(1)?, options.power, design)?;
            Ok(needed.map_or(Dynamic::UNIT, |n| Dynamic::from(n as i64)))
        })
        .about("The fewest seeds with which a paired t test detects a true effect of this size often enough.")
        .details(
            "The smallest number for which `metric::power` is at least `power`. The standard deviation is itself an estimate: from ten seeds its \
             standard error is about a quarter of it, and the number of seeds is unsure by half.",
        )
        .source("statsmodels' `TTestPower`")
        .param::<f64>("effect", "the true effect, or the margin")
        .param::<f64>("sd", "standard deviation over seeds, above 0")
        .options::<SeedsOptions>()
        .returns("integer or (): seeds; `()` where a million are too few")
        .example("metric::seeds_needed(0.1, 0.1)", "10")
        .example("metric::seeds_needed(0.1, 0.1, #{ equivalence: true })", "11")
        .fails("metric::seeds_needed(0.0, 0.1)", "`effect` must be above 0, got `0`")
        .fails("metric::seeds_needed(0.1, 0.1, #{ power: 1.0 })", "`power` must be a probability from 0 to 1, got `1`"),
    );
}

/// The most seeds that are looked for. Arbitrary, far beyond what anybody trains.
const MAX_SEEDS: usize = 1_000_000;

/// Which test, at which level.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Design {
    /// Of the two-sided t test; of each of the two one-sided ones.
    pub alpha: f64,
    /// Two one-sided tests that a true effect of zero is within `±effect`, in place of the t test that tells `effect` from zero.
    pub is_equivalence: bool,
}

/// The chance that the test over `n` seeds is significant.
///
/// Of the t test: that a noncentral t with `n − 1` degrees of freedom and noncentrality `effect·√n/sd` is beyond the two-sided critical
/// value. Of two one-sided tests: that mean and deviation, which are independent, leave the interval inside the margin. Both are one integral over the
/// distribution of the sample deviation.
pub fn power(effect: f64, sd: f64, n: usize, design: Design) -> Result<f64, MetricError> {
    checked(effect, sd, design)?;
    if n < 2 {
        return Err(MetricError::Range { name: "n", what: "at least 2", got: n });
    }
    if n > MAX_SEEDS {
        return Err(MetricError::Range { name: "n", what: "at most 1000000", got: n });
    }
    Ok(of(effect.abs() / sd, n, design))
}

/// The fewest seeds at which the power is at least `wanted`; none where a million are too few.
pub fn seeds_needed(effect: f64, sd: f64, wanted: f64, design: Design) -> Result<Option<usize>, MetricError> {
    checked(effect, sd, design)?;
    if !(wanted > 0.0 && wanted < 1.0) {
        return Err(MetricError::Probability { name: "power", value: wanted });
    }
    let size = effect.abs() / sd;
    let is_enough = |n: usize| of(size, n, design) >= wanted;
    let mut high = 2;
    while !is_enough(high) {
        if high >= MAX_SEEDS {
            return Ok(None);
        }
        high = (2 * high).min(MAX_SEEDS);
    }
    // Power rises with the number of seeds.
    let mut low = (high / 2).max(1);
    while high - low > 1 {
        let middle = low + (high - low) / 2;
        if is_enough(middle) { high = middle } else { low = middle }
    }
    Ok(Some(high))
}

fn checked(effect: f64, sd: f64, design: Design) -> Result<(), MetricError> {
    check("effect", &[effect])?;
    check("sd", &[sd])?;
    if effect == 0.0 {
        return Err(MetricError::NotPositive { name: "effect", value: effect });
    }
    if sd <= 0.0 {
        return Err(MetricError::NotPositive { name: "sd", value: sd });
    }
    if !(design.alpha > 0.0 && design.alpha < 0.5) {
        return Err(MetricError::Probability { name: "alpha", value: design.alpha });
    }
    Ok(())
}

/// The power at an effect of `size` standard deviations.
fn of(size: f64, n: usize, design: Design) -> f64 {
    let shift = size * (n as f64).sqrt();
    let normal = Normal::standard();
    let tail = if design.is_equivalence { design.alpha } else { design.alpha / 2.0 };
    let critical = t_quantile(1.0 - tail, n - 1);
    // Given the deviation, `s` times the true one, the mean in standard errors is a normal number around `shift`.
    let given = |s: f64| {
        if design.is_equivalence {
            (2.0 * normal.cdf(shift - critical * s) - 1.0).max(0.0)
        } else {
            normal.cdf(shift - critical * s) + normal.cdf(-shift - critical * s)
        }
    };
    // Beyond this deviation two one-sided tests reject at no mean; the rule below wants no kink inside.
    let end = if design.is_equivalence { shift / critical } else { f64::INFINITY };
    over_deviation(n - 1, end, given).clamp(0.0, 1.0)
}

/// The mean of `value(s)` up to `end`, where `s²·freedom` is chi-squared: Simpson's rule over all but 1e-12 of the distribution.
fn over_deviation(freedom: usize, end: f64, value: impl Fn(f64) -> f64) -> f64 {
    let k = freedom as f64;
    let scale = 2f64.ln() + (k / 2.0) * (k / 2.0).ln() - ln_gamma(k / 2.0);
    let density = |s: f64| {
        if s <= 0.0 {
            // One degree of freedom has a density at zero, all others have none.
            return if freedom == 1 { scale.exp() } else { 0.0 };
        }
        (scale + (k - 1.0) * s.ln() - k * s * s / 2.0).exp()
    };
    // The deviation is near 1 with a spread of 1/√(2k): eight of them hold all but 1e-12, also where k is 1.
    let spread = 8.0 / (2.0 * k).sqrt();
    let (from, to) = ((1.0 - spread).max(0.0), (1.0 + spread).min(end));
    if to <= from {
        return 0.0;
    }
    // Even, and fine enough that the rule's error is below 1e-9: compared with scipy's for 1 to 10^4 degrees of freedom.
    const STEPS: usize = 4000;
    let width = (to - from) / STEPS as f64;
    let at = |step: usize| {
        let s = from + width * step as f64;
        let weight = if step == 0 || step == STEPS {
            1.0
        } else if step % 2 == 1 {
            4.0
        } else {
            2.0
        };
        weight * density(s) * value(s)
    };
    (0..=STEPS).map(at).sum::<f64>() * width / 3.0
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stats::reference::claims;

    /// The t test's by statsmodels' `TTestPower`, the two one-sided tests' by scipy's `quad`: `tests/reference/claims.py`.
    #[test]
    fn power_and_seeds_agree_with_statsmodels_and_scipy() {
        for case in claims("power") {
            let number = |name: &str| case[name].as_f64().expect("a number");
            let design =
                Design { alpha: number("alpha"), is_equivalence: case["equivalence"].as_bool().expect("a bool") };
            let n = case["n"].as_u64().expect("a count") as usize;
            let found = power(number("effect"), number("sd"), n, design).expect("a power");
            assert!((found - number("power")).abs() < 1e-7, "{case}: {found}");
            let needed = seeds_needed(number("effect"), number("sd"), 0.8, design).expect("seeds");
            assert_eq!(needed.map(|n| n as u64), case["needed"].as_u64(), "{case}");
        }
    }

    #[test]
    fn what_cannot_be_planned_is_refused() {
        let design = Design { alpha: 0.05, is_equivalence: false };
        assert!(power(0.0, 1.0, 5, design).is_err() && power(0.1, 0.0, 5, design).is_err());
        assert!(power(0.1, 1.0, 1, design).is_err() && power(f64::NAN, 1.0, 5, design).is_err());
        assert!(seeds_needed(0.1, 1.0, 1.0, design).is_err());
        assert!(power(0.1, 1.0, 5, Design { alpha: 0.5, ..design }).is_err());
        assert_eq!(seeds_needed(1e-6, 1.0, 0.8, design).expect("none"), None);
        assert_eq!(power(-0.5, 1.0, 9, design).expect("a power"), power(0.5, 1.0, 9, design).expect("a power"));
    }
}
