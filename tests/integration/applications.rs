//! Leases of applications: what shows that one lives, and what everybody hears when it does not.

use std::{
    fs,
    io::{BufRead, BufReader, Write},
    net::{SocketAddr, TcpStream},
    os::unix::net::UnixStream,
    process::Command,
    time::Duration,
};

use rustix::process::Signal;
use serde_json::{Value, json};

use crate::support::{Agent, Body, Lab, Running, Stopwatch, Watch, exchange, read_head, until};

/// Asks for a lease and gives the answer.
#[track_caller]
fn put(agent: &Agent, lease: &Value) -> Value {
    let answer = agent.request("PUT", "/v1/app", &lease.to_string());
    assert_eq!(answer.status, 200, "{lease}: {answer:?}");
    answer.json()
}

/// Waits until every consumer was told that the application of `name` is `app`, and gives what
/// the first was told of the member.
pub(crate) fn heard(watches: &[Watch], name: &str, app: &str) -> Value {
    let is_it = |record: &&Value| {
        let member = &record["member"];
        record["type"] == "update" && member["name"] == name && member["app"] == app
    };
    let hear = |watch: &Watch| {
        let what = format!("the application of {name} is {app}");
        watch.wait(&what, |records| records.iter().find(is_it).cloned())
    };
    let mut records: Vec<_> = watches.iter().map(hear).collect();
    records.swap_remove(0)["member"].take()
}

/// Three agents and a consumer of each.
fn three(lab: &Lab) -> (Vec<Agent>, Vec<Watch>) {
    let agents = lab.cluster(3);
    let watches = agents.iter().map(Agent::watch).collect();
    (agents, watches)
}

/// What a lease that is an open connection says.
type Lines = std::io::Lines<BufReader<Body<BufReader<UnixStream>>>>;

