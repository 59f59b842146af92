//! Keys that are replaced in a cluster that goes on: with newcomers, with members that were away,
//! by hand, and with losses.

use std::sync::Arc;

use zeroize::Zeroizing;

use super::{Arrival, Few, LATENCY, address, settings, *};
use crate::swim::{Junk, Key, KeyChange, KeyId, Keys, MemberState, Notice, envelope::Kind, varint};

const SECOND: Duration = Duration::from_secs(1);

fn key(byte: u8) -> Arc<Key> {
    Arc::new(Key::new(&Zeroizing::new([byte; 32])))
}

fn id(byte: u8) -> KeyId {
    key(byte).id()
}

fn ids(bytes: &[u8]) -> Vec<KeyId> {
    bytes.iter().map(|byte| id(*byte)).collect()
}

fn keys(bytes: &[u8]) -> Keys {
    bytes.iter().map(|byte| key(*byte)).collect()
}

fn sealed(at: usize, generation: u32, bytes: &[u8]) -> Settings {
    let seed = at as u64 + 100 * u64::from(generation);
    Settings {
        keys: keys(bytes),
        ..settings(&format!("n{at}"), at, generation, seed)
    }
}

fn cluster(count: usize) -> Few {
    let mut few = Few::of((0..count).map(|at| sealed(at, 1, &[1])));
    few.meet();
    few.run(SECOND * 30);
    few
}

fn change(few: &mut Few, at: usize, change: KeyChange<'_>) {
    few.input(at, Input::Keys(change));
}

/// Replaces key 1 by key 2 at `at`, with so much time for each step.
fn replace(few: &mut Few, at: usize, pause: Duration) {
    change(few, at, KeyChange::Add(&key(2)));
    few.run(pause);
    change(few, at, KeyChange::Use(id(2)));
    few.run(pause);
    change(few, at, KeyChange::Remove(id(1)));
    few.run(pause);
}

fn node(few: &mut Few, at: usize) -> &mut Node {
    few.nodes[at].as_mut().unwrap()
}

/// Of each node: probes that nobody answered, and what was thrown away.
fn losses(few: &Few) -> Vec<(u64, Vec<u64>)> {
    let nodes = few.nodes.iter().flatten();
    let losses = nodes.map(|node| {
        let stats = node.stats();
        let junk = Junk::ALL.map(|kind| stats.junk(kind));
        (stats.probes_failed, junk.to_vec())
    });
    losses.collect()
}

fn held(few: &mut Few, at: usize) -> Vec<KeyId> {
    node(few, at).keys().ids().collect()
}

/// Checks that all have these keys, and that each says so of all.
#[track_caller]
fn all_hold(few: &mut Few, bytes: &[u8]) {
    let count = few.nodes.len();
    for at in 0..count {
        assert_eq!(held(few, at), ids(bytes), "n{at}");
        let rings = node(few, at).key_rings();
        assert_eq!(rings.len(), count, "n{at}");
        for ring in rings {
            assert_eq!(ring.keys, ids(bytes), "n{at} of {}", ring.member);
        }
    }
}

#[test]
fn a_key_is_replaced_without_a_lost_probe_and_unseen_by_consumers() {
    let mut few = cluster(25);
    few.changes = vec![Vec::new(); 25];
    let before = losses(&few);
    for at in 0..25 {
        assert_eq!(held(&mut few, at), ids(&[1]));
    }
    change(&mut few, 7, KeyChange::Add(&key(2)));
    few.run(SECOND * 3);
    all_hold(&mut few, &[1, 2]);
    change(&mut few, 3, KeyChange::Use(id(2)));
    few.run(SECOND * 3);
    all_hold(&mut few, &[2, 1]);
    change(&mut few, 11, KeyChange::Remove(id(1)));
    few.run(SECOND * 3);
    all_hold(&mut few, &[2]);
    few.run(SECOND * 60);
    assert_eq!(losses(&few), before);
    for at in 0..25 {
        assert!(node(&mut few, at).stats().probes > 60);
        assert_eq!(few.kinds(at), [""; 0], "n{at}");
    }
}

