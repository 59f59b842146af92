//! Times as operators say them.

use std::{ops::RangeInclusive, time::Duration};

use crate::swim::RESTART_MAX;

/// How soon the next agent is due where nobody said it.
pub const RESTART_ETA: Duration = Duration::from_secs(30);

const MINUTE: Duration = Duration::from_secs(60);
/// Addresses of forgotten members are kept so long, and members no longer.
const FORGET_MAX: Duration = Duration::from_secs(30 * 24 * 60 * 60);

/// Reads how soon the next agent of a member is due: "30s", "2m" or plain seconds.
///
/// # Errors
/// In words, when it is none of these, less than a second, or more than [`RESTART_MAX`].
pub fn restart_eta(text: &str) -> Result<Duration, String> {
    within(text, Duration::from_secs(1)..=RESTART_MAX)
        .ok_or_else(|| format!("eta {text:?} is not a time from 1s to 1h, as 30s"))
}

/// Reads for how long a failed or departed member is listed.
pub(super) fn forget_after(text: &str) -> Option<Duration> {
    within(text, MINUTE..=FORGET_MAX)
}

/// A time with its unit, or plain seconds.
fn within(text: &str, range: RangeInclusive<Duration>) -> Option<Duration> {
    let seconds = text.parse().map(Duration::from_secs).ok();
    let time = seconds.or_else(|| humantime::parse_duration(text).ok());
    time.filter(|time| range.contains(time))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_restart_takes_from_a_second_to_an_hour() {
        for (text, seconds) in [("1s", 1), ("30", 30), ("2m", 120), ("1h", 3_600)] {
            assert_eq!(restart_eta(text), Ok(Duration::from_secs(seconds)));
        }
        for text in [
            "",
            "0",
            "999ms",
            "1h1s",
            "-1",
            "soon",
            "18446744073709551616",
        ] {
            let error = restart_eta(text).expect_err(text);
            assert!(error.contains(&format!("{text:?}")) && error.contains("1s to 1h"));
        }
    }

    #[test]
    fn the_dead_are_listed_from_a_minute_to_thirty_days() {
        assert_eq!(forget_after("1m"), Some(MINUTE));
        assert_eq!(forget_after("30d"), Some(FORGET_MAX));
        for text in ["59s", "31d", "never", ""] {
            assert_eq!(forget_after(text), None, "{text}");
        }
    }
}
