//! From the first who knows to the last: the floors of rumour spreading.

use std::time::Duration;

use headcount::{
    simulator::{Conditions, Fault, Slot},
    swim::{Profile, Timestamp, Tuning},
};

use super::{
    Case, Estimate, Row, Size, Table,
    cluster::{Cluster, Group},
    theory,
};

/// A closed form of independent moments is near the truth of rounds, no more.
const SLACK: f64 = 0.15;
/// News is told for so long at most.
const SETTLED: Duration = Duration::from_secs(4);
/// Members crash so far apart.
const APART: Duration = Duration::from_secs(1);

/// A group, how many rumours spread in it, and how many sends each gets at once.
#[derive(Clone, Copy)]
struct Spreading {
    group: Group,
    rumours: usize,
    eager: u8,
}

impl Spreading {
    fn name(&self) -> String {
        format!("n = {}, {} at once", self.group.nodes, self.eager)
    }
}

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
    let sizes: &[(Group, usize)] = match size {
        Size::Small => &[(Group::full(128), 20)],
        Size::Full => &[
            (Group::full(128), 300),
            (Group::full(1_000), 100),
            (Group::full(10_000), 12),
            (Group::part(100_000, 128), 12),
        ],
    };
    let case = |eager, (group, rumours)| Spreading {
        group,
        rumours,
        eager,
    };
    let cases = sizes
        .iter()
        .flat_map(|size| [case(0, *size), case(3, *size)]);
    Table {
        title: "From the first member that knows to the last, in ms",
        reference: "theory",
        beside: "synchronous rounds, or sends",
        cases: cases
            .map(|case| Case::new(case.group.nodes, case.name(), move || rows(case)))
            .collect(),
    }
}

fn rows(case: Spreading) -> Vec<Row> {
    let nodes = case.group.nodes;
    let mut tuning = Tuning::new(Profile::Lan);
    tuning.eager_sends = case.eager;
    let spread = spread(case, &tuning);
    let round = tuning.gossip_interval.as_secs_f64() * 1e3;
    let beside = theory::synchronous(nodes, tuning.fanout as f64) * round;
    let named = |what: &str| format!("{}: {what}", case.name());
    let row = |what: &str, observed: &[f64]| Row {
        case: named(what),
        theory: expected(nodes, &tuning),
        slack: SLACK,
        measured: Estimate::mean(observed),
        beside,
    };
    let mut rows = vec![row("suspicion", &spread.suspicion)];
    let told = spread.update.len() as u64;
    if told > 0 {
        let sends = tuning.transmissions(nodes as usize - 1);
        rows.push(row("update", &spread.update));
        rows.push(Row {
            case: named("share of updates that all hear of"),
            theory: theory::reaches_all(nodes, sends.into()),
            slack: 0.0,
            measured: Estimate::share(told - spread.incomplete, told),
            beside: sends.into(),
        });
    }
    rows
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

/// The rumours of as many worlds as they need; in each a small part of the members crashes.
fn spread(case: Spreading, tuning: &Tuning) -> Spread {
    let mut spread = Spread::default();
    let each = (case.group.nodes as usize / 20).max(1);
    for seed in 1.. {
        let rest = case.rumours - spread.suspicion.len();
        if rest == 0 {
            break;
        }
        let mut cluster = Cluster::warm(case.group, tuning, Conditions::LAN, seed);
        let struck = crash(&mut cluster, each.min(rest), tuning);
        spread.suspicion.extend(struck.iter().filter_map(|slot| {
            let told = cluster.told(*slot, "suspect");
            span(&told)
        }));
        // Nobody can be forgotten by those who do not keep it in their lists.
        if case.group.view.is_none() {
            for slot in struck {
                remove(&mut cluster, slot, &mut spread);
            }
        }
    }
    spread
}

/// Members crash, one after the other, until all hold all of them failed.
fn crash(cluster: &mut Cluster, crashes: usize, tuning: &Tuning) -> Vec<Slot> {
    let mut struck = Vec::new();
    for _ in 0..crashes {
        struck.push(cluster.crash_one(&["suspect", "removed"]).0);
        cluster.run_about(APART, 0.5);
    }
    let timeout = tuning.suspicion_timeout(cluster.running().len());
    cluster.run(timeout + tuning.probe_interval * 15);
    struck
}

/// Somebody has a failed member forgotten: news with one origin.
fn remove(cluster: &mut Cluster, slot: Slot, spread: &mut Spread) {
    let name = format!("n{}", slot.index());
    let origin = cluster.anyone();
    cluster.world.apply(Fault::Remove(origin, name));
    cluster.run_about(SETTLED, 0.1);
    let told = cluster.told(slot, "removed");
    spread.update.extend(span(&told));
    spread.incomplete += u64::from(told.len() < cluster.running().len());
}

/// From the first to the last, in milliseconds.
fn span(told: &[Timestamp]) -> Option<f64> {
    let (first, last) = told.iter().min().zip(told.iter().max())?;
    Some((*last - *first).as_secs_f64() * 1e3)
}
