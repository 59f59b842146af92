//! `[[hook]]`: a command for each matching change.

use std::{mem, sync::Arc, time::Duration};

use tokio::{
    sync::oneshot,
    task::{self, JoinError, JoinSet},
    time::{sleep, timeout},
};
use tracing::{debug, error, info, warn};

use super::{
    LAST_WORDS,
    command::{Failed, Run},
    jobs::{Job, Jobs, Record},
    presence::Presence,
};
use crate::{
    agent::shared::Shared,
    config::Hook,
    feed::{Batch, Line, Position, Snapshot, Subscriber, Taste},
    swim::{Counts, Timestamp},
};

/// Before the second attempt; twice as long before each further one.
const PAUSE: Duration = Duration::from_secs(1);

/// A job that has run.
type Ran = (Job, Result<(), Failed>);

/// Runs one hook's command for the changes that it asks for.
#[derive(Debug)]
pub(super) struct Dispatcher {
    hook: Arc<Hook>,
    presence: Presence,
    jobs: Jobs,
    running: JoinSet<Ran>,
    /// Whom each of those is about, for one that panics.
    busy: Vec<(task::Id, String)>,
    /// Members whose job failed and waits for another run. It keeps none of the others waiting.
    resting: JoinSet<String>,
    /// The command was not there when it should have run last.
    is_absent: bool,
}

impl Dispatcher {
    pub(super) fn new(hook: Hook) -> Self {
        Self {
            hook: Arc::new(hook),
            presence: Presence::default(),
            jobs: Jobs::default(),
            running: JoinSet::new(),
            busy: Vec::new(),
            resting: JoinSet::new(),
            is_absent: false,
        }
    }

    pub(super) const fn hook(&self) -> &Arc<Hook> {
        &self.hook
    }

    /// Follows the feed after `since` until nothing more comes, or it is stopped.
    pub(super) async fn run(
        mut self,
        shared: Arc<Shared>,
        since: Snapshot,
        mut stopped: oneshot::Receiver<()>,
    ) {
        self.presence.renew(&since.members);
        let Snapshot { epoch, seq, .. } = since;
        let taste = Taste {
            // Whom it knows as there it must know even if it does not ask for those changes.
            filter: self.hook.taste.filter.with_members(),
            ..self.hook.taste.clone()
        };
        let begin = Some(Position { epoch, seq });
        let mut subscriber = Subscriber::new(taste, begin, shared.clock.now());
        let mut pulse = shared.pulse.subscribe();
        loop {
            let is_last = pulse.borrow_and_update().ended;
            let until = self.take_in(&mut subscriber, &shared);
            self.start(&shared);
            if is_last {
                return self.end(&shared).await;
            }
            tokio::select! {
                () = self.progress(&shared) => {}
                changed = pulse.changed() => if changed.is_err() { return },
                _ = &mut stopped => return self.end(&shared).await,
                () = shared.clock.reach(until) => {}
            }
        }
    }

    /// Takes what there is. When there will be more without any news, if that is known.
    fn take_in(&mut self, subscriber: &mut Subscriber, shared: &Shared) -> Option<Timestamp> {
        loop {
            let batch = subscriber.pull(&shared.feed(), shared.clock.now());
            match batch {
                Batch::Nothing { until } => {
                    self.forget(shared);
                    return until;
                }
                Batch::Changes(lines) => lines.into_iter().for_each(|line| self.hear(line)),
                Batch::Snapshot { gap, snapshot } => {
                    self.presence.renew(&snapshot.members);
                    if let Some((from, to)) = gap {
                        self.missed(from, to);
                        self.add(Job::gap("", from..=to));
                    }
                }
            }
        }
    }

    fn hear(&mut self, line: Line) {
        let record = Record::of(&line.json);
        let is_possible = self.presence.admits(&record);
        if is_possible && self.hook.taste.filter.admits_kind(&record.kind) {
            self.add(Job::of(line.seq, line.json, &record));
        }
    }

    /// Those who are no longer asked for, by their tags, are removed without its being heard.
    fn forget(&mut self, shared: &Shared) {
        let feed = shared.feed();
        let Counts {
            alive,
            failed,
            left,
            suspect,
        } = feed.counts();
        if self.presence.len() > alive + failed + left + suspect {
            let listed = feed.snapshot(&self.hook.taste.filter);
            self.presence.renew(&listed.members);
        }
    }

    fn add(&mut self, job: Job) {
        let lost = self.jobs.add(job);
        if let [first, others @ ..] = &lost[..] {
            let (command, member) = (&self.hook.command, &first.about);
            let (from, to, others) = (first.seqs.start(), first.seqs.end(), others.len());
            warn!(%command, member, from, to, others, "a hook was too slow: changes are lost");
        }
    }

