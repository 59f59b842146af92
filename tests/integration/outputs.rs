//! `[[hook]]` and `[[file]]`: commands and files that follow the members.

use std::{
    fs::{self, Permissions},
    os::unix::fs::{MetadataExt, PermissionsExt},
    path::Path,
};

use rustix::{
    fs::{XattrFlags, getxattr, setxattr},
    process::Signal,
};
use serde_json::Value;

use crate::support::{Agent, Lab, Launch, run, skipped, until};

/// An agent called `n1` with this configuration, in which `$D` is the lab's folder.
pub(crate) fn configured(lab: &Lab, config: &str) -> Launch {
    let path = lab.dir().join("n1.toml");
    let config = config.replace("$D", &lab.dir().display().to_string());
    fs::write(&path, config).expect("our own folder");
    let path = path.display().to_string();
    lab.agent("n1").args(["--config", &path])
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_default()
}

/// Waits until the file is as wanted, and gives it.
fn await_file(path: &Path, wanted: impl Fn(&str) -> bool) -> String {
    until(&format!("{} is as wanted", path.display()), || {
        Some(read(path)).filter(|text| wanted(text))
    })
}

fn another(lab: &Lab, name: &str, of: &Agent, tags: &[&str]) -> Agent {
    let mut launch = lab.agent(name).join(of.address());
    for tag in tags {
        launch = launch.args(["--tag", tag]);
    }
    launch.start()
}

fn leave(agent: &Agent) {
    let answer = agent.request("POST", "/v1/leave", "");
    assert!(answer.status < 300, "{answer:?}");
}

#[test]
fn a_hook_runs_for_each_change_it_asks_for_with_the_record_and_the_member() {
    let lab = Lab::new();
    let hook = r#"
        [[hook]]
        command = '''read line; echo "$HEADCOUNT_TYPE $HEADCOUNT_MEMBER $HEADCOUNT_STATE \
$HEADCOUNT_TAG_ROLE $HEADCOUNT_NAME $line" >> $D/told'''
        types = ["join", "left"]
        tag = { role = "web" }"#;
    let n1 = configured(&lab, hook).start();
    let web = another(&lab, "web", &n1, &["role=web"]);
    let _db = another(&lab, "db", &n1, &["role=db"]);
    until("both are there", || (n1.count("alive") == 3).then_some(()));
    leave(&web);
    let told = lab.dir().join("told");
    let told = await_file(&told, |text| text.lines().count() == 2);
    for (line, begin) in told.lines().zip(["join web alive", "left web left"]) {
        let json = line.strip_prefix(&format!("{begin} web n1 "));
        let record: Value = serde_json::from_str(json.expect(line)).expect("a record");
        assert!(begin.starts_with(record["type"].as_str().expect("a type")));
        assert_eq!(record["member"]["name"], "web");
    }
}

#[test]
fn a_hook_that_fails_runs_again_and_one_that_hangs_is_killed_with_all_it_started() {
    let lab = Lab::new();
    let hooks = r#"
        [[hook]]
        types = ["join"]
        command = '''echo try >> $D/tries; echo no luck >&2; [ $(wc -l < $D/tries) = 2 ]'''
        [[hook]]
        types = ["join"]
        timeout = "300ms"
        retries = 0
        command = '''sleep 1000 & echo $! > $D/child; wait'''"#;
    let n1 = configured(&lab, hooks).start();
    let _n2 = another(&lab, "n2", &n1, &[]);
    until("it was tried twice", || {
        (n1.metric("headcount_hooks_run_total") > 2.5).then_some(())
    });
    n1.await_logged(&["a hook failed", "killed after 300ms"]);
    await_file(&lab.dir().join("tries"), |text| text.lines().count() == 2);
    assert_eq!(n1.logged(&["a hook failed", "no luck", "left=3"]), 1);
    let child = read(&lab.dir().join("child"));
    let stat = format!("/proc/{}/stat", child.trim());
    until("what it started has ended", || {
        let stat = fs::read_to_string(&stat);
        stat.map_or(true, |stat| stat.contains(") Z "))
            .then_some(())
    });
    n1.await_metric("headcount_hooks_failed_total ", |failed| failed == 2.0);
}

