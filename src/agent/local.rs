//! The API's Unix socket: made safely or taken over from the service manager, guarded by
//! credentials, and removed at the end if we made it.

use std::{
    fs::{self, DirBuilder, File},
    io::{self, ErrorKind},
    os::unix::{
        ffi::OsStrExt,
        fs::{DirBuilderExt, FileTypeExt, MetadataExt, PermissionsExt, chown},
        net::UnixListener,
    },
    path::{Path, PathBuf},
    time::Duration,
};

use listenfd::ListenFd;
use rustix::{
    fs::{FlockOperation, Mode, OFlags, flock, open},
    io::Errno,
    process::geteuid,
};
use socket2::{Domain, SockAddr, SockRef, Socket, Type};

use super::{clock, error::Error};
use crate::config::{Access, SOCKET_PATH_BYTES_MAX, Who, lock_of};

/// As many as are served at once: a client that does not wait is refused beyond it.
const BACKLOG: i32 = 4_096;

/// An agent that just ended has its path until the last answers are out: it is waited for, two
/// seconds in all.
const HOLDER_PAUSE: Duration = Duration::from_millis(50);
const HOLDER_PAUSES: usize = 40;

/// An open socket that local programs connect to.
#[derive(Debug)]
pub(super) struct Local {
    pub(super) listener: UnixListener,
    /// Where it is.
    pub(super) path: PathBuf,
    pub(super) guard: Guard,
    /// None of ours if somebody else made it.
    pub(super) file: Option<SocketFile>,
}

/// The socket file. Removed when this is dropped, unless another has taken its place.
#[derive(Debug)]
pub(super) struct SocketFile {
    path: PathBuf,
    made: Mark,
    // Given up last.
    _claim: Claim,
}

/// The right to replace what is at a socket's path, and to listen there. Of all agents one has it:
/// without it, one could take the socket that another has just bound for a stale one.
///
/// It is a lock on a file beside the socket, which a process that is killed leaves behind: that is
/// no lock.
#[derive(Debug)]
struct Claim {
    path: PathBuf,
    _lock: File,
}

/// Tells one socket file from the next at the same path. The number alone would not: a file
/// system gives it away again at once.
type Mark = (u64, u64, i64, i64);

/// What a caller may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Rights {
    /// Look, and change nothing.
    Read,
    Full,
}

/// Who may connect, and what for.
#[derive(Clone, Debug)]
pub(super) struct Guard {
    uid: u32,
    full: Vec<Who>,
    read: Vec<Who>,
    /// The socket, whose group counts as it is now: operators change it after the start.
    socket: PathBuf,
}

impl Local {
    /// The socket that the service manager listens at for us, else one at `path`.
    pub(super) fn open(path: &Path, access: &Access) -> Result<Self, Error> {
        match passed()? {
            Some((listener, path)) => Ok(Self::new((listener, path), access, None)),
            None => Self::bind(path, access),
        }
    }

    /// Listens at `path`: makes its folder if there is none, replaces a stale socket, refuses a
    /// living one.
    pub(super) fn bind(path: &Path, access: &Access) -> Result<Self, Error> {
        let bytes = path.as_os_str().as_bytes().len();
        if bytes > SOCKET_PATH_BYTES_MAX {
            let path = path.into();
            return Err(Error::SocketPathTooLong { path, bytes });
        }
        let failed = |source| Error::Socket {
            path: path.into(),
            source,
        };
        make_folder(path).map_err(failed)?;
        let claim = clear(path)?;
        let listener = listen(path, access).map_err(|source| match source.kind() {
            ErrorKind::AddrInUse => Error::SocketInUse { path: path.into() },
            _ => failed(source),
        })?;
        let made = fs::symlink_metadata(path).map_err(failed)?;
        let file = SocketFile {
            path: path.into(),
            made: mark(&made),
            _claim: claim,
        };
        Ok(Self::new((listener, path.into()), access, Some(file)))
    }

    fn new(
        (listener, path): (UnixListener, PathBuf),
        access: &Access,
        file: Option<SocketFile>,
    ) -> Self {
        let guard = Guard {
            uid: geteuid().as_raw(),
            full: access.full.clone(),
            read: access.read.clone(),
            socket: path.clone(),
        };
        Self {
            listener,
            path,
            guard,
            file,
        }
    }
}