    /// The commands were too slow for too long. They hear of that, too.
    fn missed(&self, from: u64, to: u64) {
        let command = &self.hook.command;
        warn!(%command, from, to, "a hook was too slow: changes are lost");
    }

    fn start(&mut self, shared: &Arc<Shared>) {
        while self.running.len() < self.hook.concurrency.into() {
            let Some(job) = self.jobs.next() else {
                return;
            };
            let about = job.about.clone();
            self.spawn(about, run(self.hook.clone(), job, shared.clone()));
        }
    }

    fn spawn(&mut self, about: String, run: impl Future<Output = Ran> + Send + 'static) {
        let task = self.running.spawn(run);
        self.busy.push((task.id(), about));
    }

    /// Waits until something that runs has ended, or something that waited may run again.
    async fn progress(&mut self, shared: &Shared) {
        tokio::select! {
            Some(ended) = self.running.join_next_with_id() => self.ended(ended, shared),
            Some(Ok(about)) = self.resting.join_next() => self.jobs.done(about),
            else => std::future::pending().await,
        }
    }

    fn ended(&mut self, ended: Result<(task::Id, Ran), JoinError>, shared: &Shared) {
        let id = ended.as_ref().map_or_else(JoinError::id, |(id, _)| *id);
        let at = self.busy.iter().position(|(busy, _)| *busy == id);
        let about = at.map(|at| self.busy.swap_remove(at).1);
        match ended {
            Ok((_, (job, Err(failed)))) => return self.failed(job, &failed, shared),
            Ok((_, (job, Ok(())))) => {
                self.is_there();
                debug!(command = %self.hook.command, member = job.about, "a hook has run");
            }
            Err(error) => error!(command = %self.hook.command, %error, "a hook's task panicked"),
        }
        self.jobs
            .done(about.expect("a task has an entry as long as it runs"));
    }

    /// It runs again after a pause, if it may. Others have its place meanwhile.
    fn failed(&mut self, mut job: Job, failed: &Failed, shared: &Shared) {
        shared.outputs.hooks_failed.add_one();
        let left = self.hook.retries - job.failures;
        match failed.is_absent() {
            true => self.is_not_there(failed, shared),
            false => {
                self.is_there();
                let command = &self.hook.command;
                warn!(%command, member = job.about, left, "a hook failed: {failed}");
            }
        }
        if left == 0 {
            return self.jobs.done(job.about);
        }
        let (about, pause) = (job.about.clone(), PAUSE * (1 << job.failures));
        job.failures += 1;
        self.jobs.put_back(job);
        self.resting.spawn(async move {
            sleep(pause).await;
            about
        });
    }

    /// It is tried again as any other: who replaces a program may take it away for a moment. Said
    /// once, not for each change.
    fn is_not_there(&mut self, failed: &Failed, shared: &Shared) {
        shared.outputs.hooks_absent.add_one();
        if !mem::replace(&mut self.is_absent, true) {
            let command = &self.hook.command;
            error!(
                %command,
                "a hook's command is not there or may not be run, and is tried again: {failed}"
            );
        }
    }

    fn is_there(&mut self) {
        if mem::take(&mut self.is_absent) {
            info!(command = %self.hook.command, "a hook's command is there again");
        }
    }

    /// The agent has ended, or the hook is no longer wanted: what waits is still run, for a while.
    async fn end(mut self, shared: &Arc<Shared>) {
        let rest = async {
            while !(self.running.is_empty() && self.resting.is_empty()) {
                self.progress(shared).await;
                self.start(shared);
            }
        };
        if timeout(LAST_WORDS, rest).await.is_err() {
            warn!(command = %self.hook.command, "a hook was not done in time: what waits is lost");
        }
    }
}

async fn run(hook: Arc<Hook>, job: Job, shared: Arc<Shared>) -> Ran {
    shared.outputs.hooks_run.add_one();
    let run = Run {
        command: &hook.command,
        input: job.json.clone(),
        variables: &job.variables(),
        limit: hook.timeout,
    };
    let ended = run.finish(&shared.facts).await;
    (job, ended)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{agent::fuzzing, config::Outputs};

    #[tokio::test]
    async fn a_task_that_panics_is_said_and_does_not_block_its_member() {
        let hook = Outputs::of("[[hook]]\ncommand = 'true'").hooks.remove(0);
        let mut dispatcher = Dispatcher::new(hook);
        for seq in 1..=2 {
            dispatcher.add(Job::gap("a", seq..=seq));
        }
        let first = dispatcher.jobs.next().unwrap();
        dispatcher.spawn(first.about, async { panic!("on purpose") });
        assert!(dispatcher.jobs.next().is_none());
        dispatcher.progress(&fuzzing::shared()).await;
        assert!(dispatcher.busy.is_empty());
        assert_eq!(dispatcher.jobs.next().unwrap().about, "a");
    }
}
