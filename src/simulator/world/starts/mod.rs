//! Processes that start: what their nodes are told, and whom they know.

mod ahead;
mod graph;
mod warm;

use std::net::Ipv4Addr;

use rand::RngExt;

pub(super) use ahead::Ahead;
pub(super) use warm::Warmth;

use super::{Process, Slot, World};
use crate::{
    simulator::promises::{Consumer, Ledger},
    swim::{Input, Keys, Node, Remembered, Settings},
};

impl World {
    /// Starts a process in `slot`, if none runs there, with a fresh seed and the next generation.
    pub fn start(&mut self, slot: Slot) {
        if self.machine(slot).process.is_some() {
            return;
        }
        let now = self.now();
        let recalled = self.recalled(slot);
        let mut node = match (self.made_ahead(slot), &recalled) {
            (Some(node), _) => node,
            (None, Some((members, _))) => self.remembering_node(slot, members),
            (None, None) => self.fresh_node(slot),
        };
        if let Some((_, memory)) = recalled {
            node.recall(now, memory);
        }
        self.processes += 1;
        if self.watch.sees(slot) {
            let forget_after = self.machine(slot).spec.tuning.forget_after;
            self.ledgers[slot.index()] = Ledger::new(node.members(), forget_after);
        }
        self.outages.start(slot);
        self.meter.start(slot, recalled.is_some());
        let machine = &mut self.machines[slot.index()];
        machine.stored_generation += 1;
        machine.host_up = true;
        let mut process = Process::new(node, self.processes, now);
        if self.watch.is_thorough() {
            let consumer = Consumer::new(now, self.processes, &process.node);
            process.consumer = Some(Box::new(consumer));
        }
        machine.process = Some(process);
        self.tell_story_of(slot, || "starts".into());
        self.join_seeds(slot);
    }

    fn remembering_node(&mut self, slot: Slot, members: &Remembered) -> Node {
        let mut node = self.fresh_node(slot);
        node.list().fill(members);
        node
    }

    fn fresh_node(&mut self, slot: Slot) -> Node {
        let seed = self.rng.random();
        self.node_of(slot, seed)
    }

    /// The node of the next process in `slot`.
    fn node_of(&self, slot: Slot, seed: u64) -> Node {
        let machine = self.machine(slot);
        let spec = machine.spec.clone();
        let mut address = machine.place.address();
        if !spec.knows_address {
            address.set_ip(Ipv4Addr::UNSPECIFIED.into());
        }
        Node::new(Settings {
            cluster: spec.cluster,
            name: spec.name,
            address,
            generation: machine.stored_generation + 1,
            tags: spec.tags,
            tuning: spec.tuning,
            seed,
            directory: self.directory.clone().unwrap_or_default(),
            scope: self.scope(slot),
            keys: Keys::default(),
        })
    }

    /// Tells the process the addresses of its seeds, if they are other than it knows.
    pub(in crate::simulator::world) fn join_seeds(&mut self, slot: Slot) {
        let seeds = &self.machine(slot).spec.seeds;
        let found: Vec<_> = seeds.iter().map(|seed| self.address(*seed)).collect();
        let Some(process) = self.process_mut(slot) else {
            return;
        };
        if !process.paused && process.resolved.as_ref() != Some(&found) {
            process.resolved = Some(found.clone());
            self.input(slot, Input::Join(&found));
        }
    }
}
