//! What a node will look at is asked for before, by a simulator that knows whose turn is next.
//!
//! [`prefetch()`] of the node itself comes first, and each of these when the one before has had
//! time.

use super::Node;
use crate::swim::prefetch;

impl Node {
    /// Asks for what the node points to.
    pub(crate) fn prefetch_parts(&self) {
        prefetch(&*self.gate);
        self.engine.prefetch();
        self.timers.prefetch();
    }

    /// Asks for what that points to.
    pub(crate) fn prefetch_inner_parts(&self) {
        self.gate.borrow().prefetch();
    }
}
