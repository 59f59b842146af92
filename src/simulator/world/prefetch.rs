//! The memory of what happens next is asked for while something else happens.
//!
//! In a world that is larger than the cache every event is another node's, and would wait for each
//! part of its memory in turn, about as long as it takes. Pointers can be followed once they are
//! there themselves, so a node's memory comes in three steps, some events apart. What happens is
//! the same without all this.

use super::{Slot, What, World};
use crate::swim::{Node, prefetch};

/// How many events before its own a node is asked for, then what it points to, then what that
/// points to. Twice as many were no faster, and the few of a small world's moment would be over.
const NODE_AHEAD: usize = 10;
const PARTS_AHEAD: usize = 6;
const INNER_PARTS_AHEAD: usize = 3;

impl World {
    /// To be called before each event.
    pub(super) fn prefetch_next(&self) {
        if let Some(what) = self.heap.ahead(NODE_AHEAD) {
            self.prefetch(what);
        }
        self.node_ahead(PARTS_AHEAD).map(Node::prefetch_parts);
        self.node_ahead(INNER_PARTS_AHEAD)
            .map(Node::prefetch_inner_parts);
    }

    fn prefetch(&self, what: &What) {
        if let What::Datagram { bytes, .. } = what {
            prefetch(&bytes[..]);
        }
        if let Some(slot) = self.whose(what) {
            prefetch(&self.machines[slot.index()]);
            self.meter.senders.prefetch(slot);
        }
    }

    fn node_ahead(&self, events: usize) -> Option<&Node> {
        self.node(self.whose(self.heap.ahead(events)?)?)
    }

    /// Where it happens, if it is one of those that happen all the time.
    fn whose(&self, what: &What) -> Option<Slot> {
        match what {
            What::Datagram { to, .. } => Some(self.owners[to.0 as usize]),
            What::Wake { slot, .. } => Some(*slot),
            _ => None,
        }
    }
}
