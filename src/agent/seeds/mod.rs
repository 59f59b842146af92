//! Seeds: from what the configuration names to addresses the node can contact, for ever.
//!
//! Every seed is followed by a task of its own, so that a name that does not resolve or a file that
//! is not there holds up no other. What all of them give together is compared with what was handed
//! to the node before: it contacts what is new, and lets go of what nothing leads to any more, as
//! the addresses of pods that are gone.

mod file;
mod lookup;

use std::{
    collections::{BTreeMap, BTreeSet},
    io,
    net::SocketAddr,
    path::PathBuf,
    sync::Arc,
    time::Duration,
};

use tokio::{
    sync::{mpsc, watch},
    task::AbortHandle,
    time::sleep,
};
use tracing::{info, warn};

use super::{
    app::Ended,
    clock,
    shared::{Command, Shared},
};
use crate::config::Seed;
pub(super) use lookup::resolve;

/// Names are resolved again after this time: what is behind them moves.
const REFRESH: Duration = Duration::from_secs(60);
/// The same while nobody else is there: the name may get its addresses only now.
const REFRESH_ALONE: Duration = Duration::from_secs(5);
const RETRY_MIN: Duration = Duration::from_secs(1);
const RETRY_MAX: Duration = Duration::from_secs(30);
/// A seed that cannot be followed is logged once in this time.
const WARN_EVERY: Duration = Duration::from_secs(60);
/// Files are looked at again after this time.
const REREAD: Duration = Duration::from_secs(2);

/// What a seed led to.
#[derive(Debug)]
enum Found {
    Addresses(BTreeSet<SocketAddr>),
    Seeds(Vec<Seed>),
}

/// Follows the seeds that are configured, and others when those change, until nobody listens.
pub(super) async fn follow(shared: Arc<Shared>, mut configured: watch::Receiver<Vec<Seed>>) {
    let (sender, mut news) = mpsc::channel(1);
    let mut seeds = Seeds::new(shared, sender);
    loop {
        let wanted = configured.borrow_and_update().clone();
        if seeds.update(&wanted).await.is_err() {
            return;
        }
        tokio::select! {
            Some((seed, found)) = news.recv() => seeds.learn(seed, found),
            Ok(()) = configured.changed() => {}
            else => return,
        }
    }
}

/// Every seed and what it led to.
#[derive(Debug)]
struct Seeds {
    shared: Arc<Shared>,
    news: mpsc::Sender<(Seed, Found)>,
    followed: BTreeMap<Seed, AbortHandle>,
    addresses: BTreeMap<Seed, BTreeSet<SocketAddr>>,
    /// What files list.
    lists: BTreeMap<Seed, Vec<Seed>>,
    /// What the node was told to contact.
    contacts: BTreeSet<SocketAddr>,
}

impl Seeds {
    fn new(shared: Arc<Shared>, news: mpsc::Sender<(Seed, Found)>) -> Self {
        Self {
            shared,
            news,
            followed: BTreeMap::new(),
            addresses: BTreeMap::new(),
            lists: BTreeMap::new(),
            contacts: BTreeSet::new(),
        }
    }

    fn learn(&mut self, seed: Seed, found: Found) {
        match found {
            Found::Addresses(addresses) => drop(self.addresses.insert(seed, addresses)),
            Found::Seeds(seeds) => drop(self.lists.insert(seed, seeds)),
        }
    }

    /// Follows whatever the configuration leads to, and has the node contact what was found.
    async fn update(&mut self, configured: &[Seed]) -> Result<(), Ended> {
        let listed = configured.iter().filter_map(|seed| self.lists.get(seed));
        let wanted: BTreeSet<Seed> = listed.flatten().chain(configured).cloned().collect();
        self.followed.retain(|seed, task| {
            let is_wanted = wanted.contains(seed);
            if !is_wanted {
                task.abort();
            }
            is_wanted
        });
        self.addresses.retain(|seed, _| wanted.contains(seed));
        self.lists.retain(|seed, _| wanted.contains(seed));
        for seed in wanted {
            self.begin(seed);
        }
        let found = self.addresses.values().flatten().copied().collect();
        self.contact(found).await
    }

    fn begin(&mut self, seed: Seed) {
        if self.followed.contains_key(&seed) {
            return;
        }
        if let Seed::Address(address) = seed {
            self.addresses.insert(seed, [address].into());
            return;
        }
        let follower = Follower {
            seed: seed.clone(),
            shared: self.shared.clone(),
            news: self.news.clone(),
            quiet: Duration::ZERO,
            failing: None,
        };
        let task = match &seed {
            Seed::File(path) => tokio::spawn(follower.follow_file(path.clone())),
            _ => tokio::spawn(follower.follow_name()),
        };
        self.followed.insert(seed, task.abort_handle());
    }

