//! The clock and the dice: the only place that reads time and asks the system for randomness.

use std::time::{Duration, Instant, SystemTime};

use crate::swim::Timestamp;

/// Time as the protocol sees it: the wall clock when the agent started plus what the monotonic
/// clock counted since. A wall clock that is stepped later moves nothing.
#[derive(Clone, Copy, Debug)]
pub(super) struct Clock {
    start: Timestamp,
    anchor: Instant,
}

impl Clock {
    /// A clock anchored to the wall clock now. Before 1970 it starts at zero.
    #[expect(
        clippy::disallowed_methods,
        reason = "the one place that reads the clocks"
    )]
    pub(super) fn start() -> Self {
        let wall = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
        Self {
            start: Timestamp::ZERO + wall.unwrap_or(Duration::ZERO),
            anchor: Instant::now(),
        }
    }

    /// Now. Never goes back.
    #[expect(
        clippy::disallowed_methods,
        reason = "the one place that reads the clocks"
    )]
    pub(super) fn now(&self) -> Timestamp {
        self.start + self.anchor.elapsed()
    }

    /// Time since the clock was started.
    pub(super) fn uptime(&self) -> Duration {
        self.now().saturating_since(self.start)
    }

    /// Waits until `at`, or for ever.
    pub(super) async fn reach(&self, at: Option<Timestamp>) {
        match at {
            Some(at) => tokio::time::sleep_until(self.instant(at)).await,
            None => std::future::pending().await,
        }
    }

    /// The same moment on tokio's clock, to sleep until. What lies before the start is the start.
    fn instant(&self, at: Timestamp) -> tokio::time::Instant {
        (self.anchor + at.saturating_since(self.start)).into()
    }
}

/// What is said once in a minute at most, as the log's lines of what others do are.
#[derive(Debug, Default)]
pub(super) struct OnceAMinute(Option<Timestamp>);

impl OnceAMinute {
    /// Whether it is to be said now. It is said then.
    pub(super) fn is_due(&mut self, now: Timestamp) -> bool {
        let is_over = |said| now.saturating_since(said) >= Duration::from_secs(60);
        let is_due = self.0.is_none_or(is_over);
        if is_due {
            self.0 = Some(now);
        }
        is_due
    }
}

/// Holds up this very thread: a start that waits for another process, while nothing runs yet.
#[expect(clippy::disallowed_methods, reason = "the one place that does")]
pub(super) fn pause(span: Duration) {
    std::thread::sleep(span);
}

/// Eight bytes from the system's generator.
///
/// When the system has none to give, which no supported kernel does after boot, the clock and
/// the process id must do: two agents still differ.
pub(super) fn random() -> u64 {
    let mut bytes = [0; 8];
    match rustix::rand::getrandom(&mut bytes, rustix::rand::GetRandomFlags::empty()) {
        Ok(8) => u64::from_ne_bytes(bytes),
        _ => Clock::start().start.as_micros() ^ (u64::from(std::process::id()) << 40),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_goes_on_and_survives_the_way_to_tokio() {
        let clock = Clock::start();
        let (first, second) = (clock.now(), clock.now());
        assert!(first <= second);
        assert_eq!(
            clock.instant(first + Duration::from_secs(1)) - clock.instant(first),
            Duration::from_secs(1)
        );
    }

    #[test]
    fn dice_differ() {
        assert_ne!(random(), random());
    }
}
