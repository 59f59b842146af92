//! `Few`: a few nodes on a perfect network of one millisecond, and who takes what to whom.

use std::collections::BTreeMap;

use crate::swim::node::*;
use crate::swim::{Directory, Keys, MemberState, Notice, Profile, Removed, Scope, StreamEnd, Tags};

pub(in crate::swim) const LATENCY: Duration = Duration::from_millis(1);

pub(in crate::swim) struct Few {
    pub(in crate::swim) now: Timestamp,
    pub(in crate::swim) nodes: Vec<Option<Node>>,
    pub(in crate::swim) changes: Vec<Vec<Change>>,
    pub(in crate::swim) notices: Vec<Vec<Notice>>,
    /// All that was sent: from whom, to whom, what.
    pub(in crate::swim) captured: Vec<(usize, usize, Arrival)>,
    pub(in crate::swim) stops: BTreeMap<usize, StopReason>,
    /// How long a frame of a stream takes.
    pub(in crate::swim) frame_latency: Duration,
    wire: BTreeMap<(Timestamp, u64), (usize, Arrival)>,
    pub(in crate::swim) sent: u64,
    pub(in crate::swim) dialled: BTreeMap<(usize, StreamId), SocketAddr>,
    /// Whose datagrams come from another address than it advertises: which.
    pub(in crate::swim) translated: Option<(usize, SocketAddr)>,
    /// Nobody is there any more.
    pub(in crate::swim) vacated: Option<SocketAddr>,
    /// Who hears no datagrams of this kind.
    pub(in crate::swim) deaf_to: Option<(usize, Kind)>,
    /// Removals that were counted.
    pub(in crate::swim) removed: Vec<Removed>,
    /// Whom each waits for, and until when.
    pub(in crate::swim) awaited: BTreeMap<usize, Vec<(MemberId, Timestamp)>>,
}

#[derive(Clone)]
pub(in crate::swim) enum Arrival {
    Datagram(SocketAddr, Vec<u8>),
    Frame(StreamId, Vec<u8>),
    Closed(StreamId),
}

pub(in crate::swim) fn address(index: usize) -> SocketAddr {
    SocketAddr::from(([10, 0, 0, u8::try_from(index).unwrap()], 7946))
}

fn accepted(dialler: usize, stream: StreamId) -> StreamId {
    StreamId(stream.0 * 1000 + dialler as u64 * 2 + 1)
}

pub(in crate::swim) fn node(name: &str, at: usize, generation: u32, seed: u64) -> Node {
    Node::new(settings(name, at, generation, seed))
}

pub(in crate::swim) fn settings(name: &str, at: usize, generation: u32, seed: u64) -> Settings {
    Settings {
        cluster: "blue".into(),
        name: name.into(),
        address: address(at),
        generation,
        tags: [("role".to_owned(), "web".to_owned())]
            .into_iter()
            .collect::<Tags>(),
        tuning: Tuning::new(Profile::Lan),
        seed,
        directory: Directory::new(),
        scope: Scope::Everyone,
        keys: Keys::default(),
    }
}

impl Few {
    pub(in crate::swim) fn new(count: usize) -> Self {
        Self::of((0..count).map(|at| settings(&format!("n{at}"), at, 1, at as u64)))
    }

    pub(in crate::swim) fn of(settings: impl IntoIterator<Item = Settings>) -> Self {
        let nodes: Vec<_> = settings.into_iter().map(Node::new).map(Some).collect();
        Self {
            now: Timestamp::from_micros(1_000_000),
            changes: vec![Vec::new(); nodes.len()],
            notices: vec![Vec::new(); nodes.len()],
            captured: Vec::new(),
            nodes,
            stops: BTreeMap::new(),
            frame_latency: LATENCY,
            wire: BTreeMap::new(),
            sent: 0,
            dialled: BTreeMap::new(),
            translated: None,
            vacated: None,
            deaf_to: None,
            removed: Vec::new(),
            awaited: BTreeMap::new(),
        }
    }

    pub(in crate::swim) fn joined(count: usize) -> Self {
        let mut few = Self::new(count);
        few.meet();
        few
    }

    pub(in crate::swim) fn add(&mut self, node: Node) {
        self.nodes.push(Some(node));
        self.changes.push(Vec::new());
        self.notices.push(Vec::new());
    }

    /// All join through the first.
    pub(in crate::swim) fn meet(&mut self) {
        for at in 1..self.nodes.len() {
            self.input(at, Input::Join(&[address(0)]));
        }
        self.run(Duration::from_secs(2));
    }

    pub(in crate::swim) fn input(&mut self, at: usize, input: Input<'_>) {
        let Some(node) = self.nodes[at].as_mut() else {
            return;
        };
        let outputs: Vec<_> = node.handle(self.now, input).collect();
        for output in outputs {
            self.output(at, output);
        }
    }

