//! File descriptors: every consumer takes one, and 1,024 are a usual limit that may be raised.

use std::{
    io,
    sync::{Mutex, OnceLock, PoisonError},
    time::Duration,
};

use rustix::{
    io::Errno,
    process::{Pid, Resource, Rlimit, getrlimit, setrlimit},
};
use tokio::time::sleep;
use tracing::{debug, warn};

use super::{
    clock::{Clock, OnceAMinute},
    shared::Count,
};
use crate::swim::Timestamp;

/// As many as the API's connections, the streams and the rest take together.
const FILES: u64 = 8_192;
/// Before another attempt to accept a connection: busy waiting would not free any descriptor.
const PAUSE: Duration = Duration::from_millis(100);
/// What is lacking when a connection cannot be accepted. Any other error is that connection's.
const SHORTAGES: [Errno; 4] = [Errno::MFILE, Errno::NFILE, Errno::NOBUFS, Errno::NOMEM];

/// The limit that we were given, once it was raised.
static GIVEN: OnceLock<Rlimit> = OnceLock::new();

/// Has this process take as many as it may need.
pub(super) fn raise_limit() {
    let limit = getrlimit(Resource::Nofile);
    let wanted = limit.maximum.map_or(FILES, |maximum| maximum.min(FILES));
    if limit.current.is_some_and(|current| current < wanted) {
        let raised = Rlimit {
            current: Some(wanted),
            ..limit
        };
        // With fewer, consumers are refused sooner; that is no reason not to start.
        if setrlimit(Resource::Nofile, raised).is_ok() {
            let _ = GIVEN.set(limit);
        }
    }
}

/// Has a process that we just started go on with the limit that we were given: one that calls
/// select(2) breaks at its 1,025th descriptor. For the moment until this is called it may believe
/// in more.
#[cfg(target_os = "linux")]
pub(super) fn restore_limit(pid: Pid) {
    if let Some(given) = GIVEN.get() {
        // It has ended already, or is another user's by now.
        let _ = rustix::process::prlimit(Some(pid), Resource::Nofile, *given);
    }
}

#[cfg(not(target_os = "linux"))]
pub(super) fn restore_limit(_pid: Pid) {}

/// Connections that could not be accepted, wherever they came in.
#[derive(Debug, Default)]
pub(super) struct Unaccepted {
    attempts: Count,
    warned: Mutex<OnceAMinute>,
}

impl Unaccepted {
    pub(super) fn attempts(&self) -> u64 {
        self.attempts.get()
    }

    /// Says why one could not be accepted, and waits until it is worth another attempt.
    pub(super) async fn outlast(&self, error: &io::Error, clock: Clock) {
        self.attempts.add_one();
        match shortage(error) {
            Some(errno) if self.is_due(clock.now()) => complain(errno),
            _ => debug!(%error, "accepting a connection failed"),
        }
        sleep(PAUSE).await;
    }

    fn is_due(&self, now: Timestamp) -> bool {
        let mut warned = self.warned.lock().unwrap_or_else(PoisonError::into_inner);
        warned.is_due(now)
    }
}

fn shortage(error: &io::Error) -> Option<Errno> {
    let errno = error.raw_os_error().map(Errno::from_raw_os_error)?;
    SHORTAGES.contains(&errno).then_some(errno)
}

fn complain(errno: Errno) {
    let limit = getrlimit(Resource::Nofile).current;
    match limit.filter(|_| errno == Errno::MFILE) {
        Some(limit) => warn!(
            limit,
            "cannot accept connections: all file descriptors that this process may have are in \
             use. Raise its hard limit (LimitNOFILE= of systemd, `ulimit -Hn`)"
        ),
        None => warn!(error = %errno, "cannot accept connections"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shortage_is_said_once_a_minute_and_nobody_elses_error_is_one() {
        let unaccepted = Unaccepted::default();
        let now = Timestamp::ZERO + Duration::from_secs(1);
        assert!(unaccepted.is_due(now));
        assert!(!unaccepted.is_due(now + Duration::from_secs(59)));
        assert!(unaccepted.is_due(now + Duration::from_secs(60)));
        for (errno, is_one) in [(Errno::MFILE, true), (Errno::CONNABORTED, false)] {
            assert_eq!(shortage(&errno.into()).is_some(), is_one, "{errno}");
        }
    }
}
