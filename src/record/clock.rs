//! UTC as text. Only records hold times; nothing is keyed by them.

use chrono::{DateTime, SecondsFormat, Utc};
use std::time::SystemTime;

/// `2026-11-22T14:40:00Z`.
pub fn rfc3339(time: SystemTime) -> String {
    DateTime::<Utc>::from(time).to_rfc3339_opts(SecondsFormat::Secs, true)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::{Duration, UNIX_EPOCH};

    #[test]
    fn known_moments() {
        // `date -u -d @951782400 +%FT%TZ` and so on.
        let at = |seconds| rfc3339(UNIX_EPOCH + Duration::from_secs(seconds));
        assert_eq!(at(0), "1970-01-01T00:00:00Z");
        assert_eq!(at(951_782_400), "2000-02-29T00:00:00Z");
        assert_eq!(at(1_795_358_399), "2026-11-22T14:39:59Z");
    }
}
