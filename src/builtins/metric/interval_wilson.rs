//! `metric::interval_wilson`

use super::LevelOptions;
use super::truth::{Truth, scored};
use crate::bind::prelude::*;
use crate::frames::Frame;
use crate::stats::intervals::{check_level, counted};
use crate::stats::{Estimate, MetricError};
use statrs::distribution::{ContinuousCDF, Normal};

/// The record.
pub fn function() -> Function {
    Function::new("metric", "interval_wilson", |call| {
        let options: LevelOptions = call.options()?;
        let right = scored(call)?.is_right();
        let n_right = right.iter().filter(|is_right| **is_right > 0.5).count();
        Ok(Dynamic::from(wilson(n_right, right.len(), options.level)?))
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

/// The share `n_right` of `n` test rows with Wilson's score interval: the shares that a test with the normal approximation under
/// the share itself does not refuse. It stays within 0 to 1 and has a width where all rows are alike.
pub fn wilson(n_right: usize, n: usize, level: f64) -> Result<Estimate, MetricError> {
    check_level(level)?;
    if n == 0 {
        return Err(MetricError::Empty);
    }
    let (share, rows) = (n_right as f64 / n as f64, n as f64);
    let z = Normal::new(0.0, 1.0).map_or(f64::NAN, |normal| normal.inverse_cdf(0.5 + level / 2.0));
    let shrink = 1.0 + z * z / rows;
    let centre = (share + z * z / (2.0 * rows)) / shrink;
    let half = z / shrink * (share * (1.0 - share) / rows + z * z / (4.0 * rows * rows)).sqrt();
    // At the ends a bound is the end itself, but for rounding.
    let low = if n_right == 0 { 0.0 } else { (centre - half).max(0.0) };
    let high = if n_right == n { 1.0 } else { (centre + half).min(1.0) };
    let over = format!("Wilson, {} of one seed", counted(n, "test row"));
    Ok(Estimate { bounds: Some((low, high)), level, over, ..Estimate::plain("accuracy", share) })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// ```python
    /// from scipy.stats import binomtest
    /// for k, n in [(15, 20), (180, 200), (200, 200), (0, 7), (1, 1)]:
    ///     print(binomtest(k, n).proportion_ci(.95, method="wilson"))
    /// ```
    #[test]
    fn it_agrees_with_scipy() {
        let expected = [
            (15, 20, 0.531_299_122_381_256_1, 0.888_138_298_592_334_4),
            (180, 200, 0.850_594_187_567_282_6, 0.934_329_551_330_904_1),
            (200, 200, 0.981_154_673_622_733_5, 1.0),
            (0, 7, 0.0, 0.354_330_435_066_687_4),
            (1, 1, 0.206_549_314_377_237_45, 1.0),
        ];
        for (right, n, low, high) in expected {
            let (found_low, found_high) = wilson(right, n, 0.95).expect("rows").bounds.expect("an interval");
            assert!(
                (found_low - low).abs() < 1e-8 && (found_high - high).abs() < 1e-8,
                "{right} of {n}: {found_low} {found_high}"
            );
        }
        assert!(wilson(0, 0, 0.95).is_err() && wilson(1, 2, 1.0).is_err());
    }
}
