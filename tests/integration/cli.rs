//! The command line as people and start scripts meet it: output, exit codes, and the demo.

use std::{
    fs::{self, File},
    io::{BufRead, BufReader},
    path::Path,
    process::Stdio,
};

use rustix::process::Signal;
use serde_json::Value;

use crate::support::{
    Agent, Finished, Lab, Running, Stopwatch, await_members, finish, headcount, run, until,
};

/// Runs `headcount` with `args` against the agent's socket.
fn ask(agent: &Agent, args: &[&str]) -> Finished {
    let mut command = headcount();
    command.args(args).arg("--socket").arg(agent.socket());
    finish(&mut command)
}

#[track_caller]
fn ok(finished: &Finished) -> &str {
    assert_eq!(finished.code(), 0, "{finished:#?}");
    &finished.stdout
}

#[test]
fn members_prints_one_aligned_row_each() {
    let lab = Lab::new();
    let agents = lab.cluster(3);
    let finished = ask(&agents[1], &["members"]);
    let table = ok(&finished);
    let lines: Vec<_> = table.lines().collect();
    assert_eq!(lines.len(), 4, "a heading and three members: {table}");
    let column = lines[0]
        .find("STATE")
        .unwrap_or_else(|| panic!("no STATE in {table}"));
    for (agent, line) in agents.iter().zip(&lines[1..]) {
        assert!(line.starts_with(agent.name()), "ordered by name: {table}");
        assert_eq!(&line[column..column + 5], "alive", "aligned: {table}");
        assert!(line.contains(&agent.address().to_string()), "{table}");
    }
    assert!(!table.contains('\u{1b}'), "no colour into a file: {table}");
    assert_eq!(finished.stderr, "");
}

#[test]
fn json_on_the_command_line_is_the_json_of_the_api() {
    let lab = Lab::new();
    let agent = lab.agent("n1").start();
    let members = ask(&agent, &["members", "--json"]);
    let members: Value = serde_json::from_str(ok(&members)).expect("one object");
    assert!(members["at"].is_string(), "{members}");
    for key in ["epoch", "seq", "members"] {
        assert_eq!(members[key], agent.get("/v1/members").json()[key], "{key}");
    }
    let status = ask(&agent, &["status", "--json"]);
    let status: Value = serde_json::from_str(ok(&status)).expect("one object");
    for key in ["name", "id", "address", "cluster", "epoch"] {
        assert_eq!(status[key], agent.status()[key], "{key}");
    }
    let status = ask(&agent, &["status"]);
    for word in ["n1", &agent.address().to_string()] {
        assert!(ok(&status).contains(word), "{status:#?}");
    }
}

#[test]
fn members_waits_for_a_start_script() {
    let lab = Lab::new();
    let agents = lab.cluster(2);
    ok(&ask(
        &agents[0],
        &["members", "--wait", "2", "--timeout", "50s"],
    ));
    let never = ask(
        &agents[0],
        &["members", "--wait", "3", "--timeout", "300ms"],
    );
    never.refused(1, &["2", "3"]);
    let mut waiting = headcount();
    waiting.args(["members", "--wait", "3", "--timeout", "50s", "--socket"]);
    waiting.arg(agents[0].socket()).stdout(Stdio::null());
    let mut waiting = Running::start(&mut waiting);
    let _third = lab.agent("n3").join(agents[0].address()).start();
    assert_eq!(waiting.end().code(), Some(0));
}

