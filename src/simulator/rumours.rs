//! `Rumours`: who told a chosen change, and when.
//!
//! What spreads is measured at every node, whatever is watched: who is first and who is last
//! cannot be sampled.

use std::collections::BTreeMap;

use super::{Slot, World};
use crate::swim::{Change, MemberId, Timestamp};

/// Changes that are followed: about whom, of which kind, and who told them first when.
#[derive(Debug, Default)]
pub(super) struct Rumours(BTreeMap<(MemberId, &'static str), BTreeMap<Slot, Timestamp>>);

impl Rumours {
    pub(super) fn note(&mut self, now: Timestamp, at: Slot, change: &Change) {
        if self.0.is_empty() {
            return;
        }
        if let Some(member) = change.member()
            && let Some(told) = self.0.get_mut(&(member.card.id, change.kind()))
        {
            told.entry(at).or_insert(now);
        }
    }
}

impl World {
    /// Follows changes of this [`Change::kind`] about the member of `about` from now on.
    pub fn follow(&mut self, about: Slot, kind: &'static str) {
        let key = (self.id(about), kind);
        self.rumours.0.insert(key, BTreeMap::new());
    }

    /// Which machines told the change since it is followed, and when each did first; `None` when
    /// it is not followed.
    pub fn followed(&self, about: Slot, kind: &'static str) -> Option<&BTreeMap<Slot, Timestamp>> {
        self.rumours.0.get(&(self.id(about), kind))
    }
}
