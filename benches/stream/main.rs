//! How soon subscribers of a real agent have the line, and whether they have every line:
//! `cargo bench --bench stream [-- SECONDS] [NAME…]`, by default 10 s of each.
//!
//! `benches/README.md` has the numbers. Exit code 1 when a wanted number is missed.

#[path = "../arguments/mod.rs"]
mod arguments;
mod changes;
mod peer;
mod readers;
mod serf;
mod slow;
#[expect(
    dead_code,
    unused_imports,
    reason = "the rest is the integration tests'"
)]
#[path = "../../tests/integration/support/mod.rs"]
mod support;
mod times;

use std::{fs, process::ExitCode, time::Duration};

use arguments::Arguments;
use changes::Pace;
use readers::Readers;
use support::Lab;
use times::Times;

/// Of each measurement.
const SECONDS: u32 = 10;
/// Runs with and without a stuck subscriber.
const RUNS: usize = 3;

/// Its name, and how to measure it for so long: whether what was wanted is so.
type Figure = (&'static str, fn(u32) -> bool);

const FIGURES: [Figure; 5] = [
    ("news", news),
    ("many", many),
    ("crowd", crowd),
    ("stuck", stuck),
    ("slow", slow::measure),
];

#[expect(clippy::print_stdout, reason = "a bench prints its results")]
fn main() -> ExitCode {
    let arguments = Arguments::read("figure", &FIGURES.map(|(name, _)| name));
    let seconds = arguments.number(0).map_or(Ok(SECONDS), u32::try_from);
    let seconds = seconds.expect("a number of seconds").max(1);
    println!("load {}\n", load());
    println!("| what | lines | to the last subscriber: p50, p99, max, ms | wanted | |");
    println!("|---|---:|---:|---|---|");
    let mut holds = true;
    for (name, measure) in FIGURES {
        if arguments.wants(name) {
            holds &= measure(seconds);
        }
    }
    println!("\nload {} at the end", load());
    ExitCode::from(u8::from(!holds))
}

fn load() -> String {
    let text = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    text.split(' ').take(3).collect::<Vec<_>>().join(" ")
}

/// Prints a line of the table; gives whether what was wanted is so.
#[expect(clippy::print_stdout, reason = "a bench prints its results")]
fn row(what: &str, lines: usize, times: &Times, (wanted, holds): (&str, bool)) -> bool {
    let verdict = if holds { "OK" } else { "MISSED" };
    println!("| {what} | {lines} | {times} | {wanted} | {verdict} |");
    holds
}

/// From the datagram that carries the news to the last of 100 subscribers having the line.
fn news(seconds: u32) -> bool {
    const SUBSCRIBERS: usize = 100;
    let lab = Lab::new();
    let agent = lab.agent("n1").start();
    let mut peer = peer::Peer::join((lab.host(), 7946).into(), agent.address());
    let readers = Readers::open(&agent.socket(), SUBSCRIBERS);
    let sent = peer.tell(
        Duration::from_secs(seconds.into()),
        Duration::from_millis(20),
    );
    let heard = readers.close(sent.len());
    let times = heard.times(&sent);
    let is_soon =
        times.at(500) <= Duration::from_millis(1) && times.at(990) <= Duration::from_millis(5);
    let wanted = ("p50 1 ms, p99 5 ms", is_soon && heard.lost == 0);
    row("datagram → last of 100", heard.lines, &times, wanted)
}

fn many(seconds: u32) -> bool {
    sustained("100 subscribers × 200 changes/s", 100, 200, seconds)
}

fn crowd(seconds: u32) -> bool {
    sustained("1,000 subscribers × 20 changes/s", 1_000, 20, seconds)
}

/// Whether so many subscribers get every change at this rate.
fn sustained(what: &str, subscribers: usize, per_second: u32, seconds: u32) -> bool {
    let lab = Lab::new();
    let agent = lab.agent("n1").start();
    let pace = Pace {
        per_second,
        changes: per_second * seconds,
    };
    let (times, lines, lost) = run(&agent, subscribers, pace);
    let expected = subscribers * pace.changes as usize;
    let wanted = format!("{expected} lines, none lost; {lost} lost");
    row(
        what,
        lines,
        &times,
        (&wanted, lost == 0 && lines == expected),
    )
}

fn run(agent: &support::Agent, subscribers: usize, pace: Pace) -> (Times, usize, usize) {
    let readers = Readers::open(&agent.socket(), subscribers);
    let sent = changes::make(agent, pace);
    let heard = readers.close(sent.len());
    (heard.times(&sent), heard.lines, heard.lost)
}

/// What a subscriber that reads nothing does to 100 others.
fn stuck(seconds: u32) -> bool {
    let lab = Lab::new();
    let agent = lab.agent("n1").start();
    let pace = Pace {
        per_second: 200,
        changes: 200 * seconds,
    };
    // In turn, so that whatever else the machine does meets both.
    let (mut alone, mut beside) = (Vec::new(), Vec::new());
    for _ in 0..RUNS {
        alone.push(run(&agent, 100, pace));
        let sleeper = slow::Sleeper::open(&agent);
        beside.push(run(&agent, 100, pace));
        drop(sleeper);
    }
    let p99s = |runs: &[(Times, usize, usize)]| {
        let mut p99s: Vec<_> = runs.iter().map(|(times, ..)| times.at(990)).collect();
        p99s.sort();
        p99s
    };
    let (alone, beside_p99s) = (p99s(&alone), p99s(&beside));
    let (median, most) = (beside_p99s[RUNS / 2], alone[RUNS - 1]);
    let spread = format!(
        "p99 without it {:.2?} to {most:.2?}, with it {beside_p99s:.2?}",
        alone[0]
    );
    let (times, lines, lost) = &beside[0];
    let holds = median <= most && *lost == 0;
    row(
        "the same 100 beside one that is stuck",
        *lines,
        times,
        (&spread, holds),
    )
}
