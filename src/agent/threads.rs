//! The agent's threads beside the protocol's, each with a runtime of its own.

use std::{sync::Arc, thread};

use tokio::{
    runtime::{Builder, Runtime},
    sync::{mpsc, watch},
    task::spawn_blocking,
};
use tracing::error;

use super::{
    Error,
    api::{self, Doors},
    key_file::KeyFile,
    local::SocketFile,
    outputs::{Prepared, Successors},
    reload::{Orders, Reloader},
    seeds,
    shared::Shared,
    store::Keeper,
};
use crate::config::Seed;

/// Everything beside the protocol.
#[derive(Debug)]
pub(super) struct Threads {
    api: thread::JoinHandle<()>,
    disk: thread::JoinHandle<()>,
    outputs: thread::JoinHandle<()>,
}

impl Threads {
    /// Waits until the last answers are out, the last generation and keys are stored and
    /// the last hook ran. The socket's file goes with the first of these: who is started next may
    /// have it while a hook still runs.
    pub(super) async fn finish(self, socket: Option<SocketFile>) {
        join("api", self.api).await;
        drop(socket);
        join("disk", self.disk).await;
        join("outputs", self.outputs).await;
    }
}

/// Waits for it on a thread of its own, so that whoever gives up waiting can.
async fn join(part: &'static str, thread: thread::JoinHandle<()>) {
    let joined = spawn_blocking(move || thread.join()).await;
    if !matches!(joined, Ok(Ok(()))) {
        error!(part, "a thread panicked");
    }
}

/// What is to be done beside the protocol.
#[derive(Debug)]
pub(super) struct Work {
    pub(super) doors: Doors,
    pub(super) keeper: Keeper,
    pub(super) outputs: Prepared,
    pub(super) reloader: Option<Reloader>,
    pub(super) orders: Orders,
}

impl Work {
    /// Does it until the protocol has ended.
    pub(super) fn start(self, shared: &Arc<Shared>) -> Result<Threads, Error> {
        let Orders { seeds, outputs } = self.orders;
        Ok(Threads {
            api: start_api(self.doors, shared.clone(), seeds)?,
            disk: start_disk(self.keeper, shared.clone(), self.reloader)?,
            outputs: start_outputs(self.outputs, shared.clone(), outputs)?,
        })
    }
}

pub(super) fn runtime(part: &'static str) -> Result<Runtime, Error> {
    Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|source| Error::Runtime { part, source })
}

fn spawn(
    part: &'static str,
    body: impl FnOnce() + Send + 'static,
) -> Result<thread::JoinHandle<()>, Error> {
    thread::Builder::new()
        .name(part.into())
        .spawn(body)
        .map_err(|source| Error::Runtime { part, source })
}

/// Serves the API and follows the seeds until nothing more comes.
fn start_api(
    doors: Doors,
    shared: Arc<Shared>,
    seeds: watch::Receiver<Vec<Seed>>,
) -> Result<thread::JoinHandle<()>, Error> {
    let runtime = runtime("api")?;
    runtime.spawn(seeds::follow(shared.clone(), seeds));
    spawn("api", move || {
        if let Err(error) = runtime.block_on(api::serve(doors, shared)) {
            error!(%error, "the local API ended");
        }
        // A resolver may take long; nobody waits for it now.
        runtime.shutdown_background();
    })
}

/// Runs hooks and keeps files.
fn start_outputs(
    outputs: Prepared,
    shared: Arc<Shared>,
    successors: mpsc::Receiver<Successors>,
) -> Result<thread::JoinHandle<()>, Error> {
    let runtime = runtime("outputs")?;
    spawn("outputs", move || {
        runtime.block_on(outputs.follow(shared, successors));
        // A disk may take long; nobody waits for it now.
        runtime.shutdown_background();
    })
}

/// Keeps the store and the key file and reads the configuration again, away from every thread that
/// has anything else to do.
fn start_disk(
    keeper: Keeper,
    shared: Arc<Shared>,
    reloader: Option<Reloader>,
) -> Result<thread::JoinHandle<()>, Error> {
    let runtime = runtime("disk")?;
    if let Some(reloader) = reloader {
        runtime.spawn(reloader.run());
    }
    spawn("disk", move || {
        runtime.block_on(async { tokio::join!(keeper.run(), KeyFile::follow(shared)) });
        // A configuration may take long to be read again; nobody waits for it now.
        runtime.shutdown_background();
    })
}
