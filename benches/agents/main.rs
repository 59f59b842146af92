//! Real agents against simulated ones: the same kills, seen by consumers. As root:
//! `cargo bench --bench agents [-- AGENTS KILLS CLUSTERS]`, by default 20, 200 and 2.
//! `simulations/VALIDATION.md` has the results.

mod compare;
mod real;
mod simulated;
#[expect(
    dead_code,
    unused_imports,
    reason = "the rest is the integration tests'"
)]
#[path = "../../tests/integration/support/mod.rs"]
mod support;

use std::{process::ExitCode, thread};

use compare::{MEASURES, Ratio, quantile};
use real::Noticed;

/// Side by side unless asked otherwise. Three clusters of twenty overflow a kernel's ARP table of
/// 1,024 entries, which all namespaces share.
const CLUSTERS: usize = 2;
/// Simulated kills cost nothing: so many for each real one.
const SIMULATED_EACH: usize = 25;
/// The medians of detection and dissemination may differ by so much.
const APART_MAX: f64 = 0.15;

#[expect(clippy::print_stdout, reason = "a bench prints its results")]
fn main() -> ExitCode {
    let numbers = std::env::args().filter_map(|arg| arg.parse().ok());
    let numbers: Vec<usize> = numbers.collect();
    let number = |index: usize, default| numbers.get(index).copied().unwrap_or(default);
    let (agents, kills, clusters) = (number(0, 20), number(1, 200), number(2, CLUSTERS));
    let Some(real) = real(agents, kills, clusters) else {
        return ExitCode::FAILURE;
    };
    let simulated = simulated(agents, kills * SIMULATED_EACH);
    println!(
        "{agents} agents, {} kills in {clusters} clusters side by side; {} simulated kills\n",
        real.len(),
        simulated.len()
    );
    println!("| ms | real p10, median, p90 | simulated p10, median, p90 | ratio | 95 % |");
    println!("|---|---:|---:|---:|---:|");
    let ratios = MEASURES.map(|(name, measure)| {
        let [real, simulated] = [&real, &simulated].map(|s| s.iter().map(measure).collect());
        let (real, simulated): (Vec<f64>, Vec<f64>) = (real, simulated);
        let ratio = Ratio::of(&real, &simulated);
        let Ratio { value, low, high } = ratio;
        let (real, simulated) = (spread(&real), spread(&simulated));
        println!("| {name} | {real} | {simulated} | {value:.3} | {low:.3} to {high:.3} |");
        ratio
    });
    let near = |ratio: &Ratio| (ratio.low - 1.0).abs().max((ratio.high - 1.0).abs()) < APART_MAX;
    match ratios[1..3].iter().all(near) {
        true => ExitCode::SUCCESS,
        false => ExitCode::FAILURE,
    }
}

/// `kills` kills in as many clusters side by side.
fn real(agents: usize, kills: usize, clusters: usize) -> Option<Vec<Noticed>> {
    let each = kills.div_ceil(clusters);
    let started = (1..=clusters as u64).map(|seed| real::Cluster::start(agents, seed));
    let started: Vec<_> = started.collect::<Option<_>>()?;
    let running = started.into_iter().map(|mut cluster| {
        thread::spawn(move || (0..each).map(|_| cluster.kill_one()).collect::<Vec<_>>())
    });
    let running: Vec<_> = running.collect();
    let noticed = running
        .into_iter()
        .flat_map(|run| run.join().expect("no panic"));
    Some(noticed.collect())
}

/// As many, in clusters that live as long as a real one.
fn simulated(agents: usize, kills: usize) -> Vec<Noticed> {
    const EACH: usize = 50;
    let clusters = 1..=kills.div_ceil(EACH) as u64;
    let run = |seed| {
        let mut cluster = simulated::Cluster::start(agents, seed);
        (0..EACH).map(|_| cluster.kill_one()).collect::<Vec<_>>()
    };
    clusters.flat_map(run).collect()
}

fn spread(sample: &[f64]) -> String {
    let [low, median, high] = [100, 500, 900].map(|thousandths| quantile(sample, thousandths));
    format!("{low:.0}, **{median:.0}**, {high:.0}")
}
