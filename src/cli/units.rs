//! Sizes and times as people write and read them.

use std::time::Duration;

/// Sizes count in thousands, as disks do.
const SIZES: [(&str, u64); 5] =
    [("TB", 1_000_000_000_000), ("GB", 1_000_000_000), ("MB", 1_000_000), ("kB", 1_000), ("B", 1)];

const TIMES: [(&str, &str, u64); 5] = [
    ("w", "weeks", 604_800),
    ("d", "days", 86_400),
    ("h", "hours", 3_600),
    ("min", "minutes", 60),
    ("s", "seconds", 1),
];

/// Reads `5GB`, `300 MB`, `1.5tb` or a count of bytes.
pub fn parse_size(text: &str) -> Result<u64, String> {
    let (number, unit) = split(text);
    let wrong = || format!("invalid size `{text}`; write it as 5GB or 300MB");
    let scale = match unit.to_ascii_lowercase().as_str() {
        "" => 1,
        unit => SIZES
            .iter()
            .find(|(name, _)| {
                let name = name.to_ascii_lowercase();
                unit == name || (name.len() == 2 && name.starts_with(unit) && unit != "b")
            })
            .map(|(_, scale)| *scale)
            .ok_or_else(wrong)?,
    };
    scaled(number, scale).filter(|bytes| *bytes < u64::MAX as f64).map(|bytes| bytes as u64).ok_or_else(wrong)
}

/// Reads `30d`, `12h`, `2 weeks`.
pub fn parse_time(text: &str) -> Result<Duration, String> {
    let (number, unit) = split(text);
    let wrong = || format!("`{text}` is not a time; write it as 30d, 12h or 2w");
    let unit = unit.to_ascii_lowercase();
    let known = TIMES.iter().find(|(short, long, _)| {
        !unit.is_empty() && (unit == *short || unit == *long || unit == long.trim_end_matches('s'))
    });
    let (.., scale) = known.ok_or_else(wrong)?;
    let seconds = scaled(number, *scale).ok_or_else(wrong)?;
    Duration::try_from_secs_f64(seconds).map_err(|_| wrong())
}

fn split(text: &str) -> (&str, &str) {
    let text = text.trim();
    let end = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (number, unit) = text.split_at(end);
    (number, unit.trim())
}

fn scaled(number: &str, scale: u64) -> Option<f64> {
    let value: f64 = number.parse().ok()?;
    (value.is_finite() && value >= 0.0).then_some(value * scale as f64)
}

/// `1.2 GB`, `38 kB`.
pub fn size(bytes: u64) -> String {
    let (unit, scale) = SIZES.into_iter().find(|(_, scale)| bytes >= *scale).unwrap_or(("B", 1));
    let value = bytes as f64 / scale as f64;
    if scale > 1 && value < 9.95 { format!("{value:.1} {unit}") } else { format!("{value:.0} {unit}") }
}

/// `0.3 s`, `12 s`, `4 min`, `2.5 h`, `3 days`.
pub fn seconds(seconds: f64) -> String {
    // A sum over nothing is -0.
    let seconds = seconds + 0.0;
    match seconds {
        ..0.095 => format!("{:.0} ms", seconds * 1e3),
        ..9.95 => format!("{seconds:.1} s"),
        ..99.5 => format!("{seconds:.0} s"),
        ..5970.0 => format!("{:.0} min", seconds / 60.0),
        ..172_800.0 => format!("{:.1} h", seconds / 3600.0),
        _ => format!("{:.0} days", seconds / 86_400.0),
    }
}

/// How long ago, roughly.
pub fn ago(time: std::time::SystemTime) -> String {
    match time.elapsed() {
        Ok(since) if since >= Duration::from_secs(60) => format!("{} ago", seconds(since.as_secs_f64())),
        _ => "just now".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_and_times_are_read_and_written() {
        for (text, bytes) in
            [("5GB", 5_000_000_000), ("1.5 tb", 1_500_000_000_000), ("300M", 300_000_000), ("17", 17), ("8 B", 8)]
        {
            assert_eq!(parse_size(text), Ok(bytes), "{text}");
        }
        for (text, seconds) in
            [("30d", 2_592_000), ("12h", 43_200), ("2 weeks", 1_209_600), ("1 day", 86_400), ("90s", 90)]
        {
            assert_eq!(parse_time(text), Ok(Duration::from_secs(seconds)), "{text}");
        }
        for wrong in ["", "GB", "-1GB", "5 parsecs", "1e9", "..", "5bb", "99999999999999999999TB"] {
            assert!(parse_size(wrong).is_err(), "{wrong}");
            assert!(parse_time(wrong).is_err(), "{wrong}");
        }
        assert!(parse_time("30").is_err(), "thirty of what");
        let shown = [0, 999, 1000, 38_400, 1_234_567, 20_000_000_000].map(size);
        assert_eq!(shown, ["0 B", "999 B", "1.0 kB", "38 kB", "1.2 MB", "20 GB"]);
        let shown = [-0.0, 0.004, 0.31, 12.4, 240.0, 9000.0, 300_000.0].map(seconds);
        assert_eq!(shown, ["0 ms", "4 ms", "0.3 s", "12 s", "4 min", "2.5 h", "3 days"]);
    }
}
