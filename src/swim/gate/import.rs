//! Claims that arrive in an exchange of state, where failures are accusations only.

use std::time::Duration;

use foca::{Member, State};

use super::Gate;
use crate::swim::{
    Evidence, Life, MemberId,
    identity::Identity,
    roster::{Accusation, Claim},
    wire::Update,
};

impl Gate {
    /// What foca hears of a claim in an exchange, where `held` is what foca holds of the member.
    /// A failure that we do not see ourselves is only an accusation, which the member can refute.
    pub(in crate::swim) fn import(
        &mut self,
        update: &Update<'_>,
        held: Option<&Member<Identity>>,
        forget_after: Duration,
    ) -> Member<Identity> {
        // We are in no list of our own, and are no stranger to ourselves.
        if update.id(&self.cluster) == self.id {
            return self.judge(update);
        }
        match (update, held) {
            (
                Update::Failed {
                    life, incarnation, ..
                },
                Some(held),
            ) if held.state() != State::Down && held.id().life == *life => {
                if held.incarnation() > *incarnation {
                    return self.nothing();
                }
                let accusation = Accusation {
                    by: self.directory.id(self.sender.handle),
                    evidence: Evidence::HeldFailed,
                };
                let accused = self.hear_accusation(*held.id(), held.incarnation(), accusation);
                self.route(accused)
            }
            (
                Update::Failed { .. }
                | Update::Left { .. }
                | Update::Restarting { .. }
                | Update::Removed { .. },
                None,
            ) if !self.is_recent_end(update, forget_after) => self.nothing(),
            (Update::Removed { id, life, age_s }, None) => {
                let removed = self.keep_in_mind(*id, *life, *age_s);
                removed.unwrap_or_else(|| self.nothing())
            }
            _ => self.judge(update),
        }
    }

    /// Whether a card that comes with the `claim` after it is to be kept of somebody whom we do not
    /// hold. Nobody would ever drop the card of somebody who is forgotten at once.
    pub(in crate::swim) fn is_worth_a_card(
        &self,
        update: &Update<'_>,
        claim: Option<&Update<'_>>,
        forget_after: Duration,
    ) -> bool {
        let is_of_it = |claim: &&Update<'_>| claim.id(&self.cluster) == update.id(&self.cluster);
        let is_kept = |claim| {
            !matches!(claim, &Update::Removed { .. }) && self.is_recent_end(claim, forget_after)
        };
        !matches!(update, Update::Known { .. }) || claim.filter(is_of_it).is_some_and(is_kept)
    }

    /// Whether this is the end of a life that we have not forgotten, nor would soon.
    pub(in crate::swim) fn is_recent_end(
        &self,
        update: &Update<'_>,
        forget_after: Duration,
    ) -> bool {
        let (Update::Failed { age_s, .. }
        | Update::Left { age_s, .. }
        | Update::Restarting { age_s, .. }
        | Update::Removed { age_s, .. }) = update
        else {
            return false;
        };
        Duration::from_secs((*age_s).into()) < forget_after
            && !self
                .forgotten
                .covers(update.id(&self.cluster), update.life())
    }

    /// Somebody that we never met was removed. Who missed that may come and tell of it as failed.
    fn keep_in_mind(&mut self, id: MemberId, life: Life, age_s: u32) -> Option<Member<Identity>> {
        let handle = self.directory.reserve_if_room(id)?;
        let is_stranger = !self.roster.knows(handle) && !self.is_beyond(handle);
        let identity = Identity { handle, life };
        is_stranger.then(|| self.hear_end(identity, Claim::Removed, age_s))
    }
}
