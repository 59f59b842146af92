//! `Error`: why an agent could not start or had to stop, always naming what was touched.

use std::{
    ffi::{OsStr, OsString},
    io::{self, ErrorKind},
    net::SocketAddr,
    path::{Path, PathBuf},
};

use crate::config::SOCKET_PATH_BYTES_MAX;

/// Why an agent could not start or had to stop. Nothing was left behind: sockets are closed and
/// files removed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The gossip port could not be opened. Not started.
    #[error("cannot bind gossip address {address}")]
    Bind {
        /// The address asked for.
        address: SocketAddr,
        /// What the system said.
        source: io::Error,
    },
    /// The application's program could not be started. Nobody was joined.
    #[error("cannot start command {command:?}")]
    Command {
        /// The program, without its arguments.
        command: OsString,
        /// What the system said.
        source: io::Error,
    },
    /// Another process has our name and stays. This agent stopped, so that the cluster does not
    /// see one member at two places.
    #[error("another agent is called {name:?}: it is at {holder}, this one was at {address}")]
    Conflict {
        /// The name both use.
        name: String,
        /// Where we were.
        address: SocketAddr,
        /// Where the other one is.
        holder: SocketAddr,
    },
    /// The data directory cannot be made: its path leads through a file. Not started.
    #[error("cannot make data directory {}", path.display())]
    DataDir {
        /// The directory.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// An agent that runs has the data directory. Not started; the other one is unharmed.
    #[error("data directory {} belongs to a running agent{}", path.display(), process(*pid))]
    DataDirInUse {
        /// The directory.
        path: PathBuf,
        /// The agent's process, if it is known.
        pid: Option<u32>,
    },
    /// The API's TCP port could not be opened. Not started.
    #[error("cannot bind http address {address}")]
    Http {
        /// The address asked for.
        address: SocketAddr,
        /// What the system said.
        source: io::Error,
    },
    /// The network interface to advertise has no address that fits. Not started.
    #[error("cannot advertise interface {name:?}: {why}")]
    Interface {
        /// The interface.
        name: String,
        /// What is wrong.
        why: String,
    },
    /// The service manager passed on something else than one Unix socket to listen at. Not
    /// started.
    #[error("one Unix socket could be passed on to the agent: {why}")]
    Passed {
        /// What is wrong.
        why: String,
    },
    /// A file's template cannot be used. Not started.
    #[error("template-file {}: {why}", path.display())]
    Template {
        /// The template.
        path: PathBuf,
        /// What is wrong with it.
        why: String,
    },
    /// A thread or its runtime could not be made. Not started.
    #[error("cannot start the {part} thread")]
    Runtime {
        /// Which thread.
        part: &'static str,
        /// What the system said.
        source: io::Error,
    },
    /// The API's Unix socket could not be made. Not started.
    #[error("cannot listen on socket {}", path.display())]
    Socket {
        /// The socket.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A living agent listens on the API's Unix socket, or is just about to. Not started; the other
    /// one is unharmed.
    #[error("socket {} belongs to a running agent", path.display())]
    SocketInUse {
        /// The socket.
        path: PathBuf,
    },
    /// Something that is no socket is where the API's Unix socket should be. Not started; the
    /// file is unharmed.
    #[error("{} exists and is not a socket", path.display())]
    SocketOccupied {
        /// The path.
        path: PathBuf,
    },
    /// The system cannot address a socket at so long a path. Not started.
    #[error(
        "socket path {} takes {bytes} bytes, at most {SOCKET_PATH_BYTES_MAX} fit",
        path.display()
    )]
    SocketPathTooLong {
        /// The path.
        path: PathBuf,
        /// Its length.
        bytes: usize,
    },
}

