//! What strangers and sealing cost an agent: `cargo bench --bench flood [-- SECONDS] [NAME…]`, by
//! default 10 s of each.
//!
//! `junk` floods one of three sealed agents with 200,000 datagrams a second that it must look at,
//! and counts the probes that anybody lost; `sealing` is the CPU time of 16 agents with nothing to
//! do, in plain text and with a key. Exit code 1 when a wanted number is missed.

#[path = "../arguments/mod.rs"]
mod arguments;
#[expect(
    dead_code,
    unused_imports,
    reason = "the rest is the integration tests'"
)]
#[path = "../../tests/integration/support/mod.rs"]
mod support;

use std::{
    fs, net::UdpSocket, os::unix::fs::PermissionsExt, path::PathBuf, process::ExitCode,
    time::Duration,
};

use arguments::Arguments;
use support::{Agent, Lab, Launch, Stopwatch, await_members, draws, pause, run};

/// Of each measurement.
const SECONDS: u64 = 10;
/// Datagrams in a second, and how many are sent at once.
const RATE: u64 = 200_000;
const BURST: usize = 100;
/// Agents whose CPU time is compared.
const AGENTS: usize = 16;

const SETTLED: Duration = Duration::from_secs(10);

/// Its name, and how to measure it for so long: whether what was wanted is so.
type Figure = (&'static str, fn(u64) -> bool);

const FIGURES: [Figure; 2] = [("junk", junk), ("sealing", sealing)];

#[expect(clippy::print_stdout, reason = "a bench prints its results")]
fn main() -> ExitCode {
    let arguments = Arguments::read("figure", &FIGURES.map(|(name, _)| name));
    let seconds = arguments.number(0).unwrap_or(SECONDS).max(1);
    println!("| what | measured | wanted | |");
    println!("|---|---|---|---|");
    let mut holds = true;
    for (name, measure) in FIGURES {
        if arguments.wants(name) {
            holds &= measure(seconds);
        }
    }
    ExitCode::from(u8::from(!holds))
}

/// Prints a line of the table; gives whether what was wanted is so.
#[expect(clippy::print_stdout, reason = "a bench prints its results")]
fn row(what: &str, measured: &str, (wanted, holds): (&str, bool)) -> bool {
    let verdict = if holds { "OK" } else { "MISSED" };
    println!("| {what} | {measured} | {wanted} | {verdict} |");
    holds
}

/// A file with a fresh key.
fn key_file(lab: &Lab) -> PathBuf {
    let path = lab.dir().join("key");
    fs::write(&path, run(["keys", "generate"]).stdout).expect("our own folder");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).expect("our own file");
    path
}

/// So many agents that have met, each as `dress` makes it.
fn cluster(lab: &Lab, size: usize, dress: impl Fn(Launch) -> Launch) -> Vec<Agent> {
    let first = dress(lab.agent("n1")).start();
    let seed = first.address();
    let mut agents = vec![first];
    agents.extend((2..=size).map(|n| dress(lab.agent(&format!("n{n}")).join(seed)).start()));
    await_members(&agents, "alive", size);
    agents
}

/// CPU time that an agent's threads took so far.
fn cpu(agent: &Agent) -> Duration {
    let pid = agent.status()["pid"].clone();
    let threads = fs::read_dir(format!("/proc/{pid}/task")).expect("Linux");
    let nanos = threads.flatten().map(|thread| {
        let text = fs::read_to_string(thread.path().join("schedstat")).unwrap_or_default();
        let first = text.split(' ').next();
        first.and_then(|nanos| nanos.parse().ok()).unwrap_or(0)
    });
    Duration::from_nanos(nanos.sum())
}

fn total(agents: &[Agent], metric: &str) -> f64 {
    agents.iter().map(|agent| agent.metric(metric)).sum()
}

