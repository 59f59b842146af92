//! `Run`: how a run went, in numbers; a world sums it up.

use std::{net::SocketAddr, time::Duration};

use bytes::Bytes;

use super::{Slot, World, machine::Process};
use crate::simulator::{Distribution, Measures, Outage, Second, Traffic, Violation};

/// Something that was sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Tapped {
    /// A datagram.
    Datagram {
        /// Whose it is.
        from: SocketAddr,
        /// Where it goes.
        to: SocketAddr,
        /// Its bytes.
        bytes: Bytes,
    },
    /// A frame on a stream.
    Frame(Bytes),
}

/// How a run went.
#[derive(Clone, Debug)]
pub struct Run {
    /// The seed it came from.
    pub seed: u64,
    /// Equal for equal runs, on any machine.
    pub trace_hash: u64,
    /// Virtual time simulated since counting began.
    pub simulated: Duration,
    /// Time that all processes ran in it, summed up.
    pub node_time: Duration,
    /// Every crash, and when it was noticed.
    pub outages: Vec<Outage>,
    /// From each crash until each of the others told `failed`.
    pub learned: Distribution,
    /// The same from the first of them on.
    pub spread: Distribution,
    /// From each word about an application until each of the others told it.
    pub app_news: Distribution,
    /// From each user event until each of those who were there told it.
    pub user_events: Distribution,
    /// What each machine sent.
    pub traffic: Traffic,
    /// For each slot how often a node took back that it is suspect or failed, while it was the
    /// same process.
    pub flaps: Vec<u32>,
    /// Whom faults struck since counting began, in order; one that was planned and never came
    /// struck nobody.
    pub struck: Vec<Slot>,
    /// Every whole second since counting began.
    pub seconds: Vec<Second>,
    /// After the last fault ended, how long until all views were equal.
    pub converged_after: Option<Duration>,
    /// What was counted.
    pub measures: Measures,
    /// Promises broken; the run ended at the first.
    pub violations: Vec<Violation>,
}

impl World {
    /// Sums up the run so far.
    pub fn report(&mut self) -> Run {
        Run {
            seed: self.seed,
            trace_hash: self.trace.so_far(),
            simulated: self.now - self.counting_since,
            node_time: self.node_time(),
            outages: self.outages.all(),
            learned: self.outages.learned().clone(),
            spread: self.outages.spread().clone(),
            app_news: self.applications.heard().clone(),
            user_events: self.events.heard().clone(),
            traffic: self.meter.senders.traffic(self.running_times()),
            flaps: self.meter.flaps().to_vec(),
            struck: self.struck.iter().copied().collect(),
            seconds: self.meter.seconds().to_vec(),
            converged_after: None,
            measures: Measures {
                renewals: self.measures.renewals + self.renewals_of_running(),
                ..self.measures
            },
            violations: self.violations.clone(),
        }
    }

    /// Time that all processes ran since counting began, summed up.
    fn node_time(&self) -> Duration {
        self.running_times().sum::<Duration>() + self.ran
    }

    /// For each machine how long its process has run since counting began, zero without one.
    fn running_times(&self) -> impl Iterator<Item = Duration> + '_ {
        let span = |process: &Process| self.now - process.started.max(self.counting_since);
        let processes = self.machines.iter().map(|machine| machine.process.as_ref());
        processes.map(move |process| process.map_or(Duration::ZERO, span))
    }

    /// New lives that the running processes took so far.
    fn renewals_of_running(&self) -> u64 {
        let running = self.machines.iter().filter_map(|m| m.process.as_ref());
        running.map(|process| process.node.stats().renewals).sum()
    }
}
