//! What the protocol's thread and the API's thread have in common.
//!
//! The protocol writes, the API reads; every lock is held for as long as it takes to copy
//! pointers or a few counters, never while bytes are made or moved.

use std::{
    net::SocketAddr,
    path::PathBuf,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
};

use tokio::sync::{broadcast, mpsc, oneshot, watch};

use crate::{
    config::Config,
    feed::Feed,
    swim::{AppStatus, MemberId, MemberState, Profile, Stats},
};

use super::{clock::Clock, outputs::Tally};

/// Commands waiting for the protocol.
const COMMANDS_QUEUED_MAX: usize = 64;
/// Joined addresses that somebody who waits for one may be late by.
const JOINED_QUEUED_MAX: usize = 1024;

/// What the API and the seeds ask of the protocol.
#[derive(Debug)]
pub(super) enum Command {
    /// Say this of our application.
    App {
        status: Option<AppStatus>,
        /// Answered once the node has heard it.
        reply: oneshot::Sender<()>,
    },
    /// Contact these addresses.
    Contact(Vec<SocketAddr>),
    /// Leave the cluster, which ends the agent.
    Leave { reason: String },
    /// Forget a member.
    Remove {
        name: String,
        reply: oneshot::Sender<Removal>,
    },
}

/// What became of a request to forget a member.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Removal {
    Done,
    /// It is in a state that must not be forgotten.
    Refused(MemberState),
    Unknown,
}

/// What wakes those who follow the feed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Pulse {
    /// The newest number.
    pub(super) seq: u64,
    /// Nothing more will come.
    pub(super) ended: bool,
}

/// Counters of the protocol's thread, as of its last turn.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Vitals {
    pub(super) node: Stats,
    pub(super) send_errors: u64,
    pub(super) receive_errors: u64,
    pub(super) streams_open: usize,
    pub(super) streams_opened: u64,
}

/// Facts about this agent that never change.
#[derive(Clone, Debug)]
pub(super) struct Facts {
    pub(super) id: MemberId,
    pub(super) name: String,
    pub(super) cluster: String,
    pub(super) profile: Profile,
    /// Where the gossip port really is.
    pub(super) bind: SocketAddr,
    pub(super) socket: PathBuf,
    /// Where the API's TCP port really is.
    pub(super) http: Option<SocketAddr>,
}

impl Facts {
    pub(super) fn new(config: &Config, bind: SocketAddr, http: Option<SocketAddr>) -> Self {
        Self {
            id: MemberId::new(&config.cluster, &config.name),
            name: config.name.clone(),
            cluster: config.cluster.clone(),
            profile: config.profile,
            bind,
            socket: config.socket.clone(),
            http,
        }
    }
}

/// See the module.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) clock: Clock,
    pub(super) facts: Facts,
    pub(super) commands: mpsc::Sender<Command>,
    /// Every address that answered a join.
    pub(super) joined: broadcast::Sender<SocketAddr>,
    pub(super) pulse: watch::Sender<Pulse>,
    /// The number of the application's lease that counts.
    pub(super) leases: watch::Sender<u64>,
    pub(super) outputs: Tally,
    feed: Mutex<Feed>,
    vitals: Mutex<Vitals>,
    subscribers: AtomicUsize,
}

impl Shared {
    /// Gives the other end of the commands too.
    pub(super) fn new(
        clock: Clock,
        facts: Facts,
        feed: Feed,
    ) -> (Arc<Self>, mpsc::Receiver<Command>) {
        let (commands, receiver) = mpsc::channel(COMMANDS_QUEUED_MAX);
        let shared = Self {
            clock,
            facts,
            commands,
            joined: broadcast::Sender::new(JOINED_QUEUED_MAX),
            pulse: watch::Sender::new(Pulse::default()),
            leases: watch::Sender::new(0),
            outputs: Tally::default(),
            feed: Mutex::new(feed),
            vitals: Mutex::default(),
            subscribers: AtomicUsize::new(0),
        };
        (Arc::new(shared), receiver)
    }

    /// The feed. Nothing that holds it panics half-way through a change of it.
    pub(super) fn feed(&self) -> MutexGuard<'_, Feed> {
        self.feed.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn vitals(&self) -> MutexGuard<'_, Vitals> {
        self.vitals.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Wakes everyone who follows the feed if there is news.
    pub(super) fn beat(&self) {
        let seq = self.feed().seq();
        self.pulse.send_if_modified(|pulse| {
            let is_news = pulse.seq != seq;
            pulse.seq = seq;
            is_news
        });
    }

    /// Says that nothing more will come.
    pub(super) fn end(&self) {
        self.pulse.send_modify(|pulse| pulse.ended = true);
    }

    /// Waits until nothing more will come.
    pub(super) async fn ended(&self) {
        let mut pulse = self.pulse.subscribe();
        // It fails only without a sender, and we are one.
        let _ = pulse.wait_for(|pulse| pulse.ended).await;
    }

    pub(super) fn subscribers(&self) -> usize {
        self.subscribers.load(Ordering::Relaxed)
    }

    /// Counts one more subscriber, unless there are `max`, until the place is dropped.
    pub(super) fn take_place(self: &Arc<Self>, max: usize) -> Option<Place> {
        let place = Place(self.clone());
        (self.subscribers.fetch_add(1, Ordering::Relaxed) < max).then_some(place)
    }
}

/// A subscriber's place.
#[derive(Debug)]
pub(super) struct Place(Arc<Shared>);

impl Drop for Place {
    fn drop(&mut self) {
        self.0.subscribers.fetch_sub(1, Ordering::Relaxed);
    }
}
