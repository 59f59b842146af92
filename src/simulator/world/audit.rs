//! Holding a running world to its promises.

use std::time::Duration;

use super::{End, Machine, Slot, Told, What, World};
use crate::{
    simulator::{Promise, Violation, promises},
    swim::{Change, MemberId, MemberView, Node, StopReason},
};

/// Promises are audited against whole member lists this often.
pub(super) const AUDIT_EVERY: Duration = Duration::from_secs(1);
/// In a world of many the lists of a sample are compared with their changes only so often.
const SAMPLED_EVERY_AUDITS: u64 = 5;
/// Seeds are looked up again this often, as an agent resolves host names again.
const RESOLVE_EVERY_AUDITS: u64 = 30;
/// A process that was undisturbed for so long is healthy beyond doubt.
const HEALTHY_AFTER: Duration = Duration::from_secs(60);
/// A rival that was there so recently may still be a reason to stop.
const RIVAL_WITHIN: Duration = Duration::from_secs(5);

impl World {
    /// Books a change, held against every promise about changes.
    pub(super) fn book(&mut self, slot: Slot, change: Change) {
        self.measures.changes += 1;
        self.tell_change(slot, &change);
        self.measure(slot, &change);
        self.rumours.note(self.now(), slot, &change);
        if let Change::User(event) = &change {
            self.notice_event(slot, event);
        }
        let listed = |member: &MemberView| self.lists(slot, member.card.id);
        if !self.watch.sees(slot) || !change.member().is_none_or(listed) {
            return;
        }
        if let Err(breach) = self.ledgers[slot.index()].book(&change) {
            self.violate(breach.promise, slot, breach.seen);
        }
        let at = self.now();
        let machine = &mut self.machines[slot.index()];
        let process = machine.process.as_mut();
        if let Some(consumer) = process.and_then(|process| process.consumer.as_mut()) {
            consumer.publish(at, &change);
        }
        machine.told.push(Told { at, change });
    }

    pub(super) fn audit(&mut self) {
        self.audits += 1;
        self.push(self.now() + AUDIT_EVERY, What::Audit);
        self.audit_events();
        for index in 0..self.machines.len() {
            let slot = Slot::at(index);
            let Some(process) = &self.machines[index].process else {
                continue;
            };
            if process.leaves_late(self.now()) {
                self.violate(Promise::LeaveIsQuick, slot, "still there".into());
            } else if process.node.stats().engine_errors > 0 {
                let stats = format!("{:?}", process.node.stats());
                self.violate(Promise::EngineIsWellUsed, slot, stats);
            }
            let due = self.watch.is_thorough() || self.audits.is_multiple_of(SAMPLED_EVERY_AUDITS);
            if due && self.watch.sees(slot) {
                self.audit_list(slot);
                self.audit_feed(slot);
                self.audit_load(slot);
            }
            if self.audits.is_multiple_of(RESOLVE_EVERY_AUDITS) {
                self.join_seeds(slot);
            }
        }
    }

    fn audit_load(&mut self, slot: Slot) {
        let load = self.node(slot).map(Node::load);
        if let Some(seen) = load.as_ref().and_then(promises::excess) {
            self.violate(Promise::LoadIsBounded, slot, seen);
        }
    }

    /// Looks at how much one input led to.
    pub(super) fn audit_outputs(&mut self, slot: Slot, outputs: usize) {
        if promises::are_few(outputs) {
            return;
        }
        let load = self.node(slot).map(Node::load);
        let excess = |load| promises::excess_of_outputs(outputs, load);
        if let Some(seen) = load.as_ref().and_then(excess) {
            self.violate(Promise::LoadIsBounded, slot, seen);
        }
    }

    /// Compares the list of a process with its changes; one that is blocked has not told all yet.
    pub(super) fn audit_list(&mut self, slot: Slot) {
        let process = self.machines[slot.index()].process.as_ref();
        let Some(process) = process.filter(|process| !process.paused) else {
            return;
        };
        if let Err(breach) = self.ledgers[slot.index()].audit(process.node.members()) {
            self.violate(breach.promise, slot, breach.seen);
        }
    }