/// The one socket that was passed on to this process, and where it is: see sd_listen_fds(3).
fn passed() -> Result<Option<(UnixListener, PathBuf)>, Error> {
    let mut passed = ListenFd::from_env();
    if passed.len() > 1 {
        let why = format!("there are {}", passed.len());
        return Err(Error::Passed { why });
    }
    let failed = |error: io::Error| Error::Passed {
        why: error.to_string(),
    };
    let Some(listener) = passed.take_unix_listener(0).map_err(failed)? else {
        return Ok(None);
    };
    let path = usable(&listener).map_err(failed)?;
    Ok(Some((listener, path)))
}

/// Checks that clients can come in, and finds where.
fn usable(listener: &UnixListener) -> io::Result<PathBuf> {
    if !SockRef::from(listener).is_listener()? {
        return Err(io::Error::other("nobody can connect to it"));
    }
    listener.set_nonblocking(true)?;
    let address = listener.local_addr()?;
    let path = address.as_pathname().map(Path::to_owned);
    path.ok_or_else(|| io::Error::other("it has no path"))
}

fn make_folder(path: &Path) -> io::Result<()> {
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() && !folder.is_dir() => {
            DirBuilder::new().recursive(true).mode(0o755).create(folder)
        }
        _ => Ok(()),
    }
}

/// Takes a socket that nobody listens at out of the way, and keeps others from the path.
fn clear(path: &Path) -> Result<Claim, Error> {
    let failed = |source| Error::Socket {
        path: path.into(),
        source,
    };
    for _ in 0..HOLDER_PAUSES {
        // Who listens is seen also where nothing may be written.
        is_stale(path)?;
        if let Some(claim) = Claim::take(path).map_err(failed)? {
            if is_stale(path)? {
                fs::remove_file(path).map_err(failed)?;
            }
            return Ok(claim);
        }
        clock::pause(HOLDER_PAUSE);
    }
    Err(Error::SocketInUse { path: path.into() })
}

/// Whether there is a socket that nobody listens at, or nothing. Whatever else there may be is an
/// error.
fn is_stale(path: &Path) -> Result<bool, Error> {
    let failed = |source| Error::Socket {
        path: path.into(),
        source,
    };
    let found = match fs::symlink_metadata(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(false),
        other => other.map_err(failed)?,
    };
    if !found.file_type().is_socket() {
        return Err(Error::SocketOccupied { path: path.into() });
    }
    let Err(error) = probe(path) else {
        return Err(Error::SocketInUse { path: path.into() });
    };
    match error.kind() {
        ErrorKind::ConnectionRefused => Ok(true),
        ErrorKind::NotFound => Ok(false),
        // A full queue is one that somebody owns.
        ErrorKind::WouldBlock => Err(Error::SocketInUse { path: path.into() }),
        _ => Err(failed(error)),
    }
}

fn mark(file: &fs::Metadata) -> Mark {
    (file.dev(), file.ino(), file.mtime(), file.mtime_nsec())
}

/// Connects without waiting: an agent that hangs does not keep another from starting.
fn probe(path: &Path) -> io::Result<()> {
    let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
    socket.set_nonblocking(true)?;
    socket.connect(&SockAddr::unix(path)?)
}

/// Sets owner and mode between binding and listening: nobody can connect before they hold.
fn listen(path: &Path, access: &Access) -> io::Result<UnixListener> {
    let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
    socket.set_nonblocking(true)?;
    socket.bind(&SockAddr::unix(path)?)?;
    if access.owner.is_some() || access.group.is_some() {
        chown(path, access.owner, access.group)?;
    }
    fs::set_permissions(path, fs::Permissions::from_mode(access.mode))?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}

impl Claim {
    /// `None` if another has it.
    fn take(socket: &Path) -> io::Result<Option<Self>> {
        let path = lock_of(socket);
        loop {
            let lock = open_lock(&path)?;
            match flock(&lock, FlockOperation::NonBlockingLockExclusive) {
                Err(Errno::WOULDBLOCK) => return Ok(None),
                locked => locked?,
            }
            // Whoever had it before may have removed it just then: that one locks nobody out.
            let ours = lock.metadata()?;
            let is_there = fs::symlink_metadata(&path)
                .is_ok_and(|found| (found.dev(), found.ino()) == (ours.dev(), ours.ino()));
            if is_there {
                return Ok(Some(Self { path, _lock: lock }));
            }
        }
    }
}

/// Opens the file to lock, and makes it first if need be. Whoever can open it can hold the lock:
/// only we and root can. It is neither written nor followed, and made only if it is not there: in
/// a folder that everybody may write to it can be another's.
fn open_lock(path: &Path) -> io::Result<File> {
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let opened = match open(path, flags, Mode::empty()) {
        Err(Errno::NOENT) => open(path, flags | OFlags::CREATE, Mode::RUSR | Mode::WUSR),
        opened => opened,
    };
    opened.map(File::from).map_err(|error| {
        let error = io::Error::from(error);
        io::Error::new(error.kind(), format!("{}: {error}", path.display()))
    })
}

