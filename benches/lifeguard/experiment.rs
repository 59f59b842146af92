//! One run of an experiment.

use std::time::Duration;

use headcount::{
    simulator::{Conditions, Fault, Slot, Spec, World},
    swim::Tuning,
};
use rand::{SeedableRng, seq::index};
use rand_xoshiro::Xoshiro256PlusPlus;

use super::grid::Point;

const NODES: u32 = 128;
/// Runs end after this, and after the anomaly that is on then.
const LASTS: Duration = Duration::from_secs(120);
/// "15 s quiesce".
const QUIET: Duration = Duration::from_secs(15);

/// Failures told of members that were not struck, and traffic.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Outcome {
    pub(crate) false_positives: u64,
    /// Those told by members that were not struck either.
    pub(crate) at_healthy: u64,
    pub(crate) messages: u64,
    pub(crate) bytes: u64,
}

/// From the begin of an anomaly to the first and the last of the others that called it a failure,
/// in seconds.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Detection {
    pub(crate) first: f64,
    pub(crate) full: Option<f64>,
}

struct Lab {
    world: World,
    struck: Vec<Slot>,
}

impl Lab {
    fn new(point: &Point, tuning: &Tuning) -> Self {
        let mut world = World::new(point.seed, Conditions::LAN);
        let spec = |number| Spec {
            tuning: tuning.clone(),
            ..Spec::new(format!("n{number}"), &[])
        };
        let slots: Vec<_> = (0..NODES).map(|number| world.add(spec(number))).collect();
        world.look_away();
        world.warm_start(slots.iter().copied(), Duration::from_millis(990));
        let mut lab = Self {
            world,
            struck: Vec::new(),
        };
        lab.run_for(QUIET);
        let mut dice = Xoshiro256PlusPlus::seed_from_u64(point.seed);
        let chosen = index::sample(&mut dice, slots.len(), point.concurrent as usize);
        lab.struck = chosen.into_iter().map(|index| slots[index]).collect();
        lab.world.begin_counting();
        lab
    }

    /// Time stands still in a world that broke a promise.
    fn run_for(&mut self, span: Duration) {
        self.world.run_for(span);
        let broken = self.world.violations();
        assert!(broken.is_empty(), "a promise was broken: {broken:?}");
    }

    fn strike(&mut self, span: Duration) {
        for slot in &self.struck {
            self.world.apply(Fault::Choke(*slot, span));
        }
        self.run_for(span);
    }
}

/// The interval experiment: struck again and again.
pub(crate) fn interval(point: &Point, tuning: &Tuning) -> Outcome {
    let mut lab = Lab::new(point, tuning);
    let end = lab.world.now() + LASTS;
    while lab.world.now() < end {
        lab.strike(point.lasts);
        lab.run_for(point.pause.unwrap_or_default());
    }
    let measures = lab.world.report().measures;
    Outcome {
        false_positives: measures.false_failures_of_healthy,
        at_healthy: measures.false_failures_at_healthy,
        messages: measures.datagrams,
        bytes: measures.bytes + measures.stream_bytes,
    }
}

/// The threshold experiment: struck once; what was told of each of the struck.
pub(crate) fn threshold(point: &Point, tuning: &Tuning) -> Vec<Detection> {
    let mut lab = Lab::new(point, tuning);
    for slot in &lab.struck {
        lab.world.follow(*slot, "failed");
    }
    let begin = lab.world.now();
    lab.strike(point.lasts);
    lab.run_for(LASTS.saturating_sub(point.lasts));
    let told = |slot: &Slot| {
        let told = lab.world.followed(*slot, "failed").expect("it is followed");
        let healthy = told.iter().filter(|(at, _)| !lab.struck.contains(*at));
        let mut times: Vec<_> = healthy.map(|(_, at)| (*at - begin).as_secs_f64()).collect();
        times.sort_by(f64::total_cmp);
        let others = NODES as usize - lab.struck.len();
        Some(Detection {
            first: *times.first()?,
            full: times.last().copied().filter(|_| times.len() == others),
        })
    };
    lab.struck.iter().filter_map(told).collect()
}