    /// Lets the consumer of a process read its feed, if there is one; a process that is blocked
    /// serves nobody.
    fn audit_feed(&mut self, slot: Slot) {
        let now = self.now();
        let process = self.machines[slot.index()].process.as_mut();
        let Some(process) = process.filter(|process| !process.paused) else {
            return;
        };
        if let Some(consumer) = &mut process.consumer
            && let Err(seen) = consumer.look(now, &process.node)
        {
            self.violate(Promise::FeedReplays, slot, seen);
        }
    }

    /// Notes a promise broken at one node; the run ends at the first.
    pub(in crate::simulator) fn violate(&mut self, promise: Promise, slot: Slot, seen: String) {
        let observer = self.label(slot);
        self.note(promise, observer, seen);
    }

    /// Notes a promise that the cluster broke as a whole.
    pub(in crate::simulator) fn violate_all(&mut self, promise: Promise, seen: String) {
        self.note(promise, "the cluster".into(), seen);
    }

    fn note(&mut self, promise: Promise, observer: String, seen: String) {
        let violation = Violation {
            promise,
            at: self.counted(self.now()),
            observer,
            seen,
        };
        self.tell_story(|| violation.to_string());
        self.violations.push(violation);
    }

    /// Counts what the change says about the cluster's truthfulness.
    fn measure(&mut self, slot: Slot, change: &Change) {
        let Some(view) = change.member() else {
            return;
        };
        let was_started = |slots: &&Vec<Slot>| {
            let mut machines = slots.iter().map(|slot| self.machine(*slot));
            machines.any(|machine| machine.process.is_some() || machine.ended.is_some())
        };
        let Some(slots) = self.by_id.get(&view.card.id).filter(was_started) else {
            let seen = format!("{} of {}", change.kind(), view.card.name);
            self.violate(Promise::MembersExist, slot, seen);
            return;
        };
        let (first, all) = (slots[0], slots.clone());
        self.meter.change(slot, first, change);
        all.iter()
            .for_each(|of| self.notice_application(slot, *of, view));
        match change {
            Change::Failed(_) => {
                for of in all {
                    self.measure_failed(slot, of, view);
                }
            }
            Change::Restart { .. } => self.measures.restarts += 1,
            _ => {}
        }
    }

    fn measure_failed(&mut self, at: Slot, of: Slot, view: &MemberView) {
        let now = self.now();
        self.outages.notice(now, of, view.card.generation, at);
        let healthy = |machine: &Machine| machine.healthy_for(now, HEALTHY_AFTER);
        let observer_healthy = healthy(self.machine(at));
        let machine = &self.machines[of.index()];
        let Some(process) = &machine.process else {
            let left = matches!(machine.ended, Some((_, End::Stopped(StopReason::Left))));
            let same = machine.stored_generation == view.card.generation;
            self.measures.departed_failed += u64::from(left && same);
            return;
        };
        if process.node.own_sketch().life.generation() == view.card.generation {
            let healthy = healthy(machine);
            self.measures.false_failures += 1;
            self.measures.false_failures_of_healthy += u64::from(healthy);
            let both = healthy && observer_healthy;
            self.measures.false_failures_at_healthy += u64::from(both);
        }
    }

    /// Whether another process with the same name was there lately.
    pub(super) fn rival_of(&self, slot: Slot) -> Result<(), String> {
        let spec = &self.machine(slot).spec;
        let twins = &self.by_id[&MemberId::new(&spec.cluster, &spec.name)];
        let lately = |machine: &Machine| {
            let ended = machine.ended.as_ref();
            machine.process.is_some()
                || ended.is_some_and(|(at, _)| self.now() - *at <= RIVAL_WITHIN)
        };
        if twins
            .iter()
            .any(|twin| *twin != slot && lately(self.machine(*twin)))
        {
            Ok(())
        } else {
            Err("it stopped for a conflict with nobody".into())
        }
    }
}
