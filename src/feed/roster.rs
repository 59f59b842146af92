//! `Roster`: who there is, as the changes published so far say, with suspicions and without.

use std::{collections::BTreeMap, sync::Arc};

use crate::swim::{Change, Counts, MemberId, MemberState, MemberView, Timestamp};

use super::{Digest, Member, stage::Stage};

/// Members by id, and how many are in each state.
#[derive(Debug)]
pub(super) struct Roster {
    members: BTreeMap<MemberId, Held>,
    counts: Counts,
    isolated: bool,
    degraded: bool,
    /// Of everyone, as all changes and as the confirmed ones say.
    digests: (Digest, Digest),
    /// When somebody came, went or was replaced last, suspicions not counted.
    moved: Timestamp,
}

/// What is held of a member.
#[derive(Clone, Debug)]
struct Held {
    /// As all changes say.
    now: Arc<Member>,
    /// As those see it who do not hear of suspicions.
    confirmed: Arc<Member>,
    stage: Arc<Stage>,
}

/// What a change did to the member it is about.
#[derive(Debug)]
pub(super) struct Effect {
    pub(super) before: Option<Arc<Member>>,
    pub(super) after: Arc<Member>,
    /// The same for those who do not hear of suspicions, unless it is nothing.
    pub(super) confirmed: Option<Confirmed>,
}

/// What a change did to a member, suspicions not counted.
#[derive(Debug)]
pub(super) struct Confirmed {
    pub(super) before: Option<Arc<Member>>,
    pub(super) after: Arc<Member>,
    /// The one that it belongs to or, if it ended one, that follows.
    pub(super) stage: Arc<Stage>,
    pub(super) place: InStage,
}

/// Where in a stage a change is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum InStage {
    Begin,
    Within,
    /// The member is forgotten: there is no stage after it.
    Beyond,
}

impl Confirmed {
    /// The member before the change as those hold it who hear only of what lasted for so many
    /// seconds.
    pub(super) fn held_by(&self, seconds: u64) -> Option<&Arc<Member>> {
        match self.place {
            InStage::Within if self.stage.lasts(seconds) => self.before.as_ref(),
            _ => self.stage.before(seconds),
        }
    }
}

impl Roster {
    /// A roster that holds only ourselves, `own`, who have always been here.
    pub(super) fn new(at: Timestamp, own: &MemberView) -> Self {
        let mut roster = Self {
            members: BTreeMap::new(),
            counts: Counts::default(),
            isolated: false,
            degraded: false,
            digests: Default::default(),
            moved: at,
        };
        let own = Arc::new(Member::new(at, own.clone(), None));
        roster.keep(Held {
            now: own.clone(),
            confirmed: own,
            stage: Arc::new(Stage::first(Timestamp::ZERO)),
        });
        roster
    }

    /// Takes `change` in; gives what it did, if it is about a member.
    pub(super) fn apply(&mut self, at: Timestamp, change: &Change) -> Option<Effect> {
        match change {
            Change::Degraded => self.degraded = true,
            Change::Isolated => self.isolated = true,
            Change::Recovered => self.degraded = false,
            Change::Healed { .. } => self.isolated = false,
            Change::Removed(view) => return Some(self.forget(at, view)),
            Change::Refuted(view) | Change::Suspect(view) => return Some(self.doubt(at, view)),
            _ => return Some(self.put(at, change.member()?)),
        }
        None
    }

    /// Notes until when a member is waited for that announced a restart.
    pub(super) fn await_restart(&mut self, id: MemberId, due: Timestamp) {
        // One that consumers were not told is back is not about to go.
        let is_there = |held: &&mut Held| held.now.view.state.is_active();
        if let Some(held) = self.members.get_mut(&id).filter(is_there) {
            held.now = Arc::new(held.now.restarting(due));
            held.confirmed = Arc::new(held.confirmed.restarting(due));
        }
    }

    /// Keeps `view`, whatever was held of the member before.
    fn put(&mut self, at: Timestamp, view: &MemberView) -> Effect {
        let held = self.drop(view.card.id);
        let before = held.as_ref().map(|held| held.now.clone());
        let after = Arc::new(Member::new(at, view.clone(), before.as_deref()));
        let confirmed = confirm(at, &after, held.as_ref());
        if confirmed.place == InStage::Begin {
            self.moved = at;
        }
        self.keep(Held {
            now: after.clone(),
            confirmed: confirmed.after.clone(),
            stage: confirmed.stage.clone(),
        });
        let confirmed = Some(confirmed);
        Effect {
            before,
            after,
            confirmed,
        }
    }

    /// A suspicion came or went: all that many consumers hear of it is what else is new.
    fn doubt(&mut self, at: Timestamp, view: &MemberView) -> Effect {
        let plain = unsuspected(view);
        match self.members.get(&view.card.id).cloned() {
            Some(held) if held.confirmed.is_untouched_by(&plain) => {
                self.drop(view.card.id);
                let before = Some(held.now);
                let now = Arc::new(Member::new(at, view.clone(), before.as_deref()));
                let after = now.clone();
                self.keep(Held { now, ..held });
                Effect {
                    before,
                    after,
                    confirmed: None,
                }
            }
            _ => self.put(at, view),
        }
    }

