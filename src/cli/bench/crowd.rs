//! `Crowd`: a consumer for each agent, and when each of them heard what.

use std::{collections::BTreeMap, future::Future, time::Duration};

use tokio::{
    sync::mpsc,
    task::{AbortHandle, JoinSet},
    time::timeout,
};

use crate::cli::moment::Stopwatch;

/// After so long without a word it is looked whether everybody still runs.
const QUIET: Duration = Duration::from_millis(500);

/// What a consumer of either side can be told of a member.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Word {
    Failed,
    Join,
    Left,
    /// Nothing that is measured.
    Other,
    Restart,
    Suspect,
    /// Somebody raised an event.
    User,
}

/// Something that a consumer was told.
#[derive(Clone, Debug)]
pub(super) struct Heard {
    /// Whose consumer it is.
    pub(super) by: String,
    pub(super) at: Duration,
    pub(super) word: Word,
    /// The member's name.
    pub(super) about: String,
    /// How many members the consumer now takes for alive.
    pub(super) alive: usize,
}

/// What a consumer listens with.
#[derive(Clone, Debug)]
pub(super) struct Ear {
    by: String,
    clock: Stopwatch,
    sender: mpsc::UnboundedSender<Heard>,
}

impl Ear {
    /// The moment, to be taken before what was read is understood.
    pub(super) fn now(&self) -> Duration {
        self.clock.elapsed()
    }

    /// Passes on what was heard.
    pub(super) fn hear(&self, at: Duration, (word, about): (Word, String), alive: usize) {
        let by = self.by.clone();
        // Nobody listens to the last words of a round.
        let _ = self.sender.send(Heard {
            by,
            at,
            word,
            about,
            alive,
        });
    }
}

/// Consumers that listen.
#[derive(Debug)]
pub(super) struct Crowd {
    clock: Stopwatch,
    heard: mpsc::UnboundedReceiver<Heard>,
    sender: mpsc::UnboundedSender<Heard>,
    /// They end with this.
    listeners: JoinSet<()>,
    by_name: BTreeMap<String, AbortHandle>,
    alive: BTreeMap<String, usize>,
}

impl Crowd {
    pub(super) fn new(clock: Stopwatch) -> Self {
        let (sender, heard) = mpsc::unbounded_channel();
        Self {
            clock,
            heard,
            sender,
            listeners: JoinSet::new(),
            by_name: BTreeMap::new(),
            alive: BTreeMap::new(),
        }
    }

    /// A consumer of the agent called `name`.
    pub(super) fn listen<F>(&mut self, name: &str, follow: impl FnOnce(Ear) -> F)
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let ear = Ear {
            by: name.to_owned(),
            clock: self.clock,
            sender: self.sender.clone(),
        };
        let handle = self.listeners.spawn(follow(ear));
        self.by_name.insert(name.to_owned(), handle);
    }

    /// Takes the consumer of an agent away that is no more, and what it last knew.
    pub(super) fn dismiss(&mut self, name: &str) {
        if let Some(handle) = self.by_name.remove(name) {
            handle.abort();
        }
        self.alive.remove(name);
        while let Ok(heard) = self.heard.try_recv() {
            self.learn(&heard);
        }
    }

    /// How many members the consumer of the agent called `name` takes for alive.
    pub(super) fn alive(&self, name: &str) -> usize {
        self.alive.get(name).copied().unwrap_or_default()
    }

    /// What is heard next; `None` when nothing was for a while.
    pub(super) async fn next(&mut self) -> Option<Heard> {
        let heard = timeout(QUIET, self.heard.recv()).await.ok().flatten()?;
        self.learn(&heard);
        Some(heard)
    }

    /// The last word of a consumer that was dismissed says nothing of its successor.
    fn learn(&mut self, heard: &Heard) {
        if self.by_name.contains_key(&heard.by) {
            self.alive.insert(heard.by.clone(), heard.alive);
        }
    }
}
