//! `Links`: the streams between processes, from either end.
//!
//! A link carries frames in order and loses none; when it cannot, it breaks, and whoever still
//! has its end open is told. Latency, retransmission and refusal are the world's to decide.

use std::collections::BTreeMap;

use crate::{
    simulator::Slot,
    swim::{StreamEnd, StreamId, Timestamp},
};

/// A link's number in its world.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::simulator::world) struct LinkId(u32);

/// Which end of a link.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::simulator::world) enum Side {
    Dialer = 0,
    Acceptor = 1,
}

impl Side {
    pub(super) const fn other(self) -> Self {
        match self {
            Self::Dialer => Self::Acceptor,
            Self::Acceptor => Self::Dialer,
        }
    }
}

/// One end: whose it is, and what it calls the stream.
#[derive(Clone, Copy, Debug)]
pub(super) struct LinkEnd {
    pub(super) slot: Slot,
    /// The process that holds it. The slot's next process knows nothing of it.
    pub(super) process: u32,
    pub(super) stream: StreamId,
}

/// A stream between two processes.
#[derive(Debug)]
pub(super) struct Link {
    /// Open ends. The acceptor's is `None` until the dial arrives, and each is `None` once closed.
    pub(super) ends: [Option<LinkEnd>; 2],
    /// Slots of both sides, for as long as the link exists.
    pub(super) slots: [Slot; 2],
    /// When the last frame towards each side arrives: later ones come no earlier.
    last_arrival: [Timestamp; 2],
    /// The dial has not arrived yet.
    pub(super) dialling: bool,
    /// Nothing is carried any more; closing notices may be under way.
    pub(super) broken: bool,
    /// What its ends are told when it is over.
    outcome: StreamEnd,
    /// It breaks after so many frames more, if it must.
    pub(super) frames_left: Option<u8>,
}

impl Link {
    /// The arrival time of something that could be at `side` by `at`, kept in order.
    pub(super) fn in_order(&mut self, side: Side, at: Timestamp) -> Timestamp {
        let last = &mut self.last_arrival[side as usize];
        *last = (*last).max(at);
        *last
    }

    /// The dialled process accepts it as `end`.
    pub(super) const fn open(&mut self, end: LinkEnd) {
        self.ends[Side::Acceptor as usize] = Some(end);
        self.outcome = StreamEnd::Closed;
    }

    /// The dialled system turns it back.
    pub(super) const fn refuse(&mut self) {
        self.outcome = StreamEnd::Refused;
    }

    pub(super) const fn outcome(&self) -> StreamEnd {
        self.outcome
    }

    /// Who sends what arrives at `side`, and who is there.
    pub(super) const fn way_to(&self, side: Side) -> [Slot; 2] {
        [self.slots[side.other() as usize], self.slots[side as usize]]
    }

    /// Whether it breaks now instead of carrying one frame more.
    pub(super) fn is_worn_out(&mut self) -> bool {
        match &mut self.frames_left {
            None => false,
            Some(0) => true,
            Some(left) => {
                *left -= 1;
                false
            }
        }
    }

    pub(super) const fn end(&self, side: Side) -> Option<LinkEnd> {
        self.ends[side as usize]
    }
}

/// Every link of the world.
#[derive(Debug, Default)]
pub(in crate::simulator::world) struct Links {
    links: BTreeMap<LinkId, Link>,
    next: u32,
}

impl Links {
    /// A link that `dialer` asked for, to whatever runs at `target`.
    pub(super) fn dial(&mut self, dialer: LinkEnd, target: Slot) -> LinkId {
        let id = LinkId(self.next);
        self.next = self.next.wrapping_add(1);
        let link = Link {
            ends: [Some(dialer), None],
            slots: [dialer.slot, target],
            last_arrival: [Timestamp::ZERO; 2],
            dialling: true,
            broken: false,
            outcome: StreamEnd::Unreachable,
            frames_left: None,
        };
        self.links.insert(id, link);
        id
    }

    pub(super) fn get_mut(&mut self, id: LinkId) -> Option<&mut Link> {
        self.links.get_mut(&id)
    }

    /// Closes one end and names it, if it was open. A link nobody can use any more is forgotten.
    pub(super) fn close(&mut self, id: LinkId, side: Side) -> Option<LinkEnd> {
        let link = self.links.get_mut(&id)?;
        let end = link.ends[side as usize].take();
        if !link.dialling && link.ends.iter().all(Option::is_none) {
            self.links.remove(&id);
        }
        end
    }

    /// Links whose two machines fulfil `condition`, oldest first.
    pub(super) fn between(&self, condition: impl Fn(Slot, Slot) -> bool) -> Vec<LinkId> {
        self.links
            .iter()
            .filter(|(_, link)| condition(link.slots[0], link.slots[1]))
            .map(|(id, _)| *id)
            .collect()
    }
}
