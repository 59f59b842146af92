//! A real node among peers that say what they are told to, and write down what they get.

use std::{net::SocketAddr, time::Duration};

use bytes::Buf;
use foca::{Codec as _, Header, Message};

use crate::swim::node::{Node, tests};
use crate::swim::{
    Card, Change, Directory, Enrolled, Input, Life, MemberId, Memory, Output, Remembered, Settings,
    StreamId, Tags, Timestamp, View,
    codec::{Codec, read},
    envelope::{Context, Kind, Sealer},
    identity::Identity,
    mail::swim_packet,
    wire::{self, Frame, Nack, Update, WireCard},
};

/// The node under test, generation 3.
pub(super) const ME: &str = "me";
/// The member that claims are about.
pub(super) const SUBJECT: &str = "x";
/// Who passes claims on: none of its own.
const CARRIER: usize = 5;
const SUBJECT_AT: usize = 9;
const PAUSE: Duration = Duration::from_millis(10);
const ELSEWHERE: usize = 99;

/// `me` knows five peers, `p1` to `p5`, and nobody else. No timer fires by itself.
pub(super) struct Stage {
    pub(super) now: Timestamp,
    pub(super) me: Node,
    peers: Vec<Node>,
    subject: Node,
}

/// What one input led to.
#[derive(Default)]
pub(super) struct Outcome {
    pub(super) changes: Vec<Change>,
    /// Claims that peers got, each once.
    pub(super) claims: Vec<Update<'static>>,
    /// What the subject was sent, by kind.
    pub(super) answers: Vec<Message<Identity>>,
    /// The life and incarnation that peers were shown: every packet shows them, and so refutes.
    pub(super) shown: Option<(Life, u16)>,
    /// Who was sent which of foca's messages.
    pub(super) messages: Vec<(SocketAddr, Message<Identity>)>,
    /// Who was told that its errand came to nothing.
    pub(super) nacks: Vec<SocketAddr>,
    /// Whether somebody was asked whether it lives, or told that it has a twin.
    pub(super) is_challenged: bool,
}

impl Stage {
    pub(super) fn new() -> Self {
        let directory = Directory::new();
        let join = |name: &str, at, generation| {
            let settings = tests::settings(name, at, generation, at as u64);
            Node::new(Settings {
                directory: directory.clone(),
                ..settings
            })
        };
        let mut me = join(ME, 0, 3);
        let peers: Vec<_> = (1..=5).map(|at| join(&format!("p{at}"), at, 1)).collect();
        let view: View = (1..=5).map(Enrolled).collect();
        let now = Timestamp::from_micros(1_000_000);
        me.list().fill(&Remembered::of(&view, &directory));
        me.recall(now, Memory::Mutual);
        let subject = Node::new(tests::settings(SUBJECT, SUBJECT_AT, 2, 9));
        let known = subject.gate.borrow().directory.clone();
        known.enter((*me.gate.borrow().card).clone());
        Self {
            now,
            me,
            peers,
            subject,
        }
    }

