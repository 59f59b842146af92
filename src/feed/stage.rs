//! `Stage`: for how long a member has been what it is.
//!
//! A consumer that wants only what lasts, for however long it likes, must be told the same whether
//! it is there all the time, comes back, or comes late. So the feed keeps, for each member, not
//! what some consumer was told but what every consumer can have been told: the former stages that
//! lasted longer than any since.

use std::sync::{Arc, OnceLock};

use crate::swim::Timestamp;

use super::{Member, taste::STABLE_MAX_S};

/// A time in which a member changed neither its state nor its generation, suspicions not counted.
#[derive(Debug)]
pub(super) struct Stage {
    began: Timestamp,
    /// Whole seconds, once it is over or decided: what lasted is asked for in whole seconds, too.
    lasted: OnceLock<u64>,
    past: Option<Arc<Past>>,
}

/// A stage that is over, and how the member was at its end. Each lasted for less time than the one
/// below, so that there are few.
#[derive(Debug)]
struct Past {
    member: Arc<Member>,
    lasted: u64,
    below: Option<Arc<Self>>,
}

impl Stage {
    /// The first stage of a member.
    pub(super) const fn first(began: Timestamp) -> Self {
        Self {
            began,
            lasted: OnceLock::new(),
            past: None,
        }
    }

    /// The stage after this one, which ends `at` with the member as `last`.
    pub(super) fn next(&self, at: Timestamp, last: &Arc<Member>) -> Self {
        let lasted = *self
            .lasted
            .get_or_init(|| at.saturating_since(self.began).as_secs());
        let outlasts = |past: &&Arc<Past>| past.lasted > lasted;
        let below = match lasted < STABLE_MAX_S {
            true => pasts(self.past.as_ref()).find(outlasts),
            false => None,
        };
        let past = Past {
            member: last.clone(),
            lasted,
            below: below.cloned(),
        };
        Self {
            past: Some(Arc::new(past)),
            ..Self::first(at)
        }
    }

    /// Lets it count as one that lasts for however long, unless it is over.
    pub(super) fn decide(&self) {
        self.lasted.get_or_init(|| STABLE_MAX_S);
    }

    /// Whether it lasted for so many seconds, or is not over.
    pub(super) fn lasts(&self, seconds: u64) -> bool {
        self.lasted.get().is_none_or(|lasted| *lasted >= seconds)
    }

    /// How the member was at the end of the last stage before this one that lasted for so long.
    pub(super) fn before(&self, seconds: u64) -> Option<&Arc<Member>> {
        let mut pasts = pasts(self.past.as_ref());
        pasts
            .find(|past| past.lasted >= seconds)
            .map(|past| &past.member)
    }
}

/// From the newest to the one that lasted longest.
fn pasts(newest: Option<&Arc<Past>>) -> impl Iterator<Item = &Arc<Past>> {
    std::iter::successors(newest, |past| past.below.as_ref())
}
