//! Drawing a plan from a seed.
//!
//! Each seed chooses the cluster's size, how bad the network is and which faults exist at all:
//! with everything always on, faults mask each other.

use std::{ops::RangeInclusive, time::Duration};

use rand::{RngExt, SeedableRng};
use rand_xoshiro::Xoshiro256PlusPlus;

use super::{
    CONVERGENCE_MAX, Plan,
    vices::{draw_vices, shorten_memories, spare_hosts},
    whims::draw_whims,
};
use crate::{
    simulator::{
        Conditions, Data, Fault, Latency, Move, Slot, Spec,
        network::{chance, draw},
    },
    swim::{Profile, Tuning},
};

/// What separates a plan's randomness from its world's.
const PLAN_SALT: u64 = 0x706c_616e;

/// A kind of fault that a plan may have.
#[derive(Clone, Copy, Debug)]
enum Kind {
    Block,
    Crash,
    Leave,
    Partition,
    Pause,
    Remove,
    Restart,
}

impl Kind {
    /// Each kind with the odds that a plan has it, and the range of the mean time between two
    /// strikes, in seconds.
    const ODDS: [(Self, f64, u64, u64); 7] = [
        (Self::Block, 0.3, 10, 60),
        (Self::Crash, 0.6, 10, 60),
        (Self::Leave, 0.4, 15, 60),
        (Self::Partition, 0.4, 20, 60),
        (Self::Pause, 0.5, 5, 40),
        (Self::Remove, 0.2, 10, 40),
        (Self::Restart, 0.6, 5, 60),
    ];
}

/// A plan while it is drawn.
pub(super) struct Draft {
    rng: Xoshiro256PlusPlus,
    plan: Plan,
    /// Share of restarts that find another address.
    moves: f64,
    /// Share of restarts that find an empty data directory.
    losses: f64,
}

impl Draft {
    pub(super) fn new(seed: u64, members: RangeInclusive<u32>) -> Self {
        let mut rng = Xoshiro256PlusPlus::seed_from_u64(seed ^ PLAN_SALT);
        let safety = draw(&mut rng, Duration::from_secs(60), Duration::from_secs(180));
        let conditions = Self::conditions(&mut rng);
        let plan = Plan {
            seed,
            separate_directories: seed.is_multiple_of(2),
            machines: Vec::new(),
            conditions,
            faults: Vec::new(),
            safety,
            revived: Vec::new(),
            converge_within: CONVERGENCE_MAX,
        };
        let mut draft = Self {
            moves: 0.3 * f64::from(u8::from(chance(&mut rng, 0.5))),
            losses: 0.3 * f64::from(u8::from(chance(&mut rng, 0.3))),
            rng,
            plan,
        };
        draft.draw_machines(members);
        draft
    }

    pub(super) fn finish(mut self) -> Plan {
        self.draw_starts();
        let everything = chance(&mut self.rng, 0.1);
        for (kind, odds, mean_min, mean_max) in Kind::ODDS {
            let (min, max) = (Duration::from_secs(mean_min), Duration::from_secs(mean_max));
            let mean = draw(&mut self.rng, min, max);
            if everything || chance(&mut self.rng, odds) {
                self.draw_strikes(kind, mean);
            }
        }
        draw_vices(&mut self.plan);
        draw_whims(&mut self.plan);
        spare_hosts(&mut self.plan);
        shorten_memories(&mut self.plan);
        let safety = self.plan.safety;
        self.plan.faults.retain(|(at, _)| *at < safety);
        self.plan.faults.sort_by_key(|(at, _)| *at);
        self.draw_revived();
        self.plan
    }

    fn conditions(rng: &mut Xoshiro256PlusPlus) -> Conditions {
        let latency_max = draw(rng, Duration::from_micros(200), Duration::from_millis(40));
        let mut share = |odds: f64, max: f64| match chance(rng, odds) {
            true => rng.random_range(0.0..max),
            false => 0.0,
        };
        Conditions {
            latency: Latency::Uniform {
                min: Duration::from_micros(100),
                max: latency_max,
            },
            loss: share(0.6, 0.3),
            duplication: share(0.4, 0.2),
            reordering: share(0.4, 0.2),
            corruption: share(0.2, 0.02),
            ..Conditions::LAN
        }
    }

