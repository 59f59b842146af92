//! Agents that are stopped and go on, and what is said of them and of the others meanwhile.

use std::time::Duration;

use rand::{SeedableRng, seq::index};
use rand_xoshiro::Xoshiro256PlusPlus;
use rustix::process::Signal;
use serde_json::Value;

use super::AGENTS;
use crate::support::{Lab, Watched, pause};

/// Time for every suspicion to run out: what is said that late is still said of the pause.
const AFTERMATH: Duration = Duration::from_secs(25);

/// So many agents stop at one moment.
const STOPPED: usize = 5;
/// Longer than a suspicion lasts that is confirmed: to call them failed is right.
const LASTS: Duration = Duration::from_secs(10);

/// What all consumers together were told, those of the stopped ones included.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Told {
    pub(crate) healthy_suspected: usize,
    pub(crate) healthy_failed: usize,
    pub(crate) stopped_suspected: usize,
    pub(crate) stopped_failed: usize,
}

/// So many times, each time of a cluster that knew no pause before.
pub(crate) fn measure(repeats: usize) -> Vec<Told> {
    (0..repeats as u64).map(happen).collect()
}

fn happen(seed: u64) -> Told {
    let lab = Lab::new();
    let watched = Watched::new(lab.cluster(AGENTS));
    pause(Duration::from_secs(1));
    let mut dice = Xoshiro256PlusPlus::seed_from_u64(seed);
    let stopped = index::sample(&mut dice, AGENTS, STOPPED).into_vec();
    let signal = |kind| {
        for index in &stopped {
            watched.agents[*index].signal(kind);
        }
    };
    signal(Signal::STOP);
    pause(LASTS);
    signal(Signal::CONT);
    pause(AFTERMATH);
    let names: Vec<_> = stopped.iter().map(|i| watched.agents[*i].name()).collect();
    let records = watched.watches.iter().flat_map(|watch| watch.records());
    count(records, &names)
}

fn count(records: impl Iterator<Item = Value>, stopped: &[&str]) -> Told {
    let mut told = Told::default();
    for record in records {
        let of_stopped = stopped.iter().any(|name| record["member"]["name"] == *name);
        let count = match (record["type"].as_str(), of_stopped) {
            (Some("suspect"), false) => &mut told.healthy_suspected,
            (Some("failed"), false) => &mut told.healthy_failed,
            (Some("suspect"), true) => &mut told.stopped_suspected,
            (Some("failed"), true) => &mut told.stopped_failed,
            _ => continue,
        };
        *count += 1;
    }
    told
}
