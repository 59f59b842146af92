//! What `headcount bench` has not: how soon consumers hear of a host that falls silent and of an
//! application that is killed, and what they are told of several agents that are stopped. 25
//! agents, profile lan, timed at the consumers' sockets. As root, for the silent death:
//! `cargo bench --bench failures [-- N] [NAME…]`, by default 10 of everything, and half as many of
//! what takes half a minute each.
//!
//! `benches/README.md` has the numbers. Exit code 1 when a wanted number is missed.

#[path = "../arguments/mod.rs"]
mod arguments;
mod blows;
mod pauses;
#[expect(
    dead_code,
    unused_imports,
    reason = "the rest is the integration tests'"
)]
#[path = "../../tests/integration/support/mod.rs"]
mod support;
mod table;

use std::{process::ExitCode, time::Duration};

use arguments::Arguments;
use blows::Cluster;
use table::Row;

/// As in Serf's measurements.
const AGENTS: usize = 25;
/// Of everything that takes a few seconds.
const REPEATS: usize = 10;

/// Its name, and how to measure it so many times.
type Figure = (&'static str, fn(usize) -> Row);

const FIGURES: [Figure; 3] = [
    ("application", application),
    ("silent", silent),
    ("pauses", pauses),
];

#[expect(clippy::print_stdout, reason = "a bench prints its results")]
fn main() -> ExitCode {
    let arguments = Arguments::read("figure", &FIGURES.map(|(name, _)| name));
    let repeats = arguments.number(0).map_or(Ok(REPEATS), usize::try_from);
    let repeats = repeats.expect("a number of repeats").max(1);
    println!("{AGENTS} agents, load {}", table::load());
    println!("\n{}", table::HEAD);
    let mut missed = false;
    for (name, measure) in FIGURES {
        if arguments.wants(name) {
            let row = measure(repeats);
            println!("{row}");
            missed |= !row.holds();
        }
    }
    println!("\nload {} at the end", table::load());
    ExitCode::from(u8::from(missed))
}

fn application(repeats: usize) -> Row {
    let times = Cluster::on_loopback().measure(repeats, Cluster::kill_application);
    let what = "`kill -9` of an application";
    Row::timed(what, Duration::from_millis(500), times)
}

fn silent(repeats: usize) -> Row {
    let measure = |mut cluster: Cluster| cluster.measure(repeats, Cluster::silence_one);
    let times = Cluster::in_namespaces().map(measure).unwrap_or_default();
    Row::timed("silent death", Duration::from_secs(6), times)
}

fn pauses(repeats: usize) -> Row {
    let told = pauses::measure(repeats.div_ceil(2));
    Row::told("5 stopped for 10 s", &told)
}
