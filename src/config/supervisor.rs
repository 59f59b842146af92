//! `Supervisor`: systemd, or whatever speaks its protocol, as the environment names it.

use std::{path::PathBuf, time::Duration};

use super::Surroundings;

/// The service manager that started us and wants to hear how we are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Supervisor {
    /// `NOTIFY_SOCKET`: where it listens. A name that begins with `@` is abstract.
    pub socket: PathBuf,
    /// `WATCHDOG_USEC`: it kills us when it has heard nothing for so long.
    pub watchdog: Option<Duration>,
}

impl Supervisor {
    /// The one that `around` names, if there is one.
    pub(super) fn find(around: &Surroundings) -> Option<Self> {
        let socket = around.text("NOTIFY_SOCKET")?;
        let is_ours = |pid: &str| pid.parse() == Ok(around.process);
        let watchdog = around.text("WATCHDOG_USEC");
        let watchdog = watchdog.filter(|_| around.text("WATCHDOG_PID").is_none_or(is_ours));
        let watchdog = watchdog.and_then(|text| text.parse().ok());
        socket.starts_with(['/', '@']).then(|| Self {
            socket: socket.into(),
            watchdog: watchdog.filter(|usec| *usec > 0).map(Duration::from_micros),
        })
    }
}
