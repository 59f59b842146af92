//! What a cluster of real agents tells its consumers, as real processes on loopback are started,
//! killed, paused, restarted and told to leave.

use std::time::Duration;

use rustix::process::Signal;

use crate::support::{Agent, Lab, Watch, await_members, pause, until};

fn watches(agents: &[Agent]) -> Vec<Watch> {
    agents.iter().map(Agent::watch).collect()
}

/// Lets the cluster live until one more death is told everywhere: whatever wrong news was under
/// way has been told by then too, and no time had to be guessed.
fn outlive_another_death(mut agents: Vec<Agent>, watches: &mut Vec<Watch>) -> Vec<Agent> {
    let victim = agents.pop().expect("an agent to spare");
    watches.pop();
    let name = victim.name().to_owned();
    victim.kill();
    for watch in watches.iter() {
        watch.wait_for("failed", &name);
    }
    agents
}

#[test]
fn ten_agents_find_each_other_through_one_seed() {
    let lab = Lab::new();
    let agents = lab.cluster(10);
    for agent in &agents {
        let (_, members) = agent.members();
        assert_eq!(members.len(), 10, "{}: {members:#?}", agent.name());
        let status = agent.status();
        assert_eq!(status["counts"]["alive"], 10, "{status:#}");
    }
}

#[test]
fn every_survivor_tells_of_a_killed_agent_suspect_then_failed() {
    let lab = Lab::new();
    let mut agents = lab.cluster(5);
    let watches = watches(&agents[..4]);
    agents.pop().expect("five").kill();
    for watch in &watches {
        let suspect = watch.wait_for("suspect", "n5");
        assert_eq!(suspect["evidence"], "refused", "{suspect:#}");
        assert!(suspect["by"].is_string(), "{suspect:#}");
        assert!(suspect["deadline"].is_string(), "{suspect:#}");
        assert_eq!(suspect["member"]["state"], "suspect", "{suspect:#}");
        let failed = watch.wait_for("failed", "n5");
        assert_eq!(failed["member"]["state"], "failed", "{failed:#}");
        assert!(failed["seq"].as_u64() > suspect["seq"].as_u64());
    }
    await_members(&agents, "alive", 4);
    await_members(&agents, "failed", 1);
}

