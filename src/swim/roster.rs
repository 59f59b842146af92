//! `Roster`: what has been told of every member, beyond what foca's list says.
//!
//! A member without a record is alive in incarnation zero, which is nearly everyone: records are
//! sparse, so that a thousand simulated nodes do not hold a million of them.

use std::{collections::BTreeMap, time::Duration};

use foca::State;
use serde::{Deserialize, Serialize};

use super::{
    Evidence, Life, MemberId, MemberState, Scope, Timestamp, View,
    damping::{Held, Unrest},
    directory::Handle,
    doubt::Doubt,
    identity::Identity,
    prefetch,
};

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
    Left {
        reason: String,
    },
    Removed,
    /// Its next process is due so long after its goodbye.
    Restarting {
        eta: Duration,
    },
}

/// What has been told of a member.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Standing {
    Alive,
    Suspect(Doubt),
    Failed(Accusation),
    Left {
        reason: String,
    },
    /// Forgotten on an operator's word: not shown, but remembered so that it stays away.
    Removed,
    /// It announced a restart: consumers hear of it when it is back, or when it is not.
    Restarting {
        due: Timestamp,
    },
}

impl Standing {
    /// Whether foca holds it up.
    pub(super) const fn is_active(&self) -> bool {
        matches!(self, Self::Alive | Self::Suspect(_))
    }

    /// Whether consumers were told that this life is over.
    pub(super) const fn is_over(&self) -> bool {
        matches!(self, Self::Failed(_) | Self::Left { .. } | Self::Removed)
    }

    /// Whether the process said goodbye, for ever or for a while: its generation never returns.
    pub(super) const fn has_said_goodbye(&self) -> bool {
        matches!(self, Self::Left { .. } | Self::Restarting { .. })
    }

    /// As foca holds it.
    pub(super) const fn state(&self) -> State {
        match self {
            Self::Alive => State::Alive,
            Self::Suspect(_) => State::Suspect,
            Self::Failed(_) | Self::Left { .. } | Self::Removed | Self::Restarting { .. } => {
                State::Down
            }
        }
    }

    /// The word that consumers are told.
    pub(super) const fn shown(&self) -> MemberState {
        match self {
            Self::Alive | Self::Restarting { .. } => MemberState::Alive,
            Self::Failed(_) | Self::Removed => MemberState::Failed,
            Self::Left { .. } => MemberState::Left,
            Self::Suspect(_) => MemberState::Suspect,
        }
    }

    pub(super) const fn doubt(&self) -> Option<&Doubt> {
        match self {
            Self::Suspect(doubt) => Some(doubt),
            _ => None,
        }
    }

