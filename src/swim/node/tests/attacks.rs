//! An attacker among a few sealed nodes, who hears everything, sends whatever it likes from any
//! address, and has no key: attack by attack, what it comes to.

use std::sync::Arc;

use zeroize::Zeroizing;

use super::{Arrival, Few, address, settings, *};
use crate::swim::{Junk, Key, Keys, MemberState, Notice};

const MINUTE: Duration = Duration::from_secs(60);
pub(super) const STRANGER: usize = 200;

fn keys(bytes: &[u8]) -> Keys {
    let key = |byte: &u8| Arc::new(Key::new(&Zeroizing::new([*byte; 32])));
    Keys::new(bytes.iter().map(key).collect()).unwrap()
}

/// Process number `generation` of `n{at}`, which was given these keys.
pub(super) fn sealed(at: usize, generation: u32, bytes: &[u8]) -> Settings {
    let seed = at as u64 + 100 * u64::from(generation);
    Settings {
        keys: keys(bytes),
        ..settings(&format!("n{at}"), at, generation, seed)
    }
}

/// Three nodes with one key each that met a while ago.
pub(super) fn cluster_with(bytes: &[u8]) -> Few {
    let mut few = Few::of((0..3).map(|at| sealed(at, 1, bytes)));
    few.meet();
    few.run(MINUTE / 2);
    few
}

pub(super) fn cluster() -> Few {
    cluster_with(&[1])
}

/// What the nodes show, and have told so far.
fn believed(few: &Few) -> Vec<String> {
    let nodes = few.nodes.iter().zip(&few.changes);
    let believed = nodes.map(|(node, told)| {
        let mut members: Vec<_> = node.iter().flat_map(Node::members).collect();
        members.sort_by_key(|member| member.card.id);
        format!("{members:#?} {told:#?}")
    });
    believed.collect()
}

pub(super) fn junk(few: &Few, at: usize, reason: Junk) -> u64 {
    few.nodes[at].as_ref().unwrap().stats().junk(reason)
}

/// Datagrams that were sent so far: from whom, to whom, what.
pub(super) fn datagrams(few: &Few) -> Vec<(usize, usize, Vec<u8>)> {
    let datagram = |(from, to, arrival): &(usize, usize, Arrival)| match arrival {
        Arrival::Datagram(_, bytes) => Some((*from, *to, bytes.clone())),
        _ => None,
    };
    few.captured.iter().filter_map(datagram).collect()
}

pub(super) fn inject(few: &mut Few, to: usize, from: usize, bytes: &[u8]) {
    let from = address(from);
    few.input(to, Input::Datagram { from, bytes });
}

/// Lets a minute pass after an attack that leaves everybody as they were, and checks it.
#[track_caller]
fn changes_nothing(few: &mut Few, attack: impl FnOnce(&mut Few)) {
    let before = believed(few);
    attack(few);
    few.run(MINUTE);
    for (at, (before, after)) in before.iter().zip(believed(few)).enumerate() {
        assert_eq!(*before, after, "n{at}");
    }
    assert_eq!(few.stops.len(), 0);
}

#[test]
fn a_captured_datagram_is_heard_once_soon_or_later() {
    let mut few = cluster();
    for _ in 0..2 {
        let captured = datagrams(&few);
        let before: u64 = (0..3).map(|at| junk(&few, at, Junk::Replay)).sum();
        changes_nothing(&mut few, |few| {
            for (from, to, bytes) in &captured {
                let sent = few.captured.len();
                inject(few, *to, *from, bytes);
                inject(few, *to, STRANGER, bytes);
                assert_eq!(few.captured.len(), sent, "no answer");
            }
        });
        let after: u64 = (0..3).map(|at| junk(&few, at, Junk::Replay)).sum();
        assert_eq!(after - before, 2 * captured.len() as u64);
        few.run(60 * MINUTE);
    }
}

#[test]
fn a_captured_datagram_changes_nothing_at_another_member() {
    let mut few = cluster();
    let captured = datagrams(&few);
    changes_nothing(&mut few, |few| {
        for (from, to, bytes) in &captured {
            for other in (0..3).filter(|other| other != to) {
                inject(few, other, *from, bytes);
                inject(few, other, STRANGER, bytes);
            }
        }
    });
    assert!(junk(&few, 0, Junk::Misdirected) > 0);
}

