//! From the first who knows to the last: the floors of rumour spreading.

use std::time::Duration;

use headcount::{
    simulator::{Conditions, Fault},
    swim::{Profile, Timestamp, Tuning},
};

use super::{Estimate, Row, Size, Table, cluster::Cluster, theory};

/// A closed form of independent moments is near the truth of rounds, no more.
const SLACK: f64 = 0.15;
/// News is told for so long at most.
const SETTLED: Duration = Duration::from_secs(10);

/// How long rumours took from the first node to the last that heard them, in milliseconds, and
/// how many updates somebody did not hear of before everybody stopped telling.
#[derive(Default)]
struct Spread {
    suspicion: Vec<f64>,
    update: Vec<f64>,
    incomplete: u64,
}

/// For every size, with eager gossip and without: an accusation, and an update with one origin.
pub(crate) fn table(size: Size) -> Table {
    let sizes: &[(u32, usize)] = match size {
        Size::Small => &[(128, 20)],
        Size::Full => &[(128, 300), (1_000, 100), (10_000, 12)],
    };
    let cases = sizes
        .iter()
        .flat_map(|(nodes, rumours)| [(0, *nodes, *rumours), (3, *nodes, *rumours)]);
    Table {
        title: "From the first member that knows to the last, in ms",
        beside: "synchronous rounds, or sends",
        rows: cases.flat_map(rows).collect(),
    }
}

fn rows((eager, nodes, rumours): (u8, u32, usize)) -> [Row; 3] {
    let mut tuning = Tuning::new(Profile::Lan);
    tuning.eager_sends = eager;
    let spread = spread(nodes, rumours, &tuning);
    let round = tuning.gossip_interval.as_secs_f64() * 1e3;
    let beside = theory::synchronous(nodes, tuning.fanout as f64) * round;
    let case = |what: &str| format!("n = {nodes}, {eager} at once: {what}");
    let row = |what: &str, observed: &[f64]| Row {
        case: case(what),
        theory: expected(nodes, &tuning),
        slack: SLACK,
        measured: Estimate::mean(observed),
        beside,
    };
    let sends = tuning.transmissions(nodes as usize - 1);
    let complete = rumours as u64 - spread.incomplete;
    [
        row("update", &spread.update),
        row("suspicion", &spread.suspicion),
        Row {
            case: case("share of updates that all hear of"),
            theory: theory::reaches_all(nodes, sends.into()),
            slack: 0.0,
            measured: Estimate::share(complete, rumours as u64),
            beside: sends.into(),
        },
    ]
}

/// In milliseconds.
fn expected(nodes: u32, tuning: &Tuning) -> f64 {
    let round = tuning.gossip_interval.as_secs_f64();
    // Probes and their acks carry news too: one of each in a probe interval.
    let sends = tuning.fanout as f64 + 2.0 * round / tuning.probe_interval.as_secs_f64();
    let rounds = match tuning.eager_sends {
        0 => theory::spreading(nodes, sends),
        eager => {
            let left = theory::residue(eager.into()) * f64::from(nodes);
            theory::last_of(left, sends)
        }
    };
    rounds * round * 1e3
}

fn spread(nodes: u32, rumours: usize, tuning: &Tuning) -> Spread {
    let mut spread = Spread::default();
    let each = (nodes as usize / 20).max(1);
    for seed in 1.. {
        let rest = rumours - spread.update.len();
        if rest == 0 {
            break;
        }
        let mut cluster = Cluster::warm(nodes, tuning, Conditions::LAN, seed);
        for _ in 0..each.min(rest) {
            one(&mut cluster, tuning, &mut spread);
        }
    }
    spread
}

/// A member crashes, all suspect it and hold it failed; then somebody has it forgotten.
fn one(cluster: &mut Cluster, tuning: &Tuning, spread: &mut Spread) {
    let (slot, _) = cluster.crash_one(&["suspect", "removed"]);
    let nodes = cluster.running().len();
    cluster.run_about(tuning.suspicion_timeout(nodes) + SETTLED * 2, 0.1);
    let name = format!("n{}", slot.index());
    let origin = cluster.anyone();
    cluster.world.apply(Fault::Remove(origin, name));
    cluster.run_about(SETTLED, 0.1);
    let [suspicion, update] = ["suspect", "removed"].map(|kind| cluster.told(slot, kind));
    let millis = |told: &[Timestamp]| {
        let bounds = told.iter().min().zip(told.iter().max());
        bounds.map(|(first, last)| (*last - *first).as_secs_f64() * 1e3)
    };
    spread.suspicion.extend(millis(&suspicion));
    spread.update.extend(millis(&update));
    spread.incomplete += u64::from(update.len() < nodes);
}
