//! PID namespaces: who is process 1 in one, and whose number is whose.

use std::{fs, process::Command};

use serde_json::Value;

use crate::support::{Agent, CONTAINER, Lab, finish, have, have_containers, until};

/// What a process that is number 1 in a namespace of its own is answered if it asks for a lease by
/// that number.
fn answered_within(agent: &Agent) -> String {
    let [unshare, args @ ..] = CONTAINER;
    let mut command = Command::new(unshare);
    command
        .args(args)
        .args(["curl", "--silent", "--show-error"]);
    command.arg("--unix-socket").arg(agent.socket());
    command.args(["-X", "PUT", "-d", r#"{"pid":1}"#, "http://headcount/v1/app"]);
    let ended = finish(&mut command);
    assert_eq!(ended.code(), 0, "{ended:?}");
    ended.stdout
}

#[test]
fn the_number_of_a_process_in_another_container_is_refused() {
    if !have_containers() || !have("curl", "so that nobody asks from a container") {
        return;
    }
    let lab = Lab::new();
    // From below it the agent sees who asks; from beside it, it does not.
    for launch in [lab.agent("above"), lab.agent("beside").under(CONTAINER)] {
        let agent = launch.start();
        let answer = answered_within(&agent);
        assert!(answer.contains("another PID namespace"), "{answer}");
        assert!(answer.contains("422"), "{answer}");
        assert_eq!(agent.get("/v1/app").json()["app"], Value::Null);
    }
}

#[test]
fn as_process_1_the_agent_takes_care_of_those_whose_parent_is_gone() {
    if !have_containers() {
        return;
    }
    let lab = Lab::new();
    let orphans = lab.dir().join("orphans").display().to_string();
    let config = lab.dir().join("config.toml");
    let hooks = format!(
        "[[hook]]\ncommand = 'sleep 0.1 & echo $! >> {orphans}'\n\
         [[hook]]\ncommand = 'sleep 1000 & echo $! >> {orphans}; wait'\n\
         timeout = '1s'\nretries = 0\n"
    );
    fs::write(&config, hooks).expect("a file");
    let config = config.display().to_string();
    // One of its own, and those of two hooks that hear that it is up. Who died and was not taken
    // care of still has a number.
    let application = format!(
        "(sleep 0.1 & echo $! >> {orphans}); \
         until [ $(wc -l < {orphans}) -ge 3 ]; do sleep 0.1; done; \
         for pid in $(cat {orphans}); do while [ -e /proc/$pid ]; do sleep 0.1; done; done; \
         exit 7"
    );
    let launch = lab.agent("n1").under(CONTAINER);
    let launch = launch.args(["--config", &config, "--", "sh", "-c", &application]);
    let mut agent = launch.start();
    assert_eq!(agent.exit_code(), 7, "{}", agent.log());
    assert_eq!(agent.logged(&["No child process"]), 0, "{}", agent.log());
}

#[test]
fn as_process_1_the_agent_learns_how_each_child_of_its_own_ended() {
    if !have_containers() {
        return;
    }
    let lab = Lab::new();
    let config = lab.dir().join("config.toml");
    // It ends before anybody could look at it, in company of a stranger that does the same.
    let hook = "[[hook]]\ncommand = '(true &) ; exit 0'\n";
    fs::write(&config, hook).expect("a file");
    let config = config.display().to_string();
    let launch = lab.agent("n1").under(CONTAINER);
    let agent = launch.args(["--config", &config]).start();
    for number in 0..100 {
        let tags = format!(r#"{{"number":"{number}"}}"#);
        assert_eq!(agent.request("PUT", "/v1/tags", &tags).status, 200);
    }
    let run = "headcount_hooks_run_total ";
    until("every change is told", || {
        (agent.metric(run) >= 100.0).then_some(())
    });
    assert_eq!(
        agent.metric("headcount_hooks_failed_total "),
        0.0,
        "{}",
        agent.log()
    );
}
