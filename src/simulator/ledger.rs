//! `Ledger`: what a consumer of one node would hold, had it only the node's changes.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::SocketAddr,
    time::Duration,
};

use super::promises::{OF_CHANGES, Promise, Telling};
use crate::swim::{AppStatus, Change, MemberId, MemberState, MemberView, Tags};

/// Longer than a run lasts in which anybody comes back that everybody has forgotten.
const FORGETS_SOON: Duration = Duration::from_secs(3600);

/// The part of a member view that changes must account for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Held {
    pub(super) state: MemberState,
    pub(super) generation: u32,
    pub(super) incarnation: u32,
    pub(super) address: SocketAddr,
    pub(super) suspected_by: Option<MemberId>,
    pub(super) reason: Option<String>,
    pub(super) app: Option<AppStatus>,
    pub(super) tags: Tags,
}

impl Held {
    fn of(view: &MemberView) -> Self {
        Self {
            state: view.state,
            generation: view.card.generation,
            incarnation: view.incarnation,
            address: view.card.address,
            suspected_by: view.suspicion.as_ref().map(|suspicion| suspicion.by),
            reason: view.reason.clone(),
            app: view.app.clone(),
            tags: view.card.tags.clone(),
        }
    }
}

/// One process's member list, rebuilt from its first list and its changes.
#[derive(Debug, Default)]
pub(super) struct Ledger {
    members: BTreeMap<MemberId, Held>,
    /// The greatest generation and incarnation shown of each member, forgotten ones included.
    highest: BTreeMap<MemberId, (u32, u32)>,
    /// Whoever was forgotten may begin anew with the first generation.
    forgets_soon: bool,
}

impl Ledger {
    /// The list as it is before anything was told.
    pub(super) fn new(members: impl Iterator<Item = MemberView>, forget_after: Duration) -> Self {
        let mut ledger = Self {
            forgets_soon: forget_after < FORGETS_SOON,
            ..Self::default()
        };
        for view in members {
            ledger.put(&view);
        }
        ledger
    }

    /// Books one change, after every promise about changes was held against it.
    pub(super) fn book(&mut self, change: &Change) -> Result<(), (Promise, String)> {
        let Some(member) = change.member() else {
            return Ok(());
        };
        let telling = Telling {
            change,
            member,
            before: self.members.get(&member.card.id),
            highest: self.highest.get(&member.card.id).copied(),
            forgets_soon: self.forgets_soon,
        };
        for (promise, check) in OF_CHANGES {
            check(&telling).map_err(|seen| (promise, seen))?;
        }
        if matches!(change, Change::Removed(_)) {
            self.members.remove(&member.card.id);
        } else {
            self.put(member);
        }
        Ok(())
    }

    /// Compares the books with the node's own list.
    pub(super) fn audit(
        &self,
        members: impl Iterator<Item = MemberView>,
    ) -> Result<(), (Promise, String)> {
        let mut listed = BTreeSet::new();
        for view in members {
            let held = self.members.get(&view.card.id);
            if held != Some(&Held::of(&view)) {
                let name = &view.card.name;
                let seen = format!("changes give {held:?} for {name}, the list has {view:?}");
                return Err((Promise::ChangesReplay, seen));
            }
            listed.insert(view.card.id);
        }
        let mut held = self.members.iter();
        match held.find(|(id, _)| !listed.contains(*id)) {
            Some((id, held)) => {
                let seen = format!("changes give {held:?} for {id}, the list has nobody");
                Err((Promise::ChangesReplay, seen))
            }
            None => Ok(()),
        }
    }

    fn put(&mut self, view: &MemberView) {
        let held = Held::of(view);
        let shown = (held.generation, held.incarnation);
        let highest = self.highest.entry(view.card.id).or_insert(shown);
        *highest = (*highest).max(shown);
        self.members.insert(view.card.id, held);
    }
}