impl Error {
    /// What the operator could do about it, one line without the word "hint".
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Bind { address, source } => bind_hint(*address, source, "--bind"),
            Self::Http { address, source } => bind_hint(*address, source, "--http"),
            Self::Command { command, source } => command_hint(command, source),
            Self::Conflict { .. } => {
                Some("names are unique in a cluster: choose another with --name".into())
            }
            Self::DataDir { .. } => Some("choose another directory with --data-dir".into()),
            Self::DataDirInUse { .. } => {
                Some("end it, or choose another directory for this one with --data-dir".into())
            }
            Self::Interface { .. } => {
                Some("see `ip address`, or say --advertise with an IP".into())
            }
            Self::Passed { .. } => {
                Some("headcount.socket has one ListenStream=, which is a path".into())
            }
            Self::Runtime { .. } => None,
            Self::Socket { path, source } => socket_hint(path, source),
            Self::SocketInUse { .. } => {
                Some("choose another path with --socket or HEADCOUNT_SOCKET".into())
            }
            Self::SocketOccupied { .. } => {
                Some("choose another path with --socket, or move the file away".into())
            }
            Self::Template { .. } => Some("README.md says what a template finds".into()),
            Self::SocketPathTooLong { .. } => {
                Some("choose a shorter path with --socket, such as /run/headcount.sock".into())
            }
        }
    }
}

fn process(pid: Option<u32>) -> String {
    pid.map_or_else(String::new, |pid| format!(", process {pid}"))
}

fn bind_hint(address: SocketAddr, source: &io::Error, flag: &str) -> Option<String> {
    Some(match source.kind() {
        ErrorKind::AddrInUse => format!(
            "is another agent running? `ss -lunpt sport = :{}` shows who has the port; choose \
             another one, or {flag} {}:0 for any free one",
            address.port(),
            bracketed(address)
        ),
        ErrorKind::AddrNotAvailable => {
            format!(
                "{} is not an address of this host: see `ip address`",
                address.ip()
            )
        }
        ErrorKind::PermissionDenied if address.port() < 1024 => {
            format!("ports below 1024 need privileges: choose a higher one with {flag}")
        }
        ErrorKind::PermissionDenied => "this user may not open that port".into(),
        _ => return None,
    })
}

fn command_hint(command: &OsStr, source: &io::Error) -> Option<String> {
    Some(match source.kind() {
        ErrorKind::NotFound if command.as_encoded_bytes().contains(&b'/') => {
            "there is no such file: name a program after `--`".into()
        }
        ErrorKind::NotFound => "it is in no directory of PATH: name a program after `--`".into(),
        ErrorKind::PermissionDenied => "this user may not execute it: see its mode".into(),
        _ => return None,
    })
}

fn bracketed(address: SocketAddr) -> String {
    match address {
        SocketAddr::V4(address) => address.ip().to_string(),
        SocketAddr::V6(address) => format!("[{}]", address.ip()),
    }
}

fn socket_hint(path: &Path, source: &io::Error) -> Option<String> {
    let folder = path.parent()?.display();
    Some(match source.kind() {
        ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem => {
            format!("this user cannot write in {folder}: choose another path with --socket")
        }
        ErrorKind::NotADirectory | ErrorKind::AlreadyExists => {
            format!("{folder} is not a directory: choose another path with --socket")
        }
        _ => "choose another path with --socket".into(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bind(address: &str, kind: ErrorKind) -> String {
        let error = Error::Bind {
            address: address.parse().unwrap(),
            source: kind.into(),
        };
        format!("{error}; {}", error.hint().unwrap_or_default())
    }

    #[test]
    fn errors_name_what_was_touched_and_what_to_do() {
        assert_eq!(
            bind("127.0.0.1:7946", ErrorKind::AddrInUse),
            "cannot bind gossip address 127.0.0.1:7946; is another agent running? \
             `ss -lunpt sport = :7946` shows who has the port; choose another one, or \
             --bind 127.0.0.1:0 for any free one"
        );
        assert!(bind("[::1]:7946", ErrorKind::AddrInUse).contains("--bind [::1]:0"));
        assert!(bind("192.0.2.1:7946", ErrorKind::AddrNotAvailable).contains("not an address"));
        assert!(bind("127.0.0.1:80", ErrorKind::PermissionDenied).contains("below 1024"));
    }
}
