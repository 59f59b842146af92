//! `[[hook]]`: a command for each matching change.

use std::{sync::Arc, time::Duration};

use tokio::{
    sync::oneshot,
    task::JoinSet,
    time::{sleep, timeout},
};
use tracing::{debug, error, warn};

use super::{
    LAST_WORDS,
    command::Run,
    jobs::{Job, Jobs},
};
use crate::{
    agent::shared::Shared,
    config::Hook,
    feed::{self, Batch, Position, Subscriber},
    swim::Timestamp,
};

/// Changes that wait for one hook in memory; further ones wait in the feed's journal.
const WAITING_MAX: usize = 1_024;
/// Before the second attempt; twice as long before each further one.
const PAUSE: Duration = Duration::from_secs(1);

/// Runs one hook's command for the changes that it asks for.
#[derive(Debug)]
pub(super) struct Dispatcher {
    hook: Arc<Hook>,
    jobs: Jobs,
    /// Each gives the member that it was about.
    running: JoinSet<String>,
}

impl Dispatcher {
    pub(super) fn new(hook: Hook) -> Self {
        Self {
            hook: Arc::new(hook),
            jobs: Jobs::default(),
            running: JoinSet::new(),
        }
    }

    pub(super) const fn hook(&self) -> &Arc<Hook> {
        &self.hook
    }

    /// Follows the feed after change number `seq` until nothing more comes, or it is stopped.
    pub(super) async fn run(
        mut self,
        shared: Arc<Shared>,
        seq: u64,
        mut stopped: oneshot::Receiver<()>,
    ) {
        let epoch = shared.feed().epoch();
        let begin = Position { epoch, seq };
        let mut subscriber =
            Subscriber::new(self.hook.taste.clone(), Some(begin), shared.clock.now());
        let mut pulse = shared.pulse.subscribe();
        loop {
            let is_last = pulse.borrow_and_update().ended;
            let until = self.take_in(&mut subscriber, &shared);
            self.start(&shared);
            if is_last {
                return self.end(&shared).await;
            }
            tokio::select! {
                Some(ended) = self.running.join_next() => self.ended(ended),
                changed = pulse.changed() => if changed.is_err() { return },
                _ = &mut stopped => return self.end(&shared).await,
                () = shared.clock.reach(until) => {}
            }
        }
    }

    /// Takes what there is. When there will be more without any news, if that is known.
    fn take_in(&mut self, subscriber: &mut Subscriber, shared: &Shared) -> Option<Timestamp> {
        while self.jobs.len() < WAITING_MAX {
            let batch = subscriber.pull(&shared.feed(), shared.clock.now());
            match batch {
                Batch::Nothing { until } => return until,
                Batch::Changes(lines) => {
                    lines
                        .into_iter()
                        .for_each(|line| self.jobs.add(Job::of(line.json)));
                }
                Batch::Snapshot { gap, .. } => self.missed(gap),
            }
        }
        None
    }

    /// The commands were too slow for too long. They hear of that, too.
    fn missed(&mut self, gap: Option<(u64, u64)>) {
        if let Some((from, to)) = gap {
            warn!(command = %self.hook.command, from, to, "a hook was too slow: changes are lost");
            self.jobs.add(Job::of(feed::gap(from, to)));
        }
    }

    fn start(&mut self, shared: &Arc<Shared>) {
        while self.running.len() < self.hook.concurrency.into() {
            let Some(job) = self.jobs.next() else {
                return;
            };
            self.running
                .spawn(perform(self.hook.clone(), job, shared.clone()));
        }
    }

    fn ended(&mut self, ended: Result<String, tokio::task::JoinError>) {
        match ended {
            Ok(about) => self.jobs.done(about),
            Err(error) => error!(%error, "a hook's task panicked"),
        }
    }

    /// The agent has ended, or the hook is no longer wanted: what waits is still run, for a while.
    async fn end(mut self, shared: &Arc<Shared>) {
        let rest = async {
            while let Some(ended) = self.running.join_next().await {
                self.ended(ended);
                self.start(shared);
            }
        };
        if timeout(LAST_WORDS, rest).await.is_err() {
            warn!(command = %self.hook.command, "a hook is still running: killed");
        }
    }
}

/// Runs one command, again where it fails. Gives the member.
async fn perform(hook: Arc<Hook>, job: Job, shared: Arc<Shared>) -> String {
    let run = Run {
        command: &hook.command,
        input: job.json,
        variables: &job.variables,
        limit: hook.timeout,
    };
    let tally = &shared.outputs;
    for attempt in 0..=hook.retries {
        tally.hooks_run.add_one();
        let Err(failed) = run.finish(&shared.facts).await else {
            debug!(command = %hook.command, member = job.about, "a hook has run");
            return job.about;
        };
        tally.hooks_failed.add_one();
        let left = hook.retries - attempt;
        warn!(command = %hook.command, member = job.about, left, "a hook failed: {failed}");
        if left > 0 {
            sleep(PAUSE * (1 << attempt)).await;
        }
    }
    job.about
}
