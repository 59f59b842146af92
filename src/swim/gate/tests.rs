use std::{borrow::Cow, net::SocketAddr, time::Duration};

use foca::{Header, Message};

use super::*;
use crate::swim::{Enrolled, Evidence, Tags, doubt::Doubt, roster::Accusation, wire::WireCard};

const ACCUSATION: Accusation = Accusation {
    by: MemberId(9),
    evidence: Evidence::ProbeTimeout,
};

fn suspected() -> Standing {
    Standing::Suspect(Doubt::open(ACCUSATION))
}

fn card(name: &str, generation: u32) -> Card {
    Card {
        id: MemberId::new("blue", name),
        name: name.into(),
        generation,
        address: SocketAddr::from(([10, 0, 0, 1], 7946)),
        tags: Tags::default(),
    }
}

fn gate() -> Gate {
    Gate::new(
        "blue".into(),
        Directory::new(),
        Scope::Everyone,
        card("me", 3),
    )
}

/// A gate that was told of `other` in generation 2, and its identity.
fn acquainted() -> (Gate, Identity) {
    let mut gate = gate();
    let member = gate.judge(&alive("other", 2, 0));
    let identity = *member.id();
    tell(&mut gate, identity, 0, Standing::Alive);
    (gate, identity)
}

fn tell(gate: &mut Gate, identity: Identity, incarnation: u16, standing: Standing) {
    let record = Record {
        life: identity.life,
        incarnation,
        standing,
        ..Record::alive(identity.life)
    };
    gate.roster.tell(identity.handle, record);
}

fn alive(name: &str, generation: u32, incarnation: u16) -> Update<'static> {
    let life = Life::first(generation);
    Update::Alive {
        card: WireCard::own(&card(name, generation)),
        life,
        incarnation,
    }
}

fn failed(name: &str, generation: u32, incarnation: u16) -> Update<'static> {
    let (id, life) = (MemberId::new("blue", name), Life::first(generation));
    Update::Failed {
        id,
        life,
        incarnation,
        accusation: ACCUSATION,
        age_s: 0,
    }
}

fn suspect(name: &str, generation: u32, incarnation: u16) -> Update<'static> {
    let (id, life) = (MemberId::new("blue", name), Life::first(generation));
    Update::Suspect {
        id,
        life,
        incarnation,
        accusation: ACCUSATION,
    }
}

fn removed(name: &str, generation: u32) -> Update<'static> {
    Update::Removed {
        id: MemberId::new("blue", name),
        life: Life::first(generation),
        age_s: 0,
    }
}

/// Whether foca hears nothing but that it lives.
fn is_nothing(gate: &Gate, member: &Member<Identity>) -> bool {
    *member == Member::new(gate.me, gate.incarnation, State::Alive)
}

#[test]
fn a_claim_about_a_stranger_is_not_heard_unless_it_introduces_it() {
    let mut gate = gate();
    for claim in [
        failed("other", 2, 0),
        suspect("other", 2, 0),
        removed("other", 2),
    ] {
        let heard = gate.judge(&claim);
        assert!(is_nothing(&gate, &heard), "{claim:?}");
    }
    let heard = gate.judge(&alive("other", 2, 4));
    assert_eq!((heard.incarnation(), heard.state()), (4, State::Alive));
    assert_eq!(heard.id().life, Life::first(2));
}

#[test]
fn nobody_is_removed_from_generations_that_it_cannot_reach() {
    let (mut gate, other) = acquainted();
    tell(&mut gate, other, 0, suspected());
    let plausible = gate.judge(&removed("other", 3));
    assert_eq!(plausible.state(), State::Down);
    let banned = gate.judge(&removed("other", Life::GENERATION_MAX));
    assert!(is_nothing(&gate, &banned));
}

