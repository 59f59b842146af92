//! The same seed gives the same run, to the byte. Everything else that the simulator proves
//! stands on this.

use std::{num::NonZeroUsize, ops::ControlFlow, sync::mpsc::channel, thread, time::Duration};

use headcount::simulator::{Plan, Scenario, Story};

/// Trace hashes of these seeds, by seed.
fn hashes(seeds: &[u64]) -> Vec<(u64, u64)> {
    let hash = |seed: &u64| (*seed, Plan::draw(*seed).run().trace_hash);
    seeds.iter().map(hash).collect()
}

#[test]
fn neither_threads_nor_order_change_what_a_seed_does() {
    let seeds: Vec<u64> = (0..24).collect();
    let alone = hashes(&seeds);
    let backwards: Vec<_> = seeds.iter().rev().copied().collect();
    let mut shared: Vec<_> = thread::scope(|scope| {
        let parts = backwards.chunks(6);
        let workers: Vec<_> = parts.map(|part| scope.spawn(|| hashes(part))).collect();
        let done = workers.into_iter().map(|worker| worker.join());
        done.flat_map(|hashes| hashes.expect("no seed panics"))
            .collect()
    });
    shared.sort_unstable();
    assert_eq!(shared, alone);
}

/// Large enough that threads fill lists at the same time.
#[test]
fn threads_that_fill_lists_change_nothing() {
    let crash = Scenario::built_in("crash").unwrap();
    let crash = crash.with_duration(Duration::from_secs(15)).unwrap();
    let crash = crash.with_nodes(600).unwrap();
    let hash = |threads| {
        let threads = NonZeroUsize::new(threads).unwrap();
        let scenario = crash.clone().with_threads(threads);
        // What follows the first seconds cannot differ if they do not.
        let mut watcher = |_, spent| match spent < Duration::from_secs(3) {
            true => ControlFlow::Continue(()),
            false => ControlFlow::Break(()),
        };
        scenario.run(1, &mut watcher).run.trace_hash
    };
    let alone = hash(1);
    assert_eq!((hash(2), hash(5)), (alone, alone));
}

#[test]
fn the_same_seed_gives_the_same_trace_hash() {
    for seed in 0..4 {
        let (one, other) = (Plan::draw(seed).run(), Plan::draw(seed).run());
        assert_eq!(one.trace_hash, other.trace_hash, "seed {seed}");
        assert_eq!(one.measures, other.measures, "seed {seed}");
    }
}

#[test]
fn different_seeds_give_different_trace_hashes() {
    let mut hashes: Vec<_> = (0..4)
        .map(|seed| Plan::draw(seed).run().trace_hash)
        .collect();
    hashes.sort_unstable();
    hashes.dedup();
    assert_eq!(hashes.len(), 4);
}

#[test]
fn telling_a_story_changes_nothing() {
    let plan = Plan::draw(1);
    let (heard, telling) = channel();
    let hear = move |line: &str| heard.send(line.to_owned()).expect("listened to");
    let told = plan.run_told(Story::of_all(hear));
    assert!(telling.iter().count() > 0);
    assert_eq!(told.trace_hash, plan.run().trace_hash);
}
