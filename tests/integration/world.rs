//! A cluster in the deterministic world, for the scripted stories.

use std::time::Duration;

use headcount::{
    simulator::{Conditions, Fault, Slot, Spec, World},
    swim::{Change, MemberState},
};

/// Time for a suspicion to run out in a cluster of up to ten, and for the news to spread: probe
/// and its round robin, suspicion, gossip.
pub(crate) const DETECTED: Duration = Duration::from_secs(30);

pub(crate) const fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

pub(crate) const fn millis(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

/// A world with machines `n0`, `n1`, …, all of which join `n0`.
pub(crate) struct Cluster {
    pub(crate) world: World,
    pub(crate) slots: Vec<Slot>,
}

impl Cluster {
    /// Machines on which nothing runs yet.
    pub(crate) fn new(seed: u64, count: usize, conditions: Conditions) -> Self {
        let mut world = World::new(seed, conditions);
        let first = world.add(Spec::new("n0", &[]));
        let others = (1..count).map(|n| Spec::new(format!("n{n}"), &[first]));
        let others: Vec<_> = others.map(|spec| world.add(spec)).collect();
        let slots = std::iter::once(first).chain(others).collect();
        Self { world, slots }
    }

    /// A cluster that stands: everybody runs and knows everybody.
    pub(crate) fn formed(seed: u64, count: usize) -> Self {
        let mut cluster = Self::new(seed, count, Conditions::LAN);
        cluster.start_all();
        cluster.agree_within(secs(5));
        cluster.run(secs(5));
        cluster
    }

    /// The same with members that are forgotten soon; not agreed yet.
    pub(crate) fn forgetful(seed: u64, count: usize, forget_after: Duration) -> Self {
        let mut world = World::new(seed, Conditions::LAN);
        let mut slots: Vec<Slot> = Vec::new();
        for n in 0..count {
            let seeds = &slots[..n.min(1)];
            let mut spec = Spec::new(format!("n{n}"), seeds);
            spec.tuning.forget_after = forget_after;
            slots.push(world.add(spec));
        }
        let mut cluster = Self { world, slots };
        cluster.start_all();
        cluster
    }

    pub(crate) fn start_all(&mut self) {
        for slot in self.slots.clone() {
            self.apply(Fault::Start(slot));
        }
    }

    pub(crate) fn apply(&mut self, fault: Fault) {
        self.world.apply(fault);
        self.check();
    }

    /// Lets time pass; every promise must be kept.
    pub(crate) fn run(&mut self, span: Duration) {
        self.world.run_for(span);
        self.check();
    }

    /// Lets time pass until all views are equal, and tells how much.
    #[track_caller]
    pub(crate) fn agree_within(&mut self, limit: Duration) -> Duration {
        let agree = |world: &World| world.disagreement().is_none();
        let after = self.world.run_until(limit, millis(10), agree);
        self.check();
        after.unwrap_or_else(|| panic!("{:?}", self.world.disagreement()))
    }

    /// Lets time pass until everyone holds everyone alive or, for a moment, suspect.
    #[track_caller]
    pub(crate) fn all_active_within(&mut self, limit: Duration) -> Duration {
        let after = self.world.run_until(limit, millis(100), |world| {
            let everyone = world.living().count();
            let active = |slot| {
                let counts = world.status(slot).map(|status| status.counts);
                counts.is_some_and(|counts| counts.alive + counts.suspect == everyone)
            };
            world.living().all(active)
        });
        self.check();
        after.unwrap_or_else(|| panic!("{:?}", self.world.disagreement()))
    }

    /// Everyone but `slot`.
    pub(crate) fn others(&self, slot: Slot) -> Vec<Slot> {
        let others = self.slots.iter().copied();
        others.filter(|other| *other != slot).collect()
    }

    /// Kinds of changes that `observer` told of `about`, its join left out.
    pub(crate) fn heard(&self, observer: Slot, about: Slot) -> Vec<&'static str> {
        let story = self.world.story_of(observer, about);
        assert_eq!(story.first(), Some(&"join"), "a member is met first");
        story[1..].to_vec()
    }

    /// What `observer` believes of `about` now.
    pub(crate) fn state(&self, observer: Slot, about: Slot) -> Option<MemberState> {
        Some(self.world.held(observer, about)?.state)
    }

    /// How often `slot` told a change of this kind, about whomever.
    pub(crate) fn count(&self, slot: Slot, kind: &str) -> usize {
        let told = self.world.told(slot).iter();
        told.filter(|told| told.change.kind() == kind).count()
    }

    /// Nobody told of a failure of `about`.
    pub(crate) fn assert_never_failed(&self, about: Slot) {
        for observer in self.others(about) {
            let story = self.world.story_of(observer, about);
            assert!(!story.contains(&"failed"), "{observer:?}: {story:?}");
        }
    }

    /// The renewals that the process in `slot` needed so far.
    pub(crate) fn renewals(&self, slot: Slot) -> u64 {
        self.world.node(slot).expect("it runs").stats().renewals
    }

    /// Members that `slot` told of in changes of this kind, in order.
    pub(crate) fn names(&self, slot: Slot, kind: &str) -> Vec<String> {
        let told = self.world.told(slot).iter().map(|told| &told.change);
        let of_kind = told.filter(|change| change.kind() == kind);
        of_kind
            .filter_map(Change::member)
            .map(|member| member.card.name.clone())
            .collect()
    }

    #[track_caller]
    fn check(&self) {
        if let Some(violation) = self.world.violations().first() {
            panic!("{violation}");
        }
    }
}