#[test]
fn a_captured_datagram_changes_nothing_in_another_cluster_with_the_same_key() {
    let mut few = cluster();
    let green = Settings {
        cluster: "green".into(),
        ..sealed(3, 1, &[1])
    };
    few.add(Node::new(green));
    let captured = datagrams(&few);
    changes_nothing(&mut few, |few| {
        for (from, _, bytes) in &captured {
            inject(few, 3, *from, bytes);
        }
    });
    let refused = junk(&few, 3, Junk::Checksum) + junk(&few, 3, Junk::Cluster);
    assert_eq!(refused, captured.len() as u64);
}

#[test]
fn words_of_an_earlier_process_are_not_believed_when_it_was_restarted() {
    let mut few = cluster();
    let captured = datagrams(&few);
    few.nodes[2] = Some(Node::new(sealed(2, 2, &[1])));
    few.input(2, Input::Join(&[address(0)]));
    few.run(MINUTE);
    assert_eq!(few.kinds(0).last(), Some(&"restart"), "believed at once");
    changes_nothing(&mut few, |few| {
        for (from, to, bytes) in captured.iter().filter(|(from, ..)| *from == 2) {
            inject(few, *to, *from, bytes);
            inject(few, *to, STRANGER, bytes);
        }
    });
}

#[test]
fn a_restarted_member_does_not_believe_what_its_earlier_process_heard() {
    let mut few = cluster();
    let captured = datagrams(&few);
    few.nodes[2] = Some(Node::new(sealed(2, 2, &[1])));
    let replay = |few: &mut Few| {
        for (from, to, bytes) in captured.iter().filter(|(_, to, _)| *to == 2) {
            inject(few, *to, *from, bytes);
            inject(few, *to, STRANGER, bytes);
        }
    };
    // Before it met anybody, and after.
    let alone = believed(&few)[2].clone();
    replay(&mut few);
    assert_eq!(believed(&few)[2], alone);
    few.input(2, Input::Join(&[address(0)]));
    few.run(MINUTE);
    changes_nothing(&mut few, replay);
    for at in 0..3 {
        assert_eq!(few.state(at, "n2"), Some(MemberState::Alive), "at n{at}");
    }
}

#[test]
fn a_member_that_lost_its_memory_gets_in_again_and_its_first_process_does_not() {
    let mut few = cluster();
    let captured = datagrams(&few);
    few.nodes[2] = Some(Node::new(Settings {
        generation: 1,
        ..sealed(2, 7, &[1])
    }));
    few.input(2, Input::Join(&[address(0)]));
    few.run(MINUTE);
    for at in 0..2 {
        assert_eq!(few.kinds(at).last(), Some(&"restart"), "at n{at}");
    }
    changes_nothing(&mut few, |few| {
        for (from, to, bytes) in captured.iter().filter(|(from, ..)| *from == 2) {
            inject(few, *to, *from, bytes);
        }
    });
}

#[test]
fn a_dead_member_is_not_held_alive_by_what_it_said() {
    let mut few = cluster();
    few.nodes[2] = None;
    let captured = datagrams(&few);
    for _ in 0..10 {
        for (_, to, bytes) in captured.iter().filter(|(from, ..)| *from == 2) {
            inject(&mut few, *to, 2, bytes);
        }
        few.run(Duration::from_secs(2));
    }
    for at in 0..2 {
        assert_eq!(few.state(at, "n2"), Some(MemberState::Failed), "at n{at}");
    }
}

fn reflect(few: &mut Few) {
    for (from, to, bytes) in datagrams(few) {
        inject(few, from, to, &bytes);
        inject(few, from, STRANGER, &bytes);
    }
}

#[test]
fn what_a_member_said_does_nothing_to_it_when_it_is_returned() {
    let mut few = cluster();
    changes_nothing(&mut few, reflect);
    // Without a key it takes it for a twin's.
    let mut few = cluster_with(&[]);
    let before = believed(&few);
    reflect(&mut few);
    few.run(MINUTE);
    assert_ne!(believed(&few), before);
}

