//! Ways in for fuzzers: bytes as they come, and bytes that a member with the key sealed.
//!
//! Two nodes meet; then one of them says whatever the fuzzer wants, correctly sealed, and the other
//! one must stay sane.

use std::{collections::VecDeque, net::SocketAddr};

use serde::{Serialize, Serializer, ser::SerializeTuple};
use zeroize::Zeroizing;

use super::Node;
use crate::swim::{
    Directory, Input, Key, Keys, Life, MemberId, Output, Profile, Scope, Settings, StreamId, Tags,
    Timestamp, Tuning, envelope::Kind, identity::Identity, wire::Frame,
};

/// Far more than two nodes have to say to each other at one instant.
const STEPS_MAX: usize = 1_000;
/// Alarms that ring after the bytes arrived.
const ALARMS: usize = 12;
/// What one datagram can make a node believe in, and then some.
const MEMBERS_MAX: usize = 2_000;

/// A datagram as it comes, at a node that has a key and at one that has none.
pub(crate) fn datagram(bytes: &[u8]) {
    for keys in [keys(), Keys::default()] {
        let mut node = node(0, keys);
        let from = address(7);
        let sent: usize = node
            .handle(now(), Input::Datagram { from, bytes })
            .map(|output| match output {
                Output::Send { to, bytes } if to == from => bytes.len(),
                _ => 0,
            })
            .sum();
        assert!(sent <= bytes.len(), "{sent} bytes for {}", bytes.len());
        assert_eq!(node.members().count(), 1);
    }
}

/// A message of a member: the first byte chooses its kind, the rest is what it says. Beyond the
/// kinds it is gossip with a good header.
pub(crate) fn packet(data: &[u8]) {
    let [choice, inside @ ..] = data else { return };
    let mut pair = Pair::met();
    match Kind::ALL.get(usize::from(*choice)) {
        Some(kind) => pair.say(*kind, inside),
        None => pair.gossip(inside),
    }
    pair.check();
}

/// A frame of a member: the first byte says whether it is the first one of a stream, follows an
/// honest one, or answers one.
pub(crate) fn frame(data: &[u8]) {
    let [choice, inside @ ..] = data else { return };
    let mut pair = Pair::met();
    match choice % 3 {
        0 => pair.dial(inside),
        1 => pair.dial_and_go_on(inside),
        _ => pair.answer(inside),
    }
    pair.check();
}

/// Bytes as they are, without a length before them.
struct Raw<'a>(&'a [u8]);

impl Serialize for Raw<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut tuple = serializer.serialize_tuple(self.0.len())?;
        self.0
            .iter()
            .try_for_each(|byte| tuple.serialize_element(byte))?;
        tuple.end()
    }
}

/// Two nodes on a network without delay: a good one, and one that the fuzzer speaks for.
struct Pair {
    now: Timestamp,
    nodes: [Node; 2],
    under_way: VecDeque<(usize, Output)>,
}

impl Pair {
    fn met() -> Self {
        let mut pair = Self {
            now: now(),
            nodes: [node(0, keys()), node(1, keys())],
            under_way: VecDeque::new(),
        };
        pair.input(1, Input::Join(&[address(0)]));
        pair.run();
        assert_eq!(pair.nodes[0].members().count(), 2);
        pair
    }

    fn input(&mut self, at: usize, input: Input<'_>) {
        let outputs = self.nodes[at].handle(self.now, input);
        self.under_way.extend(outputs.map(|output| (at, output)));
    }

    /// Delivers until nobody says anything more.
    fn run(&mut self) {
        for _ in 0..STEPS_MAX {
            let Some((from, output)) = self.under_way.pop_front() else {
                return;
            };
            self.deliver(from, &output);
        }
        panic!("two nodes talk without end");
    }

    /// Streams that one side dialled have even numbers there, and the next one on the other side.
    fn deliver(&mut self, from: usize, output: &Output) {
        let (to, sender) = (1 - from, address(from));
        match output {
            Output::Send { to: target, bytes } if *target == address(to) => {
                let from = sender;
                self.input(to, Input::Datagram { from, bytes });
            }
            Output::OpenStream { stream, frame, .. } => self.frame(to, *stream, frame),
            Output::StreamFrame { stream, bytes } => self.frame(to, *stream, bytes),
            _ => {}
        }
    }

    fn frame(&mut self, to: usize, stream: StreamId, bytes: &[u8]) {
        let stream = StreamId(stream.0 ^ 1);
        let input = Input::StreamFrame { stream, bytes };
        self.input(to, input);
    }

