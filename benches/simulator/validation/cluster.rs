//! `Cluster`: a world that stands, to be experimented on.

use std::{num::NonZeroUsize, thread, time::Duration};

use headcount::{
    simulator::{Conditions, Fault, Slot, Spec, World},
    swim::{Timestamp, Tuning},
};
use rand::{RngExt, SeedableRng};
use rand_xoshiro::Xoshiro256PlusPlus;

/// Keeps the experimenter's draws apart from the world's.
const SALT: u64 = 0x7661_6c69_6461_7465;

/// How many nodes there are, and how many neighbours each keeps where it does not keep everybody.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Group {
    pub(crate) nodes: u32,
    pub(crate) view: Option<usize>,
}

impl Group {
    /// Everybody keeps everybody.
    pub(crate) const fn full(nodes: u32) -> Self {
        Self { nodes, view: None }
    }

    /// Each keeps `view` neighbours.
    pub(crate) const fn part(nodes: u32, view: usize) -> Self {
        let view = Some(view);
        Self { nodes, view }
    }
}

/// A cluster in which everybody knows everybody, and dice to strike it with.
pub(crate) struct Cluster {
    pub(crate) world: World,
    dice: Xoshiro256PlusPlus,
    up: Vec<Slot>,
}

impl Cluster {
    /// `nodes` nodes that have run for a while; probes, rounds and passes have nothing to do with
    /// each other. Counting begins now.
    pub(crate) fn warm(group: Group, tuning: &Tuning, network: Conditions, seed: u64) -> Self {
        let Group { nodes, view } = group;
        let mut world = World::new(seed, Conditions::LAN);
        let spec = |number| Spec {
            tuning: tuning.clone(),
            ..Spec::new(format!("n{number}"), &[])
        };
        let up: Vec<_> = (0..nodes).map(|number| world.add(spec(number))).collect();
        if let Some(view) = view {
            world.limit_views(view);
        }
        world.look_away();
        world.use_threads(thread::available_parallelism().unwrap_or(NonZeroUsize::MIN));
        let interval = tuning.probe_interval;
        world.warm_start(up.iter().copied(), interval.mul_f64(0.99));
        let dice = Xoshiro256PlusPlus::seed_from_u64(seed ^ SALT);
        let mut cluster = Self { world, dice, up };
        cluster.run(interval * 2);
        // All began their first pass over the members together: strike at any point of it.
        cluster.run_about(interval * nodes.min(8) / 2, 1.0);
        cluster.world.apply(Fault::Conditions(network));
        cluster.world.begin_counting();
        cluster
    }

    /// Lets `span` pass.
    ///
    /// # Panics
    /// When a promise is broken: nothing can be measured in such a world.
    pub(crate) fn run(&mut self, span: Duration) {
        self.world.run_for(span);
        let broken = self.world.violations();
        assert!(broken.is_empty(), "{broken:?}");
    }

    /// Lets `span` pass, give or take this share of it.
    pub(crate) fn run_about(&mut self, span: Duration, give: f64) {
        let factor = self.dice.random_range(1.0 - give..1.0 + give);
        self.run(span.mul_f64(factor));
    }

    /// Kills a random node and follows what is told of it. Tells who and when.
    pub(crate) fn crash_one(&mut self, kinds: &[&'static str]) -> (Slot, Timestamp) {
        let index = self.dice.random_range(0..self.up.len());
        let slot = self.up.swap_remove(index);
        for kind in kinds {
            self.world.follow(slot, kind);
        }
        self.world.apply(Fault::Crash(slot));
        (slot, self.world.now())
    }

    /// A random node that runs.
    pub(crate) fn anyone(&mut self) -> Slot {
        self.up[self.dice.random_range(0..self.up.len())]
    }

    /// Nodes that run.
    pub(crate) fn running(&self) -> &[Slot] {
        &self.up
    }

    /// When it was told by each that did and still runs, in no order.
    pub(crate) fn told(&self, about: Slot, kind: &'static str) -> Vec<Timestamp> {
        let told = self.world.followed(about, kind).expect("it is followed");
        let mut told = told.clone();
        told.retain(|slot, _| self.world.node(*slot).is_some());
        told.into_values().collect()
    }

    /// When the first told it.
    pub(crate) fn first_told(&self, about: Slot, kind: &'static str) -> Timestamp {
        let told = self.world.followed(about, kind).expect("it is followed");
        *told.values().min().expect("somebody told it")
    }
}