#[test]
fn what_is_cut_short_or_changed_changes_nothing() {
    let mut few = cluster();
    let captured = datagrams(&few);
    changes_nothing(&mut few, |few| {
        for (from, to, bytes) in captured.iter().take(40) {
            for length in 0..bytes.len() {
                inject(few, *to, *from, &bytes[..length]);
                let mut changed = bytes.clone();
                changed[length] ^= 1;
                inject(few, *to, *from, &changed);
            }
        }
    });
}

#[test]
fn what_is_made_without_the_key_changes_nothing() {
    for forger in [&[][..], &[2], &[2, 1]] {
        let mut few = cluster();
        // What real members would say, had they the forger's key.
        let forged = datagrams(&cluster_with(forger));
        changes_nothing(&mut few, |few| {
            for (from, to, bytes) in &forged {
                inject(few, *to, *from, bytes);
            }
        });
        assert_eq!(
            (0..3).map(|at| junk(&few, at, Junk::Key)).sum::<u64>(),
            forged.len() as u64
        );
    }
}

#[test]
fn a_hello_that_cannot_be_read_gets_no_more_bytes_than_it_had() {
    for (ours, theirs) in [(&[1][..], &[2][..]), (&[1], &[]), (&[], &[1])] {
        let mut few = Few::of([sealed(0, 1, ours)]);
        let mut stranger = Few::of([sealed(0, 1, ours), sealed(1, 1, theirs)]);
        stranger.input(1, Input::Join(&[address(0)]));
        let (_, _, hello) = datagrams(&stranger).remove(0);
        inject(&mut few, 0, STRANGER, &hello);
        let answers = datagrams(&few);
        let [(_, STRANGER, answer)] = &answers[..] else {
            panic!("{answers:?}");
        };
        assert!(answer.len() <= hello.len());
        // And what answers that gets none.
        inject(&mut few, 0, STRANGER, answer);
        assert_eq!(datagrams(&few).len(), 1);
    }
}

/// The frames of each stream that were sent to a member, in order.
fn streams(few: &Few) -> BTreeMap<(usize, StreamId), Vec<Vec<u8>>> {
    let mut streams = BTreeMap::<_, Vec<_>>::new();
    for (_, to, arrival) in &few.captured {
        if let Arrival::Frame(stream, bytes) = arrival {
            streams
                .entry((*to, *stream))
                .or_default()
                .push(bytes.clone());
        }
    }
    streams
}

#[test]
fn a_captured_stream_gets_no_answer_and_changes_nothing() {
    let mut few = cluster();
    let captured = streams(&few);
    assert!(captured.values().any(|frames| frames.len() > 1));
    changes_nothing(&mut few, |few| {
        for (number, ((to, _), frames)) in captured.iter().enumerate() {
            let stream = StreamId(1_000_001 + 2 * number as u64);
            // Whole, and from every frame on.
            for start in 0..frames.len() {
                for bytes in &frames[start..] {
                    let node = few.nodes[*to].as_mut().unwrap();
                    let input = Input::StreamFrame { stream, bytes };
                    let mut outputs = node.handle(few.now, input);
                    assert!(outputs.all(|output| matches!(output, Output::CloseStream(_))));
                }
            }
        }
    });
}

#[test]
fn an_answer_from_another_stream_is_not_taken_for_one() {
    let mut few = cluster();
    let captured = streams(&few);
    let answers = captured.iter().filter(|((_, stream), _)| stream.0 % 2 == 0);
    let answers: Vec<_> = answers
        .map(|((to, _), frames)| (*to, frames[0].clone()))
        .collect();
    assert!(!answers.is_empty());
    let to = address(1);
    for (at, bytes) in answers {
        let node = few.nodes[at].as_mut().unwrap();
        let before = node.stats().junk(Junk::Checksum);
        node.open_exchange(to, None);
        let opened = node.engine.mail().outputs.pop_back();
        let Some(Output::OpenStream { stream, .. }) = opened else {
            continue;
        };
        let input = Input::StreamFrame {
            stream,
            bytes: &bytes,
        };
        let mut outputs = node.handle(few.now, input);
        assert!(outputs.all(|output| matches!(output, Output::CloseStream(_))));
        assert_eq!(node.stats().junk(Junk::Checksum), before + 1);
    }
}