#[test]
fn who_seals_first_with_the_new_key_is_answered_in_the_old_one_by_those_who_have_both() {
    let mut few = cluster(3);
    let before = losses(&few);
    change(&mut few, 0, KeyChange::Add(&key(2)));
    few.run(SECOND);
    // Nobody else hears of it.
    let mut alone = few.nodes[0].take().unwrap();
    let now = few.now;
    alone
        .handle(now, Input::Keys(KeyChange::Use(id(2))))
        .for_each(drop);
    few.nodes[0] = Some(alone);
    few.run(SECOND * 30);
    assert_eq!(losses(&few), before);
    all_hold(&mut few, &[2, 1]);
}

#[test]
fn a_newcomer_learns_what_was_ordered_before_it_came() {
    let mut few = cluster(3);
    change(&mut few, 0, KeyChange::Add(&key(2)));
    few.run(SECOND);
    change(&mut few, 0, KeyChange::Use(id(2)));
    few.run(SECOND * 60);
    // With the first file and the newest one, which the others have made of it.
    for (at, file) in [(3, &[1][..]), (4, &[2, 1])] {
        few.add(Node::new(sealed(at, 1, file)));
        few.input(at, Input::Join(&[address(1)]));
        few.run(SECOND * 5);
        all_hold(&mut few, &[2, 1]);
    }
    for at in 0..5 {
        let told = |notice: &Notice| matches!(notice, Notice::ForeignOrders { .. });
        assert!(!few.notices[at].iter().any(told), "n{at}");
    }
}

#[test]
fn who_was_away_catches_up_and_who_was_away_for_too_long_is_told() {
    let mut few = cluster(4);
    let away = few.nodes[3].take();
    few.run(SECOND * 30);
    change(&mut few, 0, KeyChange::Add(&key(2)));
    few.run(SECOND);
    change(&mut few, 0, KeyChange::Use(id(2)));
    few.run(SECOND);
    // Stopped, not restarted: it has its first life and its first key.
    few.nodes[3] = away;
    few.run(SECOND * 90);
    all_hold(&mut few, &[2, 1]);
    let away = few.nodes[3].take();
    few.run(SECOND * 30);
    replace_by(&mut few, 3);
    few.nodes[3] = away;
    few.run(SECOND * 90);
    // It has keys 2 and 1, and the others have key 3 alone.
    let lost = |node: &mut Node, theirs| {
        assert!(node.stats().junk(Junk::Key) > 0, "{theirs}");
    };
    lost(node(&mut few, 3), 3);
    let told = |at: usize, unknown: KeyId| {
        few.notices[at].iter().any(|notice| {
            matches!(notice, Notice::UnknownKey { theirs: Some(theirs), .. } if *theirs == unknown)
        })
    };
    assert!(told(3, id(3)), "{:?}", few.notices[3]);
    assert!((0..3).any(|at| told(at, id(2))), "{:?}", few.notices[0]);
    assert_eq!(few.state(0, "n3"), Some(MemberState::Failed));
}

/// Replaces keys 2 and 1 by this one.
fn replace_by(few: &mut Few, byte: u8) {
    change(few, 0, KeyChange::Add(&key(byte)));
    few.run(SECOND);
    change(few, 0, KeyChange::Use(id(byte)));
    few.run(SECOND);
    change(few, 0, KeyChange::Remove(id(1)));
    change(few, 0, KeyChange::Remove(id(2)));
    few.run(SECOND);
}

#[test]
fn orders_of_two_at_once_come_to_the_same_everywhere() {
    let mut few = cluster(5);
    change(&mut few, 1, KeyChange::Add(&key(2)));
    change(&mut few, 4, KeyChange::Add(&key(3)));
    few.run(SECOND * 5);
    let rings = node(&mut few, 0).key_rings();
    for ring in rings {
        assert_eq!(ring.keys[0], id(1), "{}", ring.member);
        assert_eq!(ring.keys.len(), 3, "{}", ring.member);
    }
}

