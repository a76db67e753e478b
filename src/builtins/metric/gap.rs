//! `metric::gap`

use super::{map, number};
use crate::bind::prelude::*;
use crate::stats::intervals::{check, counted, t_above};
use crate::stats::{MetricError, covariance, differences, is_rounding, mean};

/// The gap must differ from zero at this one-sided level for a ratio over it to be reported.
pub const SIGNIFICANCE: f64 = 0.05;

/// The record.
pub fn function() -> Function {
    Function::new("metric", "gap", |call| {
        let (weak, ceiling): (Vec<f64>, Vec<f64>) = (call.arg(0)?, call.arg(1)?);
        let found = gap(&weak, &ceiling, "seed")?;
        Ok(Dynamic::from(map([
            ("value", Dynamic::from(found.value)),
            ("p", number(found.p)),
            ("significant", Dynamic::from(found.is_significant)),
            ("reason", Dynamic::from(found.reason)),
        ])))
    })
    .about("Whether the ceiling is above the weak model: the gap over seeds and its one-sided paired t test.")
    .details("`value` is mean(ceiling) − mean(weak); `p` is `()` where the seeds have no spread; significant at 5 %.")
    .param::<Vec<f64>>("weak", "accuracies, one per seed")
    .param::<Vec<f64>>("ceiling", "accuracies, paired by position")
    .returns("object map: `value`, `p`, `significant`, `reason`")
    .example("metric::gap([0.60, 0.62, 0.61], [0.80, 0.82, 0.84]).significant", "true")
    .example("metric::gap([0.6], [0.8]).reason", "gap not significant: one seed cannot tell a gap of 0.2000 from noise")
    .fails("metric::gap([], [])", "`weak` has no value")
}

/// Whether there is a gap.
#[derive(Debug, Clone, PartialEq)]
pub struct Gap {
    /// mean(ceiling) − mean(weak).
    pub value: f64,
    /// One-sided p of the paired t test against no gap; none for one pair.
    pub p: Option<f64>,
    pub is_significant: bool,
    /// How it was told, in words.
    pub reason: String,
}

/// Tests the gap over units, paired by position: seeds, or the test rows of one.
pub fn gap(weak: &[f64], ceiling: &[f64], unit: &str) -> Result<Gap, MetricError> {
    check("weak", weak)?;
    check("ceiling", ceiling)?;
    if weak.len() != ceiling.len() {
        return Err(MetricError::Lengths { a_name: "weak", a: weak.len(), b_name: "ceiling", b: ceiling.len() });
    }
    let gaps = differences(ceiling, weak);
    let (n, value) = (gaps.len(), mean(&gaps));
    if n < 2 {
        let reason = format!("gap not significant: one {unit} cannot tell a gap of {value:.4} from noise");
        return Ok(Gap { value, p: None, is_significant: false, reason });
    }
    let error = (covariance(&gaps, &gaps) / n as f64).sqrt();
    if error == 0.0 {
        let is_significant = value > 0.0;
        let reason = if is_significant {
            format!("the gap is {value:.4} for every {unit}")
        } else {
            no_gap(mean(weak), mean(ceiling))
        };
        return Ok(Gap { value, p: None, is_significant, reason });
    }
    let p = t_above(value / error, n - 1);
    let is_significant = p <= SIGNIFICANCE;
    let verdict = if is_significant { "gap significant" } else { "gap not significant" };
    let reason = format!("{verdict} (ceiling − weak = {value:.4}, one-sided p = {}, {})", p_text(p), counted(n, unit));
    Ok(Gap { value, p: Some(p), is_significant, reason })
}

/// A p value as papers print it.
fn p_text(p: f64) -> String {
    if p < 1e-4 { format!("{p:.1e}") } else { format!("{p:.4}") }
}

/// Whether the ceiling is not above the weak model by more than rounding: a ratio over 0.1 + 0.2 − 0.3 is of 10^15.
pub fn is_no_gap(weak: f64, ceiling: f64) -> bool {
    ceiling <= weak || is_rounding(ceiling, weak)
}

/// Why there is no gap.
pub fn no_gap(weak: f64, ceiling: f64) -> String {
    let relation = match ceiling == weak {
        true => "equals",
        false if is_rounding(ceiling, weak) => "is, but for rounding,",
        false => "is below",
    };
    format!("no gap to recover: the ceiling `{ceiling}` {relation} the weak model `{weak}`")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// ```python
    /// scipy.stats.ttest_1samp([.10, .14, .05, .12, .09], 0, alternative="greater").pvalue  # 0.0013701095035575591
    /// ```
    #[test]
    fn the_gap_is_tested_as_scipy_does() {
        let gap = gap(&[0.5; 5], &[0.60, 0.64, 0.55, 0.62, 0.59], "seed").expect("paired");
        assert!(gap.p.is_some_and(|p| (p - 0.001_370_109_503_557_559_1).abs() < 1e-9), "{gap:?}");
        assert!(gap.is_significant);
    }
}