#[test]
fn a_configuration_is_checked_without_an_agent() {
    let lab = Lab::new();
    let launch = lab.agent("n1").args(["--check"]);
    let checked = launch.finish();
    ok(&checked);
    assert!(
        checked.stdout.ends_with("configuration ok\n"),
        "{checked:#?}"
    );
    assert!(checked.stdout.contains("flag --name"), "{checked:#?}");
    assert!(!lab.agent("n1").socket().exists() && !lab.agent("n1").data_dir().exists());
    let wrong = lab.agent("n1").args(["--check", "--profile", "moon"]);
    wrong.finish().refused(2, &["profile", "moon", "hint:"]);
    let config = lab.dir().join("agent.toml");
    let text = "[[file]]\npath = \"members\"\ntemplate-file = \"/nowhere\"\n";
    fs::write(&config, text).expect("a file");
    let config = config.to_str().expect("text");
    let hook = lab.dir().join("hook.toml");
    fs::write(&hook, "[[hook]]\ncommand = [\"page\", \"--urgent\"]\n").expect("a file");
    let hook = hook.to_str().expect("text");
    let checked = lab.agent("n1").args(["--check", "--config", hook]).finish();
    let line = checked
        .stdout
        .lines()
        .find(|line| line.starts_with("[[hook]]"));
    assert!(
        line.is_some_and(|line| line.contains("page")),
        "{checked:#?}"
    );
    let wrong = lab.agent("n1").args(["--check", "--config", config]);
    wrong
        .finish()
        .refused(2, &["template-file", "/nowhere", "hint:"]);
}

#[test]
fn a_watch_ends_in_time_and_tells_what_was_before_it() {
    let lab = Lab::new();
    let agent = lab.agent("n1").start();
    for name in ["early", "late"] {
        ok(&ask(&agent, &["event", name]));
    }
    let args = [
        "watch",
        "--json",
        "--from-start",
        "--type",
        "user",
        "--count",
        "2",
    ];
    let told = ask(&agent, &args);
    ok(&told);
    let lines: Vec<Value> = told
        .stdout
        .lines()
        .map(|line| line.parse().unwrap())
        .collect();
    let names: Vec<_> = lines.iter().map(|line| &line["name"]).collect();
    assert_eq!(names, ["early", "late"], "{told:#?}");
    let args = [
        "watch",
        "--type",
        "user",
        "--count",
        "1",
        "--timeout",
        "100ms",
    ];
    ask(&agent, &args).refused(1, &["0 of 1 changes came within 100ms"]);
    ok(&ask(&agent, &["watch", "--timeout", "100ms"]));
}

#[test]
fn who_asks_for_nobody_is_told_so() {
    let lab = Lab::new();
    let agent = lab.agent("n1").args(["--tag", "role=web"]).start();
    for (args, words) in [
        (["members", "--name", "n2"], ["n2", "n1"]),
        (["members", "--tag", "role=db"], ["role=db", "no member"]),
    ] {
        ask(&agent, &args).refused(1, &words);
    }
    ok(&ask(
        &agent,
        &["members", "--name", "n1", "--state", "failed"],
    ));
}

#[test]
fn join_leave_and_remove_do_what_they_say() {
    let lab = Lab::new();
    let first = lab.agent("n1").start();
    let mut second = lab.agent("n2").start();
    ok(&ask(&first, &["join", &second.address().to_string()]));
    until("two", || (first.count("alive") == 2).then_some(()));
    ok(&ask(&second, &["leave", "--reason", "lunch"]));
    assert_eq!(second.exit_code(), 0);
    until("one left", || (first.count("left") == 1).then_some(()));
    assert_eq!(first.member("n2").expect("a member")["reason"], "lunch");
    let removed = ask(&first, &["remove", "n2"]);
    ok(&removed);
    assert_eq!(removed.stdout, "n2 is removed by 1/1 members\n");
    until("forgotten", || first.member("n2").is_none().then_some(()));
    ask(&first, &["remove", ""]).refused(2, &["name \"\"", "hint:"]);
}

#[test]
fn help_that_cannot_be_written_is_an_error() {
    for word in ["--help", "--version"] {
        let full = File::options().write(true).open("/dev/full");
        let mut command = headcount();
        command.arg(word).stdout(full.expect("a device"));
        let mut asked = Running::start(command.stderr(Stdio::null()));
        assert_eq!(asked.end().code(), Some(2), "{word}");
    }
}

