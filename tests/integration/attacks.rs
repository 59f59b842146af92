//! An attacker in front of a real, sealed agent: it hears all that comes there, and sends whatever
//! it likes from anywhere. Attack by attack, nothing comes of it.

use std::{
    collections::BTreeMap,
    io::{self, Read, Write},
    net::{Shutdown, SocketAddr, TcpListener, TcpStream, UdpSocket},
    sync::{
        Arc, Mutex, MutexGuard,
        atomic::{AtomicBool, Ordering},
    },
    thread,
};

use rustix::process::Signal;
use serde_json::Value;

use crate::{
    sealing::{key, key_file, sealed},
    support::{Agent, Lab, await_members, draws, until},
};

/// Of each kind of attack on single datagrams.
const DATAGRAMS: usize = 12;
/// Connections that a stranger keeps open: more than twice as many as an agent lets wait.
const BESIEGERS: usize = 300;

/// What was heard.
#[derive(Debug, Default)]
struct Heard {
    agent: Option<SocketAddr>,
    other: Option<SocketAddr>,
    datagrams: Vec<Vec<u8>>,
    /// Of each stream that was dialled to the agent, what the dialler said.
    streams: BTreeMap<usize, Vec<u8>>,
}

/// Stands in front of an agent, for UDP and TCP, and keeps what is said to it.
#[derive(Debug)]
struct Tap {
    address: SocketAddr,
    heard: Arc<Mutex<Heard>>,
}

impl Tap {
    fn start(lab: &Lab) -> Self {
        let tcp = TcpListener::bind((lab.host(), 0)).expect("a port");
        let address = tcp.local_addr().expect("bound");
        let udp = UdpSocket::bind(address).expect("nobody else is at this host's address");
        let heard = Arc::<Mutex<Heard>>::default();
        let tap = Self { address, heard };
        let passing = tap.heard.clone();
        thread::spawn(move || pass_datagrams(&udp, &passing));
        let passing = tap.heard.clone();
        thread::spawn(move || {
            for (number, near) in tcp.incoming().flatten().enumerate() {
                // A stream that breaks is one that an agent closed.
                let _ = pass_stream(near, number, &passing);
            }
        });
        tap
    }

    fn heard(&self) -> MutexGuard<'_, Heard> {
        self.heard.lock().expect("nobody panics with it")
    }
}

/// What comes from the agent goes to the last one who said something, all else to the agent.
fn pass_datagrams(udp: &UdpSocket, heard: &Mutex<Heard>) {
    let mut bytes = [0; 2_000];
    while let Ok((size, from)) = udp.recv_from(&mut bytes) {
        let mut heard = heard.lock().expect("nobody panics with it");
        let to = match heard.agent {
            Some(agent) if agent == from => heard.other,
            agent => {
                heard.other = Some(from);
                heard.datagrams.push(bytes[..size].to_vec());
                agent
            }
        };
        if let Some(to) = to {
            udp.send_to(&bytes[..size], to).expect("loopback takes it");
        }
    }
}

fn pass_stream(mut near: TcpStream, number: usize, heard: &Arc<Mutex<Heard>>) -> io::Result<()> {
    let agent = heard.lock().expect("nobody panics with it").agent;
    let mut far = TcpStream::connect(agent.expect("it is there"))?;
    let (mut answer, mut asker) = (far.try_clone()?, near.try_clone()?);
    thread::spawn(move || {
        let _ = io::copy(&mut answer, &mut asker);
        asker.shutdown(Shutdown::Write)
    });
    let heard = heard.clone();
    thread::spawn(move || -> io::Result<()> {
        let mut bytes = [0; 4_096];
        loop {
            let size = near.read(&mut bytes)?;
            if size == 0 {
                return far.shutdown(Shutdown::Write);
            }
            let mut heard = heard.lock().expect("nobody panics with it");
            let said = heard.streams.entry(number).or_default();
            said.extend_from_slice(&bytes[..size]);
            drop(heard);
            far.write_all(&bytes[..size])?;
        }
    });
    Ok(())
}

/// A stranger that keeps so many connections to an agent open, says the same on each of them and
/// opens another one for each that is closed, until it is dropped.
struct Siege {
    is_over: Arc<AtomicBool>,
    thread: Option<thread::JoinHandle<()>>,
}

impl Siege {
    fn lay(to: SocketAddr, said: Vec<u8>) -> Self {
        let is_over = Arc::<AtomicBool>::default();
        let over = is_over.clone();
        let open = move || {
            let mut stream = TcpStream::connect(to).expect("it accepts");
            // It may be closed before it has said all.
            let _ = stream.write_all(&said);
            stream.set_nonblocking(true).expect("a mode");
            stream
        };
        let thread = thread::spawn(move || {
            let mut streams: Vec<_> = (0..BESIEGERS).map(|_| open()).collect();
            while !over.load(Ordering::Relaxed) {
                for stream in &mut streams {
                    let heard = stream.read(&mut [0; 16]);
                    if !heard.is_err_and(|error| error.kind() == io::ErrorKind::WouldBlock) {
                        *stream = open();
                    }
                }
                thread::yield_now();
            }
        });
        Self {
            is_over,
            thread: Some(thread),
        }
    }
}

