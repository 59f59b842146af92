//! `headcount simulate`: runs a scenario in virtual time and says how it went.

mod memory;
mod show;
mod shrink;
mod work;

use std::{collections::BTreeMap, fs, path::Path, time::Duration};

use tokio::{signal::ctrl_c, time::interval};

use super::{Failure, Output, moment};
use crate::simulator::{Outcome, Plan, Report, Scenario};
use work::{Job, Timed, Work};

/// Whoever waits for many seeds hears this often how far they are.
const PROGRESS_EVERY: Duration = Duration::from_secs(5);

/// Simulate a cluster in virtual time: what a scenario does to it, and whether every promise holds
#[derive(Debug, clap::Args)]
#[command(after_help = after_help())]
pub(super) struct Args {
    /// Name of a built-in scenario, or path of a TOML file
    #[arg(value_name = "SCENARIO")]
    scenario: String,
    /// Number of nodes [default: the scenario's]
    #[arg(long, value_name = "N")]
    nodes: Option<u32>,
    /// Neighbours that each node knows [default: all others; 128 above 10,000 nodes]
    #[arg(long, value_name = "K")]
    view: Option<u32>,
    /// What decides everything that the scenario leaves open
    #[arg(long, value_name = "S", default_value_t = 1)]
    seed: u64,
    /// Run this many seeds, from --seed on, on every core
    #[arg(
        long,
        value_name = "K",
        default_value_t = 1,
        value_parser = clap::value_parser!(u64).range(1..=10_000_000)
    )]
    seeds: u64,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

fn after_help() -> String {
    let names: Vec<_> = Scenario::built_ins().collect();
    format!(
        "Built in: {}.\nThe same scenario and seed give the same run to the byte. Exit code 1: a \
         promise was broken or an\nexpectation missed.",
        names.join(", ")
    )
}

/// What ran, and how long it took.
struct Ran {
    outcomes: BTreeMap<u64, Outcome>,
    forming: Duration,
    running: Duration,
    interrupted: bool,
}

pub(super) async fn run(args: Args, output: &mut Output) -> Result<(), Failure> {
    let scenario = read(&args)?;
    let workers = work::workers(args.seeds);
    memory::check(&scenario, workers)?;
    if args.seed.checked_add(args.seeds).is_none() {
        return Err(Failure::trouble(format!("seed {} is too large", args.seed)));
    }
    if !args.json {
        for line in show::settings(&scenario, args.seed, args.seeds) {
            output.data(line)?;
        }
    }
    let ran = simulate(&args, &scenario, workers, output).await;
    let mut report = Report::default();
    ran.outcomes
        .values()
        .for_each(|outcome| report.add(outcome));
    let shown = show::Shown {
        args: &args,
        scenario: &scenario,
        ran: &ran,
        report: &report,
    };
    if args.json {
        output.data(shown.json())?;
    } else {
        for line in shown.lines() {
            output.data(line)?;
        }
    }
    if let Some(plan) = broken(&scenario, &ran)
        && let Some(command) = shrink::shrunk(plan, output).await
        && !args.json
    {
        output.data(format!("shrunk:    {command}"))?;
    }
    shown.verdict()
}

/// The plan of a swarm's first seed that broke a promise.
fn broken(scenario: &Scenario, ran: &Ran) -> Option<Plan> {
    let broke = |(_, outcome): &(&u64, &Outcome)| !outcome.run.violations.is_empty();
    let (seed, _) = ran
        .outcomes
        .iter()
        .find(broke)
        .filter(|_| !ran.interrupted)?;
    scenario.swarm_plan(*seed)
}

/// The scenario that the command line names.
fn read(args: &Args) -> Result<Scenario, Failure> {
    let name = &args.scenario;
    let is_path = name.contains('/') || name.ends_with(".toml") || Path::new(name).is_file();
    let scenario = match is_path {
        true => {
            let text = fs::read_to_string(name)
                .map_err(|error| Failure::trouble(format!("cannot read {name}: {error}")))?;
            Scenario::parse(name, &text)?
        }
        false => Scenario::built_in(name)?,
    };
    let scenario = match args.nodes {
        Some(nodes) => scenario.with_nodes(nodes)?,
        None => scenario,
    };
    Ok(match args.view {
        Some(view) => scenario.with_view(view)?,
        None => scenario,
    })
}

/// Runs every seed, until all are done or somebody interrupts.
async fn simulate(args: &Args, scenario: &Scenario, workers: usize, output: &mut Output) -> Ran {
    let begin = moment::now();
    let job = Job {
        scenario: scenario.clone(),
        first: args.seed,
        count: args.seeds,
    };
    let mut work = Work::start(job, workers);
    let mut progress = interval(PROGRESS_EVERY);
    progress.tick().await;
    let mut done: Vec<Timed> = Vec::new();
    let mut interrupted = false;
    let mut interrupts = 0;
    loop {
        tokio::select! {
            timed = work.next() => match timed {
                Some(timed) => done.push(timed),
                None => break,
            },
            _ = ctrl_c() => {
                interrupted = true;
                interrupts += 1;
                work.stop();
                if interrupts > 1 {
                    break;
                }
            }
            _ = progress.tick(), if args.seeds > 1 => {
                output.talk(left(done.len() as u64, args.seeds, moment::since(begin)));
            }
        }
    }
    let elapsed = moment::since(begin);
    let forming: Duration = done.iter().map(|timed| timed.forming).sum();
    let all: Duration = done.iter().map(|timed| timed.all).sum();
    let share = forming.as_secs_f64() / all.as_secs_f64().max(1e-9);
    let forming = elapsed.mul_f64(share.clamp(0.0, 1.0));
    Ran {
        outcomes: done
            .into_iter()
            .map(|timed| (timed.seed, timed.outcome))
            .collect(),
        forming,
        running: elapsed - forming,
        interrupted,
    }
}

fn left(done: u64, all: u64, spent: Duration) -> String {
    let rest = match done {
        0 => String::new(),
        _ => {
            let each = spent.as_secs_f64() / done as f64;
            format!(", about {:.0} s left", each * (all - done) as f64)
        }
    };
    format!("{done} of {all} seeds{rest}")
}
