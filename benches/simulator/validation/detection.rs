//! From a crash to the first suspicion: SWIM §3.1 and §4.3.

use std::{f64::consts::E, time::Duration};

use headcount::{
    simulator::Conditions,
    swim::{Profile, Tuning},
};

use super::{
    Case, Estimate, Row, Size, Table,
    cluster::{Cluster, Group},
    theory,
};

/// Crashes in one world are so far apart, in probe intervals, and so few for each node, that
/// hardly anybody is probed in vain.
const APART: u32 = 1;
const NODES_PER_CRASH: u32 = 50;

/// Longer than two whole passes of the smallest group, and than luck lasts in a large one.
const LUCK_MAX: u32 = 16;

/// What happened after one crash, in probe intervals.
struct Noticed {
    suspected: f64,
    failed: f64,
}

/// For every size: periods to the first ping, and times to the first suspicion and failure.
pub(crate) fn table(size: Size) -> Table {
    let sizes: &[(u32, usize)] = match size {
        Size::Small => &[(8, 400), (32, 200), (128, 80)],
        Size::Full => &[
            (8, 4_000),
            (32, 2_000),
            (128, 1_000),
            (1_000, 500),
            (10_000, 100),
        ],
    };
    let case = |&(nodes, crashes): &(u32, usize)| {
        let name = format!("n = {nodes}");
        Case::new(nodes, name, move || {
            rows(nodes, &crashes_of(nodes, crashes))
        })
    };
    Table {
        title: "From a crash to its detection, in probe periods (SWIM §3.1, §4.3)",
        reference: "theory",
        beside: "large group",
        cases: sizes.iter().map(case).collect(),
    }
}

fn rows(nodes: u32, noticed: &[Noticed]) -> Vec<Row> {
    let others = nodes - 1;
    let tuning = Tuning::swim(Profile::Lan);
    let timeout = tuning.suspicion_timeout(nodes as usize).as_secs_f64();
    let timeout = timeout / tuning.probe_interval.as_secs_f64();
    let time = theory::time_round_robin(others);
    let row = |what: &str, theory: f64, beside: f64, observe: &dyn Fn(&Noticed) -> f64| {
        let observed: Vec<_> = noticed.iter().map(observe).collect();
        Row {
            case: format!("n = {nodes}: {what}"),
            theory,
            slack: 0.0,
            measured: Estimate::mean(&observed),
            beside,
        }
    };
    // The ping that fails is sent one period before the suspicion. A ping that was under way when
    // its target crashed counts for the first period.
    let periods = |noticed: &Noticed| (noticed.suspected - 1.0).ceil().max(1.0);
    let first = E / (E - 1.0);
    vec![
        row(
            "periods to first ping",
            theory::periods_round_robin(others),
            first,
            &periods,
        ),
        row("time to suspicion", time + 1.0, 2.0, &|n| n.suspected),
        row(
            "time to failure",
            time + 1.0 + timeout,
            2.0 + timeout,
            &|n| n.failed,
        ),
    ]
}

/// What was noticed of so many crashes, in as many worlds as they need.
fn crashes_of(nodes: u32, wanted: usize) -> Vec<Noticed> {
    let each = (nodes / NODES_PER_CRASH).max(1) as usize;
    let mut noticed = Vec::with_capacity(wanted);
    for seed in 1.. {
        let rest = wanted - noticed.len();
        if rest == 0 {
            break;
        }
        noticed.extend(world(nodes, each.min(rest), seed));
    }
    noticed
}

fn world(nodes: u32, crashes: usize, seed: u64) -> Vec<Noticed> {
    let tuning = Tuning::swim(Profile::Lan);
    let interval = tuning.probe_interval;
    let mut cluster = Cluster::warm(Group::full(nodes), &tuning, Conditions::LAN, seed);
    let mut struck = Vec::new();
    for _ in 0..crashes {
        struck.push(cluster.crash_one(&["suspect", "failed"]));
        cluster.run_about(interval * APART, 0.5);
    }
    let timeout = tuning.suspicion_timeout(nodes as usize);
    cluster.run(timeout + interval * LUCK_MAX);
    let periods = |span: Duration| span.as_secs_f64() / interval.as_secs_f64();
    struck
        .into_iter()
        .map(|(slot, at)| Noticed {
            suspected: periods(cluster.first_told(slot, "suspect") - at),
            failed: periods(cluster.first_told(slot, "failed") - at),
        })
        .collect()
}
