//! `Roster`: what has been told of every member, beyond what foca's list says.
//!
//! A member without a record is alive in incarnation zero, which is nearly everyone: records are
//! sparse, so that a thousand simulated nodes do not hold a million of them.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{Evidence, Life, MemberId, Timestamp, directory::Handle};

/// Who says that a member is not there, and what they saw.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Accusation {
    pub(super) by: MemberId,
    pub(super) evidence: Evidence,
}

/// What is claimed of a member that is not simply alive.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Claim {
    Suspect(Accusation),
    Failed(Accusation),
    Left { reason: String },
    Removed,
}

/// What has been told of a member.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Standing {
    Alive,
    Suspect {
        accusation: Accusation,
        deadline: Timestamp,
    },
    Failed(Accusation),
    Left {
        reason: String,
    },
    /// Forgotten on an operator's word: not shown, but remembered so that it stays away.
    Removed,
}

impl Standing {
    pub(super) const fn is_active(&self) -> bool {
        matches!(self, Self::Alive | Self::Suspect { .. })
    }

    pub(super) const fn accusation(&self) -> Option<Accusation> {
        match self {
            Self::Failed(accusation) | Self::Suspect { accusation, .. } => Some(*accusation),
            Self::Alive | Self::Left { .. } | Self::Removed => None,
        }
    }
}

/// A member as last told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Record {
    pub(super) life: Life,
    pub(super) incarnation: u16,
    pub(super) standing: Standing,
    /// When it went down, by the clock of whoever saw it first.
    pub(super) since: Timestamp,
}

/// What has been told of every member.
#[derive(Debug, Default)]
pub(super) struct Roster {
    known: Vec<u64>,
    records: BTreeMap<Handle, Record>,
}

impl Roster {
    /// Whether anything was ever told of this member, and not forgotten since.
    pub(super) fn knows(&self, handle: Handle) -> bool {
        let (word, bit) = place(handle);
        self.known.get(word).is_some_and(|bits| bits & bit != 0)
    }

    /// The record of a member that is not simply alive in incarnation zero.
    pub(super) fn record(&self, handle: Handle) -> Option<&Record> {
        self.records.get(&handle)
    }

    /// Every record, by handle.
    pub(super) fn records(&self) -> impl Iterator<Item = (Handle, &Record)> {
        self.records
            .iter()
            .map(|(handle, record)| (*handle, record))
    }

    /// The incarnation last told.
    pub(super) fn incarnation(&self, handle: Handle) -> u16 {
        self.record(handle).map_or(0, |record| record.incarnation)
    }

    /// Notes that consumers know the member alive, in incarnation zero.
    pub(super) fn recall(&mut self, handle: Handle) {
        let (word, bit) = place(handle);
        if self.known.len() <= word {
            self.known.resize(word + 1, 0);
        }
        self.known[word] |= bit;
    }

    /// Notes what is told now.
    pub(super) fn tell(&mut self, handle: Handle, record: Record) {
        self.recall(handle);
        if record.standing == Standing::Alive && record.incarnation == 0 {
            self.records.remove(&handle);
        } else {
            self.records.insert(handle, record);
        }
    }

    /// As if it had never been.
    pub(super) fn forget(&mut self, handle: Handle) {
        let (word, bit) = place(handle);
        if let Some(bits) = self.known.get_mut(word) {
            *bits &= !bit;
        }
        self.records.remove(&handle);
    }
}

const fn place(handle: Handle) -> (usize, u64) {
    ((handle / 64) as usize, 1 << (handle % 64))
}
