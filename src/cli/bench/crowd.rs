//! `Crowd`: a consumer for each agent, and when each of them heard what.

use std::{path::PathBuf, time::Duration};

use tokio::{
    sync::mpsc,
    task::JoinSet,
    time::{sleep, timeout},
};

use crate::{
    cli::moment::Stopwatch,
    client::{Client, Filter, Record, Told},
};

/// After so long without a word it is looked whether everybody still runs.
const QUIET: Duration = Duration::from_millis(500);
/// How closely an agent's first moment is looked for.
pub(super) const LOOK_EVERY: Duration = Duration::from_millis(1);

/// Something that a consumer was told.
#[derive(Debug)]
pub(super) struct Heard {
    /// Whose consumer it is.
    pub(super) by: String,
    pub(super) at: Duration,
    pub(super) record: Record,
}

/// The agent at this socket, as soon as it answers.
pub(super) async fn answering(socket: PathBuf) -> Client {
    let client = Client::new(socket);
    while client.status().await.is_err() {
        sleep(LOOK_EVERY).await;
    }
    client
}

/// Consumers that listen.
#[derive(Debug)]
pub(super) struct Crowd {
    clock: Stopwatch,
    heard: mpsc::UnboundedReceiver<Heard>,
    sender: mpsc::UnboundedSender<Heard>,
    listeners: JoinSet<()>,
}

impl Crowd {
    pub(super) fn new(clock: Stopwatch) -> Self {
        let (sender, heard) = mpsc::unbounded_channel();
        Self {
            clock,
            heard,
            sender,
            listeners: JoinSet::new(),
        }
    }

    /// A consumer of the agent called `name`, which may only just be starting.
    pub(super) fn listen(&mut self, name: &str, socket: PathBuf) {
        let (clock, sender, by) = (self.clock, self.sender.clone(), name.to_owned());
        self.listeners.spawn(async move {
            let client = answering(socket).await;
            let mut watch = client.watch(&Filter::default());
            while let Ok(told) = watch.next().await {
                let at = clock.elapsed();
                if let Told::Record(record, _) = told {
                    let by = by.clone();
                    // Nobody listens to the last words of a round.
                    let _ = sender.send(Heard { by, at, record });
                }
            }
        });
    }

    /// What is heard next; `None` when nothing was for a while.
    pub(super) async fn next(&mut self) -> Option<Heard> {
        timeout(QUIET, self.heard.recv()).await.ok().flatten()
    }
}
