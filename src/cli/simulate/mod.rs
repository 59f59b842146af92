//! `headcount simulate`: runs a scenario in virtual time and says how it went.

mod command;
mod html;
mod json;
mod memory;
mod plots;
mod progress;
mod show;
mod shrink;
mod tally;
mod trace;
mod work;

use std::{
    fs, io, mem,
    path::{Path, PathBuf},
    time::Duration,
};

use tokio::time::interval;

use super::{
    Failure, Output,
    draft::{self, Draft},
    interrupts::Interrupts,
    moment::Stopwatch,
    number,
};
use crate::simulator::{NODES_MAX, Plan, Scenario};
use progress::Progress;
use show::Shown;
use tally::Tally;
use trace::Trace;
use work::{Job, Timed, Work};

/// Simulate a cluster in virtual time: what a scenario does to it, and whether every promise holds
#[derive(Debug, clap::Args)]
#[command(after_help = after_help())]
pub(super) struct Args {
    /// Name of a built-in scenario, or path of a TOML file
    #[arg(value_name = "SCENARIO")]
    scenario: String,
    /// Number of nodes [default: the scenario's]
    #[arg(
        long,
        value_name = "N",
        allow_negative_numbers = true,
        value_parser = number::whole(2..=NODES_MAX)
    )]
    nodes: Option<u32>,
    /// Neighbours that each node knows [default: all others; 128 above 10,000 nodes]
    #[arg(
        long,
        value_name = "K",
        allow_negative_numbers = true,
        value_parser = number::whole(1..=NODES_MAX)
    )]
    view: Option<u32>,
    /// How long faults may strike, such as 90s or 5m [default: the scenario's]
    #[arg(long, value_name = "TIME", value_parser = number::time)]
    duration: Option<Duration>,
    /// What decides everything that the scenario leaves open
    #[arg(
        long,
        value_name = "S",
        default_value_t = 1,
        allow_negative_numbers = true,
        value_parser = number::whole(0..=u64::MAX)
    )]
    seed: u64,
    /// Run this many seeds, from --seed on, on every core
    #[arg(
        long,
        value_name = "K",
        default_value_t = 1,
        allow_negative_numbers = true,
        value_parser = number::whole(1..=10_000_000_u64)
    )]
    seeds: u64,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
    /// Write a page with plots that needs nothing but a browser
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,
    /// Write the story of some nodes: every packet, change and fault of the only seed
    #[arg(long, value_name = "FILE")]
    trace: Option<PathBuf>,
    /// Whose story, such as n0,n7 [default: up to five that faults strike, and three others]
    #[arg(long, value_name = "NAME,…", requires = "trace", value_delimiter = ',')]
    trace_nodes: Vec<String>,
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
#[derive(Debug)]
struct Ran {
    tally: Tally,
    /// Seeds that ended, in whatever way.
    done: u64,
    forming: Duration,
    running: Duration,
    interrupted: bool,
}

pub(super) async fn run(args: Args, output: &mut Output) -> Result<(), Failure> {
    let scenario = read(&args)?;
    check(&args)?;
    memory::check(&scenario, work::workers(args.seeds))?;
    let page = args.html.as_deref().map(Draft::begin).transpose()?;
    let trace = trace(&args, &scenario)?;
    // From here on who interrupts gets a report.
    let mut interrupts = Interrupts::listen()?;
    let settings = show::lines_of(show::settings(&args, &scenario));
    let mut settings = settings.into_iter().filter(|_| !args.json);
    let announced = settings.try_for_each(|line| output.data(line));
    let job = Job {
        scenario: scenario.clone(),
        first: args.seed,
        count: args.seeds,
        trace: trace.clone(),
    };
    let ran = simulate(job, &mut interrupts, output).await;
    let shown = Shown {
        args: &args,
        scenario: &scenario,
        ran: &ran,
    };
    let mut printed = announced.and_then(|()| print(&args, &shown, output));
    let page = page.map_or(Ok(()), |page| page.finish(&html::page(&shown)));
    if !args.json
        && let Some(plan) = broken(&scenario, &ran)
        && let Some(command) = shrink::shrunk(plan, &mut interrupts, output).await
    {
        printed = printed.and_then(|()| output.data(format!("shrunk:    {command}")));
    }
    let trace = trace.as_ref().map_or(Ok(()), Trace::close);
    // Whoever did not read to the end, or has no room for a file, must not take a failure of the
    // cluster for anything else.
    first_of([shown.answer(), page, trace, printed], output)
}

/// The first of these that failed is the command's answer; what failed beside it is said.
fn first_of(
    ends: impl IntoIterator<Item = Result<(), Failure>>,
    output: &mut Output,
) -> Result<(), Failure> {
    let mut failures = ends.into_iter().filter_map(Result::err);
    let Some(first) = failures.next() else {
        return Ok(());
    };
    let others = failures.filter(Failure::is_told);
    others.for_each(|other| output.failure(&other));
    Err(first)
}

fn print(args: &Args, shown: &Shown<'_>, output: &mut Output) -> Result<(), Failure> {
    if args.json {
        return output.data(shown.json());
    }
    shown
        .lines()
        .into_iter()
        .try_for_each(|line| output.data(line))
}

