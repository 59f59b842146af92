//! What the agent does by itself when members change: commands and files. They follow the feed as
//! any consumer does, on a thread of their own, so that no command and no disk delays a probe or a
//! consumer.

mod command;
mod files;
mod hooks;
mod jobs;
mod presence;
mod shown;
mod template;

use std::{sync::Arc, time::Duration};

use tokio::{
    sync::{mpsc, oneshot},
    task::JoinSet,
};

use super::{
    Error,
    shared::{Count, Shared},
};
use crate::{
    config::{Hook, Outputs},
    feed::{Filter, Snapshot},
};
use template::Renderer;

/// How long commands may still run when the agent has ended.
const LAST_WORDS: Duration = Duration::from_secs(5);

/// What the outputs did so far.
#[derive(Debug, Default)]
pub(super) struct Tally {
    pub(super) hooks_run: Count,
    pub(super) hooks_failed: Count,
    /// Of those, the ones whose command was not there.
    pub(super) hooks_absent: Count,
    pub(super) files_written: Count,
    pub(super) files_failed: Count,
}

/// Outputs that can be followed: every template was read and understood.
#[derive(Debug)]
pub(super) struct Prepared {
    hooks: Vec<hooks::Dispatcher>,
    files: Vec<files::Keeper>,
}

impl Prepared {
    /// Reads the templates.
    ///
    /// # Errors
    /// [`Error::Template`].
    pub(super) fn new(outputs: Outputs) -> Result<Self, Error> {
        let keeper = |file| {
            let renderer = Renderer::new(&file)?;
            Ok(files::Keeper::new(file, renderer))
        };
        Ok(Self {
            hooks: outputs
                .hooks
                .into_iter()
                .map(hooks::Dispatcher::new)
                .collect(),
            files: outputs
                .files
                .into_iter()
                .map(keeper)
                .collect::<Result<_, _>>()?,
        })
    }

    /// Follows the feed until nothing more comes. Those that arrive at `successors` take the place
    /// of those before them.
    pub(super) async fn follow(
        self,
        shared: Arc<Shared>,
        mut successors: mpsc::Receiver<Successors>,
    ) {
        let mut running = Running::default();
        running.take_over(self, &start(&shared), &shared);
        loop {
            tokio::select! {
                Some(Successors { outputs, since }) = successors.recv() => {
                    running.take_over(outputs, &since, &shared);
                }
                Some(_) = running.tasks.join_next() => {}
                () = shared.ended() => break,
            }
        }
        while running.tasks.join_next().await.is_some() {}
    }
}

/// The members before the first change of this run: ourselves.
fn start(shared: &Shared) -> Snapshot {
    let mut own = Filter::default();
    own.add_name(&shared.facts.name);
    Snapshot {
        seq: 0,
        ..shared.feed().snapshot(&own)
    }
}

/// Outputs that take over from others.
#[derive(Debug)]
pub(super) struct Successors {
    pub(super) outputs: Prepared,
    /// They are told what happens to these members and after this change. It is noted before
    /// anything else of the configuration is taken up, as they must hear of what that brings.
    pub(super) since: Snapshot,
}

/// What is followed now, and what stops it by being dropped.
#[derive(Debug, Default)]
struct Running {
    tasks: JoinSet<()>,
    hooks: Vec<(Arc<Hook>, oneshot::Sender<()>)>,
    files: Vec<(files::Manner, oneshot::Sender<()>)>,
}

impl Running {
    /// What is as before goes on where it is: a hook is not told again what it was told. New hooks
    /// are told what happens after `since`.
    fn take_over(&mut self, next: Prepared, since: &Snapshot, shared: &Arc<Shared>) {
        let mut held = std::mem::take(&mut self.hooks);
        for hook in next.hooks {
            let same = held.iter().position(|(held, _)| held == hook.hook());
            let kept = match same {
                Some(at) => held.swap_remove(at),
                None => self.begin_hook(hook, since, shared),
            };
            self.hooks.push(kept);
        }
        let mut held = std::mem::take(&mut self.files);
        for file in next.files {
            let manner = file.manner();
            let same = held.iter().position(|(held, _)| *held == manner);
            let kept = match same {
                Some(at) => held.swap_remove(at),
                None => (manner, self.begin_file(file, shared)),
            };
            self.files.push(kept);
        }
    }

    fn begin_hook(
        &mut self,
        hook: hooks::Dispatcher,
        since: &Snapshot,
        shared: &Arc<Shared>,
    ) -> (Arc<Hook>, oneshot::Sender<()>) {
        let (stop, stopped) = oneshot::channel();
        let entry = hook.hook().clone();
        self.tasks
            .spawn(hook.run(shared.clone(), since.clone(), stopped));
        (entry, stop)
    }

    fn begin_file(&mut self, file: files::Keeper, shared: &Arc<Shared>) -> oneshot::Sender<()> {
        let (stop, stopped) = oneshot::channel();
        self.tasks.spawn(file.run(shared.clone(), stopped));
        stop
    }
}
