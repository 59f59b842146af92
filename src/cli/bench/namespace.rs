//! `Namespace`: a network of its own on this machine, gone when nobody uses it any more.

use std::{
    fs::read_link,
    io,
    path::{Path, PathBuf},
    process::Command,
    sync::mpsc,
    thread,
};

type Job = Box<dyn FnOnce() + Send>;

/// A network namespace without a name: a thread is in it, and so is what the thread starts. It is
/// a thread that lives on, as an agent ends with whoever started it.
#[derive(Debug)]
pub(super) struct Namespace {
    jobs: mpsc::Sender<Job>,
    path: PathBuf,
}

impl Namespace {
    /// One with nothing in it, not even a loopback interface that is up. Only root may.
    pub(super) fn new() -> io::Result<Self> {
        let (jobs, queue) = mpsc::channel::<Job>();
        let builder = thread::Builder::new().name("namespace".into());
        builder.spawn(move || queue.into_iter().for_each(|job| job()))?;
        let mut namespace = Self {
            jobs,
            path: PathBuf::new(),
        };
        namespace.within(enter)?;
        let thread = namespace.within(|| read_link("/proc/thread-self"))?;
        namespace.path = Path::new("/proc").join(thread).join("ns/net");
        Ok(namespace)
    }

    /// Where other programs find it.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Does `job` in it.
    pub(super) fn within<T: Send + 'static>(&self, job: impl FnOnce() -> T + Send + 'static) -> T {
        let (done, result) = mpsc::sync_channel(1);
        let job = move || {
            // Whoever asked waits for it.
            let _ = done.send(job());
        };
        let sent = self.jobs.send(Box::new(job));
        sent.expect("the thread takes jobs until this is dropped");
        result.recv().expect("no job panics")
    }

    /// Runs a command in it, given as words with single spaces between them.
    pub(super) fn run(&self, words: &str) -> Result<(), String> {
        let mut split = words.split(' ').map(str::to_owned);
        let mut command = Command::new(split.next().unwrap_or_default());
        command.args(split);
        let output = self.within(move || command.output());
        let output = output.map_err(|error| format!("{words}: {error}"))?;
        match output.status.success() {
            true => Ok(()),
            false => {
                let said = String::from_utf8_lossy(&output.stderr);
                Err(format!("{words}: {}", said.trim()))
            }
        }
    }
}

/// Moves this thread, and no other, into a new one.
#[cfg(target_os = "linux")]
fn enter() -> io::Result<()> {
    Ok(nix::sched::unshare(nix::sched::CloneFlags::CLONE_NEWNET)?)
}

#[cfg(not(target_os = "linux"))]
fn enter() -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}
