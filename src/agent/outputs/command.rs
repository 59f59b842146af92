//! Running an operator's command: its own process group, a time limit, its complaint.

use std::{
    fmt,
    fs::File,
    io::{self, Read, Seek},
    process::{ExitStatus, Stdio},
    time::Duration,
};

use bytes::Bytes;
use rustix::process::{Signal, kill_process_group};
use tokio::{io::AsyncWriteExt, process::Child, time::timeout};

use crate::{
    agent::{program, shared::Facts},
    config::CommandLine,
};

/// What of a command's standard error is kept for the log.
const COMPLAINT_BYTES_MAX: u64 = 512;

/// Why a command did not do its work.
#[derive(Debug)]
pub(super) enum Failed {
    /// It was not started, or could not be waited for.
    System(io::Error),
    /// It ended so, and said so on its standard error.
    Status(ExitStatus, String),
    /// It took too long and was killed, with whatever it had started.
    TooLong(Duration),
}

impl fmt::Display for Failed {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::System(error) => write!(formatter, "{error}"),
            Self::Status(status, complaint) if complaint.is_empty() => {
                write!(formatter, "{status}")
            }
            Self::Status(status, complaint) => write!(formatter, "{status}: {complaint}"),
            Self::TooLong(limit) => {
                let limit = humantime::format_duration(*limit);
                write!(formatter, "killed after {limit}")
            }
        }
    }
}

/// A command that is about to run.
#[derive(Debug)]
pub(super) struct Run<'a> {
    pub(super) command: &'a CommandLine,
    pub(super) input: Bytes,
    pub(super) variables: &'a [(String, String)],
    pub(super) limit: Duration,
}

impl Run<'_> {
    /// Runs it to its end. Dropped before, it is killed.
    pub(super) async fn finish(&self, facts: &Facts) -> Result<(), Failed> {
        let complaint = tempfile::tempfile().map_err(Failed::System)?;
        let child = self.start(facts, &complaint).map_err(Failed::System)?;
        let mut child = Group(child);
        match timeout(self.limit, self.outlast(&mut child.0)).await {
            Err(_) => Err(Failed::TooLong(self.limit)),
            Ok(Err(error)) => Err(Failed::System(error)),
            Ok(Ok(status)) if status.success() => Ok(()),
            Ok(Ok(status)) => Err(Failed::Status(status, said(complaint))),
        }
    }

    /// Its standard error is a file: a pipe would stay open in whatever it leaves behind.
    fn start(&self, facts: &Facts, complaint: &File) -> io::Result<Child> {
        let (program, arguments) = self.command.parts();
        let variables = self.variables.iter().map(|(name, value)| (name, value));
        program::command(program.as_ref(), facts)
            .args(arguments)
            .envs(variables)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(complaint.try_clone()?)
            .spawn()
    }

    async fn outlast(&self, child: &mut Child) -> io::Result<ExitStatus> {
        if let Some(mut input) = child.stdin.take() {
            // Whoever does not read it does not want it.
            let _ = input.write_all(&self.input).await;
        }
        child.wait().await
    }
}

/// A child and all that it started.
struct Group(Child);

impl Drop for Group {
    fn drop(&mut self) {
        if let Some(pid) = program::pid(&self.0) {
            // It may have ended just now.
            let _ = kill_process_group(pid, Signal::KILL);
        }
    }
}

/// The beginning of what it wrote, on one line.
fn said(mut complaint: File) -> String {
    let mut bytes = Vec::new();
    let read = complaint
        .rewind()
        .and_then(|()| complaint.take(COMPLAINT_BYTES_MAX).read_to_end(&mut bytes));
    match read {
        Ok(_) => String::from_utf8_lossy(&bytes).trim().replace('\n', " | "),
        Err(_) => String::new(),
    }
}
