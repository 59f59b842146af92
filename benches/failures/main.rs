//! How soon every consumer of real agents hears what happened, and that it hears no more than
//! that: 25 agents, profile lan, timed at the consumers' sockets, beside Debian's `serf` in the
//! same run where it is installed. As root, for the silent death:
//! `cargo bench --bench failures [-- N] [NAME…]`, by default 10 of everything, four times as
//! many kills, and half as many of what takes half a minute each.
//!
//! `benches/README.md` has the numbers. Exit code 1 when a wanted number is missed.

#[path = "../arguments/mod.rs"]
mod arguments;
mod blows;
mod pauses;
#[expect(dead_code, reason = "events are another bench's")]
mod serf;
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
use pauses::Pause;
use serf::Serf;
use table::Row;

/// As in Serf's measurements.
const AGENTS: usize = 25;
/// Of everything that takes a few seconds.
const REPEATS: usize = 10;
/// The time to a first probe is spread like an exponential distribution: the median of ten kills
/// is anywhere within half a second.
const KILLS_EACH: usize = 4;

/// Its name, and how to measure it so many times.
type Figure = (&'static str, fn(usize) -> Row);

const FIGURES: [Figure; 6] = [
    ("kill", kill),
    ("leave", leave),
    ("application", application),
    ("silent", silent),
    ("pause", pause),
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

fn kill(repeats: usize) -> Row {
    let times = Cluster::on_loopback().measure(repeats * KILLS_EACH, Cluster::kill_one);
    let serf = Serf::measure(repeats.div_ceil(2), Serf::kill_one);
    Row::timed("`kill -9`", Duration::from_millis(2_500), times, serf)
}

fn leave(repeats: usize) -> Row {
    let times = Cluster::on_loopback().measure(repeats, Cluster::leave_one);
    let serf = Serf::measure(repeats.div_ceil(2), Serf::leave_one);
    Row::timed("leave", Duration::from_millis(150), times, serf)
}

/// Serf knows nothing of applications.
fn application(repeats: usize) -> Row {
    let times = Cluster::on_loopback().measure(repeats, Cluster::kill_application);
    let what = "`kill -9` of an application";
    Row::timed(what, Duration::from_millis(500), times, Vec::new())
}

fn silent(repeats: usize) -> Row {
    let measure = |mut cluster: Cluster| cluster.measure(repeats, Cluster::silence_one);
    let times = Cluster::in_namespaces().map(measure).unwrap_or_default();
    Row::timed("silent death", Duration::from_secs(6), times, Vec::new())
}

fn pause(repeats: usize) -> Row {
    Row::told(
        "1 stopped for 5 s",
        &Pause::ONE.measure(repeats.div_ceil(2)),
    )
}

fn pauses(repeats: usize) -> Row {
    Row::told(
        "5 stopped for 10 s",
        &Pause::FIVE.measure(repeats.div_ceil(2)),
    )
}
