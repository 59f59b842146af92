//! Rapid's faults (Suresh et al. 2018, §7) in the simulator: one member in a hundred crashes, is
//! deaf for 20 s again and again, or loses 80 % of what it is sent; with our settings and with
//! plain SWIM's. `cargo bench --bench rapid [-- NODES SEEDS] [FAULT…]`, by default 1,000 and 3.
//!
//! `simulations/VALIDATION.md` has the results, beside the paper's.

#[path = "../arguments/mod.rs"]
mod arguments;

use std::{fs, path::Path, process::Command};

use arguments::Arguments;
use serde_json::Value;
use tempfile::TempDir;

const BINARY: &str = env!("CARGO_BIN_EXE_headcount");
const SWIM: &str = include_str!("swim.toml");

/// One way of being bad.
struct Fault {
    name: &'static str,
    scenario: &'static str,
    /// When it begins, in seconds.
    begins: f64,
}

const FAULTS: [Fault; 4] = [
    Fault {
        name: "process_crash",
        scenario: include_str!("process_crash.toml"),
        begins: 10.0,
    },
    Fault {
        name: "host_crash",
        scenario: include_str!("host_crash.toml"),
        begins: 10.0,
    },
    Fault {
        name: "flip_flop",
        scenario: include_str!("../../simulations/flip_flop.toml"),
        begins: 10.0,
    },
    Fault {
        name: "packet_loss_80",
        scenario: include_str!("../../simulations/packet_loss_80.toml"),
        begins: 30.0,
    },
];

#[expect(clippy::print_stdout, reason = "a bench prints its results")]
fn main() {
    let arguments = Arguments::read("fault", &FAULTS.map(|fault| fault.name));
    let number = |index, default| arguments.number(index).unwrap_or(default).to_string();
    let (nodes, seeds) = (number(0, 1_000), number(1, 3));
    let dir = tempfile::tempdir().expect("a temporary directory");
    println!("{nodes} nodes, {seeds} seeds\n\n{HEAD}");
    for fault in FAULTS {
        if arguments.wants(fault.name) {
            for (settings, added) in [("ours", ""), ("SWIM", SWIM)] {
                let said = fault.simulate(added, &dir, [&nodes, &seeds]);
                println!("{}", fault.row(settings, &said));
            }
        }
    }
}

const HEAD: &str = "| fault | settings | views, worst second | seconds with several views | \
    final view after, s | failures told of a bad node, each observer | \
    flaps of a bad node, each observer | \
    false positives, at healthy nodes | messages/s of a node |\n\
    |---|---|---:|---:|---:|---:|---:|---:|---:|";

impl Fault {
    fn simulate(&self, settings: &str, dir: &TempDir, [nodes, seeds]: [&str; 2]) -> Value {
        let path = dir.path().join(format!("{}.toml", self.name));
        fs::write(&path, format!("{}{settings}", self.scenario)).expect("our own folder");
        run(&path, nodes, seeds)
    }

    fn row(&self, settings: &str, said: &Value) -> String {
        let number = |value: &Value| value.as_f64().unwrap_or_default();
        let views = &said["series"]["distinct_views_max"];
        let views: Vec<_> = views
            .as_array()
            .expect("a list")
            .iter()
            .map(number)
            .collect();
        let step = number(&said["series"]["step_s"]);
        let several = views.iter().filter(|views| **views > 1.0).count();
        let nodes = number(&said["nodes"]);
        let bad = (nodes / 100.0).max(1.0).floor();
        let told = number(&said["failed_while_paused"]) + number(&said["crashes"]["told"]);
        format!(
            "| {} | {settings} | {:.0} | {:.0} | {:.0} | {:.2} | {:.2} | {}, {} | {:.1} |",
            self.name,
            number(&said["distinct_views"]["max"]),
            several as f64 * step,
            self.settled(said, &views, step),
            told / bad / number(&said["seeds_run"]) / (nodes - bad),
            number(&said["flaps_per_bad_node"]["p50"]) / (nodes - 1.0),
            said["false_positives"]["total"],
            said["false_positives"]["at_healthy"],
            number(&said["messages_per_node_per_s"]),
        )
    }

    /// Seconds from the beginning of the fault until the last crash was known everywhere, or until
    /// the last second with several views was over; 0 when there never were several.
    fn settled(&self, said: &Value, views: &[f64], step: f64) -> f64 {
        let known = said["full_dissemination_ms"]["max"].as_f64();
        let last = views.iter().rposition(|views| *views > 1.0);
        let agreed = last.map(|last| (last + 1) as f64 * step - self.begins);
        known.map(|millis| millis / 1e3).or(agreed).unwrap_or(0.0)
    }
}

/// The one object that the simulator prints. A bound that plain SWIM misses is no error here.
fn run(scenario: &Path, nodes: &str, seeds: &str) -> Value {
    let mut command = Command::new(BINARY);
    command.arg("simulate").arg(scenario);
    command.args(["--nodes", nodes, "--seeds", seeds, "--json"]);
    let output = command.output().expect("it starts");
    serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|error| panic!("{command:?}: {error}: {output:?}"))
}
