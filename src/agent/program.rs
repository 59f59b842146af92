//! Programs that run for us: what each finds around itself, and how its group is called.

use std::{ffi::OsStr, io};

use rustix::process::Pid;
use tokio::process::{Child, Command};

use super::{descriptors, reaper, shared::Facts};

/// How a service manager speaks to the process that it started.
const SERVICE_VARIABLES: [&str; 6] = [
    "LISTEN_FDNAMES",
    "LISTEN_FDS",
    "LISTEN_PID",
    "NOTIFY_SOCKET",
    "WATCHDOG_PID",
    "WATCHDOG_USEC",
];

/// The program in a process group of its own, told where we are. What the service manager told us
/// is for us.
pub(super) fn command(program: &OsStr, facts: &Facts) -> Command {
    let mut command = Command::new(program);
    command
        .env("HEADCOUNT_NAME", &facts.name)
        .env("HEADCOUNT_SOCKET", &facts.socket)
        .process_group(0);
    for variable in SERVICE_VARIABLES {
        command.env_remove(variable);
    }
    command
}

/// Starts it. Whoever calls waits for it, or drops it.
pub(super) fn spawn(command: &mut Command) -> io::Result<Child> {
    let child = reaper::spawn(command)?;
    if let Some(pid) = pid(&child) {
        descriptors::restore_limit(pid);
    }
    Ok(child)
}

/// The number of a child, and of its group, as long as it was not waited for.
pub(super) fn pid(child: &Child) -> Option<Pid> {
    Pid::from_raw(i32::try_from(child.id()?).ok()?)
}
