//! `Agent`: one agent from its configuration to its end.

use std::{
    ffi::OsString,
    io,
    net::{SocketAddr, TcpListener},
    path::Path,
    sync::Arc,
};

use rustix::process::{DumpableBehavior, set_dumpable_behavior};
use tokio::{
    signal::unix::{SignalKind, signal},
    sync::{mpsc, watch},
    task::JoinHandle,
};
use tracing::{info, warn};

use crate::{
    config::{Config, Seed, is_loopback},
    feed::{Epoch, Feed},
    swim::{Directory, Input, Key, Keys, Node, Scope, Settings, StopReason},
};

use super::{
    Error, advertise,
    api::Doors,
    child::{End, Fate, Program},
    clock::{self, Clock},
    descriptors,
    gossip::{self, Datagrams, Gossip},
    local::{Local, SocketFile},
    outputs::Prepared,
    panics,
    protocol::{Outcome, Protocol, Shutdown, Ways},
    reaper,
    reload::{Levers, Reload},
    service::Service,
    shared::{Facts, Reloadable, Shared},
    store::{Keeper, Owner, Store},
    streams::Streams,
    threads::{Threads, Work, runtime},
};

/// What the thread that the node runs on is for.
const PROTOCOL: &str = "protocol";

/// Runs an agent until it leaves or is told to end by SIGTERM or SIGINT; a second signal ends it
/// at once. SIGHUP has it take up what changed in its configuration, if `reload` says where that
/// comes from; else it ends the process, as ever. Blocks.
///
/// # Errors
/// Whatever kept it from starting, or [`Error::Conflict`].
pub fn run(config: Config, reload: Option<Reload>) -> Result<Exit, Error> {
    let agent = Agent::bind(config)?;
    reaper::start()?;
    agent.drive(signals, None, reload)
}

/// The same with `command`, a program and its arguments, as its application: a child that is
/// started once the agent serves its API, with `HEADCOUNT_SOCKET` and `HEADCOUNT_NAME` set. Signals
/// go to the child, SIGHUP to both. After SIGTERM or SIGINT it has 10 s to end; a second one kills
/// it. The agent leaves when the child has ended. Where our standard input is a terminal, the
/// child's is empty.
///
/// # Errors
/// As [`run`], and [`Error::Command`].
pub fn run_with(
    config: Config,
    reload: Option<Reload>,
    command: Vec<OsString>,
) -> Result<Exit, Error> {
    let (ask, shutdown) = mpsc::channel(2);
    let program = Program::new(command, ask);
    let agent = Agent::bind(config)?;
    reaper::start()?;
    agent.drive(|| Ok(shutdown), Some(program), reload)
}

/// Checks what `config` names and [`run`] would read before it opens anything: the templates.
///
/// # Errors
/// [`Error::Template`].
pub fn check(config: &Config) -> Result<(), Error> {
    Prepared::new(config.outputs.clone()).map(drop)
}

/// How an agent ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// Its application ended so, and it left the cluster after it.
    Application(End),
    /// It was told twice: it may not have said goodbye, and left unfinished what it was at.
    Forced,
    /// It left the cluster.
    Left,
}

/// An agent whose sockets are open, so that nothing but the network can go wrong any more.
#[derive(Debug)]
pub struct Agent {
    config: Config,
    /// As it was given to us.
    configured: Config,
    gossip: Gossip,
    /// Where others are told that we are.
    advertised: SocketAddr,
    local: Local,
    http: Option<(TcpListener, SocketAddr)>,
    outputs: Prepared,
    store: Store,
    generation: u32,
}

impl Agent {
    /// Opens every socket that `config` asks for, and the data directory. Nothing is sent yet. A
    /// Unix socket that the service manager passed on to this process (`LISTEN_FDS`) takes the
    /// place of the configured one; the first agent of the process has it.
    ///
    /// # Errors
    /// What could not be opened and why. Sockets that were opened before are closed again.
    pub fn bind(mut config: Config) -> Result<Self, Error> {
        descriptors::raise_limit();
        if config.keys.primary().is_some() {
            keep_out_of_core_files();
        }
        let configured = Config {
            // A key that is removed later would live on in them.
            keys: Keys::default(),
            ..config.clone()
        };
        let outputs = Prepared::new(std::mem::take(&mut config.outputs))?;
        // The local socket first: it tells most surely that an agent is running already.
        let local = Local::open(&config.socket, &config.access)?;
        config.socket.clone_from(&local.path);
        let gossip = Gossip::bind(config.bind).map_err(|source| Error::Bind {
            address: config.bind,
            source,
        })?;
        let advertised = advertise::address(config.advertise.as_ref(), gossip.address)?;
        let http = config.http.map(bind_http).transpose()?;
        let (store, generation) = Store::open(&config.data_dir, owner(&config))?;
        Ok(Self {
            config,
            configured,
            gossip,
            advertised,
            local,
            http,
            outputs,
            store,
            generation,
        })
    }

    /// Where gossip is heard, with the real port.
    pub const fn address(&self) -> SocketAddr {
        self.gossip.address
    }

