//! What one observer's changes promise: each is checked with what that observer held before it.

use super::{
    Promise,
    ledger::{Account, Version},
};
use crate::swim::{Change, MemberState, MemberView};

/// Promises about one observer's changes, with their checks.
pub(super) const OF_CHANGES: [(Promise, Check); 4] = [
    (Promise::IncarnationsGrow, incarnations_grow),
    (Promise::DeadStayDead, dead_stay_dead),
    (Promise::LegalTransitions, legal_transitions),
    (Promise::ChangesAgree, changes_agree),
];

/// One change of a member, and what its observer held of it before.
#[derive(Debug)]
pub(super) struct Transition<'a> {
    pub(super) change: &'a Change,
    pub(super) member: &'a MemberView,
    /// What the observer showed of this member before, if anything.
    pub(super) before: Option<&'a Account>,
    /// The newest it ever showed, even if the member was forgotten since.
    pub(super) newest: Option<Version>,
    /// Whoever was forgotten may have come back without its generation.
    pub(super) forgets_soon: bool,
}

/// Says what is wrong with a change, if anything.
pub(super) type Check = fn(&Transition<'_>) -> Result<(), String>;

fn incarnations_grow(transition: &Transition<'_>) -> Result<(), String> {
    let now = Version::of(transition.member);
    match transition.newest {
        Some(newest) if newest.generation == now.generation && newest > now => Err(format!(
            "{} shows incarnation {} after {}",
            describe(transition),
            now.incarnation,
            newest.incarnation
        )),
        _ => Ok(()),
    }
}

fn dead_stay_dead(transition: &Transition<'_>) -> Result<(), String> {
    let now = Version::of(transition.member);
    let is_new = transition.before.is_none() && transition.forgets_soon;
    if let Some(newest) = transition.newest
        && now.generation < newest.generation
        && !is_new
    {
        return Err(format!(
            "{} shows generation {} after {}",
            describe(transition),
            now.generation,
            newest.generation
        ));
    }
    let Some(before) = transition.before else {
        return stays_forgotten(transition, now);
    };
    let returns = matches!(transition.change, Change::Join { .. });
    let same_generation = before.version.generation == now.generation;
    let over = match before.state {
        MemberState::Failed if before.version == now => "life",
        MemberState::Left if same_generation => "generation",
        _ => return Ok(()),
    };
    match returns {
        true => Err(format!(
            "{} returns in the very {over} that was over",
            describe(transition)
        )),
        false => Ok(()),
    }
}

/// Whoever was told that a member is forgotten hears of its end no more.
fn stays_forgotten(transition: &Transition<'_>, now: Version) -> Result<(), String> {
    let is_end = matches!(transition.change, Change::Failed(_) | Change::Left(_));
    match transition.newest.is_some_and(|newest| now <= newest) && is_end {
        true => Err(format!(
            "{} ends once more, after it was forgotten",
            describe(transition)
        )),
        false => Ok(()),
    }
}

fn legal_transitions(transition: &Transition<'_>) -> Result<(), String> {
    use MemberState::{Alive, Failed, Left, Suspect};
    let state = transition.before.map(|account| account.state);
    let legal = match transition.change {
        Change::Join { previous, .. } => match previous {
            None => state.is_none(),
            Some(previous) => state == Some(*previous) && matches!(previous, Failed | Left),
        },
        Change::Suspect(_) => state == Some(Alive),
        Change::Refuted(member) => {
            state == Some(Suspect)
                && transition
                    .before
                    .is_some_and(|account| member.incarnation > account.version.incarnation)
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
                && transition
                    .before
                    .is_some_and(|account| account.version.generation == *previous_generation)
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
            describe(transition),
            state,
            transition.before.map(|account| account.version.generation)
        ))
    }
}

fn changes_agree(transition: &Transition<'_>) -> Result<(), String> {
    let state = match transition.change {
        Change::Join { .. } | Change::Refuted(_) | Change::Restart { .. } => MemberState::Alive,
        Change::Suspect(_) => MemberState::Suspect,
        Change::Failed(_) => MemberState::Failed,
        Change::Left(_) => MemberState::Left,
        _ => return Ok(()),
    };
    let member = transition.member;
    if member.state == state && member.suspicion.is_some() == (state == MemberState::Suspect) {
        Ok(())
    } else {
        Err(format!("{} carries {member:?}", describe(transition)))
    }
}

fn describe(transition: &Transition<'_>) -> String {
    let (kind, card) = (transition.change.kind(), &transition.member.card);
    format!("{kind} of {} generation {}", card.name, card.generation)
}
