//! Axes: what a script says of one, round ticks, and values to pixels.

use super::ReportError;

/// An axis as a script describes it.
#[derive(Debug, Clone, Default)]
pub struct Axis {
    pub label: String,
    /// Whether it is logarithmic.
    pub log: bool,
    /// Its ends; left out, round numbers around the data.
    pub limits: Option<(f64, f64)>,
}

impl Axis {
    /// An axis whose ends are an array of two numbers in a script; `option` is what the script calls them.
    pub fn new(label: &str, log: bool, limits: Option<&[f64]>, option: &'static str) -> Result<Axis, ReportError> {
        let limits = match limits {
            None => None,
            Some([low, high]) if low.is_finite() && high.is_finite() && low < high => Some((*low, *high)),
            Some(got) => return Err(ReportError::Limits { option, got: format!("{got:?}") }),
        };
        if let Some((low, _)) = limits.filter(|(low, _)| log && *low <= 0.0) {
            return Err(ReportError::NotPositive { name: option.to_owned(), value: low });
        }
        Ok(Axis { label: label.to_owned(), log, limits })
    }

    /// Whether a value lies on it.
    pub(super) fn holds(&self, value: f64) -> bool {
        value.is_finite() && self.limits.is_none_or(|(low, high)| (low..=high).contains(&value))
    }

    /// Its ticks, about `n`, for these values. Fails where one of them has no logarithm.
    pub(super) fn ticks(&self, values: &[f64], n: usize) -> Result<Ticks, ReportError> {
        if let Some(value) = values.iter().find(|value| self.log && **value <= 0.0) {
            return Err(ReportError::NotPositive { name: self.label.clone(), value: *value });
        }
        let (low, high) = self.limits.unwrap_or_else(|| {
            (values.iter().copied().fold(f64::MAX, f64::min), values.iter().copied().fold(f64::MIN, f64::max))
        });
        // Between whole numbers, such as rounds, there is nothing to name.
        let whole = !self.log && values.iter().all(|value| value.fract() == 0.0 && value.abs() < 1e6);
        let (low, high) = if whole && low == high { (low - 1.0, high + 1.0) } else { (low, high) };
        let mut at = match (self.log, whole) {
            (true, _) => log_ticks(low, high),
            (false, true) => ticks_by(low, high, if high - low <= MAX_NAMED { MAX_NAMED as usize } else { n }, 1.0),
            (false, false) => ticks(low, high, n),
        };
        if self.limits.is_some() {
            let slack = 1e-9 * (high - low);
            at.retain(|tick| (low - slack..=high + slack).contains(tick));
        }
        let most = at.iter().fold(0.0f64, |most, tick| most.max(tick.abs()));
        let labels = if self.log || most >= 1e4 { at.iter().map(|tick| short(*tick)).collect() } else { labels(&at) };
        let ends = at.first().copied().zip(at.last().copied()).unwrap_or((low, high));
        let (low, high) = self.limits.unwrap_or(ends);
        Ok(Ticks { at, labels, low, high })
    }
}

/// Whole numbers that are each named, at most (arbitrary).
const MAX_NAMED: f64 = 10.0;

/// Ticks, their texts, and where the axis ends.
pub(super) struct Ticks {
    pub at: Vec<f64>,
    pub labels: Vec<String>,
    pub low: f64,
    pub high: f64,
}

/// Values to pixels, linear or logarithmic.
#[derive(Debug, Clone, Copy)]
pub(super) struct Scale {
    pub low: f64,
    pub high: f64,
    pub from: f64,
    pub to: f64,
    pub log: bool,
}

impl Scale {
    /// The pixel of `value`; outside values land outside.
    pub fn at(&self, value: f64) -> f64 {
        let forward = |v: f64| if self.log { v.max(f64::MIN_POSITIVE).log10() } else { v };
        let (low, high) = (forward(self.low), forward(self.high));
        self.from + (forward(value) - low) / (high - low) * (self.to - self.from)
    }
}

