//! What is held of members beyond the view: a record of whoever is not simply alive in its first
//! life, and the order in which claims override each other (SWIM §4.2), which foca keeps for
//! those in its list.

use foca::{Member, State};

use super::Gate;
use crate::swim::{Life, directory::Handle, identity::Identity, roster::Record, wire::Update};

impl Gate {
    /// Whether this member is not kept in foca's list.
    pub(in crate::swim) fn is_beyond(&self, handle: Handle) -> bool {
        self.scope.is_partial() && handle != self.me.handle && !self.scope.covers(handle)
    }

    /// A claim that foca carried as a broadcast. One about a member that foca should know has to
    /// wait until foca has finished reading.
    pub(in crate::swim) fn overhear(&mut self, update: &Update<'_>) {
        let member = self.judge(update);
        if member.id().handle != self.me.handle || member.state() != State::Alive {
            self.noticed.overheard.push(member);
        }
    }

    /// Lets claims about members in the view pass to foca, and keeps the others for the node.
    pub(super) fn route(&mut self, claim: Member<Identity>) -> Member<Identity> {
        if !self.is_beyond(claim.id().handle) {
            return claim;
        }
        if self.is_news(&claim) || self.is_open(&claim) {
            self.findings.beyond.push(claim);
        }
        self.nothing()
    }

    /// Whether the claim overrides what is held of a member beyond the view.
    pub(in crate::swim) fn is_news(&self, claim: &Member<Identity>) -> bool {
        let held = self.presumed(claim.id().handle);
        if held.id().life != claim.id().life {
            return held.id().life < claim.id().life;
        }
        let (held_in, claimed_in) = (held.incarnation(), claim.incarnation());
        match (held.state(), claim.state()) {
            (State::Down, _) => false,
            (_, State::Down) => true,
            (State::Alive, State::Suspect) => claimed_in >= held_in,
            _ => claimed_in > held_in,
        }
    }

    /// Whether this is the accusation that is open already, which it may confirm.
    pub(in crate::swim) fn is_open(&self, claim: &Member<Identity>) -> bool {
        claim.state() == State::Suspect && self.presumed(claim.id().handle) == *claim
    }

    /// What is held of a member beyond the view.
    pub(in crate::swim) fn presumed(&self, handle: Handle) -> Member<Identity> {
        let record = self.presumption(handle);
        let life = record.life;
        let identity = Identity { handle, life };
        Member::new(identity, record.incarnation, record.standing.state())
    }

    /// The record of a member beyond the view, or the one that everybody has who has none.
    pub(in crate::swim) fn presumption(&self, handle: Handle) -> Record {
        let record = self.roster.record(handle).cloned();
        record.unwrap_or_else(|| Record::alive(Life::first(1)))
    }
}