    /// One to three seeds, the others joining them, and sometimes a twin with a taken name or
    /// some machines of another cluster that know the wrong seed.
    fn draw_machines(&mut self, members: RangeInclusive<u32>) {
        let members = self.rng.random_range(members);
        let seeds = self.rng.random_range(1..=members.min(3));
        let seeds: Vec<_> = (0..seeds).map(Slot).collect();
        let joining = |name: u32| Spec::new(format!("n{name}"), &seeds);
        let mut machines: Vec<_> = (0..members).map(joining).collect();
        if chance(&mut self.rng, 0.25) {
            machines.push(joining(self.rng.random_range(0..members)));
        }
        if chance(&mut self.rng, 0.25) {
            let first = Slot::at(machines.len());
            let foreign = self.rng.random_range(1..=4u32);
            machines.extend((0..foreign).map(|name| {
                let seeds = [Slot(0), first];
                // The first has a name that we have, too.
                let letter = if name == 0 { 'n' } else { 'x' };
                Spec::new(format!("{letter}{name}"), &seeds).in_cluster("other")
            }));
        }
        let profile = match chance(&mut self.rng, 0.2) {
            true => Profile::Local,
            false => Profile::Lan,
        };
        for spec in &mut machines {
            spec.tuning = Tuning::new(profile);
            spec.knows_address = !chance(&mut self.rng, 0.1);
        }
        self.plan.machines = machines;
    }

    /// Most machines start in the first seconds, some late, in any order.
    fn draw_starts(&mut self) {
        let late = self.plan.safety / 2;
        for slot in self.slots() {
            let max = if chance(&mut self.rng, 0.2) {
                late
            } else {
                Duration::from_secs(3)
            };
            let at = draw(&mut self.rng, Duration::ZERO, max);
            self.plan.faults.push((at, Fault::Start(slot)));
        }
    }

    /// Lets `kind` strike at random times, `mean` apart on average.
    fn draw_strikes(&mut self, kind: Kind, mean: Duration) {
        let mut at = draw(&mut self.rng, Duration::ZERO, mean * 2);
        while at < self.plan.safety {
            let fault = self.strike(kind);
            if matches!(kind, Kind::Block | Kind::Partition) {
                let healed = at + self.seconds(1, 60);
                self.plan.faults.push((healed, Fault::Heal));
            }
            self.plan.faults.push((at, fault));
            at += draw(&mut self.rng, Duration::ZERO, mean * 2);
        }
    }

    fn strike(&mut self, kind: Kind) -> Fault {
        let slot = self.any_slot();
        match kind {
            Kind::Block => {
                let (from, to) = (slot, self.any_slot());
                Fault::Block { from, to }
            }
            Kind::Crash => Fault::Crash(slot),
            Kind::Leave if chance(&mut self.rng, 0.3) => Fault::Announce(slot, self.seconds(1, 30)),
            Kind::Leave => Fault::Leave(slot),
            Kind::Partition => Fault::Partition(self.sides()),
            Kind::Pause => Fault::Pause(slot, self.seconds(1, 20)),
            Kind::Remove => {
                let name = self.any_slot().index();
                Fault::Remove(slot, self.plan.machines[name].name.clone())
            }
            Kind::Restart => {
                let away = chance(&mut self.rng, self.moves);
                let lost = chance(&mut self.rng, self.losses);
                let to = match (away, chance(&mut self.rng, 0.5)) {
                    (true, true) => Move::Away,
                    (true, false) => Move::Onto(self.any_slot()),
                    _ => Move::Stay,
                };
                let data = if lost { Data::Lost } else { Data::Kept };
                Fault::Restart(slot, to, data)
            }
        }
    }

    /// Up to three sides, each machine on one of them.
    fn sides(&mut self) -> Vec<u16> {
        let sides = self.rng.random_range(2..=3);
        let mut side = |_| self.rng.random_range(0..sides);
        self.plan.machines.iter().map(&mut side).collect()
    }

    /// Seeds are always there in the end, or a newcomer could find nobody; of the others that are
    /// down, some stay down.
    fn draw_revived(&mut self) {
        for slot in self.slots() {
            let seed = self.plan.machines[slot.index()].seeds.contains(&slot);
            if seed || chance(&mut self.rng, 0.4) {
                self.plan.revived.push(slot);
            }
        }
    }

    fn slots(&self) -> impl Iterator<Item = Slot> + use<> {
        (0..self.machine_count()).map(Slot)
    }

    fn any_slot(&mut self) -> Slot {
        Slot(self.rng.random_range(0..self.machine_count()))
    }

    fn machine_count(&self) -> u32 {
        u32::try_from(self.plan.machines.len()).expect("a plan has few machines")
    }

    fn seconds(&mut self, min: u64, max: u64) -> Duration {
        let (min, max) = (Duration::from_secs(min), Duration::from_secs(max));
        draw(&mut self.rng, min, max)
    }
}
