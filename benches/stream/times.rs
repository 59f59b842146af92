//! `Times`: how long each change took.

use std::{fmt, time::Duration};

/// In order.
pub(crate) struct Times(Vec<Duration>);

impl Times {
    pub(crate) fn new(mut times: Vec<Duration>) -> Self {
        times.sort();
        Self(times)
    }

    /// The time that so many thousandths of all are no longer than.
    pub(crate) fn at(&self, thousandths: usize) -> Duration {
        let last = self.0.len().saturating_sub(1);
        let index = (self.0.len() * thousandths)
            .div_ceil(1_000)
            .saturating_sub(1);
        self.0
            .get(index.min(last))
            .copied()
            .unwrap_or(Duration::MAX)
    }
}

impl fmt::Display for Times {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [p50, p99, max] = [500, 990, 1_000].map(|thousandths| {
            let time = self.at(thousandths);
            time.as_secs_f64() * 1_000.0
        });
        write!(f, "{p50:.2}, {p99:.2}, {max:.2}")
    }
}
