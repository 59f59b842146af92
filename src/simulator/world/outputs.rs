//! What a node asks for is done, in order.

use super::{Slot, World};
use crate::{
    simulator::Promise,
    swim::{Output, StopReason},
};

/// What some of a node's outputs came to.
#[derive(Default)]
struct Sum {
    changes: u32,
    stop: Option<StopReason>,
}

impl World {
    /// Does what a node asked for, in order. The outputs are empty afterwards.
    pub(super) fn carry_out(&mut self, slot: Slot, outputs: &mut Vec<Output>) {
        self.block_before_sending(slot, outputs);
        let mut sum = Sum::default();
        for output in outputs.drain(..) {
            self.trace.output(&output);
            if self.story.is_some() {
                self.tell_output(slot, &output);
            }
            if sum.stop.is_some() {
                self.violate(Promise::StopIsLast, slot, format!("{output:?}"));
            }
            self.carry_out_one(slot, output, &mut sum);
        }
        self.toil(slot, sum.changes);
        if sum.changes > 0 && self.watch.is_thorough() {
            self.audit_list(slot);
        }
        if let Some(reason) = sum.stop {
            self.stop(slot, reason);
        }
    }

    fn carry_out_one(&mut self, slot: Slot, output: Output, sum: &mut Sum) {
        match output {
            Output::Change(change) => {
                sum.changes += 1;
                self.book(slot, *change);
            }
            Output::CloseStream(stream) => self.close_stream(slot, stream),
            Output::Joined(address) => {
                self.machines[slot.index()].joined += 1;
                self.tell_story_of(slot, || format!("joined {address}"));
            }
            Output::Keys(_) => self.tell_story_of(slot, || "has other keys".into()),
            Output::Notice(notice) => {
                self.tell_story_of(slot, || notice.to_string());
                self.machines[slot.index()].notices.push(*notice);
            }
            Output::OpenStream { stream, to, frame } => self.dial(slot, stream, to, frame),
            Output::Remember { generation } => {
                self.machines[slot.index()].stored_generation = generation;
                self.tell_story_of(slot, || format!("remembers generation {generation}"));
            }
            Output::Removed(removed) => self.tell_story_of(slot, || {
                format!("hears that {} forgot {}", removed.applied_by, removed.name)
            }),
            Output::Restarting { member, due } => {
                let left = due.saturating_since(self.now);
                self.tell_story_of(slot, || {
                    format!("waits for the restart of {member}, for {left:?}")
                });
            }
            Output::Send { to, bytes } => self.send(slot, to, bytes),
            Output::Stop(reason) => sum.stop = Some(reason),
            Output::StreamFrame { stream, bytes } => self.send_frame(slot, stream, bytes),
        }
    }
}
