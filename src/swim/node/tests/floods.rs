//! Floods of what strangers and members with the key can make up: what is answered, kept and passed
//! on of them has bounds.

use super::{
    Few, address,
    attacks::{STRANGER, cluster, cluster_with, datagrams, inject, junk, sealed},
    from_n1_to_n0, *,
};
use crate::swim::{AppStatus, Directory, Junk, MemberState, Notice, wire};

/// A hello of somebody with this key, or none, to the first of the cluster.
fn hello(theirs: &[u8]) -> Vec<u8> {
    let mut stranger = Few::of([sealed(0, 1, theirs), sealed(9, 1, theirs)]);
    stranger.input(1, Input::Join(&[address(0)]));
    datagrams(&stranger).remove(0).2
}

fn withheld(few: &Few, at: usize) -> u64 {
    few.nodes[at].as_ref().unwrap().stats().answers_withheld
}

#[test]
fn a_flood_of_strangers_gets_so_many_answers_and_keeps_no_newcomer_out() {
    const FLOOD: u16 = 20_000;
    let mut few = cluster();
    let unread = hello(&[2]);
    let victim = address(STRANGER);
    let flood = |few: &mut Few, from: &dyn Fn(u16) -> SocketAddr| {
        let sent = datagrams(few).len();
        for number in 0..FLOOD {
            let from = from(number);
            few.input(
                0,
                Input::Datagram {
                    from,
                    bytes: &unread,
                },
            );
        }
        datagrams(few).len() - sent
    };
    // All to one victim, from whatever port.
    let to_one = flood(&mut few, &|port| SocketAddr::new(victim.ip(), port));
    assert_eq!(to_one, 1_000);
    // To as many as there are.
    let to_many = flood(&mut few, &|number| {
        let [high, low] = number.to_be_bytes();
        SocketAddr::from(([10, 9, high, low], 1))
    });
    assert_eq!(to_many, 15_000);
    assert_eq!(withheld(&few, 0), 2 * u64::from(FLOOD) - 16_000);
    let sent = datagrams(&few).len();
    inject(&mut few, 0, STRANGER, &hello(&[1]));
    assert_eq!(
        datagrams(&few).len(),
        sent + 1,
        "a newcomer with the key is welcome"
    );
}

#[test]
fn who_says_hello_again_and_again_has_so_many_welcomes() {
    let mut few = cluster_with(&[]);
    let hello = hello(&[]);
    let sent = datagrams(&few).len();
    for _ in 0..2_000 {
        inject(&mut few, 0, STRANGER, &hello);
    }
    assert_eq!(datagrams(&few).len() - sent, 1_000);
    assert_eq!(withheld(&few, 0), 1_000);
}

/// A packet from n1 to n0 that tells of these members.
fn told_of(few: &mut Few, cards: impl Iterator<Item = Card>) -> Vec<u8> {
    let mut packets = spread::Packets::default();
    for card in cards {
        let life = Life::first(card.generation);
        packets.add_update(&wire::Update::Alive {
            card: wire::WireCard::own(&card),
            life,
            incarnation: 0,
        });
    }
    from_n1_to_n0(few, |node, to| node.send_packets(to, &packets))
}

fn made_up(name: &str, generation: u32, at: usize) -> Card {
    Card {
        id: MemberId::new("blue", name),
        name: name.into(),
        generation,
        address: address(at),
        tags: Tags::default(),
    }
}

#[test]
fn a_flood_of_members_by_a_key_holder_ends_at_the_limit_and_is_told() {
    let max = 20;
    let mut few = Few::of((0..3).map(|at| Settings {
        directory: Directory::of_at_most(max),
        ..sealed(at, 1, &[1])
    }));
    few.meet();
    for number in 0..2_000 {
        let name = format!("made-up-{number}");
        let bytes = &told_of(&mut few, [made_up(&name, 1, 100)].into_iter());
        let from = address(1);
        few.input(0, Input::Datagram { from, bytes });
    }
    let node = few.nodes[0].as_ref().unwrap();
    assert_eq!(node.members().count(), max);
    assert_eq!(node.stats().members_refused, 2_000 - (max as u64 - 3));
    let told = few.notices[0].iter();
    let told = told.filter(|notice| **notice == Notice::TooManyMembers);
    assert_eq!(told.count(), 1, "once a minute");
    for name in ["n1", "n2"] {
        assert_eq!(few.state(0, name), Some(MemberState::Alive), "{name}");
    }
}

#[test]
fn a_card_that_no_member_would_write_is_not_passed_on_and_is_counted() {
    let mut few = cluster();
    let wide = Card {
        tags: [("k".to_owned(), "x".repeat(600))].into_iter().collect(),
        ..made_up("wide", 1, 100)
    };
    let cards = [wide, made_up("a name", 1, 101), made_up("fine", 1, 102)];
    for card in cards {
        let bytes = &told_of(&mut few, [card].into_iter());
        let from = address(1);
        few.input(0, Input::Datagram { from, bytes });
    }
    let names = |name: &str| few.state(0, name).is_some();
    assert_eq!(["wide", "a name", "fine"].map(names), [false, false, true]);
    assert_eq!(junk(&few, 0, Junk::Malformed), 2);
}

#[test]
fn of_thousands_of_join_addresses_a_thousand_are_tried() {
    let mut node = Node::new(sealed(0, 1, &[1]));
    let address = |number: u16| SocketAddr::from(([10, 1, 0, 1], number));
    let addresses = |numbers: std::ops::Range<u16>| Vec::from_iter(numbers.map(address));
    let (seeds, more) = (addresses(1..901), addresses(901..2_001));
    let now = Timestamp::from_micros(1);
    for addresses in [&seeds, &more, &more] {
        node.handle(now, Input::Join(addresses)).for_each(drop);
    }
    assert_eq!(node.contacts.len(), 1_024);
    let outputs = node.handle(now, Input::Join(&seeds));
    let hellos = outputs.filter(|output| matches!(output, Output::Send { .. }));
    assert_eq!(hellos.count(), seeds.len(), "these are tried again");
}

#[test]
fn what_is_said_of_a_generation_that_nobody_is_in_does_not_hide_what_is_true() {
    let mut few = cluster();
    let card = made_up("x", 5, 100);
    let up = |generation| wire::Update::Facts {
        id: card.id,
        generation,
        said: wire::Said {
            version: 1,
            app: Some(AppStatus::Up),
            keys: None,
        },
    };
    for (generation, shown) in [(9_999_999, None), (5, Some(AppStatus::Up))] {
        let mut packets = spread::Packets::default();
        packets.add_update(&wire::Update::Alive {
            card: wire::WireCard::own(&card),
            life: Life::first(card.generation),
            incarnation: 0,
        });
        packets.add_update(&up(generation));
        let bytes = &from_n1_to_n0(&mut few, |node, to| node.send_packets(to, &packets));
        let from = address(1);
        few.input(0, Input::Datagram { from, bytes });
        let held = few.nodes[0].as_ref().unwrap().member("x").unwrap();
        assert_eq!(held.app, shown, "{generation}");
    }
}
