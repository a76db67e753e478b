//! `metric::power`, `metric::seeds_needed`

use crate::bind::prelude::*;
use crate::stats::power::{self, Design};

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
            Ok(Dynamic::from(power::power(call.arg(0)?, call.arg(1)?, call.arg(2)?, design)?))
        })
        .about("How often a paired t test over so many seeds tells a true effect of this size from zero.")
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
            let needed = power::seeds_needed(call.arg(0)?, call.arg(1)?, options.power, design)?;
            Ok(needed.map_or(Dynamic::UNIT, |n| Dynamic::from(n as i64)))
        })
        .about("The fewest seeds over which a paired t test tells a true effect of this size from zero often enough.")
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
