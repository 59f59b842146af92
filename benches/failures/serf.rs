//! The same blows, and events, to Debian's `serf`, where it is installed.
//!
//! What its consumers are told is read off its log: the line `agent: Received event` is written
//! when an event goes to the event stream, after the agent has coalesced member events.

use std::{
    io::{BufRead, BufReader, Read},
    net::Ipv4Addr,
    process::{Command, Stdio},
    sync::{Arc, Mutex},
    thread,
    time::Duration,
};

use rand::{RngExt, SeedableRng};
use rand_xoshiro::Xoshiro256PlusPlus;
use rustix::process::Signal;

use super::AGENTS;
use crate::support::{Lab, Running, Stopwatch, pause, until};

/// Line by line, with the time at which it was read.
type Lines = Arc<Mutex<Vec<(Stopwatch, String)>>>;

struct Agent {
    host: Ipv4Addr,
    process: Running,
    lines: Lines,
}

/// A cluster of it, each with a consumer.
pub(crate) struct Serf {
    agents: Vec<Agent>,
    dice: Xoshiro256PlusPlus,
}

impl Serf {
    /// So many blows, one after the other; none where it is not installed.
    pub(crate) fn measure(repeats: usize, blow: fn(&mut Self) -> Duration) -> Vec<Duration> {
        let version = Command::new("serf").arg("version").output();
        if !version.is_ok_and(|output| output.status.success()) {
            return Vec::new();
        }
        let mut serf = Self::start();
        let each = (0..repeats).map(|_| {
            let breath = serf.dice.random_range(1_000..2_000);
            pause(Duration::from_millis(breath));
            blow(&mut serf)
        });
        each.collect()
    }

    fn start() -> Self {
        let lab = Lab::new();
        let seed = lab.host();
        let mut serf = Self {
            agents: vec![Agent::start(seed, seed)],
            dice: Xoshiro256PlusPlus::seed_from_u64(1),
        };
        for _ in 1..AGENTS {
            serf.agents.push(Agent::start(lab.host(), seed));
        }
        serf.await_all();
        serf
    }

    fn await_all(&self) {
        for agent in &self.agents {
            let all = self.agents.len();
            until("serf lists all", || (agent.alive() == all).then_some(()));
        }
    }

    pub(crate) fn kill_one(&mut self) -> Duration {
        self.strike("member-failed", |process| process.signal(Signal::KILL))
    }

    pub(crate) fn leave_one(&mut self) -> Duration {
        self.strike("member-leave", |process| process.signal(Signal::INT))
    }

    /// A user event: the last consumer was told, the sender's own included.
    pub(crate) fn raise_one(&mut self) -> Duration {
        let sender = self.dice.random_range(0..self.agents.len());
        let mut command = Command::new("serf");
        command.args(["event", "-coalesce=false"]);
        command.arg(format!("-rpc-addr={}:7373", self.agents[sender].host));
        command.args(["deploy", "0123456789abcdef"]);
        let asked = Stopwatch::start();
        assert!(command.output().expect("it starts").status.success());
        let agents = self.agents.iter();
        let told = agents.map(|agent| agent.await_event("user-event: deploy", asked));
        let known = told.map(|at| asked.until(at)).max();
        known.expect("there are agents")
    }

    fn strike(&mut self, event: &str, blow: fn(&Running)) -> Duration {
        let victim = self.dice.random_range(1..self.agents.len());
        let mut victim = self.agents.remove(victim);
        let struck = Stopwatch::start();
        blow(&victim.process);
        let told = self
            .agents
            .iter()
            .map(|agent| agent.await_event(event, struck));
        let known = told.map(|at| struck.until(at)).max();
        victim.process.end();
        let seed = self.agents[0].host;
        self.agents.push(Agent::start(victim.host, seed));
        self.await_all();
        known.expect("somebody is left to be told")
    }
}

impl Agent {
    fn start(host: Ipv4Addr, seed: Ipv4Addr) -> Self {
        let mut command = Command::new("serf");
        command.args(["agent", "-log-level=info", "-profile=lan"]);
        command.arg(format!("-node={host}"));
        command.arg(format!("-bind={host}:7946"));
        command.arg(format!("-rpc-addr={host}:7373"));
        if host != seed {
            command.arg(format!("-retry-join={seed}:7946"));
            command.arg("-retry-interval=1s");
        }
        command.stdin(Stdio::null());
        let mut process = Running::start(command.stdout(Stdio::piped()).stderr(Stdio::piped()));
        let lines = Lines::default();
        if let Some(pipe) = process.child.stdout.take() {
            read(pipe, Arc::clone(&lines));
        }
        if let Some(pipe) = process.child.stderr.take() {
            read(pipe, Arc::clone(&lines));
        }
        let agent = Self {
            host,
            process,
            lines,
        };
        until("serf answers", || (agent.alive() > 0).then_some(()));
        agent
    }

    fn alive(&self) -> usize {
        let mut command = Command::new("serf");
        command.args(["members", "-status=alive"]);
        command.arg(format!("-rpc-addr={}:7373", self.host));
        let output = command.output().expect("it starts");
        String::from_utf8_lossy(&output.stdout).lines().count()
    }

    /// When it first told `event` after `since`.
    fn await_event(&self, event: &str, since: Stopwatch) -> Stopwatch {
        until(event, || {
            let lines = self.lines.lock().expect("no panic");
            let mut told = lines.iter().filter(|(at, line)| {
                *at > since && line.contains("agent: Received event") && line.contains(event)
            });
            told.next().map(|(at, _)| *at)
        })
    }
}

fn read(pipe: impl Read + Send + 'static, lines: Lines) {
    thread::spawn(move || {
        for line in BufReader::new(pipe).lines().map_while(Result::ok) {
            let at = Stopwatch::start();
            lines.lock().expect("no panic").push((at, line));
        }
    });
}
