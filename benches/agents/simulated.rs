//! The same kills in the simulator.

use std::time::Duration;

use headcount::{
    simulator::{Conditions, Fault, Latency, Slot, Spec, World},
    swim::{MemberState, Profile, Timestamp, Tuning},
};
use rand::{RngExt, SeedableRng};
use rand_xoshiro::Xoshiro256PlusPlus;

use super::real::{BREATH_MS, Noticed};

/// A bridge of one machine: a system call, a context switch.
const NETWORK: Conditions = Conditions {
    latency: Latency::Uniform {
        min: Duration::from_micros(50),
        max: Duration::from_micros(250),
    },
    ..Conditions::LAN
};
/// How exactly the return of a victim is seen.
const LOOKED_EVERY: Duration = Duration::from_millis(50);
/// Nobody waits longer than for real agents.
const PATIENCE: Duration = Duration::from_secs(60);

/// A cluster of simulated agents.
pub(crate) struct Cluster {
    world: World,
    slots: Vec<Slot>,
    dice: Xoshiro256PlusPlus,
}

impl Cluster {
    pub(crate) fn start(agents: usize, seed: u64) -> Self {
        let mut world = World::new(seed, NETWORK);
        let tuning = Tuning::new(Profile::Lan);
        let mut slots: Vec<Slot> = Vec::new();
        for number in 1..=agents {
            let seeds: Vec<_> = slots.first().copied().into_iter().collect();
            slots.push(world.add(Spec {
                tuning: tuning.clone(),
                ..Spec::new(format!("n{number}"), &seeds)
            }));
        }
        world.look_away();
        world.warm_start(slots.iter().copied(), tuning.probe_interval.mul_f64(0.99));
        world.run_for(tuning.probe_interval * 2);
        let dice = Xoshiro256PlusPlus::seed_from_u64(seed);
        Self { world, slots, dice }
    }

    /// As [`super::real::Cluster::kill_one`].
    pub(crate) fn kill_one(&mut self) -> Noticed {
        let breath = self.dice.random_range(BREATH_MS);
        self.world.run_for(Duration::from_millis(breath));
        let victim = self.slots[self.dice.random_range(1..self.slots.len())];
        for kind in ["suspect", "failed"] {
            self.world.follow(victim, kind);
        }
        let killed = self.world.now();
        self.world.apply(Fault::Kill(victim));
        let survivors = self.slots.len() - 1;
        self.run_until("everybody knows", |world| {
            told(world, victim, "failed").len() == survivors
        });
        self.world.apply(Fault::Start(victim));
        let all: Vec<_> = self.slots.clone();
        self.run_until("the victim is back", |world| {
            all.iter()
                .all(|at| all.iter().all(|of| alive(world, *at, *of)))
        });
        let failed = told(&self.world, victim, "failed");
        let suspected = told(&self.world, victim, "suspect");
        let after = |at: Option<&Timestamp>| *at.expect("somebody told it") - killed;
        Noticed {
            suspected: after(suspected.iter().min()),
            detected: after(failed.iter().min()),
            known: after(failed.iter().max()),
        }
    }

    fn run_until(&mut self, what: &str, condition: impl Fn(&World) -> bool) {
        let spent = self.world.run_until(PATIENCE, LOOKED_EVERY, condition);
        assert!(spent.is_some(), "waited in vain: {what}");
    }
}

fn told(world: &World, about: Slot, kind: &'static str) -> Vec<Timestamp> {
    let told = world.followed(about, kind);
    told.into_iter()
        .flat_map(|told| told.values().copied())
        .collect()
}

fn alive(world: &World, at: Slot, of: Slot) -> bool {
    let held = world.held(at, of);
    held.is_some_and(|view| view.state == MemberState::Alive)
}
