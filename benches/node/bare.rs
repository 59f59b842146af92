//! foca with nothing around it.

use std::num::{NonZeroU32, NonZeroUsize};

use bytes::Bytes;
use foca::{AccumulatingRuntime, Config, Foca, Member, NoCustomBroadcast, Timer};
use rand::SeedableRng;
use rand_xoshiro::Xoshiro256PlusPlus;

use super::{
    PEERS,
    foca_bare::{Copying, HEADER_BYTES, Id, MEMBER_BYTES},
};

type Engine = Foca<Id, Copying, Xoshiro256PlusPlus, NoCustomBroadcast>;

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
