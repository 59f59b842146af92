//! `Timestamp`: the only notion of time the pure layers have.
//!
//! Whoever drives a node says what time it is. The agent anchors time to the wall clock once, at
//! start, and follows the monotonic clock from there, so a stepped wall clock never moves the
//! protocol. The simulator starts at zero.

use std::{
    fmt,
    ops::{Add, Sub},
    time::{Duration, SystemTime},
};

/// Microseconds since the driver's epoch: the Unix epoch in an agent, zero in a simulation.
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(u64);

impl Timestamp {
    /// The driver's epoch.
    pub const ZERO: Self = Self(0);

    /// The instant `micros` microseconds after the epoch.
    pub const fn from_micros(micros: u64) -> Self {
        Self(micros)
    }

    /// Microseconds since the epoch.
    pub const fn as_micros(self) -> u64 {
        self.0
    }

    /// Time passed since `earlier`; zero when `earlier` is later.
    pub const fn saturating_since(self, earlier: Self) -> Duration {
        Duration::from_micros(self.0.saturating_sub(earlier.0))
    }

    /// The instant `span` before this one; the epoch when that is later.
    #[must_use]
    pub(super) fn before(self, span: Duration) -> Self {
        let micros = u64::try_from(span.as_micros()).unwrap_or(u64::MAX);
        Self(self.0.saturating_sub(micros))
    }

    /// RFC 3339 in UTC with milliseconds, as the JSON records carry it.
    pub fn to_rfc3339(self) -> String {
        let wall = SystemTime::UNIX_EPOCH + Duration::from_micros(self.0);
        humantime::format_rfc3339_millis(wall).to_string()
    }
}

impl Add<Duration> for Timestamp {
    type Output = Self;

    /// Saturates at the end of time, 584,942 years after the epoch.
    fn add(self, delay: Duration) -> Self {
        let micros = u64::try_from(delay.as_micros()).unwrap_or(u64::MAX);
        Self(self.0.saturating_add(micros))
    }
}

impl Sub for Timestamp {
    type Output = Duration;

    fn sub(self, earlier: Self) -> Duration {
        self.saturating_since(earlier)
    }
}

impl fmt::Debug for Timestamp {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            formatter,
            "{}.{:06}s",
            self.0 / 1_000_000,
            self.0 % 1_000_000
        )
    }
}
