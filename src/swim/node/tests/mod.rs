//! A few nodes on a perfect network of one millisecond: what one node does to another.

mod addresses;
mod attacks;
mod few;
mod floods;
mod key_replacement;
mod statements;
mod transitions;

use std::collections::BTreeMap;

use super::*;
use crate::swim::{AppStatus, MemberState, Tags, envelope::Context, wire};
pub(super) use few::*;

#[test]
fn three_nodes_find_each_other_through_one_seed() {
    let few = Few::joined(3);
    for at in 0..3 {
        assert_eq!(few.kinds(at), ["join", "join"], "at n{at}");
        let mut names: Vec<_> = few.nodes[at]
            .as_ref()
            .unwrap()
            .members()
            .map(|m| m.card.name.clone())
            .collect();
        names.sort();
        assert_eq!(names, ["n0", "n1", "n2"]);
    }
}

#[test]
fn members_of_a_former_life_find_each_other_without_any_seed() {
    let mut few = Few::new(4);
    let dead: Vec<_> = (10..20).map(address).collect();
    for at in 0..4 {
        let before = [&[address((at + 1) % 4)], &dead[..]].concat();
        few.input(at, Input::Reconnect(&before));
    }
    few.run(Duration::from_secs(15));
    for at in 0..4 {
        assert_eq!(few.kinds(at), ["join"; 3], "at n{at}");
        assert!(
            few.notices[at].is_empty(),
            "nobody asked for them: {:?}",
            few.notices[at]
        );
    }
}

#[test]
fn a_seed_that_nothing_leads_to_any_more_is_let_go() {
    let mut few = Few::new(2);
    few.input(0, Input::Join(&[address(9), address(1)]));
    few.run(Duration::from_secs(10));
    assert_eq!(few.kinds(0), ["join"]);
    assert!(!few.notices[0].is_empty(), "nobody answers there");
    few.input(0, Input::Abandon(&[address(9), address(1)]));
    few.captured.clear();
    few.run(Duration::from_secs(120));
    let to_it = |(_, to, _): &&(usize, usize, Arrival)| *to == 9;
    assert_eq!(few.captured.iter().filter(to_it).count(), 0);
    assert_eq!(
        few.state(0, "n1"),
        Some(MemberState::Alive),
        "a member stays one"
    );
}

#[test]
fn a_silent_member_is_suspected_and_then_failed() {
    let mut few = Few::joined(3);
    few.nodes[2] = None;
    few.run(Duration::from_secs(10));
    for at in 0..2 {
        assert_eq!(few.kinds(at)[2..], ["suspect", "failed"], "at n{at}");
        assert_eq!(few.state(at, "n2"), Some(MemberState::Failed));
    }
}

#[test]
fn whoever_leaves_a_small_cluster_says_goodbye_to_everybody() {
    let mut few = Few::joined(20);
    few.captured.clear();
    let (reason, restart_in) = ("", None);
    few.input(0, Input::Leave { reason, restart_in });
    few.run(Duration::from_secs(1));
    let ours = few.captured.iter().filter(|(from, ..)| *from == 0);
    let told: std::collections::BTreeSet<_> = ours.map(|(_, to, _)| *to).collect();
    assert_eq!(told.len(), 19, "{told:?}");
}

#[test]
fn a_goodbye_is_told_as_left_and_nobody_suspects() {
    let mut few = Few::joined(3);
    few.input(
        2,
        Input::Leave {
            reason: "upgrade",
            restart_in: None,
        },
    );
    few.run(Duration::from_secs(10));
    assert_eq!(few.stops.get(&2), Some(&StopReason::Left));
    for at in 0..2 {
        assert_eq!(few.kinds(at)[2..], ["left"], "at n{at}");
        let member = few.nodes[at].as_ref().unwrap().member("n2").unwrap();
        assert_eq!(member.reason.as_deref(), Some("upgrade"));
    }
}

#[test]
fn a_restart_is_one_change() {
    let mut few = Few::joined(3);
    few.nodes[2] = Some(node("n2", 2, 2, 99));
    few.input(2, Input::Join(&[address(0)]));
    few.run(Duration::from_secs(10));
    for at in 0..2 {
        assert_eq!(few.kinds(at)[2..], ["restart"], "at n{at}");
    }
}

#[test]
fn a_restart_without_its_memory_takes_the_next_generation() {
    let mut few = Few::joined(3);
    few.nodes[2] = Some(node("n2", 2, 1, 99));
    few.input(2, Input::Join(&[address(0)]));
    few.run(Duration::from_secs(10));
    assert_eq!(few.kinds(0)[2..], ["restart"]);
    assert_eq!(
        few.nodes[0]
            .as_ref()
            .unwrap()
            .member("n2")
            .unwrap()
            .card
            .generation,
        2
    );
}