    /// What the second node has said beside `handle`, to be delivered.
    fn take_said(&mut self) {
        let said = self.nodes[1].engine.mail().outputs.drain(..);
        self.under_way.extend(said.map(|output| (1, output)));
    }

    fn say(&mut self, kind: Kind, inside: &[u8]) {
        // Larger ones are refused before they are opened.
        let inside = &inside[..inside.len().min(1_200)];
        let sender = self.nodes[1].sender();
        let to = MemberId::new("blue", "n0");
        let mail = self.nodes[1].engine.mail();
        match kind.is_addressed() {
            true => mail.message((kind, 0), sender, (to, address(0)), &Raw(inside)),
            false => mail.message((kind, 0), sender, address(0), &Raw(inside)),
        }
        self.take_said();
        self.run();
    }

    fn gossip(&mut self, inside: &[u8]) {
        let inside = &inside[..inside.len().min(1_000)];
        let Some((count, updates)) = inside.split_first_chunk::<2>() else {
            return;
        };
        let node = &mut self.nodes[1];
        let to = node
            .gate
            .borrow()
            .directory
            .handle(MemberId::new("blue", "n0"));
        let to = Identity {
            handle: to.expect("they met"),
            life: Life::first(1),
        };
        let count = u16::from_le_bytes(*count);
        node.send_packet(to, foca::Message::Gossip, count, updates);
        self.take_said();
        self.run();
    }

    fn dial(&mut self, inside: &[u8]) {
        let sender = self.nodes[1].sender();
        let mail = self.nodes[1].engine.mail();
        mail.open(sender, address(0), &Raw(inside));
        self.take_said();
        self.run();
    }

    fn dial_and_go_on(&mut self, inside: &[u8]) {
        let sender = self.nodes[1].sender();
        let me = self.nodes[1].gate.borrow().introduction();
        let (cookie, digest) = (None, 1);
        let mail = self.nodes[1].engine.mail();
        let stream = mail.open(sender, address(0), &Frame::Open { cookie, me, digest });
        self.take_said();
        let Some((_, open)) = self.under_way.pop_front() else {
            return;
        };
        self.deliver(1, &open);
        // Its answer is read by the mail alone: what follows it is the fuzzer's.
        while let Some((from, output)) = self.under_way.pop_front() {
            if let (0, Output::StreamFrame { bytes, .. }) = (from, &output) {
                let mail = self.nodes[1].engine.mail();
                let mut plain = Vec::new();
                let opened = mail.open_frame(stream, bytes, &mut plain).is_ok();
                assert!(opened, "an honest answer");
            }
        }
        let mail = self.nodes[1].engine.mail();
        mail.frame(sender, stream, &Raw(inside));
        self.take_said();
        self.run();
    }

    fn answer(&mut self, inside: &[u8]) {
        self.nodes[0].open_exchange(address(1), None);
        let opened = self.nodes[0].engine.mail().outputs.pop_back();
        let Some(Output::OpenStream { stream, frame, .. }) = opened else {
            return;
        };
        let stream = StreamId(stream.0 ^ 1);
        let sender = self.nodes[1].sender();
        let mail = self.nodes[1].engine.mail();
        let mut plain = Vec::new();
        let opened = mail.open_frame(stream, &frame, &mut plain).is_ok();
        assert!(opened, "an honest question");
        mail.frame(sender, stream, &Raw(inside));
        self.take_said();
        self.run();
    }

    /// Lets some time pass; the good node must still be one.
    fn check(&mut self) {
        for _ in 0..ALARMS {
            if let Some(due) = self.nodes[0].deadline() {
                self.now = self.now.max(due);
                self.input(0, Input::Deadline);
                self.run();
            }
        }
        let node = &self.nodes[0];
        assert_eq!(node.stats().engine_errors, 0);
        let names: Vec<_> = node.members().map(|view| view.card.name.clone()).collect();
        assert_eq!(names.iter().filter(|name| *name == "n0").count(), 1);
        assert!(names.len() <= MEMBERS_MAX, "{} members", names.len());
    }
}

fn now() -> Timestamp {
    Timestamp::from_micros(1_000_000)
}

fn address(at: usize) -> SocketAddr {
    let last = u8::try_from(at).unwrap_or(u8::MAX);
    SocketAddr::from(([10, 0, 0, last], 7946))
}

fn keys() -> Keys {
    let key = std::sync::Arc::new(Key::new(&Zeroizing::new([7; 32])));
    Keys::new(vec![key]).unwrap_or_default()
}

