//! Clients that nobody should write, in numbers that nobody should have: each gets a problem
//! document, the agent stays small, and everybody else is served.

use std::{
    fs,
    io::{BufRead, BufReader, Read, Write},
    os::unix::net::UnixStream,
};

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use serde_json::{Value, json};

use crate::support::{Agent, Body, Lab, Response, Watch, exchange, read_head, until};

/// Connections at once, more than twice as many as the agent takes.
const CROWD: usize = 10_000;
/// What the agent may take with all of them, in MiB.
const CROWD_MIB_MAX: u64 = 128;
/// Changes told to readers that do not read: more than the agent remembers.
const CHANGES: usize = 20_000;
/// Readers that do not read.
const SLEEPERS: usize = 100;
/// What they may take together, in MiB: the history and what waits for each.
const SLEEPERS_MIB_MAX: u64 = 96;

#[track_caller]
fn is_problem(answer: &Response, status: u16, words: &[&str]) {
    let said = answer.text();
    assert_eq!(answer.status, status, "{said}");
    let kind = answer.header("content-type");
    assert_eq!(kind, Some("application/problem+json"), "{said}");
    assert_eq!(answer.json()["status"], status, "{said}");
    for word in words {
        assert!(said.contains(word), "no {word:?} in {said}");
    }
}

/// Memory that the agent's process uses, in MiB.
fn mib(agent: &Agent) -> u64 {
    let pid = &agent.status()["pid"];
    let status = fs::read_to_string(format!("/proc/{pid}/status")).expect("it runs");
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let line = line.expect("its size").trim().trim_end_matches(" kB");
    line.parse::<u64>().expect("a number") / 1024
}

fn allow_files(wanted: u64) {
    let limit = getrlimit(Resource::Nofile);
    let maximum = limit.maximum.map(|maximum| maximum.max(wanted));
    let current = Some(wanted.max(limit.current.unwrap_or(wanted)));
    setrlimit(Resource::Nofile, Rlimit { current, maximum }).expect("so many open files");
}

/// Says something of the agent's own application, and waits for the answer.
fn say(agent: &Agent, reason: &str) {
    let body = json!({"state": "down", "reason": reason}).to_string();
    let answer = agent.request("PUT", "/v1/app", &body);
    assert_eq!(answer.status, 200, "{}", answer.text());
}

fn heard(watch: &Watch, reason: &str) {
    watch.wait(reason, |records| {
        let is_it = |record: &&Value| record["member"]["app_reason"] == reason;
        records.iter().find(is_it).map(|_| ())
    });
}

#[test]
fn ten_thousand_idle_connections_keep_nobody_from_being_served() {
    allow_files(CROWD as u64 + 500);
    let lab = Lab::new();
    let agent = lab.agent("n1").start();
    let watch = agent.watch();
    let crowd: Vec<_> = (0..CROWD)
        .map(|number| {
            let mut idler = agent.connect();
            // Every other one begins to say something.
            if number % 2 == 0 {
                // It may have been sent away already.
                let _ = idler.write_all(b"GET /v1/members HTTP/1.1\r\nHo");
            }
            idler
        })
        .collect();
    say(&agent, "in a crowd");
    heard(&watch, "in a crowd");
    let other = agent.watch();
    assert_eq!(other.records()[0]["type"], "snapshot");
    let mib = mib(&agent);
    assert!(mib <= CROWD_MIB_MAX, "{mib} MiB");
    // Those who came first had to give way, and were told why.
    let mut answer = String::new();
    let mut first = &crowd[0];
    first.read_to_string(&mut answer).expect("an answer");
    assert!(
        answer.contains(" 503 ") && answer.contains("had not asked"),
        "{answer}"
    );
}

#[test]
fn a_head_that_cannot_be_read_is_a_problem() {
    let lab = Lab::new();
    let agent = lab.agent("n1").start();
    let ask = |head: String| exchange(agent.connect(), head.as_bytes());
    let huge = format!(
        "GET /v1/status HTTP/1.1\r\nX: {}\r\n\r\n",
        "x".repeat(20_000)
    );
    is_problem(&ask(huge), 431, &["16384 bytes"]);
    let many = format!("GET /v1/status HTTP/1.1\r\n{}\r\n", "X: y\r\n".repeat(100));
    is_problem(&ask(many), 431, &["64 headers"]);
    is_problem(&ask("how many are you?\r\n\r\n".into()), 400, &["HTTP/1.1"]);
    is_problem(&ask("\u{16}\u{3}\u{1}".into()), 400, &["HTTP/1.1"]);
    let framed = |framing: &str| ask(format!("PUT /v1/tags HTTP/1.1\r\n{framing}\r\n\r\n"));
    is_problem(&framed("Content-Length: much"), 400, &["Content-Length"]);
    is_problem(
        &framed("Transfer-Encoding: gzip"),
        400,
        &["Transfer-Encoding"],
    );
}

#[test]
fn a_head_that_never_ends_is_a_problem() {
    let lab = Lab::new();
    let agent = lab.agent("n1").start();
    let answer = exchange(agent.connect(), b"GET /v1/status HTTP/1.1\r\nHo");
    is_problem(&answer, 408, &["10 s"]);
}

