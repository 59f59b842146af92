//! Sealed gossip between real agents: who gets in, who does not and is told why, and what a key
//! file must be.

use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
};

use rustix::process::Signal;

use crate::support::{Agent, Lab, Launch, await_members, run, until};

/// A fresh key.
fn key() -> String {
    let made = run(["keys", "generate"]);
    assert_eq!(made.code(), 0, "{made:#?}");
    made.stdout
}

/// A key file with these lines that only we can read.
fn file(lab: &Lab, name: &str, lines: &[&str]) -> PathBuf {
    let path = lab.dir().join(name);
    fs::write(&path, lines.concat()).expect("our own folder");
    let mode = fs::Permissions::from_mode(0o600);
    fs::set_permissions(&path, mode).expect("our own file");
    path
}

/// What the keys in this file are called.
fn ids(file: &Path) -> Vec<String> {
    let listed = run(["keys".as_ref(), "list".as_ref(), file.as_os_str()]);
    assert_eq!(listed.code(), 0, "{listed:#?}");
    let words = |line: &str| line.split_whitespace().next().map(str::to_owned);
    listed.stdout.lines().filter_map(words).collect()
}

fn sealed(agent: Launch, file: &Path) -> Launch {
    agent.args(["--key-file", &file.display().to_string()])
}

#[test]
fn a_sealed_cluster_forms_detects_and_says_what_it_is_sealed_with() {
    let lab = Lab::new();
    let file = file(&lab, "keys", &[&key()]);
    let id = &ids(&file)[0];
    let first = sealed(lab.agent("n1"), &file).start();
    let seed = first.address();
    // Off loopback a key is consent enough.
    let everywhere = lab.agent("n2").bind("0.0.0.0:0").join(seed);
    let others = [everywhere, lab.agent("n3").join(seed)];
    let mut agents = vec![first];
    agents.extend(others.map(|other| sealed(other, &file).start()));
    await_members(&agents, "alive", 3);
    for agent in &agents {
        let status = agent.status();
        assert_eq!(status["gossip"], "sealed", "{status:#}");
        assert_eq!(status["key"], **id, "{status:#}");
        assert_eq!(agent.logged(&["started", "sealed with", id]), 1);
        assert_eq!(agent.logged(&["PLAINTEXT"]), 0, "{}", agent.log());
    }
    let watch = agents[0].watch();
    agents[2].signal(Signal::KILL);
    watch.wait_for("failed", "n3");
    // Again, with what it remembers, and with nothing.
    let launch = agents.pop().expect("n3").kill();
    fs::remove_dir_all(launch.data_dir()).expect("its data directory");
    let again = launch.start();
    watch.wait_for("join", "n3");
    agents.push(again.kill().start());
    watch.wait_for("restart", "n3");
    await_members(&agents, "alive", 3);
}

#[test]
fn without_a_key_of_the_cluster_nobody_gets_in_and_both_logs_say_why() {
    let lab = Lab::new();
    let [ours, theirs] = ["ours", "theirs"].map(|name| file(&lab, name, &[&key()]));
    let member = sealed(lab.agent("n1"), &ours).start();
    let (our_id, their_id) = (&ids(&ours)[0], &ids(&theirs)[0]);
    let join = |name: &str| lab.agent(name).join(member.address());
    let other = sealed(join("other"), &theirs).start();
    let plain = join("plain").start();
    let told = |agent: &Agent, words: &[&str]| {
        let what = format!("{words:?} in the log of {}", agent.name());
        until(&what, || (agent.logged(words) > 0).then_some(()));
    };
    told(
        &member,
        &["seals with key", their_id, "give both the same key file"],
    );
    told(
        &other,
        &["seals with key", our_id, "give both the same key file"],
    );
    told(&member, &["sends plain text", our_id]);
    told(&plain, &["seals with key", our_id, "we have no key"]);
    until("a few refusals", || {
        let refused = member.metric("headcount_junk_total{reason=\"key\"");
        (refused >= 8.0).then_some(())
    });
    for agent in [&member, &other, &plain] {
        assert_eq!(agent.members().1.len(), 1, "{}", agent.name());
    }
    assert_eq!(plain.status()["gossip"], "plaintext");
}

#[test]
fn a_key_is_replaced_one_agent_at_a_time() {
    let lab = Lab::new();
    let (old, new) = (key(), key());
    let file = |name: &str, lines: &[&str]| file(&lab, name, lines);
    let before = file("before", &[&old, "# coming\n", &new]);
    let after = file("after", &[&new, &old]);
    assert_eq!(ids(&before).len(), 2);
    let first = sealed(lab.agent("n1"), &before).start();
    let second = sealed(lab.agent("n2").join(first.address()), &after).start();
    let last = sealed(lab.agent("n3").join(second.address()), &before).start();
    let agents = [first, second, last];
    await_members(&agents, "alive", 3);
    let primaries: Vec<_> = agents
        .iter()
        .map(|agent| agent.status()["key"].clone())
        .collect();
    assert_eq!(primaries[0], primaries[2]);
    assert_ne!(primaries[0], primaries[1]);
}

#[test]
fn a_key_file_that_cannot_be_used_is_refused_by_name_and_line() {
    let lab = Lab::new();
    let good = key();
    let good = good.trim();
    let refused = |path: &Path, words: &[&str]| {
        let shown = path.display().to_string();
        let ended = sealed(lab.agent("n1"), path).finish();
        ended.refused(2, &[words, &[&shown, "hint:"]].concat());
        assert!(!ended.stderr.contains(&good[..8]), "{ended:#?}");
        let listed = run(["keys", "list", &shown]);
        listed.refused(2, words);
    };
    for (name, lines, why) in [
        ("empty", &["# none\n"][..], "no key in it"),
        (
            "short",
            &[good, "\n", &good[..60], "\n"],
            "line 2 is no key",
        ),
        ("twice", &[good, "\n\n", good, "\n"], "line 3"),
    ] {
        refused(&file(&lab, name, lines), &[why]);
    }
    let open = file(&lab, "open", &[good]);
    fs::set_permissions(&open, fs::Permissions::from_mode(0o644)).expect("our own file");
    refused(&open, &["0644", "chmod 600"]);
    refused(&lab.dir().join("nowhere"), &["cannot be read"]);
}
