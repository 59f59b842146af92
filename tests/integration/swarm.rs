//! The swarm: many seeds, each a cluster's bad day. Every seed must keep every promise.
//!
//! ```text
//! HEADCOUNT_SEEDS=5000 cargo test --release --test integration swarm -- --nocapture
//! HEADCOUNT_MEMBERS=60..120 HEADCOUNT_SEEDS=100 cargo test --release --test integration swarm
//! HEADCOUNT_SEED=8214 cargo test --release --test integration swarm -- --nocapture
//! ```
//! The first failing seed is shrunk to a scenario. The last line runs one seed and, when it
//! fails, tells its whole story too.

use std::{
    fmt::Write,
    fs, panic,
    sync::{
        atomic::{AtomicU64, Ordering},
        mpsc::channel,
    },
    thread,
};

use headcount::simulator::{Measures, Plan, Run, Story};

use crate::support::{Finished, Lab, finish, headcount};

/// Seeds that every `cargo test` runs.
const SEEDS: u64 = 256;

#[test]
#[expect(
    clippy::print_stdout,
    reason = "the summary is for whoever asks with --nocapture"
)]
fn every_seed_of_the_swarm_keeps_every_promise() {
    let first = number("HEADCOUNT_SEED");
    let count = number("HEADCOUNT_SEEDS").unwrap_or_else(|| first.map_or(SEEDS, |_| 1));
    let first = first.unwrap_or(0);
    let runs = run_all(first, count);
    println!("{}", summary(&runs));
    let failed: Vec<_> = runs.iter().filter(|r| !r.violations.is_empty()).collect();
    assert!(failed.is_empty(), "{}", complaint(&failed, count));
}

/// Runs `count` seeds from `first` on, on every core, and returns the runs in seed order.
fn run_all(first: u64, count: u64) -> Vec<Run> {
    let next = AtomicU64::new(first);
    let work = || {
        let mut runs = Vec::new();
        loop {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if seed >= first + count {
                return runs;
            }
            runs.push(run(seed));
        }
    };
    let cores = thread::available_parallelism().map_or(1, usize::from);
    let mut runs: Vec<Run> = thread::scope(|scope| {
        let workers: Vec<_> = (0..cores).map(|_| scope.spawn(work)).collect();
        let join = |worker: thread::ScopedJoinHandle<'_, _>| worker.join().expect("no seed panics");
        workers.into_iter().flat_map(join).collect()
    });
    runs.sort_by_key(|run| run.seed);
    runs
}

#[expect(clippy::print_stderr, reason = "a panic does not know its seed")]
/// Runs one seed. A panic names the seed it happened in before it goes on.
fn run(seed: u64) -> Run {
    let plan = plan(seed);
    panic::catch_unwind(|| plan.run()).unwrap_or_else(|panic| {
        eprintln!("seed {seed}: panicked");
        panic::resume_unwind(panic)
    })
}

/// What a seed draws, among the usual numbers of members or those that the environment asks for.
fn plan(seed: u64) -> Plan {
    let Some(members) = variable("HEADCOUNT_MEMBERS") else {
        return Plan::draw(seed);
    };
    let bounds = members
        .split_once("..")
        .map(|(min, max)| (min.parse(), max.parse()));
    let Some((Ok(min), Ok(max))) = bounds else {
        panic!("HEADCOUNT_MEMBERS={members}: takes a range such as 60..120");
    };
    Plan::draw_among(seed, min..=max)
}

fn summary(runs: &[Run]) -> String {
    let sum = |of: fn(&Measures) -> u64| runs.iter().map(|run| of(&run.measures)).sum::<u64>();
    let mut times: Vec<_> = runs.iter().filter_map(|run| run.converged_after).collect();
    times.sort_unstable();
    let at = |share: usize| times.get(times.len() * share / 100);
    let (median, late, last) = (at(50), at(99), times.last());
    format!(
        "{} seeds: {} events, {} changes, {} datagrams, {} restarts, {} conflicts, \
         {} false failures ({} of healthy processes), {} leaves told as failed, \
         convergence p50 {median:?} p99 {late:?} max {last:?}",
        runs.len(),
        sum(|m| m.events),
        sum(|m| m.changes),
        sum(|m| m.datagrams),
        sum(|m| m.restarts),
        sum(|m| m.conflicts),
        sum(|m| m.false_failures),
        sum(|m| m.false_failures_of_healthy),
        sum(|m| m.departed_failed),
    )
}

fn complaint(failed: &[&Run], count: u64) -> String {
    let mut text = format!("{} of {count} seeds broke a promise\n", failed.len());
    for run in failed.iter().take(40) {
        let seed = run.seed;
        for violation in &run.violations {
            let _ = writeln!(text, "seed {seed}: {violation}");
        }
        let command = "cargo test --release --test integration swarm -- --nocapture";
        let _ = writeln!(text, "  reproduce: HEADCOUNT_SEED={seed} {command}");
    }
    let plan = plan(failed[0].seed);
    if let Some(shrunk) = plan.shrunk() {
        let (file, toml) = (shrunk.file_name(), shrunk.to_toml());
        let _ = writeln!(text, "seed {}, {shrunk}; as {file}:\n{toml}", plan.seed);
        let _ = writeln!(text, "  run it: headcount simulate {file}");
    }
    if count == 1 {
        let (heard, telling) = channel();
        // Both ends live until the run is over.
        let hear = move |line: &str| heard.send(format!("{line}\n")).expect("listened to");
        plan.run_told(Story::of_all(hear));
        text.extend(telling);
    }
    text
}

fn number(name: &str) -> Option<u64> {
    Some(variable(name)?.parse().expect("a number"))
}

#[expect(
    clippy::disallowed_methods,
    reason = "a test is configured by its environment"
)]
fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

/// What `headcount simulate` says of a file in `lab`, and the promise that broke.
fn simulate(lab: &Lab, file: &str) -> (Finished, String) {
    let mut command = headcount();
    let said = finish(command.current_dir(lab.dir()).args(["simulate", file]));
    let broken = said.stdout.split("broken promise ").nth(1);
    let promise = broken.and_then(|rest| rest.split('"').nth(1));
    let promise = promise.unwrap_or_default().to_owned();
    (said, promise)
}

#[test]
fn a_seed_that_fails_is_written_down_small_and_fails_again() {
    let lab = Lab::new();
    let impossible = "# Nobody is so fast.\nswarm = true\n[expect]\nconverge_within = \"1ms\"\n";
    fs::write(lab.dir().join("fast.toml"), impossible).expect("written");
    let (said, promise) = simulate(&lab, "fast.toml");
    assert_eq!(said.code(), 1, "{said:#?}");
    let line = said
        .stdout
        .lines()
        .find_map(|line| line.strip_prefix("shrunk:"));
    let file = line.and_then(|line| line.trim().strip_prefix("headcount simulate "));
    let file = file.unwrap_or_else(|| panic!("no line to run: {said:#?}"));
    let text = fs::read_to_string(lab.dir().join(file)).expect("the file is here");
    assert!(text.starts_with("# Swarm seed 1, shrunk from "), "{text}");
    let (again, again_promise) = simulate(&lab, file);
    assert_eq!(again.code(), 1, "{again:#?}");
    assert!(
        !promise.is_empty() && again_promise == promise,
        "{again:#?}"
    );
    assert!(
        !again.stdout.contains("shrunk:"),
        "it is small already: {again:#?}"
    );
}