#[test]
fn whoever_leaves_through_the_api_has_left_with_its_reason_and_never_fails() {
    let lab = Lab::new();
    let mut agents = lab.cluster(5);
    let mut watches = watches(&agents);
    let mut leaver = agents.remove(4);
    drop(watches.remove(4));
    let answer = leaver.request("POST", "/v1/leave", r#"{"reason":"moving house"}"#);
    assert!(matches!(answer.status, 200..=204), "{answer:?}");
    assert_eq!(leaver.exit_code(), 0, "{}", leaver.log());
    for watch in &watches {
        let left = watch.wait_for("left", "n5");
        assert_eq!(left["member"]["state"], "left", "{left:#}");
        assert!(left.to_string().contains("moving house"), "{left:#}");
    }
    let agents = outlive_another_death(agents, &mut watches);
    for (watch, agent) in watches.iter().zip(&agents) {
        assert_eq!(watch.story("n5"), ["left"], "at {}", agent.name());
    }
}

#[test]
fn sigterm_is_a_leave_and_not_a_failure() {
    let lab = Lab::new();
    let mut agents = lab.cluster(4);
    let mut watches = watches(&agents);
    let mut leaver = agents.remove(3);
    drop(watches.remove(3));
    leaver.signal(Signal::TERM);
    assert_eq!(leaver.exit_code(), 0, "{}", leaver.log());
    for watch in &watches {
        let left = watch.wait_for("left", "n4");
        assert_eq!(left["member"]["state"], "left", "{left:#}");
    }
    let agents = outlive_another_death(agents, &mut watches);
    for (watch, agent) in watches.iter().zip(&agents) {
        assert_eq!(watch.story("n4"), ["left"], "at {}", agent.name());
    }
    assert!(!leaver.socket().exists(), "the socket file is cleaned up");
}

#[test]
fn a_second_signal_ends_the_agent_at_once() {
    let lab = Lab::new();
    let mut agents = lab.cluster(2);
    let mut leaver = agents.pop().expect("two");
    // Stopped, it takes both signals together when it goes on.
    leaver.signal(Signal::STOP);
    leaver.signal(Signal::INT);
    leaver.signal(Signal::TERM);
    leaver.signal(Signal::CONT);
    let code = leaver.exit_code();
    assert!(code != 101, "{}", leaver.log());
}

#[test]
fn a_restarted_process_is_one_restart_at_every_observer() {
    let lab = Lab::new();
    let mut agents = lab.cluster(5);
    let mut watches = watches(&agents);
    drop(watches.remove(3));
    let before = agents[3].status()["generation"].clone();
    let again = agents.remove(3).kill();
    let restarted = again.join(agents[0].address()).start();
    let generation = restarted.status()["generation"].as_u64();
    assert_eq!(generation, before.as_u64().map(|g| g + 1));
    for watch in &watches {
        let restart = watch.wait_for("restart", "n4");
        assert_eq!(restart["member"]["generation"].as_u64(), generation);
        assert_eq!(restart["member"]["state"], "alive", "{restart:#}");
    }
    agents.insert(0, restarted);
    await_members(&agents, "alive", 5);
    watches.insert(0, agents[0].watch());
    outlive_another_death(agents, &mut watches);
    for watch in &watches[1..] {
        let story = watch.story("n4");
        let told = |kind| story.iter().filter(|said| *said == kind).count();
        assert_eq!(told("restart"), 1, "{story:?}");
        assert_eq!(told("failed") + told("join") + told("left"), 0, "{story:?}");
    }
}

#[test]
fn whoever_comes_back_after_its_failure_joins_and_not_restarts() {
    let lab = Lab::new();
    let mut agents = lab.cluster(3);
    let watches = watches(&agents[..2]);
    let seed = agents[0].address();
    let again = agents.pop().expect("three").kill();
    for watch in &watches {
        watch.wait_for("failed", "n3");
    }
    agents.push(again.join(seed).start());
    for watch in &watches {
        let join = watch.wait_for("join", "n3");
        assert_eq!(join["previous"], "failed", "{join:#}");
        assert_eq!(join["member"]["generation"], 2, "{join:#}");
        assert_eq!(watch.count("restart", "n3"), 0);
    }
    await_members(&agents, "alive", 3);
}

#[test]
fn whoever_comes_back_after_leaving_joins() {
    let lab = Lab::new();
    let mut agents = lab.cluster(3);
    let watches = watches(&agents[..2]);
    let mut leaver = agents.pop().expect("three");
    leaver.signal(Signal::INT);
    assert_eq!(leaver.exit_code(), 0, "{}", leaver.log());
    for watch in &watches {
        watch.wait_for("left", "n3");
    }
    agents.push(leaver.kill().join(agents[0].address()).start());
    for watch in &watches {
        let join = watch.wait_for("join", "n3");
        assert_eq!(join["previous"], "left", "{join:#}");
    }
    await_members(&agents, "alive", 3);
}

#[test]
fn a_pause_shorter_than_detection_fails_nobody() {
    let lab = Lab::new();
    let agents = lab.cluster(5);
    let mut watches = watches(&agents);
    agents[0].signal(Signal::STOP);
    pause(Duration::from_secs(3));
    agents[0].signal(Signal::CONT);
    await_members(&agents, "alive", 5);
    let agents = outlive_another_death(agents, &mut watches);
    for (watch, agent) in watches.iter().zip(&agents) {
        for name in ["n1", "n2", "n3", "n4"] {
            let failures = watch.count("failed", name);
            assert_eq!(failures, 0, "{name} at {}", agent.name());
        }
    }
    await_members(&agents, "alive", 4);
}

#[test]
fn an_agent_alone_says_isolated_and_healed_when_the_other_is_back() {
    let lab = Lab::new();
    let mut agents = lab.cluster(2);
    let watch = agents[0].watch();
    let again = agents.pop().expect("two").kill();
    watch.wait_for_kind("isolated");
    // Nothing tells it where the others are but what it remembers and what they remember.
    agents.push(again.start());
    watch.wait_for_kind("healed");
    await_members(&agents, "alive", 2);
}

#[test]
fn a_seed_that_starts_last_is_found() {
    let lab = Lab::new();
    let seed = lab.reserve();
    let mut agents: Vec<_> = ["n2", "n3"]
        .map(|name| lab.agent(name).join(seed).start())
        .into();
    for agent in &agents {
        assert_eq!(agent.count("alive"), 1, "{}", agent.name());
    }
    agents.push(lab.agent("n1").bind(seed).start());
    await_members(&agents, "alive", 3);
}

#[test]
fn tags_travel_with_their_member() {
    let lab = Lab::new();
    let first = lab.agent("n1").args(["--tag", "role=web"]).start();
    let watch = first.watch();
    let tags = ["--tag", "role=db", "--tag", "zone=a b"];
    let second = lab.agent("n2").args(tags).join(first.address()).start();
    let join = watch.wait_for("join", "n2");
    assert_eq!(join["member"]["tags"]["role"], "db", "{join:#}");
    assert_eq!(join["member"]["tags"]["zone"], "a b", "{join:#}");
    let seen = until("n1 at n2", || second.member("n1"));
    assert_eq!(seen["tags"]["role"], "web", "{seen:#}");
}
