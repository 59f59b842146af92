//! Looking at a world from outside: who is there, and what they hold and told.

use std::{collections::BTreeMap, net::SocketAddr};

use super::{End, Machine, Slot, Spec, Told, World};
use crate::{
    simulator::{Measures, Violation},
    swim::{MemberId, MemberView, Node, Notice, Status, Timestamp},
};

impl World {
    /// Every machine, whether a process runs there or not.
    pub fn slots(&self) -> impl Iterator<Item = Slot> + use<> {
        (0..self.machines.len()).map(Slot::at)
    }

    /// Machines with a process that runs, is not paused and is not about to leave.
    pub fn living(&self) -> impl Iterator<Item = Slot> + '_ {
        self.slots().filter(|slot| self.lives(*slot))
    }

    /// Where the machine's process is, or would be, reached.
    pub fn address(&self, slot: Slot) -> SocketAddr {
        self.machine(slot).place.address()
    }

    /// What the process there holds of every member, ordered by name; empty when none runs.
    pub fn view(&self, slot: Slot) -> Vec<MemberView> {
        let mut view: Vec<_> = self
            .node(slot)
            .map(|node| node.members().collect())
            .unwrap_or_default();
        view.sort_by(|a: &MemberView, b| a.card.name.cmp(&b.card.name));
        view
    }

    /// What the process in `slot` holds of the member that runs, or ran, in `of`.
    pub fn held(&self, slot: Slot, of: Slot) -> Option<MemberView> {
        self.node(slot)?.member(&self.machine(of).spec.name)
    }

    /// Where the process there stands; `None` when none runs.
    pub fn status(&self, slot: Slot) -> Option<Status> {
        Some(self.node(slot)?.status())
    }

    /// The node of the process there, to look at.
    pub fn node(&self, slot: Slot) -> Option<&Node> {
        Some(&self.machine(slot).process.as_ref()?.node)
    }

    /// Everything the processes there told, oldest first.
    pub fn told(&self, slot: Slot) -> &[Told] {
        &self.machine(slot).told
    }

    /// Kinds of changes that the processes in `slot` told about the member of `about`, in order.
    pub fn story_of(&self, slot: Slot, about: Slot) -> Vec<&'static str> {
        let name = &self.machine(about).spec.name;
        self.told(slot)
            .iter()
            .filter(|told| told.change.member().is_some_and(|m| m.card.name == *name))
            .map(|told| told.change.kind())
            .collect()
    }

    /// Follows changes of this [`Change::kind`](crate::swim::Change::kind) about the member of
    /// `about` from now on.
    pub fn follow(&mut self, about: Slot, kind: &'static str) {
        self.rumours.follow(self.id(about), kind);
    }

    /// Which machines told the change since it is followed, and when each did first; `None` when
    /// it is not followed.
    pub fn followed(&self, about: Slot, kind: &'static str) -> Option<&BTreeMap<Slot, Timestamp>> {
        self.rumours.followed(self.id(about), kind)
    }

    /// How the last process there ended, if none runs.
    pub fn ended(&self, slot: Slot) -> Option<&End> {
        let machine = self.machine(slot);
        match machine.process {
            Some(_) => None,
            None => machine.ended.as_ref().map(|(_, end)| end),
        }
    }

    /// Join addresses that were answered to the processes there.
    pub fn joined(&self, slot: Slot) -> u32 {
        self.machine(slot).joined
    }

    /// What the processes there had to say to their operator, oldest first.
    pub fn notices(&self, slot: Slot) -> &[Notice] {
        &self.machine(slot).notices
    }

    /// Promises broken so far. A world stands still after the first.
    pub fn violations(&self) -> &[Violation] {
        &self.violations
    }

    /// Machines where something ran once and nothing does.
    pub(in crate::simulator) fn dead(&self) -> impl Iterator<Item = Slot> + '_ {
        let is_dead = |machine: &Machine| machine.process.is_none() && machine.ended.is_some();
        self.slots()
            .filter(move |slot| is_dead(self.machine(*slot)))
    }

    /// A node's name, with the slot where names are not enough.
    pub(in crate::simulator) fn label(&self, slot: Slot) -> String {
        let name = &self.machine(slot).spec.name;
        format!("{name}#{}", slot.0)
    }

    pub(in crate::simulator) fn is_leaving(&self, slot: Slot) -> bool {
        let process = self.machine(slot).process.as_ref();
        process.is_some_and(|process| process.leaving.is_some())
    }

    /// What its operator set on the machine.
    pub(in crate::simulator) fn spec(&self, slot: Slot) -> &Spec {
        &self.machine(slot).spec
    }

    /// Whether a process ever started there.
    pub(in crate::simulator) fn has_started(&self, slot: Slot) -> bool {
        self.machine(slot).stored_generation > 0
    }

    /// The machines of the member `id`: several where a name was given twice.
    pub(in crate::simulator) fn machines_of(&self, id: MemberId) -> &[Slot] {
        self.by_id.get(&id).map_or(&[], Vec::as_slice)
    }

    /// Whether a member has the same place in the directory of every process.
    pub(in crate::simulator) const fn shares_directory(&self) -> bool {
        self.directory.is_some()
    }

    /// What was counted so far.
    pub(in crate::simulator) const fn measures(&self) -> &Measures {
        &self.measures
    }

    fn lives(&self, slot: Slot) -> bool {
        let process = self.machine(slot).process.as_ref();
        process.is_some_and(|process| !process.paused && process.leaving.is_none())
    }

    pub(super) fn machine(&self, slot: Slot) -> &Machine {
        &self.machines[slot.index()]
    }
}
