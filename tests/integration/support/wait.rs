//! The tests' only clock and only dice.

use std::time::{Duration, Instant};

/// How long any condition may take. Tests end long before; this is for a starved machine.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

const POLL_INTERVAL: Duration = Duration::from_millis(25);

/// Time since it was made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Stopwatch(Instant);

impl Stopwatch {
    #[expect(clippy::disallowed_methods, reason = "the tests' only clock")]
    pub(crate) fn start() -> Self {
        Self(Instant::now())
    }

    #[expect(clippy::disallowed_methods, reason = "the tests' only clock")]
    pub(crate) fn elapsed(&self) -> Duration {
        self.0.elapsed()
    }

    /// How much later `other` was made; zero when it was earlier.
    pub(crate) fn until(&self, other: Self) -> Duration {
        other.0.saturating_duration_since(self.0)
    }
}

/// Looks until there is something to see.
///
/// # Panics
/// After [`PATIENCE`], naming `what` did not happen.
pub(crate) fn until<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let watch = Stopwatch::start();
    loop {
        if let Some(seen) = look() {
            return seen;
        }
        assert!(watch.elapsed() < PATIENCE, "waited in vain: {what}");
        pause(POLL_INTERVAL);
    }
}

/// Lets time pass, where the passing of time is the thing tested.
#[expect(clippy::disallowed_methods, reason = "the tests' only clock")]
pub(crate) fn pause(duration: Duration) {
    std::thread::sleep(duration);
}

/// A fixed, fair enough sequence: splitmix64.
pub(crate) fn draws(mut state: u64) -> impl Iterator<Item = u64> {
    std::iter::repeat_with(move || {
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    })
}
