//! What others say of us, and what of it foca may hear.

use foca::{Member, State};

use super::{Gate, Sighting};
use crate::swim::{identity::Identity, wire::Update};

impl Gate {
    /// An accusation of this life is foca's to refute; everything else is the node's business.
    pub(super) fn judge_ourselves(&mut self, update: &Update<'_>) -> Member<Identity> {
        let life = update.life();
        match update {
            Update::Suspect { incarnation, .. } if life == self.me.life => {
                return self.refute(*incarnation);
            }
            Update::Alive { card, .. }
                if card.address() != self.card.address
                    && life.is_plausible_after(self.me.life.generation())
                    && life.generation() >= self.me.life.generation() =>
            {
                self.findings.sightings.push(Sighting::Twin {
                    address: card.address(),
                    life,
                });
            }
            _ if life < self.me.life => {}
            _ if !life.is_plausible_after(self.me.life.generation()) => {}
            Update::Alive { incarnation, .. } if life == self.me.life => {
                if *incarnation > self.incarnation {
                    self.findings.sightings.push(Sighting::Predecessor(life));
                }
            }
            Update::Known { .. } => {}
            Update::Left { .. } | Update::Restarting { .. } => {
                self.findings.sightings.push(Sighting::Predecessor(life));
            }
            _ => self.findings.sightings.push(Sighting::Down(life)),
        }
        self.nothing()
    }

    /// foca refutes by gossip, once for each accusation it hears: it hears one at a time, and none
    /// that was refuted before. Whoever passed such a one on hears from us who we are now.
    fn refute(&mut self, incarnation: u16) -> Member<Identity> {
        if incarnation < self.incarnation {
            self.noticed.accused = true;
            return self.nothing();
        }
        match self.hearsay.begin_to_refute() {
            true => Member::new(self.me, incarnation, State::Suspect),
            false => self.nothing(),
        }
    }
}
