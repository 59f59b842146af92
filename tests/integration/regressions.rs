//! Bugs that the swarm found, told as the shortest story that showed them, named by symptom.

use headcount::{
    simulator::{Conditions, Data, Fault, Move, Slot, Spec},
    swim::MemberState,
};

use crate::world::{Cluster, DETECTED, secs};

/// A cluster of eight cut in halves, where a second `n2` starts on the far side.
fn twins_apart(seed: u64) -> (Cluster, Slot) {
    let mut cluster = Cluster::formed(seed, 8);
    let twin = cluster.world.add(Spec::new("n2", &[cluster.slots[7]]));
    cluster.apply(Fault::Partition(vec![0, 0, 0, 0, 1, 1, 1, 1, 1]));
    cluster.run(DETECTED);
    cluster.apply(Fault::Start(twin));
    cluster.run(secs(10));
    (cluster, twin)
}

/// foca's `ChangeSuspectToDown` tells the suspect that it is down even when it had refuted.
#[test]
fn refuted_suspicions_cost_no_renewal() {
    for seed in 0..5 {
        let mut cluster = Cluster::new(seed, 10, Conditions::lossy(0.1));
        cluster.start_all();
        cluster.run(secs(120));
        let mut refutations = 0;
        for slot in &cluster.slots {
            let stats = *cluster.world.node(*slot).expect("it runs").stats();
            refutations += stats.refutations;
            assert_eq!(stats.renewals, 0, "seed {seed}: {slot:?}");
        }
        assert!(refutations > 0, "the loss was enough for suspicions");
    }
}

/// Gossip is chance: one member in thousands missed the refutation and failed the suspect alone.
#[test]
fn heavy_loss_fails_nobody_healthy() {
    let mut cluster = Cluster::new(1, 20, Conditions::lossy(0.3));
    cluster.start_all();
    cluster.run(secs(600));
    assert_eq!(cluster.world.report().measures.false_failures, 0);
}

/// Whoever held the later generation turned the earlier one undead with each packet it sent, and
/// it renewed by one each time: 256 times in a second.
#[test]
fn twins_of_different_generations_do_not_renew_in_a_storm() {
    for seed in 0..10 {
        let (mut cluster, twin) = twins_apart(seed);
        for _ in 0..3 {
            cluster.apply(Fault::Restart(twin, Move::Stay, Data::Kept));
            cluster.run(secs(5));
        }
        let sent = cluster.world.report().measures.datagrams;
        cluster.apply(Fault::Heal);
        cluster.agree_within(secs(60));
        for slot in cluster.world.living() {
            assert!(cluster.renewals(slot) <= 2, "seed {seed}: {slot:?}");
        }
        let sent = cluster.world.report().measures.datagrams - sent;
        assert!(sent < 10_000, "seed {seed}: {sent} datagrams");
    }
}

/// Peers kept the card of a twin that was gone, for as long as the generation lasted.
#[test]
fn the_card_of_a_twin_that_is_gone_does_not_stay() {
    for seed in 0..10 {
        let (mut cluster, twin) = twins_apart(seed);
        cluster.apply(Fault::Crash(twin));
        cluster.apply(Fault::Heal);
        cluster.agree_within(secs(120));
        let holder = cluster.slots[2];
        let held = cluster.world.held(cluster.slots[7], holder).expect("known");
        assert_eq!(
            held.card.address,
            cluster.world.address(holder),
            "seed {seed}"
        );
    }
}

/// The first process had left in generation 1; the second, which could not know, renewed to 1.1.
#[test]
fn who_comes_back_without_its_data_after_leaving_takes_a_new_generation() {
    for seed in 0..10 {
        let mut cluster = Cluster::formed(seed, 5);
        // It joins nobody: the others find it again.
        let slot = cluster.slots[0];
        cluster.apply(Fault::Leave(slot));
        cluster.run(secs(5));
        cluster.apply(Fault::Restart(slot, Move::Stay, Data::Lost));
        cluster.agree_within(secs(120));
        for other in cluster.others(slot) {
            let held = cluster.world.held(other, slot).expect("it is a member");
            assert_eq!(held.state, MemberState::Alive);
            assert_eq!(held.card.generation, 2, "seed {seed}");
        }
    }
}

/// A newcomer without its data took a generation that an earlier process had had on the far side
/// of a partition, whose higher incarnation nobody ever took back.
#[test]
fn a_generation_that_is_had_twice_is_given_up() {
    for seed in 0..10 {
        let mut cluster = Cluster::formed(seed, 6);
        let slot = cluster.slots[2];
        cluster.apply(Fault::Partition(vec![0, 0, 1, 1, 1, 1]));
        cluster.apply(Fault::Restart(slot, Move::Stay, Data::Kept));
        cluster.run(DETECTED);
        cluster.apply(Fault::Pause(slot, secs(3)));
        cluster.run(secs(5));
        // Those on its side know generation 2; it comes back among those who know 1.
        cluster.apply(Fault::Partition(vec![0, 0, 0, 1, 1, 1]));
        cluster.apply(Fault::Restart(slot, Move::Stay, Data::Lost));
        cluster.run(secs(1));
        cluster.apply(Fault::Heal);
        cluster.agree_within(secs(60));
    }
}

/// A goodbye says no incarnation, and consumers saw the one they knew go back to zero.
#[test]
fn a_goodbye_keeps_the_incarnation_that_was_published() {
    let mut cluster = Cluster::formed(1, 5);
    let slot = cluster.slots[2];
    cluster.apply(Fault::Pause(slot, secs(4)));
    cluster.run(secs(10));
    let before = cluster.world.status(slot).expect("it runs").incarnation;
    assert!(before > 0, "it refuted");
    cluster.apply(Fault::Leave(slot));
    cluster.run(secs(5));
    for other in cluster.others(slot) {
        let held = cluster.world.held(other, slot).expect("it is shown");
        assert_eq!((held.state, held.incarnation), (MemberState::Left, before));
    }
}