    fn forget(&mut self, at: Timestamp, view: &MemberView) -> Effect {
        let held = self.drop(view.card.id);
        let before = held.as_ref().map(|held| held.now.clone());
        let after = Arc::new(Member::new(at, view.clone(), before.as_deref()));
        self.moved = at;
        let confirmed = held.map(|held| Confirmed {
            stage: Arc::new(held.stage.next(at, &held.confirmed)),
            after: confirmed(at, &after, Some(&held.confirmed)),
            before: Some(held.confirmed),
            place: InStage::Beyond,
        });
        Effect {
            before,
            after,
            confirmed,
        }
    }

    fn keep(&mut self, held: Held) {
        *self.count(held.now.view.state) += 1;
        self.digests.0 += held.now.digest;
        self.digests.1 += held.confirmed.digest;
        self.members.insert(held.now.view.card.id, held);
    }

    fn drop(&mut self, id: MemberId) -> Option<Held> {
        let held = self.members.remove(&id)?;
        *self.count(held.now.view.state) -= 1;
        self.digests.0 -= held.now.digest;
        self.digests.1 -= held.confirmed.digest;
        Some(held)
    }

    pub(super) fn member(&self, id: MemberId) -> Option<&Arc<Member>> {
        self.members.get(&id).map(|held| &held.now)
    }

    pub(super) fn members(&self) -> impl Iterator<Item = &Arc<Member>> {
        self.members.values().map(|held| &held.now)
    }

    /// As those see them who do not hear of suspicions.
    pub(super) fn confirmed(&self) -> impl Iterator<Item = &Arc<Member>> {
        self.members.values().map(|held| &held.confirmed)
    }

    /// Of all [`Roster::members`].
    pub(super) const fn digest(&self) -> Digest {
        self.digests.0
    }

    /// Of all [`Roster::confirmed`].
    pub(super) const fn confirmed_digest(&self) -> Digest {
        self.digests.1
    }

    /// When somebody came, went or was replaced last, suspicions not counted.
    pub(super) const fn moved(&self) -> Timestamp {
        self.moved
    }

    pub(super) const fn counts(&self) -> Counts {
        self.counts
    }

    pub(super) const fn isolated(&self) -> bool {
        self.isolated
    }

    pub(super) const fn degraded(&self) -> bool {
        self.degraded
    }

    const fn count(&mut self, state: MemberState) -> &mut usize {
        match state {
            MemberState::Alive => &mut self.counts.alive,
            MemberState::Failed => &mut self.counts.failed,
            MemberState::Left => &mut self.counts.left,
            MemberState::Suspect => &mut self.counts.suspect,
        }
    }
}

/// What those hear of `after` who do not hear of suspicions.
fn confirm(at: Timestamp, after: &Arc<Member>, held: Option<&Held>) -> Confirmed {
    let before = held.map(|held| held.confirmed.clone());
    let after = confirmed(at, after, before.as_ref());
    let (stage, place) = match held {
        None => (Arc::new(Stage::first(at)), InStage::Begin),
        Some(held) if is_one_stage(&held.confirmed, &after) => {
            (held.stage.clone(), InStage::Within)
        }
        Some(held) => {
            let next = held.stage.next(at, &held.confirmed);
            (Arc::new(next), InStage::Begin)
        }
    };
    Confirmed {
        before,
        after,
        stage,
        place,
    }
}

/// The member without suspicions; mostly that is the very same.
fn confirmed(at: Timestamp, now: &Arc<Member>, before: Option<&Arc<Member>>) -> Arc<Member> {
    let plain = Member::new(at, unsuspected(&now.view), before.map(|before| &**before));
    match plain == **now {
        true => now.clone(),
        false => Arc::new(plain),
    }
}

fn unsuspected(view: &MemberView) -> MemberView {
    let state = match view.state {
        MemberState::Suspect => MemberState::Alive,
        state => state,
    };
    MemberView {
        state,
        suspicion: None,
        ..view.clone()
    }
}

fn is_one_stage(one: &Member, other: &Member) -> bool {
    (one.view.state, one.view.card.generation) == (other.view.state, other.view.card.generation)
}

/// The change by which a member comes from `before` to `after`, as one hears of it to whom what
/// was between was not told.
pub(super) fn between(before: Option<&MemberView>, after: &MemberView) -> Change {
    let member = after.clone();
    let previous = before.map(|before| before.state);
    match (before, after.state) {
        (_, MemberState::Failed) if previous != Some(MemberState::Failed) => Change::Failed(member),
        (_, MemberState::Left) if previous != Some(MemberState::Left) => Change::Left(member),
        (None, _) => Change::Join {
            member,
            previous: None,
        },
        (Some(before), MemberState::Alive) if before.state != MemberState::Alive => {
            Change::Join { member, previous }
        }
        (Some(before), MemberState::Alive) if before.card.generation != after.card.generation => {
            Change::Restart {
                member,
                previous_generation: before.card.generation,
            }
        }
        _ => Change::Update(member),
    }
}
