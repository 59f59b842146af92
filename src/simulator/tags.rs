//! Tags that members give themselves while they run.

use std::time::Duration;

use rand::{RngExt, SeedableRng};
use rand_xoshiro::Xoshiro256PlusPlus;

use super::{
    Fault, Plan, Slot,
    network::{chance, draw},
};
use crate::swim::Tags;

/// What separates this randomness from the rest of a plan's, which is what it would be without.
const PLAN_SALT: u64 = 0x7461_6773;
/// Share of plans in which tags change.
const ANY: f64 = 0.4;
/// Share of new tags that do not fit a packet.
const LARGE: f64 = 0.2;
const LARGE_BYTES: usize = 3_000;
/// Mean time between two changes in a plan.
const MEANS: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(30));

/// Adds to a plan of the swarm what its seed says of tags.
pub(super) fn draw_tags(plan: &mut Plan) {
    let mut rng = Xoshiro256PlusPlus::seed_from_u64(plan.seed ^ PLAN_SALT);
    if !chance(&mut rng, ANY) {
        return;
    }
    let machines = u32::try_from(plan.machines.len()).expect("a plan has few machines");
    let mean = draw(&mut rng, MEANS.0, MEANS.1);
    let mut at = Duration::ZERO;
    while at < plan.safety {
        let slot = Slot(rng.random_range(0..machines));
        plan.faults
            .push((at, Fault::Tags(slot, some_tags(&mut rng))));
        at += draw(&mut rng, Duration::from_millis(1), mean * 2);
    }
}

fn some_tags(rng: &mut Xoshiro256PlusPlus) -> Tags {
    let role = ["web", "db", "cache"][rng.random_range(0..3)];
    let mut tags = vec![("role".to_owned(), role.to_owned())];
    if chance(rng, LARGE) {
        tags.push(("notes".to_owned(), "x".repeat(LARGE_BYTES)));
    }
    // Sometimes all are taken away.
    tags.truncate(rng.random_range(0..3));
    tags.into_iter().collect()
}
