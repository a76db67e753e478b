//! Performance gap recovered: (student − weak) / (ceiling − weak). Never clamped; undefined where the gap is noise.
//!
//! The rule is stated in one place: a ratio is reported only where its denominator, the gap, is above zero, and, where
//! there are seeds or rows to tell, significantly so (one-sided t test, 5 %).

use super::intervals::{Fieller, check, check_level, counted, fieller, t_above, t_quantile};
use super::{Estimate, MetricError, Scored, covariance, differences, is_rounding, mean};

/// The gap must differ from zero at this one-sided level for a ratio over it to be reported.
pub const SIGNIFICANCE: f64 = 0.05;

/// PGR of three numbers on one scale where more is better: there is nothing to test, so it is undefined only where the
/// ceiling is not above the weak model, by more than rounding.
pub fn of_numbers(weak: f64, student: f64, ceiling: f64) -> Result<Estimate, MetricError> {
    for (name, value) in [("weak", weak), ("student", student), ("ceiling", ceiling)] {
        check(name, &[value])?;
    }
    if is_no_gap(weak, ceiling) {
        return Ok(Estimate::undefined("PGR", no_gap(weak, ceiling)));
    }
    let value = (student - weak) / (ceiling - weak);
    check("student", &[value])?;
    Ok(Estimate::plain("PGR", value))
}

/// PGR of three accuracies in percent, clamped to 0..100. Without a gap 100 if the student reaches the two, else 0; refused
/// where the ceiling is below the weak model, for there the clamp gives 100 to the worst of the three.
pub fn percent(weak: f64, student: f64, ceiling: f64) -> Result<f64, MetricError> {
    for (name, value) in [("weak", weak), ("student", student), ("ceiling", ceiling)] {
        if !(0.0..=1.0).contains(&value) {
            return Err(MetricError::Accuracy { name, value });
        }
    }
    if is_rounding(ceiling, weak) {
        return Ok(if student >= ceiling.min(weak) { 100.0 } else { 0.0 });
    }
    if ceiling < weak {
        return Err(MetricError::CeilingBelow { weak, ceiling });
    }
    Ok(100.0 * ((student - weak) / (ceiling - weak)).clamp(0.0, 1.0))
}

/// Whether the ceiling is not above the weak model by more than rounding: a ratio over 0.1 + 0.2 − 0.3 is of 10^15.
fn is_no_gap(weak: f64, ceiling: f64) -> bool {
    ceiling <= weak || is_rounding(ceiling, weak)
}

fn no_gap(weak: f64, ceiling: f64) -> String {
    let relation = match ceiling == weak {
        true => "equals",
        false if is_rounding(ceiling, weak) => "is, but for rounding,",
        false => "is below",
    };
    format!("no gap to recover: the ceiling `{ceiling}` {relation} the weak model `{weak}`")
}

/// PGR over seeds, paired by position: the ratio of mean differences, with Fieller's interval.
pub fn of_seeds(weak: &[f64], student: &[f64], ceiling: &[f64], level: f64) -> Result<Estimate, MetricError> {
    of_pairs(weak, student, ceiling, level, "seed")
}

/// PGR within one seed: every test row is a unit, right or wrong in each of the three models. The interval covers the
/// draw of test rows and nothing else.
pub fn of_rows(weak: &Scored, student: &Scored, ceiling: &Scored, level: f64) -> Result<Estimate, MetricError> {
    let (_, weak) = by_id(weak);
    let (_, student) = by_id(student);
    let (_, ceiling) = by_id(ceiling);
    of_pairs(&weak, &student, &ceiling, level, "test row")
}

/// Rows in the order of their ids, so that three models' rows stand beside one another.
fn by_id(scored: &Scored) -> (Vec<String>, Vec<f64>) {
    let mut rows: Vec<(String, f64)> = scored.ids.iter().cloned().zip(scored.is_right()).collect();
    rows.sort_by(|a, b| a.0.cmp(&b.0));
    rows.into_iter().unzip()
}

