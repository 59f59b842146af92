//! Isolation: everybody else is gone, until somebody is back.

use std::{mem, time::Duration};

use super::Node;
use crate::swim::{
    Change, Timestamp,
    roster::{Record, Standing},
};

/// `healed` is told once in this time, not for every member that comes back.
const HEALED_PAUSE: Duration = Duration::from_secs(30);

/// Whether we are alone, and what consumers were told of that.
#[derive(Debug, Default)]
pub(super) struct Isolation {
    /// The last active member is gone.
    is_alone: bool,
    /// It did not leave by its own will, and consumers were told.
    is_told: bool,
    /// When `healed` was due last, told or not.
    healed: Option<Timestamp>,
}

impl Isolation {
    /// The last active member went just now.
    pub(super) const fn begin(&mut self) {
        self.is_alone = true;
    }

    pub(super) const fn is_alone(&self) -> bool {
        self.is_alone
    }
}

impl Node {
    /// Whether we lost every other member.
    pub const fn is_isolated(&self) -> bool {
        self.isolation.is_told
    }

    /// Tells of isolation only when somebody failed: if all others left, nothing is wrong.
    pub(super) fn tell_isolation(&mut self) {
        match self.engine.active() {
            0 if self.isolation.is_alone && !self.isolation.is_told && self.anyone_failed() => {
                self.isolation.is_told = true;
                self.change(Change::Isolated);
            }
            members @ 1.. => {
                self.isolation.is_alone = false;
                if mem::take(&mut self.isolation.is_told) {
                    self.tell_healed(members);
                }
            }
            _ => {}
        }
    }

    /// Whether somebody failed while we stay.
    fn anyone_failed(&self) -> bool {
        let gate = self.gate.borrow();
        let failed = |(_, record): (_, &Record)| matches!(record.standing, Standing::Failed(_));
        gate.leaving.is_none() && gate.roster.records().any(failed)
    }

    pub(super) fn tell_healed(&mut self, members: usize) {
        let told = self.isolation.healed.replace(self.now);
        if told.is_none_or(|told| self.now - told > HEALED_PAUSE) {
            self.change(Change::Healed { members });
        }
    }
}
