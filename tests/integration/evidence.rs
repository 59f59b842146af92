//! What a suspicion says of what was seen: a dead host, a dead process, a firewall, a forgery.

use headcount::{
    simulator::{Cargo, Conditions, Effect, Fault, Machines, Rule, RuleId, Slot},
    swim::{Change, Evidence, Input, Profile, Timestamp, Tuning},
};

use crate::world::{Cluster, DETECTED, millis, secs};

/// What `observer` was told that was seen of `about`, oldest first.
fn seen(cluster: &Cluster, observer: Slot, about: Slot) -> Vec<Evidence> {
    let name = format!("n{}", about.index());
    let told = cluster.world.told(observer).iter();
    let suspects = told.filter_map(|told| match &told.change {
        Change::Suspect(member) if member.card.name == name => member.suspicion.as_ref(),
        _ => None,
    });
    suspects.map(|suspicion| suspicion.evidence).collect()
}

fn seen_by_all(cluster: &Cluster, about: Slot) -> Vec<Evidence> {
    let others = cluster.others(about).into_iter();
    others
        .flat_map(|other| seen(cluster, other, about))
        .collect()
}

fn impose(cluster: &mut Cluster, number: u32, (from, to): (&[Slot], &[Slot]), effect: Effect) {
    let [from, to] = [from, to].map(|slots| match slots {
        [] => Machines::all(),
        some => Machines::only(some.iter().copied()),
    });
    let rule = Rule { from, to, effect };
    cluster.apply(Fault::Impose(RuleId(number), rule));
}

#[test]
fn a_dead_process_is_refused_and_suspected_within_a_round_of_probes() {
    for seed in 0..10 {
        let mut cluster = Cluster::formed(seed, 10);
        let dead = cluster.slots[4];
        cluster.apply(Fault::Kill(dead));
        cluster.run(secs(8));
        assert_eq!(
            seen_by_all(&cluster, dead),
            [Evidence::Refused; 9],
            "seed {seed}"
        );
    }
}

/// When changes of this kind about `about` were told, by the first and by the last who told one,
/// and by how many.
fn told(cluster: &Cluster, about: Slot, kind: &str) -> (Timestamp, Timestamp, usize) {
    let name = format!("n{}", about.index());
    let is_it = |change: &Change| {
        change.kind() == kind
            && change
                .member()
                .is_some_and(|member| member.card.name == name)
    };
    let others = cluster.others(about).into_iter();
    let times: Vec<_> = others
        .filter_map(|other| {
            let mut told = cluster.world.told(other).iter();
            told.find(|told| is_it(&told.change)).map(|told| told.at)
        })
        .collect();
    let (first, last) = (times.iter().min(), times.iter().max());
    let (first, last) = first.zip(last).expect("somebody told it");
    (*first, *last, times.len())
}

#[test]
fn a_dead_process_is_failed_a_second_after_it_is_suspected() {
    for (seed, nodes) in (0..10).flat_map(|seed| [3, 4, 10, 25].map(|nodes| (seed, nodes))) {
        let mut cluster = Cluster::formed(seed, nodes);
        let dead = cluster.slots[1];
        cluster.apply(Fault::Kill(dead));
        cluster.run(secs(12));
        let (first, suspected, _) = told(&cluster, dead, "suspect");
        let (failed, last, all) = told(&cluster, dead, "failed");
        assert_eq!(all, nodes - 1, "seed {seed}, {nodes} nodes");
        assert!(failed >= first + millis(900), "seed {seed}, {nodes} nodes");
        assert!(
            suspected <= first + millis(500),
            "seed {seed}, {nodes} nodes"
        );
        assert!(last <= first + millis(1_600), "seed {seed}, {nodes} nodes");
    }
}

#[test]
fn one_accuser_alone_never_ends_a_suspicion_soon() {
    let mut cluster = Cluster::formed(1, 2);
    let dead = cluster.slots[1];
    cluster.apply(Fault::Kill(dead));
    cluster.run(secs(30));
    let (suspected, ..) = told(&cluster, dead, "suspect");
    let (failed, ..) = told(&cluster, dead, "failed");
    let usual = Tuning::new(Profile::Lan).suspicion_timeout(2);
    assert!(failed >= suspected + usual, "{suspected:?} {failed:?}");
}

#[test]
fn what_some_see_refused_and_others_reach_is_never_failed() {
    for seed in 0..10 {
        let mut cluster = Cluster::formed(seed, 10);
        let (some, healthy) = (&cluster.slots[1..5].to_vec(), cluster.slots[6]);
        let reject = Effect {
            reject: true,
            ..Effect::default()
        };
        impose(&mut cluster, 1, (some, &[healthy]), reject);
        cluster.run(secs(60));
        cluster.assert_never_failed(healthy);
    }
}

#[test]
fn who_is_refused_by_everybody_fails_nobody_soon() {
    for seed in 0..10 {
        let mut cluster = Cluster::formed(seed, 10);
        let walled = cluster.slots[3];
        let reject = Effect {
            reject: true,
            ..Effect::default()
        };
        impose(&mut cluster, 1, (&[walled], &[]), reject);
        cluster.run(secs(4));
        for slot in cluster.slots.clone() {
            cluster.assert_never_failed(slot);
        }
    }
}