#[test]
fn what_an_earlier_probe_saw_is_not_said_of_a_later_one() {
    let (mut gate, other) = acquainted();
    let ping = |gate: &Gate| Header {
        src: gate.me,
        src_incarnation: 0,
        dst: other,
        message: Message::Ping(1),
    };
    let later = Timestamp::ZERO + Duration::from_secs(1);
    let evidence = Evidence::StreamReachable;
    gate.probing.note_seen(other, evidence, later);
    tell(&mut gate, other, 0, suspected());
    gate.note_outgoing(&ping(&gate));
    assert_eq!(
        gate.probing.seen(other),
        Some(evidence),
        "the doubt is the same"
    );
    tell(&mut gate, other, 1, Standing::Alive);
    gate.note_outgoing(&ping(&gate));
    assert_eq!(gate.probing.seen(other), None);
}

#[test]
fn a_failure_older_than_the_refutation_is_not_heard() {
    let (mut gate, other) = acquainted();
    tell(&mut gate, other, 5, Standing::Alive);
    let stale = gate.judge(&failed("other", 2, 4));
    assert!(is_nothing(&gate, &stale));
}

#[test]
fn a_failure_of_a_member_whom_nobody_accused_is_an_accusation() {
    let (mut gate, other) = acquainted();
    tell(&mut gate, other, 5, Standing::Alive);
    assert_eq!(gate.judge(&failed("other", 2, 5)).state(), State::Suspect);
    tell(&mut gate, other, 5, suspected());
    assert_eq!(gate.judge(&failed("other", 2, 5)).state(), State::Down);
}

#[test]
fn a_failure_of_a_generation_we_never_met_is_not_heard() {
    let (mut gate, _) = acquainted();
    let heard = gate.judge(&failed("other", 3, 0));
    assert!(is_nothing(&gate, &heard));
}

#[test]
fn an_accusation_keeps_its_accuser_and_evidence_when_it_is_passed_on() {
    let (mut gate, other) = acquainted();
    let claim = suspect("other", 2, 0);
    let heard = gate.judge(&claim);
    assert_eq!(heard, Member::new(other, 0, State::Suspect));
    assert_eq!(gate.clothe(&heard), Some(claim));
}

#[test]
fn our_own_accusation_names_us() {
    let (gate, other) = acquainted();
    let clothed = gate.clothe(&Member::new(other, 0, State::Suspect));
    assert!(
        matches!(clothed, Some(Update::Suspect { accusation, .. }) if accusation.by == gate.id)
    );
}

#[test]
fn a_goodbye_stays_a_goodbye_when_it_is_passed_on() {
    let (mut gate, other) = acquainted();
    let reason = Cow::Borrowed("upgrade");
    let life = other.life;
    let claim = Update::Left {
        id: gate.directory.id(other.handle),
        life,
        reason,
        age_s: 0,
    };
    let heard = gate.judge(&claim);
    assert_eq!(heard.state(), State::Down);
    assert_eq!(gate.clothe(&heard), Some(claim));
}

#[test]
fn of_ourselves_foca_hears_only_accusations_of_this_life() {
    let mut gate = gate();
    assert_eq!(
        gate.judge(&suspect("me", 3, 7)),
        Member::new(gate.me, 7, State::Suspect)
    );
    let old = [
        alive("me", 2, 0),
        suspect("me", 2, 0),
        failed("me", 2, 0),
        removed("me", 2),
    ];
    for claim in old
        .iter()
        .chain(&[alive("me", 3, 0), failed("me", 3, 0), failed("me", 4, 0)])
    {
        let heard = gate.judge(claim);
        assert!(is_nothing(&gate, &heard), "{claim:?}");
    }
    let down = |generation| Sighting::Down(Life::first(generation));
    assert_eq!(gate.findings.sightings, [down(3), down(4)]);
}

