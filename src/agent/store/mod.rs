//! `Store`: the data directory, which remembers from one start to the next which generation this
//! member had and where it saw others.
//!
//! All of it is a hint. What the disk refuses never stops an agent: whatever can be read is used,
//! what cannot be written is tried again, and peers that know a greater generation say so when they
//! welcome us. A directory that was given by mistake does: that of an agent that runs, and a path
//! that leads through a file.

#[cfg(any(test, feature = "fuzzing"))]
pub(crate) mod fuzzing;
mod keeper;
mod page;
mod peers;

use std::{
    fs::{self, DirBuilder, File, Permissions},
    io::{self, ErrorKind, Read, Write},
    net::SocketAddr,
    os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt},
    path::{Path, PathBuf},
    time::Duration,
};

use rustix::fs::{FlockOperation, flock};
use serde::{Deserialize, Serialize};

use super::{Error, clock, replace::remove_unfinished};
use crate::swim::Life;
pub(super) use keeper::Keeper;
use page::Content;
pub(super) use page::Owner;
use peers::Peers;

const LOCK_FILE: &str = "lock";
/// An agent that just said goodbye has the directory until its last word is written: it is waited
/// for, a second in all.
const HOLDER_PAUSE: Duration = Duration::from_millis(50);
const HOLDER_PAUSES: usize = 20;

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

/// That of the process after one that had `held`, whatever a page says.
fn next_generation(held: u32) -> u32 {
    held.saturating_add(1).min(Life::GENERATION_MAX)
}

/// Why the directory is not ours.
#[derive(Debug, thiserror::Error)]
enum Untaken {
    #[error("a running agent holds it")]
    Held(Option<u32>),
    #[error(transparent)]
    System(#[from] io::Error),
}

impl Untaken {
    /// Why the operator must choose another directory than `dir`; `None` where another attempt may
    /// well succeed.
    fn refusal(self, dir: &Path) -> Option<Error> {
        let path = dir.into();
        Some(match self {
            Self::Held(pid) => Error::DataDirInUse { path, pid },
            Self::System(source) => match source.kind() {
                ErrorKind::AlreadyExists | ErrorKind::NotADirectory => {
                    Error::DataDir { path, source }
                }
                _ => return None,
            },
        })
    }
}

impl Store {
    /// Takes possession of `dir` and stores the generation that this start has, one more than
    /// the last. Gives both. What the disk refuses is left to the [`Keeper`].
    ///
    /// # Errors
    /// [`Error::DataDir`] or [`Error::DataDirInUse`]. No page in the directory has changed.
    pub(super) fn open(dir: &Path, owner: Owner) -> Result<(Self, u32), Error> {
        let mut store = Self {
            dir: dir.into(),
            owner,
            generation: 0,
            peers: Peers::default(),
            lock: None,
        };
        if let Err(untaken) = store.take_patiently() {
            if let Some(refusal) = untaken.refusal(dir) {
                return Err(refusal);
            }
            // What cannot be taken may still be read; what is wrong with it is said when it is
            // taken.
            let _ = store.recall();
        }
        let generation = next_generation(store.generation);
        let _ = store.keep(generation, store.peers.clone());
        Ok((store, generation))
    }

    /// Where others were seen last, the newest first.
    pub(super) fn addresses(&self) -> Vec<SocketAddr> {
        self.peers.addresses()
    }

    /// # Errors
    /// When there is a page that is neither ours nor can be put aside. The other one is recalled.
    fn recall(&mut self) -> io::Result<()> {
        let held = page::read::<Generation>(&self.dir, &self.owner);
        let peers = page::read(&self.dir, &self.owner);
        let generation = held.as_ref().ok().and_then(Option::as_ref);
        self.generation = generation.map_or(0, |held| held.generation);
        self.peers = peers.as_ref().ok().cloned().flatten().unwrap_or_default();
        held?;
        peers.map(drop)
    }

    /// Whether the directory is the one that we took: people remove it, and make it anew, under a
    /// running agent. Our lock is on a file that is gone then, and keeps nobody out.
    fn is_held(&self) -> bool {
        let Some(Ok(ours)) = self.lock.as_ref().map(File::metadata) else {
            return false;
        };
        match fs::metadata(self.dir.join(LOCK_FILE)) {
            Ok(found) => (found.dev(), found.ino()) == (ours.dev(), ours.ino()),
            Err(error) => !is_gone(&error),
        }
    }

    fn take_patiently(&mut self) -> Result<(), Untaken> {
        for _ in 0..HOLDER_PAUSES {
            match self.take() {
                Err(Untaken::Held(_)) => clock::pause(HOLDER_PAUSE),
                taken => return taken,
            }
        }
        self.take()
    }

    /// Makes the directory ours, if it is not or not any more, and recalls what whoever had it last
    /// left.
    fn take(&mut self) -> Result<(), Untaken> {
        if self.is_held() {
            return Ok(());
        }
        // What it holds by now may be another's.
        self.lock = None;
        let mut builder = DirBuilder::new();
        builder.recursive(true).mode(0o700).create(&self.dir)?;
        let path = self.dir.join(LOCK_FILE);
        let mut lock = lock(&path)?;
        self.recall()?;
        // For people alone: a full disk is no reason to go without the lock.
        let _ = page::copy_aside_unless(&path, is_signed).and_then(|()| sign(&mut lock));
        // What a process was writing when it was killed.
        remove_unfinished(&self.dir);
        self.lock = Some(lock);
        Ok(())
    }

    /// Stores what is not on disk yet; a generation is never lowered. Blocks for as long as the
    /// disk takes.
    fn keep(&mut self, generation: u32, peers: Peers) -> Result<(), Untaken> {
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
/// Who holds it is written in it.
fn lock(path: &Path) -> Result<File, Untaken> {
    let mut file = File::options()
        .create(true)
        .truncate(false)
        .read(true)
        .write(true)
        .mode(0o600)
        .open(path)?;
    file.set_permissions(Permissions::from_mode(0o600))?;
    match flock(&file, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => Ok(file),
        Err(rustix::io::Errno::WOULDBLOCK) => Err(Untaken::Held(holder(&mut file))),
        Err(error) => Err(io::Error::from(error).into()),
    }
}

/// Whether nothing is there. What can only not be seen at the moment is not given up.
fn is_gone(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory)
}

fn sign(file: &mut File) -> io::Result<()> {
    file.set_len(0)?;
    writeln!(file, "{}", std::process::id())
}

/// Whether it can be a lock of ours: it has a process's number in it, or nothing yet.
fn is_signed(text: &[u8]) -> bool {
    text.trim_ascii().iter().all(u8::is_ascii_digit)
}

/// The process that holds the lock, as far as it is known.
fn holder(file: &mut File) -> Option<u32> {
    let mut text = String::new();
    file.take(16).read_to_string(&mut text).ok()?;
    text.trim().parse().ok()
}

#[cfg(test)]
mod tests;
