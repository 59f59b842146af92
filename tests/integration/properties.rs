//! Properties: whatever bytes arrive and whatever happens, a node stays sane.

use std::net::SocketAddr;

use headcount::{
    simulator::{Application, Conditions, Data, Fault, Move, Slot, Spec, Tapped, World},
    swim::{Input, MemberView, StreamId},
};
use proptest::prelude::*;

use crate::world::{Cluster, millis, secs};

/// Where junk comes from: a member's address, or nobody's.
fn sources() -> impl Strategy<Value = SocketAddr> {
    prop_oneof![
        Just("10.0.0.2:7946".parse().expect("an address")),
        Just("10.9.9.9:1".parse().expect("an address")),
    ]
}

fn junk() -> impl Strategy<Value = Vec<u8>> {
    prop::collection::vec(any::<u8>(), 0..1_600)
}

/// How bytes are damaged on their way.
#[derive(Clone, Debug)]
enum Damage {
    Extend(Vec<u8>),
    Flip { at: prop::sample::Index, mask: u8 },
    Truncate(prop::sample::Index),
}

fn damages() -> impl Strategy<Value = Damage> {
    prop_oneof![
        prop::collection::vec(any::<u8>(), 1..40).prop_map(Damage::Extend),
        (any::<prop::sample::Index>(), 1..=u8::MAX)
            .prop_map(|(at, mask)| Damage::Flip { at, mask }),
        any::<prop::sample::Index>().prop_map(Damage::Truncate),
    ]
}

impl Damage {
    fn done_to(&self, bytes: &[u8]) -> Vec<u8> {
        let mut bytes = bytes.to_vec();
        match self {
            Self::Extend(tail) => bytes.extend(tail),
            Self::Flip { at, mask } => {
                let at = at.index(bytes.len());
                bytes[at] ^= mask;
            }
            Self::Truncate(at) => bytes.truncate(at.index(bytes.len())),
        }
        bytes
    }
}

/// A standing cluster, and the node that gets the bytes.
fn target() -> (Cluster, Slot) {
    let cluster = Cluster::formed(1, 3);
    let slot = cluster.slots[0];
    (cluster, slot)
}

fn junk_total(cluster: &Cluster, slot: Slot) -> u64 {
    cluster
        .world
        .node(slot)
        .expect("it runs")
        .stats()
        .junk_total()
}

fn view(cluster: &Cluster, slot: Slot) -> Vec<MemberView> {
    cluster.world.view(slot)
}

/// Bytes of everything a small cluster sends: it forms, loses an application, refutes, fails,
/// leaves and restarts.
fn real_messages() -> Vec<Tapped> {
    let mut cluster = Cluster::new(1, 4, Conditions::LAN);
    cluster.world.tap();
    cluster.start_all();
    cluster.run(secs(3));
    cluster.apply(Fault::App(cluster.slots[1], Application::Down));
    cluster.apply(Fault::Pause(cluster.slots[1], secs(20)));
    cluster.run(secs(30));
    cluster.apply(Fault::Restart(cluster.slots[2], Move::Away, Data::Lost));
    cluster.run(secs(3));
    cluster.apply(Fault::Leave(cluster.slots[3]));
    cluster.run(secs(40));
    cluster.world.tapped().to_vec()
}

/// Bytes of datagrams that went to `to`.
fn bytes_sent_to(tapped: &[Tapped], to: SocketAddr) -> usize {
    let sizes = tapped.iter().map(|tapped| match tapped {
        Tapped::Datagram {
            to: target, bytes, ..
        } if *target == to => bytes.len(),
        _ => 0,
    });
    sizes.sum()
}