#[test]
fn a_second_process_with_a_taken_name_stops() {
    let mut few = Few::joined(3);
    few.add(node("n2", 3, 1, 99));
    few.input(3, Input::Join(&[address(0)]));
    few.run(Duration::from_secs(10));
    assert_eq!(
        few.stops,
        [(3, StopReason::Conflict { holder: address(2) })].into()
    );
    assert_eq!(few.kinds(0)[2..], ["conflict"]);
    assert_eq!(few.kinds(1)[2..], [""; 0]);
}

#[test]
fn a_removed_member_is_forgotten_everywhere() {
    let mut few = Few::joined(3);
    few.nodes[2] = None;
    few.run(Duration::from_secs(10));
    few.input(0, Input::Remove { name: "n2" });
    few.run(Duration::from_secs(60));
    for at in 0..2 {
        assert_eq!(few.kinds(at)[4..], ["removed"], "at n{at}");
        assert_eq!(few.state(at, "n2"), None);
    }
}

/// What a process called `name` in this life would send.
fn forged(name: &str, life: Life, kind: Kind, message: &impl serde::Serialize) -> Vec<u8> {
    let sender = (MemberId::new("blue", name), life);
    let mut sealer = Sealer::new("blue");
    let sealed = sealer.seal(Context::default(), (kind, 0), sender, |out| {
        wire::put(out, message);
        out.resize(out.len() + wire::HELLO_BYTES_MIN, 0);
    });
    sealed.to_vec()
}

fn challenge(to: &str, instance: u64) -> wire::Challenge {
    wire::Challenge {
        nonce: 1,
        to: MemberId::new("blue", to),
        instance,
        held_over: None,
        twin: None,
    }
}

#[test]
fn a_flood_of_claims_to_our_name_is_one_conflict() {
    let mut few = Few::joined(2);
    let from = address(200);
    for instance in 0..500 {
        let message = challenge("n0", instance);
        let bytes = forged("n0", Life::first(0), Kind::Challenge, &message);
        few.input(
            0,
            Input::Datagram {
                from,
                bytes: &bytes,
            },
        );
    }
    assert_eq!(few.kinds(0)[1..], ["conflict"]);
    assert_eq!(few.stops, BTreeMap::new());
}

#[test]
fn a_life_that_leaps_to_the_last_generation_is_not_believed() {
    let mut few = Few::joined(3);
    let last = Life::first(Life::GENERATION_MAX);
    let message = wire::Challenge {
        held_over: Some(wire::Over {
            life: last,
            left: true,
        }),
        ..challenge("n0", 7)
    };
    let bytes = forged("n1", Life::first(1), Kind::Challenge, &message);
    let from = address(1);
    few.input(
        0,
        Input::Datagram {
            from,
            bytes: &bytes,
        },
    );
    few.run(Duration::from_secs(10));
    let generation = |at: usize| {
        few.nodes[at]
            .as_ref()
            .unwrap()
            .member("n0")
            .unwrap()
            .card
            .generation
    };
    assert_eq!([generation(0), generation(1), generation(2)], [1, 1, 1]);
}

#[test]
fn a_refusal_that_nobody_asked_for_stops_nobody() {
    let mut few = Few::joined(2);
    few.input(1, Input::Join(&[address(0)]));
    let holder = wire::Twin {
        address: address(200),
        life: Life::first(9),
        instance: 9,
    };
    let bytes = forged(
        "n0",
        Life::first(1),
        Kind::Taken,
        &wire::Taken { nonce: 0, holder },
    );
    let from = address(200);
    few.input(
        1,
        Input::Datagram {
            from,
            bytes: &bytes,
        },
    );
    few.run(Duration::from_secs(3));
    assert_eq!(few.stops, BTreeMap::new());
}

#[test]
fn a_stranger_who_speaks_as_a_member_gets_no_more_than_it_sent_and_is_not_called_back() {
    let mut few = Few::joined(2);
    let sent = few.sent;
    let mut sealer = Sealer::new("blue");
    let stranger = (MemberId::new("blue", "nobody"), Life::first(1));
    for length in [2, 24, 200] {
        let bytes = sealer.seal(Context::default(), (Kind::Swim, 0), stranger, |out| {
            out.resize(out.len() + length, 0)
        });
        let node = few.nodes[0].as_mut().unwrap();
        let from = address(200);
        let outputs: Vec<_> = node
            .handle(
                few.now,
                Input::Datagram {
                    from,
                    bytes: &bytes,
                },
            )
            .collect();
        for output in outputs {
            let Output::Send { to, bytes: answer } = output else {
                panic!("{output:?}");
            };
            assert_eq!(to, from);
            assert!(
                answer.len() <= bytes.len(),
                "{} for {}",
                answer.len(),
                bytes.len()
            );
        }
    }
    assert_eq!(few.sent, sent);
}

/// What `at` shows of the application of `name`.
pub(super) fn shown_app(few: &Few, at: usize, name: &str) -> Option<AppStatus> {
    few.nodes[at].as_ref()?.member(name)?.app
}