impl Drop for Siege {
    fn drop(&mut self) {
        self.is_over.store(true, Ordering::Relaxed);
        let thread = self.thread.take().expect("it is dropped once");
        // An agent that refused it has failed the test already.
        let _ = thread.join();
    }
}

/// Two agents with a key, of which the first can be reached through the tap only, that have talked
/// for a while.
struct Stage {
    lab: Lab,
    key_file: std::path::PathBuf,
    tap: Tap,
    agents: [Agent; 2],
    /// Where the first one really is.
    door: SocketAddr,
    attacker: UdpSocket,
}

impl Stage {
    fn new() -> Self {
        let lab = Lab::new();
        let key_file = key_file(&lab, "key", &[&key()]);
        let tap = Tap::start(&lab);
        let advertise = tap.address.to_string();
        let args = ["--advertise", &advertise, "--profile", "local"];
        let first = sealed(lab.agent("n1").args(args), &key_file).start();
        let door = first.status()["bind"].as_str().expect("text").to_owned();
        let door = door.parse().expect("an address");
        tap.heard().agent = Some(door);
        let second = lab
            .agent("n2")
            .args(["--profile", "local"])
            .join(tap.address);
        let agents = [first, sealed(second, &key_file).start()];
        await_members(&agents, "alive", 2);
        until("enough is heard", || {
            let heard = tap.heard();
            (heard.datagrams.len() >= DATAGRAMS && !heard.streams.is_empty()).then_some(())
        });
        let attacker = UdpSocket::bind((lab.host(), 0)).expect("a socket");
        attacker.set_nonblocking(true).expect("a mode");
        Self {
            lab,
            key_file,
            tap,
            agents,
            door,
            attacker,
        }
    }

    fn captured(&self) -> Vec<Vec<u8>> {
        self.tap.heard().datagrams[..DATAGRAMS].to_vec()
    }

    fn second(&self) -> SocketAddr {
        self.agents[1].address()
    }

    /// Sends each to this address, and sees that it gets no more bytes than it sent, and that as
    /// many are thrown away.
    fn send(&self, to: SocketAddr, datagrams: &[Vec<u8>]) {
        let victim = &self.agents[usize::from(to != self.door)];
        let before = victim.metric("headcount_junk_total");
        for (sent, datagram) in datagrams.iter().enumerate() {
            self.attacker.send_to(datagram, to).expect("sent");
            if sent % 50 == 49 {
                // No faster than it is read: what the kernel drops cannot be counted.
                await_junk(victim, before + sent as f64 + 1.0);
            }
        }
        await_junk(victim, before + datagrams.len() as f64);
        let sent: usize = datagrams.iter().map(Vec::len).sum();
        let mut bytes = [0; 2_000];
        let mut got = 0;
        while let Ok(size) = self.attacker.recv(&mut bytes) {
            got += size;
        }
        assert!(got <= sent, "{got} bytes for {sent}");
    }

    /// What both believe, and how many probes failed.
    fn state(&self) -> Vec<(u64, BTreeMap<String, Value>, f64)> {
        let agents = self.agents.iter();
        let state = agents.map(|agent| {
            let (seq, members) = agent.members();
            let failed = agent.metric("headcount_probes_failed_total");
            (seq, members, failed)
        });
        state.collect()
    }

    /// Runs `attack` and some rounds of probes, which must leave everything as it is.
    #[track_caller]
    fn holds(&self, attack: impl FnOnce(&Self)) {
        let before = self.state();
        attack(self);
        for agent in &self.agents {
            let probes = || agent.metric("headcount_probes_total");
            let then = probes();
            until("two more probes", || (probes() >= then + 2.0).then_some(()));
        }
        assert_eq!(self.state(), before);
    }
}

fn await_junk(agent: &Agent, count: f64) {
    let what = format!("{count} datagrams counted as junk");
    until(&what, || {
        (agent.metric("headcount_junk_total") >= count).then_some(())
    });
}

#[test]
fn captured_datagrams_do_nothing_again_elsewhere_returned_or_damaged() {
    let stage = Stage::new();
    stage.holds(|stage| stage.send(stage.door, &stage.captured()));
    // To another member: to whom they were not said, and who said them itself.
    stage.holds(|stage| stage.send(stage.second(), &stage.captured()));
    stage.holds(|stage| {
        let captured = stage.captured();
        let cut = captured
            .iter()
            .map(|bytes| bytes[..bytes.len() / 2].to_vec());
        stage.send(stage.door, &cut.collect::<Vec<_>>());
        let changed = captured.iter().map(|bytes| {
            let mut changed = bytes.clone();
            changed[bytes.len() - 1] ^= 1;
            changed
        });
        stage.send(stage.door, &changed.collect::<Vec<_>>());
    });
}

