//! `Cluster`: agent processes of our own.

use std::{
    io,
    os::unix::process::CommandExt,
    path::{Path, PathBuf},
    process::{Child, Command},
};

use super::{Failure, processes::Processes};
use crate::{config::Surroundings, swim::Profile};

/// Agents, and the directory that holds all of their files.
#[derive(Debug)]
pub(super) struct Cluster {
    pub(super) processes: Processes,
    program: PathBuf,
    /// Variables that would configure the agents behind our back.
    foreign: Vec<String>,
    outlives_us: bool,
    profile: Profile,
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
        let program = std::env::current_exe()
            .map_err(|error| Failure::trouble(format!("cannot find this program: {error}")))?;
        Ok(Self {
            processes: Processes::new()?,
            program,
            foreign: Surroundings::look().own_variables(),
            outlives_us,
            profile,
        })
    }

    /// Where all files are.
    pub(super) fn dir(&self) -> &Path {
        self.processes.dir()
    }

    /// The socket of the agent called `name`.
    pub(super) fn socket(&self, name: &str) -> PathBuf {
        socket(self.dir(), name)
    }

    /// Starts an agent on this very host; gives its process id.
    pub(super) fn start(
        &mut self,
        name: &str,
        bind: &str,
        join: Option<&str>,
    ) -> Result<u32, Failure> {
        self.start_by(|mut command| command.spawn(), name, bind, join)
    }

    /// Starts an agent by `spawn`; gives its process id.
    pub(super) fn start_by(
        &mut self,
        spawn: impl FnOnce(Command) -> io::Result<Child>,
        name: &str,
        bind: &str,
        join: Option<&str>,
    ) -> Result<u32, Failure> {
        let command = self.command(name, bind, join);
        self.processes.start(name, command, spawn)
    }

    /// Lets the agents go on without us.
    pub(super) fn keep(self) -> Kept {
        let (kept, dir) = self.processes.keep();
        let socket = |(name, _): &(String, u32)| socket(&dir, name).display().to_string();
        Kept {
            program: self.program.display().to_string(),
            sockets: kept.iter().map(socket).collect(),
            pids: kept.iter().map(|(_, id)| id.to_string()).collect(),
            dir: dir.display().to_string(),
        }
    }

    fn command(&self, name: &str, bind: &str, join: Option<&str>) -> Command {
        let mut command = Command::new(&self.program);
        command.args(["agent", "--name", name, "--bind", bind, "--insecure"]);
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
        // A Ctrl-C at the terminal is for us; what becomes of the agents is ours to decide.
        command.process_group(0);
        command
    }
}

fn socket(dir: &Path, name: &str) -> PathBuf {
    dir.join(format!("{name}.sock"))
}
