//! A whole node, made to know everybody by meeting real nodes.

use std::{collections::BTreeMap, net::SocketAddr, time::Duration};

use bytes::Bytes;
use headcount::swim::{
    Directory, Input, Keys, Node, Output, Profile, Scope, Settings, StreamEnd, StreamId, Tags,
    Timestamp, Tuning,
};

use super::PEERS;

/// Nodes are introduced in groups, so that the whole list is not exchanged once for each.
const GROUP: usize = 32;
/// An ack without news is not larger.
const QUIET_ACK_BYTES_MAX: usize = 100;

/// Two or more nodes and a network that delivers at once whatever they send each other. What they
/// send to others is lost.
pub(super) struct World {
    pub(super) now: Timestamp,
    directory: Directory,
    keys: Keys,
    pub(super) nodes: BTreeMap<SocketAddr, Node>,
    streams_accepted: u64,
    /// Which stream number the other end uses, and where that is.
    streams: BTreeMap<(SocketAddr, StreamId), (SocketAddr, StreamId)>,
}

impl World {
    fn new(keys: &Keys) -> Self {
        Self {
            now: Timestamp::from_micros(1),
            directory: Directory::new(),
            keys: keys.clone(),
            nodes: BTreeMap::new(),
            streams_accepted: 1,
            streams: BTreeMap::new(),
        }
    }

    fn add(&mut self, number: usize) -> SocketAddr {
        let [_, _, high, low] = u32::try_from(number).expect("small").to_be_bytes();
        let address = SocketAddr::from(([10, 0, high, low], 7946));
        let settings = Settings {
            cluster: "bench".into(),
            name: format!("node-{number:05}"),
            address,
            generation: 1,
            tags: Tags::default(),
            tuning: Tuning::new(Profile::Lan),
            seed: number as u64,
            directory: self.directory.clone(),
            scope: Scope::Everyone,
            keys: self.keys.clone(),
        };
        self.nodes.insert(address, Node::new(settings));
        address
    }

    /// Hands `input` to the node at `address`, and everything that follows from it to the others.
    /// Gives the datagrams that node `at` sent itself.
    pub(super) fn happen(&mut self, at: SocketAddr, input: Input<'_>) -> Vec<(SocketAddr, Bytes)> {
        let mut sent = Vec::new();
        let mut pending = self.outputs(at, input);
        while !pending.is_empty() {
            for (from, output) in std::mem::take(&mut pending) {
                if let (true, Output::Send { to, bytes }) = (from == at, &output) {
                    sent.push((*to, bytes.clone()));
                }
                pending.extend(self.carry(from, output));
            }
        }
        sent
    }

    fn outputs(&mut self, at: SocketAddr, input: Input<'_>) -> Vec<(SocketAddr, Output)> {
        self.now = self.now + Duration::from_micros(1);
        let Some(node) = self.nodes.get_mut(&at) else {
            return Vec::new();
        };
        node.handle(self.now, input)
            .map(|output| (at, output))
            .collect()
    }

    /// Does what `from` asked for; gives what follows.
    fn carry(&mut self, from: SocketAddr, output: Output) -> Vec<(SocketAddr, Output)> {
        match output {
            Output::Send { to, bytes } => self.outputs(
                to,
                Input::Datagram {
                    from,
                    bytes: &bytes,
                },
            ),
            Output::OpenStream { stream, to, frame } => {
                if !self.nodes.contains_key(&to) {
                    let end = StreamEnd::Refused;
                    return self.outputs(from, Input::StreamClosed { stream, end });
                }
                self.streams_accepted += 2;
                let accepted = StreamId(self.streams_accepted);
                self.streams.insert((from, stream), (to, accepted));
                self.streams.insert((to, accepted), (from, stream));
                self.frame(from, stream, &frame)
            }
            Output::StreamFrame { stream, bytes } => self.frame(from, stream, &bytes),
            Output::CloseStream(stream) => match self.streams.remove(&(from, stream)) {
                Some((to, stream)) => {
                    let end = StreamEnd::Closed;
                    self.outputs(to, Input::StreamClosed { stream, end })
                }
                None => Vec::new(),
            },
            _ => Vec::new(),
        }
    }

    fn frame(
        &mut self,
        from: SocketAddr,
        stream: StreamId,
        bytes: &[u8],
    ) -> Vec<(SocketAddr, Output)> {
        match self.streams.get(&(from, stream)).copied() {
            Some((to, stream)) => self.outputs(to, Input::StreamFrame { stream, bytes }),
            None => Vec::new(),
        }
    }

