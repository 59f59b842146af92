//! `Store`: the data directory, which remembers from one start to the next which generation this
//! member had and where it saw others.
//!
//! All of it is a hint. A directory that cannot be used never stops an agent: whatever can be read
//! is used, what cannot be written is tried again, and peers that know a greater generation say so
//! when they welcome us.

#[cfg(any(test, feature = "fuzzing"))]
pub(crate) mod fuzzing;
mod keeper;
mod page;
mod peers;

use std::{
    fs::{DirBuilder, File, Permissions},
    io::{self, ErrorKind},
    net::SocketAddr,
    os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt},
    path::{Path, PathBuf},
};

use rustix::fs::{FlockOperation, flock};
use serde::{Deserialize, Serialize};

use super::replace::remove_unfinished;
use crate::swim::Life;
pub(super) use keeper::Keeper;
use page::Content;
pub(super) use page::Owner;
use peers::Peers;

const LOCK_FILE: &str = "lock";

/// The data directory of one agent.
#[derive(Debug)]
pub(super) struct Store {
    dir: PathBuf,
    owner: Owner,
    /// As on disk; zero when there is none.
    generation: u32,
    /// As on disk.
    peers: Peers,
    /// The directory is ours for as long as this is open.
    lock: Option<File>,
}

/// The generation that a process had.
#[derive(Debug, Serialize, Deserialize)]
struct Generation {
    generation: u32,
}

impl Content for Generation {
    const KIND: &'static str = "generation";
}

impl Store {
    /// Takes possession of `dir` and stores the generation that this start has, one more than
    /// the last. Gives both. What the disk refuses is left to the [`Keeper`].
    pub(super) fn open(dir: &Path, owner: Owner) -> (Self, u32) {
        let mut store = Self {
            dir: dir.into(),
            owner,
            generation: 0,
            peers: Peers::default(),
            lock: None,
        };
        match store.take() {
            // While a running agent has it, what is in it is not about us.
            Err(error) if error.kind() != ErrorKind::WouldBlock => store.recall(),
            Ok(()) | Err(_) => {}
        }
        let generation = (store.generation + 1).min(Life::GENERATION_MAX);
        let _ = store.keep(generation, store.peers.clone());
        (store, generation)
    }

    /// Where others were seen last, the newest first.
    pub(super) fn addresses(&self) -> Vec<SocketAddr> {
        self.peers.addresses()
    }

    fn recall(&mut self) {
        let held = page::read(&self.dir, &self.owner);
        self.generation = held.map_or(0, |held: Generation| held.generation);
        self.peers = page::read(&self.dir, &self.owner).unwrap_or_default();
    }

    /// Makes the directory ours, if it is not yet, and recalls what whoever had it last left.
    fn take(&mut self) -> io::Result<()> {
        if self.lock.is_some() {
            return Ok(());
        }
        let mut builder = DirBuilder::new();
        builder.recursive(true).mode(0o700).create(&self.dir)?;
        self.lock = Some(lock(&self.dir.join(LOCK_FILE))?);
        // What a process was writing when it was killed.
        remove_unfinished(&self.dir);
        self.recall();
        Ok(())
    }

    /// Stores what is not on disk yet; a generation is never lowered. Blocks for as long as the
    /// disk takes.
    fn keep(&mut self, generation: u32, peers: Peers) -> io::Result<()> {
        self.take()?;
        if generation > self.generation {
            page::write(&self.dir, &self.owner, Generation { generation })?;
            self.generation = generation;
        }
        if peers != self.peers {
            page::write(&self.dir, &self.owner, peers.clone())?;
            self.peers = peers;
        }
        Ok(())
    }
}

/// Whoever can open the file can hold the lock, and so keep us from remembering: nobody else can.
fn lock(path: &Path) -> io::Result<File> {
    let file = File::options()
        .create(true)
        .truncate(false)
        .write(true)
        .mode(0o600)
        .open(path)?;
    file.set_permissions(Permissions::from_mode(0o600))?;
    match flock(&file, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => Ok(file),
        Err(rustix::io::Errno::WOULDBLOCK) => Err(taken()),
        Err(error) => Err(error.into()),
    }
}

fn taken() -> io::Error {
    io::Error::new(ErrorKind::WouldBlock, "a running agent holds it")
}

#[cfg(test)]
mod tests;
