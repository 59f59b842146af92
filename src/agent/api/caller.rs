//! `Caller`: who asks, and whether the number of a process is the same one's here as there.

use std::{ffi::OsStr, fmt, fs};

use axum::http::StatusCode;
use rustix::process::{Pid, getpid};
use tokio::net::UnixStream;

use super::Problem;

/// Who is at the other end of a connection. Each of its requests carries it.
#[derive(Clone, Copy, Debug)]
pub(super) enum Caller {
    /// Who came to the socket: a process of this host. One that our PID namespace does not have
    /// shows no number.
    Local(Option<Pid>),
    /// Who came by TCP: from another container or another host, for all we know.
    Far,
}

impl Caller {
    pub(super) fn of(stream: &UnixStream) -> Self {
        let pid = stream.peer_cred().ok().and_then(|peer| peer.pid());
        // Zero is how the kernel says that it cannot name it.
        Self::Local(pid.and_then(Pid::from_raw))
    }

    /// Makes sure that the caller's process `pid` is ours of that number: each container counts
    /// its own processes from one.
    ///
    /// # Errors
    /// When it may be another.
    pub(super) fn share_number(self, pid: Pid) -> Result<(), Problem> {
        let why = match self {
            Self::Local(Some(caller)) if !is_elsewhere(caller) => return Ok(()),
            Self::Local(_) => {
                "you may be in another PID namespace, where that is another process: use \
                 \"connection\" or \"interval\""
            }
            Self::Far => {
                "over TCP it cannot be told which process that is: ask at the socket, or use \
                 \"connection\" or \"interval\""
            }
        };
        let detail = format!("pid {pid}: {why}");
        Err(Problem::new(StatusCode::UNPROCESSABLE_ENTITY, detail))
    }
}

impl fmt::Display for Caller {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Local(Some(pid)) => write!(formatter, "pid {pid}"),
            Self::Local(None) | Self::Far => write!(formatter, "?"),
        }
    }
}

/// Whether a process that we see is in a PID namespace below ours. What cannot be read tells
/// nothing: a process may be gone when it has passed its connection on.
fn is_elsewhere(caller: Pid) -> bool {
    let own = getpid();
    // A container may have been given the /proc of its host, which has other numbers.
    let is_ours = fs::read_link("/proc/self")
        .is_ok_and(|target| target.as_os_str() == OsStr::new(&own.to_string()));
    match (depth(own), depth(caller)) {
        (Some(own), Some(caller)) => is_ours && own != caller,
        _ => false,
    }
}

/// In how many PID namespaces, one below the other, a process has a number. Everybody may read
/// that; which ones they are, only who could trace the process.
fn depth(pid: Pid) -> Option<usize> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let mut lines = status.lines();
    let numbers = lines.find_map(|line| line.strip_prefix("NSpid:"))?;
    Some(numbers.split_whitespace().count())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_shared_only_with_who_is_seen_to_count_as_we_do() {
        let own = getpid();
        assert!(Caller::Local(Some(own)).share_number(own).is_ok());
        for (caller, words) in [
            (Caller::Local(None), "another PID namespace"),
            (Caller::Far, "over TCP"),
        ] {
            let problem = caller.share_number(own).expect_err("refused");
            assert_eq!(problem.status(), StatusCode::UNPROCESSABLE_ENTITY);
            let said = String::from_utf8_lossy(&problem.json()).into_owned();
            assert!(said.contains(words), "{said}");
        }
    }
}
