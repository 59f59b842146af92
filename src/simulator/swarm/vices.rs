//! What only some plans of the swarm have: slow processes, deaf ones, lines with bursts, paths
//! that drop large packets, streams that fail.
//!
//! They are drawn from randomness of their own, so that the rest of a plan is what it would be
//! without them.

use std::time::Duration;

use rand::{RngExt, SeedableRng, seq::SliceRandom};
use rand_xoshiro::Xoshiro256PlusPlus;

use super::Plan;
use crate::simulator::{
    Bursts, Cargo, Effect, Fault, Latency, LogNormal, Machines, Mtu, Rule, RuleId, Slot,
    network::{chance, draw},
};

/// What separates this randomness from the rest of the plan's.
const VICES_SALT: u64 = 0x76_6963_6573;
const DEATHS_SALT: u64 = 0x6465_6174_6873;
const MEMORIES_SALT: u64 = 0x6d65_6d6f_7279;
/// Share of plans that have any.
const ANY: f64 = 0.4;
/// Share of those that have a certain one.
const EACH: f64 = 0.3;
/// Share of plans in which the dead are soon forgotten.
const FORGETFUL: f64 = 0.2;

/// Lets half of the crashes of a plan be those of a process on a host that lives on.
pub(super) fn spare_hosts(plan: &mut Plan) {
    let mut rng = Xoshiro256PlusPlus::seed_from_u64(plan.seed ^ DEATHS_SALT);
    for (_, fault) in &mut plan.faults {
        if let Fault::Crash(slot) = *fault
            && chance(&mut rng, 0.5)
        {
            *fault = Fault::Kill(slot);
        }
    }
}

/// Lets everybody in some plans forget soon who is gone, and compare notes often meanwhile.
pub(super) fn shorten_memories(plan: &mut Plan) {
    let mut rng = Xoshiro256PlusPlus::seed_from_u64(plan.seed ^ MEMORIES_SALT);
    if !chance(&mut rng, FORGETFUL) {
        return;
    }
    let [shortest, longest] = [10, 60].map(Duration::from_secs);
    let forget_after = draw(&mut rng, shortest, longest);
    for spec in &mut plan.machines {
        spec.tuning.forget_after = forget_after;
        spec.tuning.exchange_interval = Duration::from_secs(2);
    }
}

/// Adds to a plan what its seed says.
pub(super) fn draw_vices(plan: &mut Plan) {
    let rng = Xoshiro256PlusPlus::seed_from_u64(plan.seed ^ VICES_SALT);
    let mut vices = Vices { rng, plan };
    if chance(&mut vices.rng, ANY) {
        vices.spoil_network();
        vices.slow_down();
        vices.impose_rules();
    }
}

/// A plan that gets its vices.
struct Vices<'a> {
    rng: Xoshiro256PlusPlus,
    plan: &'a mut Plan,
}

impl Vices<'_> {
    fn spoil_network(&mut self) {
        if self.has() {
            let median = self.millis(1, 20);
            let sigma = self.rng.random_range(0.1..1.0);
            let latency = LogNormal::new(median, sigma).map(Latency::LogNormal);
            self.plan.conditions.latency = latency.unwrap_or(self.plan.conditions.latency);
        }
        if self.has() {
            let share = self.rng.random_range(0.0..0.2);
            let mean = self.millis(20, 3_000);
            self.plan.conditions.bursts = Some(Bursts { share, mean });
        }
        if self.has() {
            self.plan.conditions.mtu = self.mtu();
        }
        if self.has() {
            self.plan.conditions.dial_failures = self.rng.random_range(0.0..0.5);
        }
        if self.has() {
            self.plan.conditions.stream_breaks = self.rng.random_range(0.0..0.5);
        }
    }

    /// A few processes block and work in lock-step for a while, perhaps more than once.
    fn slow_down(&mut self) {
        if !self.has() {
            return;
        }
        for _ in 0..self.rng.random_range(1..=3) {
            let struck = self.some_slots();
            let (block, gap) = (self.millis(100, 15_000), self.millis(1, 2_000));
            let mut at = draw(&mut self.rng, Duration::ZERO, self.plan.safety);
            for _ in 0..self.rng.random_range(1..=10) {
                for slot in &struck {
                    self.plan.faults.push((at, Fault::Slow(*slot, block)));
                }
                at += block + gap;
            }
        }
    }

    /// A few machines are cut off one way, or have a bad line, for a while and again.
    fn impose_rules(&mut self) {
        if !self.has() {
            return;
        }
        for id in (0..self.rng.random_range(1..=3)).map(RuleId) {
            let rule = self.rule();
            let (on, off) = (self.millis(500, 30_000), self.millis(500, 30_000));
            let mut at = draw(&mut self.rng, Duration::ZERO, self.plan.safety);
            for _ in 0..self.rng.random_range(1..=3) {
                let imposed = Fault::Impose(id, rule.clone());
                self.plan.faults.push((at, imposed));
                self.plan.faults.push((at + on, Fault::Lift(id)));
                at += on + off;
            }
        }
    }

    fn rule(&mut self) -> Rule {
        let struck = Machines::only(self.some_slots());
        let (from, to) = match self.rng.random_range(0..3) {
            0 => (Machines::all(), struck),
            1 => (struck, Machines::all()),
            _ => (struck, Machines::only(self.some_slots())),
        };
        let effect = match self.rng.random_range(0..6) {
            0 => Effect::BLOCK,
            1 => Effect {
                latency: Some(Latency::constant(self.millis(20, 1_000))),
                ..Effect::default()
            },
            2 => Effect {
                mtu: self.mtu(),
                ..Effect::default()
            },
            3 => Effect {
                reject: true,
                ..Effect::default()
            },
            4 => Effect {
                only: Some(Cargo::Datagrams),
                ..Effect::BLOCK
            },
            _ => Effect {
                loss: self.rng.random_range(0.3..1.0),
                ..Effect::default()
            },
        };
        Rule { from, to, effect }
    }

    fn has(&mut self) -> bool {
        chance(&mut self.rng, EACH)
    }

    fn some_slots(&mut self) -> Vec<Slot> {
        let count = u32::try_from(self.plan.machines.len()).expect("a plan has few machines");
        let mut slots: Vec<_> = (0..count).map(Slot).collect();
        slots.shuffle(&mut self.rng);
        slots.truncate(self.rng.random_range(1..=3));
        slots
    }

    fn mtu(&mut self) -> Option<Mtu> {
        Mtu::new(self.rng.random_range(Mtu::MIN..1_500))
    }

    fn millis(&mut self, min: u64, max: u64) -> Duration {
        let (min, max) = (Duration::from_millis(min), Duration::from_millis(max));
        draw(&mut self.rng, min, max)
    }
}
