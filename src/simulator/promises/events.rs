//! `Events`: the events that applications raised, who is owed them, and when they were told.
//!
//! Whoever runs undisturbed in reach of the sender, and knows it when an event is raised, must be
//! told within the event's lifetime. A debt ends with the first disturbance of either, or of the
//! network between any two.

use std::collections::{BTreeMap, BTreeSet};

use crate::{
    simulator::{Distribution, Slot},
    swim::{EVENT_LIFETIME, EVENT_PAYLOAD_BYTES_MAX, MemberId, Timestamp, UserEvent},
};

/// One in so many events has the longest payload.
const LONG_EACH: u64 = 4;

/// What was raised, told and is owed.
#[derive(Debug, Default)]
pub(in crate::simulator) struct Events {
    /// Raised so far.
    count: u64,
    /// By payload, which names the event; those that are settled are forgotten.
    raised: BTreeMap<String, Raised>,
    /// The last number told, by who told it and whose it is: a member of a generation.
    told: BTreeMap<Listener, BTreeMap<(MemberId, u32), u64>>,
    heard: Distribution,
}

#[derive(Debug)]
struct Raised {
    at: Timestamp,
    by: Slot,
    /// Who has not told it yet and should.
    owed: BTreeSet<Slot>,
}

/// A process that is told events.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::simulator) struct Listener {
    pub(in crate::simulator) slot: Slot,
    /// Its number in the world.
    pub(in crate::simulator) process: u32,
}

/// An event that somebody was not told in time.
#[derive(Debug)]
pub(in crate::simulator) struct Debt {
    pub(in crate::simulator) to: Slot,
    pub(in crate::simulator) raised: Timestamp,
}

impl Events {
    /// From each event until each of those who were owed it told it.
    pub(in crate::simulator) const fn heard(&self) -> &Distribution {
        &self.heard
    }

    /// Nobody is owed anything by, or for what comes from, a machine that is disturbed.
    pub(in crate::simulator) fn release(&mut self, slot: Slot) {
        self.raised.retain(|_, raised| raised.by != slot);
        for raised in self.raised.values_mut() {
            raised.owed.remove(&slot);
        }
    }

    /// Nobody is owed anything: the network is disturbed.
    pub(in crate::simulator) fn release_all(&mut self) {
        self.raised.clear();
    }

    /// An event is raised that these must be told. Gives its payload.
    pub(in crate::simulator) fn raise(
        &mut self,
        at: Timestamp,
        by: Slot,
        owed: BTreeSet<Slot>,
    ) -> String {
        let payload = self.next_payload();
        if !owed.is_empty() {
            let raised = Raised { at, by, owed };
            self.raised.insert(payload.clone(), raised);
        }
        payload
    }

    /// One who waits for an event, if anybody does.
    pub(in crate::simulator) fn waiting(&self) -> Option<Slot> {
        let mut owed = self.raised.values().flat_map(|raised| &raised.owed);
        owed.next().copied()
    }

    fn next_payload(&mut self) -> String {
        self.count += 1;
        let mut payload = format!("event {} ", self.count);
        if self.count.is_multiple_of(LONG_EACH) {
            let rest = EVENT_PAYLOAD_BYTES_MAX - payload.len();
            payload.push_str(&"x".repeat(rest));
        }
        payload
    }

    /// Notes that an event was told; says what is wrong with it.
    pub(in crate::simulator) fn note(
        &mut self,
        now: Timestamp,
        by: Listener,
        event: &UserEvent,
    ) -> Result<(), String> {
        if let Some(raised) = self.raised.get_mut(&*event.payload)
            && raised.owed.remove(&by.slot)
        {
            self.heard.record_time(now - raised.at);
        }
        let told = self.told.entry(by).or_default();
        let last = told.entry((event.from, event.generation)).or_default();
        if event.number <= *last {
            let UserEvent {
                from_name, number, ..
            } = event;
            return Err(format!("number {number} of {from_name} comes after {last}"));
        }
        *last = event.number;
        Ok(())
    }

    /// Forgets what was paid. The first debt that is overdue.
    pub(in crate::simulator) fn overdue(&mut self, now: Timestamp) -> Option<Debt> {
        self.raised.retain(|_, raised| !raised.owed.is_empty());
        let is_late = |raised: &&Raised| now.saturating_since(raised.at) > EVENT_LIFETIME;
        let late = self.raised.values().find(is_late)?;
        Some(Debt {
            to: *late.owed.first()?,
            raised: late.at,
        })
    }
}
