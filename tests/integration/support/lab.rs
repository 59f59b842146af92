//! `Lab`: one test's own temporary directory and loopback subnet, and commands run in it.

use std::{
    ffi::OsStr,
    fmt::Display,
    fs,
    io::Write,
    net::{Ipv4Addr, SocketAddr, UdpSocket},
    os::unix::process::ExitStatusExt,
    path::Path,
    process::{Child, Command, ExitStatus, Stdio},
    sync::atomic::{AtomicU8, Ordering},
};

use rustix::process::{Pid, Signal, kill_process};
use tempfile::{NamedTempFile, TempDir};

use super::{Agent, Launch, until};

/// One test's own corner of the machine. Every agent has an address of its own in it, so that a
/// restarted one never finds its port taken by a neighbour.
pub(crate) struct Lab {
    dir: TempDir,
    subnet: [u8; 3],
    hosts: AtomicU8,
}

impl Lab {
    pub(crate) fn new() -> Self {
        static LABS: AtomicU8 = AtomicU8::new(0);
        let process = u8::try_from(std::process::id() % 200).expect("below 200");
        Self {
            dir: tempfile::Builder::new()
                .prefix("hc-")
                .tempdir()
                .expect("a temporary directory"),
            subnet: [127, 10 + process, LABS.fetch_add(1, Ordering::Relaxed)],
            hosts: AtomicU8::new(1),
        }
    }

    pub(crate) fn dir(&self) -> &Path {
        self.dir.path()
    }

    /// A loopback address that no other agent uses.
    pub(crate) fn host(&self) -> Ipv4Addr {
        let [a, b, c] = self.subnet;
        Ipv4Addr::new(a, b, c, self.hosts.fetch_add(1, Ordering::Relaxed))
    }

    /// An address with a port that is free now and that nobody else will be given.
    pub(crate) fn reserve(&self) -> SocketAddr {
        let socket = UdpSocket::bind((self.host(), 0)).expect("a free port");
        socket.local_addr().expect("a bound socket")
    }

    /// An agent to be started, called `name`.
    pub(crate) fn agent(&self, name: &str) -> Launch {
        Launch::new(self.dir(), name, format!("{}:0", self.host()))
    }

    /// `size` agents `n1`, `n2`, … joined through the first, which all know of each other.
    pub(crate) fn cluster(&self, size: usize) -> Vec<Agent> {
        let mut agents = vec![self.agent("n1").start()];
        let seed = agents[0].address();
        agents.extend((2..=size).map(|n| self.agent(&format!("n{n}")).join(seed).start()));
        await_members(&agents, "alive", size);
        agents
    }
}

/// The program, with nothing of our environment that could configure it.
pub(crate) fn headcount() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_headcount"));
    clean(&mut command);
    command
}

/// Takes away what could configure the program.
pub(crate) fn clean(command: &mut Command) {
    for (key, _) in std::env::vars_os() {
        if key.to_string_lossy().starts_with("HEADCOUNT_") {
            command.env_remove(key);
        }
    }
    let others = [
        "NOTIFY_SOCKET",
        "WATCHDOG_USEC",
        "WATCHDOG_PID",
        "LISTEN_FDS",
    ];
    for key in ["RUST_LOG", "NO_COLOR", "CLICOLOR_FORCE"]
        .iter()
        .chain(&others)
    {
        command.env_remove(key);
    }
    command.stdin(Stdio::null());
}

/// Whether the machine has `program`; says loudly what that means if it has not.
pub(crate) fn have(program: &str, without: &str) -> bool {
    let found = Command::new(program).arg("--version").output().is_ok();
    if !found {
        skipped(format_args!("{program} is not installed, {without}"));
    }
    found
}

/// Says that a test did not test, and why.
pub(crate) fn skipped(why: impl Display) {
    let line = format!("skipped: {why}\n");
    // Around the test harness, which would keep it for itself.
    let said = std::io::stderr().write_all(line.as_bytes());
    said.expect("stderr");
}

/// How a command ended.
#[derive(Debug)]
pub(crate) struct Finished {
    pub(crate) status: ExitStatus,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Finished {
    /// The exit code, or the negated signal.
    pub(crate) fn code(&self) -> i32 {
        self.status
            .code()
            .unwrap_or_else(|| -self.status.signal().unwrap_or(0))
    }

    /// Checks the exit code and that stderr names each of `words`.
    #[track_caller]
    pub(crate) fn refused(&self, code: i32, words: &[&str]) {
        assert_eq!(self.code(), code, "{self:#?}");
        for word in words {
            assert!(self.stderr.contains(word), "no {word:?} in {self:#?}");
        }
        assert!(!self.stderr.contains("panicked"), "{self:#?}");
    }
}

/// Runs `headcount` with `args` to its end.
///
/// # Panics
/// When it does not end in time.
pub(crate) fn run<S: AsRef<OsStr>>(args: impl IntoIterator<Item = S>) -> Finished {
    let mut command = headcount();
    command.args(args);
    finish(&mut command)
}

/// Runs `command` to its end, its output kept in files so that no pipe can fill.
pub(crate) fn finish(command: &mut Command) -> Finished {
    let [out, err] = [(); 2].map(|()| NamedTempFile::with_prefix("hc-").expect("a file"));
    command.stdout(out.reopen().expect("a second handle"));
    command.stderr(err.reopen().expect("a second handle"));
    let mut running = Running::start(command);
    Finished {
        status: running.end(),
        stdout: fs::read_to_string(out).expect("text"),
        stderr: fs::read_to_string(err).expect("text"),
    }
}

/// A process that is killed when dropped, so that no failed test leaves it behind.
#[derive(Debug)]
pub(crate) struct Running {
    pub(crate) child: Child,
    what: String,
}

impl Running {
    pub(crate) fn start(command: &mut Command) -> Self {
        Self {
            child: command.spawn().expect("the program starts"),
            what: format!("{command:?} ends"),
        }
    }

    /// Waits until it ends by itself.
    pub(crate) fn end(&mut self) -> ExitStatus {
        let Self { child, what } = self;
        until(what, || child.try_wait().expect("our child"))
    }

    pub(crate) fn signal(&self, kind: Signal) {
        signal(self.child.id(), kind);
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended already, which is what we want.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Sends `signal` to a process of ours. One that is to stop has stopped afterwards, with all its
/// threads: the kernel stops them one after the other.
pub(crate) fn signal(pid: u32, signal: Signal) {
    let number = i32::try_from(pid).ok().and_then(Pid::from_raw);
    kill_process(number.expect("a process id"), signal).expect("it runs");
    if signal == Signal::STOP {
        until("all threads stop", || all_stopped(pid).then_some(()));
    }
}

fn all_stopped(pid: u32) -> bool {
    let threads = fs::read_dir(format!("/proc/{pid}/task")).expect("it runs");
    let mut threads = threads.map(|thread| thread.expect("readable").path().join("stat"));
    threads.all(|stat| {
        let stat = fs::read_to_string(stat).unwrap_or_default();
        let state = stat.rsplit(") ").next();
        state.is_some_and(|state| state.starts_with('T'))
    })
}

/// Waits until each of `agents` lists exactly `count` members in `state`.
pub(crate) fn await_members(agents: &[Agent], state: &str, count: usize) {
    for agent in agents {
        let what = format!("{count} {state} at {}", agent.name());
        until(&what, || (agent.count(state) == count).then_some(()));
    }
}
