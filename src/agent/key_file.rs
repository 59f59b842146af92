//! `KeyFile`: the file that the agent's keys came from, which follows what becomes of them.
//!
//! It is replaced as a whole and keeps its mode, its owner and its comments. One that cannot be
//! written, or was changed by hand meanwhile, stays as it is: the agent runs on with the keys that
//! it has, warns, and says so in its metrics.

use std::{
    fs,
    io::{self, ErrorKind},
    os::unix::fs::{MetadataExt, PermissionsExt, chown},
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
};

use tracing::{error, info, warn};

use super::{replace::replace, shared::Shared};
use crate::{
    config::{InvalidKeyFile, read_keys, rewrite_keys},
    swim::{KeyId, Keys},
};

const OWNER_WRITES: u32 = 0o200;

/// See the module.
#[derive(Debug)]
pub(super) struct KeyFile {
    path: PathBuf,
    /// What was in it when it was last read or written.
    last: Mutex<Vec<KeyId>>,
    is_behind: AtomicBool,
}

/// Why the file is not what it should be.
#[derive(Debug, thiserror::Error)]
enum Unwritten {
    #[error("it was changed by hand and not read again: `headcount keys reload` does that")]
    Changed,
    #[error("it {0}")]
    Invalid(#[from] InvalidKeyFile),
    #[error("{0}")]
    System(#[from] io::Error),
}

impl Shared {
    /// The keys in our file, if there is one and somebody changed it since it was last read or
    /// written.
    pub(super) async fn reread_keys(self: &Arc<Self>) -> Result<Option<Keys>, InvalidKeyFile> {
        let shared = self.clone();
        let reading = tokio::task::spawn_blocking(move || {
            let file = shared.key_file.as_ref();
            file.map_or(Ok(None), KeyFile::reread)
        });
        // It fails only while the agent ends.
        reading.await.unwrap_or(Ok(None))
    }
}

impl KeyFile {
    /// The file at `path`, from which these keys were read.
    pub(super) fn new(path: PathBuf, keys: &Keys) -> Self {
        Self {
            path,
            last: Mutex::new(keys.ids().collect()),
            is_behind: AtomicBool::new(false),
        }
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Whether the next start would have other keys than we have now.
    pub(super) fn is_behind(&self) -> bool {
        self.is_behind.load(Ordering::Relaxed)
    }

    /// Lets the file of `shared`, if there is one, follow its keys until the agent ends.
    pub(super) async fn follow(shared: Arc<Shared>) {
        let mut keys = shared.keys.subscribe();
        loop {
            tokio::select! {
                changed = keys.changed() => if changed.is_err() { return },
                () = shared.ended() => return,
            }
            let (now, shared) = (keys.borrow_and_update().clone(), shared.clone());
            let storing = tokio::task::spawn_blocking(move || {
                if let Some(file) = &shared.key_file {
                    file.keep(&now);
                }
            });
            if let Err(error) = storing.await {
                error!(%error, "storing keys failed");
            }
        }
    }

    /// The keys in the file, if somebody changed them. Blocks.
    pub(super) fn reread(&self) -> Result<Option<Keys>, InvalidKeyFile> {
        let keys = read_keys(&self.path)?;
        let mut last = self.last();
        let is_new = !last.iter().copied().eq(keys.ids());
        *last = keys.ids().collect();
        self.is_behind.store(false, Ordering::Relaxed);
        Ok(is_new.then_some(keys))
    }

    fn last(&self) -> MutexGuard<'_, Vec<KeyId>> {
        self.last.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn keep(&self, keys: &Keys) {
        let stored = self.store(keys);
        self.is_behind.store(stored.is_err(), Ordering::Relaxed);
        let path = self.path.display();
        match stored {
            Ok(()) => info!(%path, keys = ?keys, "keys"),
            Err(error) => warn!(
                %path, %error, keys = ?keys,
                "THE KEY FILE COULD NOT BE WRITTEN: this agent has these keys now, its next start \
                 will not"
            ),
        }
    }

    fn store(&self, keys: &Keys) -> Result<(), Unwritten> {
        // A link stays one.
        let path = fs::canonicalize(&self.path)?;
        let mut last = self.last();
        let there = read_keys(&path)?;
        if there == *keys {
            *last = keys.ids().collect();
            return Ok(());
        }
        if !last.iter().copied().eq(there.ids()) {
            return Err(Unwritten::Changed);
        }
        let file = fs::metadata(&path)?;
        if file.mode() & OWNER_WRITES == 0 {
            return Err(io::Error::from(ErrorKind::PermissionDenied).into());
        }
        let text = rewrite_keys(&path, keys)?;
        let mode = fs::Permissions::from_mode(file.mode() & 0o7777);
        replace(&path, text.as_bytes(), Some(mode))?;
        *last = keys.ids().collect();
        if fs::metadata(&path)?.uid() != file.uid() {
            chown(&path, Some(file.uid()), Some(file.gid()))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::generate_key;

    fn written(path: &Path, text: &str) -> Keys {
        fs::write(path, text).unwrap();
        fs::set_permissions(path, fs::Permissions::from_mode(0o600)).unwrap();
        read_keys(path).unwrap()
    }

    fn some_keys() -> [String; 2] {
        [(); 2].map(|()| generate_key().unwrap().to_string())
    }

    #[test]
    fn the_file_follows_and_keeps_its_mode_and_its_link() {
        let dir = tempfile::tempdir().unwrap();
        let [one, two] = some_keys();
        let (path, other) = (dir.path().join("keys"), dir.path().join("other"));
        let link = dir.path().join("link");
        std::os::unix::fs::symlink(&path, &link).unwrap();
        let both = written(&other, &format!("{two}\n{one}\n"));
        let file = KeyFile::new(link.clone(), &written(&path, &format!("{one} # May\n")));
        file.keep(&both);
        assert_eq!(read_keys(&link).unwrap(), both);
        assert!(!file.is_behind());
        assert_eq!(fs::metadata(&path).unwrap().mode() & 0o777, 0o600);
        assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
        assert!(fs::read_to_string(&path).unwrap().contains("# May"));
        assert_eq!(file.reread(), Ok(None), "nobody changed it");
    }

    #[test]
    fn what_may_not_be_written_or_was_changed_by_hand_stays() {
        let dir = tempfile::tempdir().unwrap();
        let [one, two] = some_keys();
        let (path, other) = (dir.path().join("keys"), dir.path().join("other"));
        let both = written(&other, &format!("{two}\n{one}\n"));
        let text = format!("{one}\n");
        let file = KeyFile::new(path.clone(), &written(&path, &text));
        fs::set_permissions(&path, fs::Permissions::from_mode(0o400)).unwrap();
        file.keep(&both);
        assert_eq!(fs::read_to_string(&path).unwrap(), text);
        assert!(file.is_behind());
        let by_hand = written(&path, &format!("{two}\n"));
        file.keep(&both);
        assert_eq!(read_keys(&path).unwrap(), by_hand);
        assert!(file.is_behind());
        assert_eq!(file.reread(), Ok(Some(by_hand)));
        file.keep(&both);
        assert_eq!(read_keys(&path).unwrap(), both);
    }
}
