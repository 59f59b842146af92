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
pub(crate) fn key() -> String {
    let made = run(["keys", "generate"]);
    assert_eq!(made.code(), 0, "{made:#?}");
    made.stdout
}

/// A key file with these lines that only we can read.
pub(crate) fn key_file(lab: &Lab, name: &str, lines: &[&str]) -> PathBuf {
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

pub(crate) fn sealed(agent: Launch, file: &Path) -> Launch {
    agent.args(["--key-file", &file.display().to_string()])
}

#[test]
fn a_sealed_cluster_forms_detects_and_says_what_it_is_sealed_with() {
    let lab = Lab::new();
    let file = key_file(&lab, "keys", &[&key()]);
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
    let [ours, theirs] = ["ours", "theirs"].map(|name| key_file(&lab, name, &[&key()]));
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
    let file = |name: &str, lines: &[&str]| key_file(&lab, name, lines);
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

/// Runs `headcount keys` against this agent.
fn keys(agent: &Agent, args: &[&str]) -> crate::support::Finished {
    let socket = agent.socket().display().to_string();
    run(["keys"]
        .iter()
        .chain(args)
        .copied()
        .chain(["--socket", &socket]))
}

/// The ids that an answer of `headcount keys` begins with, one a line.
fn first_words(text: &str) -> Vec<&str> {
    text.lines()
        .filter_map(|line| line.split_whitespace().next())
        .collect()
}

#[test]
fn a_key_is_replaced_in_a_running_cluster_and_in_its_files() {
    let lab = Lab::new();
    let old = key();
    let files: Vec<_> = ["1", "2", "3"]
        .map(|name| key_file(&lab, name, &[&old]))
        .into();
    let first = sealed(lab.agent("n1"), &files[0]).start();
    let seed = first.address();
    let mut agents = vec![first];
    for (name, file) in ["n2", "n3"].into_iter().zip(&files[1..]) {
        agents.push(sealed(lab.agent(name).join(seed), file).start());
    }
    await_members(&agents, "alive", 3);
    let watch = agents[1].watch();
    let added = keys(&agents[0], &["add", "--wait"]);
    assert_eq!(added.code(), 0, "{added:#?}");
    assert!(
        added.stdout.contains("is accepted by 3/3: safe to go on"),
        "{added:#?}"
    );
    let new = first_words(&added.stdout)[0].to_owned();
    let old_id = ids(&files[0])[0].clone();
    assert_ne!(new, old_id);
    // What would part somebody from the others is refused.
    keys(&agents[0], &["remove", &old_id]).refused(1, &["seals here", "use another one first"]);
    keys(&agents[0], &["remove", "00000001"]).refused(1, &["no key 00000001"]);
    let used = keys(&agents[2], &["use", &new, "--wait"]);
    assert!(
        used.stdout.contains("is used by 3/3: safe to go on"),
        "{used:#?}"
    );
    for agent in &agents {
        assert_eq!(agent.status()["key"], *new);
    }
    let removed = keys(&agents[1], &["remove", &old_id, "--wait"]);
    assert!(
        removed.stdout.contains("is removed by 3/3: safe to go on"),
        "{removed:#?}"
    );
    let listed = keys(&agents[1], &["list"]);
    assert_eq!(first_words(&listed.stdout), ["KEY", &new], "{listed:#?}");
    // The next start has it, and a file of before has not.
    for (agent, file) in agents.iter().zip(&files) {
        let what = format!("the file of {} follows", agent.name());
        until(&what, || (ids(file) == [new.clone()]).then_some(()));
        agent.await_metric("headcount_key_file_behind ", |is_so| is_so == 0.0);
        assert_eq!(agent.metric("headcount_probes_failed_total"), 0.0);
        assert_eq!(agent.metric("headcount_junk_total{reason=\"key\"}"), 0.0);
    }
    let last = agents.pop().expect("n3").kill();
    agents.push(last.start());
    watch.wait_for("restart", "n3");
    let logs: String = agents.iter().map(Agent::log).collect();
    let secret = fs::read_to_string(&files[0]).expect("our own file");
    assert!(!logs.contains(&first_words(&secret)[0][..8]), "{logs}");
    assert!(!logs.contains(&old[..8]), "{logs}");
}

#[test]
fn a_key_comes_from_a_file_and_who_is_missing_or_cannot_write_is_named() {
    let lab = Lab::new();
    let (old, new) = (key(), key());
    let [one, two, fresh] =
        [("1", &old), ("2", &old), ("new", &new)].map(|(name, key)| key_file(&lab, name, &[key]));
    fs::set_permissions(&two, fs::Permissions::from_mode(0o400)).expect("our own file");
    let first = sealed(lab.agent("n1"), &one).start();
    let second = sealed(lab.agent("n2").join(first.address()), &two).start();
    let agents = [first, second];
    await_members(&agents, "alive", 2);
    let id = &ids(&fresh)[0];
    // n2 is not there to hear of it.
    agents[1].signal(Signal::STOP);
    let added = keys(&agents[0], &["add", &fresh.display().to_string()]);
    agents[1].signal(Signal::CONT);
    added.refused(1, &[id, "accepted by 1/2 members", "not by n2"]);
    until("n2 accepts it", || {
        let listed = keys(&agents[1], &["list"]);
        let line = listed.stdout.lines().find(|line| line.starts_with(id))?;
        line.contains("2/2").then_some(())
    });
    agents[1].await_logged(&["key file could not be written", id]);
    agents[1].await_metric("headcount_key_file_behind ", |is_so| is_so == 1.0);
    assert_eq!(ids(&two).len(), 1);
    // Its next start would be locked out.
    let used = keys(&agents[0], &["use", id, "--wait", "--timeout", "10s"]);
    let words = ["is used by 2/2", "but not stored by n2", "keys reload"];
    used.refused(1, &words);
    let old_id = ids(&two)[0].clone();
    keys(&agents[0], &["remove", &old_id]).refused(1, &["not stored", "of n2"]);
    fs::set_permissions(&two, fs::Permissions::from_mode(0o600)).expect("our own file");
    until("the file of n1 follows", || {
        (ids(&one).len() == 2).then_some(())
    });
    // By hand, and read again.
    key_file(&lab, "1", &[&new, "\n", &old]);
    let reloaded = keys(&agents[0], &["reload"]);
    assert_eq!(first_words(&reloaded.stdout)[1], id, "{reloaded:#?}");
    assert_eq!(agents[0].status()["key"], **id);
    fs::write(&one, "no key").expect("our own file");
    keys(&agents[0], &["reload"]).refused(1, &["line 1 is no key"]);
    assert_eq!(agents[0].status()["key"], **id);
    let plain = lab.agent("plain").start();
    keys(&plain, &["add"]).refused(1, &["plain text", "--key-file"]);
    until("n2 says that it is written again", || {
        let words = ["INFO", "key file could be written again", id];
        (agents[1].logged(&words) == 1).then_some(())
    });
}

#[test]
fn who_comes_back_with_a_key_that_was_removed_is_told() {
    let lab = Lab::new();
    let old = key();
    let [one, two] = ["1", "2"].map(|name| key_file(&lab, name, &[&old]));
    let first = sealed(lab.agent("n1"), &one).start();
    let watch = first.watch();
    let away = sealed(lab.agent("n2").join(first.address()), &two).start();
    watch.wait_for("join", "n2");
    let away = away.kill();
    watch.wait_for("failed", "n2");
    let three = key_file(&lab, "3", &[&key()]);
    let [old_id, new] = [&two, &three].map(|file| ids(file)[0].clone());
    let file = three.to_str().expect("text");
    // It may come back, so that it is not safe to go on, until an operator says that it is gone.
    let added = keys(&first, &["add", file]);
    assert_eq!(added.code(), 1, "{added:?}");
    assert!(added.stderr.contains("n2"), "{added:?}");
    assert_eq!(keys(&first, &["use", &new]).code(), 1);
    let socket = first.socket();
    let socket = socket.to_str().expect("text");
    assert_eq!(run(["remove", "n2", "--socket", socket]).code(), 0);
    for step in [
        &["add", file, "--wait"][..],
        &["use", &new, "--wait"],
        &["remove", &old_id, "--wait"],
    ] {
        assert_eq!(keys(&first, step).code(), 0, "{step:?}");
    }
    let back = away.start();
    let words = ["it seals with key", &new, "which we do not have"];
    until("n2 is told", || (back.logged(&words) > 0).then_some(()));
    until("n2 says so itself", || {
        let status = back.status();
        let reasons = status["health_reasons"].to_string();
        (status["health"] != "ok" && reasons.contains("keys that it lacks")).then_some(())
    });
    back.await_metric("headcount_junk_total{reason=\"key\"}", |junk| junk > 0.0);
    until("n1 is told", || {
        let words = ["it seals with key", &old_id, "which we do not have"];
        (first.logged(&words) > 0).then_some(())
    });
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
        refused(&key_file(&lab, name, lines), &[why]);
    }
    let open = key_file(&lab, "open", &[good]);
    fs::set_permissions(&open, fs::Permissions::from_mode(0o644)).expect("our own file");
    refused(&open, &["0644", "chmod 600"]);
    refused(&lab.dir().join("nowhere"), &["cannot be read"]);
}

#[test]
fn a_key_in_the_wrong_place_is_not_repeated() {
    let lab = Lab::new();
    let key = key();
    let agent = sealed(lab.agent("n1"), &key_file(&lab, "keys", &[&key])).start();
    let key = key.trim();
    let no_id = "a text of 64 characters is no key's id";
    for (step, said) in [("use", no_id), ("remove", no_id), ("add", "that is a key")] {
        let finished = keys(&agent, &[step, key]);
        finished.refused(2, &[said]);
        assert!(!finished.stderr.contains(key), "{finished:#?}");
    }
    let answer = agent.request("DELETE", &format!("/v1/keys/{key}"), "");
    assert_eq!(answer.status, 400);
    let body = String::from_utf8_lossy(&answer.body);
    assert!(!body.contains(key), "{body}");
    assert!(!agent.log().contains(key), "{}", agent.log());
}