#[test]
fn a_slow_hook_keeps_the_order_of_one_member_and_holds_up_no_other() {
    let lab = Lab::new();
    let hook = r#"
        [[hook]]
        name = ["slow", "fast"]
        types = ["join", "left"]
        command = '''
            if [ $HEADCOUNT_MEMBER$HEADCOUNT_TYPE = slowjoin ]; then
                while [ ! -e $D/go ]; do sleep 0.05; done
            fi
            echo $HEADCOUNT_MEMBER $HEADCOUNT_TYPE >> $D/told'''"#;
    let n1 = configured(&lab, hook).start();
    let slow = another(&lab, "slow", &n1, &[]);
    until("it is there", || n1.member("slow").map(|_| ()));
    leave(&slow);
    let _fast = another(&lab, "fast", &n1, &[]);
    let told = lab.dir().join("told");
    assert_eq!(await_file(&told, |text| !text.is_empty()), "fast join\n");
    fs::write(lab.dir().join("go"), "").expect("our own folder");
    let all = await_file(&told, |text| text.lines().count() == 3);
    assert_eq!(all, "fast join\nslow join\nslow left\n");
}

#[test]
fn a_member_that_floods_a_slow_hook_and_one_that_waits_for_another_run_hold_up_nobody() {
    let lab = Lab::new();
    let hook = r#"
        [[hook]]
        name = ["flood", "bad", "calm"]
        types = ["join", "update", "left"]
        concurrency = 2
        retries = 10
        command = '''
            case $HEADCOUNT_MEMBER in
            bad) echo >> $D/failed; [ -e $D/go ] ;;
            flood) while [ ! -e $D/go ]; do sleep 0.05; done; echo $HEADCOUNT_SEQ >> $D/slow ;;
            calm) echo $HEADCOUNT_TYPE >> $D/told ;;
            esac'''"#;
    let n1 = configured(&lab, hook).start();
    let _bad = another(&lab, "bad", &n1, &[]);
    await_file(&lab.dir().join("failed"), |text| !text.is_empty());
    let flood = another(&lab, "flood", &n1, &[]);
    for round in 0..50 {
        let tags = format!(r#"{{"round":"{round}"}}"#);
        assert_eq!(flood.request("PUT", "/v1/tags", &tags).status, 200);
    }
    until("it is flooded", || {
        (n1.member("flood")?["tags"]["round"] == "49").then_some(())
    });
    let calm = another(&lab, "calm", &n1, &[]);
    let told = lab.dir().join("told");
    await_file(&told, |text| text.contains("join"));
    leave(&calm);
    await_file(&told, |text| text.ends_with("left\n"));
    fs::write(lab.dir().join("go"), "").expect("our own folder");
    let slow = await_file(&lab.dir().join("slow"), |text| text.lines().count() > 1);
    let slow: Vec<u64> = slow.lines().flat_map(str::parse).collect();
    assert!(slow.is_sorted(), "{slow:?}");
}

#[test]
fn a_command_that_is_not_there_is_said_once_and_again_when_it_is_back() {
    let lab = Lab::new();
    let hook = "[[hook]]\ncommand = [\"$D/late\"]\nretries = 0\n";
    let n1 = configured(&lab, hook).start();
    let absent = ["a hook's command is not there", "No such file", "late"];
    let n2 = another(&lab, "n2", &n1, &[]);
    let _n3 = another(&lab, "n3", &n1, &[]);
    n1.await_metric("headcount_hooks_absent_total ", |absent| absent > 1.5);
    n1.await_logged(&absent);
    assert_eq!(n1.logged(&absent), 1, "{}", n1.log());
    let late = lab.dir().join("late");
    let script = format!(
        "#!/bin/sh\necho $HEADCOUNT_TYPE >> {}/told\n",
        lab.dir().display()
    );
    // Only whole: an agent that starts it while it is written finds it busy.
    let whole = lab.dir().join("whole");
    fs::write(&whole, script).expect("our own folder");
    fs::set_permissions(&whole, Permissions::from_mode(0o755)).expect("our own file");
    fs::rename(&whole, &late).expect("our own folder");
    leave(&n2);
    await_file(&lab.dir().join("told"), |text| text.contains("left"));
    n1.await_logged(&["a hook's command is there again", "late"]);
    assert_eq!(n1.logged(&["a hook failed"]), 0, "{}", n1.log());
}

#[test]
fn files_follow_the_members_and_their_readers_are_reloaded() {
    let lab = Lab::new();
    let files = r#"
        [[file]]
        path = "$D/hosts"
        template = "hosts"
        settle = "0s"
        min-interval = "0s"
        reload = "echo $HEADCOUNT_FILE >> $D/reloads"
        [[file]]
        path = "$D/own"
        template-file = "$D/own.jinja"
        settle = "0s"
        port = 80
        port-tag = "port"
        [[file]]
        path = "$D/json"
        template = "json"
        settle = "0s"
        state = ["alive", "left"]"#;
    let template = "{% for m in members %}\n{% if m.tags.role == 'web' %}\n\
        {{ m.name }}={{ m.port }}\n{% endif %}\n{% endfor %}\n";
    fs::write(lab.dir().join("own.jinja"), template).expect("our own folder");
    let n1 = configured(&lab, files).start();
    let n2 = another(&lab, "n2", &n1, &["role=web", "port=8080"]);
    let hosts = lab.dir().join("hosts");
    let line = format!("{} n2\n", n2.address().ip());
    await_file(&hosts, |text| text.contains(&line));
    await_file(&lab.dir().join("own"), |text| text == "n2=8080\n");
    leave(&n2);
    await_file(&hosts, |text| !text.is_empty() && !text.contains(&line));
    await_file(&lab.dir().join("own"), str::is_empty);
    let json = await_file(&lab.dir().join("json"), |text| text.contains("\"left\""));
    let json: Value = serde_json::from_str(&json).expect("JSON");
    assert_eq!(json["members"].as_array().map(Vec::len), Some(2));
    let reloads = lab.dir().join("reloads");
    let reloads = await_file(&reloads, |text| text.lines().count() >= 3);
    assert!(
        reloads.lines().all(|path| Path::new(path) == hosts),
        "{reloads}"
    );
}

/// An access control list as Linux keeps it: a version, then a tag, what is allowed, and whom.
/// User 4711 may read, the group may not.
fn list() -> Vec<u8> {
    let nobody = u32::MAX;
    let entries = [
        (0x01, 6, nobody), // the owner
        (0x02, 4, 4711),
        (0x04, 0, nobody), // the group
        (0x10, 4, nobody), // the mask, which is shown as the group's part of the mode
        (0x20, 0, nobody), // everybody
    ];
    let mut list = 2_u32.to_le_bytes().to_vec();
    for (tag, allowed, whom) in entries {
        list.extend(u16::to_le_bytes(tag));
        list.extend(u16::to_le_bytes(allowed));
        list.extend(u32::to_le_bytes(whom));
    }
    list
}

#[test]
fn a_file_keeps_its_access_control_list() {
    const NAME: &str = "system.posix_acl_access";
    let lab = Lab::new();
    let path = lab.dir().join("members");
    fs::write(&path, "old").expect("our own folder");
    if let Err(error) = setxattr(&path, NAME, &list(), XattrFlags::empty()) {
        return skipped(format_args!("no access control lists here ({error})"));
    }
    let before = fs::metadata(&path).expect("a file").mode();
    let file = "[[file]]\npath = \"$D/members\"\ntemplate = \"json\"\n";
    let _agent = configured(&lab, file).start();
    await_file(&path, |text| text.contains("n1"));
    let mut held = [0; 256];
    let length = getxattr(&path, NAME, &mut held[..]).expect("it has one");
    assert_eq!(held[..length], list());
    assert_eq!(fs::metadata(&path).expect("a file").mode(), before);
}

#[test]
fn a_file_stays_until_somebody_answers_and_when_the_agent_leaves() {
    let lab = Lab::new();
    let (seed, hosts) = (lab.reserve(), lab.dir().join("hosts"));
    fs::write(&hosts, "as it was\n").expect("our own folder");
    let file = "[[file]]\npath = \"$D/hosts\"\ntemplate = \"hosts\"\nsettle = \"0s\"\n";
    let mut n1 = configured(&lab, file).join(seed).start();
    n1.await_logged(&["stays as it is until somebody answers", "hosts"]);
    let socket = n1.socket().display().to_string();
    let status = run(["status", "--check", "--socket", &socket]);
    status.refused(1, &["the agent is degraded"]);
    let reason = "nobody whom it looks for has answered yet";
    assert!(status.stdout.contains(reason), "{status:?}");
    assert_eq!(read(&hosts), "as it was\n");
    let _n2 = lab.agent("n2").bind(seed).start();
    let both = await_file(&hosts, |text| text.contains(" n2\n"));
    assert!(both.contains(" n1\n"), "{both}");
    assert_eq!(run(["status", "--check", "--socket", &socket]).code(), 0);
    leave(&n1);
    assert_eq!(n1.exit_code(), 0, "{}", n1.log());
    assert_eq!(read(&hosts), both);
}

#[test]
fn an_agent_ends_though_a_file_cannot_be_written_and_a_reload_hangs() {
    let lab = Lab::new();
    // Whose end a trial cannot find: there, each tag has a value.
    let endless = "{% for m in members %}{% if m.tags.role is undefined %}\
        {% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}\
        {% endif %}{% endfor %}";
    fs::write(lab.dir().join("endless"), endless).expect("our own folder");
    let files = "[[file]]\npath = \"$D/no/hosts\"\ntemplate = \"hosts\"\nsettle = \"0s\"\n\
        [[file]]\npath = \"$D/never\"\ntemplate-file = \"$D/endless\"\nsettle = \"0s\"\n\
        [[file]]\npath = \"$D/hosts\"\ntemplate = \"hosts\"\nsettle = \"0s\"\n\
        reload = \"echo > $D/began; sleep 1000\"\ntimeout = \"1h\"\n";
    let mut n1 = configured(&lab, files).start();
    until("both have begun", || {
        let is_said = n1.logged(&["cannot keep a file of members", "no/hosts"]) > 0;
        (is_said && lab.dir().join("began").exists()).then_some(())
    });
    leave(&n1);
    assert_eq!(n1.exit_code(), 0, "{}", n1.log());
}

/// The exit code of an agent whose hook hangs: `begin` has it leave, with a program if there is
/// one, and `signals` come when it has left.
fn told_while_a_hook_hangs(program: &[&str], begin: impl Fn(&Agent), signals: usize) -> i32 {
    let lab = Lab::new();
    let hook = "[[hook]]\ntypes = [\"join\"]\ntimeout = \"1h\"\n\
        command = \"echo > $D/began; sleep 1000\"\n";
    let mut n1 = configured(&lab, hook).args(program.iter().copied()).start();
    let _n2 = another(&lab, "n2", &n1, &[]);
    until("the hook runs", || {
        lab.dir().join("began").exists().then_some(())
    });
    begin(&n1);
    until("the socket is gone", || {
        (!n1.socket().exists()).then_some(())
    });
    for _ in 0..signals {
        n1.signal(Signal::TERM);
    }
    n1.exit_code()
}

#[test]
fn a_second_signal_ends_an_agent_at_once_whatever_it_waits_for() {
    let term = |agent: &Agent| agent.signal(Signal::TERM);
    let program = ["--", "sleep", "1000"];
    assert_eq!(told_while_a_hook_hangs(&[], term, 1), 1);
    assert_eq!(told_while_a_hook_hangs(&program, term, 1), 1);
    // Who asked it to leave by a request has sent no signal yet. The hook is given up in time.
    assert_eq!(told_while_a_hook_hangs(&program, leave, 1), 0);
}

#[test]
fn a_reload_that_fails_is_made_up_for() {
    let lab = Lab::new();
    let file = "[[file]]\npath = \"$D/hosts\"\ntemplate = \"hosts\"\nsettle = \"0s\"\n\
        reload = \"echo >> $D/tries; [ -e $D/up ] && echo > $D/done\"\n";
    let n1 = configured(&lab, file).start();
    until("it failed", || {
        (n1.logged(&["was not reloaded by"]) > 0).then_some(())
    });
    fs::write(lab.dir().join("up"), "").expect("our own folder");
    until("it is done", || {
        lab.dir().join("done").exists().then_some(())
    });
}

/// Hundredths of a second since this machine started.
fn uptime(text: &str) -> u64 {
    let seconds = text.split(' ').next().expect("a number");
    seconds.replace('.', "").parse().expect("hundredths")
}

#[test]
fn changes_that_follow_each_other_wait_for_one_reload_until_its_min_interval_is_over() {
    let lab = Lab::new();
    let file = r#"
        [[file]]
        path = "$D/round"
        template-file = "$D/round.jinja"
        settle = "0s"
        min-interval = "2s"
        reload = "echo $(cut -d ' ' -f 1 /proc/uptime) $(cat $D/round) >> $D/runs""#;
    let template = "{% for m in members %}{{ m.tags.round }}{% endfor %}";
    fs::write(lab.dir().join("round.jinja"), template).expect("our own folder");
    let n1 = configured(&lab, file).args(["--tag", "round=0"]).start();
    let change = |round: u32| {
        let tags = format!(r#"{{"round":"{round}"}}"#);
        assert_eq!(n1.request("PUT", "/v1/tags", &tags).status, 200);
    };
    let runs = lab.dir().join("runs");
    await_file(&runs, |text| text.ends_with(" 0\n"));
    change(1);
    change(2);
    let changed = uptime(&read(Path::new("/proc/uptime")));
    await_file(&runs, |text| text.ends_with(" 2\n"));
    change(3);
    let runs = await_file(&runs, |text| text.ends_with(" 3\n"));
    let times: Vec<u64> = runs.lines().map(uptime).collect();
    assert!(
        times.windows(2).all(|pair| pair[1] - pair[0] >= 200),
        "{runs}"
    );
    // Unless this machine was too busy for both to come within the interval.
    if changed < times[0] + 200 {
        assert_eq!(times.len(), 3, "{runs}");
    }
}

#[test]
fn a_folder_that_is_not_there_is_named_and_written_to_once_it_is() {
    let lab = Lab::new();
    let file = "[[file]]\npath = \"$D/later/hosts\"\ntemplate = \"hosts\"\nsettle = \"0s\"\n";
    let n1 = configured(&lab, file).start();
    until("it is said", || {
        (n1.logged(&["cannot keep a file of members", "later/hosts"]) > 0).then_some(())
    });
    fs::create_dir(lab.dir().join("later")).expect("our own folder");
    let _n2 = another(&lab, "n2", &n1, &[]);
    await_file(&lab.dir().join("later/hosts"), |text| {
        text.contains(" n2\n")
    });
    n1.await_logged(&["a file of members is kept again", "later/hosts"]);
}

#[test]
fn an_output_that_cannot_be_is_refused_with_its_line() {
    let lab = Lab::new();
    let hook = |rest: &str| format!("[[hook]]\ncommand = [\"true\"]\n{rest}\n");
    let file = |rest: &str| format!("[[file]]\npath = \"/tmp/x\"\n{rest}\n");
    for (config, words) in [
        (
            hook("comand = 1"),
            &[":3", "comand", "did you mean `command`"][..],
        ),
        (hook("types = [\"faild\"]"), &["faild", "failed"]),
        (
            hook("timeout = \"5 parsecs\""),
            &[":3", "5 parsecs", "300ms"],
        ),
        (hook("timeout = \"1ms\""), &["timeout", "100ms to 1h"]),
        (hook("retries = 11"), &["retries \"11\"", "0 to 10"]),
        (hook("concurrency = 0"), &["concurrency \"0\"", "1 to 64"]),
        (
            "[[hook]]\n".into(),
            &["[[hook]]", "has no command", "hint: write command"],
        ),
        ("[[hook]]\ncommand = []\n".into(), &[":2", "no program"]),
        ("hook = 3\n".into(), &[":1"]),
        (file(""), &["has no template"]),
        (
            file("template = \"apache\""),
            &[":3", "apache", "haproxy-map"],
        ),
        (
            file("template = \"nginx\"\nupstream = \"a; b\""),
            &["upstream", "word"],
        ),
        (
            file("template = \"json\"\nstate = \"dead\""),
            &["dead", "alive"],
        ),
        (file("template = \"json\"\nport = 70000"), &[":4"]),
        (
            file("template = \"json\"") + &file("template = \"hosts\""),
            &[":5", "n1.toml:1", "/tmp/x"],
        ),
        (file("template-file = \"/no/such\""), &["/no/such"]),
    ] {
        let ended = configured(&lab, &config).finish();
        ended.refused(2, words);
        ended.refused(2, &["hint:"]);
    }
    for (template, words) in [
        ("{% for %}", &["line 1", "syntax error"][..]),
        ("{{ nope }}", &["unknown name `nope`"]),
        (
            "{% for m in members %}\n{{ m.nmae }}{% endfor %}",
            &["line 2", "`nmae`", "`name`"],
        ),
        (
            "\n{{ members|nofilter }}",
            &["line 2", "unknown filter", "nofilter"],
        ),
    ] {
        fs::write(lab.dir().join("bad"), template).expect("our own folder");
        let launch = configured(&lab, &file("template-file = \"$D/bad\""));
        let ended = launch.args(["--check"]).finish();
        ended.refused(2, &["template-file"]);
        ended.refused(2, words);
    }
}

#[test]
fn a_hook_does_not_run_for_whoever_was_gone_before() {
    let lab = Lab::new();
    let n2 = lab.agent("n2").start();
    let left = another(&lab, "left", &n2, &[]);
    let failed = another(&lab, "failed", &n2, &[]);
    until("all are there", || (n2.count("alive") == 3).then_some(()));
    leave(&left);
    let _failed = failed.kill();
    until("both are gone", || {
        (n2.count("left") == 1 && n2.count("failed") == 1).then_some(())
    });
    let hook = "[[hook]]\ntypes = [\"failed\", \"left\", \"removed\"]\nconcurrency = 1\n\
        command = \"echo $HEADCOUNT_TYPE $HEADCOUNT_MEMBER >> $D/told\"\n";
    let n1 = configured(&lab, hook).join(n2.address()).start();
    until("it knows of them", || {
        (n1.count("left") == 1 && n1.count("failed") == 1).then_some(())
    });
    assert_eq!(n1.request("DELETE", "/v1/members/failed", "").status, 200);
    let late = another(&lab, "late", &n1, &[]);
    until("it is there", || n1.member("late").map(|_| ()));
    leave(&late);
    let told = await_file(&lab.dir().join("told"), |text| !text.is_empty());
    assert_eq!(told, "left late\n");
    assert_eq!(n1.request("DELETE", "/v1/members/late", "").status, 200);
    let told = await_file(&lab.dir().join("told"), |text| text.lines().count() > 1);
    assert_eq!(told, "left late\nremoved late\n");
}