    async fn contact(&mut self, found: BTreeSet<SocketAddr>) -> Result<(), Ended> {
        let new: Vec<_> = found.difference(&self.contacts).copied().collect();
        let gone: Vec<_> = self.contacts.difference(&found).copied().collect();
        self.contacts = found;
        if !gone.is_empty() {
            info!(addresses = ?gone, "no seed leads to these addresses any more");
            self.tell(Command::Abandon(gone)).await?;
        }
        match new.is_empty() {
            true => Ok(()),
            false => self.tell(Command::Contact(new)).await,
        }
    }

    async fn tell(&self, command: Command) -> Result<(), Ended> {
        let sent = self.shared.commands.send(command).await;
        sent.map_err(|_| Ended)
    }
}

/// Follows one seed until it is stopped.
#[derive(Debug)]
struct Follower {
    seed: Seed,
    shared: Arc<Shared>,
    news: mpsc::Sender<(Seed, Found)>,
    /// How long nothing is to be said of failures yet.
    quiet: Duration,
    /// How the last attempt failed.
    failing: Option<io::ErrorKind>,
}

impl Follower {
    /// What a name led to once is used until it leads elsewhere: one that has no address now says
    /// nothing of the hosts that were behind it.
    async fn follow_name(mut self) {
        let (mut known, mut targets) = (BTreeSet::new(), lookup::Known::new());
        let mut retry = RETRY_MIN;
        loop {
            let pause = match lookup::resolve_again(&self.seed, &mut targets).await {
                Ok(found) => {
                    retry = RETRY_MIN;
                    self.relent("resolved a seed again");
                    if found != known {
                        info!(seed = %self.seed, addresses = ?found, "resolved a seed");
                        known.clone_from(&found);
                        self.tell(Found::Addresses(found)).await;
                    }
                    self.refresh()
                }
                Err(error) => {
                    self.complain("cannot resolve a seed, still trying", &error);
                    let next = (retry * 2).min(RETRY_MAX);
                    std::mem::replace(&mut retry, next)
                }
            };
            self.pause(pause).await;
        }
    }

    /// A file that is gone says nothing of the seeds that it listed.
    async fn follow_file(mut self, path: PathBuf) {
        let mut known = None;
        loop {
            match file::read(&path).await {
                Ok(text) => {
                    self.relent("read a file of seeds again");
                    if known.as_ref() != Some(&text) {
                        self.take_in(&text).await;
                        known = Some(text);
                    }
                }
                Err(error) => self.complain("cannot read a file of seeds, still trying", &error),
            }
            self.pause(REREAD).await;
        }
    }

    async fn take_in(&self, text: &str) {
        let (seeds, wrong) = file::parse(text);
        for (line, why) in wrong {
            warn!(seed = %self.seed, line, "ignored a line of a file of seeds: {why}");
        }
        info!(seed = %self.seed, seeds = seeds.len(), "read a file of seeds");
        self.tell(Found::Seeds(seeds)).await;
    }

    async fn tell(&self, found: Found) {
        // Nobody listens only while everything ends.
        let _ = self.news.send((self.seed.clone(), found)).await;
    }

    fn refresh(&self) -> Duration {
        let alive = self.shared.feed().counts().alive;
        let pause = if alive > 1 { REFRESH } else { REFRESH_ALONE };
        jittered(pause)
    }

    fn complain(&mut self, what: &str, error: &io::Error) {
        let is_another = self.failing.replace(error.kind()) != Some(error.kind());
        if is_another || self.quiet.is_zero() {
            warn!(seed = %self.seed, %error, "{what}");
            self.quiet = WARN_EVERY;
        }
    }

    /// Whoever was told of a failure is told that it is over.
    fn relent(&mut self, what: &str) {
        self.quiet = Duration::ZERO;
        if self.failing.take().is_some() {
            info!(seed = %self.seed, "{what}");
        }
    }

    async fn pause(&mut self, pause: Duration) {
        self.quiet = self.quiet.saturating_sub(pause);
        sleep(pause).await;
    }
}

/// Up to a tenth longer, so that agents started together do not ask together for ever.
fn jittered(pause: Duration) -> Duration {
    let thousandths = u32::try_from(clock::random() % 100).unwrap_or_default();
    pause + pause * thousandths / 1_000
}
