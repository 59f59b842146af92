//! Suspicions: who confirms them, whom they are passed on to, the suspect's last word, the end.

use std::cell::LazyCell;

use foca::{Member, Message, State};
use rand::RngExt;

use super::Node;
use crate::swim::{
    Patience, Timestamp,
    broadcasts::About,
    directory::Handle,
    doubt::Doubt,
    identity::Identity,
    roster::{Accusation, Record},
    timers::Alarm,
    wire::{self, Update},
};

/// So many reach a suspect through any loss that is worth a thought.
const CALLERS: usize = 32;

impl Node {
    pub(super) fn patience(&self) -> Patience {
        self.tuning.patience(self.cluster_size())
    }

    /// The open accusation of a member that is held suspect, with all that was heard just now.
    pub(super) fn doubt(&self, held: &Member<Identity>, prior: Option<&Record>) -> Doubt {
        let patience = LazyCell::new(|| self.patience());
        let gate = self.gate.borrow();
        let open = prior.and_then(|prior| prior.doubt_in(held.id().life, held.incarnation()));
        let mut doubt = match open {
            Some(doubt) => doubt.clone(),
            None => Doubt::new(gate.accusation(*held.id()), self.now, &patience),
        };
        for accusation in gate.accusations(held) {
            if !doubt.is_by(accusation.by) {
                doubt.confirm(accusation, &patience, self.earliest_end());
            }
        }
        doubt
    }

    /// No confirmation ends a suspicion before the suspect had time for an answer.
    fn earliest_end(&self) -> Timestamp {
        match self.tuning.last_calls {
            true => self.now + self.tuning.probe_timeout,
            false => self.now,
        }
    }

    /// Passes confirmations on: every node runs the clock, and should hear of the first K of them
    /// (Lifeguard §IV-B). Whoever misses one is more patient, and hears of the failure from others.
    pub(super) fn pass_on(&mut self, prior: Option<&Record>, suspect: Identity, next: &Record) {
        let Some(doubt) = next.standing.doubt() else {
            return;
        };
        let known = prior.and_then(|prior| prior.doubt_in(next.life, next.incarnation));
        let known = known.map_or(0, |known| known.confirmations().len());
        let new = doubt.confirmations().get(known..).unwrap_or_default();
        for confirmation in new {
            self.relay(suspect, next.incarnation, *confirmation);
        }
        if !new.is_empty() && self.tuning.last_calls && self.is_drawn_to_call() {
            self.call(suspect, next.incarnation);
        }
    }

    fn relay(&mut self, suspect: Identity, incarnation: u16, accusation: Accusation) {
        let update = Update::Suspect {
            id: self.gate.borrow().directory.id(suspect.handle),
            life: suspect.life,
            incarnation,
            accusation,
        };
        let about = About::Claim {
            member: suspect.handle,
            accuser: Some(accusation.by),
        };
        self.mention(about, &update);
    }

    /// Has the clock of a suspicion looked at when its time is over.
    pub(super) fn await_end_of_suspicion(
        &mut self,
        suspect: Identity,
        incarnation: u16,
        doubt: &Doubt,
    ) {
        let alarm = Alarm::Suspicion {
            identity: suspect,
            incarnation,
        };
        self.timers.schedule(doubt.deadline, alarm);
    }

    /// The suspicion's time may be over: a confirmation may have shortened it since the alarm was
    /// set, and whoever doubts itself makes it longer.
    pub(super) fn end_suspicion(&mut self, suspect: Identity, incarnation: u16) {
        match self.suspicion_of(suspect) {
            Some((doubt, _)) if doubt.deadline > self.now => {}
            Some((doubt, _)) if doubt.is_hastened() && self.many_are_refused() => {
                self.slow_down(suspect, incarnation);
            }
            Some(_) => self.confirm(suspect, incarnation),
            None => {}
        }
    }

    /// The open accusation of this life, with the incarnation that it is about.
    fn suspicion_of(&self, suspect: Identity) -> Option<(Doubt, u16)> {
        let gate = self.gate.borrow();
        let record = gate.roster.record(suspect.handle)?;
        let doubt = record
            .standing
            .doubt()
            .filter(|_| record.life == suspect.life)?;
        Some((doubt.clone(), record.incarnation))
    }

    /// At half of the time that is left, unless that is too little for an answer. Whether it is.
    pub(super) fn schedule_last_call(&mut self, suspect: Identity, doubt: &Doubt) -> bool {
        let wait = (doubt.deadline - self.now) / 2;
        let is_due = self.tuning.last_calls && wait >= self.tuning.probe_timeout / 2;
        if is_due {
            let confirmed = doubt.confirmations().len();
            self.schedule(wait, Alarm::LastCall { suspect, confirmed });
        }
        is_due
    }

    /// Asks a suspect for a word, again and again: gossip is chance, and whoever misses the
    /// refutation would otherwise fail a healthy member by itself. In a large cluster some ask;
    /// just before the end everybody does who still doubts.
    pub(super) fn last_call(&mut self, suspect: Identity, confirmed: usize) {
        if let Some((doubt, incarnation)) = self.suspicion_of(suspect)
            && doubt.confirmations().len() == confirmed
        {
            let is_last = !self.schedule_last_call(suspect, &doubt);
            if is_last || self.is_drawn_to_call() {
                self.call(suspect, incarnation);
            }
            self.last_call_by_stream(suspect);
        }
    }

    /// A member that was given up is back, and what kept it away may have kept others whom we only
    /// suspect: the accusation has not reached them, and they would hear of it with the next probe.
    pub(super) fn ask_suspects(&mut self) {
        let suspects: Vec<_> = {
            let gate = self.gate.borrow();
            let records = gate.roster.records();
            let suspect = |(handle, record): (Handle, &Record)| {
                let Record {
                    life, incarnation, ..
                } = *record;
                record
                    .standing
                    .doubt()
                    .map(|_| (Identity { handle, life }, incarnation))
            };
            records.filter_map(suspect).collect()
        };
        for (suspect, incarnation) in suspects {
            if self.is_drawn_to_call() {
                self.call(suspect, incarnation);
            }
        }
    }

    /// Nobody listened while we were held down, so that whom we accuse alone has not heard of it.
    /// It is told again and asked, and has as much time for an answer as if we accused it now.
    pub(super) fn accuse_again(&mut self) {
        let (me, now) = (self.id(), self.now);
        let unheard = self.gate.borrow_mut().roster.accuse_anew(me, now);
        for (suspect, incarnation, doubt) in unheard {
            self.await_end_of_suspicion(suspect, incarnation, &doubt);
            self.relay(suspect, incarnation, doubt.first());
            self.call(suspect, incarnation);
        }
    }

    /// Thousands who doubt one member must not all ask it again and again.
    fn is_drawn_to_call(&mut self) -> bool {
        let members = self.cluster_size();
        members <= CALLERS || self.rng.random_range(0..members) < CALLERS
    }

    /// Tells a suspect of the accusation and asks for an answer.
    fn call(&mut self, suspect: Identity, incarnation: u16) {
        let held = Member::new(suspect, incarnation, State::Suspect);
        let update = self.gate.borrow().clothe(&held);
        if let Some(update) = update {
            self.send_packet(suspect, Message::Ping(0), 1, &wire::encoded(&update));
        }
    }
}
