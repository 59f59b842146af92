//! `Fault`: everything that can be done to a world while it runs.

use std::time::Duration;

use super::{Conditions, End, Slot, World};
use crate::swim::Input;

/// Which address a restarted process finds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Move {
    /// One that nobody ever had.
    Away,
    /// The one of this machine, if nothing runs there; otherwise as [`Move::Away`]. The other
    /// machine gets a new one.
    Onto(Slot),
    /// The one it had.
    Stay,
}

/// What a restarted process finds in its data directory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Data {
    /// What it stored: its generation grows.
    Kept,
    /// Nothing: it starts as generation 1 again.
    Lost,
}

/// Something that happens to machines or between them. What cannot happen (killing what does not
/// run) does nothing, so that any list of faults can be run and shortened.
#[derive(Clone, Debug)]
pub enum Fault {
    /// Nothing from one machine reaches the other; the way back stays open.
    Block {
        /// Whose datagrams are lost.
        from: Slot,
        /// Who does not get them.
        to: Slot,
    },
    /// The network carries better or worse from now on.
    Conditions(Conditions),
    /// SIGKILL.
    Crash(Slot),
    /// Partitions and blocks end.
    Heal,
    /// The operator asks the process to leave.
    Leave(Slot),
    /// Only machines on the same side reach each other; the side of each slot by its index.
    Partition(Vec<u16>),
    /// SIGSTOP, and SIGCONT after a while.
    Pause(Slot, Duration),
    /// The operator has the member forgotten, at this node.
    Remove(Slot, String),
    /// SIGKILL if it runs, then a new process.
    Restart(Slot, Move, Data),
    /// SIGCONT.
    Resume(Slot),
    /// A process starts, if none runs.
    Start(Slot),
}

impl World {
    /// Lets `fault` happen now.
    pub fn apply(&mut self, fault: Fault) {
        self.tell_fault(&fault);
        match fault {
            Fault::Block { from, to } => {
                self.network.block(from, to);
                self.break_unconnected();
            }
            Fault::Conditions(conditions) => self.network.conditions = conditions,
            Fault::Crash(slot) => self.end(slot, End::Crashed),
            Fault::Heal => self.network.heal(),
            Fault::Leave(slot) => self.leave(slot),
            Fault::Partition(sides) => {
                self.network.partition(&sides);
                self.break_unconnected();
            }
            Fault::Pause(slot, span) => self.pause(slot, span),
            Fault::Remove(slot, name) => self.input(slot, Input::Remove { name: &name }),
            Fault::Restart(slot, to, data) => self.restart(slot, to, data),
            Fault::Resume(slot) => self.resume(slot),
            Fault::Start(slot) => self.start(slot),
        }
    }

    /// Lets `fault` happen after `delay`.
    pub fn schedule(&mut self, delay: Duration, fault: Fault) {
        self.push_fault(self.now() + delay, fault);
    }

    fn leave(&mut self, slot: Slot) {
        let now = self.now();
        let Some(process) = self.process_mut(slot) else {
            return;
        };
        if process.paused {
            return;
        }
        process.leaving.get_or_insert(now);
        self.input(slot, Input::Leave { reason: "told to" });
    }

    fn runs(&self, slot: Slot) -> bool {
        self.machine(slot).process.is_some()
    }

    fn restart(&mut self, slot: Slot, to: Move, data: Data) {
        self.end(slot, End::Crashed);
        match to {
            Move::Onto(other) if !self.runs(other) => self.move_onto(slot, other),
            Move::Away | Move::Onto(_) => self.move_away(slot),
            Move::Stay => {}
        }
        if data == Data::Lost {
            self.machines[slot.index()].stored_generation = 0;
        }
        self.start(slot);
    }

    fn pause(&mut self, slot: Slot, span: Duration) {
        let Some(process) = self.process_mut(slot) else {
            return;
        };
        process.paused = true;
        self.schedule(span, Fault::Resume(slot));
    }

    /// Hands over what waited in the sockets first; late deadlines come after it.
    fn resume(&mut self, slot: Slot) {
        let now = self.now();
        let Some(process) = self.process_mut(slot) else {
            return;
        };
        if !process.paused {
            return;
        }
        process.paused = false;
        process.resumed = Some(now);
        for arrival in process.drain_inbox() {
            self.deliver(slot, arrival);
        }
        self.rearm(slot);
    }
}
