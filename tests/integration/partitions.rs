//! Scripted stories of isolation and partition: every way back.

use headcount::{
    simulator::{Conditions, Fault, Latency, Slot},
    swim::MemberState,
};

use crate::world::{Cluster, DETECTED, millis, secs};

/// The first half of the slots on one side, the second on the other.
fn halves(count: usize) -> Vec<u16> {
    (0..count)
        .map(|slot| u16::from(slot >= count / 2))
        .collect()
}

fn alone(count: usize, slot: Slot) -> Vec<u16> {
    (0..count)
        .map(|index| u16::from(index == slot.index()))
        .collect()
}

#[test]
fn an_isolated_node_says_so_and_finds_its_way_back() {
    for seed in 0..10 {
        let mut cluster = Cluster::formed(seed, 10);
        let lost = cluster.slots[6];
        cluster.apply(Fault::Partition(alone(10, lost)));
        cluster.run(secs(120));
        assert_eq!(cluster.count(lost, "isolated"), 1, "seed {seed}");
        assert!(cluster.world.status(lost).expect("it runs").isolated);
        cluster.apply(Fault::Heal);
        cluster.agree_within(secs(10));
        assert!(cluster.count(lost, "healed") >= 1, "seed {seed}");
    }
}

#[test]
fn halves_cut_for_ten_minutes_merge_by_themselves_with_one_renewal_each() {
    for seed in 0..5 {
        let mut cluster = Cluster::formed(seed, 20);
        cluster.apply(Fault::Partition(halves(20)));
        cluster.run(secs(600));
        assert_eq!(
            cluster.state(cluster.slots[0], cluster.slots[19]),
            Some(MemberState::Failed)
        );
        cluster.apply(Fault::Heal);
        cluster.agree_within(secs(60));
        for slot in &cluster.slots {
            assert!(cluster.renewals(*slot) <= 1, "seed {seed}: {slot:?}");
        }
    }
}

#[test]
fn halves_that_forgot_each_other_merge_by_themselves() {
    let mut cluster = Cluster::forgetful(1, 8, secs(15 * 60));
    cluster.agree_within(secs(5));
    cluster.apply(Fault::Partition(halves(8)));
    cluster.run(secs(20 * 60));
    assert_eq!(cluster.state(cluster.slots[0], cluster.slots[7]), None);
    cluster.apply(Fault::Heal);
    cluster.agree_within(secs(60));
}

#[test]
fn halves_cut_for_thirty_hours_merge_by_themselves() {
    let mut cluster = Cluster::formed(1, 6);
    cluster.apply(Fault::Partition(halves(6)));
    cluster.run(secs(30 * 3600));
    assert_eq!(cluster.state(cluster.slots[0], cluster.slots[5]), None);
    cluster.apply(Fault::Heal);
    cluster.agree_within(secs(60));
}

#[test]
fn a_one_way_block_between_two_nodes_fails_nobody() {
    for seed in 0..5 {
        let mut cluster = Cluster::formed(seed, 10);
        let (from, to) = (cluster.slots[3], cluster.slots[7]);
        cluster.apply(Fault::Block { from, to });
        cluster.run(secs(120));
        for slot in &cluster.slots {
            assert_eq!(cluster.names(*slot, "failed"), [""; 0], "seed {seed}");
        }
    }
}

#[test]
fn who_is_only_unheard_for_a_while_comes_back() {
    for seed in 0..5 {
        let mut cluster = Cluster::formed(seed, 10);
        let mute = cluster.slots[3];
        for to in cluster.others(mute) {
            cluster.apply(Fault::Block { from: mute, to });
        }
        cluster.run(DETECTED * 2);
        assert_eq!(
            cluster.state(cluster.slots[0], mute),
            Some(MemberState::Failed)
        );
        cluster.apply(Fault::Heal);
        cluster.agree_within(secs(60));
    }
}

#[test]
fn the_last_survivor_of_a_crash_of_all_others_welcomes_them_back() {
    let mut cluster = Cluster::formed(1, 6);
    let survivor = cluster.slots[5];
    for slot in cluster.others(survivor) {
        cluster.apply(Fault::Crash(slot));
    }
    cluster.run(secs(120));
    assert_eq!(cluster.count(survivor, "isolated"), 1);
    cluster.start_all();
    cluster.agree_within(secs(15));
}

/// Nobody's seed lies across the cut, and an answer takes longer than the first retry.
#[test]
fn halves_far_apart_merge_without_a_seed_between_them() {
    let far = Conditions {
        latency: Latency::Uniform {
            min: millis(150),
            max: millis(160),
        },
        ..Conditions::LAN
    };
    for seed in 0..5 {
        let mut cluster = Cluster::new(seed, 5, far.clone());
        cluster.start_all();
        cluster.agree_within(secs(20));
        cluster.apply(Fault::Leave(cluster.slots[0]));
        cluster.run(secs(5));
        cluster.apply(Fault::Partition(vec![0, 0, 0, 1, 1]));
        cluster.run(secs(60));
        let (one, other) = (cluster.slots[1], cluster.slots[4]);
        assert_eq!(cluster.state(one, other), Some(MemberState::Failed));
        cluster.apply(Fault::Heal);
        cluster.agree_within(secs(120));
    }
}