#[test]
fn our_name_at_another_address_is_a_twin_unless_its_life_is_over() {
    let mut gate = gate();
    let mut elsewhere = card("me", 3);
    elsewhere.address.set_port(1);
    let sight = |generation| Update::Alive {
        card: WireCard::own(&elsewhere),
        life: Life::first(generation),
        incarnation: 0,
    };
    gate.judge(&sight(2));
    assert_eq!(gate.findings.sightings, []);
    gate.judge(&sight(3));
    let twin = Sighting::Twin {
        address: elsewhere.address,
        life: Life::first(3),
    };
    assert_eq!(gate.findings.sightings, [twin]);
}

#[test]
fn a_renewal_says_alive_where_foca_says_that_the_old_life_is_down() {
    let gate = gate();
    let Some(Update::Alive { life, .. }) = gate.clothe(&Member::down(gate.me)) else {
        panic!("not alive");
    };
    assert_eq!(life, gate.me.life.next());
}

#[test]
fn leaving_says_so_with_the_reason() {
    let mut gate = gate();
    gate.leaving = Some(Goodbye {
        reason: "upgrade".into(),
        eta: None,
    });
    let clothed = gate.clothe(&Member::down(gate.me));
    assert!(matches!(clothed, Some(Update::Left { reason, .. }) if reason == "upgrade"));
}

#[test]
fn an_exchange_turns_a_failure_that_we_do_not_see_into_an_accusation() {
    let (mut gate, other) = acquainted();
    let held = Member::new(other, 0, State::Alive);
    let forget_after = Duration::from_secs(60);
    let heard = gate.import(&failed("other", 2, 0), Some(&held), forget_after);
    assert_eq!(heard, Member::new(other, 0, State::Suspect));
    let refuted = Member::new(other, 1, State::Alive);
    let heard = gate.import(&failed("other", 2, 0), Some(&refuted), forget_after);
    assert!(is_nothing(&gate, &heard), "refuted since");
}

#[test]
fn an_exchange_does_not_bring_back_what_is_about_to_be_forgotten() {
    let mut gate = gate();
    let forget_after = Duration::from_secs(60);
    let known = Update::Known {
        card: WireCard::own(&card("other", 2)),
        life: Life::first(2),
    };
    let aged = |age_s| Update::Failed {
        id: MemberId::new("blue", "other"),
        life: Life::first(2),
        incarnation: 0,
        accusation: ACCUSATION,
        age_s,
    };
    gate.import(&known, None, forget_after);
    let heard = gate.import(&aged(60), None, forget_after);
    assert!(is_nothing(&gate, &heard));
    assert_eq!(
        gate.import(&aged(59), None, forget_after).state(),
        State::Down
    );
    let worth = |claim: Option<&_>| gate.is_worth_a_card(&known, claim, forget_after);
    assert!(worth(Some(&aged(59))) && !worth(Some(&aged(60))) && !worth(None));
}

#[test]
fn who_was_forgotten_does_not_end_once_more_on_the_word_of_who_forgets_later() {
    let mut gate = gate();
    let (id, life) = (MemberId::new("blue", "other"), Life::first(2));
    let known = Update::Known {
        card: WireCard::own(&card("other", 2)),
        life,
    };
    let failed = Update::Failed {
        id,
        life,
        incarnation: 0,
        accusation: ACCUSATION,
        age_s: 1,
    };
    let forget_after = Duration::from_secs(60);
    gate.judge(&known);
    assert_eq!(gate.judge(&failed).state(), State::Down);
    gate.forgotten.add(id, life);
    let heard = [
        gate.judge(&failed),
        gate.import(&failed, None, forget_after),
    ];
    assert!(heard.iter().all(|heard| is_nothing(&gate, heard)));
    assert!(!gate.is_worth_a_card(&known, Some(&failed), forget_after));
}

#[test]
fn a_card_with_an_impossible_address_or_name_introduces_nobody() {
    let mut gate = gate();
    let mut nowhere = card("other", 2);
    nowhere.address.set_port(0);
    let mut nameless = card("other", 2);
    nameless.name = "two words".into();
    for card in [nowhere, nameless] {
        let card = WireCard::own(&card);
        let heard = gate.judge(&Update::Alive {
            card,
            life: Life::first(2),
            incarnation: 0,
        });
        assert!(is_nothing(&gate, &heard));
    }
}