    /// The API's Unix socket.
    pub fn socket(&self) -> &Path {
        &self.config.socket
    }

    /// Where the API is served on TCP, with the real port.
    pub fn http_address(&self) -> Option<SocketAddr> {
        self.http.as_ref().map(|(_, address)| *address)
    }

    /// Runs until it leaves. The first message on `shutdown` makes it leave, the second ends it
    /// at once. Blocks, so it wants a thread of its own.
    ///
    /// # Errors
    /// [`Error::Runtime`] or [`Error::Conflict`].
    pub fn run(self, shutdown: mpsc::Receiver<()>) -> Result<Exit, Error> {
        self.drive(|| Ok(shutdown), None, None)
    }

    fn drive(
        self,
        shutdown: impl FnOnce() -> io::Result<mpsc::Receiver<()>>,
        program: Option<Program>,
        reload: Option<Reload>,
    ) -> Result<Exit, Error> {
        let runtime = runtime(PROTOCOL)?;
        panics::note_those_of(PROTOCOL);
        let entered = runtime.enter();
        let shutdown = Shutdown::new(shutdown().map_err(failed)?);
        let (running, protocol) = self.start(shutdown, reload)?;
        let child = program.map(|program| program.start(running.shared.clone()));
        drop(entered);
        let exit = match child.transpose() {
            Ok(child) => runtime.block_on(running.until_the_end(protocol, child)),
            Err(error) => {
                drop(protocol);
                running.shared.end();
                runtime.block_on(running.threads.finish(running.socket));
                Err(error)
            }
        };
        // The disk may be busy; whoever is told to end at once does not wait for it.
        runtime.shutdown_background();
        exit
    }

    /// Starts everything but the protocol loop. Must be called inside its runtime.
    fn start(
        self,
        shutdown: Shutdown,
        reload: Option<Reload>,
    ) -> Result<(Running, Protocol), Error> {
        let clock = Clock::start();
        let peers = self.store.addresses();
        let facts = self.facts(&peers);
        let mut node = Node::new(settings(&self.config, self.advertised, self.generation));
        let own = node.members().next().expect("a node knows itself");
        let feed = Feed::new(Epoch(clock::random()), clock.now(), &own);
        let began = Reloadable {
            keys: self.config.keys.clone(),
            profile: self.config.profile,
        };
        let (shared, commands) = Shared::new(clock, facts, began, feed);
        let (datagrams, streams) = open(self.gossip, &shared).map_err(failed)?;
        let (generation, generations) = watch::channel(self.generation);
        let (levers, orders) = Levers::new(self.config.join);
        let reloader = reload.map(|reload| reload.listen(self.configured, &shared, levers));
        let work = Work {
            doors: Doors {
                local: (self.local.listener, self.local.guard),
                http: self.http.map(|(listener, _)| listener),
                token: self.config.access.token,
            },
            keeper: Keeper::new(self.store, shared.clone(), generations),
            outputs: self.outputs,
            reloader: reloader.transpose().map_err(failed)?,
            orders,
        };
        announce(&shared, self.generation, peers.len());
        // What it asks for comes with the answer to its first input in the loop.
        let _ = node.handle(clock.now(), Input::Reconnect(&peers));
        let running = Running {
            threads: work.start(&shared)?,
            shared: shared.clone(),
            socket: self.local.file,
        };
        let ways = Ways {
            shared,
            datagrams,
            streams,
            commands,
            shutdown,
            generation,
            service: self.config.supervisor.as_ref().and_then(Service::connect),
        };
        Ok((running, Protocol::new(node, ways)))
    }

    /// What does not change while this process runs.
    fn facts(&self, peers: &[SocketAddr]) -> Facts {
        let own = [self.gossip.address, self.advertised].map(Seed::Address);
        let is_other = |seed: &Seed| !own.contains(seed);
        let mut facts = Facts::new(&self.config, self.gossip.address, self.http_address());
        facts.seeks_others = self.config.join.iter().any(is_other) || !peers.is_empty();
        facts
    }
}

/// An agent but for its protocol.
#[derive(Debug)]
struct Running {
    shared: Arc<Shared>,
    threads: Threads,
    socket: Option<SocketFile>,
}

impl Running {
    /// Runs the protocol, and has everything else end after it.
    async fn until_the_end(
        self,
        protocol: Protocol,
        child: Option<JoinHandle<Fate>>,
    ) -> Result<Exit, Error> {
        let outcome = protocol.run().await;
        self.shared.end();
        let (reason, mut shutdown) = match outcome.map_err(failed)? {
            Outcome::Forced => return Ok(Exit::Forced),
            Outcome::Stopped(reason, shutdown) => (reason, shutdown),
        };
        let rest = async { tokio::join!(fate(child), self.threads.finish(self.socket)) };
        tokio::select! {
            (fate, ()) = rest => exit(reason, fate, &self.shared.facts),
            () = shutdown.at_once() => Ok(Exit::Forced),
        }
    }
}

