//! Nodes made ahead of their start, with their lists filled on several threads.
//!
//! A node that knows everybody from its first moment costs foca n² / 2 comparisons, so a cluster
//! of them costs n³ / 2. What a list is filled with is known before its node starts, and nothing
//! that happens until then changes it: lists are filled some at a time, and whether by one thread
//! or by many is the same to the byte.

use std::{
    collections::{BTreeMap, VecDeque},
    num::NonZeroUsize,
    sync::{Mutex, PoisonError},
    thread,
    time::Duration,
};

use rand::RngExt;

use crate::{
    simulator::{Fault, Place, Slot, World, network::draw},
    swim::{Node, Remembered, Timestamp},
};

/// Nodes that are made at a time: enough to keep many threads busy, few enough for whoever watches
/// the world to be asked meanwhile.
const AT_A_TIME: usize = 32;
/// A shorter list is filled sooner than a thread has started.
const MEMBERS_MIN: usize = 500;

/// Who starts at a moment of its own and knows everybody from then on.
#[derive(Debug)]
pub(in crate::simulator::world) struct Ahead {
    threads: NonZeroUsize,
    /// In the order of their starts.
    coming: VecDeque<Start>,
    made: BTreeMap<Slot, Made>,
}

/// A start that is to come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Start {
    at: Timestamp,
    slot: Slot,
    seed: u64,
}

/// A node that has yet to start, and what it takes itself for.
#[derive(Debug)]
struct Made {
    node: Node,
    generation: u32,
    place: Place,
}

impl World {
    /// Lets up to so many threads fill the lists of nodes that begin with long ones. It changes
    /// nothing but how long that takes.
    pub const fn use_threads(&mut self, threads: NonZeroUsize) {
        self.ahead.threads = threads;
    }

    /// Lets each machine's first process start at a moment of its own within `spread`.
    pub(super) fn start_ahead(&mut self, slots: Vec<Slot>, spread: Duration) {
        let mut coming = Vec::with_capacity(slots.len());
        for slot in slots {
            let after = draw(&mut self.rng, Duration::ZERO, spread);
            let (at, seed) = (self.now() + after, self.rng.random());
            coming.push(Start { at, slot, seed });
            self.schedule(after, Fault::Start(slot));
        }
        coming.sort_unstable();
        self.ahead.coming = coming.into();
    }

    /// The node that was made for the process that starts now in `slot`.
    pub(super) fn made_ahead(&mut self, slot: Slot) -> Option<Node> {
        let now = self.now();
        let everyone = self.everyone()?;
        while self.ahead.coming.front().is_some_and(|next| next.at <= now) {
            self.make_some(&everyone);
        }
        let made = self.ahead.made.remove(&slot)?;
        let machine = self.machine(slot);
        let fits = (made.generation, made.place) == (machine.stored_generation + 1, machine.place);
        fits.then_some(made.node)
    }

    fn make_some(&mut self, everyone: &Remembered) {
        let count = AT_A_TIME.min(self.ahead.coming.len());
        let starts: Vec<_> = self.ahead.coming.drain(..count).collect();
        let nodes = starts
            .iter()
            .map(|start| self.node_of(start.slot, start.seed));
        let mut nodes: Vec<_> = nodes.collect();
        let threads = match everyone.len() {
            ..MEMBERS_MIN => 1,
            _ => self.ahead.threads.get().min(count),
        };
        fill(&mut nodes, everyone, threads);
        for (Start { slot, .. }, node) in starts.into_iter().zip(nodes) {
            let machine = self.machine(slot);
            let made = Made {
                node,
                generation: machine.stored_generation + 1,
                place: machine.place,
            };
            self.ahead.made.insert(slot, made);
        }
    }
}

/// Each thread fills the next list that nobody fills yet.
fn fill(nodes: &mut [Node], members: &Remembered, threads: usize) {
    let lists: Vec<_> = nodes.iter_mut().map(Node::list).collect();
    let lists = Mutex::new(lists.into_iter());
    let next = || {
        let mut lists = lists.lock().unwrap_or_else(PoisonError::into_inner);
        lists.next()
    };
    let work = || {
        while let Some(list) = next() {
            list.fill(members);
        }
    };
    thread::scope(|scope| {
        for _ in 1..threads {
            scope.spawn(work);
        }
        work();
    });
}

impl Default for Ahead {
    fn default() -> Self {
        Self {
            threads: NonZeroUsize::MIN,
            coming: VecDeque::new(),
            made: BTreeMap::new(),
        }
    }
}
