//! File descriptors: what the agent says when there are none.

use std::os::unix::net::UnixStream;

use crate::support::{Lab, until};

#[test]
fn an_agent_that_has_no_descriptors_left_says_so_once_and_names_the_limit() {
    let lab = Lab::new();
    let under = ["sh", "-c", "ulimit -n 64; exec \"$@\"", "sh"];
    let agent = lab.agent("n1").under(under).start();
    let held: Vec<_> = (0..64)
        .map(|_| UnixStream::connect(agent.socket()).expect("it is queued"))
        .collect();
    let words = ["cannot accept connections", "limit=64"];
    agent.await_logged(&words);
    drop(held);
    let failed = "headcount_accepts_failed_total ";
    until("it answers again", || {
        (agent.metric(failed) >= 1.0).then_some(())
    });
    assert_eq!(agent.logged(&words), 1, "{}", agent.log());
}
