//! `Feed`: the numbered journal of changes and the roster they add up to.

use std::{
    collections::{BTreeMap, VecDeque, vec_deque},
    sync::Arc,
    time::Duration,
};

use bytes::Bytes;

use crate::swim::{Change, Counts, MemberId, MemberView, Timestamp};

use super::{
    Confidence, Digest, Epoch, Filter, Member, Snapshot, Taste, entry::Entry, roster::Roster,
};

/// Changes kept for consumers that resume.
const CHANGES_MAX: usize = 16_384;
/// Bytes of lines kept for consumers that resume.
const BYTES_MAX: usize = 16 * 1024 * 1024;
/// Of the journal, this part is decided together when it cannot wait for what lasts.
const HURRY_DIVISOR: usize = 4;
/// Changes looked at at once, so that a consumer far behind does not hold the feed for long.
const CHUNK_CHANGES: u64 = 256;
/// Bytes of lines handed out at once, but for the last line: all that waits for one consumer.
const CHUNK_BYTES: usize = 16 * 1024;

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
/// Memory is bounded by the roster with a few former stages of each member, 16,384 changes and
/// 16 MiB of lines, however many consumers there are and however slow they read.
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
    /// What lasts is told up to here, known to last or not: the journal cannot wait for it.
    hurried: u64,
}

#[derive(Clone, Copy, Debug)]
struct Limits {
    changes: usize,
    bytes: usize,
}