/// Round numbers that cover `low..high`, about `n` of them: steps of 1, 2 or 5 times a power of ten.
pub(super) fn ticks(low: f64, high: f64, n: usize) -> Vec<f64> {
    ticks_by(low, high, n, 0.0)
}

fn ticks_by(low: f64, high: f64, n: usize, least: f64) -> Vec<f64> {
    let (low, high) = sound(low, high);
    let step = step(high - low, n).max(least);
    let (first, last) = ((low / step + 1e-9).floor() as i64, (high / step - 1e-9).ceil() as i64);
    (first..=last.min(first + 1000)).map(|i| i as f64 * step).collect()
}

/// Powers of ten (and their halves and fifths where there are few) that cover `low..high`.
pub(super) fn log_ticks(low: f64, high: f64) -> Vec<f64> {
    let (first, last) = (low.log10().floor() as i32, high.log10().ceil() as i32);
    let factors: &[f64] = if last - first <= 2 { &[1.0, 2.0, 5.0] } else { &[1.0] };
    let every = ((last - first) / 8).max(1);
    let all: Vec<f64> = (first..=last)
        .filter(|power| (power - first) % every == 0)
        .flat_map(|power| factors.iter().map(move |factor| factor * 10f64.powi(power)))
        .collect();
    // The two ticks around the data and all between.
    let start = all.iter().rposition(|tick| *tick <= low * (1.0 + 1e-9)).unwrap_or(0);
    let end = all.iter().position(|tick| *tick >= high * (1.0 - 1e-9)).unwrap_or(all.len().saturating_sub(1));
    all.get(start..=end.max(start)).map(<[f64]>::to_vec).unwrap_or(all)
}

/// A range that is finite and not empty.
fn sound(low: f64, high: f64) -> (f64, f64) {
    if !(low.is_finite() && high.is_finite()) {
        return (0.0, 1.0);
    }
    let (low, high) = (low.clamp(-1e12, 1e12), high.clamp(-1e12, 1e12));
    let least = 1e-9 * (1.0 + low.abs().max(high.abs()));
    if high - low < least { (low - least.max(0.05), high + least.max(0.05)) } else { (low, high) }
}

fn step(span: f64, n: usize) -> f64 {
    let raw = span / n.max(1) as f64;
    let power = 10f64.powf(raw.log10().floor());
    let share = raw / power;
    power
        * if share <= 1.0 {
            1.0
        } else if share <= 2.0 {
            2.0
        } else if share <= 5.0 {
            5.0
        } else {
            10.0
        }
}

/// Tick texts with one number of decimals for all.
pub(super) fn labels(ticks: &[f64]) -> Vec<String> {
    let step =
        ticks.windows(2).filter_map(|w| w.last().zip(w.first()).map(|(b, a)| (b - a).abs())).fold(f64::MAX, f64::min);
    let most = ticks.iter().fold(0.0f64, |most, tick| most.max(tick.abs()));
    if most >= 1e6 || (most > 0.0 && most < 1e-4) {
        return ticks.iter().map(|tick| short(*tick)).collect();
    }
    let decimals = (0..=6).find(|d| {
        let power = 10f64.powi(*d);
        (step * power - (step * power).round()).abs() < 1e-6 * (1.0 + step * power)
    });
    let decimals = decimals.unwrap_or(6) as usize;
    ticks.iter().map(|tick| minus(&format!("{:.decimals$}", if *tick == 0.0 { 0.0 } else { *tick }))).collect()
}

/// A number in few characters: `1.2k`, `3M`, `0.05`.
pub(super) fn short(value: f64) -> String {
    let size = value.abs();
    let (scaled, unit) = match size {
        s if s >= 1e9 => return minus(&format!("{value:.0e}")),
        s if s >= 1e6 => (value / 1e6, "M"),
        s if s >= 1e3 => (value / 1e3, "k"),
        _ => (value, ""),
    };
    if size > 0.0 && size < 1e-3 {
        return minus(&format!("{value:e}"));
    }
    let text = format!("{scaled:.3}");
    let text = text.trim_end_matches('0').trim_end_matches('.');
    format!("{}{unit}", minus(text))
}

