//! Whether nodes that keep 128 neighbours behave as nodes that keep everybody.

use std::time::Duration;

use headcount::{
    simulator::Conditions,
    swim::{Profile, Timestamp, Tuning},
};

use super::{
    Case, Estimate, Row, Size, Table,
    cluster::{Cluster, Group},
};

/// Neighbours of each node.
const VIEW: usize = 128;
/// The two may differ by this share of what full views give, beside chance.
const SLACK: f64 = 0.05;

/// What is simulated twice.
#[derive(Clone, Copy)]
struct Twice {
    nodes: u32,
    loss: f64,
    worlds: u64,
    crashes: usize,
}

impl Twice {
    fn name(&self) -> String {
        format!("n = {}, loss {:.0} %", self.nodes, self.loss * 100.0)
    }
}

/// What came out, all worlds together.
#[derive(Default)]
struct Observed {
    /// For each crash, in ms after it: first `suspect`, first `failed`, last `failed`.
    suspected: Vec<f64>,
    failed: Vec<f64>,
    known: Vec<f64>,
    /// From the first `suspect` to the last.
    spread: Vec<f64>,
    /// Of each world, per node and second.
    messages: Vec<f64>,
    probes_failed: u64,
    probes: u64,
    false_failures: u64,
    members: f64,
}

/// For every size and loss: full views, and 128 neighbours each.
pub(crate) fn table(size: Size) -> Table {
    let case = |nodes, loss, worlds, crashes| Twice {
        nodes,
        loss,
        worlds,
        crashes,
    };
    let cases = match size {
        Size::Small => vec![case(300, 0.1, 3, 10)],
        Size::Full => vec![
            case(1_000, 0.0, 5, 20),
            case(1_000, 0.05, 5, 20),
            case(10_000, 0.0, 1, 50),
            case(10_000, 0.03, 1, 50),
        ],
    };
    Table {
        title: "Views of 128 neighbours beside full views",
        reference: "full views",
        beside: "full views' samples",
        cases: cases
            .into_iter()
            .map(|case| Case::new(case.nodes, case.name(), move || rows(&case)))
            .collect(),
    }
}

fn rows(case: &Twice) -> Vec<Row> {
    let [full, part] = [None, Some(VIEW)].map(|view| observe(case, view));
    let row = |what: &str, full: Estimate, part: Estimate| Row {
        case: format!("{}: {what}", case.name()),
        theory: full.value,
        slack: SLACK,
        measured: part.with_doubt_of(&full),
        beside: full.samples as f64,
    };
    let mean = |what: &str, read: fn(&Observed) -> &Vec<f64>| {
        row(
            what,
            Estimate::mean(read(&full)),
            Estimate::mean(read(&part)),
        )
    };
    let share = |seen: &Observed| Estimate::share(seen.probes_failed, seen.probes);
    let rate = |seen: &Observed| Estimate::rate(seen.false_failures, seen.members);
    vec![
        mean("crash to first `suspect`, ms", |seen| &seen.suspected),
        mean("crash to first `failed`, ms", |seen| &seen.failed),
        mean("crash to last `failed`, ms", |seen| &seen.known),
        mean("first to last `suspect`, ms", |seen| &seen.spread),
        mean("datagrams per node and second", |seen| &seen.messages),
        row("failed probes per probe", share(&full), share(&part)),
        row("living members told failed", rate(&full), rate(&part)),
    ]
}

fn observe(case: &Twice, view: Option<usize>) -> Observed {
    let mut seen = Observed::default();
    for seed in 1..=case.worlds {
        observe_world(case, view, seed, &mut seen);
    }
    seen
}

fn observe_world(case: &Twice, view: Option<usize>, seed: u64, seen: &mut Observed) {
    let tuning = Tuning::new(Profile::Lan);
    let nodes = case.nodes;
    let network = Conditions::lossy(case.loss);
    let mut cluster = Cluster::warm(Group { nodes, view }, &tuning, network, seed);
    let before = probes(&cluster);
    let mut struck = Vec::new();
    for _ in 0..case.crashes {
        struck.push(cluster.crash_one(&["suspect", "failed"]));
        cluster.run_about(tuning.probe_interval / 2, 0.5);
    }
    cluster.run(tuning.suspicion_timeout(nodes as usize) + tuning.probe_interval * 12);
    let after = probes(&cluster);
    seen.probes += after.0 - before.0;
    seen.probes_failed += after.1 - before.1;
    for (slot, at) in struck {
        let [suspected, failed] = ["suspect", "failed"].map(|kind| cluster.told(slot, kind));
        let bounds = |told: &[Timestamp]| {
            let first = told.iter().min().expect("somebody told it");
            (*first, *told.iter().max().unwrap_or(first))
        };
        let ((doubted, doubted_last), (failed, known)) = (bounds(&suspected), bounds(&failed));
        seen.suspected.push(millis(doubted - at));
        seen.failed.push(millis(failed - at));
        seen.known.push(millis(known - at));
        seen.spread.push(millis(doubted_last - doubted));
    }
    let run = cluster.world.report();
    let seconds = run.node_time.as_secs_f64();
    seen.messages.push(run.measures.datagrams as f64 / seconds);
    seen.false_failures += run.measures.false_failures;
    seen.members += f64::from(nodes);
}

/// Probes of the nodes that run, and how many of them failed.
fn probes(cluster: &Cluster) -> (u64, u64) {
    let nodes = cluster.running().iter();
    let stats = nodes.filter_map(|slot| Some(cluster.world.node(*slot)?.stats()));
    stats.fold((0, 0), |sum, one| {
        (sum.0 + one.probes, sum.1 + one.probes_failed)
    })
}

fn millis(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}
