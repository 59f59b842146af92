//! Real agents, killed one after the other: what their consumers see, and when.

use std::{ops::Range, time::Duration};

use rand::{RngExt, SeedableRng};
use rand_xoshiro::Xoshiro256PlusPlus;

use crate::support::{Lab, Network, Stopwatch, Watched, pause};

/// Between the return of one victim and the death of the next, so that the dice and not the last
/// kill decide when in the probe period it happens.
pub(crate) const BREATH_MS: Range<u64> = 1_000..3_000;

/// When one kill was noticed, after it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Noticed {
    /// The first consumer heard `suspect`.
    pub(crate) suspected: Duration,
    /// The first consumer heard `failed`.
    pub(crate) detected: Duration,
    /// The last consumer heard `failed`.
    pub(crate) known: Duration,
}

/// Agents on hosts of their own, each with a consumer.
pub(crate) struct Cluster {
    watched: Watched,
    dice: Xoshiro256PlusPlus,
    // Dropped last: the agents live in it.
    _lab: Lab,
    _network: Network,
}

impl Cluster {
    /// `None`, after saying so, where this machine cannot have network namespaces.
    pub(crate) fn start(agents: usize, seed: u64) -> Option<Self> {
        let network = Network::new(agents)?;
        let lab = Lab::new();
        Some(Self {
            watched: Watched::new(network.cluster(&lab)),
            dice: Xoshiro256PlusPlus::seed_from_u64(seed),
            _lab: lab,
            _network: network,
        })
    }

    /// Kills a random agent, waits until everybody knows, and starts it again.
    pub(crate) fn kill_one(&mut self) -> Noticed {
        pause(Duration::from_millis(self.dice.random_range(BREATH_MS)));
        // The first one stays: all others join through it.
        let index = self.dice.random_range(1..self.watched.agents.len());
        let victim = self.watched.take(index);
        let name = victim.name().to_owned();
        let killed = Stopwatch::start();
        let launch = victim.kill();
        let noticed = self.await_failure(&name, killed);
        self.watched.bring_back(launch);
        noticed
    }

    fn await_failure(&self, name: &str, killed: Stopwatch) -> Noticed {
        let watches = self.watched.watches.iter();
        let failed = watches.map(|watch| watch.wait_received("failed", name, killed));
        let failed: Vec<_> = failed.map(|at| killed.until(at)).collect();
        // Suspicions come before failures, where they come at all.
        let watches = self.watched.watches.iter();
        let suspected = watches.filter_map(|watch| watch.received("suspect", name, killed));
        Noticed {
            suspected: killed.until(suspected.min().expect("somebody accused it")),
            detected: *failed.iter().min().expect("somebody survives"),
            known: *failed.iter().max().expect("somebody survives"),
        }
    }
}
