//! `Roster`: who there is, as the changes published so far say.

use std::{collections::BTreeMap, sync::Arc};

use serde::{Serialize, Serializer, ser::SerializeStruct};

use crate::swim::{AppStatus, Change, Counts, MemberId, MemberState, MemberView, Timestamp};

use super::record::{Text, accuser};

/// A member as consumers see it: the node's view, and since when it is in its state.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member {
    /// What the node holds of it.
    pub view: MemberView,
    /// When this agent saw its state or its generation change last.
    pub since: Timestamp,
}

impl Serialize for Member {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let (view, card) = (&self.view, &self.view.card);
        let (reason, suspicion) = (view.reason.as_ref(), view.suspicion.as_ref());
        let (app, app_reason) = (
            view.app.as_ref(),
            view.app.as_ref().and_then(AppStatus::reason),
        );
        let optional = [reason.is_some(), app.is_some(), app_reason.is_some()];
        let optional = optional.into_iter().filter(|given| *given).count();
        let count = 8 + optional + 3 * usize::from(suspicion.is_some());
        let mut fields = serializer.serialize_struct("Member", count)?;
        fields.serialize_field("name", &card.name)?;
        fields.serialize_field("id", &Text(card.id))?;
        fields.serialize_field("address", &Text(card.address))?;
        fields.serialize_field("state", &view.state)?;
        fields.serialize_field("generation", &card.generation)?;
        fields.serialize_field("incarnation", &view.incarnation)?;
        fields.serialize_field("tags", &card.tags)?;
        fields.serialize_field("since", &self.since.to_rfc3339())?;
        if let Some(reason) = reason {
            fields.serialize_field("reason", reason)?;
        }
        if let Some(app) = app {
            fields.serialize_field("app", app.as_str())?;
        }
        if let Some(app_reason) = app_reason {
            fields.serialize_field("app_reason", app_reason)?;
        }
        if let Some(suspicion) = suspicion {
            fields.serialize_field("by", &accuser(suspicion))?;
            fields.serialize_field("evidence", &suspicion.evidence)?;
            fields.serialize_field("deadline", &suspicion.deadline.to_rfc3339())?;
        }
        fields.end()
    }
}

/// Members by id, and how many are in each state.
#[derive(Debug, Default)]
pub(super) struct Roster {
    members: BTreeMap<MemberId, Arc<Member>>,
    counts: Counts,
    isolated: bool,
    degraded: bool,
}

/// What a change did to the member it is about.
#[derive(Debug)]
pub(super) struct Effect {
    pub(super) before: Option<Arc<Member>>,
    pub(super) after: Arc<Member>,
}

impl Roster {
    /// Takes `change` in; gives what it did, if it is about a member.
    pub(super) fn apply(&mut self, at: Timestamp, change: &Change) -> Option<Effect> {
        match change {
            Change::Degraded => self.degraded = true,
            Change::Isolated => self.isolated = true,
            Change::Recovered => self.degraded = false,
            Change::Healed { .. } => self.isolated = false,
            Change::Removed(view) => return Some(self.forget(at, view)),
            _ => return Some(self.put(at, change.member()?)),
        }
        None
    }

    /// Keeps `view`, whatever was held of the member before.
    pub(super) fn put(&mut self, at: Timestamp, view: &MemberView) -> Effect {
        let before = self.members.get(&view.card.id).cloned();
        let after = Arc::new(Member {
            view: view.clone(),
            since: since(at, view, before.as_deref()),
        });
        self.members.insert(view.card.id, after.clone());
        if let Some(before) = &before {
            *self.count(before.view.state) -= 1;
        }
        *self.count(view.state) += 1;
        Effect { before, after }
    }

    fn forget(&mut self, at: Timestamp, view: &MemberView) -> Effect {
        let before = self.members.remove(&view.card.id);
        if let Some(before) = &before {
            *self.count(before.view.state) -= 1;
        }
        let after = Arc::new(Member {
            view: view.clone(),
            since: since(at, view, before.as_deref()),
        });
        Effect { before, after }
    }

    pub(super) fn member(&self, id: MemberId) -> Option<&Arc<Member>> {
        self.members.get(&id)
    }

    pub(super) fn members(&self) -> impl Iterator<Item = &Arc<Member>> {
        self.members.values()
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

/// A state lasts as long as neither it nor the generation changes.
fn since(at: Timestamp, view: &MemberView, before: Option<&Member>) -> Timestamp {
    match before {
        Some(before)
            if before.view.state == view.state
                && before.view.card.generation == view.card.generation =>
        {
            before.since
        }
        _ => view.down_since.map_or(at, |since| since.min(at)),
    }
}
