//! One turn of the node: an input or an alarm is taken apart, and every conclusion drawn.

use std::mem;

use super::Node;
use crate::swim::{
    Input, Notice, Timestamp,
    engine::Note,
    gate::Sighting,
    identity::Identity,
    timers::{Alarm, Once},
};

impl Node {
    pub(super) fn take(&mut self, input: Input<'_>) {
        match input {
            Input::Abandon(addresses) => self.abandon(addresses),
            Input::App(app) => self.set_app(app),
            Input::Datagram { from, bytes } => self.datagram(from, bytes),
            Input::Deadline => self.fire(),
            Input::Join(addresses) => self.join(addresses),
            Input::Event { name, payload } => self.raise_event(name, payload),
            Input::Keys(change) => self.change_keys(change),
            Input::Leave { reason, restart_in } => self.leave(reason, restart_in),
            Input::Reconnect(addresses) => self.reconnect_to(addresses),
            Input::Refused { by } => self.refused(by),
            Input::Remove { name } => self.remove(name),
            Input::StreamFrame { stream, bytes } => self.stream_frame(stream, bytes),
            Input::Tags(tags) => self.set_tags(tags),
            Input::Tuning(tuning) => self.tune(tuning),
            Input::StreamClosed { stream, end } => self.stream_closed(stream, end),
        }
    }

    fn fire(&mut self) {
        while let Some(alarm) = self.timers.pop_due(self.now) {
            self.ring(alarm);
            self.settle();
            if self.stopped {
                break;
            }
        }
    }

    fn ring(&mut self, alarm: Alarm) {
        match alarm {
            Alarm::Accuse {
                identity,
                incarnation,
            } => self.accuse_unanswered(identity, incarnation),
            Alarm::AskForOrders => self.ask_for_orders(),
            Alarm::ChallengeSilent(nonce) => self.challenge_silent(nonce),
            Alarm::Eager => self.spread_now(),
            Alarm::EventGap => self.event_gap(),
            Alarm::EventRound => self.event_round(),
            Alarm::EventsOver => self.events_over(),
            Alarm::Exchange => self.exchange_now_and_then(),
            Alarm::FollowUp => self.follow_up_if_due(),
            Alarm::Foca(timer @ foca::Timer::ProbeRandomMember(_)) => self.probe_next(timer),
            Alarm::Foca(timer) => self.ring_foca(timer),
            Alarm::Hello(address) => self.hello_again(address),
            Alarm::LastCall { suspect, confirmed } => self.last_call(suspect, confirmed),
            Alarm::LeaveRound(round) => self.leave_round(round),
            Alarm::Nack(errand) => self.nack(errand),
            Alarm::Once(Once::FactsAgain(handle)) => self.spread_facts_again(handle),
            Alarm::Once(Once::Forget(handle)) => self.forget(handle),
            Alarm::Reconnect => self.reconnect(),
            Alarm::RemovalRound(removed) => self.removal_round(removed),
            Alarm::RestartOverdue(identity) => self.restart_overdue(identity),
            Alarm::Settled(handle) => self.gate.borrow_mut().touch(handle),
            Alarm::StreamSilent(stream) => self.stream_silent(stream),
            Alarm::Suspicion {
                identity,
                incarnation,
            } => self.end_suspicion(identity, incarnation),
        }
    }

    /// Draws every conclusion from what just happened, until there is none left.
    pub(super) fn settle(&mut self) {
        while self.conclude() {}
        self.tell_crowded();
        let pending = mem::take(&mut self.gate.borrow_mut().pending);
        self.take_in_facts(pending.stated);
        self.fetch_lacking(pending.lacking);
        self.take_in_events(&pending.raised);
        self.tell_parted(pending.parted);
        self.tell_ourselves();
        self.tell_isolation();
        self.collect_news();
        self.pass_on_events();
        self.resume_gossip();
        self.follow_size();
        self.gate.borrow_mut().end_turn();
    }

    /// One round of conclusions. Whether others may follow from them.
    fn conclude(&mut self) -> bool {
        self.pump();
        let found = mem::take(&mut self.gate.borrow_mut().findings);
        let is_last = found.is_last();
        for twins in found.twins {
            self.introduce(twins);
        }
        if is_last {
            return false;
        }
        self.note_facts_of_newcomers(&found.touched);
        self.tell(&found.touched);
        self.tell_beyond(found.beyond);
        for sighting in found.sightings {
            self.sighted(sighting);
        }
        true
    }

    /// foca's packets are sent more often in a larger cluster.
    fn follow_size(&mut self) {
        let result = self.engine.retune(self.cluster_size());
        self.check(result);
    }

    /// There are members that we were told of and do not take in.
    fn tell_crowded(&mut self) {
        if self.gate.borrow().members_refused > self.stats.members_refused {
            let address = self.address();
            self.notice(address, Notice::TooManyMembers);
        }
    }

    /// Schedules what foca wants to be woken for, and follows its changes of life.
    fn pump(&mut self) {
        loop {
            while let Some((after, timer)) = self.engine.next_timer() {
                let after = self.pace(&timer, after);
                self.await_timer(self.now + after, timer);
            }
            let Some(note) = self.engine.next_note() else {
                break;
            };
            self.noted(note);
        }
    }

    /// foca wants to gossip five times a second whether or not there is news. A round that would
    /// say nothing is put by, so that an idle node sleeps.
    fn await_timer(&mut self, at: Timestamp, timer: foca::Timer<Identity>) {
        if matches!(timer, foca::Timer::PeriodicGossip(_)) && self.engine.backlog() == 0 {
            self.resting_gossip = Some((at, timer));
        } else {
            self.timers.schedule(at, Alarm::Foca(timer));
        }
    }

    /// There is news: the round that was put by comes at the time it would have come.
    fn resume_gossip(&mut self) {
        if self.engine.backlog() > 0
            && let Some((at, timer)) = self.resting_gossip.take()
        {
            let interval = self.tuning.gossip_interval;
            let late = (self.now - at).as_micros();
            let missed = late.div_ceil(interval.as_micros().max(1));
            let missed = u32::try_from(missed).unwrap_or(u32::MAX);
            self.timers
                .schedule(at + interval.saturating_mul(missed), Alarm::Foca(timer));
        }
    }

    pub(super) fn noted(&mut self, note: Note) {
        match note {
            Note::Renewed => {
                self.stats.renewals += 1;
                self.follow_life();
                self.accuse_again();
                let result = self.engine.reconnect();
                self.check(result);
                self.doubt_address();
            }
            Note::Active => self.way_back.begin_anew(),
            Note::Idle => {
                self.isolation.begin();
                self.tell_recovered();
                self.reconnect_soon();
            }
        }
    }

    fn sighted(&mut self, sighting: Sighting) {
        match sighting {
            Sighting::Down(life) => self.outlive(life),
            Sighting::Predecessor(life) => self.outlive_process(life),
            Sighting::Twin { address, life } => self.suspect_twin(address, life),
        }
    }
}
