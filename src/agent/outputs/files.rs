//! `[[file]]`: a file that shows the members, replaced as a whole when they change.

use std::{
    fs::{self, Permissions},
    io,
    os::unix::fs::PermissionsExt,
    path::Path,
    sync::Arc,
    time::Duration,
};

use bytes::Bytes;
use tokio::{
    sync::{oneshot, watch},
    time::{sleep, timeout},
};
use tracing::{info, warn};

use super::{LAST_WORDS, command::Run, template::Renderer};
use crate::{
    agent::{
        app::Ended,
        replace::replace,
        shared::{Pulse, Shared},
    },
    config::OutputFile,
};

/// The first file does not wait longer for a cluster that never settles.
const SETTLE_TIMES_MAX: u32 = 15;
/// Before another attempt where the disk or the template refused.
const PAUSE: Duration = Duration::from_secs(5);
/// For readers: the programs that use it run as other users.
const MODE: u32 = 0o644;

/// Keeps one file as the members are.
#[derive(Debug)]
pub(super) struct Keeper {
    file: OutputFile,
    renderer: Arc<Renderer>,
    /// Its reader may have an older file: the last reload failed, or an earlier agent did not
    /// come to it.
    owes_reload: bool,
    /// The last turn failed.
    is_failing: bool,
}

/// What decides a file's text besides the members, and what is done with it.
#[derive(Debug, PartialEq)]
pub(super) struct Manner {
    file: OutputFile,
    /// Its text: the operator's own may have changed.
    template: String,
}

/// What became of the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Outcome {
    /// It is as it was.
    Same,
    Written,
}

impl Keeper {
    pub(super) fn new(file: OutputFile, renderer: Renderer) -> Self {
        let renderer = Arc::new(renderer);
        Self {
            file,
            renderer,
            owes_reload: true,
            is_failing: false,
        }
    }

    pub(super) fn manner(&self) -> Manner {
        Manner {
            file: self.file.clone(),
            template: self.renderer.text(),
        }
    }

    /// Follows the feed until nothing more comes, or it is stopped. A command that runs when the
    /// agent ends has a while to end, too.
    pub(super) async fn run(mut self, shared: Arc<Shared>, stopped: oneshot::Receiver<()>) {
        let mut pulse = shared.pulse.subscribe();
        let end = async {
            shared.ended().await;
            sleep(LAST_WORDS).await;
        };
        tokio::select! {
            () = self.follow(&shared, &mut pulse) => {}
            () = end => {}
            _ = stopped => {}
        }
    }

    async fn follow(&mut self, shared: &Arc<Shared>, pulse: &mut watch::Receiver<Pulse>) {
        if self.settle(pulse).await.is_ok() {
            while self.turn(shared, pulse).await.is_ok() {}
        }
    }

    /// Waits until the agent knows its cluster: one that just started knows only itself.
    async fn settle(&self, pulse: &mut watch::Receiver<Pulse>) -> Result<(), Ended> {
        let settle = self.file.settle;
        let quiet = async {
            while let Ok(changed) = timeout(settle, changed(pulse)).await {
                changed?;
            }
            Ok(())
        };
        match timeout(settle * SETTLE_TIMES_MAX, quiet).await {
            Ok(settled) => settled,
            Err(_) => Ok(()),
        }
    }

    /// Brings the file and its reader up to date, then waits until there is news, or for another
    /// attempt.
    async fn turn(
        &mut self,
        shared: &Arc<Shared>,
        pulse: &mut watch::Receiver<Pulse>,
    ) -> Result<(), Ended> {
        pulse.borrow_and_update();
        if let Err(error) = self.bring_up_to_date(shared).await {
            self.is_failing = true;
            shared.outputs.files_failed.add_one();
            warn!(path = %self.file.path.display(), "cannot keep a file of members: {error}");
            return self.pause(PAUSE, shared).await;
        }
        if std::mem::take(&mut self.is_failing) {
            info!(path = %self.file.path.display(), "a file of members is kept again");
        }
        self.pause(self.file.min_interval, shared).await?;
        changed(pulse).await
    }

