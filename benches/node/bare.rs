//! foca with nothing around it: eight-byte identities and a codec that only copies them.

use std::num::{NonZeroU32, NonZeroUsize};

use bytes::{Buf, BufMut, Bytes};
use foca::{
    AccumulatingRuntime, Codec, Config, Foca, Header, Identity, Member, Message, NoCustomBroadcast,
    State, Timer,
};
use rand::SeedableRng;
use rand_xoshiro::Xoshiro256PlusPlus;

use super::PEERS;

type Engine = Foca<Id, Copying, Xoshiro256PlusPlus, NoCustomBroadcast>;

const HEADER_BYTES: usize = 8 + 2 + 8 + 2;
const MEMBER_BYTES: usize = 8 + 2 + 1;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Id {
    handle: u32,
    life: u32,
}

impl Identity for Id {
    type Addr = u32;

    fn renew(&self) -> Option<Self> {
        Some(Self {
            life: self.life + 1,
            ..*self
        })
    }

    fn addr(&self) -> u32 {
        self.handle
    }

    fn win_addr_conflict(&self, adversary: &Self) -> bool {
        self.life > adversary.life
    }
}

/// Fixed sizes, no checks: the least that any codec must do.
struct Copying;

#[derive(Debug, thiserror::Error)]
#[error("packet full, cut short or of a kind that is not measured")]
struct Unfit;

impl Codec<Id> for Copying {
    type Error = Unfit;

    fn encode_header(&mut self, header: &Header<Id>, mut buf: impl BufMut) -> Result<(), Unfit> {
        let (kind, number) = match header.message {
            Message::Ping(number) => (0, number),
            Message::Ack(number) => (1, number),
            Message::Gossip => (2, 0),
            _ => return Err(Unfit),
        };
        put_id(header.src, &mut buf);
        buf.put_u16(header.src_incarnation);
        put_id(header.dst, &mut buf);
        buf.put_slice(&[kind, number]);
        Ok(())
    }

    fn decode_header(&mut self, mut buf: impl Buf) -> Result<Header<Id>, Unfit> {
        if buf.remaining() < HEADER_BYTES {
            return Err(Unfit);
        }
        let src = take_id(&mut buf);
        let src_incarnation = buf.get_u16();
        let dst = take_id(&mut buf);
        let message = match (buf.get_u8(), buf.get_u8()) {
            (0, number) => Message::Ping(number),
            (1, number) => Message::Ack(number),
            _ => Message::Gossip,
        };
        Ok(Header {
            src,
            src_incarnation,
            dst,
            message,
        })
    }

    fn encode_member(&mut self, member: &Member<Id>, mut buf: impl BufMut) -> Result<(), Unfit> {
        if buf.remaining_mut() < MEMBER_BYTES {
            return Err(Unfit);
        }
        put_id(*member.id(), &mut buf);
        buf.put_u16(member.incarnation());
        buf.put_u8(match member.state() {
            State::Alive => 0,
            State::Suspect => 1,
            State::Down => 2,
        });
        Ok(())
    }

    fn decode_member(&mut self, mut buf: impl Buf) -> Result<Member<Id>, Unfit> {
        if buf.remaining() < MEMBER_BYTES {
            return Err(Unfit);
        }
        let (id, incarnation) = (take_id(&mut buf), buf.get_u16());
        let state = match buf.get_u8() {
            0 => State::Alive,
            1 => State::Suspect,
            _ => State::Down,
        };
        Ok(Member::new(id, incarnation, state))
    }
}

fn put_id(id: Id, buf: &mut impl BufMut) {
    buf.put_u32(id.handle);
    buf.put_u32(id.life);
}

fn take_id(buf: &mut impl Buf) -> Id {
    Id {
        handle: buf.get_u32(),
        life: buf.get_u32(),
    }
}

/// A foca that knows everybody, and what peers of it once sent to it.
pub(crate) struct Rig {
    engine: Engine,
    runtime: AccumulatingRuntime<Id>,
    pings: Vec<Bytes>,
    turn: usize,
    full: Bytes,
}

