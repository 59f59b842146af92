//! What foca's words become on the wire: claims, clothed in what we know of those they are about.

use std::borrow::Cow;

use foca::{Member, State};

use super::{Gate, Goodbye};
use crate::swim::{
    Life,
    identity::Identity,
    roster::{Accusation, Claim, Standing},
    wire::{self, Update, WireCard},
};

impl Gate {
    /// What we say of a member that foca holds so. `None` without a card of that generation.
    pub(in crate::swim) fn clothe(&self, member: &Member<Identity>) -> Option<Update<'static>> {
        let identity = *member.id();
        if identity.handle == self.me.handle {
            return Some(self.clothe_ourselves(member));
        }
        let (id, life) = (self.directory.id(identity.handle), identity.life);
        let incarnation = member.incarnation();
        match member.state() {
            State::Alive => {
                let card = WireCard::own(self.card_of(identity)?.as_ref());
                Some(Update::Alive {
                    card,
                    life,
                    incarnation,
                })
            }
            State::Suspect => {
                let accusation = self.accusation(identity);
                Some(Update::Suspect {
                    id,
                    life,
                    incarnation,
                    accusation,
                })
            }
            State::Down => Some(self.clothe_down(identity, incarnation)),
        }
    }

    /// foca says "my old life is down" whenever we renew. We say that we live.
    fn clothe_ourselves(&self, member: &Member<Identity>) -> Update<'static> {
        let life = member.id().life;
        match &self.leaving {
            Some(goodbye) => self.clothe_goodbye(goodbye, life),
            None if member.state() == State::Down => Update::Alive {
                card: WireCard::own(&self.card),
                life: self.me.life.max(life.next()),
                incarnation: 0,
            },
            None => self.introduction(),
        }
    }

    fn clothe_goodbye(&self, goodbye: &Goodbye, life: Life) -> Update<'static> {
        let (id, age_s) = (self.id, 0);
        match goodbye.eta {
            Some(eta) => Update::Restarting {
                id,
                life,
                eta_s: wire::seconds(eta),
                age_s,
            },
            None => Update::Left {
                id,
                life,
                reason: Cow::Owned(wire::clip_reason(&goodbye.reason).to_owned()),
                age_s,
            },
        }
    }

    /// What we say of ourselves.
    pub(in crate::swim) fn introduction(&self) -> Update<'static> {
        Update::Alive {
            card: WireCard::own(&self.card),
            life: self.me.life,
            incarnation: self.incarnation,
        }
    }

    /// Who accused it, and of what; ourselves and of what we saw if nobody told us.
    pub(in crate::swim) fn accusation(&self, identity: Identity) -> Accusation {
        let heard = self.heard_of(identity).rev();
        let mut heard = heard.filter_map(|heard| match heard.claim {
            Claim::Suspect(accusation) | Claim::Failed(accusation) => Some(accusation),
            _ => None,
        });
        let record = self.roster.record(identity.handle);
        let told = record.filter(|record| record.life == identity.life);
        heard
            .next()
            .or_else(|| told?.standing.accusation())
            .unwrap_or_else(|| self.own_accusation(identity))
    }

    fn clothe_down(&self, identity: Identity, incarnation: u16) -> Update<'static> {
        let (id, life) = (self.directory.id(identity.handle), identity.life);
        let record = self
            .roster
            .record(identity.handle)
            .filter(|record| record.life == life);
        let heard = self.heard(identity, State::Down);
        let age_s = record
            .filter(|record| !record.standing.is_active())
            .map(|record| self.now - record.since)
            .or_else(|| Some(heard?.age))
            .map_or(0, wire::seconds);
        let heard = heard.map(|heard| heard.claim.clone());
        let claim = heard.or_else(|| match &record?.standing {
            Standing::Left { reason } => Some(Claim::Left {
                reason: reason.clone(),
            }),
            Standing::Removed => Some(Claim::Removed),
            Standing::Restarting { due } => Some(Claim::Restarting {
                eta: *due - record?.since,
            }),
            _ => None,
        });
        match claim {
            Some(Claim::Left { reason }) => Update::Left {
                id,
                life,
                reason: Cow::Owned(reason),
                age_s,
            },
            Some(Claim::Removed) => Update::Removed { id, life, age_s },
            Some(Claim::Restarting { eta }) => Update::Restarting {
                id,
                life,
                eta_s: wire::seconds(eta),
                age_s,
            },
            _ => Update::Failed {
                id,
                life,
                incarnation,
                accusation: self.accusation(identity),
                age_s,
            },
        }
    }
}