    /// Waits at another place in the pulse than the turns: what changes meanwhile stays news.
    async fn pause(&self, span: Duration, shared: &Shared) -> Result<(), Ended> {
        tokio::select! {
            () = sleep(span) => Ok(()),
            () = shared.ended() => Err(Ended),
        }
    }

    async fn bring_up_to_date(&mut self, shared: &Arc<Shared>) -> Result<(), String> {
        if self.update(shared).await? == Outcome::Written {
            shared.outputs.files_written.add_one();
            info!(path = %self.file.path.display(), "wrote a file of members");
            self.owes_reload = true;
        }
        if self.owes_reload {
            self.reload(shared).await?;
            self.owes_reload = false;
        }
        Ok(())
    }

    /// Rendering is work and disks are slow: neither holds up another output.
    async fn update(&self, shared: &Arc<Shared>) -> Result<Outcome, String> {
        let snapshot = shared.feed().snapshot(&self.file.filter);
        let (renderer, path) = (self.renderer.clone(), self.file.path.clone());
        let work = move || {
            let text = renderer.render(&snapshot.members)?;
            put(&path, text.as_bytes()).map_err(|error| error.to_string())
        };
        let outcome = tokio::task::spawn_blocking(work).await;
        outcome.map_err(|error| error.to_string())?
    }

    async fn reload(&self, shared: &Shared) -> Result<(), String> {
        let Some(command) = &self.file.reload else {
            return Ok(());
        };
        let run = Run {
            command,
            input: Bytes::new(),
            variables: &[(
                "HEADCOUNT_FILE".into(),
                self.file.path.display().to_string(),
            )],
            limit: self.file.timeout,
        };
        let done = run.finish(&shared.facts).await;
        done.map_err(|failed| format!("its reader was not reloaded by {command}: {failed}"))
    }
}

async fn changed(pulse: &mut watch::Receiver<Pulse>) -> Result<(), Ended> {
    let changed = pulse.changed().await;
    match changed.is_ok() && !pulse.borrow().ended {
        true => Ok(()),
        false => Err(Ended),
    }
}

/// Replaces the file, unless it says just that. Readers see the old one or the new one.
fn put(path: &Path, text: &[u8]) -> io::Result<Outcome> {
    // What cannot be read is replaced.
    if fs::read(path).is_ok_and(|held| held == text) {
        return Ok(Outcome::Same);
    }
    let mode =
        fs::metadata(path).map_or_else(|_| Permissions::from_mode(MODE), |m| m.permissions());
    replace(path, text, Some(mode))?;
    Ok(Outcome::Written)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_replaced_only_by_another_and_keeps_its_mode() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("members");
        let mode = || fs::metadata(&path).unwrap().permissions().mode() & 0o777;
        assert_eq!(put(&path, b"a").unwrap(), Outcome::Written);
        assert_eq!(
            (fs::read(&path).unwrap().as_slice(), mode()),
            (&b"a"[..], MODE)
        );
        assert_eq!(put(&path, b"a").unwrap(), Outcome::Same);
        fs::set_permissions(&path, Permissions::from_mode(0o600)).unwrap();
        assert_eq!(put(&path, b"b").unwrap(), Outcome::Written);
        assert_eq!(
            (fs::read(&path).unwrap().as_slice(), mode()),
            (&b"b"[..], 0o600)
        );
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_template_of_the_operators_is_as_before_until_its_text_is_another() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("template");
        let entry = serde_json::json!({"path": "/members", "template-file": path});
        let file: OutputFile = serde_json::from_value(entry).unwrap();
        let manner = |text: &str| {
            fs::write(&path, text).unwrap();
            Keeper::new(file.clone(), Renderer::new(&file).unwrap()).manner()
        };
        let before = manner("{{ members }}");
        assert_eq!(manner("{{ members }}"), before);
        assert_ne!(manner("{{ upstream }}"), before);
    }

    #[test]
    fn a_folder_that_is_not_there_is_an_error() {
        let dir = tempfile::tempdir().unwrap();
        let error = put(&dir.path().join("no/members"), b"a").unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::NotFound);
    }
}
