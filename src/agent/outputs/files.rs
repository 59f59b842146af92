//! `[[file]]`: a file that shows the members, replaced as a whole when they change.

use std::{
    fs::{self, Permissions},
    io,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use bytes::Bytes;
use tokio::{
    sync::{oneshot, watch},
    time::{sleep, timeout},
};
use tracing::{info, warn};

use super::{
    LAST_WORDS,
    command::Run,
    template::{Oddities, Renderer},
};
use crate::{
    agent::{
        app::Ended,
        replace::{Rights, replace},
        shared::{Pulse, Shared},
    },
    config::OutputFile,
    feed::{Batch, Subscriber, Taste},
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
    /// Those that were said.
    oddities: Oddities,
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
            oddities: Oddities::default(),
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
        let mut news = News::of(&self.file, &shared);
        let end = async {
            shared.ended().await;
            sleep(LAST_WORDS).await;
        };
        tokio::select! {
            _ = self.follow(&shared, &mut news) => {}
            () = end => {}
            _ = stopped => {}
        }
    }

    /// An agent that leaves leaves its files as they are: it hears no more of the members, and its
    /// own going is no news to the programs beside it.
    async fn follow(&mut self, shared: &Arc<Shared>, news: &mut News) -> Result<(), Ended> {
        self.meet(shared, news).await?;
        self.settle(shared, news).await?;
        while !has_left(shared) {
            self.turn(shared, news).await?;
        }
        Ok(())
    }

    /// Who starts while the network is down knows nobody. The file that is there knows more.
    async fn meet(&self, shared: &Shared, news: &mut News) -> Result<(), Ended> {
        let path = &self.file.path;
        if shared.is_lonely() && path.exists() {
            let wait = self.file.settle * SETTLE_TIMES_MAX;
            if timeout(wait.max(PAUSE), news.company(shared))
                .await
                .is_err()
            {
                warn!(
                    path = %path.display(),
                    "a file of members stays as it is until somebody answers who knows them"
                );
            }
            news.company(shared).await?;
        }
        Ok(())
    }

    /// Waits until the agent knows its cluster: one that just started knows only itself.
    async fn settle(&self, shared: &Shared, news: &mut News) -> Result<(), Ended> {
        let settle = self.file.settle;
        news.skip(shared);
        let quiet = async {
            while let Ok(changed) = timeout(settle, news.wait(shared)).await {
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
    async fn turn(&mut self, shared: &Arc<Shared>, news: &mut News) -> Result<(), Ended> {
        news.skip(shared);
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
        news.wait(shared).await
    }

    /// What changes meanwhile stays news.
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
    async fn update(&mut self, shared: &Arc<Shared>) -> Result<Outcome, String> {
        let snapshot = shared.feed().snapshot(&self.file.filter);
        let (renderer, path) = (self.renderer.clone(), self.file.path.clone());
        let work = move || -> Result<_, String> {
            let rendered = renderer.render(&snapshot.members)?;
            let outcome = put(&path, rendered.text.as_bytes());
            let outcome = outcome.map_err(|error| error.to_string())?;
            Ok((outcome, rendered.oddities))
        };
        let done = tokio::task::spawn_blocking(work).await;
        let (outcome, oddities) = done.map_err(|error| error.to_string())??;
        self.complain(oddities);
        Ok(outcome)
    }

    /// Says of each tag once that it is no port, and of each name that it would be a comment, as
    /// long as it stays so.
    fn complain(&mut self, oddities: Oddities) {
        let said = &self.oddities;
        for member in oddities.misnamed.difference(&said.misnamed) {
            warn!(
                member, path = %self.file.path.display(),
                "a member is left out, as its name would be a comment"
            );
        }
        for (member, value) in oddities.mistagged.difference(&said.mistagged) {
            let (tag, port) = (&self.file.port_tag, self.file.port);
            let becomes = port.map_or_else(|| "left out".into(), |port| format!("port {port}"));
            warn!(
                member, tag, value, becomes, path = %self.file.path.display(),
                "a member's tag is not a port from 1 to 65535"
            );
        }
        self.oddities = oddities;
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

/// Changes that can change the file. An application's events, and members that the file never
/// shows, neither put off the first one nor wake anybody.
#[derive(Debug)]
struct News {
    subscriber: Subscriber,
    pulse: watch::Receiver<Pulse>,
}

impl News {
    fn of(file: &OutputFile, shared: &Shared) -> Self {
        let taste = Taste {
            filter: file.filter.of_list(),
            ..Taste::default()
        };
        Self {
            subscriber: Subscriber::new(taste, None, shared.clock.now()),
            pulse: shared.pulse.subscribe(),
        }
    }

    /// Takes in all there is. Gives whether there was any.
    fn skip(&mut self, shared: &Shared) -> bool {
        let mut is_new = false;
        loop {
            let batch = self.subscriber.pull(&shared.feed(), shared.clock.now());
            match batch {
                Batch::Nothing { .. } => return is_new,
                Batch::Changes(lines) => is_new |= !lines.is_empty(),
                Batch::Snapshot { .. } => is_new = true,
            }
        }
    }

    /// Waits until the agent has met somebody, or has looked for long enough.
    async fn company(&mut self, shared: &Shared) -> Result<(), Ended> {
        loop {
            if self.pulse.borrow_and_update().ended {
                return Err(Ended);
            }
            if !shared.is_lonely() {
                return Ok(());
            }
            // It may also have looked for long enough.
            if let Ok(Err(_)) = timeout(PAUSE, self.pulse.changed()).await {
                return Err(Ended);
            }
        }
    }

    /// Waits until there is some.
    async fn wait(&mut self, shared: &Shared) -> Result<(), Ended> {
        loop {
            if self.pulse.borrow_and_update().ended {
                return Err(Ended);
            }
            if self.skip(shared) {
                return Ok(());
            }
            self.pulse.changed().await.map_err(|_| Ended)?;
        }
    }
}

fn has_left(shared: &Shared) -> bool {
    let own = shared.feed().member(shared.facts.id);
    own.is_none_or(|own| !own.view.state.is_active())
}

/// Replaces the file, unless it says just that, or is something else than a file. Readers see the
/// old one or the new one, which has the old one's owner and mode. A symbolic link stays one.
fn put(path: &Path, text: &[u8]) -> io::Result<Outcome> {
    let held = match fs::metadata(path) {
        Ok(held) => Some(held),
        Err(error) if error.kind() == io::ErrorKind::NotFound => None,
        // Such as a link of somebody else's in a folder that everybody may write to.
        Err(error) => return Err(error),
    };
    // A device or a pipe would be lost to whoever uses it, and reading a pipe may never end.
    if held.as_ref().is_some_and(|held| !held.is_file()) {
        return Err(io::Error::other("it is no plain file"));
    }
    // What cannot be read is replaced.
    if fs::read(path).is_ok_and(|held| held == text) {
        return Ok(Outcome::Same);
    }
    let rights = held.as_ref().map(Rights::of);
    let rights = rights.unwrap_or_else(|| Rights::own(Permissions::from_mode(MODE)));
    replace(&target(path)?, text, rights)?;
    Ok(Outcome::Written)
}

/// Where a symbolic link leads, whether anything is there or not; else the path itself.
fn target(path: &Path) -> io::Result<PathBuf> {
    match (fs::canonicalize(path), fs::read_link(path)) {
        (Err(error), Ok(link)) if error.kind() == io::ErrorKind::NotFound => {
            // Its end is not there: those who lead in a circle are another error.
            target(&path.parent().unwrap_or(path).join(link))
        }
        (real, Ok(_)) => real,
        (_, Err(_)) => Ok(path.into()),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::{
        fs::{MetadataExt, chown, symlink},
        net::UnixListener,
    };

    use rustix::fs::{CWD, FileType, Mode, makedev, mknodat};

    use super::*;
    use crate::{
        agent::fuzzing,
        config::Outputs,
        feed::Filter,
        swim::{Card, Change, MemberId, MemberState, MemberView, UserEvent},
    };

    #[test]
    fn only_what_can_change_a_file_is_news_to_it() {
        let shared = fuzzing::shared();
        let file = "[[file]]\npath = '/members'\ntemplate = 'hosts'\ntag = { role = 'web' }";
        let mut news = News::of(&Outputs::of(file).files[0], &shared);
        assert!(news.skip(&shared) && !news.skip(&shared));
        let own = shared.feed().snapshot(&Filter::default()).members.remove(0);
        let member = |name: &str, role: &str, state| MemberView {
            card: Arc::new(Card {
                id: MemberId::new("test", name),
                name: name.into(),
                tags: [("role".into(), role.into())].into_iter().collect(),
                ..(*own.view.card).clone()
            }),
            state,
            ..own.view.clone()
        };
        let joined = |name, role| Change::Join {
            member: member(name, role, MemberState::Alive),
            previous: None,
        };
        let event = Change::User(UserEvent {
            from: own.view.card.id,
            from_name: "n1".into(),
            generation: 1,
            number: 1,
            name: "deploy".into(),
            payload: "".into(),
        });
        for (change, is_news) in [
            (joined("db", "db"), false),
            (joined("web", "web"), true),
            (event, false),
            (
                Change::Failed(member("web", "web", MemberState::Failed)),
                true,
            ),
            (
                Change::Failed(member("db", "db", MemberState::Failed)),
                false,
            ),
            (Change::Isolated, false),
        ] {
            shared.publish(shared.clock.now(), &change);
            assert_eq!(news.skip(&shared), is_news, "{change:?}");
        }
    }

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
    fn a_file_keeps_its_owner_and_group_where_we_may_give_it_away() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("members");
        fs::write(&path, "a").unwrap();
        let other = 65_534;
        // Whoever is not root may give nothing away, and finds its own file as it was.
        let _ = chown(&path, Some(other), Some(other));
        fs::set_permissions(&path, Permissions::from_mode(0o640)).unwrap();
        let rights = || {
            let held = fs::metadata(&path).unwrap();
            (held.uid(), held.gid(), held.mode())
        };
        let before = rights();
        assert_eq!(put(&path, b"b").unwrap(), Outcome::Written);
        assert_eq!(rights(), before);
        assert_eq!(before.0 == other, rustix::process::geteuid().is_root());
    }

    #[test]
    fn a_link_stays_one_and_what_it_leads_to_is_replaced() {
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name);
        fs::create_dir(at("far")).unwrap();
        symlink("second", at("first")).unwrap();
        symlink("far/members", at("second")).unwrap();
        for text in ["a", "b"] {
            assert_eq!(
                put(&at("first"), text.as_bytes()).unwrap(),
                Outcome::Written
            );
            assert_eq!(fs::read_to_string(at("far/members")).unwrap(), text);
            assert!(at("first").is_symlink() && at("second").is_symlink());
            assert_eq!(fs::read_dir(at("far")).unwrap().count(), 1);
        }
        symlink("circle", at("circle")).unwrap();
        put(&at("circle"), b"a").unwrap_err();
        assert!(at("circle").is_symlink());
    }

    #[test]
    fn a_template_of_the_operators_is_as_before_until_its_text_is_another() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("template");
        let entry = format!("[[file]]\npath = '/members'\ntemplate-file = {path:?}");
        let file = Outputs::of(&entry).files.remove(0);
        let manner = |text: &str| {
            fs::write(&path, text).unwrap();
            Keeper::new(file.clone(), Renderer::new(&file).unwrap()).manner()
        };
        let before = manner("{{ members }}");
        assert_eq!(manner("{{ members }}"), before);
        assert_ne!(manner("{{ upstream }}"), before);
    }

    #[test]
    fn what_is_no_plain_file_is_neither_read_nor_replaced() {
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name);
        mknodat(CWD, at("pipe"), FileType::Fifo, Mode::RWXU, 0).unwrap();
        let _socket = UnixListener::bind(at("socket")).unwrap();
        // One of our own, as /dev/null would be lost if this failed. Only root may make one.
        let null = makedev(1, 3);
        let made = mknodat(
            CWD,
            at("device"),
            FileType::CharacterDevice,
            Mode::RWXU,
            null,
        );
        let device = made.map(|()| "device");
        for name in ["pipe", "socket"].into_iter().chain(device.ok()) {
            let before = fs::metadata(at(name)).unwrap();
            let error = put(&at(name), b"a").unwrap_err();
            assert_eq!(error.to_string(), "it is no plain file", "{name}");
            let after = fs::metadata(at(name)).unwrap();
            assert_eq!((after.dev(), after.ino()), (before.dev(), before.ino()));
        }
    }

    #[test]
    fn a_folder_that_is_not_there_is_an_error() {
        let dir = tempfile::tempdir().unwrap();
        let error = put(&dir.path().join("no/members"), b"a").unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::NotFound);
    }
}
