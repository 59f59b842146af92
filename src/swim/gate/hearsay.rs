//! What foca cannot hold of a claim: who made it, with what evidence and how long ago. Kept for the
//! turn in which the claim is heard, until it is told.

use std::{collections::BTreeMap, time::Duration};

use foca::{Member, State};

use super::Gate;
use crate::swim::{
    identity::Identity,
    roster::{Accusation, Claim},
};

/// What qualifies the claims of this turn.
#[derive(Debug, Default)]
pub(super) struct Hearsay {
    of: BTreeMap<Identity, Vec<Heard>>,
    /// foca is to refute an accusation of ourselves.
    is_refuting: bool,
}

/// A claim with what foca cannot hold of it.
#[derive(Clone, Debug)]
pub(in crate::swim) struct Heard {
    pub(in crate::swim) incarnation: u16,
    pub(in crate::swim) claim: Claim,
    pub(in crate::swim) age: Duration,
}

impl Hearsay {
    /// foca refutes one accusation in a turn. Whether this is it.
    pub(super) const fn begin_to_refute(&mut self) -> bool {
        !std::mem::replace(&mut self.is_refuting, true)
    }
}

impl Gate {
    /// Notes what qualifies a claim about `member` that foca is going to hear.
    pub(in crate::swim) fn hear(&mut self, member: &Member<Identity>, claim: Claim, age_s: u32) {
        self.touch(member.id().handle);
        let heard = Heard {
            incarnation: member.incarnation(),
            claim,
            age: Duration::from_secs(age_s.into()),
        };
        self.hearsay.of.entry(*member.id()).or_default().push(heard);
    }

    /// What was heard last of `identity` in this `state`.
    pub(in crate::swim) fn heard(&self, identity: Identity, state: State) -> Option<&Heard> {
        let fits = |claim: &Claim| match claim {
            Claim::Suspect(_) => state == State::Suspect,
            _ => state == State::Down,
        };
        self.heard_of(identity)
            .rev()
            .find(|heard| fits(&heard.claim))
    }

    /// What was heard of `identity`, the latest last.
    pub(in crate::swim) fn heard_of(
        &self,
        identity: Identity,
    ) -> impl DoubleEndedIterator<Item = &Heard> {
        self.hearsay.of.get(&identity).into_iter().flatten()
    }

    /// This life of a member is over, by its own word or an operator's: in whatever incarnation.
    pub(super) fn hear_end(
        &mut self,
        about: Identity,
        claim: Claim,
        age_s: u32,
    ) -> Member<Identity> {
        let gone = Member::new(about, 0, State::Down);
        self.hear(&gone, claim, age_s);
        gone
    }

    /// Somebody accuses a member in this incarnation.
    pub(super) fn hear_accusation(
        &mut self,
        about: Identity,
        incarnation: u16,
        accusation: Accusation,
    ) -> Member<Identity> {
        let accused = Member::new(about, incarnation, State::Suspect);
        self.hear(&accused, Claim::Suspect(accusation), 0);
        accused
    }

    /// Our own probe failed: we accuse, whether or not somebody did before.
    pub(in crate::swim) fn accuse(&mut self, member: &Member<Identity>) {
        self.probing.failed += 1;
        self.accuse_of_seen(member);
    }

    /// We accuse a member of what we saw.
    pub(in crate::swim) fn accuse_of_seen(&mut self, member: &Member<Identity>) {
        let accusation = self.own_accusation(*member.id());
        self.hear(member, Claim::Suspect(accusation), 0);
    }

    /// Who accused this member in this very incarnation, as heard just now.
    pub(in crate::swim) fn accusations(
        &self,
        member: &Member<Identity>,
    ) -> impl Iterator<Item = Accusation> {
        let fits = |heard: &&Heard| heard.incarnation == member.incarnation();
        let heard = self.heard_of(*member.id()).filter(fits);
        heard.filter_map(|heard| match heard.claim {
            Claim::Suspect(accusation) => Some(accusation),
            _ => None,
        })
    }
}