/// Whoever reads a core file of ours, or attaches to this process, would have the keys. What we
/// start may leave core files again.
fn keep_out_of_core_files() {
    if let Err(error) = set_dumpable_behavior(DumpableBehavior::NotDumpable) {
        warn!(%error, "a core file of this process would hold its keys");
    }
}

/// What becomes of the application, if there is one.
async fn fate(child: Option<JoinHandle<Fate>>) -> Option<Fate> {
    child?.await.ok()
}

fn exit(reason: StopReason, fate: Option<Fate>, facts: &Facts) -> Result<Exit, Error> {
    match (reason, fate) {
        (StopReason::Conflict { holder }, _) => Err(Error::Conflict {
            name: facts.name.clone(),
            address: facts.bind,
            holder,
        }),
        (StopReason::Left, Some(Fate::Ended(end))) => Ok(Exit::Application(end)),
        (StopReason::Left, _) => Ok(Exit::Left),
    }
}

/// The gossip port as part of the runtime that this is called inside of.
fn open(gossip: Gossip, shared: &Shared) -> io::Result<(Datagrams, Streams)> {
    let datagrams = Datagrams::new(gossip.udp, shared.clock)?;
    let listener = tokio::net::TcpListener::from_std(gossip.tcp)?;
    let tallies = shared.tallies.clone();
    let streams = Streams::new(listener, gossip.address.ip(), shared.clock, tallies);
    Ok((datagrams, streams))
}

fn failed(source: io::Error) -> Error {
    Error::Runtime {
        part: PROTOCOL,
        source,
    }
}

fn bind_http(address: SocketAddr) -> Result<(TcpListener, SocketAddr), Error> {
    let bind = || {
        let listener = gossip::bind_tcp(address)?;
        let address = listener.local_addr()?;
        Ok((listener, address))
    };
    bind().map_err(|source| Error::Http { address, source })
}

fn settings(config: &Config, advertised: SocketAddr, generation: u32) -> Settings {
    Settings {
        cluster: config.cluster.clone(),
        name: config.name.clone(),
        address: advertised,
        generation,
        tags: config.tags.clone(),
        tuning: config.tuning(),
        seed: clock::random(),
        directory: Directory::of_at_most(config.max_members),
        scope: Scope::Everyone,
        keys: config.keys.clone(),
    }
}

fn owner(config: &Config) -> Owner {
    Owner {
        cluster: config.cluster.clone(),
        name: config.name.clone(),
    }
}

fn announce(shared: &Shared, generation: u32, peers: usize) {
    let facts = &shared.facts;
    let key = shared.keys.borrow().primary().map(Key::id);
    info!(
        name = facts.name,
        id = %facts.id,
        generation,
        peers,
        gossip = %facts.bind,
        socket = %facts.socket.display(),
        http = facts.http.map(tracing::field::display),
        sealing = key.map_or_else(|| "plaintext".into(), |key| format!("sealed with {key}")),
        cluster = facts.cluster,
        profile = shared.profile.borrow().as_str(),
        version = env!("CARGO_PKG_VERSION"),
        "started"
    );
    // Off loopback the configuration wants --insecure, and consent is no reason to forget it.
    if key.is_none() && !is_loopback(facts.bind.ip()) {
        warn!(
            gossip = %facts.bind,
            "GOSSIP IS PLAINTEXT AND UNAUTHENTICATED: anyone who can reach this port can read and \
             forge membership. Keep it in a trusted network, or give all agents a --key-file"
        );
    }
}

/// Turns SIGTERM and SIGINT into messages. Must be called inside a runtime.
fn signals() -> io::Result<mpsc::Receiver<()>> {
    let (sender, receiver) = mpsc::channel(2);
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    // Who is used to ask other agents for a report by one of these ends none of ours: once listened
    // to, they do nothing.
    for kind in [SignalKind::user_defined1(), SignalKind::user_defined2()] {
        drop(signal(kind)?);
    }
    tokio::spawn(async move {
        loop {
            tokio::select! {
                _ = terminate.recv() => {}
                _ = interrupt.recv() => {}
            }
            if sender.send(()).await.is_err() {
                return;
            }
        }
    });
    Ok(receiver)
}

#[cfg(test)]
mod tests {
    use rustix::process::dumpable_behavior;
    use zeroize::Zeroizing;

    use super::*;
    use crate::agent::tests::config;

    #[test]
    fn keys_that_are_removed_do_not_live_on_in_what_was_configured() {
        let temp = tempfile::tempdir().unwrap();
        let key = Arc::new(Key::new(&Zeroizing::new([7; 32])));
        let agent = Agent::bind(Config {
            keys: [key].into_iter().collect(),
            ..config(&temp, "n1", &[])
        });
        let agent = agent.unwrap();
        assert!(agent.config.keys.primary().is_some());
        assert!(agent.configured.keys.primary().is_none());
    }

    #[test]
    fn a_process_with_keys_leaves_no_core_file() {
        keep_out_of_core_files();
        assert_eq!(dumpable_behavior(), Ok(DumpableBehavior::NotDumpable));
    }
}