#[test]
fn a_stranger_never_gets_back_more_bytes_than_it_sent() {
    let stranger = "10.9.9.9:7946".parse().expect("an address");
    for message in real_messages() {
        let Tapped::Datagram { bytes, .. } = message else {
            continue;
        };
        // They know nobody that the messages come from.
        let mut world = World::new(1, Conditions::LAN);
        let slot = world.add(Spec::new("m0", &[]));
        let slots = vec![slot, world.add(Spec::new("m1", &[slot]))];
        let mut cluster = Cluster { world, slots };
        cluster.start_all();
        cluster.agree_within(secs(5));
        cluster.world.tap();
        let (from, bytes) = (stranger, &bytes[..]);
        cluster.world.input(slot, Input::Datagram { from, bytes });
        cluster.run(secs(5));
        let answered = bytes_sent_to(cluster.world.tapped(), stranger);
        assert!(answered <= bytes.len(), "{answered} for {}", bytes.len());
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn random_datagrams_are_counted_and_change_nothing(
        datagrams in prop::collection::vec((sources(), junk()), 1..20),
    ) {
        let (mut cluster, slot) = target();
        let before = (view(&cluster, slot), junk_total(&cluster, slot));
        for (from, bytes) in &datagrams {
            cluster.world.input(slot, Input::Datagram { from: *from, bytes });
        }
        prop_assert_eq!(view(&cluster, slot), before.0);
        prop_assert_eq!(junk_total(&cluster, slot), before.1 + datagrams.len() as u64);
        prop_assert!(cluster.world.violations().is_empty());
    }

    #[test]
    fn random_frames_are_counted_and_change_nothing(
        frames in prop::collection::vec(junk(), 1..20),
    ) {
        let (mut cluster, slot) = target();
        let before = (view(&cluster, slot), junk_total(&cluster, slot));
        for (number, bytes) in (0..).zip(&frames) {
            let stream = StreamId(1_001 + 2 * number);
            cluster.world.input(slot, Input::StreamFrame { stream, bytes });
        }
        prop_assert_eq!(view(&cluster, slot), before.0);
        prop_assert_eq!(junk_total(&cluster, slot), before.1 + frames.len() as u64);
    }

    #[test]
    fn damaged_messages_change_nothing_and_create_nobody(
        picks in prop::collection::vec((any::<prop::sample::Index>(), damages()), 1..200),
    ) {
        let messages = real_messages();
        let (mut cluster, slot) = target();
        let before = view(&cluster, slot);
        for (number, (pick, damage)) in (0..).zip(&picks) {
            match pick.get(&messages) {
                Tapped::Datagram { from, bytes, .. } => {
                    let bytes = &damage.done_to(bytes);
                    cluster.world.input(slot, Input::Datagram { from: *from, bytes });
                }
                Tapped::Frame(bytes) => {
                    let bytes = &damage.done_to(bytes);
                    let stream = StreamId(1_001 + 2 * number);
                    cluster.world.input(slot, Input::StreamFrame { stream, bytes });
                }
            }
        }
        prop_assert_eq!(view(&cluster, slot), before);
    }

    #[test]
    fn a_snapshot_and_the_changes_after_it_are_the_member_list(
        seed in any::<u64>(),
        script in prop::collection::vec((0..12_000u64, happenings()), 1..40),
    ) {
        // The world replays every node's changes after each input that told any.
        let mut cluster = Cluster::new(seed, 5, Conditions::lossy(0.1));
        for (pause, happening) in script {
            cluster.apply(happening.fault(&cluster.slots));
            cluster.run(millis(pause));
        }
    }

    #[test]
    fn messages_that_come_again_and_again_change_no_more_than_once(
        picks in prop::collection::vec((any::<prop::sample::Index>(), 0..500u64), 1..100),
    ) {
        // A replayed datagram is authentic: it may be believed, but what it says is old.
        let mut cluster = Cluster::new(1, 4, Conditions::LAN);
        cluster.world.tap();
        cluster.start_all();
        cluster.run(secs(10));
        cluster.apply(Fault::Restart(cluster.slots[2], Move::Stay, Data::Kept));
        cluster.run(secs(10));
        let slot = cluster.slots[0];
        for (pick, pause) in picks {
            if let Tapped::Datagram { from, bytes, .. } = pick.get(cluster.world.tapped()).clone() {
                cluster.world.input(slot, Input::Datagram { from, bytes: &bytes });
                cluster.run(millis(pause));
            }
        }
        cluster.agree_within(secs(60));
    }
}

/// A fault that waits to be told which machines there are.
#[derive(Clone, Debug)]
struct Happening {
    kind: u8,
    one: usize,
    other: usize,
    away: bool,
}

fn happenings() -> impl Strategy<Value = Happening> {
    (0..10u8, 0..5usize, 0..5usize, any::<bool>()).prop_map(|(kind, one, other, away)| Happening {
        kind,
        one,
        other,
        away,
    })
}

impl Happening {
    fn fault(&self, slots: &[Slot]) -> Fault {
        let slot = slots[self.one];
        match self.kind {
            0 | 1 => Fault::Start(slot),
            2 => Fault::Crash(slot),
            3 => Fault::Leave(slot),
            4 => Fault::Pause(slot, secs(3 + self.other as u64)),
            5 => Fault::Partition((0..5).map(|index| u16::from(index <= self.one)).collect()),
            6 => Fault::Heal,
            7 => Fault::App(slot, Application::Down),
            8 => Fault::App(slot, Application::Up),
            _ if self.away => Fault::Restart(slot, Move::Away, Data::Kept),
            _ => Fault::Restart(slot, Move::Stay, Data::Kept),
        }
    }
}
