//! Scripted stories: one fault each, and what consumers must hear of it.

use std::{fs, ops::ControlFlow, path::Path, time::Duration};

use headcount::{
    simulator::{Conditions, Data, End, Fault, Move, Scenario, Slot, Spec, World},
    swim::{MemberState, Notice, StopReason},
};

use crate::world::{Cluster, DETECTED, millis, secs};

#[test]
fn ten_nodes_form_one_view_within_two_seconds() {
    for seed in 0..20 {
        let mut cluster = Cluster::new(seed, 10, Conditions::LAN);
        cluster.start_all();
        cluster.agree_within(secs(2));
    }
}

#[test]
fn a_crash_is_suspected_then_failed_at_every_survivor() {
    for seed in 0..10 {
        let mut cluster = Cluster::formed(seed, 10);
        let dead = cluster.slots[4];
        cluster.apply(Fault::Crash(dead));
        cluster.run(DETECTED);
        for survivor in cluster.others(dead) {
            assert_eq!(
                cluster.heard(survivor, dead),
                ["suspect", "failed"],
                "seed {seed}"
            );
        }
    }
}

#[test]
fn a_leave_is_told_as_left_and_never_as_failed() {
    for seed in 0..10 {
        let mut cluster = Cluster::formed(seed, 10);
        let gone = cluster.slots[4];
        cluster.apply(Fault::Leave(gone));
        cluster.run(millis(500));
        assert_eq!(
            cluster.world.ended(gone),
            Some(&End::Stopped(StopReason::Left))
        );
        cluster.run(DETECTED);
        for other in cluster.others(gone) {
            assert_eq!(cluster.heard(other, gone), ["left"], "seed {seed}");
            let held = cluster.world.held(other, gone).expect("it is still shown");
            assert_eq!(held.reason.as_deref(), Some("told to"));
        }
    }
}

/// A member of ten is started anew: every other one must tell exactly one restart, no failure.
fn restarted_once(seed: u64, to: Move) -> (Cluster, Slot) {
    let mut cluster = Cluster::formed(seed, 10);
    let slot = cluster.slots[4];
    cluster.apply(Fault::Restart(slot, to, Data::Kept));
    cluster.run(DETECTED);
    assert_eq!(cluster.world.disagreement(), None);
    for other in cluster.others(slot) {
        let heard = cluster.heard(other, slot);
        assert_eq!(heard.iter().filter(|kind| **kind == "restart").count(), 1);
        assert!(!heard.contains(&"failed"), "seed {seed}: {heard:?}");
    }
    (cluster, slot)
}

#[test]
fn a_quick_restart_is_one_restart_at_every_observer() {
    for seed in 0..10 {
        restarted_once(seed, Move::Stay);
    }
}

#[test]
fn a_restart_on_another_address_is_one_restart_too() {
    for seed in 0..10 {
        let (cluster, slot) = restarted_once(seed, Move::Away);
        for other in cluster.others(slot) {
            let held = cluster.world.held(other, slot).expect("it is a member");
            assert_eq!(held.card.address, cluster.world.address(slot));
        }
    }
}

#[test]
fn who_takes_over_a_dead_members_address_is_itself_and_nobody_else() {
    for seed in 0..10 {
        let mut cluster = Cluster::formed(seed, 8);
        let (heir, dead) = (cluster.slots[3], cluster.slots[5]);
        cluster.apply(Fault::Crash(dead));
        cluster.apply(Fault::Restart(heir, Move::Onto(dead), Data::Kept));
        cluster.run(DETECTED);
        assert_eq!(cluster.world.disagreement(), None, "seed {seed}");
        cluster.assert_never_failed(heir);
        for other in cluster.others(dead) {
            assert_eq!(
                cluster.state(other, dead),
                Some(MemberState::Failed),
                "seed {seed}"
            );
        }
        cluster.apply(Fault::Start(dead));
        cluster.agree_within(secs(10));
    }
}

#[test]
fn who_comes_back_after_its_failure_joins_from_failed() {
    let mut cluster = Cluster::formed(1, 5);
    let slot = cluster.slots[2];
    cluster.apply(Fault::Crash(slot));
    cluster.run(DETECTED);
    cluster.apply(Fault::Start(slot));
    cluster.agree_within(secs(10));
    for other in cluster.others(slot) {
        assert_eq!(cluster.heard(other, slot), ["suspect", "failed", "join"]);
    }
}

