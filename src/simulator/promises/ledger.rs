//! `Ledger`: what a consumer of one node would hold, had it only the node's changes.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::SocketAddr,
    time::Duration,
};

use super::{
    Breach, Promise,
    changes::{OF_CHANGES, Transition},
};
use crate::swim::{AppStatus, Change, MemberId, MemberState, MemberView, Tags};

/// Longer than a run lasts in which anybody comes back that everybody has forgotten.
const FORGETS_SOON: Duration = Duration::from_secs(3600);

/// How new it is what is shown of a member: by generation first, then by incarnation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Version {
    pub(super) generation: u32,
    pub(super) incarnation: u32,
}

impl Version {
    pub(super) fn of(view: &MemberView) -> Self {
        Self {
            generation: view.card.generation,
            incarnation: view.incarnation,
        }
    }
}

/// The part of a member view that changes must account for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Account {
    pub(super) state: MemberState,
    pub(super) version: Version,
    address: SocketAddr,
    suspected_by: Option<MemberId>,
    reason: Option<String>,
    app: Option<AppStatus>,
    tags: Tags,
}

impl Account {
    fn of(view: &MemberView) -> Self {
        Self {
            state: view.state,
            version: Version::of(view),
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
pub(in crate::simulator) struct Ledger {
    members: BTreeMap<MemberId, Account>,
    /// The newest that was shown of each member, forgotten ones included.
    newest: BTreeMap<MemberId, Version>,
    /// Whoever was forgotten may begin anew with the first generation.
    forgets_soon: bool,
}

impl Ledger {
    /// The list as it is before anything was told.
    pub(in crate::simulator) fn new(
        members: impl Iterator<Item = MemberView>,
        forget_after: Duration,
    ) -> Self {
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
    pub(in crate::simulator) fn book(&mut self, change: &Change) -> Result<(), Breach> {
        let Some(member) = change.member() else {
            return Ok(());
        };
        let transition = Transition {
            change,
            member,
            before: self.members.get(&member.card.id),
            newest: self.newest.get(&member.card.id).copied(),
            forgets_soon: self.forgets_soon,
        };
        for (promise, check) in OF_CHANGES {
            check(&transition).map_err(|seen| Breach { promise, seen })?;
        }
        if matches!(change, Change::Removed(_)) {
            self.members.remove(&member.card.id);
        } else {
            self.put(member);
        }
        Ok(())
    }

    /// Compares the books with the node's own list.
    pub(in crate::simulator) fn audit(
        &self,
        members: impl Iterator<Item = MemberView>,
    ) -> Result<(), Breach> {
        let mut listed = BTreeSet::new();
        for view in members {
            let held = self.members.get(&view.card.id);
            if held != Some(&Account::of(&view)) {
                let name = &view.card.name;
                let seen = format!("changes give {held:?} for {name}, the list has {view:?}");
                return Err(Self::no_replay(seen));
            }
            listed.insert(view.card.id);
        }
        let mut held = self.members.iter();
        match held.find(|(id, _)| !listed.contains(*id)) {
            Some((id, held)) => {
                let seen = format!("changes give {held:?} for {id}, the list has nobody");
                Err(Self::no_replay(seen))
            }
            None => Ok(()),
        }
    }

    const fn no_replay(seen: String) -> Breach {
        let promise = Promise::ChangesReplay;
        Breach { promise, seen }
    }

    fn put(&mut self, view: &MemberView) {
        let account = Account::of(view);
        let newest = self.newest.entry(view.card.id).or_insert(account.version);
        *newest = (*newest).max(account.version);
        self.members.insert(view.card.id, account);
    }
}
