//! What we read in foca 2.0's source and rely on, one test a fact. When an upgrade of
//! foca breaks one of these, the code that the fact explains wants another look.

use std::time::Duration;

use foca::{
    AccumulatingRuntime, Config, Error, Foca, Member, NoCustomBroadcast, OwnedNotification,
    PostcardCodec, State, Timer,
};
use rand::SeedableRng;
use rand_xoshiro::Xoshiro256PlusPlus;
use serde::{Deserialize, Serialize};

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Id {
    name: u8,
    life: u8,
    renews: bool,
}

impl foca::Identity for Id {
    type Addr = u8;

    fn renew(&self) -> Option<Self> {
        self.renews.then_some(Self {
            life: self.life + 1,
            ..*self
        })
    }

    fn addr(&self) -> u8 {
        self.name
    }

    fn win_addr_conflict(&self, adversary: &Self) -> bool {
        self.life > adversary.life
    }
}

type Engine = Foca<Id, PostcardCodec, Xoshiro256PlusPlus, NoCustomBroadcast>;
type Effects = AccumulatingRuntime<Id>;

const fn id(name: u8) -> Id {
    Id {
        name,
        life: 0,
        renews: true,
    }
}

fn engine(me: Id) -> Engine {
    let config = Config::new_lan(std::num::NonZeroU32::MIN);
    Foca::new(
        me,
        config,
        Xoshiro256PlusPlus::seed_from_u64(1),
        PostcardCodec,
    )
}

/// An engine that knows these members, and what learning them led to.
fn acquainted(me: Id, members: &[Member<Id>]) -> (Engine, Effects) {
    let (mut engine, mut effects) = (engine(me), Effects::new());
    engine
        .apply_many(members.iter().cloned(), true, &mut effects)
        .unwrap();
    (engine, effects)
}

fn notes(effects: &mut Effects) -> Vec<OwnedNotification<Id>> {
    std::iter::from_fn(|| effects.to_notify()).collect()
}

fn timers(effects: &mut Effects) -> Vec<Timer<Id>> {
    std::iter::from_fn(|| effects.to_schedule())
        .map(|(_, timer)| timer)
        .collect()
}

fn states(engine: &Engine) -> Vec<(u8, u16, State)> {
    engine
        .iter_membership_state()
        .map(|m| (m.id().name, m.incarnation(), m.state()))
        .collect()
}

#[test]
fn suspicion_and_refutation_notify_nobody() {
    let (mut engine, mut effects) = acquainted(id(0), &[Member::alive(id(1))]);
    notes(&mut effects);
    let claims = [
        Member::new(id(1), 0, State::Suspect),
        Member::new(id(1), 1, State::Alive),
    ];
    for claim in claims {
        engine
            .apply_many([claim.clone()].into_iter(), true, &mut effects)
            .unwrap();
        assert_eq!(states(&engine), [(1, claim.incarnation(), claim.state())]);
        assert_eq!(notes(&mut effects), []);
    }
}

#[test]
fn a_suspicion_that_was_heard_starts_no_timer() {
    let (mut engine, mut effects) = acquainted(id(0), &[Member::alive(id(1))]);
    timers(&mut effects);
    let claim = Member::new(id(1), 0, State::Suspect);
    engine
        .apply_many([claim].into_iter(), true, &mut effects)
        .unwrap();
    assert_eq!(timers(&mut effects), []);
}

#[test]
fn a_failure_in_incarnation_0_overrides_life_in_incarnation_5() {
    let alive = Member::new(id(1), 5, State::Alive);
    let (mut engine, mut effects) = acquainted(id(0), &[alive]);
    engine
        .apply_many([Member::down(id(1))].into_iter(), true, &mut effects)
        .unwrap();
    assert_eq!(states(&engine)[0].2, State::Down);
}

#[test]
fn confirming_a_suspicion_checks_the_incarnation() {
    let refuted = Member::new(id(1), 1, State::Alive);
    let (mut engine, mut effects) = acquainted(id(0), &[refuted]);
    let stale = Timer::ChangeSuspectToDown {
        member_id: id(1),
        incarnation: 0,
        token: 0,
    };
    engine.handle_timer(stale, &mut effects).unwrap();
    assert_eq!(states(&engine), [(1, 1, State::Alive)]);
}

