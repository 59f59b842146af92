//! The application's lease: what shows that it lives, and who says so when it does no more.
//!
//! At most one lease is held, and the newest counts: an application that was started anew must not
//! wait until the lease of its predecessor runs out. What a replaced lease notices says nothing.

use std::{future::Future, io, os::fd::OwnedFd, sync::Arc, time::Duration};

use rustix::process::Pid;
use tokio::{
    io::{Interest, unix::AsyncFd},
    sync::{oneshot, watch},
};

use super::{
    clock::Clock,
    shared::{Command, Shared},
};
use crate::swim::{AppStatus, Timestamp};

/// A heartbeat may be late by a tenth of its interval, within these bounds.
const GRACE_MIN: Duration = Duration::from_millis(50);
const GRACE_MAX: Duration = Duration::from_secs(5);

/// What is said of the application, and what shows it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Claim {
    /// `None` when there is no application to speak of.
    pub(super) status: Option<AppStatus>,
    /// None for a mere word.
    pub(super) sign: Option<Sign>,
}

/// What shows that the application lives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sign {
    /// The claim is repeated so often, for as long as the application lives.
    Heartbeat(Duration),
    /// The application lives as long as this process.
    Process(Pid),
    /// The application lives as long as the connection.
    Connection,
}

/// The claim that counts.
#[derive(Clone, Debug)]
pub(super) struct Held {
    number: u64,
    pub(super) claim: Claim,
    /// Since when the application has been as it is.
    pub(super) since: Timestamp,
    /// When the claim was made.
    pub(super) heard: Timestamp,
}

/// The right to say that the application died, until another lease takes its place.
#[derive(Debug)]
pub(super) struct Lease {
    number: u64,
    current: watch::Receiver<Held>,
}

/// What a lease says, on its way to the node.
#[derive(Debug)]
#[must_use]
pub(super) struct Said(oneshot::Receiver<()>);

/// The protocol has ended: nothing can be said any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Ended;

impl Claim {
    /// It is up, and this shows it.
    pub(super) const fn shown_by(sign: Sign) -> Self {
        Self {
            status: Some(AppStatus::Up),
            sign: Some(sign),
        }
    }

    /// Nothing shows it.
    pub(super) const fn word(status: AppStatus) -> Self {
        Self {
            status: Some(status),
            sign: None,
        }
    }
}

impl Held {
    /// Nothing was said yet.
    pub(super) fn nothing(now: Timestamp) -> Self {
        Self {
            number: 0,
            claim: Claim::default(),
            since: now,
            heard: now,
        }
    }

    fn replace(&mut self, claim: Claim, now: Timestamp) {
        self.number += 1;
        self.heard = now;
        if claim.status != self.claim.status {
            self.since = now;
        }
        self.claim = claim;
    }
}

impl Lease {
    /// Waits until another lease has taken its place.
    pub(super) async fn replaced(&mut self) {
        let number = self.number;
        // It fails when the agent is gone, and every lease with it.
        let _ = self
            .current
            .wait_for(|current| current.number != number)
            .await;
    }
}

impl Said {
    /// Waits until the node has heard it.
    pub(super) async fn heard(self) -> Result<(), Ended> {
        self.0.await.map_err(|_| Ended)
    }
}

impl Shared {
    /// Claims this of the application and ends the lease that was held. Gives a lease whose holder
    /// may say that the application died: it must be held before the node is waited for, as who
    /// asked may go meanwhile.
    pub(super) async fn lease(&self, claim: Claim) -> Result<(Lease, Said), Ended> {
        let place = self.commands.reserve().await.map_err(|_| Ended)?;
        let (reply, heard) = oneshot::channel();
        let status = claim.status.clone();
        let mut number = 0;
        // Said while the number is held, so that words come in the order of their numbers.
        self.leases.send_modify(|current| {
            current.replace(claim, self.clock.now());
            number = current.number;
            place.send(Command::App { status, reply });
        });
        let current = self.leases.subscribe();
        Ok((Lease { number, current }, Said(heard)))
    }

    /// Claims this where nobody may take it back but whoever claims something else.
    pub(super) async fn claim(&self, claim: Claim) -> Result<(), Ended> {
        let (_, said) = self.lease(claim).await?;
        said.heard().await
    }

    /// The holder of `lease` says that the application died.
    pub(super) async fn lapse(&self, lease: &Lease, reason: &str) {
        let Ok(place) = self.commands.reserve().await else {
            return;
        };
        let status = AppStatus::down(reason);
        let (reply, _) = oneshot::channel();
        self.leases.send_if_modified(|current| {
            let is_held = current.number == lease.number;
            if is_held {
                current.replace(Claim::word(status.clone()), self.clock.now());
                let status = Some(status);
                place.send(Command::App { status, reply });
            }
            is_held
        });
    }
}

/// Waits for `death`, which gives the reason, for as long as the lease is held.
pub(super) async fn watch(
    shared: Arc<Shared>,
    mut lease: Lease,
    death: impl Future<Output = String>,
) {
    let reason = tokio::select! {
        () = lease.replaced() => return,
        reason = death => reason,
    };
    shared.lapse(&lease, &reason).await;
}

/// How late a heartbeat may be that is due once in `interval`.
pub(super) fn grace(interval: Duration) -> Duration {
    (interval / 10).clamp(GRACE_MIN, GRACE_MAX)
}

/// Waits until a heartbeat that is due once in `interval` did not come.
pub(super) async fn silence(clock: Clock, interval: Duration) -> String {
    let grace = grace(interval);
    loop {
        let due = clock.now() + interval + grace;
        clock.reach(Some(due)).await;
        // Whoever was stopped itself heard nothing meanwhile: the heartbeat may wait in the socket.
        if clock.now() - due <= grace {
            return format!(
                "no heartbeat within {}",
                humantime::format_duration(interval)
            );
        }
    }
}

/// A process that can be waited for though it is not our child.
#[derive(Debug)]
pub(super) struct Process {
    pid: Pid,
    fd: AsyncFd<OwnedFd>,
}

impl Process {
    /// Holds on to the process, so that another with the same number is never taken for it. Must
    /// be called inside a runtime.
    ///
    /// # Errors
    /// When there is no such process, or the system cannot watch one.
    #[expect(
        deprecated,
        reason = "unsound for types that change their descriptor, which OwnedFd never does; what \
                  replaces it is an unsafe function"
    )]
    pub(super) fn open(pid: Pid) -> io::Result<Self> {
        let fd = AsyncFd::with_interest(pidfd(pid)?, Interest::READABLE)?;
        Ok(Self { pid, fd })
    }

    /// Waits until it has ended.
    pub(super) async fn end(self) -> String {
        // Readable is a process that ended; that the system takes this away cannot be waited out.
        let _ = self.fd.readable().await;
        format!("process {} ended", self.pid)
    }
}

#[cfg(target_os = "linux")]
fn pidfd(pid: Pid) -> io::Result<OwnedFd> {
    use rustix::process::{PidfdFlags, pidfd_open};
    Ok(pidfd_open(pid, PidfdFlags::NONBLOCK)?)
}

#[cfg(not(target_os = "linux"))]
fn pidfd(_pid: Pid) -> io::Result<OwnedFd> {
    Err(io::ErrorKind::Unsupported.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_grace_is_a_tenth_within_bounds() {
        let graces = [100, 5_000, 3_600_000].map(|ms| grace(Duration::from_millis(ms)).as_millis());
        assert_eq!(graces, [50, 500, 5_000]);
    }
}