impl Rig {
    /// The full packet holds `updates` updates, as ours does.
    pub(crate) fn new(members: usize, updates: usize) -> Self {
        let size = u32::try_from(members).expect("a cluster's size");
        let mut ids = (0..size).map(|handle| Id { handle, life: 1 });
        let mut runtime = AccumulatingRuntime::new();
        let node = ids.next().expect("not empty");
        let mut engine = engine(node, size, 1_400);
        let mut peers = Vec::new();
        let mut pings = Vec::new();
        for id in ids.by_ref().take(PEERS) {
            let mut peer = self::engine(id, size, HEADER_BYTES + 2 + updates * MEMBER_BYTES);
            learn(&mut peer, &mut runtime, [node]);
            pings.push(probe(&mut peer, &mut runtime));
            peers.push((id, peer));
        }
        let (id, mut peer) = peers.swap_remove(0);
        learn(&mut engine, &mut runtime, [id]);
        let back = probe(&mut engine, &mut runtime);
        let others: Vec<_> = peers.iter().map(|(id, _)| *id).chain(ids).collect();
        learn(&mut peer, &mut runtime, others.iter().copied());
        learn(&mut engine, &mut runtime, others);
        peer.handle_data(&back, &mut runtime)
            .expect("a ping is valid");
        let full = drain(&mut runtime).expect("an ack full of news");
        assert_eq!(full.len(), HEADER_BYTES + 2 + updates * MEMBER_BYTES);
        let mut rig = Self {
            engine,
            runtime,
            pings,
            turn: 0,
            full,
        };
        while rig.engine.updates_backlog() > 0 {
            rig.ping();
        }
        rig
    }

    /// Handles one ping and gives the bytes of what it answers.
    pub(crate) fn ping(&mut self) -> usize {
        self.turn = (self.turn + 1) % PEERS;
        let handled = self
            .engine
            .handle_data(&self.pings[self.turn], &mut self.runtime);
        handled.expect("a ping is valid");
        drain(&mut self.runtime).map_or(0, |ack| ack.len())
    }

    /// Handles one packet full of old news and gives the bytes of what it answers: none.
    pub(crate) fn full(&mut self) -> usize {
        let handled = self.engine.handle_data(&self.full, &mut self.runtime);
        handled.expect("an ack is valid");
        drain(&mut self.runtime).map_or(0, |sent| sent.len())
    }
}

fn engine(id: Id, cluster: u32, packet_bytes_max: usize) -> Engine {
    let mut config = Config::new_lan(NonZeroU32::new(cluster).expect("not empty"));
    config.max_packet_size = NonZeroUsize::new(packet_bytes_max).expect("room for a header");
    let dice = Xoshiro256PlusPlus::seed_from_u64(u64::from(id.handle));
    Foca::new(id, config, dice, Copying)
}

fn learn(
    engine: &mut Engine,
    runtime: &mut AccumulatingRuntime<Id>,
    ids: impl IntoIterator<Item = Id>,
) {
    let members = ids.into_iter().map(Member::alive);
    engine
        .apply_many(members, true, &mut *runtime)
        .expect("members are valid");
}

/// The ping that `engine`, which knows one peer, sends it next.
fn probe(engine: &mut Engine, runtime: &mut AccumulatingRuntime<Id>) -> Bytes {
    let mut timers = std::iter::from_fn(|| runtime.to_schedule());
    let timer = timers.find_map(|(_, timer)| match timer {
        Timer::ProbeRandomMember(_) => Some(timer),
        _ => None,
    });
    drain(runtime);
    let timer = timer.expect("a member to probe");
    engine
        .handle_timer(timer, &mut *runtime)
        .expect("our own timer");
    drain(runtime).expect("a ping")
}

/// Empties `runtime` and gives the last packet that was to be sent.
fn drain(runtime: &mut AccumulatingRuntime<Id>) -> Option<Bytes> {
    while runtime.to_schedule().is_some() || runtime.to_notify().is_some() {}
    std::iter::from_fn(|| runtime.to_send())
        .last()
        .map(|(_, bytes)| bytes)
}
