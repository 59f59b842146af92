//! Self-doubt: what our own probes and clock say of us, and what we do about it.

use super::Node;
use crate::swim::{
    Change, Junk,
    envelope::{Envelope, Kind},
    health::{Errand, Probe},
    identity::Identity,
    timers::Alarm,
    wire::{self, Nack},
};

/// Half of Lifeguard's S: consumers should know that this view is a poor one.
const DEGRADED_AT: u8 = 4;

impl Node {
    /// A process that was stopped finds its timers late. What it waited for may well be there:
    /// it goes on waiting as if the time had not passed, and accuses nobody.
    pub(super) fn forgive_stall(&mut self) {
        let Some(deadline) = self.timers.deadline() else {
            return;
        };
        let late = self.now - deadline;
        if self.tuning.self_doubt && late >= self.tuning.probe_timeout {
            self.timers.postpone_all(late);
            self.gate.borrow_mut().roster.hold_suspicions(late);
            self.health.worse(1);
            self.tell_degraded();
        }
    }

    /// Lets foca end its probe and begin the next.
    pub(super) fn probe_next(&mut self, timer: foca::Timer<Identity>) {
        let (ended, failed) = {
            let mut gate = self.gate.borrow_mut();
            (gate.probing.last.take(), gate.probing.failed)
        };
        let result = self.engine.timer(timer);
        self.check(result);
        let failed = self.gate.borrow().probing.failed > failed;
        if let Some(probe) = ended {
            self.judge_ourselves(probe, failed);
        }
    }

    /// Lifeguard §IV-A: an answered probe speaks for us, a failed one against us, as far as helpers
    /// were not heard, neither with an answer nor with word that there was none.
    fn judge_ourselves(&mut self, probe: Probe, failed: bool) {
        if probe.answered {
            self.health.better();
            self.tell_recovered();
        } else if failed {
            self.health.worse(probe.points());
            if self.health.score() >= DEGRADED_AT {
                self.tell_degraded();
            }
        }
    }

    /// Whoever is alone says nothing of others that could be doubted.
    fn tell_degraded(&mut self) {
        if self.engine.active() > 0 && !std::mem::replace(&mut self.degraded, true) {
            self.change(Change::Degraded);
        }
    }

    pub(super) fn tell_recovered(&mut self) {
        if self.degraded && (self.health.score() == 0 || self.engine.active() == 0) {
            self.degraded = false;
            self.change(Change::Recovered);
        }
    }

    /// Somebody asked us to probe for it. If nothing comes of it we say so before it gives up.
    pub(super) fn run_errand(&mut self, errand: Errand) {
        if self.tuning.health_max > 0 && self.gate.borrow_mut().probing.begin_errand(errand) {
            self.schedule(self.tuning.nack_after(), Alarm::Nack(errand));
        }
    }

    /// The target of an errand did not answer in time.
    pub(super) fn nack(&mut self, errand: Errand) {
        let (to, target) = {
            let mut gate = self.gate.borrow_mut();
            if !gate.probing.end_errand(errand) {
                return;
            }
            let Some(address) = gate.address_of(errand.asker) else {
                return;
            };
            let to = (gate.directory.id(errand.asker.handle), address);
            (to, gate.directory.id(errand.target.handle))
        };
        let number = errand.number;
        self.send(Kind::Nack, to, &Nack { target, number });
    }

    pub(super) fn on_nack(&self, envelope: &Envelope<'_>) -> Result<(), Junk> {
        let nack: Nack = wire::take(envelope.payload).ok_or(Junk::Malformed)?;
        self.gate.borrow_mut().hear_nack(nack);
        Ok(())
    }
}
