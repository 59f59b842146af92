//! `Guard`: ends processes that do not end with us by themselves, even if we are killed.

use std::{
    io,
    os::unix::process::CommandExt,
    process::{Child, Command, Stdio},
};

/// A shell that waits for its input to end, as it does when we do, and then kills all that it
/// watches.
#[derive(Debug)]
pub(super) struct Guard(Child);

impl Guard {
    pub(super) fn start() -> io::Result<Self> {
        let mut shell = Command::new("sh");
        shell.args(["-c", "read -r _; kill -9 0"]).process_group(0);
        shell
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        Ok(Self(shell.spawn()?))
    }

    /// Has the process watched from its start: they are of one group.
    pub(super) fn watch(&self, command: &mut Command) {
        if let Ok(group) = i32::try_from(self.0.id()) {
            command.process_group(group);
        }
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        drop(self.0.stdin.take());
        // It kills itself, too.
        let _ = self.0.wait();
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::process::ExitStatusExt;

    use super::*;

    #[test]
    fn whom_it_watches_ends_with_it() {
        let guard = Guard::start().unwrap();
        let mut sleep = Command::new("sleep");
        guard.watch(sleep.arg("1000"));
        let mut sleep = sleep.spawn().unwrap();
        drop(guard);
        assert_eq!(sleep.wait().unwrap().signal(), Some(9));
    }
}
