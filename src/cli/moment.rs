//! Moments for people: ages, local times, and durations as typed.

use std::time::{Duration, Instant, SystemTime};

use jiff::{Timestamp, tz::TimeZone};

/// Tells how long something takes, by a clock that nobody sets. Nothing is decided by it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Stopwatch(Instant);

impl Stopwatch {
    #[expect(
        clippy::disallowed_methods,
        reason = "the one place where the command line measures time"
    )]
    pub(super) fn start() -> Self {
        Self(Instant::now())
    }

    /// Time passed since it was started.
    #[expect(
        clippy::disallowed_methods,
        reason = "the one place where the command line measures time"
    )]
    pub(super) fn elapsed(self) -> Duration {
        self.0.elapsed()
    }
}

/// A moment on this machine's clock face, to the millisecond.
pub(super) fn local_time(at: SystemTime) -> String {
    face(at, "%H:%M:%S%.3f")
}

/// The same, to the second, for moments that nothing happens exactly at.
pub(super) fn local_second(at: SystemTime) -> String {
    face(at, "%H:%M:%S")
}

fn face(at: SystemTime, format: &str) -> String {
    match Timestamp::try_from(at) {
        Ok(at) => at.to_zoned(TimeZone::system()).strftime(format).to_string(),
        // Some ten thousand years from now.
        Err(_) => humantime::format_rfc3339_seconds(at).to_string(),
    }
}

/// "3m12s ago", or "in 4s" for what is still to come.
pub(super) fn relative(at: SystemTime, now: SystemTime) -> String {
    match now.duration_since(at) {
        Ok(age) => format!("{} ago", span(age.as_secs())),
        Err(early) => format!("in {}", span(early.duration().as_secs())),
    }
}

/// The two largest units of a number of seconds: "12s", "3m12s", "2h5m", "41d3h".
pub(super) fn span(seconds: u64) -> String {
    match seconds {
        0..60 => format!("{seconds}s"),
        60..3_600 => format!("{}m{}s", seconds / 60, seconds % 60),
        3_600..86_400 => format!("{}h{}m", seconds / 3_600, seconds / 60 % 60),
        _ => format!("{}d{}h", seconds / 86_400, seconds / 3_600 % 24),
    }
}

/// Reads "300ms", "1m30s" or plain seconds.
pub(super) fn parse_duration(text: &str) -> Result<Duration, String> {
    if let Ok(seconds) = text.parse() {
        return Ok(Duration::from_secs(seconds));
    }
    let parsed = humantime::parse_duration(text);
    parsed.map_err(|_| "write for example 300ms, 30s or 2m".into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ages_have_two_units() {
        let at = |text: &str| humantime::parse_rfc3339(text).unwrap();
        let now = at("2026-01-05T10:00:00Z");
        assert_eq!(relative(at("2026-01-05T09:59:59.500Z"), now), "0s ago");
        assert_eq!(relative(at("2026-01-05T09:56:48.000Z"), now), "3m12s ago");
        assert_eq!(relative(at("2026-01-05T07:54:48.000Z"), now), "2h5m ago");
        assert_eq!(relative(at("2025-11-25T07:00:00.000Z"), now), "41d3h ago");
        assert_eq!(relative(at("2026-01-05T10:00:04.200Z"), now), "in 4s");
    }

    #[test]
    fn durations_may_lack_a_unit() {
        assert_eq!(parse_duration("30"), Ok(Duration::from_secs(30)));
        assert_eq!(parse_duration("300ms"), Ok(Duration::from_millis(300)));
        assert!(parse_duration("soon").is_err());
    }
}
