//! `Machine`: a place where the process of one name runs, or does not, and what outlives it.

use std::{
    collections::{BTreeMap, VecDeque},
    net::SocketAddr,
    time::Duration,
};

use bytes::Bytes;

use super::{
    Place, Slot,
    carriage::{LinkId, Side},
    slow::Anomaly,
};
use crate::{
    simulator::promises::{Consumer, LEAVE_MAX},
    swim::{Change, Node, Notice, Profile, StopReason, StreamId, Tags, Timestamp, Tuning},
};

/// Datagrams that wait in a paused process's socket; more are dropped, as the kernel does.
const INBOX_DATAGRAMS_MAX: usize = 256;

/// What an operator sets on one machine before the process first starts there.
#[derive(Clone, Debug)]
pub struct Spec {
    /// The member's name.
    pub name: String,
    /// The cluster it belongs to.
    pub cluster: String,
    /// Machines whose addresses it is told to join, as an operator would by host name: looked up
    /// at each start and, when they moved, every 30 s.
    pub seeds: Vec<Slot>,
    /// Whether the process knows its own address; otherwise it binds to 0.0.0.0 and must be told
    /// by the first peer.
    pub knows_address: bool,
    /// The member's tags.
    pub tags: Tags,
    /// The protocol's numbers.
    pub tuning: Tuning,
}

impl Spec {
    /// Member `name` of cluster `sim` with LAN numbers, joining `seeds`.
    pub fn new(name: impl Into<String>, seeds: &[Slot]) -> Self {
        Self {
            name: name.into(),
            cluster: "sim".into(),
            seeds: seeds.to_vec(),
            knows_address: true,
            tags: Tags::default(),
            tuning: Tuning::new(Profile::Lan),
        }
    }

    /// The same in another cluster.
    #[must_use]
    pub fn in_cluster(self, cluster: impl Into<String>) -> Self {
        Self {
            cluster: cluster.into(),
            ..self
        }
    }
}

/// One thing a node told its consumers.
#[derive(Clone, Debug)]
pub struct Told {
    /// When.
    pub at: Timestamp,
    /// What.
    pub change: Change,
}

/// How a process ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum End {
    /// Killed, alone or with its host, without a word.
    Crashed,
    /// It stopped by itself.
    Stopped(StopReason),
}

impl End {
    /// The end of "it ends: ".
    pub(super) fn in_words(&self) -> String {
        match self {
            Self::Crashed => "it was killed".into(),
            Self::Stopped(StopReason::Conflict { holder }) => {
                format!("its name is taken, by who is at {holder}")
            }
            Self::Stopped(StopReason::Left) => "it left".into(),
        }
    }
}

/// A machine with its process, if one runs.
#[derive(Debug)]
pub(super) struct Machine {
    pub(super) spec: Spec,
    pub(super) place: Place,
    /// The data directory: the last generation used, 0 when it is empty.
    pub(super) stored_generation: u32,
    pub(super) process: Option<Process>,
    /// Whether it answers where no process does.
    pub(super) host_up: bool,
    /// How and when the last process ended.
    pub(super) ended: Option<(Timestamp, End)>,
    /// Everything its processes told, oldest first.
    pub(super) told: Vec<Told>,
    /// What they had to say to their operator.
    pub(super) notices: Vec<Notice>,
    /// Join addresses that were answered so far.
    pub(super) joined: u32,
    /// Rules in force that single it out.
    pub(super) impairments: u32,
    /// When the last of them ended.
    pub(super) relieved: Option<Timestamp>,
}

impl Machine {
    pub(super) const fn new(spec: Spec, place: Place) -> Self {
        Self {
            spec,
            place,
            stored_generation: 0,
            process: None,
            host_up: true,
            ended: None,
            told: Vec::new(),
            notices: Vec::new(),
            joined: 0,
            impairments: 0,
            relieved: None,
        }
    }

