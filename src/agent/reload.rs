//! Reloading: at SIGHUP the configuration is read again, and what can change in a running agent
//! changes. Either all of it is taken up or, when any of it cannot be used, nothing.

use std::{collections::BTreeMap, fmt, io, sync::Arc};

use tokio::{
    signal::unix::{Signal, SignalKind, signal},
    sync::{mpsc, watch},
    task::spawn_blocking,
};
use tracing::{Level, error, info, warn};

use super::{
    Error,
    keys::KeyRequest,
    outputs::{Prepared, Successors},
    shared::{Command, Retagging, Shared},
};
use crate::{
    config::{Config, ConfigError, Launch, Logging, Seed},
    feed::Filter,
    swim::Tags,
};

/// Where a running agent's configuration comes from.
pub struct Reload {
    /// How it logs now.
    pub logging: Logging,
    /// Reads the configuration again, all sources of it.
    pub load: Arc<dyn Fn() -> Result<Launch, ConfigError> + Send + Sync>,
    /// Logs from this level on.
    pub set_level: Box<dyn Fn(Level) + Send + Sync>,
}

impl fmt::Debug for Reload {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Reload").finish_non_exhaustive()
    }
}

impl Reload {
    /// From now on SIGHUP does not end the process. Must be called inside a runtime.
    pub(super) fn listen(
        self,
        configured: Config,
        shared: &Arc<Shared>,
        levers: Levers,
    ) -> io::Result<Reloader> {
        Ok(Reloader {
            hangups: signal(SignalKind::hangup())?,
            reload: self,
            configured,
            shared: shared.clone(),
            levers,
        })
    }
}

/// What moves the parts of the agent that others do the work of.
#[derive(Debug)]
pub(super) struct Levers {
    seeds: watch::Sender<Vec<Seed>>,
    outputs: mpsc::Sender<Successors>,
}

/// The other end of the levers.
#[derive(Debug)]
pub(super) struct Orders {
    pub(super) seeds: watch::Receiver<Vec<Seed>>,
    pub(super) outputs: mpsc::Receiver<Successors>,
}

impl Levers {
    pub(super) fn new(configured: Vec<Seed>) -> (Self, Orders) {
        let (seeds, followed) = watch::channel(configured);
        let (outputs, successors) = mpsc::channel(1);
        let orders = Orders {
            seeds: followed,
            outputs: successors,
        };
        (Self { seeds, outputs }, orders)
    }
}

/// Waits for SIGHUP.
#[derive(Debug)]
pub(super) struct Reloader {
    hangups: Signal,
    reload: Reload,
    /// What was read last, but for what takes a restart: that is as it was at the start.
    configured: Config,
    shared: Arc<Shared>,
    levers: Levers,
}

impl Reloader {
    pub(super) async fn run(mut self) {
        while self.hangups.recv().await.is_some() {
            match self.reload().await {
                Ok(()) => info!("read the configuration again"),
                Err(Refused { why, hint }) => error!(
                    hint,
                    "the configuration was not read again, everything stays as it was: {why}"
                ),
            }
        }
    }

    /// What can go wrong goes wrong before anything has changed.
    async fn reload(&mut self) -> Result<(), Refused> {
        let (launch, outputs) = self.read().await?;
        let since = self.shared.feed().snapshot(&Filter::default());
        self.retag(&launch.config.tags).await?;
        launch
            .warnings
            .iter()
            .for_each(|warning| warn!("{warning}"));
        (self.reload.set_level)(launch.logging.level);
        self.warn_of_fixed(&launch);
        let successors = Successors { outputs, since };
        self.take_up(launch.config, successors).await;
        Ok(())
    }

    /// A file of another host's may take for ever: nothing else on this thread waits for it.
    async fn read(&self) -> Result<(Launch, Prepared), Refused> {
        let load = self.reload.load.clone();
        let reading = spawn_blocking(move || {
            let launch = load()?;
            let outputs = Prepared::new(launch.config.outputs.clone())?;
            Ok((launch, outputs))
        });
        reading.await.unwrap_or_else(|error| {
            let why = error.to_string();
            Err(Refused { why, hint: None })
        })
    }

    async fn take_up(&mut self, next: Config, successors: Successors) {
        self.rekey().await;
        self.retune(&next).await;
        self.levers.seeds.send_if_modified(|seeds| {
            let changes = *seeds != next.join;
            seeds.clone_from(&next.join);
            changes
        });
        // It is gone only while the agent ends.
        let _ = self.levers.outputs.send(successors).await;
        self.configured = Config {
            join: next.join,
            outputs: next.outputs,
            tags: next.tags,
            profile: next.profile,
            forget_after: next.forget_after,
            ..self.configured.clone()
        };
    }