    fn output(&mut self, at: usize, output: Output) {
        let from = address(at);
        match output {
            Output::Send { to, bytes } => {
                let translated = self.translated.filter(|(whose, _)| *whose == at);
                let from = translated.map_or(from, |(_, from)| from);
                self.post(at, to, Arrival::Datagram(from, bytes.to_vec()));
            }
            Output::OpenStream { stream, to, frame } => {
                self.dialled.insert((at, stream), to);
                let far = accepted(at, stream);
                self.post(at, to, Arrival::Frame(far, frame.to_vec()));
            }
            Output::StreamFrame { stream, bytes } => {
                let (to, far) = self.far_end(at, stream);
                self.post(at, to, Arrival::Frame(far, bytes.to_vec()));
            }
            Output::CloseStream(stream) => {
                let (to, far) = self.far_end(at, stream);
                self.post(at, to, Arrival::Closed(far));
            }
            Output::Change(change) => self.changes[at].push(*change),
            Output::Notice(notice) => self.notices[at].push(*notice),
            Output::Removed(removed) => self.removed.push(*removed),
            Output::Restarting { member, due } => {
                self.awaited.entry(at).or_default().push((member, due));
            }
            Output::Stop(reason) => {
                self.stops.insert(at, reason);
                self.nodes[at] = None;
            }
            _ => {}
        }
    }

    /// Accepted streams have odd numbers that name their dialler.
    fn far_end(&self, at: usize, stream: StreamId) -> (SocketAddr, StreamId) {
        if let Some(to) = self.dialled.get(&(at, stream)) {
            return (*to, accepted(at, stream));
        }
        let dialler = usize::try_from((stream.0 % 1000 - 1) / 2).unwrap();
        (address(dialler), StreamId(stream.0 / 1000))
    }

    fn post(&mut self, from: usize, to: SocketAddr, arrival: Arrival) {
        if self.vacated == Some(to) {
            return;
        }
        let SocketAddr::V4(to) = to else { return };
        self.sent += 1;
        let to = usize::from(to.ip().octets()[3]);
        self.captured.push((from, to, arrival.clone()));
        let latency = match arrival {
            Arrival::Datagram(..) => LATENCY,
            Arrival::Frame(..) | Arrival::Closed(_) => self.frame_latency,
        };
        self.wire
            .insert((self.now + latency, self.sent), (to, arrival));
    }

    pub(in crate::swim) fn run(&mut self, time: Duration) {
        let end = self.now + time;
        while let Some(next) = self.next_instant().filter(|next| *next <= end) {
            self.now = self.now.max(next);
            while let Some(entry) = self.wire.first_entry().filter(|e| e.key().0 <= next) {
                let (at, arrival) = entry.remove();
                if at < self.nodes.len() {
                    self.deliver(at, &arrival);
                }
            }
            for at in 0..self.nodes.len() {
                let due = self.nodes[at].as_ref().and_then(Node::deadline);
                if due.is_some_and(|due| due <= self.now) {
                    self.input(at, Input::Deadline);
                }
            }
        }
        self.now = end;
    }

    fn deliver(&mut self, at: usize, arrival: &Arrival) {
        match arrival {
            Arrival::Datagram(_, bytes)
                if self
                    .deaf_to
                    .is_some_and(|(who, kind)| who == at && bytes[2] == kind as u8) => {}
            Arrival::Datagram(from, bytes) => {
                self.input(at, Input::Datagram { from: *from, bytes });
            }
            Arrival::Frame(stream, bytes) => {
                self.input(
                    at,
                    Input::StreamFrame {
                        stream: *stream,
                        bytes,
                    },
                );
            }
            Arrival::Closed(stream) => self.input(
                at,
                Input::StreamClosed {
                    stream: *stream,
                    end: StreamEnd::Closed,
                },
            ),
        }
    }

    fn next_instant(&self) -> Option<Timestamp> {
        let wire = self.wire.keys().next().map(|(at, _)| *at);
        let deadlines = self.nodes.iter().flatten().filter_map(Node::deadline);
        deadlines.chain(wire).min()
    }

    pub(in crate::swim) fn node(&self, at: usize) -> &Node {
        self.nodes[at].as_ref().expect("it runs")
    }

    pub(in crate::swim) fn kinds(&self, at: usize) -> Vec<&'static str> {
        self.changes[at].iter().map(Change::kind).collect()
    }

    pub(in crate::swim) fn state(&self, at: usize, name: &str) -> Option<MemberState> {
        self.nodes[at]
            .as_ref()?
            .member(name)
            .map(|member| member.state)
    }
}