#[test]
fn who_has_no_key_of_ours_does_not_get_in_and_both_sides_are_told() {
    for (ours, theirs) in [(&[1][..], &[2][..]), (&[1], &[]), (&[], &[1])] {
        let mut few = Few::of([sealed(0, 1, ours), sealed(1, 1, theirs)]);
        few.meet();
        few.run(MINUTE);
        for at in 0..2 {
            assert_eq!(few.kinds(at), [""; 0], "n{at}: {ours:?} {theirs:?}");
            let told = |notice: &Notice| matches!(notice, Notice::UnknownKey { .. });
            assert!(few.notices[at].iter().any(told), "{:?}", few.notices[at]);
            assert!(junk(&few, at, Junk::Key) > 0);
        }
    }
}

#[test]
fn every_step_of_replacing_a_key_is_one_cluster() {
    for (one, other) in [(&[1][..], &[1, 2][..]), (&[1, 2], &[2, 1]), (&[2, 1], &[2])] {
        let mut few = Few::of([sealed(0, 1, one), sealed(1, 1, other), sealed(2, 1, one)]);
        few.meet();
        few.run(MINUTE);
        for at in 0..3 {
            assert_eq!(few.kinds(at), ["join", "join"], "n{at}: {one:?} {other:?}");
        }
    }
}

#[test]
fn a_twin_with_the_key_is_found_as_without_one() {
    let mut few = cluster();
    let twin = Settings {
        address: address(3),
        ..sealed(2, 1, &[1])
    };
    few.nodes
        .push(Some(Node::new(Settings { seed: 99, ..twin })));
    few.changes.push(Vec::new());
    few.notices.push(Vec::new());
    few.input(3, Input::Join(&[address(0)]));
    few.run(Duration::from_secs(10));
    let conflict = StopReason::Conflict { holder: address(2) };
    assert_eq!(few.stops, [(3, conflict)].into());
}

#[test]
fn nothing_that_members_say_can_be_read() {
    let few = cluster();
    let plain = cluster_with(&[]);
    let says = |few: &Few, text: &str| {
        let reads = |bytes: &[u8]| bytes.windows(text.len()).any(|at| at == text.as_bytes());
        few.captured.iter().any(|(_, _, arrival)| match arrival {
            Arrival::Datagram(_, bytes) | Arrival::Frame(_, bytes) => reads(bytes),
            Arrival::Closed(_) => false,
        })
    };
    for text in ["blue", "role"] {
        assert!(says(&plain, text), "{text}");
        assert!(!says(&few, text), "{text}");
    }
}

#[test]
fn forged_refusals_leave_streams_to_the_probes() {
    let mut few = Few::joined(6);
    let node = few.nodes[0].as_mut().unwrap();
    let mut now = node.now;
    for member in 1..6 {
        now = now + Duration::from_millis(100);
        let by = address(member);
        node.handle(now, Input::Refused { by }).for_each(drop);
    }
    assert_eq!(node.stream_probes.len(), 2);
}

#[test]
fn whoever_greets_itself_at_another_address_finds_out_and_nobody_else_can_say_so() {
    for key in [&[][..], &[1]] {
        let mut few = Few::of([sealed(0, 1, key)]);
        few.input(0, Input::Join(&[address(77)]));
        few.run(MINUTE / 60);
        let hellos = datagrams(&few);
        let [first, .., last] = &hellos[..] else {
            panic!("it is alone and tries again");
        };
        inject(&mut few, 0, STRANGER, &first.2);
        assert_eq!(few.nodes[0].as_ref().unwrap().contacts.len(), 1);
        inject(&mut few, 0, 77, &last.2);
        assert_eq!(few.nodes[0].as_ref().unwrap().contacts.len(), 0);
    }
}