impl Drop for Claim {
    /// The file goes while it is locked: a lock that is taken on it later is seen to be on nothing.
    fn drop(&mut self) {
        // Left behind, it is no lock.
        let _ = fs::remove_file(&self.path);
    }
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        let ours = fs::symlink_metadata(&self.path).is_ok_and(|found| mark(&found) == self.made);
        if ours {
            // Whoever starts next replaces it as a stale one if this fails.
            let _ = fs::remove_file(&self.path);
        }
    }
}

impl Guard {
    /// What a process with these credentials may do: root and the agent's user everything, others
    /// what the lists say. Without lists members of the socket's group may do everything. Groups
    /// are the first one and the further ones.
    pub(super) fn rights(&self, uid: u32, gid: u32, pid: Option<i32>) -> Option<Rights> {
        if uid == 0 || uid == self.uid {
            return Some(Rights::Full);
        }
        let mut groups = vec![gid];
        groups.extend(pid.map(|pid| further_groups(pid, uid)).unwrap_or_default());
        let is = |who: &Who| match who {
            Who::User(user) => *user == uid,
            Who::Group(group) => groups.contains(group),
        };
        if self.full.is_empty() && self.read.is_empty() {
            let socket = fs::symlink_metadata(&self.socket).ok()?;
            return groups.contains(&socket.gid()).then_some(Rights::Full);
        }
        match (self.full.iter().any(is), self.read.iter().any(is)) {
            (true, _) => Some(Rights::Full),
            (false, true) => Some(Rights::Read),
            (false, false) => None,
        }
    }
}

