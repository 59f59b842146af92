//! Claims that arrive in an exchange of state, where failures are accusations only.

use std::{sync::Arc, time::Duration};

use foca::{Member, State};

use super::Gate;
use crate::swim::{
    Card, Evidence, Life, MemberId,
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
        let stale = |age_s: u32| Duration::from_secs(age_s.into()) >= forget_after;
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
                Update::Failed { age_s, .. }
                | Update::Left { age_s, .. }
                | Update::Restarting { age_s, .. },
                None,
            ) if stale(*age_s) || self.card_for(update).is_none() => self.nothing(),
            (Update::Removed { age_s, .. }, None) if stale(*age_s) => self.nothing(),
            (Update::Removed { id, life, age_s }, None) => {
                let removed = self.keep_in_mind(*id, *life, *age_s);
                removed.unwrap_or_else(|| self.nothing())
            }
            _ => self.judge(update),
        }
    }

    /// Somebody that we never met was removed. Who missed that may come and tell of it as failed.
    fn keep_in_mind(&mut self, id: MemberId, life: Life, age_s: u32) -> Option<Member<Identity>> {
        let handle = self.directory.reserve_if_room(id)?;
        let is_stranger = !self.roster.knows(handle) && !self.is_beyond(handle);
        let identity = Identity { handle, life };
        is_stranger.then(|| self.hear_end(identity, Claim::Removed, age_s))
    }

    fn card_for(&self, update: &Update<'_>) -> Option<Arc<Card>> {
        let handle = self.directory.handle(update.id(&self.cluster))?;
        self.card(handle, update.life().generation())
    }
}