#[test]
fn files_changed_by_hand_stay_as_they_are() {
    let mut few = cluster(3);
    replace(&mut few, 0, SECOND);
    all_hold(&mut few, &[2]);
    // By reading the file again, one after the other, three times round.
    for file in [&[2, 5][..], &[5, 2], &[5]] {
        for at in 0..3 {
            change(&mut few, at, KeyChange::Replace(&keys(file)));
            few.run(SECOND * 5);
        }
        all_hold(&mut few, file);
    }
    // By a restart with a key that nobody ordered.
    change(&mut few, 0, KeyChange::Replace(&keys(&[5, 6])));
    change(&mut few, 1, KeyChange::Replace(&keys(&[5, 6])));
    few.nodes[2] = Some(Node::new(sealed(2, 2, &[6, 5])));
    few.input(2, Input::Join(&[address(0)]));
    few.run(SECOND * 30);
    assert_eq!(held(&mut few, 2), ids(&[6, 5]));
    let ours = id(6);
    assert!(few.notices[2].contains(&Notice::ForeignOrders { ours }));
    assert_eq!(few.state(0, "n2"), Some(MemberState::Alive));
}

#[test]
fn a_key_that_was_replaced_by_hand_does_not_come_back_with_who_starts_later() {
    let mut few = cluster(3);
    replace(&mut few, 0, SECOND);
    for file in [&[2, 5][..], &[5, 2], &[5]] {
        for at in 0..3 {
            change(&mut few, at, KeyChange::Replace(&keys(file)));
            few.run(SECOND * 5);
        }
    }
    change(&mut few, 0, KeyChange::Add(&key(7)));
    few.run(SECOND * 5);
    for (at, file) in [(1, &[5, 7][..]), (2, &[5, 7])] {
        few.nodes[at] = Some(Node::new(sealed(at, 2, file)));
        few.input(at, Input::Join(&[address(0)]));
        few.run(SECOND * 30);
        all_hold(&mut few, &[5, 7]);
    }
    // What comes of the whole replacement is nothing else.
    change(&mut few, 1, KeyChange::Use(id(7)));
    few.run(SECOND * 5);
    change(&mut few, 1, KeyChange::Remove(id(5)));
    few.run(SECOND * 5);
    few.nodes[2] = Some(Node::new(sealed(2, 3, &[7])));
    few.input(2, Input::Join(&[address(1)]));
    few.run(SECOND * 30);
    all_hold(&mut few, &[7]);
}

#[test]
fn captured_orders_are_not_believed_by_a_member_that_was_restarted() {
    let mut few = cluster(3);
    few.captured.clear();
    change(&mut few, 0, KeyChange::Add(&key(2)));
    few.run(SECOND * 2);
    all_hold(&mut few, &[1, 2]);
    let told = few.captured.iter().filter_map(|(from, to, arrival)| {
        let Arrival::Datagram(_, bytes) = arrival else {
            return None;
        };
        let is_told = *to == 1 && bytes[2] == Kind::Keys as u8;
        is_told.then(|| (*from, bytes.clone()))
    });
    let told: Vec<_> = told.collect();
    let author = told.last().expect("somebody told n1").0;
    change(&mut few, 0, KeyChange::Remove(id(2)));
    few.run(SECOND * 2);
    all_hold(&mut few, &[1]);
    // It meets the other one first, who tells it of this one: nobody hears that one itself.
    let silent = few.nodes[author].take();
    few.nodes[1] = Some(Node::new(sealed(1, 2, &[1])));
    few.input(1, Input::Join(&[address(2 - author)]));
    let name = format!("n{author}");
    while few.state(1, &name).is_none() {
        few.run(LATENCY / 4);
    }
    for (_, bytes) in told.iter().filter(|(from, _)| *from == author) {
        let from = address(author);
        few.input(1, Input::Datagram { from, bytes });
    }
    assert_eq!(held(&mut few, 1), ids(&[1]));
    few.nodes[author] = silent;
    few.run(SECOND * 30);
    all_hold(&mut few, &[1]);
}

