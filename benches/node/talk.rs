//! A node among peers that talk with it: every datagram is a new one, as sealed ones must be.

use std::{collections::VecDeque, net::SocketAddr};

use bytes::Bytes;
use headcount::swim::{Input, Keys, Node, Output, Timestamp};

use super::ours::{World, acquainted};

/// A node that answers and never asks.
pub(crate) struct Talk {
    world: World,
    node: Node,
    address: SocketAddr,
    /// What peers said to the node, which did not hear it yet.
    said: VecDeque<Said>,
    answers: Vec<(SocketAddr, Bytes)>,
}

/// One datagram to the node.
pub(crate) struct Said {
    at: Timestamp,
    from: SocketAddr,
    bytes: Bytes,
}

impl Talk {
    pub(crate) fn new(keys: &Keys) -> Self {
        let (mut world, address, _) = acquainted(keys);
        let node = world.nodes.remove(&address).expect("it is there");
        Self {
            world,
            node,
            address,
            said: VecDeque::new(),
            answers: Vec::new(),
        }
    }

    /// What some peer says next to the node. Nearly all of it is pings.
    pub(crate) fn next(&mut self) -> Said {
        for (to, bytes) in std::mem::take(&mut self.answers) {
            let (from, bytes) = (self.address, &bytes);
            self.hand(to, Input::Datagram { from, bytes });
        }
        loop {
            if let Some(said) = self.said.pop_front() {
                return said;
            }
            let deadlines = self.world.nodes.iter();
            let deadlines = deadlines.filter_map(|(at, node)| Some((node.deadline()?, *at)));
            let (due, peer) = deadlines.min().expect("nodes never rest");
            self.world.now = self.world.now.max(due);
            self.hand(peer, Input::Deadline);
        }
    }

    fn hand(&mut self, peer: SocketAddr, input: Input<'_>) {
        for (to, bytes) in self.world.happen(peer, input) {
            if to == self.address {
                let (at, from) = (self.world.now, peer);
                self.said.push_back(Said { at, from, bytes });
            }
        }
    }

    /// What is measured: one datagram in, and what it leads to out. Gives the bytes of that.
    pub(crate) fn hear(&mut self, said: &Said) -> usize {
        let input = Input::Datagram {
            from: said.from,
            bytes: &said.bytes,
        };
        for output in self.node.handle(said.at, input) {
            if let Output::Send { to, bytes } = output {
                self.answers.push((to, bytes));
            }
        }
        self.answers.iter().map(|(_, bytes)| bytes.len()).sum()
    }
}
