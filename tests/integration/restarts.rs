//! What stays the same member, whatever changes around its process: address, disk, long silence.

use std::{fs, time::Duration};

use rustix::process::Signal;

use crate::support::{Agent, Lab, await_members, pause, until};

#[test]
fn a_restart_at_another_address_is_one_restart_with_the_new_address() {
    let lab = Lab::new();
    let mut agents = lab.cluster(3);
    let watches: Vec<_> = agents[..2].iter().map(Agent::watch).collect();
    let seed = agents[0].address();
    let again = agents.pop().expect("three").kill();
    let moved = again.bind(format!("{}:0", lab.host())).join(seed).start();
    for watch in &watches {
        let restart = watch.wait_for("restart", "n3");
        let address = moved.address().to_string();
        assert_eq!(restart["member"]["address"], address, "{restart:#}");
        assert_eq!(restart["previous_generation"], 1, "{restart:#}");
        let story = watch.story("n3");
        let told = |kind| story.iter().any(|said| said == kind);
        assert!(!told("failed") && !told("join"), "{story:?}");
    }
    agents.push(moved);
    await_members(&agents, "alive", 3);
}

#[test]
fn a_generation_survives_the_loss_of_the_disk() {
    let lab = Lab::new();
    let mut agents = lab.cluster(3);
    let watch = agents[1].watch();
    let again = agents.pop().expect("three").kill();
    fs::remove_dir_all(again.data_dir()).expect("it was there");
    agents.push(again.start());
    let restart = watch.wait_for("restart", "n3");
    assert_eq!(restart["member"]["generation"], 2, "{restart:#}");
    await_members(&agents, "alive", 3);
    assert_eq!(agents[2].status()["generation"], 2);
    // What the peers taught it counts from then on, on disk or taught again.
    let again = agents.pop().expect("three").kill().start();
    until("generation 3", || {
        (again.status()["generation"] == 3).then_some(())
    });
}

#[test]
fn a_whole_cluster_that_was_killed_finds_itself_again() {
    let lab = Lab::new();
    let agents = lab.cluster(3);
    let launches: Vec<_> = agents.into_iter().map(Agent::kill).collect();
    let agents: Vec<_> = launches.into_iter().map(|again| again.start()).collect();
    await_members(&agents, "alive", 3);
    for agent in &agents {
        assert_eq!(agent.status()["generation"], 2, "{}", agent.name());
    }
}

#[test]
fn a_process_that_was_stopped_until_it_failed_comes_back_by_itself() {
    let lab = Lab::new();
    let agents = lab.cluster(4);
    let watches: Vec<_> = agents[1..].iter().map(Agent::watch).collect();
    agents[0].signal(Signal::STOP);
    for watch in &watches {
        watch.wait_for("failed", "n1");
    }
    pause(Duration::from_secs(1));
    agents[0].signal(Signal::CONT);
    for watch in &watches {
        let join = watch.wait_for("join", "n1");
        assert_eq!(join["previous"], "failed", "{join:#}");
        assert_eq!(join["member"]["generation"], 1, "{join:#}");
        assert_eq!(watch.count("restart", "n1"), 0);
        for healthy in ["n2", "n3", "n4"] {
            assert_eq!(watch.count("failed", healthy), 0, "{healthy}");
        }
    }
    await_members(&agents, "alive", 4);
}

#[test]
fn agents_on_ipv6_and_on_every_address_meet_like_all_others() {
    let lab = Lab::new();
    let six = lab.agent("n6").bind("[::1]:0").start();
    let other = lab.agent("other").bind("[::1]:0").join(six.address());
    await_members(&[six, other.start()], "alive", 2);
    let seed = lab.agent("n1").start();
    let everywhere = lab.agent("n2").bind("0.0.0.0:0").args(["--insecure"]);
    let agents = [everywhere.join(seed.address()).start(), seed];
    await_members(&agents, "alive", 2);
    let warned = agents[0].logged(&["WARN", "PLAINTEXT", "UNAUTHENTICATED"]);
    assert_eq!(warned, 1, "{}", agents[0].log());
    // It learns from the others where it can be reached.
    let seen = agents[1].member("n2").expect("a member");
    let seen = seen["address"].as_str().expect("an address");
    assert!(!seen.starts_with("0.0.0.0"), "{seen}");
    // And has its name when it raises an event, and when it accuses.
    let watch = agents[0].watch();
    let event = r#"{"name":"deploy","payload":""}"#;
    let raised = agents[0].request("POST", "/v1/events", event);
    assert!(raised.status < 300, "{raised:?}");
    assert_eq!(watch.wait_for_kind("user")["from"], "n2");
    agents[1].signal(Signal::STOP);
    assert_eq!(watch.wait_for("suspect", "n1")["by"], "n2");
    agents[1].signal(Signal::CONT);
}