#[test]
fn who_missed_the_moment_to_ask_asks_later() {
    let mut few = cluster(2);
    change(&mut few, 0, KeyChange::Add(&key(2)));
    while node(&mut few, 1).ordered.ask_at.is_none() {
        few.run(LATENCY / 4);
    }
    // As where other news come just now, or the other one is down for a moment.
    node(&mut few, 1).ordered.ask_at = None;
    few.run(SECOND * 300);
    all_hold(&mut few, &[1, 2]);
}

#[test]
fn who_sends_from_another_address_than_it_is_reached_at_is_answered_in_its_key_too() {
    let mut few = cluster(3);
    few.translated = Some((2, address(77)));
    change(&mut few, 0, KeyChange::Replace(&keys(&[2, 1])));
    few.captured.clear();
    few.run(SECOND * 10);
    let mut old = Vec::new();
    varint::put(&mut old, id(1).to_bits().into());
    let answers = few
        .captured
        .iter()
        .filter(|(from, to, arrival)| match arrival {
            Arrival::Datagram(_, bytes) => {
                (*from, *to, bytes[2]) == (0, 2, Kind::Swim as u8) && bytes[3..].starts_with(&old)
            }
            _ => false,
        });
    assert!(answers.count() > 0);
}

#[test]
fn nothing_is_ordered_in_plain_text_and_nothing_by_strangers() {
    let mut few = Few::joined(2);
    change(&mut few, 0, KeyChange::Add(&key(1)));
    few.run(SECOND);
    assert_eq!(held(&mut few, 0), ids(&[]));
    // One who has the key, and is no member.
    let mut few = cluster(2);
    let mut stranger = Few::of([sealed(0, 1, &[1]), sealed(9, 1, &[1])]);
    stranger.meet();
    stranger.captured.clear();
    change(&mut stranger, 1, KeyChange::Add(&key(2)));
    stranger.run(LATENCY * 20);
    for (_, _, arrival) in &stranger.captured {
        if let Arrival::Datagram(from, bytes) = arrival {
            few.input(0, Input::Datagram { from: *from, bytes });
        }
    }
    assert_eq!(held(&mut few, 0), ids(&[1]));
}

#[test]
fn no_key_is_seen_where_it_travels() {
    let mut few = cluster(3);
    few.captured.clear();
    change(
        &mut few,
        0,
        KeyChange::Add(&Arc::new(Key::new(&Zeroizing::new(*SECRET)))),
    );
    few.run(SECOND * 2);
    assert_eq!(held(&mut few, 2).len(), 2);
    let seen = few.captured.iter().any(|(_, _, arrival)| match arrival {
        Arrival::Datagram(_, bytes) | Arrival::Frame(_, bytes) => {
            bytes.windows(8).any(|at| at == &SECRET[..8])
        }
        Arrival::Closed(_) => false,
    });
    assert!(!seen);
}

const SECRET: &[u8; 32] = b"that nobody shall ever see in it";

#[test]
fn who_may_come_back_counts_and_who_left_does_not() {
    let mut few = cluster(4);
    let reason = "";
    few.input(
        1,
        Input::Leave {
            reason,
            restart_in: None,
        },
    );
    few.input(
        2,
        Input::Leave {
            reason,
            restart_in: Some(SECOND * 600),
        },
    );
    few.nodes[3] = None;
    few.run(SECOND * 60);
    assert_eq!(few.state(0, "n3"), Some(MemberState::Failed));
    change(&mut few, 0, KeyChange::Add(&key(2)));
    few.run(SECOND);
    let rings = node(&mut few, 0).key_rings();
    let rings: Vec<_> = rings
        .iter()
        .map(|ring| (&*ring.member, &*ring.keys))
        .collect();
    let (both, old) = (ids(&[1, 2]), ids(&[1]));
    assert_eq!(rings, [("n0", &*both), ("n2", &*old), ("n3", &*old)]);
}