#[test]
fn watch_prints_records_until_its_reader_is_gone_and_that_is_no_error() {
    let lab = Lab::new();
    let first = lab.agent("n1").start();
    for form in [&["watch", "--json"][..], &["watch"][..]] {
        let mut watch = headcount();
        watch.args(form).arg("--socket").arg(first.socket());
        let mut watch = Running::start(watch.stdout(Stdio::piped()));
        let mut lines = BufReader::new(watch.child.stdout.take().expect("a pipe")).lines();
        let line = lines.next().expect("a first line").expect("text");
        if form.contains(&"--json") {
            let snapshot: Value = serde_json::from_str(&line).expect("JSON");
            assert_eq!(snapshot["type"], "snapshot");
        }
        assert!(line.contains("n1"), "{line}");
        drop(lines);
        // The next change finds no reader.
        let other = lab.agent("n2").join(first.address()).start();
        assert_eq!(watch.end().code(), Some(0), "{form:?}");
        other.kill();
        until("alone", || (first.count("alive") == 1).then_some(()));
    }
}

#[test]
fn watch_ends_with_its_reader_when_its_agent_is_gone_too() {
    let lab = Lab::new();
    let agent = lab.agent("n1").start();
    let mut watch = headcount();
    watch.args(["watch", "--socket"]).arg(agent.socket());
    watch.stdout(Stdio::piped()).stderr(Stdio::null());
    let mut watch = Running::start(&mut watch);
    let mut lines = BufReader::new(watch.child.stdout.take().expect("a pipe")).lines();
    lines.next().expect("a first line").expect("text");
    agent.kill();
    drop(lines);
    assert_eq!(watch.end().code(), Some(0));
}

#[test]
fn watch_resumes_over_a_restart_of_its_agent() {
    let lab = Lab::new();
    let agent = lab.agent("n1").start();
    let heard = lab.dir().join("heard");
    let mut watch = headcount();
    watch
        .args(["watch", "--json", "--socket"])
        .arg(agent.socket());
    watch.stdout(File::create(&heard).expect("a file"));
    let mut watch = Running::start(watch.stderr(Stdio::null()));
    let snapshots = |count: usize| {
        until("a snapshot", || {
            let text = fs::read_to_string(&heard).expect("text");
            let seen = text.lines().filter(|line| line.contains("\"snapshot\""));
            (seen.count() >= count).then_some(())
        });
    };
    snapshots(1);
    let agent = agent.kill().start();
    snapshots(2);
    let _other = lab.agent("n2").join(agent.address()).start();
    until("the join is told", || {
        let text = fs::read_to_string(&heard).expect("text");
        text.lines().last()?.contains("\"n2\"").then_some(())
    });
    watch.signal(Signal::INT);
    let status = watch.end();
    assert!(matches!(status.code(), Some(0 | 130)), "{status}");
}

#[test]
fn an_agent_that_does_not_answer_is_not_waited_for_for_ever() {
    let lab = Lab::new();
    let agent = lab.agent("n1").start();
    agent.signal(Signal::STOP);
    let socket = agent.socket().display().to_string();
    let status = ask(&agent, &["status"]);
    status.refused(2, &[&socket, "hint:"]);
}

/// The processes that were started with `folder` for temporary files.
fn processes_of(folder: &Path) -> Vec<String> {
    let marker = format!("TMPDIR={}", folder.display());
    let entries = fs::read_dir("/proc").expect("Linux").flatten();
    let ours = entries.filter(|entry| {
        let environment = fs::read(entry.path().join("environ")).unwrap_or_default();
        let mut variables = environment.split(|byte| *byte == 0);
        variables.any(|variable| variable == marker.as_bytes())
    });
    ours.map(|entry| fs::read_to_string(entry.path().join("cmdline")).unwrap_or_default())
        .collect()
}