impl Feed {
    /// A feed whose roster holds only ourselves, `own`.
    pub fn new(epoch: Epoch, now: Timestamp, own: &MemberView) -> Self {
        Self {
            epoch,
            seq: 0,
            roster: Roster::new(now, own),
            journal: VecDeque::new(),
            journal_bytes: 0,
            limits: Limits {
                changes: CHANGES_MAX,
                bytes: BYTES_MAX,
            },
            hurried: 0,
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
        let sender = match change {
            Change::User(event) => self.roster.member(event.from).cloned(),
            _ => None,
        };
        let entry = Entry::new(self.seq, at, change, effect).from(sender);
        self.journal_bytes += entry.len();
        self.journal.push_back(entry);
        self.trim();
        self.seq
    }

    /// Shows a member as one that is back from its restart by `due`, or else failed. It stays as it
    /// is until a change tells of the one or the other, so nothing is numbered.
    pub fn await_restart(&mut self, id: MemberId, due: Timestamp) {
        self.roster.await_restart(id, due);
    }

    /// How many members are waited for so. O(n).
    pub fn restarting(&self) -> usize {
        let awaited = |member: &&Arc<Member>| member.restart_due.is_some();
        self.roster.members().filter(awaited).count()
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
        let taste = Taste {
            filter: filter.clone(),
            ..Taste::default()
        };
        self.snapshot_at(self.seq, &taste)
    }

    /// Everyone as a consumer of this taste has them after change `seq`, which must be no later
    /// than its horizon, and which the journal must reach.
    pub(super) fn snapshot_at(&self, seq: u64, taste: &Taste) -> Snapshot {
        let members = self.view(seq, taste);
        let digest: Digest = members.iter().map(|member| member.digest).sum();
        Snapshot {
            epoch: self.epoch,
            seq,
            members,
            digest: taste.filter.follows_members().then_some(digest),
        }
    }

    /// The digest of that snapshot, mostly without making it.
    pub(super) fn digest_at(&self, seq: u64, taste: &Taste) -> Option<Digest> {
        match taste.confidence {
            _ if !taste.filter.follows_members() => None,
            Confidence::Suspect if taste.filter.admits_everyone() => Some(self.roster.digest()),
            Confidence::Failed if taste.filter.admits_everyone() => {
                Some(self.roster.confirmed_digest())
            }
            _ => self.snapshot_at(seq, taste).digest,
        }
    }

    fn view(&self, seq: u64, taste: &Taste) -> Vec<Arc<Member>> {
        let admitted = |member: &&Arc<Member>| taste.filter.admits_member(member);
        match taste.confidence {
            Confidence::Suspect => self.roster.members().filter(admitted).cloned().collect(),
            Confidence::Failed => self.roster.confirmed().filter(admitted).cloned().collect(),
            Confidence::Stable(seconds) => {
                let members = self.lasting(seq, seconds);
                members.into_values().filter(admitted).cloned().collect()
            }
        }
    }

    /// Everyone as of change `seq`, seen by those who hear only of what lasted for so long: as
    /// they are now, but for those whom a later change was about.
    fn lasting(&self, seq: u64, seconds: u64) -> BTreeMap<MemberId, &Arc<Member>> {
        let mut members: BTreeMap<_, _> = self
            .roster
            .confirmed()
            .map(|member| (member.view.card.id, member))
            .collect();
        // The first change after `seq` knows what was before it, so it has the last word.
        for effect in self.range(seq).rev().filter_map(Entry::confirmed) {
            let id = effect.after.view.card.id;
            match effect.held_by(seconds) {
                Some(member) => members.insert(id, member),
                None => members.remove(&id),
            };
        }
        members
    }

    /// When somebody came, went or was replaced last, suspicions not counted.
    pub(super) const fn moved(&self) -> Timestamp {
        self.roster.moved()
    }

    /// The number of the newest change that such a consumer may hear of by `now`. One that waits
    /// for what lasts is behind.
    pub(super) fn horizon(&self, confidence: Confidence, now: Timestamp) -> u64 {
        self.ripe(confidence, now).max(self.hurried)
    }

    /// The same, as long as the journal can wait.
    fn ripe(&self, confidence: Confidence, now: Timestamp) -> u64 {
        match confidence {
            Confidence::Suspect | Confidence::Failed => self.seq,
            Confidence::Stable(seconds) => {
                let wait = Duration::from_secs(seconds);
                let ripe = self.journal.partition_point(|entry| entry.at + wait <= now);
                self.seq - (self.journal.len() - ripe) as u64
            }
        }
    }

    /// When such a consumer may hear of the change after `seq`, if that one is there.
    pub(super) fn due(&self, seq: u64, confidence: Confidence) -> Option<Timestamp> {
        let wait = match confidence {
            Confidence::Suspect | Confidence::Failed => Duration::ZERO,
            Confidence::Stable(seconds) => Duration::from_secs(seconds),
        };
        Some(self.range(seq).next()?.at + wait)
    }

    /// Whether such a consumer, who was told everything up to `seq`, can be told what follows,
    /// each change in its time.
    pub(super) fn reaches(&self, seq: u64, confidence: Confidence, now: Timestamp) -> bool {
        let is_kept = seq <= self.seq && self.seq - seq <= self.journal.len() as u64;
        is_kept && (seq >= self.hurried || self.ripe(confidence, now) >= self.hurried)
    }

    /// The changes after `seq` up to `to`, as many as make one chunk, those that a consumer of
    /// this taste hears, and the number of the last one looked at. The journal must reach.
    pub(super) fn after(&self, seq: u64, to: u64, taste: &Taste) -> (Vec<Line>, u64) {
        let (mut lines, mut bytes, mut seen) = (Vec::new(), 0, seq);
        for (number, entry) in (seq + 1..=to.min(seq + CHUNK_CHANGES)).zip(self.range(seq)) {
            if bytes >= CHUNK_BYTES {
                break;
            }
            seen = number;
            if let Some(json) = entry.heard(taste) {
                bytes += json.len();
                lines.push(Line { seq: number, json });
            }
        }
        (lines, seen)
    }

    /// The changes after `seq`, which the journal must reach.
    fn range(&self, seq: u64) -> vec_deque::Iter<'_, Entry> {
        let behind = usize::try_from(self.seq - seq).expect("no more than the journal holds");
        self.journal.range(self.journal.len() - behind..)
    }

    fn trim(&mut self) {
        while self.journal.len() > self.limits.changes || self.journal_bytes > self.limits.bytes {
            let Some(oldest) = self.journal.pop_front() else {
                return;
            };
            self.journal_bytes -= oldest.len();
            oldest.decide();
        }
        let forgotten = self.seq - self.journal.len() as u64;
        if forgotten > self.hurried {
            self.hurry(forgotten);
        }
    }

    /// Those who wait for what lasts and had not come by what was forgotten begin anew. Not right
    /// behind it, or each further change would make them do so again.
    fn hurry(&mut self, forgotten: u64) {
        let ahead = self.journal.len() / HURRY_DIVISOR;
        self.journal.range(..ahead).for_each(Entry::decide);
        self.hurried = forgotten + ahead as u64;
    }
}
