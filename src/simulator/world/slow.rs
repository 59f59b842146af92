//! A slow process: the anomaly that Lifeguard's authors measured (§V-D).
//!
//! While it is on, the process blocks immediately before it sends anything and immediately after
//! it has received anything, until the anomaly is over. What it had decided leaves late then, and
//! what arrived is handled late; once it is blocked its timers are late too. A paused process
//! decides nothing while it is stopped, a slow one has: the clock of a probe runs whose ping has
//! not left.
//!
//! Where the loop that probes has a thread of its own, as in the agents that were measured, the one
//! send that blocks it ends its probe, too: memberlist looks at the clock of the probe before the
//! answer that waits in the socket (`state.go`, `probeNode`).

use std::time::Duration;

use super::{Slot, World};
use crate::swim::Output;

/// Which of what waited for a blocked process comes first when it goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum First {
    /// What arrived: it has one thread, as an agent has.
    Arrivals,
    /// Its timers: threads of their own waited for them. Only sending blocks it.
    Timers,
}

/// An anomaly that is on.
#[derive(Debug)]
pub(super) struct Anomaly {
    /// What the process is about to do, in order, beginning with what it could not send.
    pub(super) withheld: Vec<Output>,
    pub(super) first: First,
}

impl Anomaly {
    /// Whether a process that has just received something does nothing more.
    pub(super) fn stops(&self) -> bool {
        self.first == First::Arrivals
    }
}

impl World {
    /// The process is slow for `span`, if one runs.
    pub(super) fn slow_down(&mut self, slot: Slot, span: Duration, first: First) {
        if let Some(process) = self.process_mut(slot) {
            process.anomaly.get_or_insert_with(|| {
                let withheld = Vec::new();
                Box::new(Anomaly { withheld, first })
            });
            self.stop_for(slot, span);
        }
    }

    /// Blocks a slow process before the first thing that it would send: from there on nothing is
    /// left in `outputs`.
    pub(super) fn block_before_sending(&mut self, slot: Slot, outputs: &mut Vec<Output>) {
        let Some(process) = self.process_mut(slot) else {
            return;
        };
        let Some(anomaly) = &mut process.anomaly else {
            return;
        };
        if let Some(first) = outputs.iter().position(sends) {
            anomaly.withheld.extend(outputs.drain(first..));
            process.paused = true;
        }
    }
}

const fn sends(output: &Output) -> bool {
    matches!(
        output,
        Output::OpenStream { .. } | Output::Send { .. } | Output::StreamFrame { .. }
    )
}
