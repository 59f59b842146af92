//! What a cluster promises its consumers, one small check each.
//!
//! A [`Promise`] about one observer's changes looks at a change together with what that observer
//! held before it. Promises that need the whole world are named here and checked where the facts
//! are; all of them end as a [`Violation`].

use std::fmt;

use super::ledger::Held;
use crate::swim::{Change, MemberState, MemberView, Timestamp};

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

/// Promises about one observer's changes, with their checks.
pub(super) const OF_CHANGES: [(Promise, Check); 4] = [
    (Promise::IncarnationsGrow, incarnations_grow),
    (Promise::DeadStayDead, dead_stay_dead),
    (Promise::LegalTransitions, legal_transitions),
    (Promise::ChangesAgree, changes_agree),
];

/// One change, and what its observer held of that member before.
#[derive(Debug)]
pub(super) struct Telling<'a> {
    pub(super) change: &'a Change,
    pub(super) member: &'a MemberView,
    /// What the observer showed of this member before, if anything.
    pub(super) before: Option<&'a Held>,
    /// The greatest generation and incarnation it ever showed, even if it was forgotten since.
    pub(super) highest: Option<(u32, u32)>,
    /// Whoever was forgotten may have come back without its generation.
    pub(super) forgets_soon: bool,
}

/// Says what is wrong with a change, if anything.
pub(super) type Check = fn(&Telling<'_>) -> Result<(), String>;

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

fn incarnations_grow(telling: &Telling<'_>) -> Result<(), String> {
    let now = (telling.member.card.generation, telling.member.incarnation);
    match telling.highest {
        Some(highest) if highest.0 == now.0 && highest.1 > now.1 => Err(format!(
            "{} shows incarnation {} after {}",
            describe(telling),
            now.1,
            highest.1
        )),
        _ => Ok(()),
    }
}

fn dead_stay_dead(telling: &Telling<'_>) -> Result<(), String> {
    let now = (telling.member.card.generation, telling.member.incarnation);
    let is_new = telling.before.is_none() && telling.forgets_soon;
    if let Some(highest) = telling.highest
        && now.0 < highest.0
        && !is_new
    {
        return Err(format!(
            "{} shows generation {} after {}",
            describe(telling),
            now.0,
            highest.0
        ));
    }
    let Some(before) = telling.before else {
        return stays_forgotten(telling, now);
    };
    let returns = matches!(telling.change, Change::Join { .. });
    let same_generation = before.generation == now.0;
    let over = match before.state {
        MemberState::Failed if same_generation && before.incarnation == now.1 => "life",
        MemberState::Left if same_generation => "generation",
        _ => return Ok(()),
    };
    match returns {
        true => Err(format!(
            "{} returns in the very {over} that was over",
            describe(telling)
        )),
        false => Ok(()),
    }
}

/// Whoever was told that a member is forgotten hears of its end no more.
fn stays_forgotten(telling: &Telling<'_>, now: (u32, u32)) -> Result<(), String> {
    let is_end = matches!(telling.change, Change::Failed(_) | Change::Left(_));
    match telling.highest.is_some_and(|highest| now <= highest) && is_end {
        true => Err(format!(
            "{} ends once more, after it was forgotten",
            describe(telling)
        )),
        false => Ok(()),
    }
}

fn legal_transitions(telling: &Telling<'_>) -> Result<(), String> {
    use MemberState::{Alive, Failed, Left, Suspect};
    let state = telling.before.map(|held| held.state);
    let legal = match telling.change {
        Change::Join { previous, .. } => match previous {
            None => state.is_none(),
            Some(previous) => state == Some(*previous) && matches!(previous, Failed | Left),
        },
        Change::Suspect(_) => state == Some(Alive),
        Change::Refuted(member) => {
            state == Some(Suspect)
                && telling
                    .before
                    .is_some_and(|held| member.incarnation > held.incarnation)
        }
        // A newcomer hears of the dead without having known them alive, and an observer that
        // lost the accusation hears the verdict first.
        Change::Failed(_) => matches!(state, None | Some(Alive | Suspect | Left)),
        Change::Left(_) => matches!(state, None | Some(Alive | Suspect | Failed)),
        Change::Restart {
            member,
            previous_generation,
        } => {
            matches!(state, Some(Alive | Suspect))
                && member.card.generation > *previous_generation
                && telling
                    .before
                    .is_some_and(|held| held.generation == *previous_generation)
        }
        Change::Removed(_) => state.is_some(),
        Change::Update(member) => state == Some(member.state),
        _ => true,
    };
    if legal {
        Ok(())
    } else {
        Err(format!(
            "{} after {:?} generation {:?}",
            describe(telling),
            state,
            telling.before.map(|held| held.generation)
        ))
    }
}

fn changes_agree(telling: &Telling<'_>) -> Result<(), String> {
    let state = match telling.change {
        Change::Join { .. } | Change::Refuted(_) | Change::Restart { .. } => MemberState::Alive,
        Change::Suspect(_) => MemberState::Suspect,
        Change::Failed(_) => MemberState::Failed,
        Change::Left(_) => MemberState::Left,
        _ => return Ok(()),
    };
    let member = telling.member;
    if member.state == state && member.suspicion.is_some() == (state == MemberState::Suspect) {
        Ok(())
    } else {
        Err(format!("{} carries {member:?}", describe(telling)))
    }
}

fn describe(telling: &Telling<'_>) -> String {
    let (kind, card) = (telling.change.kind(), &telling.member.card);
    format!("{kind} of {} generation {}", card.name, card.generation)
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
        let manual = include_str!("../../simulations/README.md");
        for promise in Promise::all() {
            let row = format!("| {} | {} |", promise.name(), promise.sentence());
            assert!(manual.contains(&row), "not in simulations/README.md: {row}");
        }
    }
}
