//! User events and tags of real agents: by HTTP and by the command line.

use std::{io::Write, process::Stdio};

use serde_json::{Value, json};

use crate::support::{Agent, Finished, Lab, Launch, Watch, finish, headcount, until};

fn ask(agent: &Agent, args: &[&str]) -> Finished {
    let mut command = headcount();
    command.args(args).arg("--socket").arg(agent.socket());
    finish(&mut command)
}

/// Raises an event as soon as there is room for it: a burst may be refused for a moment.
fn raise(agent: &Agent, payload: &str) -> Value {
    let body = json!({"name": "deploy", "payload": payload}).to_string();
    until("room for an event", || {
        let answer = agent.request("POST", "/v1/events", &body);
        if answer.status == 429 {
            assert_eq!(answer.header("retry-after"), Some("1"));
            return None;
        }
        assert_eq!(answer.status, 202, "{}", answer.text());
        Some(answer.json())
    })
}

/// Payloads of all events of `from` that a consumer got so far.
fn payloads(records: &[Value], from: &str) -> Vec<String> {
    let user = records.iter().filter(|record| record["type"] == "user");
    let sent = user.filter(|record| record["from"] == from);
    let payload = |record: &Value| record["payload"].as_str().unwrap_or_default().to_owned();
    sent.map(payload).collect()
}

fn wait_for_payloads(watch: &Watch, from: &str, expected: &[String]) {
    watch.wait("all events", |records| {
        (payloads(records, from).len() >= expected.len()).then_some(())
    });
    assert_eq!(payloads(&watch.records(), from), expected);
}

#[test]
fn an_event_reaches_every_consumer_with_its_name_payload_and_number() {
    let lab = Lab::new();
    let agents = lab.cluster(3);
    let watches: Vec<_> = agents.iter().map(Agent::watch).collect();
    let answer = raise(&agents[1], "restart \"now\" é");
    assert_eq!(answer, json!({"from": "n2", "generation": 1, "number": 1}));
    for watch in &watches {
        let record = watch.wait_for("user", "n2");
        assert_eq!(record["name"], "deploy");
        assert_eq!(record["payload"], "restart \"now\" é");
        assert_eq!(
            (&record["generation"], &record["number"]),
            (&json!(1), &json!(1))
        );
    }
    agents[0].await_metric("headcount_user_events_told_total ", |told| told == 1.0);
    agents[1].await_metric("headcount_user_events_raised_total ", |raised| {
        raised == 1.0
    });
}

#[test]
fn a_stream_of_events_comes_whole_and_in_order_and_a_newcomer_gets_it_too() {
    let lab = Lab::new();
    let agents = lab.cluster(3);
    let watches: Vec<_> = agents.iter().map(Agent::watch).collect();
    let expected: Vec<_> = (0..200).map(|number| format!("{number}")).collect();
    expected
        .iter()
        .for_each(|payload| drop(raise(&agents[1], payload)));
    for watch in &watches {
        wait_for_payloads(watch, "n2", &expected);
    }
    // Those of a sender that was killed, too.
    let mut agents = agents;
    let _: Launch = agents.remove(1).kill();
    let newcomer = lab.agent("n9").join(agents[0].address()).start();
    let first = newcomer.status()["epoch"]
        .as_str()
        .unwrap_or_default()
        .to_owned();
    wait_for_payloads(
        &Watch::resume("n9", &newcomer.socket(), &first, 0),
        "n2",
        &expected,
    );
}

#[test]
fn events_that_cannot_be_are_problems() {
    let lab = Lab::new();
    let agent = lab.agent("n1").start();
    let long = "x".repeat(1_025);
    for (body, status, words) in [
        (
            json!({"name": "deploy", "payload": long}),
            413,
            "1025 bytes",
        ),
        (json!({"name": "two words"}), 400, "two words"),
        (json!({"name": ""}), 400, "event name"),
        (json!({"payload": "x"}), 400, "name"),
        (
            json!({"name": "deploy", "payload": 7}),
            400,
            "expected a string",
        ),
        (json!({"name": "deploy", "paylod": ""}), 400, "paylod"),
    ] {
        let answer = agent.request("POST", "/v1/events", &body.to_string());
        assert_eq!(answer.status, status, "{body}: {}", answer.text());
        assert!(answer.text().contains(words), "{body}: {}", answer.text());
    }
}