    /// A packet of gossip from the carrier.
    pub(super) fn gossip(&mut self, claims: &[Update<'_>]) -> Outcome {
        let (me, life) = (self.me.id(), self.me.life());
        let carrier = &mut self.peers[CARRIER - 1];
        let bytes = packet(carrier, (me, life), claims);
        self.datagram(tests::address(CARRIER), &bytes)
    }

    /// A packet from the subject itself, in this life and incarnation.
    pub(super) fn word(&mut self, life: Life, incarnation: u16) -> Outcome {
        {
            let mut gate = self.subject.gate.borrow_mut();
            gate.me.life = life;
            gate.incarnation = incarnation;
        }
        let to = (self.me.id(), self.me.life());
        let bytes = packet(&mut self.subject, to, &[]);
        self.datagram(tests::address(SUBJECT_AT), &bytes)
    }

    /// All that the carrier knows, over a stream.
    pub(super) fn exchange(&mut self, claims: Vec<Update<'_>>) -> Outcome {
        let stream = StreamId(1);
        let me = self.peers[CARRIER - 1].gate.borrow().introduction();
        let open = Frame::Open {
            cookie: None,
            me,
            digest: 0,
        };
        self.frame(stream, &open);
        self.frame(
            stream,
            &Frame::Finish {
                updates: claims,
                is_cut: false,
            },
        )
    }

    fn frame(&mut self, stream: StreamId, frame: &Frame<'_>) -> Outcome {
        let sender = self.peers[CARRIER - 1].sender();
        let mut bytes = Vec::new();
        wire::put(&mut bytes, frame);
        let kind = (Kind::Exchange, 0);
        let write = |out: &mut Vec<u8>| out.extend_from_slice(&bytes);
        let bytes = Sealer::new("blue").seal(Context::default(), kind, sender, write);
        self.input(Input::StreamFrame {
            stream,
            bytes: &bytes,
        })
    }

    fn datagram(&mut self, from: SocketAddr, bytes: &[u8]) -> Outcome {
        self.input(Input::Datagram { from, bytes })
    }

    /// What the member at this address says.
    pub(super) fn say(&mut self, from: SocketAddr, message: Message<Identity>) -> Outcome {
        let to = (self.me.id(), self.me.life());
        let bytes = encoded(self.member_at(from), to, message, &[]);
        self.datagram(from, &bytes)
    }

    /// The member at this address has no answer either.
    pub(super) fn say_nack(&mut self, from: SocketAddr, nack: Nack) {
        let to = (self.me.id(), self.me.address());
        let helper = self.member_at(from);
        helper.send(Kind::Nack, to, &nack);
        let sent = helper.engine.mail().outputs.pop_back();
        let Some(Output::Send { bytes, .. }) = sent else {
            panic!("not sent: {sent:?}");
        };
        self.datagram(from, &bytes);
    }

    pub(super) fn member_at(&mut self, address: SocketAddr) -> &mut Node {
        let mut members = self.peers.iter_mut().chain([&mut self.subject]);
        members.find(|member| member.address() == address).unwrap()
    }

    /// The life that the subject spoke in last.
    pub(super) fn subject_life(&self) -> Life {
        self.subject.life()
    }

    /// Lets the next timer fire at its time.
    pub(super) fn fire(&mut self) -> Outcome {
        self.now = self.now.max(self.me.deadline().unwrap());
        self.handle(Input::Deadline)
    }

    /// Lets time pass in which every probe is answered.
    pub(super) fn run(&mut self, until: Timestamp) -> Vec<Change> {
        let mut changes = Vec::new();
        while self.me.deadline().is_some_and(|due| due <= until) {
            let fired = self.fire();
            changes.extend(fired.changes);
            for (to, message) in fired.messages {
                if let Message::Ping(number @ 1..) = message {
                    changes.extend(self.say(to, Message::Ack(number)).changes);
                }
            }
        }
        self.now = self.now.max(until);
        changes
    }

    /// Ten milliseconds later: news is sent at once and not with what came before.
    pub(super) fn input(&mut self, input: Input<'_>) -> Outcome {
        self.now = self.now + PAUSE;
        self.handle(input)
    }

    fn handle(&mut self, input: Input<'_>) -> Outcome {
        let outputs: Vec<_> = self.me.handle(self.now, input).collect();
        let mut outcome = Outcome::default();
        for output in outputs {
            match output {
                Output::Change(change) => outcome.changes.push(*change),
                Output::Send { to, bytes } => self.sent(to, &bytes, &mut outcome),
                _ => {}
            }
        }
        outcome
    }

    fn sent(&self, to: SocketAddr, bytes: &[u8], outcome: &mut Outcome) {
        let mut plain = Vec::new();
        let envelope = Sealer::new("blue").open(Context::default(), bytes, &mut plain);
        let envelope = envelope.unwrap().kind;
        outcome.is_challenged |= envelope == Kind::Challenge;
        if envelope == Kind::Nack {
            outcome.nacks.push(to);
        }
        let mut peers = self.peers.iter().chain([&self.subject]);
        let peer = peers.find(|peer| peer.address() == to);
        let Some(peer) = peer.filter(|_| envelope == Kind::Swim) else {
            return;
        };
        let Some((header, claims)) = opened(peer, bytes) else {
            return;
        };
        outcome.messages.push((to, header.message.clone()));
        outcome.shown = Some((self.me.life(), header.src_incarnation));
        if to == self.subject.address() {
            outcome.answers.push(header.message);
        }
        for claim in claims {
            if !outcome.claims.contains(&claim) {
                outcome.claims.push(claim);
            }
        }
    }
}

/// Gossip that `from` would send to the member `to` with these claims.
fn packet(from: &mut Node, to: (MemberId, Life), claims: &[Update<'_>]) -> Vec<u8> {
    encoded(from, to, Message::Gossip, claims)
}

fn encoded(
    from: &mut Node,
    (id, life): (MemberId, Life),
    message: Message<Identity>,
    claims: &[Update<'_>],
) -> Vec<u8> {
    let handle = from.gate.borrow().directory.handle(id).unwrap();
    let to = Identity { handle, life };
    let bytes = claims
        .iter()
        .map(|claim| postcard::to_stdvec(claim).unwrap());
    let bytes = bytes.collect::<Vec<_>>().concat();
    let count = u16::try_from(claims.len()).unwrap();
    from.send_packet(to, message, count, &bytes);
    match from.engine.mail().outputs.pop_back() {
        Some(Output::Send { bytes, .. }) => bytes.to_vec(),
        other => panic!("not sent: {other:?}"),
    }
}

/// What a packet of foca's says to `peer`.
fn opened(peer: &Node, bytes: &[u8]) -> Option<(Header<Identity>, Vec<Update<'static>>)> {
    let sealer = Sealer::new("blue");
    let mut plain = Vec::new();
    let envelope = sealer.open(Context::default(), bytes, &mut plain).unwrap();
    let mut rest = swim_packet(envelope.payload)?;
    let header = Codec::new(peer.gate.clone())
        .decode_header(&mut rest)
        .ok()?;
    let count = if rest.has_remaining() {
        rest.get_u16()
    } else {
        0
    };
    let mut claims = Vec::new();
    for _ in 0..count {
        let (claim, used) = read::<Update<'_>>(rest).unwrap();
        claims.push(owned(&claim));
        rest.advance(used);
    }
    while rest.has_remaining() {
        let length = usize::from(rest.get_u16());
        let (claim, _) = read::<Update<'_>>(&rest[..length]).unwrap();
        claims.push(owned(&claim));
        rest.advance(length);
    }
    Some((header, claims))
}

fn owned(claim: &Update<'_>) -> Update<'static> {
    let bytes = postcard::to_stdvec(claim).unwrap();
    postcard::from_bytes(bytes.leak()).unwrap()
}

/// What a member says of itself, here or where another process would be.
pub(super) fn card(name: &str, generation: u32, elsewhere: bool) -> WireCard<'static> {
    let at = match name {
        _ if elsewhere => ELSEWHERE,
        ME => 0,
        _ => SUBJECT_AT,
    };
    WireCard::own(&Card {
        id: MemberId::new("blue", name),
        name: name.into(),
        generation,
        address: tests::address(at),
        tags: Tags::default(),
    })
}
