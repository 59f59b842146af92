//! `Agent`: one agent from its configuration to its end.

use std::{
    ffi::OsString,
    io,
    net::{SocketAddr, TcpListener},
    path::Path,
    sync::Arc,
    thread,
};

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::{
    runtime::{Builder, Runtime},
    signal::unix::{SignalKind, signal},
    sync::{mpsc, watch},
};
use tracing::{error, info, warn};

use crate::{
    config::{Config, Seed, is_loopback},
    feed::{Epoch, Feed},
    swim::{Directory, Input, Node, Scope, Settings, StopReason, Tuning},
};

use super::{
    Error,
    api::{self, Doors},
    child::{End, Fate, Program},
    clock::{self, Clock},
    gossip::{self, Datagrams, Gossip},
    local::{Local, SocketFile},
    outputs::Prepared,
    protocol::{Outcome, Protocol},
    seeds,
    service::Service,
    shared::{Facts, Shared},
    store::{Keeper, Owner, Store},
    streams::Streams,
};

/// File descriptors that the API's connections, the streams and the rest take together.
const FILES: u64 = 8_192;

/// Runs an agent until it leaves or is told to end by SIGTERM or SIGINT; a second signal ends it
/// at once. Blocks.
///
/// # Errors
/// Whatever kept it from starting, or [`Error::Conflict`].
pub fn run(config: Config) -> Result<Exit, Error> {
    Agent::bind(config)?.drive(signals, None)
}

/// The same with `command`, a program and its arguments, as its application: a child that is
/// started once the agent serves its API, with `HEADCOUNT_SOCKET` and `HEADCOUNT_NAME` set. SIGTERM
/// and SIGINT go to the child, which has 10 s to end; a second one kills it. The agent leaves when
/// the child has ended.
///
/// # Errors
/// As [`run`], and [`Error::Command`].
pub fn run_with(config: Config, command: Vec<OsString>) -> Result<Exit, Error> {
    let (ask, shutdown) = mpsc::channel(2);
    let program = Program::new(command, ask);
    Agent::bind(config)?.drive(|| Ok(shutdown), Some(program))
}

/// How an agent ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// Its application ended so, and it left the cluster after it.
    Application(End),
    /// It was told twice and did not say goodbye.
    Forced,
    /// It left the cluster.
    Left,
}

/// An agent whose sockets are open, so that nothing but the network can go wrong any more.
#[derive(Debug)]
pub struct Agent {
    config: Config,
    gossip: Gossip,
    local: Local,
    http: Option<(TcpListener, SocketAddr)>,
    outputs: Prepared,
}

