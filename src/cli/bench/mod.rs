//! `headcount bench`: real agents on this machine, and when their consumers hear what happens.

mod cpu;
mod crowd;
mod round;

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::{Failure, Output, table};
use crate::{
    simulator::{Distribution, Percentiles},
    swim::Profile,
};
use round::Round;

/// Measure how soon the consumers of real agents on this machine hear of what happens
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Starts the agents anew for each repetition. Times are taken where consumers \
    read, and begin before\na process is started, killed or asked; they are this machine's, with \
    whatever else it does."
)]
pub(super) struct Args {
    /// Number of agents, 3 to 200
    #[arg(long, value_name = "N", default_value = "5",
        value_parser = clap::value_parser!(u16).range(3..=200))]
    nodes: u16,
    /// How often everything is done, 1 to 1000
    #[arg(long, value_name = "K", default_value = "5",
        value_parser = clap::value_parser!(u16).range(1..=1000))]
    repetitions: u16,
    /// The agents' profile
    #[arg(long, value_name = "lan|wan|local", default_value = "lan")]
    profile: Profile,
    /// Print one JSON object, metric to percentiles in milliseconds
    #[arg(long)]
    json: bool,
}

/// What is measured, in the order in which it happens.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Metric {
    Bootstrap,
    BootstrapCpu,
    Event,
    CrashSuspected,
    CrashFirst,
    CrashLast,
    Rejoin,
    Restart,
    Leave,
}

impl Metric {
    /// Its name in JSON, and what it says.
    const fn words(self) -> (&'static str, &'static str) {
        match self {
            Self::Bootstrap => ("bootstrap_ms", "every consumer lists everybody"),
            Self::BootstrapCpu => ("bootstrap_cpu_ms", "what that cost all agents together"),
            Self::Event => ("event_last_ms", "user event: last consumer told"),
            Self::CrashSuspected => ("crash_suspect_ms", "kill -9: first consumer told suspect"),
            Self::CrashFirst => ("crash_first_ms", "kill -9: first consumer told failed"),
            Self::CrashLast => ("crash_last_ms", "kill -9: last consumer told failed"),
            Self::Rejoin => ("rejoin_last_ms", "started again: last consumer told join"),
            Self::Restart => (
                "restart_last_ms",
                "killed and started at once: last told restart",
            ),
            Self::Leave => ("leave_last_ms", "leave: last consumer told"),
        }
    }
}

/// Times by what they are of.
type Times = BTreeMap<Metric, Distribution>;

pub(super) async fn run(args: Args, output: &mut Output) -> Result<(), Failure> {
    let mut times = Times::new();
    let bar = output.bar();
    for repetition in 1..=args.repetitions {
        if let Some(bar) = &bar {
            bar.set_position(u64::from(repetition - 1) * 1000 / u64::from(args.repetitions));
            bar.set_message(format!("{repetition} of {}", args.repetitions));
        }
        let round = Round::begin(args.nodes, args.profile)?;
        round.play(&mut times).await?;
    }
    if let Some(bar) = bar {
        bar.finish_and_clear();
    }
    match args.json {
        true => output.data(object(&times)),
        false => table(&args, &times, output),
    }
}

/// Milliseconds, to a hundredth.
fn percentiles(times: &Distribution) -> [f64; 3] {
    let Percentiles { p50, p99, max, .. } = times.percentiles();
    [p50, p99, max].map(|micros| (micros / 10.0).round() / 100.0)
}

fn object(times: &Times) -> Value {
    let entry = |(metric, times): (&Metric, &Distribution)| {
        let [p50, p99, max] = percentiles(times);
        let numbers = json!({"p50": p50, "p99": p99, "max": max, "n": times.count()});
        (metric.words().0.to_owned(), numbers)
    };
    Value::Object(times.iter().map(entry).collect())
}

fn table(args: &Args, times: &Times, output: &mut Output) -> Result<(), Failure> {
    let (nodes, repetitions) = (args.nodes, args.repetitions);
    let profile = args.profile.as_str();
    output.data(format_args!(
        "{nodes} agents, profile {profile}, {repetitions} repetitions, milliseconds"
    ))?;
    let head = ["", "P50", "P99", "MAX", "MAX/P50", "N"]
        .map(table::Cell::from)
        .to_vec();
    let mut rows = vec![head];
    for (metric, times) in times {
        let [p50, p99, max] = percentiles(times);
        let numbers = [p50, p99, max, max / p50].map(|number| format!("{number:.2}").into());
        let mut row: Vec<table::Cell> = vec![metric.words().1.into()];
        row.extend(numbers);
        row.push(times.count().to_string().into());
        rows.push(row);
    }
    table::lines(&rows)
        .into_iter()
        .try_for_each(|line| output.data(line))
}
