//! Judging claims: what foca hears of each, if anything.

use std::time::Duration;

use foca::{Member, State};

use super::Gate;
use crate::swim::{
    RESTART_MAX,
    identity::Identity,
    roster::{Accusation, Claim},
    wire::{self, Update},
};

impl Gate {
    /// What foca hears of a claim in gossip.
    pub(in crate::swim) fn judge(&mut self, update: &Update<'_>) -> Member<Identity> {
        if self.hear_word(update) {
            return self.nothing();
        }
        if update.id(&self.cluster) == self.id {
            return self.judge_ourselves(update);
        }
        match self.judge_other(update) {
            Some(claim) => self.route(claim),
            None => self.nothing(),
        }
    }

    /// Whom a claim is about, if it can be believed. A card introduces its member.
    fn identify(&mut self, update: &Update<'_>) -> Option<Identity> {
        let (id, life) = (update.id(&self.cluster), update.life());
        let known = self.directory.handle(id);
        let newest = known.map_or(0, |handle| self.directory.newest(handle));
        if newest > 0 && !life.is_plausible_after(newest) {
            return None; // Believed, it could never be outlived.
        }
        if let Update::Alive { card, life, .. } | Update::Known { card, life } = update {
            self.intern(card, *life)?;
        }
        let handle = self.directory.handle(id)?;
        Some(Identity { handle, life })
    }

    fn judge_other(&mut self, update: &Update<'_>) -> Option<Member<Identity>> {
        let identity = self.identify(update)?;
        let (id, handle) = (self.directory.id(identity.handle), identity.handle);
        match update {
            Update::Known { .. }
            | Update::Facts { .. }
            | Update::Event { .. }
            | Update::Tagged { .. } => None,
            Update::Alive { incarnation, .. } => {
                if self.roster.incarnation(handle) != *incarnation {
                    self.touch(handle);
                }
                Some(Member::new(identity, *incarnation, State::Alive))
            }
            Update::Failed { .. } | Update::Left { .. } | Update::Restarting { .. }
                if !self.roster.knows(handle) && self.forgotten.covers(id, identity.life) =>
            {
                None
            }
            Update::Suspect {
                incarnation,
                accusation,
                ..
            } => {
                self.card_of(identity)?;
                if accusation.by == id {
                    return None; // Nobody accuses itself.
                }
                Some(self.hear_accusation(identity, *incarnation, *accusation))
            }
            Update::Failed {
                incarnation,
                accusation,
                age_s,
                ..
            } => self.judge_failure(identity, *incarnation, *accusation, *age_s),
            Update::Left { reason, age_s, .. } => {
                self.card_of(identity)?;
                let reason = wire::clip_reason(reason).to_owned();
                Some(self.hear_end(identity, Claim::Left { reason }, *age_s))
            }
            Update::Restarting { eta_s, age_s, .. } => {
                self.card_of(identity)?;
                let eta = RESTART_MAX.min(Duration::from_secs((*eta_s).into()));
                Some(self.hear_end(identity, Claim::Restarting { eta }, *age_s))
            }
            Update::Removed { age_s, .. } => {
                self.roster.record(handle)?;
                Some(self.hear_end(identity, Claim::Removed, *age_s))
            }
        }
    }

    fn judge_failure(
        &mut self,
        identity: Identity,
        incarnation: u16,
        accusation: Accusation,
        age_s: u32,
    ) -> Option<Member<Identity>> {
        self.card_of(identity)?;
        if self.is_outdated(identity, incarnation) {
            return None;
        }
        if self.corroborate && self.holds_alive(identity) {
            // Whoever hears nobody fails everybody. A failure that others saw, too, was an
            // accusation before, and we should have heard of it.
            return Some(self.hear_accusation(identity, incarnation, accusation));
        }
        let failed = Member::new(identity, incarnation, State::Down);
        self.hear(&failed, Claim::Failed(accusation), age_s);
        Some(failed)
    }

    /// foca lets a failure in incarnation 0 override a refutation in incarnation 5.
    fn is_outdated(&self, identity: Identity, incarnation: u16) -> bool {
        self.roster
            .record(identity.handle)
            .is_some_and(|record| record.life == identity.life && record.incarnation > incarnation)
    }
}
