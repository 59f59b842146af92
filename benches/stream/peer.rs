//! `Peer`: a member in this process, whose every datagram we see leave.

use std::{
    collections::BTreeMap,
    io::{self, Read, Write},
    net::{SocketAddr, TcpStream, UdpSocket},
    sync::mpsc,
    thread,
    time::Duration,
};

use headcount::swim::{
    AppStatus, Directory, Input, Keys, Node, Output, Profile, Scope, Settings, StreamEnd, StreamId,
    Tags, Timestamp, Tuning,
};

use crate::support::{PATIENCE, Stopwatch};

pub(crate) struct Peer {
    node: Node,
    udp: UdpSocket,
    clock: Stopwatch,
    agent: SocketAddr,
    streams: BTreeMap<StreamId, TcpStream>,
    /// Frames of streams; `None` when one is over.
    frames: (mpsc::Sender<Frame>, mpsc::Receiver<Frame>),
    has_joined: bool,
    /// When a datagram for the agent left last.
    sent: Option<Stopwatch>,
}

type Frame = (StreamId, Option<Vec<u8>>);

impl Peer {
    /// A member at `address` that has joined the agent at `agent`.
    pub(crate) fn join(address: SocketAddr, agent: SocketAddr) -> Self {
        let node = Node::new(Settings {
            cluster: "default".into(),
            name: "peer".into(),
            address,
            generation: 1,
            tags: Tags::default(),
            tuning: Tuning::new(Profile::Lan),
            seed: 1,
            directory: Directory::new(),
            scope: Scope::Everyone,
            keys: Keys::default(),
        });
        let mut peer = Self {
            node,
            udp: UdpSocket::bind(address).expect("a free port"),
            clock: Stopwatch::start(),
            agent,
            streams: BTreeMap::new(),
            frames: mpsc::channel(),
            has_joined: false,
            sent: None,
        };
        peer.handle(Input::Deadline);
        peer.handle(Input::Join(&[agent]));
        while !peer.has_joined {
            assert!(peer.clock.elapsed() < PATIENCE, "it never joined");
            peer.turn(Duration::from_millis(1));
        }
        peer
    }

    /// Says something new of its application every `period` for as long as `lasts`; gives when
    /// the first datagram for the agent left after each.
    pub(crate) fn tell(&mut self, lasts: Duration, period: Duration) -> Vec<Stopwatch> {
        let changes = lasts.as_micros() / period.as_micros();
        let each = (0..changes).map(|number| {
            let status = AppStatus::down(&number.to_string());
            self.sent = None;
            self.handle(Input::App(Some(&status)));
            let begun = Stopwatch::start();
            let mut first = self.sent;
            while begun.elapsed() < period {
                self.turn(period.saturating_sub(begun.elapsed()));
                first = first.or(self.sent);
            }
            first.expect("it gossips at once")
        });
        each.collect()
    }

    /// Waits for whatever comes first, for so long at most.
    fn turn(&mut self, wait: Duration) {
        let due = self
            .node
            .deadline()
            .map(|due| due.saturating_since(self.now()));
        let wait = due.map_or(wait, |due| due.min(wait));
        let wait = wait.clamp(Duration::from_micros(1), Duration::from_millis(1));
        self.udp.set_read_timeout(Some(wait)).expect("a time-out");
        let mut buffer = [0; 2048];
        if let Ok((size, from)) = self.udp.recv_from(&mut buffer) {
            let bytes = &buffer[..size];
            self.handle(Input::Datagram { from, bytes });
        }
        while let Ok((stream, frame)) = self.frames.1.try_recv() {
            match frame {
                Some(bytes) => self.handle(Input::StreamFrame {
                    stream,
                    bytes: &bytes,
                }),
                None => self.handle(Input::StreamClosed {
                    stream,
                    end: StreamEnd::Closed,
                }),
            }
        }
        if self.node.deadline().is_some_and(|due| due <= self.now()) {
            self.handle(Input::Deadline);
        }
    }

    fn now(&self) -> Timestamp {
        Timestamp::from_micros(1) + self.clock.elapsed()
    }

    fn handle(&mut self, input: Input<'_>) {
        let outputs: Vec<_> = self.node.handle(self.now(), input).collect();
        for output in outputs {
            self.perform(output).expect("loopback works");
        }
    }

    fn perform(&mut self, output: Output) -> io::Result<()> {
        match output {
            Output::Send { to, bytes } => {
                if to == self.agent {
                    self.sent.get_or_insert_with(Stopwatch::start);
                }
                self.udp.send_to(&bytes, to)?;
            }
            Output::OpenStream { stream, to, frame } => {
                let tcp = TcpStream::connect(to)?;
                let (reader, frames) = (tcp.try_clone()?, self.frames.0.clone());
                thread::spawn(move || read(stream, reader, &frames));
                self.streams.insert(stream, tcp);
                self.write(stream, &frame)?;
            }
            Output::StreamFrame { stream, bytes } => self.write(stream, &bytes)?,
            Output::CloseStream(stream) => drop(self.streams.remove(&stream)),
            Output::Joined(_) => self.has_joined = true,
            _ => {}
        }
        Ok(())
    }

    fn write(&mut self, stream: StreamId, frame: &[u8]) -> io::Result<()> {
        let Some(tcp) = self.streams.get_mut(&stream) else {
            return Ok(());
        };
        let length = u32::try_from(frame.len()).expect("a frame is small");
        tcp.write_all(&length.to_be_bytes())?;
        tcp.write_all(frame)
    }
}

fn read(stream: StreamId, mut tcp: TcpStream, frames: &mpsc::Sender<Frame>) {
    let mut head = [0; 4];
    while tcp.read_exact(&mut head).is_ok() {
        let mut frame = vec![0; u32::from_be_bytes(head) as usize];
        if tcp.read_exact(&mut frame).is_err() {
            break;
        }
        // The peer may have gone.
        let _ = frames.send((stream, Some(frame)));
    }
    let _ = frames.send((stream, None));
}