#[test]
fn wishes_that_cannot_be_are_refused_by_name() {
    let lab = Lab::new();
    let agent = lab.agent("n1").start();
    let epoch = agent.status()["epoch"]
        .as_str()
        .expect("an epoch")
        .to_owned();
    for (wish, words) in [
        ("resume=yesterday", &["yesterday", "EPOCH:SEQ"][..]),
        ("resume=5f0c:-1", &["5f0c:-1", "EPOCH:SEQ"]),
        ("resume=5f0c:99999999999999999999", &["EPOCH:SEQ"]),
        ("resume=", &["EPOCH:SEQ"]),
        ("types=joined", &["joined", "join", "suspect"]),
        ("tag=role", &["role", "KEY:VALUE"]),
        (
            "confidence=sure",
            &["sure", "suspect, failed or stable:TIME"],
        ),
        ("confidence=stable:0s", &["stable:0s", "1s to 10m"]),
        ("confidence=stable:11m", &["stable:11m", "1s to 10m"]),
        ("settle=1h", &["1h", "100ms to 10s"]),
        ("settle=2", &["100ms to 10s"]),
        ("confidense=failed", &["confidense", "confidence"]),
    ] {
        let answer = agent.get(&format!("/v1/watch?{wish}"));
        is_problem(&answer, 400, words);
    }
    // Numbers that the agent never gave are no places: the stream begins anew.
    for resume in [
        "0000000000000000:0".into(),
        format!("{epoch}:18446744073709551615"),
    ] {
        let mut stream = agent.connect();
        let request = format!("GET /v1/watch?resume={resume} HTTP/1.0\r\n\r\n");
        stream.write_all(request.as_bytes()).expect("written");
        let mut reader = BufReader::new(stream);
        assert_eq!(read_head(&mut reader).expect("an answer").0, 200);
        let mut line = String::new();
        reader.read_line(&mut line).expect("a record");
        assert!(line.starts_with(r#"{"type":"snapshot","#), "{line}");
    }
}

/// A stream of which nothing is read after the first line.
fn sleeper(agent: &Agent) -> BufReader<Body<BufReader<UnixStream>>> {
    let mut stream = agent.connect();
    let request = b"GET /v1/watch HTTP/1.1\r\nHost: headcount\r\n\r\n";
    stream.write_all(request).expect("written");
    let mut reader = BufReader::new(stream);
    let (status, headers) = read_head(&mut reader).expect("an answer");
    assert_eq!(status, 200);
    let mut lines = BufReader::new(Body::new(reader, &headers));
    let mut first = String::new();
    lines.read_line(&mut first).expect("a snapshot");
    assert!(first.contains("snapshot"), "{first}");
    lines
}

/// Makes so many changes, each of them waiting for the one before.
fn change(agent: &Agent, changes: usize) {
    let mut connection = BufReader::new(agent.connect());
    for number in 0..changes {
        let body = json!({"state": "down", "reason": format!("change {number}")}).to_string();
        let request = format!(
            "PUT /v1/app HTTP/1.1\r\nHost: headcount\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        );
        let writer = connection.get_mut();
        writer.write_all(request.as_bytes()).expect("written");
        let (status, headers) = read_head(&mut connection).expect("an answer");
        assert_eq!(status, 200);
        let mut body = String::new();
        let mut framed = Body::new(&mut connection, &headers);
        framed.read_to_string(&mut body).expect("a body");
    }
}

#[test]
fn readers_that_do_not_read_are_told_what_they_missed_and_cost_little() {
    let lab = Lab::new();
    let agent = lab.agent("n1").start();
    let fast = agent.watch();
    let before = mib(&agent);
    let mut sleepers: Vec<_> = (0..SLEEPERS).map(|_| sleeper(&agent)).collect();
    let first = agent.status()["seq"].as_u64().expect("a number");
    change(&agent, CHANGES);
    let last = agent.status()["seq"].as_u64().expect("a number");
    assert_eq!(last - first, CHANGES as u64);
    // The watch checks that no number is missing.
    fast.wait_for_seq(last);
    let grown = mib(&agent).saturating_sub(before);
    assert!(grown <= SLEEPERS_MIB_MAX, "{grown} MiB");
    let (told, missed) = awaken(sleepers.remove(0), last);
    assert_eq!(told + missed, CHANGES as u64);
    assert!(missed > 0, "it missed nothing");
    until("the gap is counted", || {
        (agent.metric("headcount_gaps_total") >= 1.0).then_some(())
    });
}

/// Reads up to change `last`; gives how many were told and how many were announced as missed.
fn awaken(lines: impl BufRead, last: u64) -> (u64, u64) {
    let (mut told, mut missed) = (0, 0);
    for line in lines.lines() {
        let record: Value = serde_json::from_str(&line.expect("a line")).expect("JSON");
        let number = |key: &str| record[key].as_u64().expect("a number");
        match record["type"].as_str().expect("a type") {
            "gap" => missed += number("to") - number("from") + 1,
            "snapshot" if number("seq") == last => break,
            "snapshot" | "heartbeat" => {}
            _ => {
                told += 1;
                if number("seq") == last {
                    break;
                }
            }
        }
    }
    (told, missed)
}
