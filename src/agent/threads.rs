//! The agent's threads beside the protocol's, each with a runtime of its own.

use std::{sync::Arc, thread, time::Duration};

use tokio::{
    runtime::{Builder, Runtime},
    sync::{mpsc, oneshot, watch},
    task::spawn_blocking,
    time::sleep,
};
use tracing::error;

use super::{
    Error,
    api::{self, Doors},
    key_file::KeyFile,
    local::SocketFile,
    outputs::{Prepared, Successors},
    panics,
    reload::{Orders, Reloader},
    seeds,
    shared::Shared,
    store::Keeper,
};
use crate::config::Seed;

const API: &str = "api";
const DISK: &str = "disk";
const OUTPUTS: &str = "outputs";
/// A thread that waits for work of a runtime ends after this time without any.
const IDLE_MAX: Duration = Duration::from_secs(60);

/// Everything beside the protocol.
#[derive(Debug)]
pub(super) struct Threads {
    api: Thread,
    disk: Thread,
    outputs: Thread,
}

impl Threads {
    /// Waits until the last answers are out, the last generation and keys are stored and
    /// the last hook ran. The socket's file goes with the first of these: who is started next may
    /// have it while a hook still runs.
    pub(super) async fn finish(self, socket: Option<SocketFile>) {
        self.api.finish().await;
        drop(socket);
        self.disk.finish().await;
        self.outputs.finish().await;
    }
}

/// One of them.
#[derive(Debug)]
struct Thread {
    handle: thread::JoinHandle<()>,
    /// Closed when it has done its work, or panicked.
    done: oneshot::Receiver<()>,
}

impl Thread {
    fn start(part: &'static str, body: impl FnOnce() + Send + 'static) -> Result<Self, Error> {
        let (working, done) = oneshot::channel();
        let handle = thread::Builder::new().name(part.into()).spawn(move || {
            let _working = working;
            panics::note_those_of(part);
            body();
        });
        let handle = handle.map_err(|source| Error::Runtime { part, source })?;
        Ok(Self { handle, done })
    }

    /// Whoever gives up waiting can.
    async fn finish(self) {
        // Nothing is sent.
        let _ = self.done.await;
        // What it panicked of has been said.
        let _ = self.handle.join();
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
        .thread_keep_alive(IDLE_MAX)
        .build()
        .map_err(|source| Error::Runtime { part, source })
}

/// A runtime that always has a thread for work that blocks. Where the system has no thread to give
/// just then, work waits for one that is there; if there is none, tokio panics.
fn with_spare_thread(part: &'static str) -> Result<Runtime, Error> {
    let runtime = runtime(part)?;
    runtime.spawn(async {
        while spawn_blocking(|| ()).await.is_ok() {
            sleep(IDLE_MAX / 2).await;
        }
    });
    Ok(runtime)
}

/// Serves the API and follows the seeds until nothing more comes.
fn start_api(
    doors: Doors,
    shared: Arc<Shared>,
    seeds: watch::Receiver<Vec<Seed>>,
) -> Result<Thread, Error> {
    let runtime = with_spare_thread(API)?;
    runtime.spawn(seeds::follow(shared.clone(), seeds));
    Thread::start(API, move || {
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
) -> Result<Thread, Error> {
    let runtime = with_spare_thread(OUTPUTS)?;
    Thread::start(OUTPUTS, move || {
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
) -> Result<Thread, Error> {
    let runtime = with_spare_thread(DISK)?;
    if let Some(reloader) = reloader {
        runtime.spawn(reloader.run());
    }
    Thread::start(DISK, move || {
        runtime.block_on(async { tokio::join!(keeper.run(), KeyFile::follow(shared)) });
        // A configuration may take long to be read again; nobody waits for it now.
        runtime.shutdown_background();
    })
}
