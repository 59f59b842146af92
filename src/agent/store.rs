//! `Store`: the data directory, which remembers the generation from one start to the next.
//!
//! A store that cannot be used never stops an agent: the reason is logged, and the generation
//! starts at 1. Peers that knew a greater one say so when they welcome us.

use std::{
    fs::{self, File},
    io::{self, ErrorKind},
    path::{Path, PathBuf},
    sync::Mutex,
};

use rustix::fs::{FlockOperation, flock};
use tracing::warn;

use super::replace::replace;
use crate::swim::Life;

const GENERATION_FILE: &str = "generation";
const LOCK_FILE: &str = "lock";

/// The data directory of one agent.
#[derive(Debug)]
pub(super) struct Store {
    /// `None` when nothing can be kept.
    dir: Option<PathBuf>,
    /// The generation on disk, or that should be. Its lock orders the writers.
    saved: Mutex<u32>,
    /// Held for as long as the agent lives, so that no other uses the directory.
    _lock: Option<File>,
}

impl Store {
    /// Takes possession of `dir` and stores the generation that this start has, one more than
    /// the last. Gives both.
    pub(super) fn open(dir: &Path) -> (Self, u32) {
        match Self::try_open(dir) {
            Ok(opened) => opened,
            Err((path, error)) => {
                warn!(
                    path = %path.display(), %error,
                    "the data directory cannot be used: this agent starts with generation 1 \
                     and will not remember it"
                );
                (Self::none(), 1)
            }
        }
    }

    fn none() -> Self {
        Self {
            dir: None,
            saved: Mutex::new(1),
            _lock: None,
        }
    }

    fn try_open(dir: &Path) -> Result<(Self, u32), (PathBuf, io::Error)> {
        let at = |path: &Path| {
            let path = path.to_path_buf();
            move |error: io::Error| (path, error)
        };
        fs::create_dir_all(dir).map_err(at(dir))?;
        let lock_path = dir.join(LOCK_FILE);
        let lock = lock(&lock_path).map_err(at(&lock_path))?;
        let path = dir.join(GENERATION_FILE);
        let last = read(&path).map_err(at(&path))?;
        let generation = (last + 1).min(Life::GENERATION_MAX);
        write(dir, generation).map_err(at(&path))?;
        let store = Self {
            dir: Some(dir.into()),
            saved: Mutex::new(generation),
            _lock: Some(lock),
        };
        Ok((store, generation))
    }

    /// Stores `generation` if it is greater than what is stored. Blocks for as long as the disk
    /// takes; a disk that refuses is logged.
    pub(super) fn remember(&self, generation: u32) {
        let mut saved = self
            .saved
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        let Some(dir) = &self.dir else {
            return;
        };
        if generation <= *saved {
            return;
        }
        match write(dir, generation) {
            Ok(()) => *saved = generation,
            Err(error) => warn!(
                path = %dir.display(), generation, %error,
                "the generation could not be stored: the next start may repeat it"
            ),
        }
    }
}

fn lock(path: &Path) -> io::Result<File> {
    let file = File::options()
        .create(true)
        .truncate(false)
        .write(true)
        .open(path)?;
    match flock(&file, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => Ok(file),
        Err(rustix::io::Errno::WOULDBLOCK) => Err(io::Error::other("a running agent holds it")),
        Err(error) => Err(error.into()),
    }
}

/// The last generation; zero before the first start. A file that holds something else is moved
/// out of the way and counts as none.
fn read(path: &Path) -> io::Result<u32> {
    let bytes = match fs::read(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(0),
        other => other?,
    };
    let number = std::str::from_utf8(&bytes)
        .ok()
        .and_then(|text| text.trim().parse().ok())
        .filter(|number| *number <= Life::GENERATION_MAX);
    if number.is_none() {
        let aside = path.with_extension("damaged");
        fs::rename(path, &aside)?;
        warn!(
            path = %path.display(), aside = %aside.display(),
            "the stored generation is damaged and was put aside: this agent starts with \
             generation 1"
        );
    }
    Ok(number.unwrap_or(0))
}

fn write(dir: &Path, generation: u32) -> io::Result<()> {
    let text = format!("{generation}\n");
    replace(&dir.join(GENERATION_FILE), text.as_bytes(), None)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stored(dir: &Path) -> String {
        fs::read_to_string(dir.join(GENERATION_FILE)).unwrap()
    }

    #[test]
    fn every_start_is_one_more_and_is_stored_at_once() {
        let temp = tempfile::tempdir().unwrap();
        let dir = temp.path().join("a/b");
        for start in 1..4 {
            let (_store, generation) = Store::open(&dir);
            assert_eq!(generation, start);
            assert_eq!(stored(&dir), format!("{start}\n"));
        }
    }

    #[test]
    fn a_raised_generation_is_kept_and_never_lowered() {
        let temp = tempfile::tempdir().unwrap();
        let (store, _) = Store::open(temp.path());
        store.remember(7);
        store.remember(3);
        drop(store);
        assert_eq!(Store::open(temp.path()).1, 8);
    }

    #[test]
    fn a_damaged_file_is_put_aside() {
        let temp = tempfile::tempdir().unwrap();
        for damage in [&b"\xff\xfe"[..], b"", b"-4", b"99999999999"] {
            fs::write(temp.path().join(GENERATION_FILE), damage).unwrap();
            assert_eq!(Store::open(temp.path()).1, 1);
            assert_eq!(
                fs::read(temp.path().join("generation.damaged")).unwrap(),
                damage
            );
        }
    }

    #[test]
    fn a_second_agent_runs_without_the_store() {
        let temp = tempfile::tempdir().unwrap();
        let (first, _) = Store::open(temp.path());
        let (second, generation) = Store::open(temp.path());
        assert_eq!(generation, 1);
        second.remember(9);
        assert_eq!(stored(temp.path()), "1\n");
        drop(first);
        assert_eq!(Store::open(temp.path()).1, 2);
    }

    #[test]
    fn an_unusable_directory_does_not_stop_the_start() {
        let temp = tempfile::tempdir().unwrap();
        let file = temp.path().join("file");
        fs::write(&file, "").unwrap();
        assert_eq!(Store::open(&file).1, 1);
        assert_eq!(Store::open(&file.join("below")).1, 1);
    }
}