/// The typographic minus, so that signs are as wide as digits.
pub(super) fn minus(text: &str) -> String {
    if text.trim_start_matches('-').chars().all(|c| matches!(c, '0' | '.')) {
        return text.trim_start_matches('-').to_owned();
    }
    text.replace('-', "−")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_are_round_and_cover() {
        assert_eq!(labels(&ticks(0.0, 1.0, 5)), ["0.0", "0.2", "0.4", "0.6", "0.8", "1.0"]);
        assert_eq!(labels(&ticks(-0.31, 1.2, 5)), ["−0.5", "0.0", "0.5", "1.0", "1.5"]);
        assert_eq!(labels(&ticks(100.0, 900.0, 4)), ["0", "200", "400", "600", "800", "1000"]);
    }

    #[test]
    fn whole_numbers_have_no_ticks_between_them() {
        let axis = Axis::default();
        let labels = |values: &[f64]| axis.ticks(values, 4).expect("ticks").labels;
        assert_eq!(labels(&[1.0, 2.0, 3.0]), ["1", "2", "3"]);
        assert_eq!(labels(&[2.0]), ["1", "2", "3"]);
        assert_eq!(labels(&[0.0, 7.0]), ["0", "1", "2", "3", "4", "5", "6", "7"]);
        assert_eq!(labels(&[0.0, 400.0]), ["0", "100", "200", "300", "400"]);
        assert_eq!(labels(&[1.0, 1.5, 2.0]), ["1.0", "1.5", "2.0"]);
    }

    #[test]
    fn limits_are_two_numbers_and_end_the_axis() {
        let axis = Axis::new("pgr", false, Some(&[0.1, 0.95]), "y_limits").expect("fits");
        let ticks = axis.ticks(&[0.5], 5).expect("ticks");
        assert_eq!((ticks.low, ticks.high), (0.1, 0.95));
        assert!(ticks.at.iter().all(|tick| (0.1..=0.95).contains(tick)) && ticks.at.len() > 2, "{:?}", ticks.at);
        assert!(axis.holds(0.95) && !axis.holds(1.0) && !axis.holds(f64::NAN));
        for bad in [&[1.0][..], &[1.0, 1.0], &[2.0, 1.0], &[0.0, f64::NAN], &[0.0, 1.0, 2.0]] {
            assert!(matches!(Axis::new("y", false, Some(bad), "y_limits"), Err(ReportError::Limits { .. })), "{bad:?}");
        }
        assert!(matches!(Axis::new("y", true, Some(&[0.0, 1.0]), "y_limits"), Err(ReportError::NotPositive { .. })));
        let log = Axis::new("y", true, None, "y_limits").expect("fits");
        assert!(matches!(log.ticks(&[1.0, -1.0], 4), Err(ReportError::NotPositive { .. })));
    }

    #[test]
    fn odd_ranges_still_give_ticks() {
        for (low, high) in [(0.5, 0.5), (f64::NAN, 1.0), (f64::NEG_INFINITY, f64::INFINITY), (1e300, 1e301)] {
            let ticks = ticks(low, high, 5);
            assert!((2..100).contains(&ticks.len()), "{low} {high}: {ticks:?}");
        }
    }

    #[test]
    fn log_ticks_hold_the_data_between_them() {
        assert_eq!(log_ticks(300.0, 40_000.0), [100.0, 1000.0, 10_000.0, 100_000.0]);
        assert_eq!(log_ticks(300.0, 4_000.0), [200.0, 500.0, 1000.0, 2000.0, 5000.0]);
        assert_eq!(short(12_500.0), "12.5k");
    }
}
