//! `Feed`: the numbered journal of changes and the roster they add up to.

use std::{collections::VecDeque, fmt, str::FromStr, sync::Arc};

use bytes::Bytes;

use crate::swim::{Change, Counts, MemberId, MemberView, Timestamp};

use super::{
    Filter, Member, Snapshot, record,
    roster::{Effect, Roster},
};

/// Changes kept for consumers that resume.
const CHANGES_MAX: usize = 16_384;
/// Bytes of lines kept for consumers that resume.
const BYTES_MAX: usize = 16 * 1024 * 1024;

/// One run of an agent. Numbers of different epochs have nothing to do with each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Epoch(pub u64);

impl fmt::Display for Epoch {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{:016x}", self.0)
    }
}

/// Where a consumer was: everything of `epoch` up to `seq` is known to it. Written `EPOCH:SEQ`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Position {
    /// The run of the agent.
    pub epoch: Epoch,
    /// The last number it knows.
    pub seq: u64,
}

/// The text is not a position.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not EPOCH:SEQ as a stream gave it, like 5f0c2a9be1d47c33:42")]
pub struct InvalidPosition(String);

impl fmt::Display for Position {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}:{}", self.epoch, self.seq)
    }
}

impl FromStr for Position {
    type Err = InvalidPosition;

    fn from_str(text: &str) -> Result<Self, InvalidPosition> {
        let parse = || {
            let (epoch, seq) = text.split_once(':')?;
            let epoch = Epoch(u64::from_str_radix(epoch, 16).ok()?);
            let seq = seq.parse().ok()?;
            Some(Self { epoch, seq })
        };
        parse().ok_or_else(|| InvalidPosition(text.into()))
    }
}

/// One change as consumers get it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// Its number.
    pub seq: u64,
    /// One JSON object and a newline.
    pub json: Bytes,
}

/// Everything that this agent ever told, as far as memory reaches.
///
/// Memory is bounded by the roster, 16,384 changes and 16 MiB of lines, however many consumers
/// there are and however slow they read.
#[derive(Debug)]
pub struct Feed {
    epoch: Epoch,
    /// The number of the newest change; zero before the first.
    seq: u64,
    roster: Roster,
    /// The newest changes; the last one has number `seq`.
    journal: VecDeque<Entry>,
    journal_bytes: usize,
    limits: Limits,
}

#[derive(Debug)]
struct Entry {
    json: Bytes,
    kind: &'static str,
    effect: Option<Effect>,
}

#[derive(Clone, Copy, Debug)]
struct Limits {
    changes: usize,
    bytes: usize,
}

impl Feed {
    /// A feed whose roster holds only ourselves, `own`.
    pub fn new(epoch: Epoch, now: Timestamp, own: &MemberView) -> Self {
        let mut roster = Roster::default();
        roster.put(now, own);
        Self {
            epoch,
            seq: 0,
            roster,
            journal: VecDeque::new(),
            journal_bytes: 0,
            limits: Limits {
                changes: CHANGES_MAX,
                bytes: BYTES_MAX,
            },
        }
    }

    /// The same feed with a journal of at most `changes` lines and `bytes` bytes, for those who
    /// want to see gaps soon.
    #[must_use]
    pub const fn with_journal_limits(mut self, changes: usize, bytes: usize) -> Self {
        self.limits = Limits { changes, bytes };
        self
    }

    /// Numbers `change`, keeps its line and takes it into the roster. Gives its number.
    pub fn publish(&mut self, at: Timestamp, change: &Change) -> u64 {
        self.seq += 1;
        let effect = self.roster.apply(at, change);
        let after = effect.as_ref().map(|effect| &*effect.after);
        let json = record::change(self.seq, at, change, after);
        self.journal_bytes += json.len();
        self.journal.push_back(Entry {
            json,
            kind: change.kind(),
            effect: effect.map(Effect::without_equal_before),
        });
        self.trim();
        self.seq
    }

    /// This run of the agent.
    pub const fn epoch(&self) -> Epoch {
        self.epoch
    }

    /// The number of the newest change; zero before the first.
    pub const fn seq(&self) -> u64 {
        self.seq
    }

    /// Members by state, ourselves included.
    pub const fn counts(&self) -> Counts {
        self.roster.counts()
    }

    /// Whether we lost every other member.
    pub const fn isolated(&self) -> bool {
        self.roster.isolated()
    }

    /// Whether we were stopped or hear too few answers, and did not recover since.
    pub const fn degraded(&self) -> bool {
        self.roster.degraded()
    }

    /// One member.
    pub fn member(&self, id: MemberId) -> Option<Arc<Member>> {
        self.roster.member(id).cloned()
    }

    /// Everyone that `filter` lets through, as of now. Costs one pointer a member; turning it
    /// into JSON is the snapshot's work and needs no feed.
    pub fn snapshot(&self, filter: &Filter) -> Snapshot {
        let admitted = |member: &&Arc<Member>| filter.admits_member(member);
        Snapshot {
            epoch: self.epoch,
            seq: self.seq,
            members: self.roster.members().filter(admitted).cloned().collect(),
        }
    }

    /// Whether every change after `seq` is still in the journal.
    pub(super) fn reaches(&self, seq: u64) -> bool {
        seq <= self.seq && self.seq - seq <= self.journal.len() as u64
    }

    /// At most `limit` changes after `seq`, those that `filter` lets through, and the number of
    /// the last one looked at. The journal must reach.
    pub(super) fn after(&self, seq: u64, limit: usize, filter: &Filter) -> (Vec<Line>, u64) {
        let behind = usize::try_from(self.seq - seq).expect("no more than the journal holds");
        let numbered = (seq + 1..).zip(self.journal.range(self.journal.len() - behind..));
        let lines = numbered
            .take(limit)
            .filter(|(_, entry)| filter.admits_change(entry.kind, entry.effect.as_ref()))
            .map(|(seq, entry)| Line {
                seq,
                json: entry.json.clone(),
            })
            .collect();
        (lines, seq + behind.min(limit) as u64)
    }

    fn trim(&mut self) {
        while self.journal.len() > self.limits.changes || self.journal_bytes > self.limits.bytes {
            let Some(oldest) = self.journal.pop_front() else {
                return;
            };
            self.journal_bytes -= oldest.json.len();
        }
    }
}

impl Effect {
    /// Forgets the former member unless a filter could tell it from the new one, so that the
    /// journal does not keep two records for each line.
    fn without_equal_before(mut self) -> Self {
        self.before
            .take_if(|before| before.view.card.tags == self.after.view.card.tags);
        self
    }
}
