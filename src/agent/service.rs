//! `Service`: what the service manager that started us hears, as sd_notify(3) has it.
//!
//! Nothing here waits: a manager that does not read is not told. That, a watchdog that the loop
//! itself turns, and a manager that is an argument rather than a variable are why this is not the
//! crate `sd-notify`, which reads the environment and blocks.

use std::{
    ffi::OsStr,
    io,
    os::unix::{ffi::OsStrExt, net::UnixDatagram},
    path::Path,
    time::Duration,
};

use socket2::{Domain, SockAddr, Socket, Type};
use tracing::warn;

use crate::{
    config::Supervisor,
    swim::{Counts, Timestamp},
};

/// Whoever looks at the status reads it no faster.
const STATUS_EVERY: Duration = Duration::from_secs(1);

/// Tells the service manager how we are.
#[derive(Debug)]
pub(super) struct Service {
    manager: UnixDatagram,
    stage: Stage,
    /// How often it wants to hear that the loop turns.
    every: Option<Duration>,
    /// When it hears that next.
    beat_at: Option<Timestamp>,
    /// The number of the newest change in what it was told of the members.
    told: Option<u64>,
    /// When it may be told more of them.
    tell_at: Timestamp,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    Starting,
    /// Ready, but nobody took the word.
    Serving,
    Ready,
    Stopping,
}

impl Service {
    /// Finds the manager. One that cannot be reached is as good as none.
    pub(super) fn connect(supervisor: &Supervisor) -> Option<Self> {
        let manager = connect(&supervisor.socket)
            .inspect_err(|error| {
                let socket = supervisor.socket.display();
                warn!(%socket, %error, "the service manager does not listen");
            })
            .ok()?;
        Some(Self {
            manager,
            stage: Stage::Starting,
            // Half the time, as sd_watchdog_enabled(3) recommends.
            every: supervisor.watchdog.map(|time| time / 2),
            beat_at: None,
            told: None,
            tell_at: Timestamp::ZERO,
        })
    }

    /// The API answers and the loop turns.
    pub(super) fn ready(&mut self) {
        if self.stage == Stage::Starting {
            self.stage = Stage::Serving;
            self.say_ready();
        }
    }

    /// Nobody else tells it again.
    fn say_ready(&mut self) {
        if self.send("READY=1") {
            self.stage = Stage::Ready;
        }
    }

    /// The loop turned. `seq` is the number of the newest change; `counts` are the members'.
    pub(super) fn turned(&mut self, now: Timestamp, seq: u64, counts: impl FnOnce() -> Counts) {
        if let Some(every) = self
            .every
            .filter(|_| self.beat_at.is_none_or(|at| at <= now))
        {
            self.beat_at = Some(now + every);
            self.send("WATCHDOG=1");
        }
        if self.stage == Stage::Serving && self.tell_at <= now {
            self.tell_at = now + STATUS_EVERY;
            self.say_ready();
        }
        if self.wants_status(seq) && self.tell_at <= now {
            self.told = Some(seq);
            self.tell_at = now + STATUS_EVERY;
            self.send(&status(counts()));
        }
    }

    /// We leave.
    pub(super) fn stopping(&mut self) {
        if self.stage != Stage::Stopping {
            self.stage = Stage::Stopping;
            self.send("STOPPING=1\nSTATUS=leaving the cluster");
        }
    }

    /// When the loop must have turned again, if `seq` is the number of the newest change.
    pub(super) fn deadline(&self, seq: u64) -> Option<Timestamp> {
        let is_owed = self.stage == Stage::Serving || self.wants_status(seq);
        let tell_at = is_owed.then_some(self.tell_at);
        self.beat_at.into_iter().chain(tell_at).min()
    }

    fn wants_status(&self, seq: u64) -> bool {
        self.stage == Stage::Ready && self.told != Some(seq)
    }

    /// Whether it was taken; else it is told again soon, or was not interested.
    fn send(&self, state: &str) -> bool {
        self.manager.send(state.as_bytes()).is_ok()
    }
}