#[test]
fn a_pause_of_three_seconds_fails_nobody() {
    for seed in 0..10 {
        let mut cluster = Cluster::formed(seed, 10);
        let paused = cluster.slots[4];
        cluster.apply(Fault::Pause(paused, secs(3)));
        cluster.run(DETECTED);
        assert_eq!(cluster.world.disagreement(), None);
        for slot in &cluster.slots {
            assert_eq!(cluster.names(*slot, "failed"), [""; 0], "seed {seed}");
        }
    }
}

#[test]
fn a_pause_of_a_minute_fails_only_who_paused_and_it_comes_back() {
    for seed in 0..10 {
        let mut cluster = Cluster::formed(seed, 10);
        let paused = cluster.slots[4];
        cluster.apply(Fault::Pause(paused, secs(60)));
        cluster.run(secs(60));
        cluster.agree_within(secs(30));
        for other in cluster.others(paused) {
            assert_eq!(cluster.names(other, "failed"), ["n4"], "seed {seed}");
        }
        assert_eq!(cluster.names(paused, "failed"), [""; 0], "seed {seed}");
    }
}

#[test]
fn a_seed_that_starts_last_is_found() {
    let mut cluster = Cluster::new(1, 10, Conditions::LAN);
    for slot in cluster.others(cluster.slots[0]) {
        cluster.apply(Fault::Start(slot));
    }
    cluster.run(secs(90));
    cluster.apply(Fault::Start(cluster.slots[0]));
    cluster.agree_within(secs(10));
}

#[test]
fn two_clusters_on_one_network_never_mix() {
    let mut world = World::new(1, Conditions::LAN);
    let blue = world.add(Spec::new("n0", &[]).in_cluster("blue"));
    let red = world.add(Spec::new("n0", &[]).in_cluster("red"));
    let mut slots = vec![blue, red];
    for (cluster, seeds) in [("blue", [blue, red]), ("red", [red, blue])] {
        let spec = |n: u32| Spec::new(format!("n{n}"), &seeds).in_cluster(cluster);
        slots.extend((1..5).map(|n| world.add(spec(n))));
    }
    let mut cluster = Cluster { world, slots };
    cluster.start_all();
    cluster.agree_within(secs(5));
    cluster.run(secs(60));
    assert_eq!(cluster.world.disagreement(), None);
    for slot in &cluster.slots {
        assert_eq!(cluster.world.view(*slot).len(), 5);
    }
}

#[test]
fn a_duplicate_name_stops_exactly_one_of_the_two() {
    for seed in 0..20 {
        let mut cluster = Cluster::formed(seed, 5);
        let (holder, twin) = (
            cluster.slots[2],
            cluster.world.add(Spec::new("n2", &[cluster.slots[0]])),
        );
        cluster.apply(Fault::Start(twin));
        cluster.run(secs(30));
        let ended = |slot| {
            matches!(
                cluster.world.ended(slot),
                Some(End::Stopped(StopReason::Conflict { .. }))
            )
        };
        assert!(
            !ended(holder) && ended(twin),
            "seed {seed}: the newcomer gives way"
        );
        assert_eq!(cluster.count(twin, "conflict"), 1);
        assert_eq!(cluster.world.disagreement(), None);
        for other in cluster.others(holder) {
            assert_eq!(cluster.state(other, holder), Some(MemberState::Alive));
            assert_eq!(cluster.heard(other, holder), [""; 0], "seed {seed}");
        }
    }
}

#[test]
fn twins_that_meet_when_a_partition_heals_leave_exactly_one() {
    for seed in 0..20 {
        let mut cluster = Cluster::formed(seed, 8);
        let twin = cluster.world.add(Spec::new("n2", &[cluster.slots[7]]));
        cluster.apply(Fault::Partition(vec![0, 0, 0, 0, 1, 1, 1, 1, 1]));
        cluster.run(DETECTED);
        cluster.apply(Fault::Start(twin));
        cluster.run(secs(10));
        assert_eq!(
            cluster.state(cluster.slots[5], twin),
            Some(MemberState::Alive)
        );
        cluster.apply(Fault::Heal);
        cluster.agree_within(secs(60));
        let running = [cluster.slots[2], twin].map(|slot| cluster.world.node(slot).is_some());
        assert_eq!(
            running.iter().filter(|runs| **runs).count(),
            1,
            "seed {seed}"
        );
    }
}