    pub(super) fn accusation(&self) -> Option<Accusation> {
        match self {
            Self::Failed(accusation) => Some(*accusation),
            Self::Suspect(doubt) => Some(doubt.first()),
            Self::Alive | Self::Left { .. } | Self::Removed | Self::Restarting { .. } => None,
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
    pub(super) unrest: Unrest,
    /// The record that consumers hold, where it is not this one.
    pub(super) held: Option<Held>,
}

impl Record {
    /// A member of whom there is nothing to say.
    pub(super) const fn alive(life: Life) -> Self {
        Self {
            life,
            incarnation: 0,
            standing: Standing::Alive,
            since: Timestamp::ZERO,
            unrest: Unrest::CALM,
            held: None,
        }
    }

    /// The open accusation of exactly this life and incarnation.
    pub(super) fn doubt_in(&self, life: Life, incarnation: u16) -> Option<&Doubt> {
        let same = (self.life, self.incarnation) == (life, incarnation);
        self.standing.doubt().filter(|_| same)
    }

    /// The member as consumers hold it.
    pub(super) fn told(&self) -> &Self {
        self.held.as_ref().map_or(self, |held| &held.told)
    }
}

/// What has been told of every member.
#[derive(Debug)]
pub(super) struct Roster {
    /// One bit for each member that is kept: by its place in the view, or by its handle.
    known: Vec<u64>,
    view: Option<View>,
    records: BTreeMap<Handle, Record>,
}

impl Roster {
    pub(super) fn new(scope: &Scope) -> Self {
        let view = match scope {
            Scope::Everyone => None,
            Scope::Neighbours { view, .. } => Some(view.clone()),
        };
        Self {
            known: Vec::new(),
            view,
            records: BTreeMap::new(),
        }
    }

    /// See [`prefetch()`].
    pub(super) fn prefetch(&self) {
        prefetch(&self.known[..]);
        self.view.iter().for_each(View::prefetch);
        self.records.values().next().map(prefetch);
    }

    /// Whether anything was ever told of this member, and not forgotten since. Never of a member
    /// beyond the view.
    pub(super) fn knows(&self, handle: Handle) -> bool {
        let Some((word, bit)) = self.place(handle) else {
            return false;
        };
        self.known.get(word).is_some_and(|bits| bits & bit != 0)
    }

    /// The record of a member that is not simply alive in incarnation zero.
    pub(super) fn record(&self, handle: Handle) -> Option<&Record> {
        self.records.get(&handle)
    }

    /// Every record, by handle.
    pub(super) fn records(&self) -> impl ExactSizeIterator<Item = (Handle, &Record)> {
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
        let Some((word, bit)) = self.place(handle) else {
            return;
        };
        if self.known.len() <= word {
            self.known.resize(word + 1, 0);
        }
        self.known[word] |= bit;
    }

    /// Notes what is told now.
    pub(super) fn tell(&mut self, handle: Handle, record: Record) {
        self.recall(handle);
        let is_plain = record.told().standing == Standing::Alive
            && record.incarnation == 0
            && record.unrest == Unrest::CALM;
        // foca's list has the lives of those that it keeps.
        let is_first = self.place(handle).is_some() || record.life == Life::first(1);
        if is_plain && is_first {
            self.records.remove(&handle);
        } else {
            self.records.insert(handle, record);
        }
    }

    /// The time of every suspicion is longer by `late`, in which we did not hear anybody.
    pub(super) fn hold_suspicions(&mut self, late: Duration) {
        for record in self.records.values_mut() {
            if let Standing::Suspect(doubt) = &mut record.standing {
                doubt.hold(late);
            }
        }
    }

    /// The clocks begin anew of those whom only `accuser` accuses. Who they are, and in which
    /// incarnation.
    pub(super) fn accuse_anew(
        &mut self,
        accuser: MemberId,
        now: Timestamp,
    ) -> Vec<(Identity, u16, Doubt)> {
        let mut anew = Vec::new();
        for (handle, record) in &mut self.records {
            if let Standing::Suspect(doubt) = &mut record.standing
                && doubt.is_only_by(accuser)
            {
                doubt.begin_anew(now);
                let identity = Identity {
                    handle: *handle,
                    life: record.life,
                };
                anew.push((identity, record.incarnation, doubt.clone()));
            }
        }
        anew
    }

    /// The time of this suspicion is what it is without refusals.
    pub(super) fn slow_down(&mut self, handle: Handle) -> Option<Doubt> {
        let record = self.records.get_mut(&handle)?;
        let Standing::Suspect(doubt) = &mut record.standing else {
            return None;
        };
        doubt.slow_down();
        Some(doubt.clone())
    }

    /// Members that are suspect and were refused, by whomever.
    pub(super) fn refused(&self) -> usize {
        let records = self.records.values();
        let doubts = records.filter_map(|record| record.standing.doubt());
        doubts.filter(|doubt| doubt.refusals() > 0).count()
    }

    /// As if it had never been.
    pub(super) fn forget(&mut self, handle: Handle) {
        if let Some((word, bit)) = self.place(handle)
            && let Some(bits) = self.known.get_mut(word)
        {
            *bits &= !bit;
        }
        self.records.remove(&handle);
    }

    /// Forgets members beyond the view that are alive again for `age`: of whom nobody speaks any
    /// more nobody needs to know what was said last.
    pub(super) fn forget_settled(&mut self, now: Timestamp, age: Duration) {
        let Some(view) = &self.view else { return };
        self.records.retain(|handle, record| {
            let settled = record.standing == Standing::Alive && record.since + age < now;
            !settled || view.position(*handle).is_some()
        });
    }

    /// The word and the bit of a member that is kept.
    fn place(&self, handle: Handle) -> Option<(usize, u64)> {
        let index = match &self.view {
            None => handle as usize,
            Some(view) => view.position(handle)?,
        };
        Some((index / 64, 1 << (index % 64)))
    }
}