#[test]
fn the_last_member_lost_kills_every_timer() {
    let (mut engine, mut effects) = acquainted(id(0), &[Member::alive(id(1))]);
    let armed = timers(&mut effects);
    assert!(!armed.is_empty());
    engine
        .apply_many([Member::down(id(1))].into_iter(), true, &mut effects)
        .unwrap();
    assert_eq!(notes(&mut effects).last(), Some(&OwnedNotification::Idle));
    timers(&mut effects);
    while effects.to_send().is_some() {}
    for timer in armed {
        engine.handle_timer(timer, &mut effects).unwrap();
    }
    assert_eq!(
        effects.backlog(),
        0,
        "nothing is sent or scheduled ever again"
    );
}

#[test]
fn a_renewal_leaves_no_timers_until_an_empty_list_is_applied() {
    let (mut engine, mut effects) = acquainted(id(0), &[Member::alive(id(1))]);
    timers(&mut effects);
    engine
        .apply_many([Member::down(id(0))].into_iter(), true, &mut effects)
        .unwrap();
    let renewed = Id { life: 1, ..id(0) };
    assert!(notes(&mut effects).contains(&OwnedNotification::Rejoin(renewed)));
    engine
        .apply_many(std::iter::empty(), true, &mut effects)
        .unwrap();
    assert!(timers(&mut effects).contains(&Timer::ProbeRandomMember(1)));
}

#[test]
fn timers_of_different_members_compare_equal() {
    let timer = |name| Timer::ChangeSuspectToDown {
        member_id: id(name),
        incarnation: 0,
        token: 0,
    };
    assert_ne!(timer(1), timer(2));
    assert_eq!(timer(1).cmp(&timer(2)), std::cmp::Ordering::Equal);
}

#[test]
fn probe_times_cannot_be_changed_but_transmissions_can() {
    let mut engine = engine(id(0));
    let lan = Config::new_lan(std::num::NonZeroU32::MIN);
    let slower = Config {
        probe_period: Duration::from_secs(2),
        ..lan.clone()
    };
    assert_eq!(engine.set_config(slower), Err(Error::InvalidConfig));
    let more = Config {
        max_transmissions: std::num::NonZeroU8::MAX,
        ..lan
    };
    assert_eq!(engine.set_config(more), Ok(()));
}

#[test]
fn a_greater_life_replaces_an_active_member_with_one_rename() {
    let (mut engine, mut effects) = acquainted(id(0), &[Member::alive(id(1))]);
    notes(&mut effects);
    let next = Id { life: 1, ..id(1) };
    engine
        .apply_many([Member::alive(next)].into_iter(), true, &mut effects)
        .unwrap();
    assert_eq!(
        notes(&mut effects),
        [OwnedNotification::Rename(id(1), next)]
    );
}

#[test]
fn a_greater_life_that_is_down_replaces_a_lesser_one_that_is_down_and_is_gossiped() {
    let (mut engine, mut effects) = acquainted(id(0), &[Member::down(id(1))]);
    let backlog = engine.updates_backlog();
    let next = Id { life: 1, ..id(1) };
    engine
        .apply_many([Member::down(next)].into_iter(), true, &mut effects)
        .unwrap();
    assert!(notes(&mut effects).contains(&OwnedNotification::Rename(id(1), next)));
    assert_eq!(
        (engine.updates_backlog(), backlog),
        (1, 1),
        "replaced, so sent anew"
    );
}

#[test]
fn a_down_member_that_was_never_known_is_listed_in_silence() {
    let (engine, mut effects) = acquainted(id(0), &[Member::down(id(1))]);
    assert_eq!(states(&engine), [(1, 0, State::Down)]);
    assert_eq!(notes(&mut effects), []);
}

#[test]
fn an_alive_claim_about_ourselves_changes_nothing() {
    let (mut engine, mut effects) = acquainted(id(0), &[Member::alive(id(1))]);
    while effects.to_send().is_some() {}
    timers(&mut effects);
    notes(&mut effects);
    engine
        .apply_many(
            [Member::new(id(0), 9, State::Alive)].into_iter(),
            true,
            &mut effects,
        )
        .unwrap();
    assert_eq!(effects.backlog(), 0);
    assert_eq!(states(&engine), [(1, 0, State::Alive)]);
}
