//! `Events`: the events that applications raised, who is owed them, and when they were told.
//!
//! Whoever runs undisturbed in reach of the sender, and knows it when an event is raised, must be
//! told within the event's lifetime. A debt ends with the first disturbance of either, or of the
//! network between any two.

use std::collections::{BTreeMap, BTreeSet};

use super::{Distribution, Fault, Promise, Slot, World};
use crate::swim::{
    EVENT_LIFETIME, EVENT_PAYLOAD_BYTES_MAX, Input, MemberId, Node, Timestamp, UserEvent,
};

/// What events are called in simulations.
const NAME: &str = "deploy";
/// One in so many events has the longest payload.
const LONG_EACH: u64 = 4;

/// What was raised, told and is owed.
#[derive(Debug, Default)]
pub(super) struct Events {
    /// Raised so far.
    count: u64,
    /// By payload, which names the event; those that are settled are forgotten.
    raised: BTreeMap<String, Raised>,
    /// The last number told, by who told it (a machine's process) and whose it is.
    told: BTreeMap<(Slot, u32), BTreeMap<(MemberId, u32), u64>>,
    heard: Distribution,
}

#[derive(Debug)]
struct Raised {
    at: Timestamp,
    by: Slot,
    /// Who has not told it yet and should.
    owed: BTreeSet<Slot>,
}

impl Events {
    /// From each event until each of those who were owed it told it.
    pub(super) const fn heard(&self) -> &Distribution {
        &self.heard
    }

    /// Nobody is owed anything by, or for what comes from, a machine that is disturbed.
    pub(super) fn release(&mut self, slot: Slot) {
        self.raised.retain(|_, raised| raised.by != slot);
        for raised in self.raised.values_mut() {
            raised.owed.remove(&slot);
        }
    }

    /// Nobody is owed anything: the network is disturbed.
    pub(super) fn release_all(&mut self) {
        self.raised.clear();
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
    fn note(
        &mut self,
        now: Timestamp,
        (at, process): (Slot, u32),
        event: &UserEvent,
    ) -> Result<(), String> {
        if let Some(raised) = self.raised.get_mut(&*event.payload)
            && raised.owed.remove(&at)
        {
            self.heard.record_time(now - raised.at);
        }
        let told = self.told.entry((at, process)).or_default();
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

    /// Forgets what was paid. The first debt that was not paid by `deadline`.
    fn overdue(&mut self, now: Timestamp) -> Option<(Slot, String)> {
        self.raised.retain(|_, raised| !raised.owed.is_empty());
        let is_late = |raised: &&Raised| now.saturating_since(raised.at) > EVENT_LIFETIME;
        let late = self.raised.values().find(is_late)?;
        let owed = *late.owed.first()?;
        Some((
            owed,
            format!("nothing of the event raised at {:?}", late.at),
        ))
    }
}

impl World {
    /// Lets the application in `slot` raise an event, if its agent runs.
    pub(super) fn raise_event(&mut self, slot: Slot) {
        let process = self.process_mut(slot).filter(|process| !process.paused);
        if process.is_none_or(|process| process.node.next_event().is_none()) {
            return;
        }
        let payload = self.events.next_payload();
        let raised = Raised {
            at: self.now(),
            by: slot,
            owed: self.within_reach(slot),
        };
        if !raised.owed.is_empty() {
            self.events.raised.insert(payload.clone(), raised);
        }
        let (name, payload) = (NAME, payload.as_str());
        self.input(slot, Input::Event { name, payload });
    }

    /// A fault of the network ends every debt; those of machines do where they take effect.
    pub(super) fn release_events(&mut self, fault: &Fault) {
        if matches!(
            fault,
            Fault::Block { .. } | Fault::Conditions(_) | Fault::Impose(..) | Fault::Partition(_)
        ) {
            self.events.release_all();
        }
    }

    /// The process in `at` told an event.
    pub(super) fn notice_event(&mut self, at: Slot, event: &UserEvent) {
        let now = self.now();
        let Some(process) = &self.machine(at).process else {
            return;
        };
        let noted = self.events.note(now, (at, process.number), event);
        if let Err(seen) = noted {
            self.violate(Promise::EventsInOrder, at, seen);
        }
    }

    pub(super) fn audit_events(&mut self) {
        let now = self.now();
        if let Some((slot, seen)) = self.events.overdue(now) {
            self.violate(Promise::EventsArrive, slot, seen);
        }
    }

    /// Says who waits for an event that it is owed.
    pub(super) fn undelivered(&self) -> Option<String> {
        let mut owed = self.events.raised.values().flat_map(|raised| &raised.owed);
        let slot = owed.next()?;
        Some(format!("{} waits for an event", self.label(*slot)))
    }

    /// Everybody undisturbed who knows this very process, itself included.
    fn within_reach(&self, slot: Slot) -> BTreeSet<Slot> {
        let Some(sender) = self.node(slot) else {
            return BTreeSet::new();
        };
        let (id, generation) = (self.id(slot), sender.own_sketch().life.generation());
        let knows = |node: &Node| {
            let mut known = node.sketches();
            let sender = known.find(|sketch| node.id_of(sketch.member) == id);
            sender.is_some_and(|sketch| {
                sketch.state.is_active() && sketch.life.generation() == generation
            })
        };
        let is_undisturbed = |at: &Slot| {
            let process = self.machine(*at).process.as_ref();
            let runs = process.is_some_and(|process| process.runs_well() && knows(&process.node));
            runs && self.by_id[&self.id(*at)].len() == 1
        };
        if !self.network.is_undisturbed() || !is_undisturbed(&slot) {
            return BTreeSet::new();
        }
        self.living().filter(is_undisturbed).collect()
    }
}