fn status(counts: Counts) -> String {
    let Counts {
        alive,
        suspect,
        failed,
        left,
    } = counts;
    format!("STATUS={alive} alive, {suspect} suspect, {failed} failed, {left} left")
}

fn connect(socket: &Path) -> io::Result<UnixDatagram> {
    let datagrams = Socket::new(Domain::UNIX, Type::DGRAM, None)?;
    datagrams.set_nonblocking(true)?;
    datagrams.connect(&address(socket)?)?;
    Ok(datagrams.into())
}

/// The system has a zero where the variable has the sign of an abstract name.
fn address(socket: &Path) -> io::Result<SockAddr> {
    match socket.as_os_str().as_bytes() {
        [b'@', name @ ..] => SockAddr::unix(OsStr::from_bytes(&[b"\0", name].concat())),
        _ => SockAddr::unix(socket),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const COUNTS: Counts = Counts {
        alive: 2,
        failed: 0,
        left: 1,
        suspect: 0,
    };

    /// A manager, and a service that tells it.
    fn managed(name: &str) -> (UnixDatagram, Service) {
        let supervisor = Supervisor {
            socket: format!("@headcount-{name}-{}", std::process::id()).into(),
            watchdog: Some(Duration::from_secs(10)),
        };
        let manager = Socket::new(Domain::UNIX, Type::DGRAM, None).unwrap();
        manager.bind(&address(&supervisor.socket).unwrap()).unwrap();
        manager.set_nonblocking(true).unwrap();
        (manager.into(), Service::connect(&supervisor).unwrap())
    }

    /// Everything that `manager` was told since it was asked last.
    fn heard(manager: &UnixDatagram) -> Vec<String> {
        let mut buffer = [0; 1024];
        let next = || {
            let size = manager.recv(&mut buffer).ok()?;
            Some(String::from_utf8_lossy(&buffer[..size]).into_owned())
        };
        std::iter::from_fn(next).collect()
    }

    #[test]
    fn a_turning_loop_is_told_of_and_news_once_a_second() {
        let (manager, mut service) = managed("turning");
        let at = |millis| Timestamp::ZERO + Duration::from_millis(millis);
        service.turned(at(5_000), 1, || COUNTS);
        assert_eq!(heard(&manager), ["WATCHDOG=1"]);
        assert_eq!(service.deadline(1), Some(at(10_000)));
        service.ready();
        service.ready();
        service.turned(at(5_001), 1, || COUNTS);
        let status = "STATUS=2 alive, 0 suspect, 0 failed, 1 left";
        assert_eq!(heard(&manager), ["READY=1", status]);
        assert_eq!(service.deadline(1), Some(at(10_000)), "nothing is new");
        service.turned(at(5_500), 2, || COUNTS);
        assert!(heard(&manager).is_empty(), "too soon");
        assert_eq!(service.deadline(2), Some(at(6_001)));
        service.turned(at(6_001), 3, || COUNTS);
        assert_eq!(heard(&manager), [status]);
        service.turned(at(10_000), 3, || COUNTS);
        assert_eq!(heard(&manager), ["WATCHDOG=1"]);
        service.stopping();
        service.turned(at(15_000), 4, || COUNTS);
        assert_eq!(
            heard(&manager),
            ["STOPPING=1\nSTATUS=leaving the cluster", "WATCHDOG=1"]
        );
    }

    #[test]
    fn a_manager_that_does_not_read_holds_nobody_up() {
        let (manager, mut service) = managed("deaf");
        for second in 0..100_000 {
            let now = Timestamp::ZERO + Duration::from_secs(5 * second);
            service.turned(now, 0, || COUNTS);
        }
        let heard = heard(&manager).len();
        assert!((1..100_000).contains(&heard), "{heard}");
    }

    #[test]
    fn a_manager_that_is_not_there_is_none() {
        let gone = Supervisor {
            socket: "/nowhere/notify".into(),
            watchdog: None,
        };
        assert!(Service::connect(&gone).is_none());
    }
}
