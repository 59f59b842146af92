//! `Meter`: what one counter cannot hold: who sent how much, who sees the cluster how, who was
//! doubted in vain, and how all of it went second by second.
//!
//! It costs an addition for each packet and a look-up in a small set for each change; all else is
//! done once a virtual second.

use std::time::Duration;

use super::{Measures, Second, traffic::Senders, views::Views};
use crate::{
    simulator::Slot,
    swim::{Change, MemberState, Timestamp},
};

/// So long is one entry of the series.
const SECOND: Duration = Duration::from_secs(1);

/// Measures everything since counting began.
#[derive(Debug)]
pub(in crate::simulator) struct Meter {
    /// When the second is over that is being counted.
    due: Timestamp,
    /// What was counted when it began.
    before: Measures,
    running: u32,
    seconds: Vec<Second>,
    /// For each slot how often a node took back that it is suspect or failed.
    flaps: Vec<u32>,
    pub(in crate::simulator) senders: Senders,
    views: Views,
}

impl Default for Meter {
    fn default() -> Self {
        Self {
            due: Timestamp::ZERO + SECOND,
            before: Measures::default(),
            running: 0,
            seconds: Vec::new(),
            flaps: Vec::new(),
            senders: Senders::default(),
            views: Views::default(),
        }
    }
}

impl Meter {
    /// There is one more machine.
    pub(in crate::simulator) fn add_machine(&mut self) {
        self.flaps.push(0);
        self.senders.add_machine();
        self.views.add_machine();
    }

    /// Counts from `now` on. Whoever runs is taken to know everybody who runs.
    pub(in crate::simulator) fn begin(&mut self, now: Timestamp) {
        self.due = now + SECOND;
        self.before = Measures::default();
        self.seconds.clear();
        self.flaps.fill(0);
        self.senders.clear();
        self.views.agree();
    }

    /// A process starts that knows only itself, or from its first moment everybody who was there
    /// when counting began.
    pub(in crate::simulator) fn start(&mut self, slot: Slot, knows_all: bool) {
        self.running += 1;
        self.views.start(slot, knows_all);
    }

    /// A process ends that ran for `ran` since counting began.
    pub(in crate::simulator) fn end(&mut self, slot: Slot, ran: Duration) {
        self.running -= 1;
        self.senders.ran(slot, ran);
        self.views.end(slot);
    }

    /// The process in `at` told `change`, which is about the member of `of`.
    pub(in crate::simulator) fn change(&mut self, at: Slot, of: Slot, change: &Change) {
        self.flaps[of.index()] += u32::from(takes_back(change));
        if let Some(present) = shows_present(change) {
            self.views.note(at, of, present);
        }
    }

    /// Time passes until `now`; what happens then is not counted yet.
    pub(in crate::simulator) fn pass(&mut self, now: Timestamp, measures: &Measures) {
        while now >= self.due {
            self.close_second(measures);
        }
    }

    /// Every second that is over, oldest first.
    pub(in crate::simulator) fn seconds(&self) -> &[Second] {
        &self.seconds
    }

    /// For each slot how often a node took back that it is suspect or failed.
    pub(in crate::simulator) fn flaps(&self) -> &[u32] {
        &self.flaps
    }

    fn close_second(&mut self, measures: &Measures) {
        let bytes = |of: &Measures| of.bytes + of.stream_bytes;
        self.seconds.push(Second {
            running: self.running,
            messages: measures.datagrams - self.before.datagrams,
            bytes: bytes(measures) - bytes(&self.before),
            views: self.views.distinct(),
        });
        self.senders.close_second();
        self.before = *measures;
        self.due = self.due + SECOND;
    }
}

/// Whether a node holds alive again what it called suspect or failed, though it is the same
/// process: one that came back from failed by itself did so with a renewal.
fn takes_back(change: &Change) -> bool {
    match change {
        Change::Refuted(_) => true,
        Change::Join { member, previous } => {
            let renewed = member.incarnation >> 16 > 0;
            *previous == Some(MemberState::Failed) && renewed
        }
        _ => false,
    }
}

/// Whether the member is there for whoever told this; `None` when it is about no member.
fn shows_present(change: &Change) -> Option<bool> {
    let state = change.member()?.state;
    let removed = matches!(change, Change::Removed(_));
    Some(!removed && state.is_active())
}
