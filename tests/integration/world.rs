//! Scripted stories in the deterministic world: one fault each, and what consumers must hear.

use std::time::Duration;

use headcount::simulator::{Conditions, Fault, Slot, Spec, World};

fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// `count` machines that join the first one; nothing runs yet.
fn cluster(seed: u64, count: usize, conditions: Conditions) -> (World, Vec<Slot>) {
    let mut world = World::new(seed, conditions);
    let first = world.add(Spec::new("n0", &[]));
    let mut slots = vec![first];
    slots.extend((1..count).map(|n| world.add(Spec::new(format!("n{n}"), &[first]))));
    (world, slots)
}

#[test]
fn ten_nodes_form_one_view_within_two_seconds() {
    let (mut world, slots) = cluster(1, 10, Conditions::LAN);
    for slot in &slots {
        world.apply(Fault::Start(*slot));
    }
    world.run_for(secs(2));
    assert_eq!(world.disagreement(), None);
}