#[test]
fn an_applications_death_is_told_everywhere_at_once_and_kept_apart_from_its_members() {
    let mut few = Few::joined(5);
    few.input(2, Input::App(Some(&AppStatus::Up)));
    few.run(Duration::from_secs(1));
    few.changes = vec![Vec::new(); 5];
    let down = AppStatus::down("exited with status 3");
    few.input(2, Input::App(Some(&down)));
    few.input(2, Input::App(Some(&down)));
    // Two hops of gossip: eager sends reach 3 of the other 4.
    few.run(LATENCY * 20);
    for at in 0..5 {
        assert_eq!(few.kinds(at), ["update"], "at n{at}");
        assert_eq!(few.state(at, "n2"), Some(MemberState::Alive));
        assert_eq!(shown_app(&few, at, "n2").as_ref(), Some(&down));
    }
    few.input(2, Input::App(None));
    few.run(Duration::from_secs(1));
    assert!((0..5).all(|at| shown_app(&few, at, "n2").is_none()));
}

#[test]
fn a_newcomer_learns_what_members_say_of_themselves_and_a_new_generation_has_said_nothing() {
    let mut few = Few::new(4);
    for at in 1..3 {
        few.input(at, Input::Join(&[address(0)]));
    }
    few.run(Duration::from_secs(2));
    few.input(1, Input::App(Some(&AppStatus::Up)));
    few.run(Duration::from_secs(60));
    few.input(3, Input::Join(&[address(0)]));
    few.run(Duration::from_secs(2));
    assert_eq!(shown_app(&few, 3, "n1"), Some(AppStatus::Up));
    few.nodes[1] = Some(node("n1", 1, 2, 99));
    few.input(1, Input::Join(&[address(0)]));
    few.run(Duration::from_secs(60));
    assert!((0..4).all(|at| shown_app(&few, at, "n1").is_none()));
}

#[test]
fn what_failed_keeps_its_last_word() {
    let mut few = Few::joined(3);
    few.input(2, Input::App(Some(&AppStatus::Up)));
    few.run(Duration::from_secs(1));
    few.nodes[2] = None;
    few.run(Duration::from_secs(10));
    assert_eq!(few.state(0, "n2"), Some(MemberState::Failed));
    assert_eq!(shown_app(&few, 0, "n2"), Some(AppStatus::Up));
}

/// A gossip packet from n1 to n0 with these facts in it, as a claim and as a broadcast.
fn gossip_of(few: &mut Few, name: &str, generation: u32, version: u32) -> Vec<u8> {
    let update = wire::Update::Facts {
        id: MemberId::new("blue", name),
        generation,
        said: wire::Said {
            version,
            app: Some(AppStatus::down("forged")),
            keys: None,
        },
    };
    let update = postcard::to_stdvec(&update).unwrap();
    let length = u16::try_from(update.len()).unwrap().to_be_bytes();
    let updates = [&update[..], &length, &update].concat();
    from_n1_to_n0(few, |node, to| {
        node.send_packet(to, foca::Message::Gossip, 1, &updates);
    })
}

/// What n1 sends when it is to `send` something to n0, the last datagram of it.
pub(super) fn from_n1_to_n0(few: &mut Few, send: impl FnOnce(&mut Node, Identity)) -> Vec<u8> {
    let node = few.nodes[1].as_mut().unwrap();
    let handle = node
        .gate
        .borrow()
        .directory
        .handle(MemberId::new("blue", "n0"));
    let to = Identity {
        handle: handle.unwrap(),
        life: Life::first(1),
    };
    send(node, to);
    match node.engine.mail().outputs.pop_back() {
        Some(Output::Send { bytes, .. }) => bytes.to_vec(),
        other => panic!("not sent: {other:?}"),
    }
}

#[test]
fn old_words_words_of_strangers_and_of_other_generations_are_ignored() {
    let mut few = Few::joined(3);
    few.input(2, Input::App(None));
    few.input(2, Input::App(Some(&AppStatus::Up)));
    few.run(Duration::from_secs(1));
    few.changes = vec![Vec::new(); 3];
    let from = address(1);
    for (name, generation, version) in [
        ("nobody", 1, 9),
        ("n2", 1, 0),
        ("n2", 1, 1),
        ("n2", 2, 9),
        ("n2", 0, 9),
        ("n2", u32::MAX, u32::MAX),
    ] {
        let bytes = &gossip_of(&mut few, name, generation, version);
        few.input(0, Input::Datagram { from, bytes });
        assert_eq!(few.kinds(0), [""; 0], "{name} {generation} {version}");
    }
    assert_eq!(few.nodes[0].as_ref().unwrap().stats().junk_total(), 0);
    let bytes = &gossip_of(&mut few, "n2", 1, 2);
    few.input(0, Input::Datagram { from, bytes });
    assert_eq!(few.kinds(0), ["update"], "heard twice, told once");
    few.run(Duration::from_secs(5));
    for at in 0..3 {
        let app = shown_app(&few, at, "n2");
        assert_eq!(app, Some(AppStatus::Up), "n2 set n{at} right");
    }
}
