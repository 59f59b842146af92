//! What the protocol's thread and the API's thread have in common.
//!
//! The protocol writes, the API reads; no lock is held while bytes are moved, and for no longer
//! than it takes to make one line, or to look through the members of one stream.

use std::{
    collections::BTreeMap,
    net::SocketAddr,
    path::PathBuf,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering},
    },
    time::Duration,
};

use tokio::sync::{broadcast, mpsc, oneshot, watch};

use crate::{
    config::Config,
    feed::Feed,
    swim::{
        AppStatus, Change, InvalidCard, KeyId, Keys, MemberId, MemberState, Profile, Removed,
        Stats, Tags, Timestamp, Tuning,
    },
};

use super::{
    app::{Ended, Held},
    clock::Clock,
    descriptors::Unaccepted,
    key_file::KeyFile,
    keys::{KeyRefusal, KeyRequest, Keyring},
    outputs::Tally,
};

/// Commands waiting for the protocol.
const COMMANDS_QUEUED_MAX: usize = 64;
/// Joined addresses that somebody who waits for one may be late by.
const JOINED_QUEUED_MAX: usize = 1024;

/// For so long whoever finds nobody looks for others: a network may be down when hosts start.
const LOOKING: Duration = Duration::from_secs(600);

/// What the API and the seeds ask of the protocol.
#[derive(Debug)]
pub(super) enum Command {
    /// Say this of our application.
    App {
        status: Option<AppStatus>,
        /// Answered once the node has heard it.
        reply: oneshot::Sender<()>,
    },
    /// No longer contact these addresses, unless members are there.
    Abandon(Vec<SocketAddr>),
    /// Contact these addresses.
    Contact(Vec<SocketAddr>),
    /// Raise a user event.
    Event {
        name: String,
        payload: String,
        reply: oneshot::Sender<Raising>,
    },
    /// Say who has which keys, and change that.
    Keys {
        request: KeyRequest,
        reply: oneshot::Sender<Result<Keyring, KeyRefusal>>,
    },
    /// The key file has these.
    KeysStored(Vec<KeyId>),
    /// Leave the cluster, which ends the agent. The next one is due after a while, if one is.
    Leave {
        reason: String,
        restart_in: Option<Duration>,
    },
    /// Have other tags.
    Tags {
        change: Retagging,
        reply: oneshot::Sender<Result<Tags, InvalidCard>>,
    },
    /// Forget a member.
    Remove {
        name: String,
        /// Answered once everybody did, or after some seconds.
        reply: oneshot::Sender<Removal>,
    },
    /// The API answers from now on.
    Serving,
    /// Have other numbers.
    Tuning(Box<Tuning>),
}

/// Which tags are wanted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Retagging {
    /// These, and no others.
    Replace(Tags),
    /// These beside those that there are; `None` takes one away.
    Merge(BTreeMap<String, Option<String>>),
}

impl Retagging {
    /// The tags of a member that has these.
    pub(super) fn of(self, tags: &Tags) -> Tags {
        let changes = match self {
            Self::Replace(tags) => return tags,
            Self::Merge(changes) => changes,
        };
        let pair = |(key, value): (&str, &str)| (key.to_owned(), value.to_owned());
        let mut merged: BTreeMap<_, _> = tags.iter().map(pair).collect();
        for (key, value) in changes {
            match value {
                Some(value) => merged.insert(key, value),
                None => merged.remove(&key),
            };
        }
        merged.into_iter().collect()
    }
}

/// What became of a user event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Raising {
    /// It is on its way, and this is what it is known by.
    Done { generation: u32, number: u64 },
    /// Too many are waiting to be sent.
    Full,
}

/// What became of a request to forget a member.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Removal {
    Done(Removed),
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
    /// Where the gossip port really is.
    pub(super) bind: SocketAddr,
    /// Where its keys came from, if it has any.
    pub(super) key_file: Option<PathBuf>,
    pub(super) socket: PathBuf,
    /// Where the API's TCP port really is.
    pub(super) http: Option<SocketAddr>,
    /// A signal to end announces a restart, due so soon.
    pub(super) restart_eta: Option<Duration>,
    /// It was told of others, or remembers some.
    pub(super) seeks_others: bool,
}

