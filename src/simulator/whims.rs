//! `Whim`: what happens again and again, somewhere, in some plans of the swarm only.
//!
//! Each is drawn from randomness of its own, so that the rest of a plan is what it would be without
//! it.

use std::time::Duration;

use rand::{RngExt, SeedableRng};
use rand_xoshiro::Xoshiro256PlusPlus;

use super::{
    Fault, Plan, Slot,
    network::{chance, draw},
};

/// How often something happens.
#[derive(Debug)]
pub(super) struct Whim {
    /// What separates this randomness from the rest of a plan's.
    pub(super) salt: u64,
    /// Share of plans in which it happens.
    pub(super) share: f64,
    /// Mean time between two times in a plan, shortest and longest.
    pub(super) means: (Duration, Duration),
}

impl Whim {
    /// Adds to a plan of the swarm what its seed says; `what` is drawn for the node in a slot.
    pub(super) fn draw<F: IntoIterator<Item = Fault>>(
        &self,
        plan: &mut Plan,
        mut what: impl FnMut(&mut Xoshiro256PlusPlus, Slot) -> F,
    ) {
        let mut rng = Xoshiro256PlusPlus::seed_from_u64(plan.seed ^ self.salt);
        if !chance(&mut rng, self.share) {
            return;
        }
        let machines = u32::try_from(plan.machines.len()).expect("a plan has few machines");
        let mean = draw(&mut rng, self.means.0, self.means.1);
        let mut at = Duration::ZERO;
        while at < plan.safety {
            let slot = Slot(rng.random_range(0..machines));
            let faults = what(&mut rng, slot).into_iter();
            plan.faults.extend(faults.map(|fault| (at, fault)));
            at += draw(&mut rng, Duration::from_millis(1), mean * 2);
        }
    }
}