    /// Whether a process runs here and has been undisturbed for at least `span`: not paused, not
    /// slow and not singled out by the network, so that nobody has a reason to doubt it.
    pub(super) fn healthy_for(&self, now: Timestamp, span: Duration) -> bool {
        let since = |ended| now.saturating_since(ended) >= span;
        let process = self.process.as_ref();
        self.impairments == 0
            && self.relieved.is_none_or(since)
            && process
                .is_some_and(|process| process.runs_well() && process.resumed.is_none_or(since))
    }
}

/// Something that reached a machine.
#[derive(Debug)]
pub(super) enum Arrival {
    Datagram {
        from: Place,
        bytes: Bytes,
    },
    /// Nobody listens there.
    Refused {
        by: Place,
    },
    StreamFrame {
        link: LinkId,
        side: Side,
        bytes: Bytes,
    },
    StreamClosed {
        link: LinkId,
        side: Side,
    },
}

/// A running process: its node and what an operating system keeps for it.
#[derive(Debug)]
pub(super) struct Process {
    pub(super) node: Node,
    /// Tells this process from every other one in the world.
    pub(super) number: u32,
    /// The earliest wake-up that is in the heap for it.
    pub(super) wake: Option<Timestamp>,
    /// Set while it is stopped, as by SIGSTOP or because it is slow and blocks.
    pub(super) paused: bool,
    /// Set while it takes in what it heard.
    pub(super) busy_until: Option<Timestamp>,
    /// Set while it is slow; boxed because hardly any is.
    pub(super) anomaly: Option<Box<Anomaly>>,
    /// When it was started.
    pub(super) started: Timestamp,
    /// When it was last allowed to run again after a pause, or was slow no more.
    pub(super) resumed: Option<Timestamp>,
    /// Since when it is leaving.
    pub(super) leaving: Option<Timestamp>,
    /// The addresses its seeds were last found at.
    pub(super) resolved: Option<Vec<SocketAddr>>,
    pub(super) streams: BTreeMap<StreamId, LinkId>,
    /// Reads what it tells, where everybody's changes are looked at; boxed because few have one.
    pub(super) consumer: Option<Box<Consumer>>,
    next_stream: u64,
    inbox: VecDeque<Arrival>,
    inbox_datagrams: usize,
}

impl Process {
    pub(super) const fn new(node: Node, number: u32, now: Timestamp) -> Self {
        Self {
            node,
            number,
            wake: None,
            paused: false,
            busy_until: None,
            anomaly: None,
            started: now,
            resumed: None,
            leaving: None,
            resolved: None,
            streams: BTreeMap::new(),
            consumer: None,
            next_stream: 1,
            inbox: VecDeque::new(),
            inbox_datagrams: 0,
        }
    }

    /// Keeps `arrival` until the process runs again. A full socket buffer drops datagrams and
    /// refusals; streams have flow control and lose nothing.
    pub(super) fn queue(&mut self, arrival: Arrival) {
        if matches!(arrival, Arrival::Datagram { .. } | Arrival::Refused { .. }) {
            if self.inbox_datagrams == INBOX_DATAGRAMS_MAX {
                return;
            }
            self.inbox_datagrams += 1;
        }
        self.inbox.push_back(arrival);
    }

    /// What waited while the process was paused, oldest first.
    pub(super) fn drain_inbox(&mut self) -> VecDeque<Arrival> {
        self.inbox_datagrams = 0;
        std::mem::take(&mut self.inbox)
    }

    /// The number for a stream the process accepts: odd, as the contract says.
    pub(super) const fn accept(&mut self) -> StreamId {
        let stream = StreamId(self.next_stream);
        self.next_stream += 2;
        stream
    }

    /// Whether it was told to leave, could have, and has not.
    pub(super) fn leaves_late(&self, now: Timestamp) -> bool {
        let since = self.leaving.max(self.leaving.and(self.resumed));
        since.is_some_and(|since| now - since > LEAVE_MAX) && !self.paused
    }

    /// Whether it is neither paused nor slow.
    pub(super) const fn runs_well(&self) -> bool {
        !self.paused && self.anomaly.is_none()
    }
}
