//! How fast the simulator is and what it takes, beside the least simulation of bare foca, in one
//! run: a quiet cluster for a minute of virtual time, in which one node crashes.
//!
//! `cargo bench --bench speed [-- SIZE…]`; a SIZE is a number of nodes, with `/K` for as many
//! neighbours each. Each is run in processes of their own, one after the other, on one core.

mod bare;
#[path = "../bare/mod.rs"]
mod foca_bare;
#[path = "../program/mod.rs"]
mod program;

use std::{
    env, fs,
    process::Command,
    time::{Duration, Instant},
};

use serde_json::{Value, json};

/// What is run unless sizes are named: all that takes less than a minute or two.
const SIZES: [&str; 3] = ["1000", "1000/128", "10000/128"];
const BINARY: &str = env!("CARGO_BIN_EXE_headcount");
const SCENARIO: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/benches/speed/minute.toml");
/// When the node crashes, and how long the run is.
const CRASH_AT: Duration = Duration::from_secs(5);
const MINUTE: Duration = Duration::from_secs(60);

#[expect(clippy::print_stdout, reason = "a bench prints its results")]
fn main() {
    let args: Vec<String> = env::args().skip(1).filter(|arg| arg != "--bench").collect();
    if let [bare, size] = args.as_slice()
        && bare == "bare"
    {
        return println!("{}", run_bare(size));
    }
    let sizes = match args.is_empty() {
        true => SIZES.map(Into::into).to_vec(),
        false => args,
    };
    println!("| nodes/view | | warm start, s | × real time | M events/s | peak MB |");
    println!("|---|---|---|---|---|---|");
    for size in sizes {
        let ours = program::answer(Command::new(BINARY).args(arguments(&size)));
        let itself = env::current_exe().expect("this program");
        let bare = program::answer(Command::new(itself).args(["bare", &size]));
        println!("{}", row(&size, "headcount", &ours));
        println!("{}", row("", "bare foca", &bare));
        let ratio = number(&bare, "wall_s") / number(&ours, "wall_s");
        println!("| | headcount : bare foca | | {ratio:.2} | | |");
    }
}

fn arguments(size: &str) -> Vec<String> {
    let (nodes, view) = parts(size);
    let words = ["simulate", SCENARIO, "--json", "--nodes"].map(Into::into);
    let sizes = [nodes.to_string(), "--view".into(), view.to_string()];
    words.into_iter().chain(sizes).collect()
}

/// Nodes, and how many others each knows.
fn parts(size: &str) -> (u32, u32) {
    let number = |text: &str| text.parse().expect("SIZE is N or N/K");
    match size.split_once('/') {
        Some((nodes, view)) => (number(nodes), number(view)),
        None => (number(size), number(size)),
    }
}

fn number(object: &Value, key: &str) -> f64 {
    object[key].as_f64().expect(key)
}

fn row(size: &str, what: &str, said: &Value) -> String {
    let wall = number(said, "wall_s");
    format!(
        "| {size} | {what} | {:.1} | {:.2} | {:.2} | {:.0} |",
        number(said, "warm_start_s"),
        number(said, "simulated_s") / wall,
        number(said, "events") / wall / 1e6,
        number(said, "peak_rss_mb"),
    )
}

#[expect(clippy::disallowed_methods, reason = "a bench reads the clock")]
fn run_bare(size: &str) -> Value {
    let (nodes, view) = parts(size);
    let begin = Instant::now();
    let mut world = bare::World::new(nodes, view);
    world.run(Duration::from_secs(2));
    let warm = begin.elapsed();
    let handled = world.handled;
    world.run(CRASH_AT);
    world.crash(nodes / 2);
    world.run(MINUTE - CRASH_AT);
    json!({
        "warm_start_s": warm.as_secs_f64(),
        "wall_s": (begin.elapsed() - warm).as_secs_f64(),
        "simulated_s": MINUTE.as_secs_f64(),
        "events": world.handled - handled,
        "peak_rss_mb": peak_mb(),
    })
}

/// The most memory that this process has had; 0 where the system does not say.
fn peak_mb() -> f64 {
    let text = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = text.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kilobytes = line.and_then(|rest| rest.split_whitespace().next()?.parse::<f64>().ok());
    kilobytes.unwrap_or_default() / 1024.0
}
