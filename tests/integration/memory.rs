//! What an agent remembers from one start to the next, and what it does without.

use std::{fs, process::Command, time::Duration};

use crate::support::{Agent, Lab, Launch, await_members, draws, pause, skipped, until};

/// Waits until the agent has stored where all of `names` are.
fn await_memory(agent: &Launch, names: &[&str]) {
    let file = agent.data_dir().join("peers");
    until(&format!("{names:?} are remembered"), || {
        let text = fs::read_to_string(&file).unwrap_or_default();
        let all = names.iter().all(|name| text.contains(&format!("{name:?}")));
        all.then_some(())
    });
}

/// `n1` to `n3`, none of whom has a seed: they were told of each other once.
fn seedless(lab: &Lab) -> Vec<Agent> {
    let agents: Vec<_> = (1..=3)
        .map(|n| lab.agent(&format!("n{n}")).start())
        .collect();
    let body = format!("{{\"addresses\":[\"{}\"]}}", agents[0].address());
    for agent in &agents[1..] {
        assert_eq!(agent.request("POST", "/v1/join", &body).status, 200);
    }
    await_members(&agents, "alive", 3);
    agents
}

#[test]
fn a_cluster_that_was_killed_finds_itself_again_without_any_seed() {
    let lab = Lab::new();
    let agents = seedless(&lab);
    for agent in &agents {
        let others = ["n1", "n2", "n3"]
            .into_iter()
            .filter(|name| *name != agent.name());
        await_memory(agent.launch(), &others.collect::<Vec<_>>());
    }
    let launches: Vec<_> = agents.into_iter().map(Agent::kill).collect();
    let again: Vec<_> = launches.into_iter().map(Launch::start).collect();
    await_members(&again, "alive", 3);
    // One that left, too, and one that comes back elsewhere.
    let mut again = again;
    let mut third = again.pop().expect("three");
    assert_eq!(third.request("POST", "/v1/leave", "{}").status, 200);
    assert_eq!(third.exit_code(), 0);
    again.push(third.kill().bind(format!("{}:0", lab.host())).start());
    await_members(&again, "alive", 3);
    assert_eq!(again[2].status()["generation"], 3);
    assert_eq!(again[2].logged(&["INFO", "started", "peers=2"]), 2);
}

#[test]
fn a_damaged_memory_is_put_aside_and_costs_no_start() {
    let lab = Lab::new();
    let agent = lab.agent("n1").start();
    let again = agent.kill();
    for file in ["generation", "peers"] {
        fs::write(again.data_dir().join(file), "rubbish").expect("a file");
    }
    let again = again.start();
    assert_eq!(again.status()["generation"], 1);
    for file in ["generation", "peers"] {
        let aside = format!("{file}.aside");
        assert_eq!(
            again.logged(&["WARN", "is torn or damaged", &aside]),
            1,
            "{}",
            again.log()
        );
    }
}

#[test]
fn kill_9_at_any_moment_leaves_files_that_the_next_start_understands() {
    let lab = Lab::new();
    let other = lab.agent("n1").start();
    let launch = lab.agent("n2").join(other.address());
    let mut agent = launch.start();
    for draw in draws(7).take(12) {
        let again = agent.kill();
        let mut doomed = again.clone().spawn();
        pause(Duration::from_micros(draw % 30_000));
        doomed.child.kill().expect("our child");
        doomed.child.wait().expect("our child");
        agent = again.start();
    }
    let generation = agent.status()["generation"].as_u64().expect("a number");
    assert!((14..=26).contains(&generation), "{generation}");
    assert_eq!(agent.logged(&["put aside"]), 0, "{}", agent.log());
    await_memory(agent.launch(), &["n1"]);
    let entries = fs::read_dir(agent.launch().data_dir()).expect("a directory");
    let mut names: Vec<_> = entries
        .map(|entry| entry.expect("readable").file_name())
        .collect();
    names.sort_unstable();
    assert_eq!(names, ["generation", "lock", "peers"]);
}