fn of_pairs(weak: &[f64], student: &[f64], ceiling: &[f64], level: f64, unit: &str) -> Result<Estimate, MetricError> {
    check_level(level)?;
    check_lengths(weak, student, ceiling)?;
    let gap = gap(weak, ceiling, unit)?;
    if !gap.is_significant {
        return Ok(Estimate::undefined("PGR", gap.reason));
    }
    ratio(weak, student, ceiling, level, unit)
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

fn ratio(weak: &[f64], student: &[f64], ceiling: &[f64], level: f64, unit: &str) -> Result<Estimate, MetricError> {
    let n = weak.len();
    let (recovered, gaps) = (differences(student, weak), differences(ceiling, weak));
    let value = mean(&recovered) / mean(&gaps);
    let within = if unit == "seed" { "" } else { ", within one seed" };
    let mut estimate =
        Estimate { level, over: format!("Fieller, {}{within}", counted(n, unit)), ..Estimate::plain("PGR", value) };
    let percent = super::estimate::percent(level);
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

/// Tests the gap over seeds, paired by position.
pub fn gap_of_seeds(weak: &[f64], ceiling: &[f64]) -> Result<Gap, MetricError> {
    gap(weak, ceiling, "seed")
}

fn gap(weak: &[f64], ceiling: &[f64], unit: &str) -> Result<Gap, MetricError> {
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
pub fn p_text(p: f64) -> String {
    if p < 1e-4 { format!("{p:.1e}") } else { format!("{p:.4}") }
}

fn check_lengths(weak: &[f64], student: &[f64], ceiling: &[f64]) -> Result<(), MetricError> {
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
    use super::super::scores::tests::scored;
    use super::*;

    #[test]
    fn three_numbers_are_never_clamped() {
        let of = |weak, student, ceiling| of_numbers(weak, student, ceiling).expect("numbers").value;
        assert!(of(0.65, 0.78, 0.95).is_some_and(|value| (value - 13.0 / 30.0).abs() < 1e-12));
        assert!(of(0.65, 0.6, 0.95).is_some_and(|value| value < 0.0));
        assert!(of(0.65, 0.99, 0.95).is_some_and(|value| value > 1.0));
        let equal = of_numbers(0.5, 0.5, 0.5).expect("numbers");
        assert_eq!(equal.to_string(), "undefined: no gap to recover: the ceiling `0.5` equals the weak model `0.5`");
        assert!(of_numbers(0.6, 0.7, 0.5).expect("numbers").to_string().contains("is below"));
        assert!(of_numbers(f64::NAN, 0.7, 0.5).is_err());
        assert!(of_numbers(0.0, 1e308, 1e-308).is_err(), "the ratio overflows");
        let rounding = of_numbers(0.3, 0.4, 0.1 + 0.2).expect("numbers");
        assert!(rounding.to_string().contains("is, but for rounding, the weak model `0.3`"), "{rounding}");
        assert!(of(0.3, 0.4, 0.3 + 1e-9).is_some_and(|value| (value / 1e8 - 1.0).abs() < 1e-6), "small, and a gap");
        let cancels = with_fieller(&[0.5; 3], &[0.6; 3], &[0.6, 0.7, 0.2], 0.95).expect("paired");
        assert_eq!(cancels.value, None, "{cancels}");
    }

    #[test]
    fn a_percentage_has_a_domain() {
        assert!(percent(0.65, 0.78, 0.95).is_ok_and(|value| (value - 1300.0 / 30.0).abs() < 1e-9));
        assert_eq!([0.6, 0.99].map(|student| percent(0.65, student, 0.95).ok()), [Some(0.0), Some(100.0)]);
        assert_eq!([0.2, 0.3, 0.4].map(|s| percent(0.3, s, 0.1 + 0.2).ok()), [Some(0.0), Some(100.0), Some(100.0)]);
        let worst = percent(0.9, 0.4, 0.5).expect_err("the ceiling is below").to_string();
        assert_eq!(worst, "no gap to recover: the ceiling `0.5` is below the weak model `0.9`");
        for odd in [f64::NAN, f64::INFINITY, -0.1, 1.1, 65.0] {
            assert!(
                percent(odd, 0.5, 0.9).is_err() && percent(0.1, odd, 0.9).is_err() && percent(0.1, 0.5, odd).is_err()
            );
        }
    }

    #[test]
    fn a_gap_of_noise_has_no_ratio() {
        let weak = [0.50, 0.52, 0.49, 0.51, 0.50];
        let chance = [0.51, 0.50, 0.50, 0.50, 0.51];
        let pgr = of_seeds(&weak, &[0.51; 5], &chance, 0.95).expect("paired");
        assert_eq!(pgr.value, None);
        assert!(
            pgr.to_string().contains("gap not significant (ceiling − weak = 0.0000, one-sided p = 0.5000"),
            "{pgr}"
        );
        let one = of_seeds(&[0.5], &[0.6], &[0.9], 0.95).expect("paired");
        assert!(one.to_string().contains("one seed cannot tell"), "{one}");
    }

    /// ```python
    /// scipy.stats.ttest_1samp([.10, .14, .05, .12, .09], 0, alternative="greater").pvalue  # 0.0013701095035575591
    /// ```
    #[test]
    fn the_gap_is_tested_as_scipy_does() {
        let gap = gap_of_seeds(&[0.5; 5], &[0.60, 0.64, 0.55, 0.62, 0.59]).expect("paired");
        assert!(gap.p.is_some_and(|p| (p - 0.001_370_109_503_557_559_1).abs() < 1e-9), "{gap:?}");
        assert!(gap.is_significant);
    }

    #[test]
    fn a_clear_gap_has_a_ratio_with_an_interval_around_it() {
        let pgr = of_seeds(
            &[0.65, 0.66, 0.64, 0.65, 0.67],
            &[0.78, 0.77, 0.79, 0.76, 0.78],
            &[0.95, 0.94, 0.95, 0.96, 0.94],
            0.95,
        )
        .expect("paired");
        let (low, high) = pgr.bounds.expect("an interval");
        assert!(pgr.value.is_some_and(|value| low < value && value < high));
        assert!(pgr.to_string().contains("(95 %, Fieller, 5 seeds)"), "{pgr}");
    }

    #[test]
    fn a_gap_that_is_barely_there_has_a_ratio_without_bounds() {
        // One-sided p between 0.025 and 0.05: the ratio is reported, Fieller's two-sided interval has no bounds.
        let ceiling = [0.56, 0.50, 0.55, 0.50, 0.55];
        let pgr = of_seeds(&[0.5; 5], &[0.51, 0.5, 0.52, 0.5, 0.51], &ceiling, 0.95).expect("paired");
        assert!(gap_of_seeds(&[0.5; 5], &ceiling).expect("paired").p.is_some_and(|p| p > 0.025 && p < 0.05));
        assert_eq!(pgr.bounds, Some((f64::NEG_INFINITY, f64::INFINITY)));
        assert!(pgr.to_string().contains("has no bounds"), "{pgr}");
    }

    #[test]
    fn rows_are_paired_by_id() {
        let truth: Vec<usize> = (0..100).map(|row| row % 2).collect();
        let right = |share: usize| -> Vec<f32> {
            (0..100).map(|row| if (row % 10 < share) == (row % 2 == 1) { 0.75 } else { 0.25 }).collect()
        };
        let (weak, student, ceiling) =
            (scored(&right(6), &truth), scored(&right(8), &truth), scored(&right(10), &truth));
        let pgr = of_rows(&weak, &student, &ceiling, 0.95).expect("rows");
        assert!(pgr.value.is_some_and(|value| (value - 0.5).abs() < 1e-12), "{pgr}");
        assert!(pgr.to_string().contains("100 test rows, within one seed"), "{pgr}");
    }
}
