//! What a quiet cluster sends: SWIM §5.1.

use headcount::{
    simulator::Conditions,
    swim::{Profile, Tuning},
};

use super::{
    Case, Estimate, Row, Size, Table,
    cluster::{Cluster, Group},
};

/// Pings under way when counting ends were sent and not yet received.
const UNDER_WAY: f64 = 0.001;
/// All nodes began together and exchange at nearly fixed intervals: the window may hold a little
/// more or less than its share of the last one.
const IN_STEP: f64 = 0.2;
/// Exchange intervals without which exchanges are not worth counting.
const INTERVALS_MIN: u32 = 3;

/// For every size: datagrams a member sends and receives in a period, and what else there is.
pub(crate) fn table(size: Size) -> Table {
    // Nodes, and probe periods that are counted.
    let sizes: &[(u32, u32)] = match size {
        Size::Small => &[(8, 90), (128, 270)],
        Size::Full => &[(8, 600), (128, 900), (1_000, 540), (10_000, 60)],
    };
    let case = |&(nodes, periods): &(u32, u32)| {
        Case::new(nodes, format!("n = {nodes}"), move || rows(nodes, periods))
    };
    Table {
        title: "Load without failures, per member and probe period (SWIM §5.1)",
        reference: "theory",
        beside: "bytes",
        cases: sizes.iter().map(case).collect(),
    }
}

fn rows(nodes: u32, periods: u32) -> Vec<Row> {
    let tuning = Tuning::new(Profile::Lan);
    let mut cluster = Cluster::warm(Group::full(nodes), &tuning, Conditions::LAN, 1);
    let before = received(&cluster);
    let exchange = tuning.exchange_interval(nodes as usize);
    let window = tuning.probe_interval * periods;
    cluster.run(window);
    let after = received(&cluster);
    let measures = cluster.world.report().measures;
    let exchanges = tuning.probe_interval.div_duration_f64(exchange);
    let units = f64::from(nodes) * f64::from(periods);
    let row = |what: &str, theory, slack, measured, bytes: u64| Row {
        case: format!("n = {nodes}: {what}"),
        theory,
        slack,
        measured,
        beside: bytes as f64 / units,
    };
    let [sent, received] = [
        (measures.datagrams, measures.bytes),
        (after.0 - before.0, after.1 - before.1),
    ];
    let counted = |(count, _): (u64, u64)| Estimate::counted(count, units);
    let mut rows = vec![
        row("datagrams sent", 2.0, UNDER_WAY, counted(sent), sent.1),
        row(
            "datagrams received",
            2.0,
            UNDER_WAY,
            counted(received),
            received.1,
        ),
    ];
    if window >= exchange * INTERVALS_MIN {
        rows.push(row(
            "exchanges begun on streams",
            exchanges,
            IN_STEP,
            Estimate::rate(measures.streams, units),
            measures.stream_bytes,
        ));
    }
    rows
}

/// Datagrams and bytes that all nodes received since they started.
fn received(cluster: &Cluster) -> (u64, u64) {
    let nodes = cluster.running().iter();
    nodes
        .filter_map(|slot| cluster.world.node(*slot))
        .map(|node| (node.stats().datagrams_received, node.stats().bytes_received))
        .fold((0, 0), |sum, one| (sum.0 + one.0, sum.1 + one.1))
}
