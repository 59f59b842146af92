//! The application as a child of the agent: `headcount agent … -- COMMAND…`.
//!
//! Signals go to the child first, and the agent leaves when it has ended. As with systemd's
//! `KillMode=mixed`, only the child itself is asked to end, and what is left of its process group
//! is killed. The group is its own, so that Ctrl-C on a terminal reaches it once, through us. That
//! puts it in the terminal's background, where the kernel stops whoever reads: it is given nothing
//! to read instead. A child outlives an agent that is killed by SIGKILL: nothing safe could tie the
//! two together.

use std::{
    ffi::OsString,
    fmt,
    future::poll_fn,
    io::{self, IsTerminal},
    os::unix::process::ExitStatusExt,
    pin::pin,
    process::{ExitStatus, Stdio},
    sync::Arc,
    task::Poll,
    time::Duration,
};

use rustix::process::{Pid, Signal, kill_process, kill_process_group};
use tokio::{
    process,
    signal::unix::{self, SignalKind},
    sync::mpsc,
    task::JoinHandle,
};
use tracing::{info, warn};

use super::{
    Error,
    app::{Claim, Sign},
    program,
    shared::{Command, Facts, Shared},
};
use crate::swim::{AppStatus, Timestamp};

/// How long a child may take to end once it was asked to, as Docker has it.
const PATIENCE: Duration = Duration::from_secs(10);
/// What a process that was killed by a signal adds to its number, as shells have it.
const KILLED: i32 = 128;

/// Signals that are passed on.
const PASSED_ON: [Signal; 6] = [
    Signal::TERM,
    Signal::INT,
    Signal::HUP,
    Signal::QUIT,
    Signal::USR1,
    Signal::USR2,
];

/// A program to run as the application.
#[derive(Debug)]
pub(super) struct Program {
    /// The program and its arguments.
    command: Vec<OsString>,
    /// The first message makes the agent leave, the second ends it at once.
    shutdown: mpsc::Sender<()>,
}

/// How an application ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// By itself, with this status.
    Exited(i32),
    /// By this signal.
    Killed(i32),
}

/// What became of the application.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    /// It ended, and the agent left after it.
    Ended(End),
    /// The agent ended first, and had it end.
    Outlived,
}

impl End {
    fn of(status: ExitStatus) -> Self {
        match status.signal() {
            Some(signal) => Self::Killed(signal),
            None => Self::Exited(status.code().unwrap_or_default()),
        }
    }

    /// The code that a process ends with which passes this end on.
    pub fn code(self) -> u8 {
        let code = match self {
            Self::Exited(status) => status,
            Self::Killed(signal) => KILLED + signal,
        };
        u8::try_from(code).unwrap_or(u8::MAX)
    }
}

impl fmt::Display for End {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exited(status) => write!(formatter, "exited with status {status}"),
            Self::Killed(signal) => write!(formatter, "killed by signal {signal}"),
        }
    }
}

impl Program {
    /// `command` begins with the program.
    pub(super) const fn new(command: Vec<OsString>, shutdown: mpsc::Sender<()>) -> Self {
        Self { command, shutdown }
    }

    /// Starts it and takes care of it until it has ended. Must be called inside a runtime.
    ///
    /// # Errors
    /// [`Error::Command`]. Nothing runs then.
    pub(super) fn start(self, shared: Arc<Shared>) -> Result<JoinHandle<Fate>, Error> {
        let failed = |source| Error::Command {
            command: self.command.first().cloned().unwrap_or_default(),
            source,
        };
        // Before the child: what comes while it starts is not lost.
        let signals = Signals::listen().map_err(failed)?;
        let child = spawn(&self.command, &shared.facts).map_err(failed)?;
        let pid = program::pid(&child).ok_or_else(|| failed(io::ErrorKind::NotFound.into()))?;
        info!(command = ?self.command, pid = pid.as_raw_nonzero(), "started the application");
        let keeper = Keeper {
            child,
            pid,
            signals,
            shared,
            was_asked: false,
            kill_at: None,
        };
        Ok(tokio::spawn(keeper.run(self.shutdown)))
    }
}