/// Asks for a lease that is an open connection.
fn asked() -> String {
    let body = json!({"connection": true}).to_string();
    format!(
        "PUT /v1/app HTTP/1.1\r\nHost: headcount\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )
}

/// Takes a lease that is an open connection, once its first line has come.
fn connect(agent: &Agent) -> (UnixStream, Lines) {
    connect_saying(agent, &asked())
}

fn connect_saying(agent: &Agent, request: &str) -> (UnixStream, Lines) {
    let mut stream = agent.connect();
    stream.write_all(request.as_bytes()).expect("written");
    let mut reader = BufReader::new(stream.try_clone().expect("a second handle"));
    let (status, headers) = read_head(&mut reader).expect("an answer");
    assert_eq!(status, 200);
    let mut lines = BufReader::new(Body::new(reader, &headers)).lines();
    let first = lines.next().expect("a line").expect("text");
    assert!(first.contains(r#""app":"up""#), "{first}");
    (stream, lines)
}

#[test]
fn a_missed_heartbeat_is_told_everywhere_as_the_applications_death_only() {
    let lab = Lab::new();
    let (agents, watches) = three(&lab);
    let answer = put(&agents[1], &json!({"interval": "300ms"}));
    assert_eq!(
        answer["lease"],
        json!({"interval": "300ms", "grace": "50ms"})
    );
    assert_eq!(heard(&watches, "n2", "up")["state"], "alive");
    let member = heard(&watches, "n2", "down");
    assert_eq!(member["app_reason"], "no heartbeat within 300ms");
    assert_eq!(member["state"], "alive");
    let status = agents[1].status();
    assert_eq!(
        (&status["app"], &status["health"]),
        (&json!("down"), &json!("ok"))
    );
    for watch in &watches {
        assert!(
            !watch.story("n2").contains(&"suspect".into()),
            "{:?}",
            watch.story("n2")
        );
    }
}

#[test]
fn heartbeats_in_time_hold_the_lease() {
    let lab = Lab::new();
    let agent = lab.agent("n1").start();
    let watches = [agent.watch()];
    let begun = Stopwatch::start();
    until("more than two intervals pass", || {
        put(&agent, &json!({"interval": "2s"}));
        (begun.elapsed() > Duration::from_secs(5)).then_some(())
    });
    assert_eq!(watches[0].count("update", "n1"), 1, "up once, never down");
    assert_eq!(
        heard(&watches, "n1", "down")["app_reason"],
        "no heartbeat within 2s"
    );
}

#[test]
fn what_is_said_of_the_application_and_what_shows_it_can_be_asked() {
    let lab = Lab::new();
    let agent = lab.agent("n1").start();
    let shown = || {
        let mut answer = agent.get("/v1/app").json();
        let since = answer.as_object_mut().expect("an object").remove("since");
        (answer, since)
    };
    let nothing = (json!({"app": null, "lease": null}), None);
    assert_eq!(shown(), nothing);
    let pid = std::process::id();
    put(&agent, &json!({"pid": pid}));
    let (answer, since) = shown();
    assert_eq!(answer, json!({"app": "up", "lease": {"pid": pid}}));
    let held = connect(&agent);
    let connected = json!({"app": "up", "lease": {"connection": true}});
    assert_eq!(shown(), (connected, since), "it was up all the time");
    drop(held);
    let reason = "its connection closed";
    let down = json!({"app": "down", "app_reason": reason, "lease": null});
    until("its end is shown", || (shown().0 == down).then_some(()));
    agent.request("DELETE", "/v1/app", "");
    assert_eq!(shown(), nothing);
}

#[test]
fn the_end_of_a_connection_is_the_end_of_the_application() {
    let lab = Lab::new();
    let (agents, watches) = three(&lab);
    let (stream, lines) = connect(&agents[2]);
    heard(&watches, "n3", "up");
    drop((stream, lines));
    let member = heard(&watches, "n3", "down");
    assert_eq!(member["app_reason"], "its connection closed");
    assert_eq!(member["state"], "alive");
}

#[test]
fn whatever_else_is_said_on_a_connection_does_not_hide_its_end() {
    let lab = Lab::new();
    let agent = lab.agent("n1").start();
    // As by a document in the shell, piped to `nc -U`; and as by whoever wants to keep it alive.
    for (at_once, later) in [("\r\n", ""), ("", "\n"), ("\n", &*asked().repeat(1_000))] {
        let (mut stream, lines) = connect_saying(&agent, &(asked() + at_once));
        stream.write_all(later.as_bytes()).expect("written");
        assert_eq!(agent.get("/v1/app").json()["app"], "up");
        drop((stream, lines));
        until("its end is shown", || {
            let shown = agent.get("/v1/app").json();
            (shown["app_reason"] == "its connection closed").then_some(())
        });
    }
}

/// As the kernel lists it.
fn listed(address: SocketAddr) -> String {
    let SocketAddr::V4(address) = address else {
        panic!("{address} is none of ours");
    };
    let ip = u32::from_ne_bytes(address.ip().octets());
    format!("{ip:08X}:{:04X}", address.port())
}

/// Hundredths of a second until the kernel asks whether the other side of a connection is there.
fn asks_in(ours: SocketAddr, theirs: SocketAddr) -> Option<u64> {
    let table = fs::read_to_string("/proc/net/tcp").expect("connections");
    let ends = [ours, theirs].map(listed);
    let mut rows = table.lines().map(|row| row.split_whitespace());
    let mut row = rows.find(|row| row.clone().skip(1).take(2).eq(&ends))?;
    let (kind, left) = row.nth(5)?.split_once(':')?;
    (kind == "02").then(|| u64::from_str_radix(left, 16).expect("a number"))
}

#[test]
fn over_tcp_the_agent_looks_whether_the_host_of_a_lease_is_still_there() {
    let lab = Lab::new();
    let http = format!("{}:0", lab.host());
    let agent = lab.agent("n1").args(["--http", &http]).start();
    let status = agent.status();
    let http = status["http"].as_str().expect("an address");
    let mut stream = TcpStream::connect(http).expect("it listens");
    let named = asked().replace("headcount", http);
    stream.write_all(named.as_bytes()).expect("written");
    let ours = stream.peer_addr().expect("the agent's");
    let theirs = stream.local_addr().expect("ours");
    let mut reader = BufReader::new(stream);
    assert_eq!(read_head(&mut reader).expect("an answer").0, 200);
    let left = until("it looks", || asks_in(ours, theirs));
    assert!(left <= 3_000, "{left} hundredths of a second");
}

#[test]
fn the_end_of_a_process_is_the_end_of_the_application() {
    let lab = Lab::new();
    let (agents, watches) = three(&lab);
    let process = Running::start(Command::new("sleep").arg("1000"));
    let pid = process.child.id();
    put(&agents[0], &json!({"pid": pid}));
    heard(&watches, "n1", "up");
    process.signal(Signal::KILL);
    let member = heard(&watches, "n1", "down");
    assert_eq!(member["app_reason"], format!("process {pid} ended"));
    drop(process);
    let answer = agents[0].request("PUT", "/v1/app", &json!({"pid": pid}).to_string());
    assert_eq!(answer.status, 422, "{answer:?}");
    assert!(
        answer.text().contains("there is no such process"),
        "{answer:?}"
    );
}

#[test]
fn over_tcp_a_process_has_no_number() {
    let lab = Lab::new();
    let http = format!("{}:0", lab.host());
    let agent = lab.agent("n1").args(["--http", &http]).start();
    let status = agent.status();
    let http = status["http"].as_str().expect("an address");
    let body = json!({"pid": std::process::id()}).to_string();
    let length = body.len();
    let request =
        format!("PUT /v1/app HTTP/1.1\r\nHost: {http}\r\nContent-Length: {length}\r\n\r\n{body}");
    let stream = TcpStream::connect(http).expect("it listens");
    let answer = exchange(stream, request.as_bytes());
    assert_eq!(answer.status, 422, "{answer:?}");
    assert!(answer.text().contains("ask at the socket"), "{answer:?}");
    assert!(agent.status().get("app").is_none());
}

#[test]
fn a_lease_that_was_replaced_or_released_says_nothing_any_more() {
    let lab = Lab::new();
    let agent = lab.agent("n1").start();
    let watches = [agent.watch()];
    let (stream, mut lines) = connect(&agent);
    put(&agent, &json!({"state": "up"}));
    let last = lines.next().expect("a line").expect("text");
    assert_eq!(last, r#"{"lease":null}"#);
    assert!(lines.next().is_none(), "the answer ends with the lease");
    drop((stream, lines));
    put(&agent, &json!({"interval": "100ms"}));
    let answer = agent.request("DELETE", "/v1/app", "");
    assert_eq!(
        (answer.status, answer.json()["app"].clone()),
        (200, Value::Null)
    );
    assert!(agent.status().get("app").is_none(), "{:#}", agent.status());
    put(&agent, &json!({"state": "down", "reason": "drained"}));
    let member = heard(&watches, "n1", "down");
    assert_eq!(
        member["app_reason"], "drained",
        "the first death that was told"
    );
}

#[test]
fn a_newcomer_learns_it_and_a_restarted_agent_has_said_nothing() {
    let lab = Lab::new();
    let mut agents = lab.cluster(2);
    put(&agents[1], &json!({"state": "down", "reason": "drained"}));
    let late = lab.agent("late").join(agents[0].address()).start();
    let shown = |agent: &Agent, name: &str| agent.member(name);
    until("the newcomer knows", || {
        let member = shown(&late, "n2")?;
        (member["app"] == "down" && member["app_reason"] == "drained").then_some(())
    });
    let again = agents.pop().expect("two").kill().start();
    for agent in [&agents[0], &late, &again] {
        until("the new generation has said nothing", || {
            let member = shown(agent, "n2")?;
            (member["generation"] == 2 && member.get("app").is_none()).then_some(())
        });
    }
}

#[test]
fn leases_that_cannot_be_are_refused_by_name() {
    let lab = Lab::new();
    let agent = lab.agent("n1").start();
    for (body, words) in [
        (
            r#"{"intervall":"5s"}"#,
            ["intervall", "did you mean interval?"],
        ),
        (
            r#"{"interval":"1ms"}"#,
            ["interval = \\\"1ms\\\"", "100ms to 24h"],
        ),
        (
            r#"{"interval":"5s","pid":1}"#,
            ["exactly one of", "interval, pid"],
        ),
        (r#"{}"#, ["exactly one of", "connection"]),
        (r#"[]"#, ["the body is a list", "send an object"]),
    ] {
        let answer = agent.request("PUT", "/v1/app", body);
        assert_eq!(answer.status, 400, "{body}: {answer:?}");
        let kind = answer.header("content-type");
        assert_eq!(kind, Some("application/problem+json"), "{body}");
        for word in words {
            assert!(
                answer.text().contains(word),
                "no {word} in {}",
                answer.text()
            );
        }
    }
    assert!(agent.status().get("app").is_none());
}