impl Agent {
    /// Opens every socket that `config` asks for. Nothing is sent yet. A Unix socket that the
    /// service manager passed on to this process (`LISTEN_FDS`) takes the place of the configured
    /// one; the first agent of the process has it.
    ///
    /// # Errors
    /// The socket that could not be opened and why. Those opened before are closed again.
    pub fn bind(mut config: Config) -> Result<Self, Error> {
        raise_file_limit();
        let outputs = Prepared::new(std::mem::take(&mut config.outputs))?;
        // The local socket first: it tells most surely that an agent is running already.
        let local = Local::open(&config.socket)?;
        config.socket.clone_from(&local.path);
        let gossip = Gossip::bind(config.bind).map_err(|source| Error::Bind {
            address: config.bind,
            source,
        })?;
        let http = config.http.map(bind_http).transpose()?;
        Ok(Self {
            config,
            gossip,
            local,
            http,
            outputs,
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
        self.drive(|| Ok(shutdown), None)
    }

    fn drive(
        self,
        shutdown: impl FnOnce() -> io::Result<mpsc::Receiver<()>>,
        program: Option<Program>,
    ) -> Result<Exit, Error> {
        let failed = |source| Error::Runtime {
            part: "protocol",
            source,
        };
        let runtime = runtime("protocol")?;
        let entered = runtime.enter();
        let shutdown = shutdown().map_err(failed)?;
        let (name, ours) = (self.config.name.clone(), self.gossip.address);
        let (running, protocol, file) = self.start(shutdown)?;
        let child = match program
            .map(|program| program.start(running.shared.clone()))
            .transpose()
        {
            Ok(child) => child,
            Err(error) => {
                drop(protocol);
                running.shared.end();
                running.finish();
                return Err(error);
            }
        };
        drop(entered);
        let outcome = runtime.block_on(protocol.run()).map_err(failed);
        running.shared.end();
        let fate = match (&outcome, child) {
            (Ok(Outcome::Stopped(_)), Some(child)) => runtime.block_on(child).ok(),
            _ => None,
        };
        // The disk may be busy; whoever is told to end at once does not wait for it.
        runtime.shutdown_background();
        let exit = match outcome? {
            Outcome::Forced => Ok(Exit::Forced),
            Outcome::Stopped(reason) => {
                running.finish();
                exit(reason, fate, name, ours)
            }
        };
        drop(file);
        exit
    }

    /// Starts everything but the protocol loop. Must be called inside its runtime.
    fn start(
        self,
        shutdown: mpsc::Receiver<()>,
    ) -> Result<(Running, Protocol, Option<SocketFile>), Error> {
        let http = self.http_address();
        let facts = Facts::new(&self.config, self.gossip.address, http);
        let (store, generation) = Store::open(&self.config.data_dir, owner(&self.config));
        let mut node = Node::new(settings(&self.config, self.gossip.address, generation));
        let clock = Clock::start();
        let peers = store.addresses();
        let own = node.members().next().expect("a node knows itself");
        let feed = Feed::new(Epoch(clock::random()), clock.now(), &own);
        let (shared, commands) = Shared::new(clock, facts, feed);
        let failed = |source| Error::Runtime {
            part: "protocol",
            source,
        };
        let datagrams = Datagrams::new(self.gossip.udp).map_err(failed)?;
        let listener = tokio::net::TcpListener::from_std(self.gossip.tcp).map_err(failed)?;
        let streams = Streams::new(listener, self.gossip.address.ip());
        let (remember, generations) = watch::channel(generation);
        let doors = Doors {
            local: (self.local.listener, self.local.guard),
            http: self.http.map(|(listener, _)| listener),
        };
        announce(&shared.facts, generation, peers.len());
        // What it asks for comes with the answer to its first input in the loop.
        drop(node.handle(clock.now(), Input::Reconnect(&peers)));
        let running = Running {
            api: start_api(doors, shared.clone(), watch::channel(self.config.join).1)?,
            disk: start_disk(Keeper::new(store, shared.clone(), generations))?,
            outputs: start_outputs(self.outputs, shared.clone())?,
            shared: shared.clone(),
        };
        let ports = (datagrams, streams);
        let service = self.config.supervisor.as_ref().and_then(Service::connect);
        let told = (remember, service);
        let protocol = Protocol::new(node, shared, ports, (commands, shutdown), told);
        Ok((running, protocol, self.local.file))
    }
}

/// Every consumer takes a file descriptor, and 1,024 are a usual limit that may be raised.
fn raise_file_limit() {
    let limit = getrlimit(Resource::Nofile);
    let wanted = limit.maximum.map_or(FILES, |maximum| maximum.min(FILES));
    if limit.current.is_some_and(|current| current < wanted) {
        let raised = Rlimit {
            current: Some(wanted),
            ..limit
        };
        // With fewer, consumers are refused sooner; that is no reason not to start.
        let _ = setrlimit(Resource::Nofile, raised);
    }
}

fn exit(
    reason: StopReason,
    fate: Option<Fate>,
    name: String,
    address: SocketAddr,
) -> Result<Exit, Error> {
    match (reason, fate) {
        (StopReason::Conflict { holder }, _) => Err(Error::Conflict {
            name,
            address,
            holder,
        }),
        (StopReason::Left, Some(Fate::Ended(end))) => Ok(Exit::Application(end)),
        (StopReason::Left, _) => Ok(Exit::Left),
    }
}

/// Everything beside the protocol.
#[derive(Debug)]
struct Running {
    shared: Arc<Shared>,
    api: thread::JoinHandle<()>,
    disk: thread::JoinHandle<()>,
    /// `None` when there is no hook and no file.
    outputs: Option<thread::JoinHandle<()>>,
}

impl Running {
    /// Waits until the last answers are out, the last generation is stored and the last hook ran.
    fn finish(self) {
        let outputs = self.outputs.map(|thread| ("outputs", thread));
        let threads = [("api", self.api), ("disk", self.disk)];
        for (part, thread) in threads.into_iter().chain(outputs) {
            if thread.join().is_err() {
                error!(part, "a thread panicked");
            }
        }
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

fn settings(config: &Config, bound: SocketAddr, generation: u32) -> Settings {
    let advertised = config.advertise.map(|address| match address.port() {
        0 => SocketAddr::new(address.ip(), bound.port()),
        _ => address,
    });
    Settings {
        cluster: config.cluster.clone(),
        name: config.name.clone(),
        address: advertised.unwrap_or(bound),
        generation,
        tags: config.tags.clone(),
        tuning: Tuning::new(config.profile),
        seed: clock::random(),
        directory: Directory::new(),
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

fn announce(facts: &Facts, generation: u32, peers: usize) {
    info!(
        name = facts.name,
        id = %facts.id,
        generation,
        peers,
        gossip = %facts.bind,
        socket = %facts.socket.display(),
        http = facts.http.map(tracing::field::display),
        sealing = facts.key.map_or_else(|| "plaintext".into(), |key| format!("sealed with {key}")),
        cluster = facts.cluster,
        profile = facts.profile.as_str(),
        version = env!("CARGO_PKG_VERSION"),
        "started"
    );
    if let Some(http) = facts.http.filter(|http| !is_loopback(http.ip())) {
        warn!(
            %http,
            "THE HTTP API HAS NO PASSWORD: anyone who can reach this port can make this agent \
             leave. Keep it on loopback or behind a proxy that asks"
        );
    }
    // Off loopback the configuration wants --insecure, and consent is no reason to forget it.
    if facts.key.is_none() && !is_loopback(facts.bind.ip()) {
        warn!(
            gossip = %facts.bind,
            "GOSSIP IS PLAINTEXT AND UNAUTHENTICATED: anyone who can reach this port can read and \
             forge membership. Keep it in a trusted network, or give all agents a --key-file"
        );
    }
}

fn runtime(part: &'static str) -> Result<Runtime, Error> {
    Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|source| Error::Runtime { part, source })
}

fn spawn(
    part: &'static str,
    body: impl FnOnce() + Send + 'static,
) -> Result<thread::JoinHandle<()>, Error> {
    thread::Builder::new()
        .name(part.into())
        .spawn(body)
        .map_err(|source| Error::Runtime { part, source })
}

/// Serves the API and follows the seeds until nothing more comes.
fn start_api(
    doors: Doors,
    shared: Arc<Shared>,
    seeds: watch::Receiver<Vec<Seed>>,
) -> Result<thread::JoinHandle<()>, Error> {
    let runtime = runtime("api")?;
    runtime.spawn(seeds::follow(shared.clone(), seeds));
    spawn("api", move || {
        if let Err(error) = runtime.block_on(api::serve(doors, shared)) {
            error!(%error, "the local API ended");
        }
        // A resolver may take long; nobody waits for it now.
        runtime.shutdown_background();
    })
}

/// Runs hooks and keeps files, if there are any.
fn start_outputs(
    outputs: Prepared,
    shared: Arc<Shared>,
) -> Result<Option<thread::JoinHandle<()>>, Error> {
    if outputs.is_empty() {
        return Ok(None);
    }
    let runtime = runtime("outputs")?;
    spawn("outputs", move || {
        runtime.block_on(outputs.follow(shared));
        // A disk may take long; nobody waits for it now.
        runtime.shutdown_background();
    })
    .map(Some)
}

/// Keeps the store, away from every thread that has anything else to do.
fn start_disk(keeper: Keeper) -> Result<thread::JoinHandle<()>, Error> {
    let runtime = runtime("disk")?;
    spawn("disk", move || runtime.block_on(keeper.run()))
}

/// Turns SIGTERM and SIGINT into messages. Must be called inside a runtime.
fn signals() -> io::Result<mpsc::Receiver<()>> {
    let (sender, receiver) = mpsc::channel(2);
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
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
