//! `Cluster`: agent processes of our own that never outlive us, unless they are meant to.

use std::{
    fs::{self, File},
    io,
    os::unix::process::CommandExt,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

use tempfile::TempDir;

use super::Failure;
use crate::{config::Surroundings, swim::Profile};

/// Agents, and the directory that holds all of their files.
#[derive(Debug)]
pub(super) struct Cluster {
    /// Declared first, so that the processes end before their files go.
    nodes: Vec<Process>,
    dir: TempDir,
    program: PathBuf,
    /// Variables that would configure the agents behind our back.
    foreign: Vec<String>,
    outlives_us: bool,
    profile: Profile,
}

/// One agent process.
#[derive(Debug)]
struct Process {
    name: String,
    child: Child,
    /// Its end is what we want.
    may_end: bool,
}

/// What to tell of a cluster that goes on without us.
#[derive(Debug)]
pub(super) struct Kept {
    pub(super) program: String,
    pub(super) sockets: Vec<String>,
    pub(super) pids: Vec<String>,
    pub(super) dir: String,
}

impl Cluster {
    /// A cluster without agents yet.
    pub(super) fn new(profile: Profile, outlives_us: bool) -> Result<Self, Failure> {
        let dir = tempfile::Builder::new().prefix("headcount-").tempdir();
        let dir = dir.map_err(|error| {
            Failure::trouble(format!("cannot make a temporary directory: {error}"))
                .hint("set TMPDIR to a directory that can be written to")
        })?;
        let program = std::env::current_exe()
            .map_err(|error| Failure::trouble(format!("cannot find this program: {error}")))?;
        Ok(Self {
            nodes: Vec::new(),
            dir,
            program,
            foreign: Surroundings::look().own_variables(),
            outlives_us,
            profile,
        })
    }

    /// Where all files are.
    pub(super) fn dir(&self) -> &Path {
        self.dir.path()
    }

    /// The socket of the agent called `name`.
    pub(super) fn socket(&self, name: &str) -> PathBuf {
        self.dir().join(format!("{name}.sock"))
    }

    /// The agents' process ids.
    pub(super) fn processes(&self) -> impl Iterator<Item = u32> {
        self.nodes.iter().map(|node| node.child.id())
    }

    /// Starts an agent; gives its process id.
    pub(super) fn start(
        &mut self,
        name: &str,
        bind: &str,
        join: Option<&str>,
    ) -> Result<u32, Failure> {
        let child = self.spawn(name, bind, join).map_err(|error| {
            Failure::trouble(format!("cannot start {}: {error}", self.program.display()))
        })?;
        let id = child.id();
        self.nodes.push(Process {
            name: name.into(),
            child,
            may_end: false,
        });
        self.nodes.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(id)
    }

    /// Kills an agent as `kill -9` does; gives the process id it had.
    pub(super) fn kill(&mut self, name: &str) -> Option<u32> {
        let found = self.nodes.iter().position(|node| node.name == name)?;
        // Dropping is killing.
        let node = self.nodes.remove(found);
        Some(node.child.id())
    }

    /// Lets an agent end by itself.
    pub(super) fn dismiss(&mut self, name: &str) {
        for node in self.nodes.iter_mut().filter(|node| node.name == name) {
            node.may_end = true;
        }
    }

    /// Whoever ended that should run, with what it logged last.
    pub(super) fn casualty(&mut self) -> Option<Failure> {
        let dir = self.dir.path();
        let nodes = self.nodes.iter_mut().filter(|node| !node.may_end);
        let (name, status) = nodes
            .filter_map(|node| Some((&node.name, node.child.try_wait().ok()??)))
            .next()?;
        let log = fs::read_to_string(dir.join(format!("{name}.log"))).unwrap_or_default();
        let log = log.trim_end();
        Some(Failure::no(format!(
            "{name} ended with {status}; its log:\n{log}"
        )))
    }

    /// Lets the agents go on without us.
    pub(super) fn keep(mut self) -> Kept {
        self.nodes.retain(|node| !node.may_end);
        let socket = |node: &Process| self.socket(&node.name).display().to_string();
        let kept = Kept {
            program: self.program.display().to_string(),
            sockets: self.nodes.iter().map(socket).collect(),
            pids: self
                .nodes
                .iter()
                .map(|node| node.child.id().to_string())
                .collect(),
            dir: self.dir().display().to_string(),
        };
        for node in self.nodes {
            std::mem::forget(node);
        }
        let _ = self.dir.keep();
        kept
    }

    fn spawn(&self, name: &str, bind: &str, join: Option<&str>) -> io::Result<Child> {
        let log = self.dir().join(format!("{name}.log"));
        let log = File::options().create(true).append(true).open(log)?;
        let mut command = Command::new(&self.program);
        command.args(["agent", "--name", name, "--bind", bind]);
        command.args(["--profile", self.profile.as_str(), "--cluster", "demo"]);
        command.arg("--socket").arg(self.socket(name));
        command.arg("--data-dir").arg(self.dir().join(name));
        if let Some(seed) = join {
            command.args(["--join", seed]);
        }
        if !self.outlives_us {
            command.args(["--exit-with-parent", &std::process::id().to_string()]);
        }
        for variable in &self.foreign {
            command.env_remove(variable);
        }
        command
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log);
        // A Ctrl-C at the terminal is for us; what becomes of the agents is ours to decide.
        command.process_group(0).spawn()
    }
}

impl Drop for Process {
    /// It may have ended by itself, which is as good.
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