fn spawn(command: &[OsString], facts: &Facts) -> io::Result<process::Child> {
    let (program, args) = command.split_first().ok_or(io::ErrorKind::InvalidInput)?;
    let mut command = program::command(program.as_ref(), facts);
    if io::stdin().is_terminal() {
        command.stdin(Stdio::null());
    }
    program::spawn(command.args(args).kill_on_drop(true))
}

/// Takes care of a child.
#[derive(Debug)]
struct Keeper {
    child: process::Child,
    pid: Pid,
    signals: Signals,
    shared: Arc<Shared>,
    /// A signal to end came.
    was_asked: bool,
    /// When its time to end is over, once it was asked to.
    kill_at: Option<Timestamp>,
}

impl Keeper {
    async fn run(mut self, shutdown: mpsc::Sender<()>) -> Fate {
        let lives = Claim::shown_by(Sign::Process(self.pid));
        // Only an agent that has ended hears nothing, and that is noticed below.
        let _ = self.shared.claim(lives).await;
        let fate = match self.outlast_agent().await {
            Some(status) => {
                let end = self.ended(status);
                self.part(&end.to_string()).await;
                Fate::Ended(end)
            }
            None => {
                self.end_after_agent().await;
                Fate::Outlived
            }
        };
        tokio::spawn(self.signals.shut_down(shutdown, self.was_asked));
        fate
    }

    /// Passes signals on until the child has ended; `None` when the agent has.
    async fn outlast_agent(&mut self) -> Option<io::Result<ExitStatus>> {
        let shared = self.shared.clone();
        let mut agent = pin!(shared.ended());
        loop {
            tokio::select! {
                status = self.child.wait() => return Some(status),
                signal = self.signals.next() => self.pass_on(signal),
                () = shared.clock.reach(self.kill_at) => self.kill(),
                () = agent.as_mut() => return None,
            }
        }
    }

    /// The agent left on another's word.
    async fn end_after_agent(&mut self) {
        self.ask(Signal::TERM);
        let clock = self.shared.clock;
        let status = loop {
            tokio::select! {
                status = self.child.wait() => break status,
                signal = self.signals.next() => self.pass_on(signal),
                () = clock.reach(self.kill_at) => self.kill(),
            }
        };
        self.ended(status);
    }

    fn pass_on(&mut self, signal: Signal) {
        if !asks_for_end(signal) {
            return self.send(signal);
        }
        self.was_asked = true;
        match self.kill_at {
            Some(_) => self.kill(),
            None => self.ask(signal),
        }
    }

    /// Asks it to end in time. One that was stopped hears of it only when it goes on.
    fn ask(&mut self, signal: Signal) {
        self.kill_at = Some(self.shared.clock.now() + PATIENCE);
        self.send(signal);
        let _ = kill_process(self.pid, Signal::CONT);
    }

    fn send(&self, signal: Signal) {
        info!(signal = signal.as_raw(), "passing a signal on");
        // It is our child and not waited for yet: nobody else can have its number.
        if let Err(error) = kill_process(self.pid, signal) {
            warn!(%error, "cannot signal the application");
        }
    }

    /// Ends all of its group, in which there may be nobody.
    fn kill(&mut self) {
        self.kill_at = None;
        let _ = kill_process_group(self.pid, Signal::KILL);
    }

    /// It has ended. Whoever is left of its group has nobody to answer to.
    fn ended(&mut self, status: io::Result<ExitStatus>) -> End {
        self.kill();
        let end = status.map_or_else(
            |error| {
                warn!(%error, "cannot wait for the application");
                End::Exited(i32::from(u8::MAX))
            },
            End::of,
        );
        match end {
            End::Exited(_) => info!("the application {end}"),
            End::Killed(_) => info!("the application was {end}"),
        }
        end
    }

