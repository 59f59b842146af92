//! Processes that end.

use super::{End, Slot, World};
use crate::{simulator::Promise, swim::StopReason};

impl World {
    /// The process in `slot` said that it stops.
    pub(super) fn stop(&mut self, slot: Slot, reason: StopReason) {
        if matches!(reason, StopReason::Conflict { .. }) {
            self.measures.conflicts += 1;
            if let Err(seen) = self.rival_of(slot) {
                self.violate(Promise::ConflictHasTwo, slot, seen);
            }
        }
        self.end(slot, End::Stopped(reason));
    }

    /// Ends the process in `slot`, if one runs there: its streams break, its node is gone.
    pub(super) fn end(&mut self, slot: Slot, end: End) {
        let now = self.now;
        let Some(process) = self.machines[slot.index()].process.take() else {
            return;
        };
        if process.leaves_late(now) {
            self.violate(Promise::LeaveIsQuick, slot, "it took longer".into());
        }
        self.stopped_until.remove(&slot);
        self.events.release(slot);
        self.tell_story_of(slot, || format!("ends: {}", end.in_words()));
        let ran = now - process.started.max(self.counting_since);
        self.ran += ran;
        self.meter.end(slot, ran);
        if end == End::Crashed {
            let generation = process.node.own_sketch().life.generation();
            self.outages.crash(now, slot, generation);
        } else {
            self.outages.stop(now, slot);
        }
        self.measures.renewals += process.node.stats().renewals;
        for link in process.streams.into_values() {
            self.hang_up(link, slot);
        }
        self.machines[slot.index()].ended = Some((now, end));
    }
}
