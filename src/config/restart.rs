//! When the next agent of a member is due, as operators say it.

use std::time::Duration;

use crate::swim::RESTART_MAX;

/// How soon the next agent is due where nobody said it.
pub const RESTART_ETA: Duration = Duration::from_secs(30);

/// Reads "30s", "2m" or plain seconds.
///
/// # Errors
/// In words, when it is none of these, less than a second, or more than [`RESTART_MAX`].
pub fn restart_eta(text: &str) -> Result<Duration, String> {
    let seconds = text.parse().map(Duration::from_secs).ok();
    let eta = seconds.or_else(|| humantime::parse_duration(text).ok());
    let possible = |eta: &Duration| (Duration::from_secs(1)..=RESTART_MAX).contains(eta);
    eta.filter(possible)
        .ok_or_else(|| format!("eta {text:?} is not a time from 1s to 1h, as 30s"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_from_a_second_to_an_hour() {
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
}
