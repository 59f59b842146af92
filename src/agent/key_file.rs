//! `KeyFile`: the file that the agent's keys came from, which follows what becomes of them.
//!
//! It is replaced as a whole and keeps its mode, its owner and its comments. One that cannot be
//! written, or was changed by hand meanwhile, stays as it is: the agent runs on with the keys that
//! it has, warns, says so in its metrics and tries again.

use std::{
    fs,
    io::{self, ErrorKind},
    os::unix::fs::{MetadataExt, PermissionsExt, chown},
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use tracing::{error, info, warn};

use super::{
    replace::{Rights, replace},
    shared::{Command, Shared},
};
use crate::{
    config::{InvalidKeyFile, reread_keys, rewrite_keys},
    swim::{KeyId, Keys},
};

const OWNER_WRITES: u32 = 0o200;
/// Before another attempt where the file could not be written.
const RETRY: Duration = Duration::from_secs(10);

/// See the module.
#[derive(Debug)]
pub(super) struct KeyFile {
    path: PathBuf,
    seen: Mutex<Seen>,
    is_behind: AtomicBool,
}

/// What we know of the file. Locked for as long as it is read or written, so that nobody takes what
/// we wrote ourselves for somebody's change.
#[derive(Debug)]
struct Seen {
    /// What was in it when it was last read or written.
    last: Vec<KeyId>,
    /// The keys of which the log says that they could not be written.
    missed: Option<Keys>,
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

    /// Whether there is a key file that lacks what became of our keys.
    pub(super) fn key_file_is_behind(&self) -> bool {
        self.key_file.as_ref().is_some_and(KeyFile::is_behind)
    }

    /// Lets our key file, if there is one, have the keys that we have now. Whether it does is told
    /// by [`KeyFile::is_behind`] then.
    pub(super) async fn keep_keys(self: &Arc<Self>) {
        let shared = self.clone();
        let keeping = tokio::task::spawn_blocking(move || {
            if let Some(file) = &shared.key_file {
                file.keep(|| shared.keys.borrow().clone());
            }
        });
        if let Err(error) = keeping.await {
            error!(%error, "storing keys failed");
        }
    }
}

impl KeyFile {
    /// The file at `path`, from which these keys were read.
    pub(super) fn new(path: PathBuf, keys: &Keys) -> Self {
        Self {
            path,
            seen: Mutex::new(Seen {
                last: keys.ids().collect(),
                missed: None,
            }),
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

    /// Lets the file of `shared`, if there is one, follow its keys until the agent has ended, and
    /// have the last ones then. Lets the protocol know what it has.
    pub(super) async fn follow(shared: Arc<Shared>) {
        let Some(file) = &shared.key_file else {
            return;
        };
        let mut keys = shared.keys.subscribe();
        // They may have changed before this began.
        keys.mark_changed();
        let (mut has_ended, mut told) = (false, None);
        while !has_ended {
            tokio::select! {
                // It fails only without a sender, and `shared` is one.
                _ = keys.changed() => {}
                () = tokio::time::sleep(RETRY), if file.is_behind() => {}
                () = shared.ended() => has_ended = true,
            }
            keys.mark_unchanged();
            shared.keep_keys().await;
            let held = file.held();
            if !has_ended && told.as_ref() != Some(&held) {
                // It fails only while the agent ends.
                let _ = shared
                    .commands
                    .send(Command::KeysStored(held.clone()))
                    .await;
                told = Some(held);
            }
        }
    }

    /// What the next start will have; none where that is not known.
    fn held(&self) -> Vec<KeyId> {
        match self.is_behind() {
            true => Vec::new(),
            false => self.seen().last.clone(),
        }
    }

    /// The keys in the file, if somebody changed them: whoever calls it sees to it that they are
    /// taken. Blocks.
    fn reread(&self) -> Result<Option<Keys>, InvalidKeyFile> {
        let mut seen = self.seen();
        let keys = reread_keys(&self.path)?;
        if seen.is(&keys) {
            return Ok(None);
        }
        seen.last = keys.ids().collect();
        self.is_behind.store(false, Ordering::Relaxed);
        Ok(Some(keys))
    }

    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Lets the file have the keys that are there `now`, once nobody else reads or writes it.
    fn keep(&self, now: impl FnOnce() -> Keys) {
        let mut seen = self.seen();
        let keys = now();
        if seen.is(&keys) && !self.is_behind() {
            return;
        }
        let stored = self.store(&mut seen, &keys);
        self.is_behind.store(stored.is_err(), Ordering::Relaxed);
        let path = self.path.display();
        match stored {
            Ok(()) => {
                let keys = listed(&keys);
                match seen.missed.take() {
                    None => info!(%path, keys, "stored the keys"),
                    Some(_) => info!(%path, keys, "the key file could be written again"),
                }
            }
            // Told already: this was another attempt.
            Err(_) if seen.missed.as_ref() == Some(&keys) => {}
            Err(error) => {
                warn!(
                    %path, %error, keys = listed(&keys),
                    "the key file could not be written, still trying: this agent has these keys \
                     now, its next start will not"
                );
                seen.missed = Some(keys);
            }
        }
    }

    fn store(&self, seen: &mut Seen, keys: &Keys) -> Result<(), Unwritten> {
        // A link stays one.
        let path = fs::canonicalize(&self.path)?;
        let there = reread_keys(&path)?;
        if there == *keys {
            seen.last = keys.ids().collect();
            return Ok(());
        }
        if !seen.is(&there) {
            return Err(Unwritten::Changed);
        }
        let file = fs::metadata(&path)?;
        if file.mode() & OWNER_WRITES == 0 {
            return Err(io::Error::from(ErrorKind::PermissionDenied).into());
        }
        let text = rewrite_keys(&path, keys)?;
        let mode = fs::Permissions::from_mode(file.mode() & 0o7777);
        replace(&path, text.as_bytes(), Rights::own(mode))?;
        seen.last = keys.ids().collect();
        if fs::metadata(&path)?.uid() != file.uid() {
            chown(&path, Some(file.uid()), Some(file.gid()))?;
        }
        Ok(())
    }
}

/// What they are called, the one that seals first.
fn listed(keys: &Keys) -> String {
    let ids: Vec<_> = keys.ids().map(|id| id.to_string()).collect();
    ids.join(", ")
}

impl Seen {
    /// Whether these were in the file when we last saw it.
    fn is(&self, keys: &Keys) -> bool {
        self.last.iter().copied().eq(keys.ids())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{agent::fuzzing, config::generate_key};

    fn written(path: &Path, text: &str) -> Keys {
        fs::write(path, text).unwrap();
        fs::set_permissions(path, fs::Permissions::from_mode(0o600)).unwrap();
        reread_keys(path).unwrap()
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
        file.keep(|| both.clone());
        assert_eq!(reread_keys(&link).unwrap(), both);
        assert!(!file.is_behind());
        assert_eq!(fs::metadata(&path).unwrap().mode() & 0o777, 0o600);
        assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
        assert!(fs::read_to_string(&path).unwrap().contains("# May"));
        assert_eq!(file.reread(), Ok(None), "nobody changed it");
    }

    #[test]
    fn keys_that_came_before_it_was_followed_and_as_the_agent_ended_are_in_the_file() {
        let dir = tempfile::tempdir().unwrap();
        let [one, two] = some_keys();
        let (path, other) = (dir.path().join("keys"), dir.path().join("other"));
        let both = written(&other, &format!("{two}\n{one}\n"));
        let held = written(&path, &format!("{one}\n"));
        let shared = fuzzing::shared_with(Some(path.clone()), held);
        shared.keys.send_replace(both.clone());
        shared.end();
        let mut builder = tokio::runtime::Builder::new_current_thread();
        let runtime = builder.enable_all().build().unwrap();
        runtime.block_on(KeyFile::follow(shared));
        assert_eq!(reread_keys(&path).unwrap(), both);
    }

    #[test]
    fn a_file_that_is_behind_is_so_until_it_is_written_or_changed() {
        let dir = tempfile::tempdir().unwrap();
        let [one, two] = some_keys();
        let (path, other) = (dir.path().join("keys"), dir.path().join("other"));
        let both = written(&other, &format!("{two}\n{one}\n"));
        let file = KeyFile::new(path.clone(), &written(&path, &format!("{one}\n")));
        fs::set_permissions(&path, fs::Permissions::from_mode(0o400)).unwrap();
        file.keep(|| both.clone());
        assert_eq!(file.reread(), Ok(None));
        assert!(file.is_behind(), "reading it again changed nothing");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        file.keep(|| both.clone());
        assert_eq!(reread_keys(&path).unwrap(), both);
        assert!(!file.is_behind());
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
        file.keep(|| both.clone());
        assert_eq!(fs::read_to_string(&path).unwrap(), text);
        assert!(file.is_behind());
        let by_hand = written(&path, &format!("{two}\n"));
        file.keep(|| both.clone());
        assert_eq!(reread_keys(&path).unwrap(), by_hand);
        assert!(file.is_behind());
        assert_eq!(file.reread(), Ok(Some(by_hand)));
        file.keep(|| both.clone());
        assert_eq!(reread_keys(&path).unwrap(), both);
    }
}
