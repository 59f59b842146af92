//! What the agent does by itself when members change: commands and files. They follow the feed as
//! any consumer does, on a thread of their own, so that no command and no disk delays a probe or a
//! consumer.

mod command;
mod files;
mod hooks;
mod jobs;
mod template;

use std::{sync::Arc, time::Duration};

use tokio::task::JoinSet;

use super::{
    Error,
    shared::{Count, Shared},
};
use crate::config::Outputs;
use template::Renderer;

/// How long commands may still run when the agent has ended.
const LAST_WORDS: Duration = Duration::from_secs(5);

/// What the outputs did so far.
#[derive(Debug, Default)]
pub(super) struct Tally {
    pub(super) hooks_run: Count,
    pub(super) hooks_failed: Count,
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

    pub(super) fn is_empty(&self) -> bool {
        self.hooks.is_empty() && self.files.is_empty()
    }

    /// Follows the feed until nothing more comes.
    pub(super) async fn follow(self, shared: Arc<Shared>) {
        let mut tasks = JoinSet::new();
        for hook in self.hooks {
            tasks.spawn(hook.run(shared.clone()));
        }
        for file in self.files {
            tasks.spawn(file.run(shared.clone()));
        }
        while tasks.join_next().await.is_some() {}
    }
}
