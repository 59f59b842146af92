//! What a cluster promises its consumers, and the checks that look at one node alone.
//!
//! Promises that need the whole world are named here and checked where the facts are; all of them
//! end as a [`Violation`].

mod bounds;
mod changes;
mod consumer;
mod events;
mod ledger;

use std::{fmt, time::Duration};

pub(super) use bounds::{are_few, excess, excess_of_outputs};
pub(super) use consumer::Consumer;
pub(super) use events::{Events, Listener};
pub(super) use ledger::Ledger;

use crate::swim::Timestamp;

/// A leaving node has this long to stop.
pub(super) const LEAVE_MAX: Duration = Duration::from_millis(500);

/// Something every run must keep.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "each has a sentence, which reports print")]
pub enum Promise {
    IncarnationsGrow,
    DeadStayDead,
    LegalTransitions,
    ChangesAgree,
    ChangesReplay,
    FeedReplays,
    MembersExist,
    PacketsFit,
    LoadIsBounded,
    LeaveIsQuick,
    StopIsLast,
    ConflictHasTwo,
    EngineIsWellUsed,
    TimeAdvances,
    ViewsConverge,
    NoHealthyFailed,
    NoDeadAlive,
    HealthyStay,
    LeftIsNotFailed,
    EventsArrive,
    EventsInOrder,
}

/// Each promise with its name and its sentence, in the order of the promises.
const WORDS: [(Promise, &str, &str); 21] = [
    (
        Promise::IncarnationsGrow,
        "incarnations grow",
        "a member's published incarnation never goes back within a generation",
    ),
    (
        Promise::DeadStayDead,
        "the dead stay dead",
        "a generation that left, a life that failed and one that was followed never return, nor \
               end once more when they are forgotten",
    ),
    (
        Promise::LegalTransitions,
        "legal transitions",
        "a member goes from state to state only as the event format says",
    ),
    (
        Promise::ChangesAgree,
        "changes agree",
        "a change carries the member in the state that the change speaks of",
    ),
    (
        Promise::ChangesReplay,
        "changes replay",
        "a node's changes, replayed onto its first member list, give its member list",
    ),
    (
        Promise::FeedReplays,
        "the feed replays",
        "a consumer that reads the numbered lines, misses none but by a gap that says so, and \
               holds the member list",
    ),
    (
        Promise::MembersExist,
        "members exist",
        "nobody is shown who was never started in this cluster",
    ),
    (
        Promise::PacketsFit,
        "packets fit",
        "no datagram and no frame is larger than the wire format allows",
    ),
    (
        Promise::LoadIsBounded,
        "load is bounded",
        "what a node keeps, and says at once, grows with the members it hears of only",
    ),
    (
        Promise::LeaveIsQuick,
        "leave is quick",
        "a node that is told to leave stops within half a second",
    ),
    (
        Promise::StopIsLast,
        "stop is last",
        "a node says nothing after it said that it stops",
    ),
    (
        Promise::ConflictHasTwo,
        "a conflict has two sides",
        "a node only stops for a conflict when another process really has its name",
    ),
    (
        Promise::EngineIsWellUsed,
        "the engine is well used",
        "foca never reports that it was misused",
    ),
    (
        Promise::TimeAdvances,
        "time advances",
        "no node asks to be woken at the same instant for ever",
    ),
    (
        Promise::ViewsConverge,
        "views converge",
        "once everything is healed all views become and stay equal: the living alive \
               and as they describe themselves, the dead failed or gone, nobody isolated",
    ),
    (
        Promise::NoHealthyFailed,
        "nobody healthy stays failed",
        "once everything is healed, who runs is soon shown so by everybody",
    ),
    (
        Promise::NoDeadAlive,
        "nobody dead stays alive",
        "once everything is healed, who is gone is soon shown so by everybody",
    ),
    (
        Promise::HealthyStay,
        "the healthy stay",
        "in a healed and converged cluster nobody healthy is called failed",
    ),
    (
        Promise::LeftIsNotFailed,
        "left is not failed",
        "on a network that loses nothing, who said goodbye is never called failed",
    ),
    (
        Promise::EventsArrive,
        "events arrive",
        "a user event is told within its lifetime by everybody who knew its sender when it was \
               raised, unless either, or the network between any two, was disturbed meanwhile",
    ),
    (
        Promise::EventsInOrder,
        "events in order",
        "a node tells each user event once, and those of one process in the order of their numbers",
    ),
];

impl Promise {
    /// Every promise that a run is checked against.
    pub fn all() -> impl Iterator<Item = Self> {
        WORDS.into_iter().map(|(promise, ..)| promise)
    }

    /// Its short name.
    pub const fn name(self) -> &'static str {
        WORDS[self as usize].1
    }

    /// What is promised, in one sentence.
    pub const fn sentence(self) -> &'static str {
        WORDS[self as usize].2
    }
}

/// How somebody breaks a promise.
#[derive(Debug)]
pub(super) struct Breach {
    pub(super) promise: Promise,
    pub(super) seen: String,
}

/// A broken promise.
#[derive(Clone, Debug)]
pub struct Violation {
    /// Which one.
    pub promise: Promise,
    /// When, in virtual time since counting began.
    pub at: Timestamp,
    /// At which node, by name and slot, or that it is about the cluster.
    pub observer: String,
    /// What was seen.
    pub seen: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            promise,
            at,
            observer,
            seen,
        } = self;
        write!(
            formatter,
            "broken promise \"{}\" ({}) at {at:?}, {observer}: {seen}",
            promise.name(),
            promise.sentence()
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_promise_has_its_own_words() {
        for (index, promise) in Promise::all().enumerate() {
            assert_eq!(promise as usize, index, "{}", promise.name());
        }
    }

    #[test]
    fn the_manual_lists_every_promise() {
        let manual = include_str!("../../../simulations/README.md");
        for promise in Promise::all() {
            let row = format!("| {} | {} |", promise.name(), promise.sentence());
            assert!(manual.contains(&row), "not in simulations/README.md: {row}");
        }
    }
}
