//! How soon the last consumer of 25 real agents hears a user event: profile lan, on loopback, from
//! before the request is sent until the line is read: `cargo bench --bench events [-- N]`, by
//! default 200 events of each size. `headcount bench` has the smallest size, beside Serf's.
//!
//! `benches/README.md` has the numbers. Exit code 1 when the wanted one is missed.

#[expect(
    dead_code,
    unused_imports,
    reason = "the rest is the integration tests'"
)]
#[path = "../../tests/integration/support/mod.rs"]
mod support;

use std::{fs, process::ExitCode, time::Duration};

use rand::{RngExt, SeedableRng};
use rand_xoshiro::Xoshiro256PlusPlus;
use serde_json::json;

use support::{Lab, Stopwatch, Watched, pause};

/// As in Serf's measurements.
const AGENTS: usize = 25;
/// So many events of each size.
const REPEATS: usize = 200;
/// The last consumer has it by then in 99 of 100 cases.
const WANTED: Duration = Duration::from_millis(50);
const SIZES: [usize; 2] = [16, 1_000];

#[expect(clippy::print_stdout, reason = "a bench prints its results")]
fn main() -> ExitCode {
    let mut numbers = std::env::args().filter_map(|arg| arg.parse::<usize>().ok());
    let repeats = numbers.next().unwrap_or(REPEATS).max(1);
    println!("{AGENTS} agents, load {}\n", load());
    println!("| payload, bytes | events | p50, p99, max, ms | wanted p99 | |");
    println!("|---|---:|---:|---:|---|");
    let lab = Lab::new();
    let watched = Watched::new(lab.cluster(AGENTS));
    let mut missed = false;
    for size in SIZES {
        let times = sorted(raise(&watched, size, repeats));
        let holds = quantile(&times, 99) <= WANTED;
        let verdict = if holds { "OK" } else { "MISSED" };
        println!(
            "| {size} | {repeats} | {} | {} | {verdict} |",
            spread(&times),
            WANTED.as_millis()
        );
        missed |= !holds;
    }
    println!("\nload {} at the end", load());
    ExitCode::from(u8::from(missed))
}

/// Raises events at random agents, one after the other: from each request until the last consumer
/// read it.
fn raise(watched: &Watched, size: usize, repeats: usize) -> Vec<Duration> {
    let mut dice = Xoshiro256PlusPlus::seed_from_u64(1);
    let each = (0..repeats).map(|number| {
        pause(Duration::from_millis(dice.random_range(50..150)));
        let sender = &watched.agents[dice.random_range(0..watched.agents.len())];
        let payload = format!("{number:0size$}");
        let body = json!({"name": "deploy", "payload": payload}).to_string();
        let asked = Stopwatch::start();
        let answer = sender.request("POST", "/v1/events", &body);
        assert_eq!(answer.status, 202, "{}", answer.text());
        let watches = watched.watches.iter();
        let told = watches.map(|watch| watch.wait_received("user", sender.name(), asked));
        let last = told.map(|at| asked.until(at)).max();
        last.expect("there are consumers")
    });
    each.collect()
}

fn sorted(mut times: Vec<Duration>) -> Vec<Duration> {
    times.sort();
    times
}

/// The least time that so many of a hundred are not above.
fn quantile(sorted: &[Duration], hundredths: usize) -> Duration {
    let rank = (sorted.len() * hundredths).div_ceil(100);
    sorted[rank.saturating_sub(1)]
}

fn spread(sorted: &[Duration]) -> String {
    let shown = [50, 99, 100].map(|hundredths| quantile(sorted, hundredths).as_secs_f64() * 1e3);
    let [median, most, max] = shown;
    format!("**{median:.1}**, {most:.1}, {max:.1}")
}

/// The machine's load averages, which say whether it had something else to do.
fn load() -> String {
    let text = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    text.split(' ').take(3).collect::<Vec<_>>().join(" ")
}