#[test]
fn two_sides_that_refuse_each_other_are_given_the_usual_time() {
    for seed in 0..10 {
        let mut cluster = Cluster::formed(seed, 24);
        let (one, other) = (cluster.slots[..12].to_vec(), cluster.slots[12..].to_vec());
        let reject = Effect {
            reject: true,
            ..Effect::default()
        };
        impose(&mut cluster, 1, (&one, &other), reject);
        impose(&mut cluster, 2, (&other, &one), reject);
        // Refusals that are believed end a suspicion after a second, the usual time is 4 s.
        cluster.run(secs(3));
        for slot in cluster.slots.clone() {
            cluster.assert_never_failed(slot);
        }
    }
}

#[test]
fn a_dead_host_and_a_stopped_process_are_silent() {
    for fault in [Fault::Crash, |slot| Fault::Pause(slot, DETECTED)] {
        let mut cluster = Cluster::formed(1, 10);
        let struck = cluster.slots[4];
        cluster.apply(fault(struck));
        cluster.run(DETECTED / 2);
        let seen = seen_by_all(&cluster, struck);
        assert_eq!(seen, [Evidence::ProbeTimeout; 9]);
    }
}

#[test]
fn a_firewall_for_datagrams_is_no_death() {
    for seed in 0..5 {
        let mut cluster = Cluster::formed(seed, 10);
        let walled = cluster.slots[4];
        let effect = Effect {
            only: Some(Cargo::Datagrams),
            ..Effect::BLOCK
        };
        impose(&mut cluster, 1, (&[], &[walled]), effect);
        impose(&mut cluster, 2, (&[walled], &[]), effect);
        cluster.run(secs(60));
        let seen = seen_by_all(&cluster, walled);
        assert!(!seen.is_empty(), "seed {seed}");
        let others = seen.iter().filter(|e| **e != Evidence::StreamReachable);
        assert_eq!(others.count(), 0, "seed {seed}: {seen:?}");
        cluster.assert_never_failed(walled);
    }
}

/// In seed 8 the one that is refused answers a ping meanwhile, and is refused once more. In seed 11
/// it answers just before its own probe begins, and is refused over the stream that this was looked
/// into with.
#[test]
fn a_firewall_that_rejects_one_peer_accuses_nobody() {
    for (seed, both_ways) in (0..20).flat_map(|seed| [(seed, false), (seed, true)]) {
        let mut cluster = Cluster::formed(seed, 10);
        let [one, other] = [cluster.slots[2], cluster.slots[4]];
        let reject = Effect {
            reject: true,
            ..Effect::default()
        };
        impose(&mut cluster, 1, (&[one], &[other]), reject);
        if both_ways {
            impose(&mut cluster, 2, (&[other], &[one]), reject);
        }
        cluster.run(secs(60));
        for slot in [one, other] {
            assert_eq!(seen_by_all(&cluster, slot), [], "seed {seed}");
        }
    }
}

#[test]
fn forged_refusals_accuse_nobody_and_cost_ten_questions_a_second() {
    let mut cluster = Cluster::formed(3, 10);
    let deceived = cluster.slots[0];
    let streams = |cluster: &mut Cluster| cluster.world.report().measures.streams;
    let before = streams(&mut cluster);
    for round in 0..1_000 {
        let other = cluster.slots[1 + round % 9];
        let by = cluster.world.address(other);
        cluster.world.input(deceived, Input::Refused { by });
        cluster.run(millis(10));
    }
    for slot in cluster.slots.clone() {
        assert_eq!(seen_by_all(&cluster, slot), []);
    }
    let asked = streams(&mut cluster) - before;
    assert!((50..=115).contains(&asked), "{asked} in ten seconds");
}

#[test]
fn forged_refusals_do_not_hasten_the_end_of_a_stopped_process() {
    let mut cluster = Cluster::formed(4, 10);
    let stopped = cluster.slots[4];
    let by = cluster.world.address(stopped);
    cluster.apply(Fault::Pause(stopped, secs(5)));
    for _ in 0..50 {
        for other in cluster.others(stopped) {
            cluster.world.input(other, Input::Refused { by });
        }
        cluster.run(millis(100));
    }
    cluster.run(DETECTED);
    let seen = seen_by_all(&cluster, stopped);
    assert_eq!(seen, [Evidence::ProbeTimeout; 9]);
    cluster.assert_never_failed(stopped);
}

#[test]
fn a_refused_process_that_starts_again_is_one_restart() {
    for seed in 0..10 {
        let mut cluster = Cluster::formed(seed, 10);
        let slot = cluster.slots[4];
        cluster.apply(Fault::Kill(slot));
        cluster.run(millis(700));
        cluster.apply(Fault::Start(slot));
        cluster.run(DETECTED);
        for other in cluster.others(slot) {
            let heard = cluster.heard(other, slot);
            let told: Vec<_> = heard.iter().filter(|kind| **kind != "suspect").collect();
            assert_eq!(told, [&"restart"], "seed {seed}: {heard:?}");
        }
    }
}

#[test]
fn refusals_that_are_lost_cost_only_time() {
    let mut cluster = Cluster::new(5, 10, Conditions::lossy(0.2));
    cluster.start_all();
    cluster.run(secs(20));
    let dead = cluster.slots[4];
    cluster.apply(Fault::Kill(dead));
    cluster.run(secs(5));
    for other in cluster.others(dead) {
        assert!(seen(&cluster, other, dead).contains(&Evidence::Refused));
    }
}
