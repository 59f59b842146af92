//! Nodes that keep some neighbours and presume the rest alive: what everybody hears, hears
//! everybody, and nobody's list grows.

use std::ops::ControlFlow;

use headcount::{
    simulator::{Conditions, Fault, Scenario, Slot, Spec, World},
    swim::{MemberId, MemberState},
};

use crate::world::{DETECTED, millis, secs};

const NODES: usize = 120;
const VIEW: usize = 8;

/// A cluster that stands, in which each node keeps [`VIEW`] neighbours.
fn standing(seed: u64, conditions: Conditions) -> World {
    let mut world = World::new(seed, conditions);
    let mut slots = Vec::new();
    for number in 0..NODES {
        let seeds = &slots[..number.min(3)];
        slots.push(world.add(Spec::new(format!("n{number}"), seeds)));
    }
    world.limit_views(VIEW);
    world.warm_start(slots.into_iter(), millis(900));
    world.run_for(secs(2));
    world
}

fn slot(world: &World, index: usize) -> Slot {
    world.slots().nth(index).expect("a machine")
}

#[track_caller]
fn assert_lists_have_not_grown(world: &World) {
    for slot in world.slots() {
        let listed = world.node(slot).map_or(0, |node| node.sketches().count());
        assert!(listed <= VIEW + 1, "{slot:?} lists {listed}");
    }
}

fn believed(world: &World, by: Slot, of: usize) -> Option<MemberState> {
    let id = MemberId::new("sim", &format!("n{of}"));
    world.node(by)?.believes(id)
}

#[test]
fn everybody_hears_of_a_crash_and_of_the_return() {
    let mut world = standing(1, Conditions::LAN);
    let victim = slot(&world, 7);
    world.apply(Fault::Crash(victim));
    world.run_for(DETECTED);
    assert_eq!(world.disagreement(), None);
    for slot in world.living().collect::<Vec<_>>() {
        assert_eq!(believed(&world, slot, 7), Some(MemberState::Failed));
    }
    world.apply(Fault::Start(victim));
    let back = world.run_until(secs(30), millis(100), |world| {
        world.disagreement().is_none()
    });
    assert!(back.is_some(), "{:?}", world.disagreement());
    assert_eq!(
        believed(&world, slot(&world, 50), 7),
        Some(MemberState::Alive)
    );
    assert_lists_have_not_grown(&world);
    assert!(world.violations().is_empty(), "{:?}", world.violations());
}

#[test]
fn everybody_waits_for_an_announced_restart_and_no_longer_than_announced() {
    let mut world = standing(3, Conditions::LAN);
    world.apply(Fault::Announce(slot(&world, 7), secs(20)));
    let everybody = |world: &World, state| {
        let mut living = world.living();
        living.all(|by| believed(world, by, 7) == Some(state))
    };
    world.run_for(secs(15));
    assert!(everybody(&world, MemberState::Alive));
    world.run_for(secs(10));
    assert!(everybody(&world, MemberState::Failed));
    assert!(world.violations().is_empty(), "{:?}", world.violations());
}

/// Two neighbours cannot reach each other; whoever helps them knows one of the two at most.
#[test]
fn helpers_that_the_target_does_not_know_keep_it_alive() {
    let mut world = standing(2, Conditions::LAN);
    let first = slot(&world, 0);
    let listed = world.node(first).unwrap().sketches().nth(1).unwrap();
    let neighbour = slot(&world, listed.member.index());
    for (from, to) in [(first, neighbour), (neighbour, first)] {
        world.apply(Fault::Block { from, to });
    }
    world.run_for(secs(120));
    let told = world.report().measures;
    assert_eq!(told.false_failures, 0);
    let suspected = |at: Slot, of: Slot| world.story_of(at, of).contains(&"suspect");
    assert!(!suspected(first, neighbour) && !suspected(neighbour, first));
    assert_lists_have_not_grown(&world);
}

#[test]
fn loss_fails_nobody_and_grows_no_list() {
    for seed in 0..3 {
        let mut world = standing(seed, Conditions::lossy(0.15));
        world.run_for(secs(120));
        let refuted: u64 = world
            .slots()
            .map(|slot| world.node(slot).unwrap().stats().refutations)
            .sum();
        assert!(refuted > 0, "the loss was enough for suspicions");
        assert_eq!(world.report().measures.false_failures, 0);
        assert_lists_have_not_grown(&world);
        assert!(world.violations().is_empty(), "{:?}", world.violations());
    }
}

#[test]
fn scenarios_pass_with_views_as_without() {
    for name in [
        "application_death",
        "churn",
        "crash",
        "late_join",
        "lossy_link",
        "mass_crash",
        "partition",
        "user_events",
    ] {
        let scenario = Scenario::built_in(name).unwrap();
        let scenario = scenario.with_nodes(100).unwrap().with_view(8).unwrap();
        let outcome = scenario.run(1, &mut |_, _| ControlFlow::Continue(()));
        let broken = outcome.run.violations;
        assert!(broken.is_empty(), "{name}: {}", broken[0]);
        assert!(outcome.converged, "{name}");
        assert_eq!(outcome.missed, [""; 0], "{name}");
        let last = outcome.run.seconds.last().map(|second| second.views);
        assert_eq!(last, Some(1), "{name}");
    }
}

#[test]
fn a_view_that_cannot_be_is_refused() {
    let with = |view| {
        let crash = Scenario::built_in("crash").unwrap();
        crash.with_view(view).map(|scenario| scenario.view())
    };
    assert_eq!(with(8).unwrap(), Some(8));
    assert_eq!(with(31).unwrap(), None, "as many as there are others");
    for view in [0, 6, 9] {
        let refused = with(view).unwrap_err().to_string();
        assert!(
            refused.contains(&format!("view = {view}: takes an even number")),
            "{refused}"
        );
    }
    let cold = Scenario::built_in("cold_start").unwrap().with_view(8);
    assert!(cold.unwrap_err().to_string().contains("cold"));
    let swarm = Scenario::built_in("swarm").unwrap().with_view(8);
    assert!(swarm.unwrap_err().to_string().contains("swarm"));
    let many = Scenario::built_in("crash")
        .unwrap()
        .with_nodes(10_001)
        .unwrap();
    assert_eq!(many.view(), Some(128));
}
