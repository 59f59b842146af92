//! `Taste`: what one consumer wants to hear, and when.

use std::{ops::RangeInclusive, str::FromStr, time::Duration};

use super::Filter;

/// Longest time, in seconds, for which something can be asked to have lasted.
pub(super) const STABLE_MAX_S: u64 = 600;
/// Longest time that may have to be quiet before a snapshot, and the shortest.
const SETTLE: RangeInclusive<Duration> = Duration::from_millis(100)..=Duration::from_secs(10);

/// What a consumer wants to hear. The default is everything, at once.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Taste {
    /// About whom, and of which kinds.
    pub filter: Filter,
    /// How sure it must be.
    pub confidence: Confidence,
    /// For how long nobody must have come or gone before the first snapshot.
    pub settle: Option<Settle>,
}

/// How sure a consumer wants to be of what it is told.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Confidence {
    /// It hears of suspicions.
    #[default]
    Suspect,
    /// It hears of failures when they are confirmed. A suspect is alive to it.
    Failed,
    /// The same, and of a member's state or generation only what lasted for so many seconds, so
    /// many seconds later: 1 to 600.
    Stable(u64),
}

/// For how long nobody must have come or gone: 100 ms to 10 s.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settle(Duration);

/// A taste that cannot be.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidTaste {
    /// No such confidence.
    #[error(
        "confidence {0:?} is not suspect, failed or stable:TIME, whole seconds from 1s to 10m, \
         like stable:10s"
    )]
    Confidence(String),
    /// Not a time, or one out of range.
    #[error("settle {0:?} is not a time from 100ms to 10s, like 2s")]
    Settle(String),
}

impl Settle {
    pub(super) const fn quiet(self) -> Duration {
        self.0
    }
}

impl FromStr for Confidence {
    type Err = InvalidTaste;

    fn from_str(text: &str) -> Result<Self, InvalidTaste> {
        let stable = || {
            let time = humantime::parse_duration(text.strip_prefix("stable:")?).ok()?;
            let (seconds, rest) = (time.as_secs(), time.subsec_nanos());
            let is_valid = rest == 0 && (1..=STABLE_MAX_S).contains(&seconds);
            is_valid.then_some(Self::Stable(seconds))
        };
        match text {
            "suspect" => Ok(Self::Suspect),
            "failed" => Ok(Self::Failed),
            _ => stable().ok_or_else(|| InvalidTaste::Confidence(text.into())),
        }
    }
}

impl FromStr for Settle {
    type Err = InvalidTaste;

    fn from_str(text: &str) -> Result<Self, InvalidTaste> {
        let time = humantime::parse_duration(text).ok();
        let time = time.filter(|time| SETTLE.contains(time));
        time.map(Self)
            .ok_or_else(|| InvalidTaste::Settle(text.into()))
    }
}
