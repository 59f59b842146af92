//! `Run`: how a run went, in numbers.

use std::{net::SocketAddr, time::Duration};

use bytes::Bytes;

use super::{Distribution, Measures, Outage, Second, Slot, Traffic, Violation};

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
