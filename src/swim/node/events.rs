//! Events of applications: raised, taken in, told in order and passed on.
//!
//! They travel in packets of their own, which foca knows nothing of: a storm of events takes no
//! room from claims about members, and a storm of claims none from events.

use std::time::Duration;

use super::{Node, spread::Packets};
use crate::swim::{
    Change, Timestamp, UserEvent,
    events::{Heard, OUTBOX_PAUSE, Outbox, Source, Text, Told},
    timers::Alarm,
};

/// Each member passes an event on in at least so many rounds.
const ROUNDS_MIN: u8 = 6;
/// Whoever lacks an event asks around after this, and a share for each member, so that the cluster
/// together makes at most fifty exchanges a second.
const GAP: Duration = Duration::from_secs(1);
const GAP_SHARE: Duration = Duration::from_millis(20);
/// Events that are over are looked for at most so often.
const SWEEP_PAUSE: Duration = Duration::from_secs(1);

/// What is to be done about events.
#[derive(Debug, Default)]
pub(super) struct Events {
    pub(super) outbox: Outbox,
    /// When events were passed on last.
    last: Option<Timestamp>,
    /// Alarms that are set.
    round_due: Option<Timestamp>,
    is_sweeping: bool,
    is_searching: bool,
}

impl Node {
    /// The number that our next event gets, in our present generation; `None` while too many wait
    /// to be sent.
    pub fn next_event(&self) -> Option<u64> {
        let source = self.own_source();
        let is_heard = self.engine.active() > 0;
        let is_full = is_heard && self.events.outbox.is_full(source);
        (!is_full).then(|| self.gate.borrow().events.next(source))
    }

    fn own_source(&self) -> Source {
        let me = self.gate.borrow().me;
        (me.handle, me.life.generation())
    }

    pub(super) fn raise_event(&mut self, name: &str, payload: &str) {
        if self.gate.borrow().leaving.is_none() && self.next_event().is_some() {
            let text = Text {
                name: name.into(),
                payload: payload.into(),
            };
            self.raise(text, self.now);
            self.tell_events();
            self.schedule_sweep();
        }
    }

    fn raise(&mut self, text: Text, at: Timestamp) {
        let source = self.own_source();
        let number = self.gate.borrow_mut().events.raise(at, source, text);
        self.events.outbox.add(self.now, source, number);
    }

    /// We are in another generation of the same process: events that nobody was sent yet are of
    /// the new one.
    pub(super) fn renumber_events(&mut self, before: u32) {
        let (handle, _) = self.own_source();
        let unsent = self.events.outbox.take_unsent((handle, before));
        for number in unsent {
            let kept = self
                .gate
                .borrow_mut()
                .events
                .recant((handle, before), number);
            if let Some(kept) = kept {
                self.raise(kept.text, kept.raised);
            }
        }
        // Consumers of ours were told when they were raised.
        self.gate.borrow_mut().events.take_ready();
    }

    /// Takes in what was heard in this turn, once the claims that came with it are told.
    pub(super) fn take_in_events(&mut self, raised: &[Heard]) {
        if !raised.is_empty() {
            raised.iter().for_each(|heard| self.take_in_event(heard));
            self.tell_events();
            self.ask_for_missed();
            self.schedule_sweep();
        }
    }

    fn take_in_event(&mut self, heard: &Heard) {
        let ours = self.own_source();
        let mut gate = self.gate.borrow_mut();
        let (handle, generation) = heard.source;
        if handle == ours.0 {
            if heard.source == ours {
                gate.events.leap(ours, heard.number);
            }
            return;
        }
        let is_member = gate.roster.knows(handle) || gate.is_beyond(handle);
        if !is_member || !gate.has_card(handle, generation) {
            gate.events.stats.refused += 1;
            return;
        }
        let now = self.now;
        if gate.events.hear(now, heard) && heard.is_rumour {
            self.events.outbox.add(now, heard.source, heard.number);
        }
    }

