//! What happens to an agent, and when the last consumer of the others has heard of it.

use std::{ops::Range, process::Command, time::Duration};

use rand::{RngExt, SeedableRng};
use rand_xoshiro::Xoshiro256PlusPlus;
use rustix::process::Signal;
use serde_json::json;

use super::AGENTS;
use crate::support::{Agent, Lab, Network, Running, Stopwatch, Watched, pause};

/// Between the return of one victim and the next blow, so that the dice decide when in the probe
/// period it falls.
const BREATH_MS: Range<u64> = 1_000..2_000;

/// Agents with a consumer each.
pub(crate) struct Cluster {
    watched: Watched,
    dice: Xoshiro256PlusPlus,
    /// Where they have hosts of their own.
    network: Option<Network>,
    // Dropped last: the agents live in it.
    _lab: Lab,
}

impl Cluster {
    pub(crate) fn on_loopback() -> Self {
        let lab = Lab::new();
        let agents = lab.cluster(AGENTS);
        Self::new(agents, None, lab)
    }

    /// `None`, after saying so, where this machine cannot have network namespaces.
    pub(crate) fn in_namespaces() -> Option<Self> {
        let network = Network::new(AGENTS)?;
        let lab = Lab::new();
        let agents = network.cluster(&lab);
        Some(Self::new(agents, Some(network), lab))
    }

    fn new(agents: Vec<Agent>, network: Option<Network>, lab: Lab) -> Self {
        Self {
            watched: Watched::new(agents),
            dice: Xoshiro256PlusPlus::seed_from_u64(1),
            network,
            _lab: lab,
        }
    }

    /// So many blows, one after the other.
    pub(crate) fn measure(
        &mut self,
        repeats: usize,
        blow: fn(&mut Self) -> Duration,
    ) -> Vec<Duration> {
        let each = (0..repeats).map(|_| {
            let breath = self.dice.random_range(BREATH_MS);
            pause(Duration::from_millis(breath));
            blow(self)
        });
        each.collect()
    }

    /// A process that has a lease is killed: the last consumer, the agent's own included, heard
    /// that the application is down.
    pub(crate) fn kill_application(&mut self) -> Duration {
        let index = self.dice.random_range(0..self.watched.agents.len());
        let name = self.watched.agents[index].name().to_owned();
        let application = Running::start(Command::new("sleep").arg("1000"));
        let lease = json!({"pid": application.child.id()}).to_string();
        let leased = Stopwatch::start();
        self.watched.agents[index].request("PUT", "/v1/app", &lease);
        self.last_told("update", &name, leased);
        let killed = Stopwatch::start();
        application.signal(Signal::KILL);
        self.last_told("update", &name, killed)
    }

    /// Nothing passes between the agent's host and the others any more, and nobody is refused:
    /// the last consumer heard `failed`.
    pub(crate) fn silence_one(&mut self) -> Duration {
        let victim = self.take_one();
        let name = victim.name().to_owned();
        let host = name[1..].parse().expect("n and its number");
        let network = self.network.as_ref().expect("hosts of their own");
        let others: Vec<_> = (1..=AGENTS).filter(|other| *other != host).collect();
        let cut = Stopwatch::start();
        network.cut(&[host], &others);
        let known = self.last_told("failed", &name, cut);
        let launch = victim.kill();
        network.heal();
        self.watched.bring_back(launch);
        known
    }

    /// Takes out any but the first, through whom all others join.
    fn take_one(&mut self) -> Agent {
        let index = self.dice.random_range(1..self.watched.agents.len());
        self.watched.take(index)
    }

    /// From `since` until the last consumer heard the first `kind` about `name` after it.
    fn last_told(&self, kind: &str, name: &str, since: Stopwatch) -> Duration {
        let watches = self.watched.watches.iter();
        let told = watches.map(|watch| watch.wait_received(kind, name, since));
        let after = told.map(|at| since.until(at));
        after.max().expect("somebody is left to be told")
    }
}