    fn join(&mut self, newcomer: SocketAddr, seed: SocketAddr) {
        self.happen(newcomer, Input::Join(&[seed]));
    }

    /// Lets `peer` exchange state with random members until it met the one who knows everybody.
    fn learn(&mut self, peer: SocketAddr, members: usize) {
        while self.nodes[&peer].members().count() < members {
            let deadline = self.nodes[&peer].deadline().expect("a node never rests");
            self.now = self.now.max(deadline);
            self.happen(peer, Input::Deadline);
        }
    }

    /// The first datagram that `peer` sends by itself and that `node` answers.
    fn ping(&mut self, peer: SocketAddr, node: SocketAddr) -> Bytes {
        for _ in 0..1_000 {
            let deadline = self.nodes[&peer].deadline().expect("a node never rests");
            self.now = self.now.max(deadline);
            for (to, bytes) in self.happen(peer, Input::Deadline) {
                let again = Input::Datagram {
                    from: peer,
                    bytes: &bytes,
                };
                if to == node && !self.happen(node, again).is_empty() {
                    return bytes;
                }
            }
        }
        panic!("no ping in 1,000 deadlines");
    }
}

/// A node that knows everybody, and what peers of it once sent to it.
pub(crate) struct Rig {
    now: Timestamp,
    node: Node,
    peer: SocketAddr,
    pings: Vec<Bytes>,
    turn: usize,
    full: Bytes,
    updates: usize,
}

impl Rig {
    pub(crate) fn new(members: usize) -> Self {
        let (mut world, node, peers) = acquainted(&Keys::default());
        let pings = peers.iter().map(|peer| world.ping(*peer, node)).collect();
        let peer = peers[0];
        let back = world.ping(node, peer);
        for group in (1 + PEERS..members).collect::<Vec<_>>().chunks(GROUP) {
            let group: Vec<_> = group.iter().map(|number| world.add(*number)).collect();
            for newcomer in &group[1..] {
                world.join(*newcomer, group[0]);
            }
            world.join(node, group[0]);
            world.nodes.retain(|address, _| !group.contains(address));
        }
        world.learn(peer, members);
        let answers = world.happen(
            peer,
            Input::Datagram {
                from: node,
                bytes: &back,
            },
        );
        let full = answers
            .into_iter()
            .map(|(_, bytes)| bytes)
            .max_by_key(Bytes::len);
        let full = full.expect("an ack full of news");
        let updates = count_updates(&full);
        let now = world.now;
        let node = world.nodes.remove(&node).expect("it is there");
        assert_eq!(node.members().count(), members, "everybody was introduced");
        let mut rig = Self {
            now,
            node,
            peer,
            pings,
            turn: 0,
            full,
            updates,
        };
        while rig.ping() > QUIET_ACK_BYTES_MAX {}
        rig
    }

    /// Handles one ping and gives the bytes of what it answers.
    pub(crate) fn ping(&mut self) -> usize {
        self.turn = (self.turn + 1) % PEERS;
        self.now = self.now + Duration::from_micros(1);
        let bytes = &self.pings[self.turn];
        let input = Input::Datagram {
            from: self.peer,
            bytes,
        };
        sent(self.node.handle(self.now, input))
    }

    /// Handles one packet full of old news and gives the bytes of what it answers: none.
    pub(crate) fn full(&mut self) -> usize {
        self.now = self.now + Duration::from_micros(1);
        let input = Input::Datagram {
            from: self.peer,
            bytes: &self.full,
        };
        sent(self.node.handle(self.now, input))
    }

    /// How many updates the full packet holds.
    pub(crate) const fn updates(&self) -> usize {
        self.updates
    }
}

/// A node and its peers, before they know of anybody else.
pub(super) fn acquainted(keys: &Keys) -> (World, SocketAddr, Vec<SocketAddr>) {
    let mut world = World::new(keys);
    let node = world.add(0);
    let peers: Vec<_> = (1..=PEERS).map(|number| world.add(number)).collect();
    for peer in &peers {
        world.join(*peer, node);
    }
    (world, node, peers)
}

/// How many members `packet` tells a node about that knows nobody but its peers.
fn count_updates(packet: &[u8]) -> usize {
    let (mut world, node, peers) = acquainted(&Keys::default());
    world.happen(
        node,
        Input::Datagram {
            from: peers[0],
            bytes: packet,
        },
    );
    world.nodes[&node].members().count() - (1 + PEERS)
}

fn sent(outputs: impl Iterator<Item = Output>) -> usize {
    outputs
        .map(|output| match output {
            Output::Send { bytes, .. } => bytes.len(),
            _ => 0,
        })
        .sum()
}