    fn tell_events(&mut self) {
        let ready = self.gate.borrow_mut().events.take_ready();
        for Told {
            source: (handle, generation),
            number,
            text,
        } in ready
        {
            let gate = self.gate.borrow();
            let from = gate.directory.id(handle);
            let from_name = gate.name(from).unwrap_or_default();
            drop(gate);
            self.change(Change::User(UserEvent {
                from,
                from_name,
                generation,
                number,
                name: text.name,
                payload: text.payload,
            }));
        }
    }

    /// Passes on what is due, and sets the clock for what is not.
    pub(super) fn pass_on_events(&mut self) {
        if self.engine.active() == 0 {
            return;
        }
        let pause = self.events.last.map(|last| last + OUTBOX_PAUSE);
        let may_send = pause.is_none_or(|until| until <= self.now);
        if may_send && self.events.outbox.due().is_some_and(|due| due <= self.now) {
            self.send_events();
        }
        if let Some(due) = self.events.outbox.due() {
            self.schedule_round(due);
        }
    }

    fn send_events(&mut self) {
        self.events.last = Some(self.now);
        let rounds = self.event_rounds();
        let mut packets = Packets::default();
        let gate = self.gate.borrow();
        self.events.outbox.send(self.now, rounds, |rumour| {
            let event = gate.event(rumour.source, rumour.number);
            // What is kept no more is passed by.
            event.is_none_or(|event| packets.add_update(&event))
        });
        drop(gate);
        for target in self.choose_active(self.tuning.fanout) {
            self.send_packets(target, &packets);
        }
    }

    fn schedule_round(&mut self, due: Timestamp) {
        let pause = self.events.last.map(|last| last + OUTBOX_PAUSE);
        let due = pause.map_or(due, |until| until.max(due));
        if self.events.round_due.is_none_or(|set| due < set) {
            self.events.round_due = Some(due);
            self.timers.schedule(due, Alarm::EventRound);
        }
    }

    /// The turn that this begins passes on what is due. An alarm that an earlier one made moot
    /// must not set another, or each would live on for as long as anything waits.
    pub(super) fn event_round(&mut self) {
        self.events.round_due.take_if(|due| *due <= self.now);
    }

    /// Twice the budget of a claim: no probe and no clock brings an event up again.
    fn event_rounds(&self) -> u8 {
        let sends = usize::from(self.tuning.transmissions(self.cluster_size())) * 2;
        let rounds = sends.div_ceil(self.tuning.fanout.max(1));
        u8::try_from(rounds).unwrap_or(u8::MAX).max(ROUNDS_MIN)
    }

    /// A predecessor of an event has not come: gossip is chance, an exchange brings it.
    fn ask_for_missed(&mut self) {
        if !self.events.is_searching && self.gate.borrow().events.is_waiting() {
            self.events.is_searching = true;
            let share = GAP_SHARE.mul_f64(self.cluster_size() as f64);
            let wait = self.jitter(GAP + share);
            self.schedule(wait, Alarm::EventGap);
        }
    }

    pub(super) fn event_gap(&mut self) {
        self.events.is_searching = false;
        if self.gate.borrow().events.is_waiting() {
            self.exchange_at_random();
            self.ask_for_missed();
        }
    }

    fn schedule_sweep(&mut self) {
        if self.events.is_sweeping {
            return;
        }
        let gate = self.gate.borrow();
        let due = gate.events.due(gate.me.handle);
        drop(gate);
        if let Some(due) = due {
            self.events.is_sweeping = true;
            let due = due.max(self.now + SWEEP_PAUSE);
            self.timers.schedule(due, Alarm::EventsOver);
        }
    }

    pub(super) fn events_over(&mut self) {
        self.events.is_sweeping = false;
        let mut gate = self.gate.borrow_mut();
        let me = gate.me.handle;
        gate.events.expire(self.now, me);
        drop(gate);
        self.tell_events();
        self.schedule_sweep();
    }
}
