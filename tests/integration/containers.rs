//! PID namespaces: whose number is whose.

use std::process::Command;

use serde_json::Value;

use crate::support::{Agent, CONTAINER, Lab, finish, have, have_containers};

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