#[test]
fn a_captured_stream_gets_no_answer() {
    let stage = Stage::new();
    let streams: Vec<_> = stage.tap.heard().streams.values().cloned().collect();
    stage.holds(|stage| {
        for said in &streams {
            let mut stream = TcpStream::connect(stage.door).expect("it accepts");
            // It may be closed before it has heard all.
            let _ = stream.write_all(said);
            let _ = stream.shutdown(Shutdown::Write);
            let mut answer = Vec::new();
            let _ = stream.read_to_end(&mut answer);
            assert_eq!(answer.len(), 0, "an answer to what was captured");
        }
    });
}

#[test]
fn what_is_made_with_another_key_or_for_another_cluster_does_nothing() {
    let stage = Stage::new();
    let other_key = key_file(&stage.lab, "other", &[&key()]);
    stage.holds(|stage| {
        let named = |folder| stage.lab.agent("n2").folder(folder);
        let forgers = [
            sealed(named("forger"), &other_key),
            sealed(named("foreigner"), &stage.key_file).args(["--cluster", "other"]),
            named("plain"),
        ];
        for forger in forgers {
            // As real agents say it, each to an ear of its own: a hello is said again and again.
            let ear = UdpSocket::bind((stage.lab.host(), 0)).expect("a socket");
            let at = ear.local_addr().expect("bound");
            let _speaking = forger.join(at).start();
            let mut bytes = [0; 2_000];
            let size = ear.recv(&mut bytes).expect("a hello");
            stage.send(stage.door, &[bytes[..size].to_vec()]);
        }
    });
    for (reason, least) in [("key", 2.0), ("cluster", 1.0)] {
        let name = format!("headcount_junk_total{{reason=\"{reason}\"}}");
        stage.agents[0].await_metric(&name, |junk| junk >= least);
    }
}

#[test]
fn a_flood_of_junk_costs_no_probe_and_no_memory() {
    let stage = Stage::new();
    let mut draws = draws(9).flat_map(u64::to_le_bytes);
    let captured = stage.captured();
    let resident = || rss_kib(&stage.agents[0]);
    let mut flood = |stage: &Stage| {
        // With heads as a member's, so that each costs a decryption.
        let heads = captured.iter().cycle().map(|bytes| bytes[..40].to_vec());
        let tail = || draws.by_ref().take(100).collect();
        let tails = std::iter::repeat_with(tail);
        let junk = heads
            .zip(tails)
            .map(|(head, tail): (_, Vec<u8>)| [head, tail].concat());
        stage.send(stage.door, &junk.take(3_000).collect::<Vec<_>>());
    };
    flood(&stage);
    let before = resident();
    stage.holds(&mut flood);
    let grown = resident().saturating_sub(before);
    assert!(grown < 1_024, "{grown} KiB");
    // And it is one that notices when a member dies.
    let watch = stage.agents[0].watch();
    stage.agents[1].signal(Signal::KILL);
    watch.wait_for("failed", "n2");
}

#[test]
fn a_stranger_who_holds_connections_keeps_nobody_from_joining_and_takes_no_memory() {
    let lab = Lab::new();
    let key_file = key_file(&lab, "key", &[&key()]);
    let local = ["--profile", "local"];
    let mut agents = vec![sealed(lab.agent("n1").args(local), &key_file).start()];
    let door = agents[0].address();
    let before = rss_kib(&agents[0]);
    let unsaid = |length: u32, said| [&length.to_be_bytes()[..], &vec![7; said]].concat();
    for (said, is_waited_for) in [
        (Vec::new(), true),
        (unsaid(0x000f_ffff, 0), false),
        (unsaid(0x00ff_ffff, 1_000_000), false),
        (unsaid(0x0000_7fff, 0x7ffe), true),
    ] {
        let gave_way = agents[0].metric("headcount_streams_gave_way_total");
        let _siege = Siege::lay(door, said);
        if is_waited_for {
            // The siege is complete before anybody comes, who might be through it before.
            agents[0].await_metric("headcount_streams_gave_way_total", |count| count > gave_way);
        }
        let name = format!("n{}", agents.len() + 1);
        let joiner = lab.agent(&name).args(local).join(door);
        agents.push(sealed(joiner, &key_file).start());
        await_members(&agents, "alive", agents.len());
    }
    let grown = rss_kib(&agents[0]).saturating_sub(before);
    assert!(grown < 16 * 1_024, "{grown} KiB");
    agents[0].await_logged(&["WARN", "gossip port", "127.0.0.1", "to make room"]);
}

fn rss_kib(agent: &Agent) -> u64 {
    let pid = agent.status()["pid"].clone();
    let text = std::fs::read_to_string(format!("/proc/{pid}/status")).expect("Linux");
    let line = text.lines().find(|line| line.starts_with("VmRSS:"));
    let number = line.and_then(|line| line.split_whitespace().nth(1)?.parse().ok());
    number.expect("a number")
}
