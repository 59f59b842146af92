//! The tables' words: `suspect 2.1/5 by p2` is an accusation by `p2` of the member in generation 2,
//! renewal 1, incarnation 5.

use super::stage::card;
use crate::swim::{
    Change, Evidence, Life, MemberId, MemberView,
    roster::Accusation,
    wire::{Update, WireEvent},
};

/// What announces a restart is due so soon.
pub(super) const RESTART_S: u32 = 30;

/// Life and incarnation: `2.1/5`, or `2.1` of what has no incarnation.
pub(super) fn moment(word: &str) -> (Life, u16) {
    let (life, incarnation) = word.split_once('/').unwrap_or((word, "0"));
    let (generation, renewal) = life.split_once('.').unwrap();
    let first = Life::first(generation.parse().unwrap());
    let renewals = 0..renewal.parse().unwrap();
    let life = renewals.fold(first, |life, _: u32| life.next());
    (life, incarnation.parse().unwrap())
}

/// A claim about `name`. Who accuses is `p1` unless it says so.
pub(super) fn claim(name: &str, text: &str) -> Update<'static> {
    let words: Vec<_> = text.split_whitespace().collect();
    let (life, incarnation) = moment(words[1]);
    let id = MemberId::new("blue", name);
    let by = match words[2..] {
        ["by", accuser] => accuser,
        _ => "p1",
    };
    let accusation = Accusation {
        by: MemberId::new("blue", by),
        evidence: Evidence::ProbeTimeout,
    };
    let card = card(name, life.generation(), words.contains(&"elsewhere"));
    match words[0] {
        "alive" => Update::Alive {
            card,
            life,
            incarnation,
        },
        "known" => Update::Known { card, life },
        "suspect" => Update::Suspect {
            id,
            life,
            incarnation,
            accusation,
        },
        "failed" => Update::Failed {
            id,
            life,
            incarnation,
            accusation,
            age_s: 0,
        },
        "left" => Update::Left {
            id,
            life,
            reason: "upgrade".into(),
            age_s: 0,
        },
        "removed" => Update::Removed { id, life, age_s: 0 },
        "restarting" => Update::Restarting {
            id,
            life,
            eta_s: RESTART_S,
            age_s: 0,
        },
        "event" => event(id, (life.generation(), incarnation), &words[2..]),
        other => panic!("no claim is called {other:?}"),
    }
}

/// An event, whose number stands where claims have the incarnation: `event 2.0/5` is one of the
/// first five, `from 4` of which only the last two can still come.
fn event(id: MemberId, (generation, number): (u32, u16), words: &[&str]) -> Update<'static> {
    let from = match words {
        ["from", from] => from.parse().unwrap(),
        _ => 1,
    };
    Update::Event {
        id,
        generation,
        event: WireEvent {
            number: number.into(),
            behind: number - from,
            age_ms: 0,
            name: "deploy".into(),
            payload: "".into(),
        },
    }
}

/// A claim as the tables write it.
pub(super) fn claim_word(claim: &Update<'_>) -> String {
    let life = claim.life();
    match claim {
        Update::Alive { incarnation, .. } => format!("alive {life:?}/{incarnation}"),
        Update::Suspect {
            incarnation,
            accusation,
            ..
        } => format!(
            "suspect {life:?}/{incarnation} by {}",
            name_of(accusation.by)
        ),
        Update::Failed { incarnation, .. } => format!("failed {life:?}/{incarnation}"),
        Update::Left { .. } => format!("left {life:?}"),
        Update::Removed { .. } => format!("removed {life:?}"),
        Update::Restarting { .. } => format!("restarting {life:?}"),
        Update::Known { .. } => format!("known {life:?}"),
        Update::Facts { generation, .. } | Update::Tagged { generation, .. } => {
            format!("facts {generation}")
        }
        Update::Event {
            generation, event, ..
        } => format!("event {generation}.0/{}", event.number),
    }
}

fn name_of(id: MemberId) -> String {
    let names = (1..=5).map(|at| format!("p{at}")).chain(["me".into()]);
    let mut named = names.filter(|name| MemberId::new("blue", name) == id);
    named.next().unwrap_or_else(|| id.to_string())
}

/// A member as it is shown.
pub(super) fn member_word(member: &MemberView) -> String {
    let (generation, told) = (member.card.generation, member.incarnation);
    let (renewal, incarnation) = (told >> 16, told & 0xFFFF);
    format!(
        "{} {generation}.{renewal}/{incarnation}",
        member.state.as_str()
    )
}

/// A change as it is told.
pub(super) fn change_word(change: &Change) -> String {
    match change {
        Change::Join {
            previous: Some(previous),
            ..
        } => format!("join after {}", previous.as_str()),
        Change::User(event) => format!("user {}", event.number),
        other => other.kind().to_owned(),
    }
}
