//! `headcount agent … -- COMMAND…`: the application as a child of the agent.

use std::{fs, path::PathBuf};

use rustix::{
    process::{Pid, Signal, kill_process},
    pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt},
};

use crate::{
    applications::heard,
    support::{Agent, Lab, Launch, until},
};

/// An agent `n1` and one called `app` that runs `script`, in which `$F` is the path of a file.
struct Pair {
    other: Agent,
    app: Launch,
    file: PathBuf,
    // Dropped last: the agents live in it.
    lab: Lab,
}

impl Pair {
    fn new(script: &str) -> Self {
        let lab = Lab::new();
        let other = lab.agent("n1").start();
        let file = lab.dir().join("file");
        let script = script.replace("$F", &file.display().to_string());
        let app = lab.agent("app").join(other.address());
        let app = app.args(["--", "sh", "-c", &script]);
        Self {
            other,
            app,
            file,
            lab,
        }
    }

    /// Waits until the script wrote `words` to its file.
    fn wrote(&self, words: &str) {
        until(&format!("it writes {words}"), || {
            let text = fs::read_to_string(&self.file).ok()?;
            text.contains(words).then_some(())
        });
    }
}

#[test]
fn its_end_is_told_first_then_the_agent_leaves_and_ends_with_its_status() {
    let pair = Pair::new("echo \"$HEADCOUNT_NAME $HEADCOUNT_SOCKET\" > $F; read x; exit 3");
    let watch = pair.other.watch();
    let socket = pair.lab.dir().join("app/socket");
    // Its standard input is empty, so that it ends at once.
    let ended = pair.app.clone().finish();
    assert_eq!(ended.code(), 3, "{ended:?}");
    pair.wrote(&format!("app {}", socket.display()));
    assert!(!socket.exists());
    assert!(!ended.stderr.contains("error:"), "{ended:?}");
    // Nobody may have heard of an agent that lived so briefly; one that was heard of said goodbye.
    assert!(!watch.story("app").contains(&"suspect".into()));
}

#[test]
fn everybody_hears_how_it_ended_and_why_the_agent_left() {
    let pair = Pair::new("echo $$ > $F; exec sleep 1000");
    let mut app = pair.app.clone().start();
    let watches = [pair.other.watch(), app.watch()];
    until("everybody knows that it runs", || {
        let member = pair.other.member("app")?;
        (member["app"] == "up").then_some(())
    });
    pair.wrote("\n");
    let pid = fs::read_to_string(&pair.file).expect("a number");
    let pid = Pid::from_raw(pid.trim().parse().expect("a number")).expect("not zero");
    kill_process(pid, Signal::KILL).expect("it runs");
    let member = heard(&watches, "app", "down");
    assert_eq!(member["app_reason"], "killed by signal 9");
    let left = watches[0].wait_for("left", "app");
    assert_eq!(left["reason"], "killed by signal 9");
    assert_eq!(app.exit_code(), 137, "{}", app.log());
    assert_eq!(watches[0].count("failed", "app"), 0);
}

#[test]
fn signals_go_to_it_and_the_agent_waits_for_its_end() {
    let script = "trap 'echo hup >> $F' HUP; trap 'echo usr1 >> $F' USR1; \
                  trap 'echo term >> $F; exit 7' TERM; echo ready >> $F; \
                  while :; do sleep 1000 & wait; done";
    let pair = Pair::new(script);
    let mut app = pair.app.clone().start();
    let watch = pair.other.watch();
    for (signal, words) in [
        (None, "ready"),
        (Some(Signal::HUP), "hup"),
        (Some(Signal::USR1), "usr1"),
        (Some(Signal::TERM), "term"),
    ] {
        signal.into_iter().for_each(|signal| app.signal(signal));
        pair.wrote(words);
    }
    assert_eq!(app.exit_code(), 7, "{}", app.log());
    assert_eq!(
        watch.wait_for("left", "app")["reason"],
        "exited with status 7"
    );
}

#[test]
fn a_second_signal_kills_what_does_not_end() {
    let pair = Pair::new("trap '' TERM; echo ready > $F; while :; do sleep 1000; done");
    let mut app = pair.app.clone().start();
    let watch = pair.other.watch();
    pair.wrote("ready");
    app.signal(Signal::TERM);
    until("it was passed on", || {
        (app.logged(&["passing a signal on", "15"]) == 1).then_some(())
    });
    app.signal(Signal::TERM);
    assert_eq!(app.exit_code(), 137, "{}", app.log());
    assert_eq!(
        watch.wait_for("left", "app")["reason"],
        "killed by signal 9"
    );
}

#[test]
fn one_that_was_stopped_hears_that_it_is_to_end() {
    let pair = Pair::new("trap 'exit 7' TERM; echo $$ > $F; kill -STOP $$; sleep 1000");
    let mut app = pair.app.clone().start();
    pair.wrote("\n");
    let pid = fs::read_to_string(&pair.file).expect("a number");
    let stat = format!("/proc/{}/stat", pid.trim());
    until("it stops", || {
        let stat = fs::read_to_string(&stat).expect("it is there");
        stat.contains(") T ").then_some(())
    });
    app.signal(Signal::TERM);
    assert_eq!(app.exit_code(), 7, "{}", app.log());
}

#[test]
fn a_terminal_is_nothing_for_it_to_read() {
    let flags = OpenptFlags::RDWR | OpenptFlags::NOCTTY;
    let terminal = openpt(flags).expect("a terminal");
    grantpt(&terminal).expect("ours");
    unlockpt(&terminal).expect("ours");
    let name = ptsname(&terminal, Vec::new()).expect("a name");
    let pair = Pair::new("cat; echo ended > $F; exit 3");
    let name = name.to_str().expect("a path");
    // It is opened by whoever is no session's leader, and so becomes nobody's own terminal.
    let under = format!("exec \"$@\" <{name}");
    let ended = pair.app.clone().under(["sh", "-c", &under, "sh"]).finish();
    assert_eq!(ended.code(), 3, "{ended:?}");
    pair.wrote("ended");
}

#[test]
fn an_agent_that_is_told_to_leave_takes_it_along() {
    let pair = Pair::new("trap 'echo term > $F; exit 7' TERM; echo ready > $F; sleep 1000 & wait");
    let mut app = pair.app.clone().start();
    pair.wrote("ready");
    let answer = app.request("POST", "/v1/leave", r#"{"reason":"upgrade"}"#);
    assert_eq!(answer.status, 200, "{answer:?}");
    pair.wrote("term");
    assert_eq!(app.exit_code(), 0, "it did as it was told: {}", app.log());
}

#[test]
fn a_command_that_cannot_be_started_starts_no_agent() {
    let lab = Lab::new();
    let other = lab.agent("n1").start();
    let watch = other.watch();
    for (command, words) in [
        (
            "nonesuch",
            ["cannot start command \"nonesuch\"", "no directory of PATH"],
        ),
        (
            "/nonesuch",
            ["cannot start command \"/nonesuch\"", "no such file"],
        ),
        ("/etc/passwd", ["/etc/passwd", "may not execute it"]),
    ] {
        let launch = lab.agent("app").join(other.address());
        launch.args(["--", command]).finish().refused(2, &words);
        assert!(!lab.dir().join("app/socket").exists());
    }
    assert!(watch.story("app").is_empty(), "nobody heard of it");
}