#[test]
fn the_memory_of_another_member_is_put_aside_with_a_word_whose_it_was() {
    let lab = Lab::new();
    let other = lab.agent("n1").start().kill();
    let dir = other.data_dir().display().to_string();
    // As on a host that was cloned or renamed.
    let agent = lab.agent("n2").args(["--data-dir", &dir]).start();
    assert_eq!(agent.status()["generation"], 1);
    let words = ["WARN", r#"belongs to "n1" of cluster "#, "generation.aside"];
    assert_eq!(agent.logged(&words), 1, "{}", agent.log());
}

#[test]
fn a_data_directory_that_is_in_use_or_none_is_refused() {
    let lab = Lab::new();
    let agent = lab.agent("n1").start();
    let dir = agent.launch().data_dir().display().to_string();
    let pid = agent.status()["pid"].to_string();
    let refused = |dir: &str, words: &[&str]| {
        let launch = lab.agent("n2").args(["--data-dir", dir]);
        launch.finish().refused(2, words);
    };
    refused(&dir, &[&dir, &pid, "hint:"]);
    let file = format!("{dir}/generation");
    for below in [file.clone(), format!("{file}/n2")] {
        refused(&below, &[&below, "--data-dir", "hint:"]);
    }
    assert_eq!(agent.kill().start().status()["generation"], 2);
}

/// A command that gives the program a file system of its own at `dir`, or `None`, after saying so,
/// where this machine has none to give.
fn mounted(script: &str) -> Option<Vec<&str>> {
    let mut probe = Command::new("unshare");
    let works = probe.args(["--mount", "true"]).status();
    if works.is_ok_and(|status| status.success()) {
        return Some(vec!["unshare", "--mount", "sh", "-ec", script, "sh"]);
    }
    skipped("mounts need root and unshare, full and read-only disks are not tested");
    None
}

#[test]
fn a_full_disk_is_a_warning_and_a_metric_until_there_is_room() {
    let lab = Lab::new();
    let launch = lab.agent("n1");
    let dir = launch.data_dir().display().to_string();
    let script = format!(
        "mkdir -p {dir}; mount -t tmpfs -o size=16k tmpfs {dir}; \
         head -c 16384 /dev/zero >{dir}/ballast; exec \"$@\""
    );
    let Some(under) = mounted(&script) else {
        return;
    };
    let agent = launch.under(under).start();
    agent.await_logged(&["WARN", "cannot write to the data directory"]);
    agent.await_metric("headcount_data_dir_failing ", |is_so| is_so == 1.0);
    agent.await_metric("headcount_data_dir_failures_total ", |count| count >= 1.0);
    let pid = agent.status()["pid"].as_u64().expect("a number");
    // As the agent sees it.
    fs::remove_file(format!("/proc/{pid}/root{dir}/ballast")).expect("root may");
    agent.await_logged(&["INFO", "can be written to again"]);
    agent.await_metric("headcount_data_dir_failing ", |is_so| is_so == 0.0);
    let stored = fs::read_to_string(format!("/proc/{pid}/root{dir}/generation"));
    assert!(stored.expect("a file").contains("\"generation\":1"));
}

#[test]
fn a_read_only_data_directory_is_still_read() {
    let lab = Lab::new();
    let launch = lab.agent("n2");
    let dir = launch.data_dir().display().to_string();
    let script = format!("mount --bind {dir} {dir}; mount -o remount,bind,ro {dir}; exec \"$@\"");
    let Some(under) = mounted(&script) else {
        return;
    };
    let agents = [lab.agent("n1").start(), launch.start()];
    let body = format!("{{\"addresses\":[\"{}\"]}}", agents[0].address());
    assert_eq!(agents[1].request("POST", "/v1/join", &body).status, 200);
    await_memory(agents[1].launch(), &["n1"]);
    let [one, two] = agents;
    let two = two.kill().under(under).start();
    assert_eq!(two.status()["generation"], 2);
    await_members(&[one, two], "alive", 2);
}
