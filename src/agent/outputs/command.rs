//! Running an operator's command: its own process group, a time limit, its complaint.

use std::{
    fmt, io,
    process::{ExitStatus, Stdio},
    time::Duration,
};

use bytes::Bytes;
use rustix::process::{Signal, kill_process_group};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    process::{Child, ChildStderr},
    sync::watch,
    time::timeout,
};

use crate::{
    agent::{program, shared::Facts},
    config::CommandLine,
};

/// What of a command's standard error is kept for the log.
const COMPLAINT_BYTES_MAX: usize = 512;
/// How long the end of it may take when the command has ended: what that left behind may hold it
/// open for ever.
const COMPLAINT_WAIT: Duration = Duration::from_millis(100);

/// Why a command did not do its work.
#[derive(Debug)]
pub(super) enum Failed {
    /// It was not started, or could not be waited for.
    System(io::Error),
    /// It ended so, and said so on its standard error.
    Status(ExitStatus, String),
    /// It took too long and was killed, with its process group.
    TooLong(Duration),
}

/// What shells answer where there is no such program, or none that may be run.
const STATUS_ABSENT: [i32; 2] = [126, 127];

impl Failed {
    /// Whether the command, or one that it calls, is not there or may not be run.
    pub(super) fn is_absent(&self) -> bool {
        use io::ErrorKind::{NotFound, PermissionDenied};
        match self {
            Self::System(error) => matches!(error.kind(), NotFound | PermissionDenied),
            Self::Status(status, _) => status
                .code()
                .is_some_and(|code| STATUS_ABSENT.contains(&code)),
            Self::TooLong(_) => false,
        }
    }
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
        let mut child = Group(self.start(facts).map_err(Failed::System)?);
        let complaint = Complaint::listen(child.0.stderr.take());
        match timeout(self.limit, self.outlast(&mut child.0)).await {
            Err(_) => Err(Failed::TooLong(self.limit)),
            Ok(Err(error)) => Err(Failed::System(error)),
            Ok(Ok(status)) if status.success() => Ok(()),
            Ok(Ok(status)) => Err(Failed::Status(status, complaint.said().await)),
        }
    }

    fn start(&self, facts: &Facts) -> io::Result<Child> {
        let (program, arguments) = self.command.parts();
        let variables = self.variables.iter().map(|(name, value)| (name, value));
        let mut command = program::command(program.as_ref(), facts);
        command
            .args(arguments)
            .envs(variables)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::piped());
        program::spawn(&mut command)
    }

    async fn outlast(&self, child: &mut Child) -> io::Result<ExitStatus> {
        if let Some(mut input) = child.stdin.take() {
            // Whoever does not read it does not want it.
            let _ = input.write_all(&self.input).await;
        }
        child.wait().await
    }
}

/// A child and its process group: all that it started, but for what left the group.
struct Group(Child);

impl Drop for Group {
    fn drop(&mut self) {
        if let Some(pid) = program::pid(&self.0) {
            // It may have ended just now.
            let _ = kill_process_group(pid, Signal::KILL);
        }
    }
}

/// The beginning of what a command and its children say on their standard error.
struct Complaint(watch::Receiver<Vec<u8>>);

impl Complaint {
    /// Hears all of it, also from what outlives the command, so that nobody waits for us or is
    /// ended by writing.
    fn listen(stderr: Option<ChildStderr>) -> Self {
        let (heard, complaint) = watch::channel(Vec::new());
        if let Some(stderr) = stderr {
            tokio::spawn(hear(stderr, heard));
        }
        Self(complaint)
    }

    /// What was said when the command has ended, on one line.
    async fn said(mut self) -> String {
        let is_full = |begin: &Vec<u8>| begin.len() == COMPLAINT_BYTES_MAX;
        // However that ends: there is no more, or it would take too long.
        let _ = timeout(COMPLAINT_WAIT, self.0.wait_for(is_full)).await;
        in_one_line(&self.0.borrow())
    }
}

async fn hear(mut stderr: ChildStderr, heard: watch::Sender<Vec<u8>>) {
    let mut chunk = [0; 4096];
    while let Ok(read @ 1..) = stderr.read(&mut chunk).await {
        heard.send_if_modified(|begin| {
            let room = COMPLAINT_BYTES_MAX - begin.len();
            begin.extend_from_slice(&chunk[..read.min(room)]);
            room > 0
        });
    }
}

/// Text from elsewhere as a log may have it: what would move the cursor is spelled out.
fn in_one_line(text: &[u8]) -> String {
    let text = String::from_utf8_lossy(text).trim().replace('\n', " | ");
    let spell = |c: char| match c.is_control() {
        true => c.escape_default().to_string(),
        false => c.to_string(),
    };
    text.chars().map(spell).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{agent::fuzzing, config::Outputs};

    async fn run(command: &str) -> Result<(), Failed> {
        let hook = format!("[[hook]]\ncommand = '''{command}'''");
        let hook = Outputs::of(&hook).hooks.remove(0);
        let run = Run {
            command: &hook.command,
            input: Bytes::new(),
            variables: &[],
            limit: Duration::from_secs(3600),
        };
        run.finish(&fuzzing::shared().facts).await
    }

    #[tokio::test]
    async fn whoever_says_too_much_is_heard_out_and_its_beginning_is_kept() {
        let failed = run("yes no luck | head -c 1000000 >&2; exit 3").await;
        let Err(Failed::Status(status, complaint)) = failed else {
            panic!("{failed:?}");
        };
        assert_eq!(status.code(), Some(3));
        assert!(complaint.starts_with("no luck | no luck"), "{complaint}");
        assert!(complaint.len() < 2 * COMPLAINT_BYTES_MAX, "{complaint}");
    }

    #[tokio::test]
    async fn what_a_command_leaves_behind_is_not_waited_for_and_may_go_on_writing() {
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name).display().to_string();
        let (go, done) = (at("go"), at("done"));
        let behind = format!("until [ -e {go} ]; do sleep 0.05; done; echo more >&2 && >{done}");
        let failed = run(&format!("({behind}) & echo no luck >&2; exit 1")).await;
        assert!(failed.unwrap_err().to_string().ends_with("no luck"));
        std::fs::write(go, "").unwrap();
        while !std::path::Path::new(&done).exists() {
            tokio::task::yield_now().await;
        }
    }

    #[test]
    fn what_would_move_the_cursor_is_spelled_out() {
        let said = in_one_line(b" a\r\nb\x1b[31m\x07c\n");
        assert_eq!(said, r"a\r | b\u{1b}[31m\u{7}c");
    }
}