/// The plan of a swarm's first seed that broke a promise.
fn broken(scenario: &Scenario, ran: &Ran) -> Option<Plan> {
    let failures = ran.tally.failures.iter();
    let others = [tally::MISSED, tally::PANICKED];
    let mut broken = failures.filter(|failed| !others.contains(&failed.promise));
    let failed = broken.next().filter(|_| !ran.interrupted)?;
    scenario.swarm_plan(failed.seed)
}

/// The scenario that the command line names.
fn read(args: &Args) -> Result<Scenario, Failure> {
    let name = &args.scenario;
    // A file that lies here by chance does not change what a built-in's name means.
    let is_built_in = Scenario::built_ins().any(|known| known == name);
    let is_file = || !is_built_in && Path::new(name).is_file();
    let is_path = name.contains('/') || name.ends_with(".toml") || is_file();
    let scenario = match is_path {
        true => {
            let text = fs::read_to_string(name).map_err(|error| unreadable(name, &error))?;
            Scenario::parse(name, &text)?
        }
        false => Scenario::built_in(name)?,
    };
    // First what allows more: a larger cluster may need a longer run.
    let scenario = match args.duration {
        Some(duration) => scenario.with_duration(duration)?,
        None => scenario,
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

fn unreadable(name: &str, error: &io::Error) -> Failure {
    let failure = Failure::trouble(format!("cannot read {name}: {error}"));
    let stem = Path::new(name).file_stem();
    match Scenario::built_ins().find(|known| stem.is_some_and(|stem| stem == *known)) {
        Some(known) => failure.hint(format!("{known} is built in: headcount simulate {known}")),
        None => failure,
    }
}

/// Refuses options that contradict each other, or mean nothing.
fn check(args: &Args) -> Result<(), Failure> {
    draft::refuse_dash("--html", args.html.as_deref())?;
    draft::refuse_dash("--trace", args.trace.as_deref())?;
    if args.seed.checked_add(args.seeds - 1).is_none() {
        return Err(Failure::trouble(format!("seed {} is too large", args.seed)));
    }
    if args.trace.is_some() && args.seeds > 1 {
        let text = format!(
            "--trace tells the story of one seed, and --seeds is {}",
            args.seeds
        );
        return Err(Failure::trouble(text).hint("leave out --seeds, and choose one with --seed"));
    }
    let scenario = PathBuf::from(&args.scenario);
    let files = [
        ("SCENARIO", Some(&scenario)),
        ("--html", args.html.as_ref()),
        ("--trace", args.trace.as_ref()),
    ];
    let files: Vec<_> = files
        .iter()
        .filter_map(|(flag, path)| Some((*flag, draft::place((*path)?)?)))
        .collect();
    for (index, (flag, place)) in files.iter().enumerate() {
        if let Some((other, _)) = files[..index].iter().find(|(_, before)| before == place) {
            let text = format!("{flag} names the same file as {other}: {}", place.display());
            return Err(Failure::trouble(text));
        }
    }
    Ok(())
}

/// The file that the story goes to, with what it is about in its first lines.
fn trace(args: &Args, scenario: &Scenario) -> Result<Option<Trace>, Failure> {
    let Some(path) = &args.trace else {
        return Ok(None);
    };
    let trace = Trace::create(path, &args.trace_nodes, scenario, args.seed)?;
    let seed = args.seed;
    trace.note(&command::Command { args, seed }.to_string());
    trace.note("virtual seconds as the scenario counts them, who, what");
    Ok(Some(trace))
}

/// Runs every seed, until all are done or somebody interrupts; who does so twice does not wait.
async fn simulate(job: Job, interrupts: &mut Interrupts, output: &mut Output) -> Ran {
    let watch = Stopwatch::start();
    let progress = Progress::begin(&job, output);
    let mut ran = Ran::of_nothing(job.first);
    let workers = work::workers(job.count);
    let mut work = Work::start(job, workers);
    let mut ticks = interval(progress.every());
    ticks.tick().await;
    loop {
        tokio::select! {
            timed = work.next() => match timed {
                Some(timed) => ran.add(timed),
                None => break,
            },
            () = interrupts.next() => {
                work.stop();
                if mem::replace(&mut ran.interrupted, true) {
                    break;
                }
            }
            _ = ticks.tick() => progress.say(ran.done, work.reached(), output),
        }
    }
    progress.end();
    ran.end(watch.elapsed());
    ran
}

impl Ran {
    fn of_nothing(first_seed: u64) -> Self {
        Self {
            tally: Tally::new(first_seed),
            done: 0,
            forming: Duration::ZERO,
            running: Duration::ZERO,
            interrupted: false,
        }
    }

    fn add(&mut self, timed: Timed) {
        self.done += 1;
        self.forming += timed.forming;
        self.running += timed.all - timed.forming;
        self.tally.add(timed.seed, timed.outcome);
    }

    /// Divides the time that passed outside as the threads' own time was divided.
    fn end(&mut self, elapsed: Duration) {
        self.tally.close();
        let all = (self.forming + self.running).as_secs_f64();
        let share = self.forming.as_secs_f64() / all.max(1e-9);
        self.forming = elapsed.mul_f64(share.clamp(0.0, 1.0));
        self.running = elapsed - self.forming;
    }
}