    /// A key file that somebody changed by hand holds.
    async fn rekey(&self) {
        if let Ok(Some(keys)) = self.shared.reread_keys().await {
            let request = KeyRequest::Replace(keys);
            // It is refused only while the agent ends.
            let asked = self.shared.ask(|reply| Command::Keys { request, reply });
            drop(asked.await);
        }
    }

    async fn retune(&self, next: &Config) {
        let tuning = next.tuning();
        if tuning != self.configured.tuning() {
            // It is gone only while the agent ends.
            let _ = self
                .shared
                .commands
                .send(Command::Tuning(Box::new(tuning)))
                .await;
        }
        self.shared.profile.send_replace(next.profile);
    }

    /// Tags that were set while the agent ran stay, unless the configuration says otherwise now.
    async fn retag(&self, next: &Tags) -> Result<(), Refused> {
        let changes = difference(&self.configured.tags, next);
        if changes.is_empty() {
            return Ok(());
        }
        let change = Retagging::Merge(changes);
        let retagged = self.shared.ask(|reply| Command::Tags { change, reply });
        match retagged.await {
            Ok(Err(error)) => Err(Refused {
                why: format!("with the tags that were set since the start, {error}"),
                hint: Some("see `headcount tags`".into()),
            }),
            // An agent that ends needs no tags.
            Ok(Ok(_)) | Err(_) => Ok(()),
        }
    }

    fn warn_of_fixed(&self, next: &Launch) {
        let mut fixed = fixed(&self.configured, &next.config);
        if next.logging.json != self.reload.logging.json {
            fixed.push("log-format");
        }
        if !fixed.is_empty() {
            let keys = fixed.join(", ");
            warn!(
                keys,
                "these take a restart: they stay as they were, all else is reloaded"
            );
        }
    }
}

/// Why nothing was taken up.
struct Refused {
    why: String,
    hint: Option<String>,
}

impl From<ConfigError> for Refused {
    fn from(error: ConfigError) -> Self {
        Self {
            why: error.to_string(),
            hint: Some(error.hint()),
        }
    }
}

impl From<Error> for Refused {
    fn from(error: Error) -> Self {
        Self {
            why: error.to_string(),
            hint: error.hint(),
        }
    }
}

/// What leads from one set of tags to another; `None` takes one away.
fn difference(held: &Tags, next: &Tags) -> BTreeMap<String, Option<String>> {
    let gone = held.iter().map(|(key, _)| (key.to_owned(), None));
    let pair = |(key, value): (&str, &str)| (key.to_owned(), Some(value.to_owned()));
    let there = next.iter().map(pair);
    let mut changes: BTreeMap<_, _> = gone.chain(there).collect();
    changes.retain(|key, value| held.value(key) != value.as_deref());
    changes
}

/// The keys that differ and take a restart.
fn fixed(held: &Config, next: &Config) -> Vec<&'static str> {
    let keys = [
        ("advertise", held.advertise != next.advertise),
        ("allow", held.access.full != next.access.full),
        ("allow-read", held.access.read != next.access.read),
        ("bind", held.bind != next.bind),
        ("cluster", held.cluster != next.cluster),
        ("data-dir", held.data_dir != next.data_dir),
        ("http", held.http != next.http),
        ("http-token-file", held.access.token != next.access.token),
        ("key-file", held.key_file != next.key_file),
        ("max-members", held.max_members != next.max_members),
        ("name", held.name != next.name),
        ("restart-eta", held.restart_eta != next.restart_eta),
        ("socket", held.socket != next.socket),
        ("socket-group", held.access.group != next.access.group),
        ("socket-mode", held.access.mode != next.access.mode),
        ("socket-owner", held.access.owner != next.access.owner),
    ];
    let differing = keys.into_iter().filter(|(_, differs)| *differs);
    differing.map(|(key, _)| key).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tags(pairs: &[(&str, &str)]) -> Tags {
        let owned = |(key, value): &(&str, &str)| ((*key).into(), (*value).into());
        pairs.iter().map(owned).collect()
    }

    #[test]
    fn only_what_changed_in_the_configuration_changes() {
        let held = tags(&[("gone", "1"), ("same", "2"), ("other", "3")]);
        let next = tags(&[("same", "2"), ("other", "4"), ("new", "5")]);
        let set = |key: &str, value: &str| (key.to_owned(), Some(value.to_owned()));
        let expected = [("gone".into(), None), set("new", "5"), set("other", "4")];
        assert_eq!(difference(&held, &next), expected.into());
        assert!(difference(&held, &held).is_empty());
    }
}