/// The system tells the first group of a peer; the others are in its status file. The process may
/// be gone, and its number another one's: groups count only of one that is the same user's.
fn further_groups(pid: i32, uid: u32) -> Vec<u32> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let numbers = |name: &str| -> Vec<u32> {
        let line = status.lines().find_map(|line| line.strip_prefix(name));
        let words = line.unwrap_or_default().split_whitespace();
        words.filter_map(|word| word.parse().ok()).collect()
    };
    // The real one and the effective one, which is what the system tells of a peer.
    match numbers("Uid:").get(1) {
        Some(found) if *found == uid => numbers("Groups:"),
        _ => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use std::{
        os::unix::{fs::symlink, net::UnixStream},
        sync::Barrier,
        thread,
    };

    use super::*;

    #[test]
    fn the_socket_is_for_user_and_group_and_goes_with_the_agent() {
        let temp = tempfile::tempdir().unwrap();
        let path = temp.path().join("new/folder/s.sock");
        let local = Local::bind(&path, &Access::default()).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().mode() & 0o777, 0o660);
        assert!(matches!(
            Local::bind(&path, &Access::default()),
            Err(Error::SocketInUse { .. })
        ));
        drop(local);
        assert!(!path.exists());
    }

    #[test]
    fn a_stale_socket_is_replaced_and_a_successor_is_left_alone() {
        let temp = tempfile::tempdir().unwrap();
        let path = temp.path().join("s.sock");
        drop(UnixListener::bind(&path).unwrap());
        fs::write(temp.path().join("s.sock.lock"), "").unwrap();
        let local = Local::bind(&path, &Access::default()).unwrap();
        UnixStream::connect(&path).unwrap();
        fs::remove_file(&path).unwrap();
        let _successor = UnixListener::bind(&path).unwrap();
        drop(local);
        UnixStream::connect(&path).unwrap();
        let left: Vec<_> = fs::read_dir(temp.path()).unwrap().collect();
        assert_eq!(left.len(), 1, "{left:?}");
    }

    #[test]
    fn a_socket_that_is_being_made_is_not_taken_for_a_stale_one() {
        let temp = tempfile::tempdir().unwrap();
        let path = temp.path().join("s.sock");
        let claim = clear(&path).unwrap();
        let socket = Socket::new(Domain::UNIX, Type::STREAM, None).unwrap();
        socket.bind(&SockAddr::unix(&path).unwrap()).unwrap();
        assert!(matches!(
            Local::bind(&path, &Access::default()),
            Err(Error::SocketInUse { .. })
        ));
        socket.listen(1).unwrap();
        UnixStream::connect(&path).unwrap();
        drop((claim, socket));
        Local::bind(&path, &Access::default()).unwrap();
    }

    #[test]
    fn of_many_that_start_at_once_one_listens() {
        const AGENTS: usize = 8;
        let temp = tempfile::tempdir().unwrap();
        let path = temp.path().join("s.sock");
        for _ in 0..20 {
            drop(UnixListener::bind(&path).unwrap());
            let together = Barrier::new(AGENTS);
            let start = || {
                together.wait();
                Local::bind(&path, &Access::default())
            };
            let started: Vec<_> = thread::scope(|scope| {
                let threads: Vec<_> = (0..AGENTS).map(|_| scope.spawn(start)).collect();
                let joined = threads.into_iter().map(|thread| thread.join().unwrap());
                joined.collect()
            });
            assert_eq!(started.iter().flatten().count(), 1);
            UnixStream::connect(&path).unwrap();
        }
    }

    #[test]
    fn a_lock_that_leads_elsewhere_is_not_followed() {
        let temp = tempfile::tempdir().unwrap();
        let at = |name: &str| temp.path().join(name);
        symlink(at("elsewhere"), at("s.sock.lock")).unwrap();
        let error = Local::bind(&at("s.sock"), &Access::default()).unwrap_err();
        assert!(matches!(error, Error::Socket { .. }), "{error}");
        assert!(!at("elsewhere").exists());
    }

    #[test]
    fn what_is_no_socket_is_left_alone() {
        let temp = tempfile::tempdir().unwrap();
        let path = temp.path().join("notes.txt");
        fs::write(&path, "dear diary").unwrap();
        assert!(matches!(
            Local::bind(&path, &Access::default()),
            Err(Error::SocketOccupied { .. })
        ));
        assert_eq!(fs::read_to_string(&path).unwrap(), "dear diary");
        assert!(matches!(
            Local::bind(&path.join("s"), &Access::default()),
            Err(Error::Socket { .. })
        ));
    }

    #[test]
    fn a_path_too_long_says_how_long() {
        let error = Local::bind(
            Path::new(&format!("/tmp/{}", "x".repeat(120))),
            &Access::default(),
        )
        .unwrap_err();
        assert!(
            error
                .to_string()
                .contains("takes 125 bytes, at most 107 fit")
        );
    }

    #[test]
    fn strangers_are_not_admitted() {
        let temp = tempfile::tempdir().unwrap();
        let gid = fs::metadata(temp.path()).unwrap().gid();
        let guard = Guard {
            uid: 1000,
            full: Vec::new(),
            read: Vec::new(),
            socket: temp.path().into(),
        };
        let full = Some(Rights::Full);
        assert_eq!(guard.rights(0, gid + 1, None), full);
        assert_eq!(guard.rights(1000, gid + 1, None), full);
        assert_eq!(guard.rights(1001, gid, None), full);
        assert_eq!(guard.rights(1001, gid + 1, None), None);
        assert_eq!(guard.rights(1001, gid + 1, Some(i32::MAX)), None);
        drop(temp);
        assert_eq!(guard.rights(1001, gid, None), None);
    }

    #[test]
    fn groups_are_those_of_the_users_own_process() {
        let pid = i32::try_from(std::process::id()).unwrap();
        let uid = geteuid().as_raw();
        let ours = fs::read_to_string("/proc/self/status").unwrap();
        let ours = ours.lines().find_map(|line| line.strip_prefix("Groups:"));
        let count = ours.unwrap().split_whitespace().count();
        assert_eq!(further_groups(pid, uid).len(), count);
        assert_eq!(
            further_groups(pid, uid + 1),
            [0_u32; 0],
            "a number used again"
        );
    }

    #[test]
    fn lists_say_who_may_look_and_who_may_do_everything() {
        let guard = Guard {
            uid: 1000,
            full: vec![Who::User(1), Who::Group(20)],
            read: vec![Who::User(1), Who::User(2), Who::Group(30)],
            socket: "/".into(),
        };
        for (uid, gid, rights) in [
            (0, 9, Some(Rights::Full)),
            (1000, 9, Some(Rights::Full)),
            (1, 9, Some(Rights::Full)),
            (2, 9, Some(Rights::Read)),
            (2, 20, Some(Rights::Full)),
            (3, 30, Some(Rights::Read)),
            (3, 9, None),
            // The socket's own group, which is root's, counts no more.
            (3, 0, None),
        ] {
            assert_eq!(guard.rights(uid, gid, None), rights, "{uid}:{gid}");
        }
        let temp = tempfile::tempdir().unwrap();
        let path = temp.path().join("s");
        let access = Access {
            mode: 0o600,
            ..Access::default()
        };
        let _local = Local::bind(&path, &access).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().mode() & 0o777, 0o600);
    }
}
