//! `Heap`: what will happen, in the order it will.

use std::{cmp::Reverse, collections::BinaryHeap};

use bytes::Bytes;

use super::{
    Fault, Place, Slot,
    streams::{LinkId, Side},
};
use crate::swim::Timestamp;

/// Everything that will happen. Ties happen in the order they were caused, so that the order
/// never depends on how a heap is built.
#[derive(Debug, Default)]
pub(super) struct Heap {
    occurrences: BinaryHeap<Reverse<Occurrence>>,
    sequence: u64,
}

impl Heap {
    /// Lets `what` happen at `at`.
    pub(super) fn push(&mut self, at: Timestamp, what: What) {
        let sequence = self.sequence;
        self.sequence += 1;
        self.occurrences
            .push(Reverse(Occurrence { at, sequence, what }));
    }

    /// Takes out what happens next, unless it is after `end`.
    pub(super) fn pop_until(&mut self, end: Timestamp) -> Option<(Timestamp, What)> {
        let Reverse(next) = self.occurrences.peek()?;
        if next.at > end {
            return None;
        }
        let Reverse(next) = self.occurrences.pop()?;
        Some((next.at, next.what))
    }
}

/// One thing that will happen. Kept small: worlds have millions of them.
#[derive(Debug)]
struct Occurrence {
    at: Timestamp,
    sequence: u64,
    what: What,
}

#[derive(Debug)]
pub(super) enum What {
    Audit,
    Connect {
        link: LinkId,
        bytes: Bytes,
    },
    Datagram {
        from: Place,
        to: Place,
        bytes: Bytes,
    },
    Fault(Box<Fault>),
    StreamClosed {
        link: LinkId,
        side: Side,
    },
    StreamFrame {
        link: LinkId,
        side: Side,
        bytes: Bytes,
    },
    Wake {
        slot: Slot,
        process: u32,
    },
}

impl PartialEq for Occurrence {
    fn eq(&self, other: &Self) -> bool {
        self.sequence == other.sequence
    }
}

impl Eq for Occurrence {}

impl PartialOrd for Occurrence {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Occurrence {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        (self.at, self.sequence).cmp(&(other.at, other.sequence))
    }
}
