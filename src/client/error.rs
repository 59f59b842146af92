//! `Error`: why an agent could not be asked, or what it said no to.

use std::{io, path::PathBuf, sync::Arc, time::Duration};

/// Why an agent could not be asked, or why it did not do as asked. Cheap to clone.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The connection broke before the answer was whole. Whether the agent did as asked is not
    /// known.
    #[error("the agent at {} broke off", socket.display())]
    Broken {
        /// The agent's socket.
        socket: PathBuf,
        /// What the system or HTTP said.
        source: Arc<io::Error>,
    },
    /// A stream came to its end, which is what an agent that ends does to it.
    #[error("the stream ended")]
    Ended,
    /// This user may not use the socket. Nothing was asked.
    #[error("this user may not talk to the agent at {}", socket.display())]
    Forbidden {
        /// The agent's socket.
        socket: PathBuf,
    },
    /// Nobody listens. Nothing was asked.
    #[error("no agent is running at {}", socket.display())]
    NoAgent {
        /// Where one should be.
        socket: PathBuf,
    },
    /// The members that the stream told of are not those that the agent speaks of, by their
    /// digests. The stream begins anew.
    #[error("the members were out of step with the agent's")]
    OutOfStep,
    /// The agent's answer to what it cannot or will not do. Nothing was done.
    #[error("{detail}")]
    Refused {
        /// The status code of HTTP: 400 what was asked cannot be, 404 no such member, 409 not in
        /// the member's state, 429 too much at once, 503 no room.
        status: u16,
        /// Why, one line.
        detail: String,
    },
    /// Nothing came for so long. Whether the agent did as asked is not known.
    #[error("the agent at {} did not answer for {} s", socket.display(), patience.as_secs())]
    Silent {
        /// The agent's socket.
        socket: PathBuf,
        /// How long it was waited for.
        patience: Duration,
    },
    /// The socket could not be connected to. Nothing was asked.
    #[error("cannot connect to {}", socket.display())]
    Unreachable {
        /// The agent's socket.
        socket: PathBuf,
        /// What the system said.
        source: Arc<io::Error>,
    },
    /// Something else than an agent answered.
    #[error("whoever listens at {} is no headcount agent", socket.display())]
    Unreadable {
        /// The socket.
        socket: PathBuf,
        /// What is wrong with the answer.
        source: Arc<serde_json::Error>,
    },
}

impl Error {
    /// What to do about it, one line without the word "hint".
    pub fn hint(&self) -> Option<String> {
        Some(match self {
            Self::Forbidden { .. } => {
                "run this as the agent's user, as its group or as root".into()
            }
            Self::NoAgent { socket } => format!(
                "start one with `headcount agent --socket {}`, \
                 or say where it is with --socket or HEADCOUNT_SOCKET",
                socket.display()
            ),
            Self::Silent { .. } => "is its process stopped, or the machine overloaded?".into(),
            Self::Unreadable { .. } => {
                "say where the agent is with --socket or HEADCOUNT_SOCKET".into()
            }
            Self::Broken { .. }
            | Self::Ended
            | Self::OutOfStep
            | Self::Refused { .. }
            | Self::Unreachable { .. } => return None,
        })
    }

    /// Whether asking again later may well give another answer.
    pub fn is_passing(&self) -> bool {
        match self {
            Self::Refused { status, .. } => matches!(status, 429 | 503),
            Self::Unreadable { .. } => false,
            _ => true,
        }
    }

    /// What kept us from connecting to `socket`.
    pub(super) fn connecting(socket: PathBuf, error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused => Self::NoAgent { socket },
            io::ErrorKind::PermissionDenied => Self::Forbidden { socket },
            _ => Self::Unreachable {
                socket,
                source: Arc::new(error),
            },
        }
    }
}