#[test]
fn a_lost_data_directory_still_ends_as_the_greater_life() {
    for seed in 0..10 {
        let mut cluster = Cluster::formed(seed, 6);
        let slot = cluster.slots[3];
        for _ in 0..3 {
            cluster.apply(Fault::Restart(slot, Move::Stay, Data::Kept));
            cluster.run(secs(5));
        }
        cluster.apply(Fault::Restart(slot, Move::Stay, Data::Lost));
        cluster.agree_within(secs(10));
        let generation = cluster
            .world
            .status(slot)
            .expect("it runs")
            .life
            .generation();
        assert_eq!(generation, 5, "seed {seed}");
        cluster.assert_never_failed(slot);
    }
}

#[test]
fn twenty_nodes_form_and_stay_together_while_a_fifth_of_all_datagrams_is_lost() {
    for seed in 0..3 {
        let mut cluster = Cluster::new(seed, 20, Conditions::lossy(0.2));
        cluster.start_all();
        cluster.all_active_within(secs(60));
        cluster.run(secs(120));
        cluster.all_active_within(secs(30));
    }
}

#[test]
fn who_does_not_know_its_address_learns_it_from_the_first_peer() {
    let mut world = World::new(1, Conditions::LAN);
    let unknowing = |spec: Spec| Spec {
        knows_address: false,
        ..spec
    };
    let first = world.add(unknowing(Spec::new("n0", &[])));
    let spec = |n: u32| unknowing(Spec::new(format!("n{n}"), &[first]));
    let slots: Vec<Slot> = std::iter::once(first)
        .chain((1..6).map(|n| world.add(spec(n))))
        .collect();
    let mut cluster = Cluster { world, slots };
    cluster.start_all();
    cluster.agree_within(secs(5));
}

#[test]
fn a_removed_member_is_forgotten_everywhere() {
    let mut cluster = Cluster::formed(1, 8);
    let dead = cluster.slots[3];
    cluster.apply(Fault::Crash(dead));
    cluster.run(DETECTED);
    cluster.apply(Fault::Remove(cluster.slots[0], "n3".into()));
    cluster.run(secs(60));
    for other in cluster.others(dead) {
        assert_eq!(cluster.state(other, dead), None);
        assert_eq!(cluster.heard(other, dead).last(), Some(&"removed"));
    }
}

/// A newcomer never heard of the dead one but by its removal; somebody who missed that comes back.
#[test]
fn a_removed_member_is_no_news_to_who_came_later() {
    let mut cluster = Cluster::formed(1, 5);
    let [seed, dead, away, ..] = cluster.slots[..] else {
        panic!("five were made");
    };
    cluster.apply(Fault::Crash(dead));
    cluster.run(DETECTED);
    cluster.apply(Fault::Pause(away, secs(60)));
    cluster.run(secs(5));
    cluster.apply(Fault::Remove(seed, "n1".into()));
    cluster.run(secs(5));
    let newcomer = cluster.world.add(Spec::new("n5", &[seed]));
    cluster.apply(Fault::Start(newcomer));
    cluster.run(secs(120));
    assert_eq!(cluster.state(away, dead), None);
    assert_eq!(cluster.state(newcomer, dead), None);
    assert_eq!(cluster.world.story_of(newcomer, dead), [""; 0]);
}

#[test]
fn a_dead_seed_is_complained_about_once_a_minute() {
    let mut cluster = Cluster::new(1, 2, Conditions::LAN);
    let lonely = cluster.slots[1];
    cluster.apply(Fault::Start(lonely));
    cluster.run(secs(300));
    let complaints = cluster.world.notices(lonely).iter();
    let complaints = complaints.filter(|n| matches!(n, Notice::JoinUnanswered { .. }));
    assert!((4..=6).contains(&complaints.count()));
}

#[test]
fn halves_that_were_cut_for_a_week_find_each_other() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("simulations/long/week_apart.toml");
    let text = fs::read_to_string(file).expect("readable");
    let scenario = Scenario::parse("week_apart.toml", &text).expect("it can be");
    let outcome = scenario.run(1, &mut |_, _| ControlFlow::Continue(()));
    assert_eq!(outcome.missed, Vec::<String>::new());
    assert!(outcome.converged, "{:?}", outcome.run.violations);
    // At 0 they had found each other before anybody looked, and the bound would bound nothing.
    assert!(outcome.run.converged_after > Some(Duration::ZERO));
}
