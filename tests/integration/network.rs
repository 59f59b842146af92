//! What bad networks and slow processes do to a cluster, and what they do not.

use std::time::Duration;

use headcount::simulator::{
    Bursts, Conditions, Effect, Fault, Latency, LogNormal, Machines, Mtu, Rule, RuleId, Slot,
    Tapped, Zones,
};

use crate::world::{Cluster, DETECTED, millis, secs};

/// The return of a member that was lost again and again is told so late at most (damping).
const DAMPED: Duration = secs(90);

/// Datagrams that `slot` sent since the world keeps copies.
fn sent(cluster: &Cluster, slot: Slot) -> usize {
    let address = cluster.world.address(slot);
    let by = |tapped: &&Tapped| matches!(tapped, Tapped::Datagram { from, .. } if *from == address);
    cluster.world.tapped().iter().filter(by).count()
}

fn failed_everywhere(cluster: &Cluster) -> usize {
    cluster
        .slots
        .iter()
        .map(|slot| cluster.count(*slot, "failed"))
        .sum()
}

/// From now on it is different on the way from all to `to`.
fn impose(cluster: &mut Cluster, to: Slot, effect: Effect) {
    let (from, to) = (Machines::all(), Machines::only([to]));
    cluster.apply(Fault::Impose(RuleId(1), Rule { from, to, effect }));
}

#[test]
fn a_slow_process_sends_nothing_until_its_block_is_over() {
    for seed in 0..10 {
        let mut cluster = Cluster::formed(seed, 10);
        let slow = cluster.slots[4];
        cluster.world.tap();
        cluster.apply(Fault::Slow(slow, millis(2_500)));
        cluster.run(millis(2_499));
        assert_eq!(sent(&cluster, slow), 0, "seed {seed}");
        cluster.run(millis(2));
        assert!(sent(&cluster, slow) > 0, "seed {seed}");
        cluster.run(DETECTED);
        assert_eq!(failed_everywhere(&cluster), 0, "seed {seed}");
    }
}

/// Lifeguard's Interval experiment: half of the work, and a third of the members.
#[test]
fn slow_processes_accuse_nobody_healthy() {
    for seed in 0..5 {
        let mut cluster = Cluster::formed(seed, 12);
        let slow: Vec<_> = cluster.slots[..4].to_vec();
        for _ in 0..10 {
            for slot in &slow {
                cluster.apply(Fault::Slow(*slot, secs(4)));
            }
            cluster.run(secs(4) + millis(256));
        }
        for healthy in &cluster.slots[4..] {
            cluster.assert_never_failed(*healthy);
        }
        cluster.agree_within(DAMPED);
    }
}

#[test]
fn who_is_slow_for_a_minute_is_failed_and_comes_back() {
    for seed in 0..5 {
        let mut cluster = Cluster::formed(seed, 10);
        let slow = cluster.slots[4];
        cluster.apply(Fault::Slow(slow, secs(60)));
        cluster.run(secs(60));
        cluster.agree_within(secs(30));
        for other in cluster.others(slow) {
            assert_eq!(cluster.names(other, "failed"), ["n4"], "seed {seed}");
        }
        assert_eq!(cluster.names(slow, "failed"), [""; 0], "seed {seed}");
    }
}

#[test]
fn without_streams_nobody_gets_in_and_with_them_all_do() {
    let dial_failures = 1.0;
    let mut cluster = Cluster::new(
        1,
        5,
        Conditions {
            dial_failures,
            ..Conditions::LAN
        },
    );
    cluster.start_all();
    cluster.run(secs(20));
    for slot in cluster.slots.clone() {
        assert_eq!(cluster.world.view(slot).len(), 1);
    }
    cluster.apply(Fault::Conditions(Conditions::LAN));
    cluster.agree_within(secs(30));
}

#[test]
fn a_cluster_forms_though_half_of_its_streams_fail() {
    for seed in 0..10 {
        let conditions = Conditions {
            dial_failures: 0.25,
            stream_breaks: 0.25,
            ..Conditions::LAN
        };
        let mut cluster = Cluster::new(seed, 10, conditions);
        cluster.start_all();
        cluster.agree_within(secs(60));
    }
}

#[test]
fn small_packets_and_bursts_keep_nobody_out() {
    for seed in 0..5 {
        let share = 0.1;
        let mean = millis(300);
        let conditions = Conditions {
            bursts: Some(Bursts { share, mean }),
            mtu: Mtu::new(Mtu::MIN),
            ..Conditions::LAN
        };
        let mut cluster = Cluster::new(seed, 20, conditions);
        cluster.start_all();
        cluster.all_active_within(secs(60));
        cluster.run(secs(60));
        cluster.all_active_within(secs(30));
    }
}

#[test]
fn who_hears_nobody_is_failed_though_it_can_speak() {
    let mut cluster = Cluster::formed(1, 10);
    let deaf = cluster.slots[4];
    impose(&mut cluster, deaf, Effect::BLOCK);
    cluster.run(DETECTED);
    for other in cluster.others(deaf) {
        assert!(cluster.heard(other, deaf).contains(&"failed"));
    }
    cluster.apply(Fault::Lift(RuleId(1)));
    cluster.agree_within(secs(60));
}

#[test]
fn a_rule_that_is_lifted_or_healed_is_gone() {
    let lossy = Effect {
        loss: 0.9,
        ..Effect::default()
    };
    for end in [Fault::Lift(RuleId(1)), Fault::Heal] {
        let mut cluster = Cluster::formed(1, 10);
        let struck = cluster.slots[4];
        impose(&mut cluster, struck, lossy);
        cluster.run(secs(20));
        assert!(
            cluster
                .slots
                .iter()
                .any(|slot| cluster.count(*slot, "suspect") > 0)
        );
        cluster.apply(end);
        cluster.agree_within(DAMPED);
        let suspected = |cluster: &Cluster| {
            let counts = cluster
                .slots
                .iter()
                .map(|slot| cluster.count(*slot, "suspect"));
            counts.sum::<usize>()
        };
        let before = suspected(&cluster);
        cluster.run(secs(60));
        assert_eq!(suspected(&cluster), before);
    }
}

#[test]
fn news_is_soon_in_its_own_zone_and_later_in_the_other() {
    let far = LogNormal::new(millis(600), 0.1).expect("it exists");
    let near = Conditions::LAN.latency;
    let between = move |a: usize, b: usize| match a == b {
        true => near,
        false => Latency::LogNormal(far),
    };
    let mut known_near = 0;
    for seed in 0..10 {
        let mut cluster = Cluster::formed(seed, 6);
        cluster.world.set_zones(Zones::new(&[3, 3], between));
        let gone = cluster.slots[1];
        cluster.apply(Fault::Leave(gone));
        cluster.run(millis(300));
        let heard =
            |cluster: &Cluster, slot: usize| cluster.names(cluster.slots[slot], "left") == ["n1"];
        known_near += [0, 2].iter().filter(|slot| heard(&cluster, **slot)).count();
        assert!(!(3..6).any(|slot| heard(&cluster, slot)), "seed {seed}");
        cluster.run(secs(2));
        assert!((2..6).all(|slot| heard(&cluster, slot)), "seed {seed}");
    }
    // Now and then gossip goes to the other zone first.
    assert!(known_near >= 15, "{known_near} of 20");
}
