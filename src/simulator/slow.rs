//! A slow process: the anomaly that Lifeguard's authors measured (§V-D).
//!
//! While it is on, the process blocks immediately before it sends anything and immediately after
//! it has received anything, until the anomaly is over. What it had decided leaves late then, and
//! what arrived is handled late; once it is blocked its timers are late too. A paused process
//! decides nothing while it is stopped, a slow one has: the clock of a probe runs whose ping has
//! not left.

use std::time::Duration;

use super::{Slot, World};
use crate::swim::Output;

/// Whether a process that is blocked notices what time it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Timers {
    /// It has one thread, as an agent has.
    Stand,
    /// Others of its threads wait for them, as in the agents that were measured.
    Run,
}

/// An anomaly that is on.
#[derive(Debug)]
pub(super) struct Anomaly {
    /// What the process is about to do, in order, beginning with what it could not send.
    pub(super) withheld: Vec<Output>,
    timers: Timers,
}

impl Anomaly {
    /// Whether a process that has just received something does nothing more.
    pub(super) fn stops(&self) -> bool {
        self.timers == Timers::Stand
    }
}

impl World {
    /// The process is slow for `span`, if one runs.
    pub(super) fn slow_down(&mut self, slot: Slot, span: Duration, timers: Timers) {
        if let Some(process) = self.process_mut(slot) {
            process.anomaly.get_or_insert_with(|| {
                let withheld = Vec::new();
                Box::new(Anomaly { withheld, timers })
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
        match anomaly.timers {
            Timers::Run => anomaly
                .withheld
                .extend(outputs.extract_if(.., |out| sends(out))),
            Timers::Stand => {
                if let Some(first) = outputs.iter().position(sends) {
                    anomaly.withheld.extend(outputs.drain(first..));
                    process.paused = true;
                }
            }
        }
    }
}

const fn sends(output: &Output) -> bool {
    matches!(
        output,
        Output::OpenStream { .. } | Output::Send { .. } | Output::StreamFrame { .. }
    )
}
