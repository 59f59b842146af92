//! Tags that members give themselves while they run.

use std::time::Duration;

use rand::RngExt;
use rand_xoshiro::Xoshiro256PlusPlus;

use super::{Fault, Plan, network::chance, whims::Whim};
use crate::swim::Tags;

/// Share of new tags that do not fit a packet.
const LARGE: f64 = 0.2;
const LARGE_BYTES: usize = 3_000;
/// Changes of tags.
const WHIM: Whim = Whim {
    salt: 0x7461_6773,
    share: 0.4,
    means: (Duration::from_secs(1), Duration::from_secs(30)),
};

/// Adds to a plan of the swarm what its seed says of tags.
pub(super) fn draw_tags(plan: &mut Plan) {
    WHIM.draw(plan, |rng, slot| [Fault::Tags(slot, some_tags(rng))]);
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
