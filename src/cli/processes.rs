//! `Processes`: children of ours that never outlive us, unless they are meant to.

use std::{
    fs::{self, File},
    io,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

use tempfile::TempDir;

use super::Failure;

/// Named processes, and the directory that holds all of their files.
#[derive(Debug)]
pub(super) struct Processes {
    /// Declared first, so that the processes end before their files go.
    running: Vec<Process>,
    dir: TempDir,
}

#[derive(Debug)]
struct Process {
    name: String,
    child: Child,
    /// Its end is what we want.
    may_end: bool,
}

impl Processes {
    /// None yet.
    pub(super) fn new() -> Result<Self, Failure> {
        let dir = tempfile::Builder::new().prefix("headcount-").tempdir();
        let dir = dir.map_err(|error| {
            Failure::trouble(format!("cannot make a temporary directory: {error}"))
                .hint("set TMPDIR to a directory that can be written to")
        })?;
        let running = Vec::new();
        Ok(Self { running, dir })
    }

    /// Where all files are.
    pub(super) fn dir(&self) -> &Path {
        self.dir.path()
    }

    /// The processes' ids, by name.
    pub(super) fn ids(&self) -> impl Iterator<Item = u32> {
        self.running.iter().map(|process| process.child.id())
    }

    /// The id of the process called `name`.
    pub(super) fn id(&self, name: &str) -> Option<u32> {
        let mut named = self.running.iter().filter(|process| process.name == name);
        named.next().map(|process| process.child.id())
    }

    /// Starts a process, whose log is a file, by `spawn`; gives its id.
    pub(super) fn start(
        &mut self,
        name: &str,
        mut command: Command,
        spawn: impl FnOnce(Command) -> io::Result<Child>,
    ) -> Result<u32, Failure> {
        let program = PathBuf::from(command.get_program());
        let started = self.log(name).and_then(|log| {
            let out = log.try_clone()?;
            command.stdin(Stdio::null()).stdout(out).stderr(log);
            spawn(command)
        });
        let child = started.map_err(|error| {
            Failure::trouble(format!("cannot start {}: {error}", program.display()))
        })?;
        let id = child.id();
        self.running.push(Process {
            name: name.into(),
            child,
            may_end: false,
        });
        self.running.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(id)
    }

    /// Kills a process as `kill -9` does; gives the id it had.
    pub(super) fn kill(&mut self, name: &str) -> Option<u32> {
        let found = self.running.iter().position(|node| node.name == name)?;
        // Dropping is killing.
        let process = self.running.remove(found);
        Some(process.child.id())
    }

    /// Lets a process end by itself.
    pub(super) fn dismiss(&mut self, name: &str) {
        for node in self.running.iter_mut().filter(|node| node.name == name) {
            node.may_end = true;
        }
    }

    /// Fails when one has ended that should run, and says what it logged last.
    pub(super) fn all_run(&mut self) -> Result<(), Failure> {
        self.casualty().map_or(Ok(()), Err)
    }

    fn casualty(&mut self) -> Option<Failure> {
        let dir = self.dir.path();
        let nodes = self.running.iter_mut().filter(|node| !node.may_end);
        let (name, status) = nodes
            .filter_map(|node| Some((&node.name, node.child.try_wait().ok()??)))
            .next()?;
        let log = fs::read_to_string(log_file(dir, name)).unwrap_or_default();
        let log = log.trim_end();
        Some(Failure::no(format!(
            "{name} ended with {status}; its log:\n{log}"
        )))
    }

    /// Lets the processes go on without us. Gives their names and ids, and where their files are.
    pub(super) fn keep(mut self) -> (Vec<(String, u32)>, PathBuf) {
        self.running.retain(|node| !node.may_end);
        let named = self.running.iter();
        let kept = named.map(|node| (node.name.clone(), node.child.id()));
        let kept = kept.collect();
        for node in self.running {
            std::mem::forget(node);
        }
        (kept, self.dir.keep())
    }

    fn log(&self, name: &str) -> io::Result<File> {
        let path = log_file(self.dir(), name);
        File::options().create(true).append(true).open(path)
    }
}

fn log_file(dir: &Path, name: &str) -> PathBuf {
    dir.join(format!("{name}.log"))
}

impl Drop for Process {
    /// It may have ended by itself, which is as good.
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
