//! `Keeper`: keeps the store as the members are, at a bounded rate, away from every thread that
//! has anything else to do.

use std::{sync::Arc, time::Duration};

use tokio::{sync::watch, time::MissedTickBehavior};
use tracing::{info, warn};

use super::Store;
use crate::{agent::shared::Shared, feed::Filter, swim::Timestamp};

/// Changes come in company: from the first one to the write.
const SETTLE: Duration = Duration::from_secs(1);
/// Peers are looked at, and written, no more often.
const INTERVAL: Duration = Duration::from_secs(10);
/// Whether the directory is still there is looked at so often where there is nothing to write.
const GLANCE: Duration = Duration::from_secs(60);
/// Before another attempt where the disk refused.
const RETRY: Duration = Duration::from_secs(10);

/// Follows the generation and the members.
#[derive(Debug)]
pub(in crate::agent) struct Keeper {
    store: Store,
    shared: Arc<Shared>,
    /// Its other end is the protocol's: what that said last is seen before it is gone.
    generations: watch::Receiver<u32>,
    /// When to write.
    due: Option<Timestamp>,
    /// Not before this, unless the generation changes.
    earliest: Timestamp,
}

impl Keeper {
    pub(in crate::agent) fn new(
        store: Store,
        shared: Arc<Shared>,
        generations: watch::Receiver<u32>,
    ) -> Self {
        let now = shared.clock.now();
        Self {
            store,
            shared,
            generations,
            // What the start could not store.
            due: Some(now),
            earliest: now,
        }
    }

    /// Runs until the protocol has ended.
    pub(in crate::agent) async fn run(mut self) {
        let clock = self.shared.clock;
        let mut pulse = self.shared.pulse.subscribe();
        let mut glances = tokio::time::interval(GLANCE);
        glances.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                changed = self.generations.changed() => match changed {
                    Ok(()) => self.write(),
                    Err(_) => break,
                },
                Ok(()) = pulse.changed() => self.plan(clock.now() + SETTLE),
                () = clock.reach(self.due) => self.write(),
                _ = glances.tick() => {
                    if !self.store.is_held() {
                        self.plan(clock.now());
                    }
                }
            }
        }
        self.write();
    }

    fn plan(&mut self, at: Timestamp) {
        if self.due.is_none() {
            self.due = Some(at.max(self.earliest));
        }
    }

    fn write(&mut self) {
        let now = self.shared.clock.now();
        let generation = *self.generations.borrow_and_update();
        let members = self.shared.feed().snapshot(&Filter::default()).members;
        let known = self.store.peers.clone();
        // First of all: the peers of whoever had the directory last are among those to keep. One
        // that was made anew has none.
        let taken = self.store.take();
        let held = match self.store.peers.is_empty() {
            true => &known,
            false => &self.store.peers,
        };
        let own = self.shared.facts.id;
        let peers = held.renewed(now, &members, own);
        self.due = None;
        // One that remembers nobody yet is in a hurry.
        if !peers.is_empty() {
            self.earliest = now + INTERVAL;
        }
        let tally = &self.shared.tallies.data_dir;
        match taken.and_then(|()| self.store.keep(generation, peers)) {
            Ok(()) if tally.succeeded() => info!("the data directory can be written to again"),
            Ok(()) => {}
            Err(error) => {
                if tally.failed() {
                    let path = self.store.dir.display();
                    warn!(
                        %path, generation, %error,
                        "cannot write to the data directory, still trying: until then the next \
                         start may repeat this generation and know fewer peers"
                    );
                }
                self.plan(now + RETRY);
            }
        }
    }
}