fn junk(seconds: u64) -> bool {
    let lab = Lab::new();
    let file = key_file(&lab).display().to_string();
    let agents = cluster(&lab, 3, |agent| agent.args(["--key-file", &file]));
    let id = agents[0].status()["key"]
        .as_str()
        .expect("an id")
        .to_owned();
    let id = u64::from_str_radix(&id, 16).expect("hexadecimal");
    let mut dice = draws(1).flat_map(u64::to_le_bytes);
    let mut noise = || dice.by_ref().take(120).collect::<Vec<u8>>();
    let foreign: Vec<_> = (0..64).map(|_| noise()).collect();
    let forged: Vec<_> = (0..64).map(|_| [head(id), noise()].concat()).collect();
    let mut holds = true;
    for (what, datagrams) in [("foreign", foreign), ("forged, each a decryption", forged)] {
        holds &= flood(&agents, what, &datagrams, seconds);
    }
    holds
}

/// What a datagram of foca's begins with that is sealed with this key.
fn head(mut key: u64) -> Vec<u8> {
    let mut head = vec![0xC7, 1, 5];
    while key > 0x7F {
        head.push(0x80 | u8::try_from(key & 0x7F).expect("seven bits"));
        key >>= 7;
    }
    head.push(u8::try_from(key).expect("seven bits"));
    head
}

fn flood(agents: &[Agent], what: &str, datagrams: &[Vec<u8>], seconds: u64) -> bool {
    let failed = || total(agents, "headcount_probes_failed_total");
    let seen = || agents[0].metric("headcount_datagrams_total{direction=\"received\"}");
    let (failed_before, seen_before, cpu_before) = (failed(), seen(), cpu(&agents[0]));
    let watch = Stopwatch::start();
    let sent = send(&agents[0], datagrams, seconds);
    let took = watch.elapsed().as_secs_f64();
    let (seen, failed) = (seen() - seen_before, failed() - failed_before);
    let busy = (cpu(&agents[0]) - cpu_before).as_secs_f64() / took;
    let measured = format!(
        "{:.0}/s sent, {:.0}/s looked at, {:.0} % of a core, {failed} probes lost",
        sent as f64 / took,
        seen / took,
        busy * 100.0
    );
    row(
        &format!("junk: {what}"),
        &measured,
        ("no probe lost", failed == 0.0),
    )
}

/// Sends at [`RATE`], or as fast as this machine lets us.
fn send(agent: &Agent, datagrams: &[Vec<u8>], seconds: u64) -> u64 {
    let socket = UdpSocket::bind((agent.address().ip(), 0)).expect("a socket");
    let mut datagrams = datagrams.iter().cycle();
    let watch = Stopwatch::start();
    let mut sent = 0;
    while sent < RATE * seconds && watch.elapsed() < Duration::from_secs(seconds) {
        for datagram in datagrams.by_ref().take(BURST) {
            // A full buffer drops it, as a network would.
            let _ = socket.send_to(datagram, agent.address());
        }
        sent += BURST as u64;
        let due = Duration::from_secs(1).mul_f64(sent as f64 / RATE as f64);
        pause(due.saturating_sub(watch.elapsed()));
    }
    sent
}

fn sealing(seconds: u64) -> bool {
    let measure = |dress: &dyn Fn(&Lab, Launch) -> Launch| {
        let lab = Lab::new();
        let agents = cluster(&lab, AGENTS, |agent| dress(&lab, agent));
        let spent = || agents.iter().map(cpu).sum::<Duration>();
        // What comes of meeting is over then.
        pause(SETTLED);
        let before = spent();
        pause(Duration::from_secs(seconds));
        (spent() - before).as_secs_f64() / seconds as f64
    };
    let plain = measure(&|_, agent| agent);
    let sealed = measure(&|lab, agent| {
        let file = lab.dir().join("key");
        let file = if file.exists() { file } else { key_file(lab) };
        agent.args(["--key-file", &file.display().to_string()])
    });
    let more = (sealed / plain - 1.0) * 100.0;
    let measured = format!(
        "{AGENTS} agents: {:.2} % of a core in plain text, {:.2} % sealed, {more:+.0} %",
        plain * 100.0,
        sealed * 100.0
    );
    row(
        "sealing, at rest",
        &measured,
        ("at most 15 % more", more <= 15.0),
    )
}
