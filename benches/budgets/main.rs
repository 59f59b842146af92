//! The promises of the README, measured: `cargo bench --bench budgets [-- REPETITIONS]`, by default
//! 3, some six minutes. As root, for bytes, packets and the cut.
//!
//! Exit code 1 when one is broken. `promises.toml` has them.

#[expect(dead_code, reason = "nothing has a name here")]
#[path = "../arguments/mod.rs"]
mod arguments;
#[path = "../program/mod.rs"]
mod program;
mod promises;

use std::process::{Command, ExitCode, Stdio};

use serde_json::Value;

use arguments::Arguments;
use promises::Promise;

/// As the promises say.
const NODES: &str = "25";
/// What only root can measure.
const ROOTS: [&str; 3] = ["heal_ms", "steady_bytes_per_s", "steady_packets_per_s"];
const PHASES: &str = "steady,event,crash,leave,pause,partition";

#[expect(clippy::print_stdout, reason = "a bench prints its results")]
fn main() -> ExitCode {
    let repetitions = Arguments::read("promise", &[]).number(0).unwrap_or(3);
    let measured = measure(repetitions);
    println!("| what | promised at most | measured median | |\n|---|---:|---:|---|");
    let mut broken = false;
    for Promise { metric, what, most } in promises::all() {
        let median = measured[&metric]["p50"].as_f64();
        let verdict = match median {
            None if ROOTS.contains(&metric.as_str()) => "not measured",
            None => "BROKEN",
            Some(median) if median <= most => "kept",
            Some(_) => "BROKEN",
        };
        broken |= verdict == "BROKEN";
        let median = median.map_or_else(String::new, |median| median.to_string());
        println!("| {what} | {most} | {median} | {verdict} |");
    }
    ExitCode::from(u8::from(broken))
}

fn measure(repetitions: u64) -> Value {
    let mut command = Command::new(env!("CARGO_BIN_EXE_headcount"));
    command.args(["bench", "--json", "--nodes", NODES, "--phases", PHASES]);
    command.args(["--repetitions", &repetitions.to_string()]);
    program::answer(command.stderr(Stdio::inherit()))
}
