//! Moments for people: ages, local times, and durations as typed.

use std::time::{Duration, Instant};

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

/// Now, to tell how long ago something was: `at` on the agent's clock, which is the one that its
/// records are dated by. Of an agent that does not say, ours must do.
pub(super) fn agents_now(at: &str) -> Timestamp {
    at.parse().unwrap_or_else(|_| Timestamp::now())
}

/// A record's RFC 3339 time on this machine's clock face, to the millisecond.
pub(super) fn local_time(at: &str) -> String {
    match at.parse::<Timestamp>() {
        Ok(at) => face(at, "%H:%M:%S%.3f"),
        Err(_) => at.into(),
    }
}

/// The same, to the second, for moments that nothing happens exactly at.
pub(super) fn local_second(at: &str) -> String {
    match at.parse::<Timestamp>() {
        Ok(at) => face(at, "%H:%M:%S"),
        Err(_) => at.into(),
    }
}

fn face(at: Timestamp, format: &str) -> String {
    at.to_zoned(TimeZone::system()).strftime(format).to_string()
}

/// "3m12s ago", or "in 4s" for what is still to come.
pub(super) fn relative(at: &str, now: Timestamp) -> String {
    let Ok(at) = at.parse::<Timestamp>() else {
        return at.into();
    };
    let distance = now.duration_since(at);
    let text = span(distance.unsigned_abs().as_secs());
    match distance.is_negative() {
        true => format!("in {text}"),
        false => format!("{text} ago"),
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
        let now: Timestamp = "2026-01-05T10:00:00Z".parse().unwrap();
        assert_eq!(relative("2026-01-05T09:59:59.500Z", now), "0s ago");
        assert_eq!(relative("2026-01-05T09:56:48.000Z", now), "3m12s ago");
        assert_eq!(relative("2026-01-05T07:54:48.000Z", now), "2h5m ago");
        assert_eq!(relative("2025-11-25T07:00:00.000Z", now), "41d3h ago");
        assert_eq!(relative("2026-01-05T10:00:04.200Z", now), "in 4s");
        assert_eq!(relative("nonsense", now), "nonsense");
    }

    #[test]
    fn now_is_what_the_agent_says() {
        let at = "2026-01-05T10:00:00.000Z";
        assert_eq!(
            relative("2026-01-05T09:59:58.000Z", agents_now(at)),
            "2s ago"
        );
    }

    #[test]
    fn durations_may_lack_a_unit() {
        assert_eq!(parse_duration("30"), Ok(Duration::from_secs(30)));
        assert_eq!(parse_duration("300ms"), Ok(Duration::from_millis(300)));
        assert!(parse_duration("soon").is_err());
    }
}
