//! What the applications beside nodes say, that they start and end and that they raise events, and
//! who hears of it.

use std::collections::BTreeSet;

use super::{Slot, World};
use crate::{
    simulator::{Application, Fault, Promise, measures::Hearer, promises::Listener},
    swim::{Input, MemberView, Node, UserEvent},
};

/// What events are called in simulations.
const EVENT_NAME: &str = "deploy";

impl World {
    /// Lets the application in `slot` start or end, if its agent runs.
    pub(super) fn set_application(&mut self, slot: Slot, application: Application) {
        let now = self.now();
        let Some(process) = self.process_mut(slot).filter(|process| !process.paused) else {
            return;
        };
        let generation = process.node.own_sketch().life.generation();
        let status = application.status();
        self.applications.say(now, slot, generation, status.clone());
        self.input(slot, Input::App(Some(&status)));
    }

    /// The process in `at` told of the member that runs, or ran, in `of`.
    pub(super) fn notice_application(&mut self, at: Slot, of: Slot, view: &MemberView) {
        let process = self.machine(at).process.as_ref();
        let hearer = process.map(|process| Hearer {
            slot: at,
            started: process.started,
        });
        if let Some(hearer) = hearer.filter(|_| view.app.is_some()) {
            self.applications.notice(self.now(), hearer, of, view);
        }
    }

    /// Lets the application in `slot` raise an event, if its agent runs.
    pub(super) fn raise_event(&mut self, slot: Slot) {
        let process = self.process_mut(slot).filter(|process| !process.paused);
        if process.is_none_or(|process| process.node.next_event().is_none()) {
            return;
        }
        let (now, owed) = (self.now(), self.within_reach(slot));
        let payload = self.events.raise(now, slot, owed);
        let (name, payload) = (EVENT_NAME, payload.as_str());
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
        let listener = Listener {
            slot: at,
            process: process.number,
        };
        if let Err(seen) = self.events.note(now, listener, event) {
            self.violate(Promise::EventsInOrder, at, seen);
        }
    }

    /// Whoever was owed an event has been told it by now.
    pub(super) fn audit_events(&mut self) {
        let now = self.now();
        if let Some(debt) = self.events.overdue(now) {
            let seen = format!("nothing of the event raised at {:?}", debt.raised);
            self.violate(Promise::EventsArrive, debt.to, seen);
        }
    }

    /// Says who waits for an event that it is owed.
    pub(in crate::simulator) fn undelivered(&self) -> Option<String> {
        let slot = self.events.waiting()?;
        Some(format!("{} waits for an event", self.label(slot)))
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