    /// Tells everybody that it died, and has the agent leave.
    async fn part(&self, reason: &str) {
        let died = Claim::word(AppStatus::down(reason));
        // Only an agent that has ended hears nothing, and that one needs no telling.
        let _ = self.shared.claim(died).await;
        let leave = Command::Leave {
            reason: reason.into(),
            restart_in: self.restart_in(),
        };
        let _ = self.shared.commands.send(leave).await;
    }

    /// A signal announces a restart if that was configured; an application that ends by itself
    /// announces none.
    fn restart_in(&self) -> Option<Duration> {
        self.shared.facts.restart_eta.filter(|_| self.was_asked)
    }
}

fn asks_for_end(signal: Signal) -> bool {
    matches!(signal, Signal::TERM | Signal::INT)
}

/// The signals that are passed on, as they come.
#[derive(Debug)]
struct Signals(Vec<(Signal, unix::Signal)>);

impl Signals {
    fn listen() -> io::Result<Self> {
        let listen = |kind: Signal| Ok((kind, unix::signal(SignalKind::from_raw(kind.as_raw()))?));
        PASSED_ON
            .into_iter()
            .map(listen)
            .collect::<io::Result<_>>()
            .map(Self)
    }

    async fn next(&mut self) -> Signal {
        poll_fn(|context| {
            let mut came = self
                .0
                .iter_mut()
                .filter_map(|(kind, signal)| signal.poll_recv(context).is_ready().then_some(*kind));
            came.next().map_or(Poll::Pending, Poll::Ready)
        })
        .await
    }

    /// There is nobody left to pass them on to: they are for the agent. If the child `was_asked`
    /// to end by one, the next is the second.
    async fn shut_down(mut self, shutdown: mpsc::Sender<()>, was_asked: bool) {
        let asks = if was_asked { 2 } else { 1 };
        loop {
            if !asks_for_end(self.next().await) {
                continue;
            }
            for _ in 0..asks {
                if shutdown.send(()).await.is_err() {
                    return;
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::agent::fuzzing;

    /// What the application's end announces after `signal`, if one came.
    async fn announced(command: &[&str], signal: Option<Signal>) -> (End, Option<Duration>) {
        let mut shared = Arc::into_inner(fuzzing::shared()).unwrap();
        shared.facts.restart_eta = Some(Duration::from_secs(60));
        let command: Vec<_> = command.iter().map(OsString::from).collect();
        let child = spawn(&command, &shared.facts).unwrap();
        let mut keeper = Keeper {
            pid: program::pid(&child).unwrap(),
            child,
            signals: Signals(Vec::new()),
            shared: shared.into(),
            was_asked: false,
            kill_at: None,
        };
        signal.into_iter().for_each(|signal| keeper.pass_on(signal));
        let status = keeper.outlast_agent().await.unwrap();
        (keeper.ended(status), keeper.restart_in())
    }

    #[tokio::test]
    async fn only_a_signal_to_end_announces_a_restart() {
        let by_itself = announced(&["sh", "-c", "exit 3"], None).await;
        assert_eq!(by_itself, (End::Exited(3), None));
        let sleep = ["sleep", "60"];
        let asked = announced(&sleep, Some(Signal::TERM)).await;
        assert_eq!(asked, (End::Killed(15), Some(Duration::from_secs(60))));
        let other = announced(&sleep, Some(Signal::USR1)).await;
        assert_eq!(other, (End::Killed(10), None));
    }

    #[test]
    fn ends_are_told_and_passed_on_as_shells_do() {
        for (raw, code, text) in [
            (0, 0, "exited with status 0"),
            (3 << 8, 3, "exited with status 3"),
            (9, 137, "killed by signal 9"),
            (15, 143, "killed by signal 15"),
        ] {
            let end = End::of(ExitStatus::from_raw(raw));
            assert_eq!((end.code(), end.to_string().as_str()), (code, text));
        }
    }
}
