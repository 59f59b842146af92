//! `Rumours`: who told a chosen change, and when.
//!
//! What spreads is measured at every node, whatever is watched: who is first and who is last
//! cannot be sampled.

use std::collections::BTreeMap;

use crate::{
    simulator::Slot,
    swim::{Change, MemberId, Timestamp},
};

/// Changes that are followed: about whom, of which kind, and who told them first when.
#[derive(Debug, Default)]
pub(in crate::simulator) struct Rumours(
    BTreeMap<(MemberId, &'static str), BTreeMap<Slot, Timestamp>>,
);

impl Rumours {
    pub(in crate::simulator) fn note(&mut self, now: Timestamp, at: Slot, change: &Change) {
        if self.0.is_empty() {
            return;
        }
        if let Some(member) = change.member()
            && let Some(told) = self.0.get_mut(&(member.card.id, change.kind()))
        {
            told.entry(at).or_insert(now);
        }
    }

    /// Follows changes of this kind about the member from now on.
    pub(in crate::simulator) fn follow(&mut self, about: MemberId, kind: &'static str) {
        self.0.insert((about, kind), BTreeMap::new());
    }

    /// Who told the change since it is followed, and when each did first.
    pub(in crate::simulator) fn followed(
        &self,
        about: MemberId,
        kind: &'static str,
    ) -> Option<&BTreeMap<Slot, Timestamp>> {
        self.0.get(&(about, kind))
    }
}