/// A gate with `near` in its view and `far` beyond it, both interned in generation 1.
fn near_sighted() -> (Gate, Handle, Handle) {
    let directory = Directory::new();
    let near = directory.enter(card("near", 1));
    let far = directory.enter(card("far", 1));
    let view = [near].into_iter().collect();
    let scope = Scope::Neighbours { view, cluster: 3 };
    let Enrolled(near) = near;
    let Enrolled(far) = far;
    let gate = Gate::new("blue".into(), directory, scope, card("me", 1));
    (gate, near, far)
}

fn claim(handle: Handle, life: Life, incarnation: u16, state: State) -> Member<Identity> {
    Member::new(Identity { handle, life }, incarnation, state)
}

#[test]
fn foca_hears_nothing_of_members_beyond_the_view() {
    let (mut gate, near, far) = near_sighted();
    let nothing = gate.nothing();
    assert_eq!(
        *gate.judge(&failed("near", 1, 0)).id(),
        *claim(near, Life::first(1), 0, State::Down).id()
    );
    assert_eq!(gate.judge(&failed("far", 1, 0)), nothing);
    assert_eq!(
        gate.findings.beyond,
        [claim(far, Life::first(1), 0, State::Suspect)]
    );
    gate.findings.beyond.clear();
    assert_eq!(gate.judge(&alive("far", 1, 0)), nothing);
    assert_eq!(gate.findings.beyond, [], "everybody presumes that already");
}

/// SWIM §4.2: Alive{i} beats Suspect{j} and Alive{j} for i > j; Suspect{i} beats Suspect{j} for
/// i > j and Alive{j} for i >= j; Confirm beats all; a later life beats an earlier one.
#[test]
fn claims_beyond_the_view_override_each_other_as_in_the_paper() {
    let (mut gate, _, far) = near_sighted();
    let life = Life::first(1);
    let identity = Identity { handle: far, life };
    let news =
        |gate: &Gate, incarnation, state| gate.is_news(&claim(far, life, incarnation, state));
    tell(&mut gate, identity, 4, Standing::Alive);
    assert!(!news(&gate, 4, State::Alive) && news(&gate, 5, State::Alive));
    assert!(!news(&gate, 3, State::Suspect) && news(&gate, 4, State::Suspect));
    tell(&mut gate, identity, 4, suspected());
    assert!(!news(&gate, 4, State::Alive) && news(&gate, 5, State::Alive));
    assert!(!news(&gate, 4, State::Suspect) && news(&gate, 5, State::Suspect));
    assert!(news(&gate, 4, State::Down));
    tell(&mut gate, identity, 4, Standing::Failed(ACCUSATION));
    assert!(!news(&gate, 9, State::Alive) && !news(&gate, 9, State::Down));
    assert!(gate.is_news(&claim(far, life.next(), 0, State::Alive)));
}

#[test]
fn what_was_said_of_the_living_beyond_the_view_is_forgotten_and_of_the_dead_is_not() {
    let (mut gate, near, far) = near_sighted();
    let life = Life::first(1);
    for handle in [near, far] {
        tell(&mut gate, Identity { handle, life }, 3, Standing::Alive);
    }
    let later = Timestamp::from_micros(61_000_000);
    gate.roster.forget_settled(later, Duration::from_secs(60));
    assert_eq!(gate.roster.incarnation(near), 3);
    assert_eq!(gate.roster.incarnation(far), 0);
    tell(
        &mut gate,
        Identity { handle: far, life },
        3,
        Standing::Failed(ACCUSATION),
    );
    gate.roster.forget_settled(later, Duration::from_secs(60));
    assert_eq!(gate.presumed(far).state(), State::Down);
}
