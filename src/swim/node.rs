//! `Node`: one member's whole protocol behind three calls.

use std::collections::VecDeque;

use super::{Input, MemberView, Output, Settings, Stats, Status, Timestamp};

/// One member of a cluster.
#[derive(Debug)]
pub struct Node {
    outputs: VecDeque<Output>,
}

impl Node {
    /// A node that has not met anybody yet.
    ///
    /// # Panics
    /// When the settings break [`super::check_name`], [`super::check_cluster`] or
    /// [`super::check_tags`].
    pub fn new(_settings: Settings) -> Self {
        todo!()
    }

    /// Takes what happened at `now` and gives what must be done about it. `now` never goes back.
    ///
    /// The outputs borrow the node: nothing else can happen to it before they are drained.
    pub fn handle(&mut self, _now: Timestamp, _input: Input<'_>) -> Outputs<'_> {
        todo!()
    }

    /// When to call [`Node::handle`] with [`Input::Deadline`], unless something else happens
    /// earlier. `None` when the node waits for nothing.
    pub fn deadline(&self) -> Option<Timestamp> {
        todo!()
    }

    /// Everyone we know: ourselves first, then alive, suspect, failed and departed members in no
    /// particular order.
    pub fn members(&self) -> impl Iterator<Item = MemberView> {
        std::iter::empty()
    }

    /// The member called `name`, in O(n).
    pub fn member(&self, _name: &str) -> Option<MemberView> {
        todo!()
    }

    /// Where this node stands, in O(n).
    pub fn status(&self) -> Status {
        todo!()
    }

    /// Counters since the node was made.
    pub fn stats(&self) -> &Stats {
        todo!()
    }
}

/// What one input led to, in order. What is not taken out before this is dropped comes first out
/// of the next call; nothing is lost.
#[derive(Debug)]
pub struct Outputs<'a> {
    queue: &'a mut VecDeque<Output>,
}

impl Iterator for Outputs<'_> {
    type Item = Output;

    fn next(&mut self) -> Option<Output> {
        self.queue.pop_front()
    }
}
