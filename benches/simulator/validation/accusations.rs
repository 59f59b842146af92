//! Live members accused because packets were lost: SWIM §3.1 with every accusation counted, as if
//! there were no suspicion.

use std::f64::consts::E;

use headcount::{
    simulator::Conditions,
    swim::{Profile, Tuning},
};

use super::{
    Case, Estimate, Row, Size, Table,
    cluster::{Cluster, Group},
    theory,
};

/// Enough for three helpers that have nothing to do with each other.
const NODES: u32 = 32;

/// For every loss and number of helpers: failed probes for each probe.
pub(crate) fn table(size: Size) -> Table {
    // Loss, helpers, and periods: hits are rarer the more helpers there are.
    let cases: &[(f64, u8, u32)] = match size {
        Size::Small => &[
            (0.01, 1, 2_000),
            (0.05, 1, 500),
            (0.1, 1, 500),
            (0.1, 3, 1_000),
        ],
        Size::Full => &[
            (0.01, 1, 50_000),
            (0.01, 3, 500_000),
            (0.05, 1, 20_000),
            (0.05, 3, 400_000),
            (0.1, 1, 20_000),
            (0.1, 3, 50_000),
        ],
    };
    let case = |&case: &(f64, u8, u32)| Case::new(NODES, named(case), move || vec![row(case)]);
    Table {
        title: "False accusations of one live member per probe period (SWIM §3.1)",
        reference: "theory",
        beside: "within e/(e−1) periods",
        cases: cases.iter().map(case).collect(),
    }
}

fn named((loss, helpers, _): (f64, u8, u32)) -> String {
    format!("loss {:.0} %, k = {helpers}", loss * 100.0)
}

fn row(case: (f64, u8, u32)) -> Row {
    let (loss, helpers, periods) = case;
    let mut tuning = Tuning::swim(Profile::Lan);
    tuning.fanout = helpers.into();
    // Accusations are answered, and nobody is lost to one: all go on being probed.
    tuning.suspicion_multiplier = 20.0;
    let network = Conditions::lossy(loss);
    let mut cluster = Cluster::warm(Group::full(NODES), &tuning, network, 1);
    let before = failed_probes(&cluster);
    cluster.run(tuning.probe_interval * periods);
    let failed = failed_probes(&cluster) - before;
    let theory = theory::false_accusation(1.0 - loss, helpers.into());
    Row {
        case: named(case),
        theory,
        slack: 0.0,
        // Everybody probes one member in each period, so everybody is probed once on average.
        measured: Estimate::share(failed, u64::from(NODES) * u64::from(periods)),
        beside: theory * E / (E - 1.0),
    }
}

fn failed_probes(cluster: &Cluster) -> u64 {
    let nodes = cluster.running().iter();
    let nodes = nodes.filter_map(|slot| cluster.world.node(*slot));
    nodes.map(|node| node.stats().probes_failed).sum()
}