impl Facts {
    pub(super) fn new(config: &Config, bind: SocketAddr, http: Option<SocketAddr>) -> Self {
        Self {
            id: MemberId::new(&config.cluster, &config.name),
            name: config.name.clone(),
            cluster: config.cluster.clone(),
            bind,
            key_file: config.key_file.clone(),
            socket: config.socket.clone(),
            http,
            restart_eta: config.restart_eta,
            seeks_others: false,
        }
    }
}

/// What a process begins with that a reload changes.
#[derive(Debug)]
pub(super) struct Reloadable {
    pub(super) keys: Keys,
    pub(super) profile: Profile,
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
    /// The same for the many who sleep on the API's thread. To wake them from another would cost
    /// a system call each.
    pub(super) relayed: watch::Sender<Pulse>,
    /// That nothing more will come, for the many who wait for that alone: no change wakes them.
    over: watch::Sender<bool>,
    /// What is said of the application, and by which lease.
    pub(super) leases: watch::Sender<Held>,
    /// What our gossip is sealed with now; none for plain text.
    pub(super) keys: watch::Sender<Keys>,
    /// What its numbers are named.
    pub(super) profile: watch::Sender<Profile>,
    pub(super) key_file: Option<KeyFile>,
    pub(super) outputs: Tally,
    feed: Mutex<Feed>,
    vitals: Mutex<Vitals>,
    subscribers: [AtomicUsize; 2],
    has_met: AtomicBool,
    pub(super) tallies: Arc<Tallies>,
}

/// What happens outside the protocol's turns, for the metrics.
#[derive(Debug, Default)]
pub(super) struct Tallies {
    /// Connections to the gossip port closed to make room for others.
    pub(super) gave_way: Count,
    /// Gaps told.
    pub(super) gaps: Count,
    /// Connections closed because nobody read them.
    pub(super) stuck: Count,
    /// Writes to the data directory.
    pub(super) data_dir: Writes,
    /// Connections that could not be accepted.
    pub(super) unaccepted: Unaccepted,
}

/// How attempts to write go.
#[derive(Debug, Default)]
pub(super) struct Writes {
    failures: Count,
    is_failing: AtomicBool,
}

impl Writes {
    /// One failed. Gives whether the one before had not.
    pub(super) fn failed(&self) -> bool {
        self.failures.add_one();
        !self.is_failing.swap(true, Ordering::Relaxed)
    }

    /// One did not fail. Gives whether the one before had.
    pub(super) fn succeeded(&self) -> bool {
        self.is_failing.swap(false, Ordering::Relaxed)
    }

    pub(super) fn failures(&self) -> u64 {
        self.failures.get()
    }

    pub(super) fn is_failing(&self) -> bool {
        self.is_failing.load(Ordering::Relaxed)
    }
}

/// A number that only grows.
#[derive(Debug, Default)]
pub(super) struct Count(AtomicU64);

