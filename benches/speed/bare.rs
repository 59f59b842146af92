//! The least simulation of foca there is: nodes, one heap, a latency. What it costs to have names,
//! envelopes, changes and promises is what ours costs beside it.

use std::{
    cmp::Reverse,
    collections::BinaryHeap,
    num::{NonZeroU32, NonZeroUsize},
    time::Duration,
};

use bytes::Bytes;
use foca::{AccumulatingRuntime, Config, Foca, Member, NoCustomBroadcast, Timer};
use rand::{RngExt, SeedableRng, seq::SliceRandom};
use rand_xoshiro::Xoshiro256PlusPlus;

use super::foca_bare::{Copying, Id};

type Engine = Foca<Id, Copying, Xoshiro256PlusPlus, NoCustomBroadcast>;

/// As the LAN of our simulator.
const LATENCY_US: std::ops::RangeInclusive<u64> = 500..=2_000;

/// A cluster of bare engines that stands.
pub(crate) struct World {
    engines: Vec<Option<Engine>>,
    runtime: AccumulatingRuntime<Id>,
    heap: BinaryHeap<Reverse<Event>>,
    dice: Xoshiro256PlusPlus,
    now: u64,
    caused: u64,
    pub(crate) handled: u64,
}

struct Event {
    at: u64,
    number: u64,
    to: u32,
    what: What,
}

enum What {
    Datagram(Bytes),
    Timer(Timer<Id>),
}

impl World {
    /// `nodes` engines that know `view` others each, and are known by them.
    pub(crate) fn new(nodes: u32, view: u32) -> Self {
        let mut dice = Xoshiro256PlusPlus::seed_from_u64(1);
        let neighbours = neighbours(nodes, view, &mut dice);
        let mut world = Self {
            engines: Vec::new(),
            runtime: AccumulatingRuntime::new(),
            heap: BinaryHeap::new(),
            dice,
            now: 0,
            caused: 0,
            handled: 0,
        };
        for handle in 0..nodes {
            let others = neighbours.get(handle as usize);
            world.enter(handle, nodes, others.map(Vec::as_slice));
        }
        world
    }

    /// An engine that knows `others`, or everybody.
    fn enter(&mut self, handle: u32, nodes: u32, others: Option<&[u32]>) {
        let mut config = Config::new_lan(NonZeroU32::new(nodes).expect("not empty"));
        config.max_packet_size = NonZeroUsize::new(1_400).expect("room for a header");
        config.periodic_announce = None;
        config.periodic_announce_to_down_members = None;
        let dice = Xoshiro256PlusPlus::seed_from_u64(self.dice.random());
        let mut engine = Foca::new(Id { handle, life: 1 }, config, dice, Copying);
        let alive = |handle: u32| Member::alive(Id { handle, life: 1 });
        let known = match others {
            Some(others) => others.iter().copied().map(alive).collect(),
            None => (0..nodes)
                .filter(|other| *other != handle)
                .map(alive)
                .collect::<Vec<_>>(),
        };
        engine
            .apply_many(known.into_iter(), false, &mut self.runtime)
            .expect("members are valid");
        self.engines.push(Some(engine));
        let phase = self.dice.random_range(0..1_000_000);
        self.carry_out(handle, phase);
    }

    /// The process is gone.
    pub(crate) fn crash(&mut self, handle: u32) {
        self.engines[handle as usize] = None;
    }

    /// Lets time pass.
    pub(crate) fn run(&mut self, span: Duration) {
        let end = self.now + u64::try_from(span.as_micros()).expect("a short run");
        while self.heap.peek().is_some_and(|Reverse(next)| next.at <= end) {
            let Some(Reverse(event)) = self.heap.pop() else {
                break;
            };
            self.now = event.at;
            self.happen(event);
        }
        self.now = end;
    }

    fn happen(&mut self, event: Event) {
        let Some(engine) = self.engines[event.to as usize].as_mut() else {
            return;
        };
        self.handled += 1;
        // Members that a view does not have, and probes that a stranger's packet upset.
        let _ = match event.what {
            What::Datagram(bytes) => engine.handle_data(&bytes, &mut self.runtime),
            What::Timer(timer) => engine.handle_timer(timer, &mut self.runtime),
        };
        self.carry_out(event.to, 0);
    }

    fn carry_out(&mut self, from: u32, phase: u64) {
        while let Some((to, bytes)) = self.runtime.to_send() {
            let latency = self.dice.random_range(LATENCY_US);
            self.push(latency, to.handle, What::Datagram(bytes));
        }
        while let Some((after, timer)) = self.runtime.to_schedule() {
            let after = u64::try_from(after.as_micros()).expect("a short time");
            self.push(phase + after, from, What::Timer(timer));
        }
        while self.runtime.to_notify().is_some() {}
    }

    fn push(&mut self, after: u64, to: u32, what: What) {
        self.caused += 1;
        let (at, number) = (self.now + after, self.caused);
        self.heap.push(Reverse(Event {
            at,
            number,
            to,
            what,
        }));
    }
}

/// Neighbours of each node, nearly regular; nobody's when everybody knows everybody.
fn neighbours(nodes: u32, view: u32, dice: &mut Xoshiro256PlusPlus) -> Vec<Vec<u32>> {
    if view + 1 >= nodes {
        return Vec::new();
    }
    let mut graph: Vec<Vec<u32>> = (0..nodes).map(|_| Vec::new()).collect();
    let mut cycle: Vec<u32> = (0..nodes).collect();
    for _ in 0..view / 2 {
        cycle.shuffle(dice);
        for at in 0..cycle.len() {
            let (one, other) = (cycle[at], cycle[(at + 1) % cycle.len()]);
            if !graph[one as usize].contains(&other) {
                graph[one as usize].push(other);
                graph[other as usize].push(one);
            }
        }
    }
    graph
}

impl PartialEq for Event {
    fn eq(&self, other: &Self) -> bool {
        self.number == other.number
    }
}

impl Eq for Event {}

impl PartialOrd for Event {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Event {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        (self.at, self.number).cmp(&(other.at, other.number))
    }
}
