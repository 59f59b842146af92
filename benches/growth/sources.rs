//! Where costs come from: the program, run for each size.

use std::process::{Command, Stdio};

use serde_json::Value;

use super::{plot::Series, program};

const AGENTS: [u64; 5] = [5, 25, 50, 100, 200];
const SIMULATED: [u64; 5] = [10, 100, 1_000, 10_000, 100_000];
const SCENARIO: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/benches/growth/rest.toml");

/// Who is measured.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Source {
    Agents,
    Simulator,
}

/// One column: what it is called, and where it is in the program's answer.
type Column = (&'static str, fn(&Value) -> f64);

const OF_AGENTS: [Column; 4] = [
    ("CPU, s/min", |of| median(of, "steady_cpu_s_per_min")),
    ("memory, MiB", |of| median(of, "steady_rss_mib")),
    ("bytes/s", |of| median(of, "steady_bytes_per_s")),
    ("packets/s", |of| median(of, "steady_packets_per_s")),
];

const OF_SIMULATED: [Column; 3] = [
    ("simulated: our CPU, µs each s", |of| {
        scalar(of, "wall_s") / scalar(of, "simulated_s") / scalar(of, "nodes") * 1e6
    }),
    ("simulated: bytes/s", |of| {
        scalar(of, "bytes_per_node_per_s")
    }),
    ("simulated: datagrams/s", |of| {
        scalar(of, "messages_per_node_per_s")
    }),
];

impl Source {
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Agents => "agents",
            Self::Simulator => "simulator",
        }
    }

    /// Each column, at each size up to `largest`.
    pub(crate) fn measure(self, largest: u64) -> Vec<Series> {
        let (sizes, columns): (&[u64], &[Column]) = match self {
            Self::Agents => (&AGENTS, &OF_AGENTS),
            Self::Simulator => (&SIMULATED, &OF_SIMULATED),
        };
        let sizes = sizes.iter().filter(|size| **size <= largest);
        let answers: Vec<_> = sizes.map(|size| (*size, self.ask(*size))).collect();
        let series = |(what, of): &Column| Series {
            what,
            points: answers
                .iter()
                .map(|(size, answer)| (*size, of(answer)))
                .collect(),
        };
        columns.iter().map(series).collect()
    }

    fn ask(self, size: u64) -> Value {
        let mut command = Command::new(env!("CARGO_BIN_EXE_headcount"));
        match self {
            Self::Agents => command.args(["bench", "--phases", "steady", "--repetitions", "1"]),
            Self::Simulator => command.args(["simulate", SCENARIO]),
        };
        command.args(["--json", "--nodes", &size.to_string()]);
        program::answer(command.stderr(Stdio::inherit()))
    }
}

/// Not a number where it could not be measured.
fn median(of: &Value, metric: &str) -> f64 {
    of[metric]["p50"].as_f64().unwrap_or(f64::NAN)
}

fn scalar(of: &Value, key: &str) -> f64 {
    of[key].as_f64().unwrap_or(f64::NAN)
}