impl Count {
    pub(super) fn add_one(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

impl Shared {
    /// Gives the other end of the commands too.
    pub(super) fn new(
        clock: Clock,
        facts: Facts,
        began: Reloadable,
        feed: Feed,
    ) -> (Arc<Self>, mpsc::Receiver<Command>) {
        let (commands, receiver) = mpsc::channel(COMMANDS_QUEUED_MAX);
        let key_file = facts.key_file.clone();
        let shared = Self {
            clock,
            facts,
            commands,
            joined: broadcast::Sender::new(JOINED_QUEUED_MAX),
            pulse: watch::Sender::new(Pulse::default()),
            relayed: watch::Sender::new(Pulse::default()),
            over: watch::Sender::new(false),
            leases: watch::Sender::new(Held::nothing(clock.now())),
            key_file: key_file.map(|path| KeyFile::new(path, &began.keys)),
            keys: watch::Sender::new(began.keys),
            profile: watch::Sender::new(began.profile),
            outputs: Tally::default(),
            feed: Mutex::new(feed),
            vitals: Mutex::default(),
            subscribers: Default::default(),
            has_met: AtomicBool::new(false),
            tallies: Arc::default(),
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

    /// Asks the protocol, with the place for its answer.
    pub(super) async fn ask<T>(
        &self,
        command: impl FnOnce(oneshot::Sender<T>) -> Command,
    ) -> Result<T, Ended> {
        let (reply, answer) = oneshot::channel();
        let sent = self.commands.send(command(reply)).await;
        sent.map_err(|_| Ended)?;
        answer.await.map_err(|_| Ended)
    }

    /// Numbers `change` and wakes everyone who follows the feed. Gives its number.
    pub(super) fn publish(&self, at: Timestamp, change: &Change) -> u64 {
        if matches!(change, Change::Join { .. }) {
            self.has_met.store(true, Ordering::Relaxed);
        }
        let seq = self.feed().publish(at, change);
        self.pulse.send_modify(|pulse| pulse.seq = seq);
        seq
    }

    /// Passes the pulse on, on the thread of those who sleep, until nothing more will come.
    pub(super) async fn relay(self: Arc<Self>) {
        let mut pulse = self.pulse.subscribe();
        loop {
            let now = *pulse.borrow_and_update();
            self.relayed.send_replace(now);
            if now.ended || pulse.changed().await.is_err() {
                return;
            }
        }
    }

    /// Says that nothing more will come.
    pub(super) fn end(&self) {
        self.pulse.send_modify(|pulse| pulse.ended = true);
        self.over.send_replace(true);
    }

    /// Waits until nothing more will come.
    pub(super) async fn ended(&self) {
        let mut over = self.over.subscribe();
        // It fails only without a sender, and we are one.
        let _ = over.wait_for(|over| *over).await;
    }

    /// Whether it looks for others and has met nobody yet: what it shows is no cluster. Who was
    /// not found for some minutes is not there; a name may lead to ourselves alone.
    pub(super) fn is_lonely(&self) -> bool {
        let is_early = self.clock.uptime() < LOOKING;
        self.facts.seeks_others && is_early && !self.has_met.load(Ordering::Relaxed)
    }

    pub(super) fn subscribers(&self) -> usize {
        let counts = self.subscribers.iter();
        counts.map(|count| count.load(Ordering::Relaxed)).sum()
    }

    /// Counts one more subscriber, unless `max` came this way, until the place is dropped.
    pub(super) fn take_place(self: &Arc<Self>, way: Way, max: usize) -> Option<Place> {
        let place = Place(self.clone(), way);
        (place.count().fetch_add(1, Ordering::Relaxed) < max).then_some(place)
    }
}

/// How a subscriber came in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Way {
    Socket,
    Tcp,
}

/// A subscriber's place.
#[derive(Debug)]
pub(super) struct Place(Arc<Shared>, Way);

impl Place {
    fn count(&self) -> &AtomicUsize {
        let Self(shared, way) = self;
        &shared.subscribers[*way as usize]
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.count().fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use std::{
        pin::pin,
        task::{Context, Wake, Waker},
    };

    use super::*;
    use crate::agent::fuzzing;

    impl Wake for Count {
        fn wake(self: Arc<Self>) {
            self.add_one();
        }
    }

    #[test]
    fn whoever_waits_for_the_end_is_woken_by_nothing_else() {
        let shared = fuzzing::shared();
        let woken = Arc::new(Count::default());
        let waker = Waker::from(woken.clone());
        let mut context = Context::from_waker(&waker);
        let mut ended = pin!(shared.ended());
        assert!(ended.as_mut().poll(&mut context).is_pending());
        for _ in 0..3 {
            shared.publish(shared.clock.now(), &Change::Isolated);
        }
        assert_eq!(woken.get(), 0);
        shared.end();
        assert_eq!(woken.get(), 1);
        assert!(ended.as_mut().poll(&mut context).is_ready());
    }
}