#[test]
fn the_command_line_raises_events_and_watch_tells_them() {
    let lab = Lab::new();
    let agent = lab.agent("n1").start();
    let watch = agent.watch();
    let raised = ask(&agent, &["event", "deploy", "v2"]);
    assert_eq!(raised.code(), 0, "{raised:#?}");
    assert_eq!(
        raised.stdout,
        "raised deploy: number 1 of n1, generation 1\n"
    );
    let raised = ask(&agent, &["event", "deploy", "--json"]);
    let answer: Value = serde_json::from_str(&raised.stdout).expect("one object");
    assert_eq!(answer["number"], 2);
    let mut command = headcount();
    command
        .args(["event", "deploy", "-", "--socket"])
        .arg(agent.socket());
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .spawn()
        .expect("starts");
    let mut pipe = child.stdin.take().expect("a pipe");
    pipe.write_all(b"from a pipe\n").expect("written");
    drop(pipe);
    assert!(child.wait().expect("it ends").success());
    wait_for_payloads(
        &watch,
        "n1",
        &["v2".into(), String::new(), "from a pipe\n".into()],
    );
    ask(&agent, &["event", "two words"]).refused(2, &["two words", "64 bytes"]);
}

#[test]
fn tags_change_while_the_agent_runs_and_every_consumer_is_told() {
    let lab = Lab::new();
    let first = lab.agent("n1").args(["--tag", "role=web"]).start();
    let second = lab.agent("n2").join(first.address()).start();
    until("n1", || second.member("n1"));
    let watch = second.watch();
    let answer = first.request("PUT", "/v1/tags", r#"{"zone":"a","role":"db"}"#);
    assert_eq!(
        (answer.status, answer.json()),
        (200, json!({"zone": "a", "role": "db"}))
    );
    let tags = |tags: Value| {
        watch.wait("the tags", |records| {
            let shown = |record: &&Value| record["member"]["tags"] == tags;
            let mut updates = records.iter().filter(|record| record["type"] == "update");
            updates.find(shown).map(|_| ())
        });
    };
    tags(json!({"zone": "a", "role": "db"}));
    let filtered = second.get("/v1/members?tag=zone:a").json();
    assert_eq!(
        filtered["members"].as_array().map(Vec::len),
        Some(1),
        "{filtered:#}"
    );
    let changed = ask(&first, &["tags", "role=cache", "zone-"]);
    assert_eq!(
        (changed.code(), &*changed.stdout),
        (0, "role=cache\n"),
        "{changed:#?}"
    );
    tags(json!({"role": "cache"}));
    assert_eq!(ask(&first, &["tags"]).stdout, "role=cache\n");
    ask(&first, &["tags", "zone"]).refused(2, &["\"zone\"", "zone=VALUE"]);
    ask(&first, &["tags", "a:b=c"]).refused(2, &["a:b"]);
}

#[test]
fn large_tags_come_by_stream_and_larger_ones_are_refused() {
    let lab = Lab::new();
    let agents = lab.cluster(3);
    let large = json!({"notes": "x".repeat(16_000)});
    let answer = agents[0].request("PUT", "/v1/tags", &large.to_string());
    assert_eq!(answer.status, 200, "{}", answer.text());
    let newcomer = lab.agent("n9").join(agents[1].address()).start();
    for agent in agents.iter().chain([&newcomer]) {
        until("the large tags", || {
            (agent.member("n1")?["tags"] == large).then_some(())
        });
    }
    let larger = json!({"notes": "x".repeat(16_384)}).to_string();
    for (method, body, status) in [
        ("PUT", larger.as_str(), 413),
        ("PUT", r#"{"a b":"c"}"#, 400),
        ("PUT", r#"{"a":7}"#, 400),
        ("PUT", "[]", 400),
        ("PUT", "", 400),
        ("PATCH", "", 400),
        ("PATCH", r#"{"a":true}"#, 400),
    ] {
        let answer = agents[0].request(method, "/v1/tags", body);
        assert_eq!(answer.status, status, "{}", answer.text());
    }
    assert_eq!(agents[0].get("/v1/tags").json(), large);
}

#[test]
fn tags_larger_than_a_packet_may_be_given_at_start() {
    let lab = Lab::new();
    let first = lab.agent("n1").start();
    let notes = "x".repeat(2_000);
    let second = lab.agent("n2").join(first.address());
    let second = second.args(["--tag", &format!("notes={notes}")]).start();
    until("its tags", || {
        (first.member("n2")?["tags"]["notes"] == notes).then_some(())
    });
    drop(second);
}
