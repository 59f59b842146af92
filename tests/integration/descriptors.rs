//! File descriptors: how many the agent takes, what it starts may take, and when there are none.

use std::{fs, os::unix::net::UnixStream};

use crate::support::{Lab, until};

/// The soft limit of open files that a process has.
fn limit(pid: &str) -> Option<String> {
    let limits = fs::read_to_string(format!("/proc/{pid}/limits")).ok()?;
    let line = limits
        .lines()
        .find_map(|line| line.strip_prefix("Max open files"))?;
    line.split_whitespace().next().map(str::to_owned)
}

#[test]
fn what_the_agent_starts_has_the_limit_that_the_agent_was_given() {
    let lab = Lab::new();
    let file = lab.dir().join("pid");
    let script = format!("echo $$ > {}; exec sleep 1000", file.display());
    let under = ["sh", "-c", "ulimit -Sn 512; exec \"$@\"", "sh"];
    let launch = lab.agent("n1").under(under);
    let agent = launch.args(["--", "sh", "-c", &script]).start();
    let pid = until("the application runs", || {
        let text = fs::read_to_string(&file).ok()?;
        text.ends_with('\n').then(|| text.trim().to_owned())
    });
    until("its limit is as it was", || {
        (limit(&pid)? == "512").then_some(())
    });
    let own = agent.status()["pid"].to_string();
    assert_ne!(limit(&own).expect("its limits"), "512");
}

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
