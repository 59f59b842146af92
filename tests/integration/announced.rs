//! Restarts that were announced: one change for consumers when the next process is there, and a
//! failure when it is not.

use rustix::process::Signal;

use crate::support::{Agent, Lab, Watch, await_members, run, until};

/// Waits until everybody has told of a crash: longer than it takes to miss whoever is away.
fn miss_another(agents: &mut Vec<Agent>, watches: &[Watch]) {
    let other = agents.pop().expect("one more");
    let name = other.name().to_owned();
    drop(other.kill());
    watches.iter().for_each(|watch| {
        watch.wait_for("failed", &name);
    });
}

#[test]
fn an_announced_restart_is_one_change_however_long_it_takes() {
    let lab = Lab::new();
    let mut agents = lab.cluster(5);
    let watches: Vec<_> = agents[..3].iter().map(Agent::watch).collect();
    let mut leaver = agents.remove(3);
    let socket = leaver.socket();
    let socket = socket.to_str().expect("text");
    let args = ["leave", "--restarting", "--eta", "1h", "--socket", socket];
    let left = run(args);
    assert_eq!(
        (left.code(), &*left.stdout),
        (0, "restarting\n"),
        "{left:?}"
    );
    assert_eq!(leaver.exit_code(), 0, "{}", leaver.log());
    miss_another(&mut agents, &watches);
    for agent in &agents {
        let member = agent.member("n4").expect("still a member");
        assert_eq!(member["state"], "alive", "{member:#}");
        assert!(member["restart_due"].is_string(), "{member:#}");
        assert_eq!(agent.status()["restarting"], 1);
        agent.await_metric("headcount_members_restarting", |count| count == 1.0);
    }
    agents.push(leaver.kill().join(agents[0].address()).start());
    for watch in &watches {
        let restart = watch.wait_for("restart", "n4");
        assert_eq!(restart["previous_generation"], 1, "{restart:#}");
        assert_eq!(watch.story("n4"), ["restart"]);
        assert!(restart["member"]["restart_due"].is_null(), "{restart:#}");
    }
    assert_eq!(agents[0].status()["restarting"], 0);
    await_members(&agents, "alive", 4);
}

#[test]
fn who_is_not_back_from_its_restart_in_time_has_failed() {
    let lab = Lab::new();
    let mut agents = lab.cluster(3);
    let watches: Vec<_> = agents[..2].iter().map(Agent::watch).collect();
    let restless = lab.agent("n4").args(["--restart-eta", "2s"]);
    let mut restless = restless.join(agents[0].address()).start();
    await_members(&agents, "alive", 4);
    restless.signal(Signal::TERM);
    assert_eq!(restless.exit_code(), 0, "{}", restless.log());
    for watch in &watches {
        let failed = watch.wait_for("failed", "n4");
        assert_eq!(failed["member"]["reason"], "restart overdue", "{failed:#}");
        assert_eq!(watch.story("n4"), ["join", "failed"]);
    }
    agents[0].await_logged(&["INFO", "failed", "n4", "restart overdue"]);
    agents.push(restless.kill().start());
    for watch in &watches {
        until("it joins again", || {
            (watch.count("join", "n4") == 2).then_some(())
        });
        assert_eq!(watch.story("n4"), ["join", "failed", "join"]);
    }
}

#[test]
fn an_announcement_that_makes_no_sense_is_refused_and_nobody_leaves() {
    let lab = Lab::new();
    let agent = lab.agent("n1").start();
    let socket = agent.socket();
    let socket = socket.to_str().expect("text");
    for eta in ["0s", "2h", "soon"] {
        let refused = run(["leave", "--restarting", "--eta", eta, "--socket", socket]);
        assert_eq!(refused.code(), 2, "{refused:?}");
        assert!(refused.stderr.contains("1s to 1h"), "{refused:?}");
        let body = format!(r#"{{"restarting":true,"eta":"{eta}"}}"#);
        let answer = agent.request("POST", "/v1/leave", &body);
        assert_eq!(answer.status, 400, "{answer:?}");
        assert!(answer.text().contains("1s to 1h"), "{answer:?}");
    }
    let alone = run(["leave", "--eta", "30s", "--socket", socket]);
    assert_eq!(alone.code(), 2, "{alone:?}");
    assert!(alone.stderr.contains("--restarting"), "{alone:?}");
    let answer = agent.request("POST", "/v1/leave", r#"{"eta":"30s"}"#);
    assert_eq!(answer.status, 400, "{answer:?}");
    assert_eq!(agent.count("alive"), 1);
}