/// Checks that neither a process nor a file is left of a demo that had `folder` to itself.
fn nothing_is_left_in(folder: &Path) {
    until("no process is left", || {
        processes_of(folder).is_empty().then_some(())
    });
    let left: Vec<_> = fs::read_dir(folder).expect("ours").flatten().collect();
    assert!(left.is_empty(), "{left:?}");
}

#[test]
fn the_demo_shows_failure_restart_and_leave_and_cleans_up() {
    let lab = Lab::new();
    let mut demo = headcount();
    demo.arg("demo").env("TMPDIR", lab.dir());
    let watch = Stopwatch::start();
    let finished = finish(&mut demo);
    let seconds = watch.elapsed().as_secs();
    let said = format!("{}{}", finished.stdout, finished.stderr);
    assert_eq!(finished.code(), 0, "{said}");
    assert!(seconds < 40, "took {seconds} s");
    for word in ["suspect", "failed", "join", "left"] {
        assert!(said.contains(word), "no {word:?} in {said}");
    }
    nothing_is_left_in(lab.dir());
}

#[test]
fn a_demo_interrupted_midway_cleans_up_too() {
    let lab = Lab::new();
    let output = Lab::new();
    let said = output.dir().join("said");
    let file = File::create(&said).expect("a file");
    let mut demo = headcount();
    demo.arg("demo").env("TMPDIR", lab.dir());
    demo.stdout(file.try_clone().expect("a second handle"));
    let mut demo = Running::start(demo.stderr(file));
    until("the demo has shown a suspicion", || {
        let text = fs::read_to_string(&said).expect("text");
        text.contains("suspect").then_some(())
    });
    assert!(processes_of(lab.dir()).len() >= 4, "the demo runs agents");
    demo.signal(Signal::INT);
    let status = demo.end();
    assert!(status.code().is_some(), "it ended by itself: {status}");
    nothing_is_left_in(lab.dir());
}

/// The subcommands that the program's help lists.
fn subcommands() -> Vec<String> {
    let help = run(["--help"]);
    let list = ok(&help)
        .split("Commands:\n")
        .nth(1)
        .expect("a list")
        .to_owned();
    let lines = list.lines().take_while(|line| !line.is_empty());
    // Continued descriptions are indented further.
    let names = lines.filter(|line| line.starts_with("  ") && !line.starts_with("   "));
    names
        .filter_map(|line| line.split_whitespace().next().map(str::to_owned))
        .collect()
}

#[test]
fn help_lists_every_subcommand() {
    let listed = subcommands();
    for name in [
        "agent", "demo", "join", "leave", "members", "remove", "status", "watch",
    ] {
        assert!(listed.iter().any(|l| l == name), "no {name} in {listed:?}");
    }
}

#[test]
fn every_argument_has_help() {
    for subcommand in subcommands().iter().filter(|name| *name != "help") {
        let help = run([subcommand, "--help"]);
        let lines: Vec<_> = ok(&help).lines().collect();
        for (index, line) in lines.iter().enumerate() {
            let entry = line.trim_start();
            // Continued descriptions are indented further.
            let indent = line.len() - entry.len();
            let is_entry = (1..=6).contains(&indent) && entry.starts_with(['-', '[', '<']);
            let next = lines.get(index + 1).map_or("", |next| next.trim());
            let described = entry.contains("  ") || (!next.is_empty() && !next.starts_with('-'));
            assert!(!is_entry || described, "{subcommand}: no help for {entry}");
        }
    }
}

#[test]
fn an_agent_with_no_flags_but_places_runs_on_loopback() {
    let lab = Lab::new();
    let agents = [lab.agent("n1").start()];
    await_members(&agents, "alive", 1);
    assert!(agents[0].address().ip().is_loopback());
    assert_eq!(agents[0].status()["cluster"], "default");
}

#[test]
fn version_is_the_packages() {
    let version = run(["--version"]);
    assert!(
        ok(&version).contains(env!("CARGO_PKG_VERSION")),
        "{version:#?}"
    );
}