fn node(at: usize, keys: Keys) -> Node {
    Node::new(Settings {
        cluster: "blue".into(),
        name: format!("n{at}"),
        address: address(at),
        generation: 1,
        tags: Tags::default(),
        tuning: Tuning::new(Profile::Lan),
        seed: at as u64,
        directory: Directory::new(),
        scope: Scope::Everyone,
        keys,
    })
}

/// What honest nodes say begins the corpora: `cargo test --features fuzzing corpora` writes it.
#[cfg(test)]
mod corpus {
    use super::*;
    use crate::swim::{Card, facts, orders::Orders, orders::WireOrders, wire, wire::Update};

    fn with(choice: u8, message: &impl Serialize) -> Vec<u8> {
        [vec![choice], wire::encoded(message)].concat()
    }

    fn card(name: &str) -> Card {
        Card {
            id: MemberId::new("blue", name),
            name: name.into(),
            generation: 1,
            address: address(3),
            tags: [("role".to_owned(), "web".to_owned())]
                .into_iter()
                .collect(),
        }
    }

    /// Claims of every kind.
    fn updates() -> Vec<Update<'static>> {
        let (id, life) = (MemberId::new("blue", "n1"), Life::first(1));
        let card = wire::WireCard::own(&card("n3"));
        let said = wire::Said {
            version: 2,
            app: Some(facts::AppStatus::down("gone")),
            keys: None,
        };
        vec![
            Update::Alive {
                card: card.clone(),
                life,
                incarnation: 3,
            },
            Update::Known { card, life },
            Update::Left {
                id,
                life,
                reason: "upgrade".into(),
                age_s: 1,
            },
            Update::Removed { id, life, age_s: 2 },
            Update::Facts {
                id,
                generation: 1,
                said: said.clone(),
            },
            Update::Tagged {
                id,
                generation: 1,
                said,
                since: 1,
                tags: None,
            },
            Update::Event {
                id,
                generation: 1,
                event: wire::WireEvent {
                    number: 1,
                    behind: 0,
                    age_ms: 3,
                    name: "deploy".into(),
                    payload: "v2".into(),
                },
            },
        ]
    }

    /// Those in the corpora are what honest nodes say now: a format that changed needs new ones.
    #[test]
    fn corpora_hold_what_honest_nodes_say() {
        let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus");
        let mut seeds = Vec::new();
        for (number, update) in updates().iter().enumerate() {
            let gossip = [vec![99, 1, 0], wire::encoded(update)].concat();
            seeds.push(("packet", format!("gossip-{number}"), gossip));
        }
        let mut orders = Orders::default();
        let key = std::sync::Arc::new(Key::new(&Zeroizing::new([9; 32])));
        orders.add(&keys(), key);
        let asked = with(Kind::Keys as u8, &WireOrders::new(&orders, 1, true));
        seeds.push(("packet", "keys".into(), asked));
        let forget = wire::Forget {
            id: MemberId::new("blue", "n1"),
            life: Life::first(2),
            is_done: false,
        };
        let forget = with(Kind::Forget as u8, &forget);
        seeds.push(("packet", "forget".into(), forget));
        let all = updates();
        let state = Frame::State {
            parts: crate::swim::parts::Parts::ALL,
            updates: all.clone(),
            is_cut: false,
        };
        seeds.push(("frame", "state".into(), with(2, &state)));
        let finish = Frame::Finish {
            updates: all.clone(),
            is_cut: true,
        };
        seeds.push(("frame", "finish".into(), with(1, &finish)));
        seeds.push(("frame", "fetched".into(), with(0, &Frame::Fetched(all))));
        let of = vec![MemberId::new("blue", "n1")];
        seeds.push(("frame", "fetch".into(), with(0, &Frame::Fetch(of))));
        for keys in [keys(), Keys::default()] {
            let sealed = keys.primary().map_or("plain", |_| "sealed");
            let mut node = node(1, keys);
            let outputs = node.handle(now(), Input::Join(&[address(0)]));
            for output in outputs {
                if let Output::Send { bytes, .. } = output {
                    seeds.push(("datagram", format!("hello-{sealed}"), bytes.to_vec()));
                }
            }
        }
        for (target, name, bytes) in seeds {
            let path = root.join(target).join(&name);
            if cfg!(feature = "fuzzing") {
                std::fs::create_dir_all(root.join(target)).expect("a folder");
                std::fs::write(&path, &bytes).expect("written");
            }
            let held = std::fs::read(&path).unwrap_or_default();
            assert_eq!(
                held, bytes,
                "{target}/{name}: cargo test --features fuzzing corpora"
            );
        }
    }
}
