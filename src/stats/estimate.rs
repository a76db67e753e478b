//! A number with its doubt.

use crate::frames::interval;
use std::fmt;

/// What was measured, how sure it is, and, where it has no value, why.
#[derive(Debug, Clone, PartialEq)]
pub struct Estimate {
    /// Such as `PGR` or `mean`.
    pub name: &'static str,
    /// None where it is undefined; then `reason` says why.
    pub value: Option<f64>,
    /// The interval; −∞ and ∞ where it has no bound, none where there is no interval.
    pub bounds: Option<(f64, f64)>,
    /// The interval's coverage, such as 0.95.
    pub level: f64,
    /// What the interval covers: `5 seeds`, `800 test rows`.
    pub over: String,
    /// Why there is no value, or no interval.
    pub reason: Option<String>,
}

impl Estimate {
    /// A value without an interval.
    pub fn plain(name: &'static str, value: f64) -> Self {
        Estimate { name, value: Some(value), bounds: None, level: 0.0, over: String::new(), reason: None }
    }

    /// No value, and why.
    pub fn undefined(name: &'static str, reason: String) -> Self {
        Estimate { name, value: None, bounds: None, level: 0.0, over: String::new(), reason: Some(reason) }
    }

    /// Whether there is a value.
    pub fn is_defined(&self) -> bool {
        self.value.is_some()
    }
}

impl fmt::Display for Estimate {
    /// `0.4333 [0.2101, 0.6589] (95 %, 5 seeds)`, `0.4333 unbounded (95 %, 5 seeds)`, or `undefined: …`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let reason = self.reason.as_deref().unwrap_or("");
        let Some(value) = self.value else {
            return write!(f, "undefined: {reason}");
        };
        write!(f, "{}", number(value))?;
        if let Some((low, high)) = self.bounds {
            write!(f, " {} ({} %, {})", interval(low, high, number), percent(self.level), self.over)?;
        }
        if reason.is_empty() { Ok(()) } else { write!(f, "; {reason}") }
    }
}

fn number(value: f64) -> String {
    if value.is_infinite() {
        if value > 0.0 { "∞" } else { "−∞" }.to_owned()
    } else if value != 0.0 && value.abs() < 5e-5 {
        format!("{value:.2e}")
    } else {
        format!("{value:.4}")
    }
}

/// 0.95 as `95`.
pub(crate) fn percent(level: f64) -> String {
    format!("{:.4}", level * 100.0).trim_end_matches('0').trim_end_matches('.').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_estimate_prints_its_number_its_interval_and_its_reason() {
        let mut estimate = Estimate {
            bounds: Some((0.25, f64::INFINITY)),
            level: 0.95,
            over: "5 seeds".to_owned(),
            ..Estimate::plain("PGR", 0.43333)
        };
        assert_eq!(estimate.to_string(), "0.4333 ≥ 0.2500 (95 %, 5 seeds)");
        estimate.bounds = Some((f64::NEG_INFINITY, f64::INFINITY));
        assert_eq!(estimate.to_string(), "0.4333 unbounded (95 %, 5 seeds)");
        estimate.level = 0.975;
        assert!(estimate.to_string().contains("97.5 %"));
        assert_eq!(Estimate::undefined("PGR", "no gap".to_owned()).to_string(), "undefined: no gap");
    }
}
