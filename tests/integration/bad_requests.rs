//! HTTP that is not what the local API asked for: a status, a problem document, and no harm.

use std::{
    io::{Read, Write},
    net::TcpStream,
    time::Duration,
};

use crate::support::{Agent, Lab, PATIENCE, Response, exchange, pause};

#[track_caller]
fn refuses(agent: &Agent, request: (&str, &str, &str), statuses: &[u16]) {
    let (method, target, body) = request;
    let answer = agent.request(method, target, body);
    let said = answer.text();
    assert!(
        statuses.contains(&answer.status),
        "{request:?}: {} {said}",
        answer.status
    );
    let kind = answer.header("content-type");
    assert_eq!(
        kind,
        Some("application/problem+json"),
        "{request:?}: {said}"
    );
    let problem = answer.json();
    assert_eq!(problem["status"], answer.status, "{request:?}: {said}");
    for key in ["title", "detail"] {
        assert!(problem[key].is_string(), "{request:?}: no {key} in {said}");
    }
}

#[test]
fn malformed_bodies_and_queries_are_problems_with_the_right_status() {
    let lab = Lab::new();
    let agent = lab.agent("n1").start();
    let malformed = [400, 422];
    for body in [
        "{",
        "[]",
        "{}",
        "null",
        "{\"addresses\":7}",
        "{\"addresses\":[7]}",
        "\u{0}",
    ] {
        refuses(&agent, ("POST", "/v1/join", body), &malformed);
    }
    refuses(
        &agent,
        ("POST", "/v1/join", r#"{"addresses":["no port:x"]}"#),
        &malformed,
    );
    refuses(
        &agent,
        ("POST", "/v1/join", r#"{"addresses":[]}"#),
        &malformed,
    );
    refuses(
        &agent,
        ("POST", "/v1/join", r#"{"adresses":["127.0.0.1:1"]}"#),
        &malformed,
    );
    refuses(&agent, ("POST", "/v1/leave", "{"), &malformed);
    refuses(&agent, ("POST", "/v1/leave", r#"{"reason":7}"#), &malformed);
    refuses(&agent, ("GET", "/v1/members?state=asleep", ""), &[400]);
    refuses(&agent, ("GET", "/v1/members?stat=alive", ""), &[400]);
    refuses(&agent, ("GET", "/v1/members?tag=role", ""), &[400]);
    refuses(&agent, ("GET", "/v1/watch?types=joined", ""), &[400]);
    refuses(&agent, ("GET", "/v1/watch?resume=yesterday", ""), &[400]);
    refuses(&agent, ("GET", "/v1/watch?resume=abc:x", ""), &[400]);
    assert_eq!(agent.count("alive"), 1, "and it still runs");
}

#[test]
fn unknown_routes_and_methods_are_problems_too() {
    let lab = Lab::new();
    let agent = lab.agent("n1").start();
    refuses(&agent, ("GET", "/", ""), &[404]);
    refuses(&agent, ("GET", "/v2/members", ""), &[404]);
    refuses(&agent, ("GET", "/v1/members/", ""), &[404]);
    refuses(&agent, ("DELETE", "/v1/members/nobody", ""), &[404]);
    refuses(&agent, ("POST", "/v1/members", ""), &[405]);
    refuses(&agent, ("DELETE", "/v1/status", ""), &[405]);
    refuses(&agent, ("GET", "/v1/leave", ""), &[405]);
    let allow = agent.get("/v1/leave");
    assert_eq!(allow.header("allow"), Some("POST"), "{allow:?}");
}

#[test]
fn a_body_without_end_is_cut_off() {
    let lab = Lab::new();
    let agent = lab.agent("n1").start();
    let body = format!("{{\"reason\":\"{}\"}}", "x".repeat(4 << 20));
    let answer = agent.request("POST", "/v1/leave", &body);
    assert_eq!(answer.status, 413, "{}", answer.text());
    assert_eq!(agent.count("alive"), 1, "and it did not leave");
}

/// Sends the body when an answer that does not wait for it has come, as programs do that send it
/// on its own.
#[track_caller]
fn ask_haltingly(mut stream: impl Read + Write, line: &str, bytes: usize) -> Response {
    let head = format!("{line} HTTP/1.1\r\nHost: headcount\r\nContent-Length: {bytes}\r\n\r\n");
    stream.write_all(head.as_bytes()).expect("written");
    pause(Duration::from_millis(10));
    let body = vec![b'x'; bytes];
    stream.write_all(&body).expect("heard to its end");
    exchange(stream, b"")
}

#[test]
fn whoever_sends_the_body_after_the_head_reads_the_refusal() {
    let lab = Lab::new();
    let http = format!("{}:0", lab.host());
    let agent = lab.agent("n1").args(["--http", &http]).start();
    for _ in 0..20 {
        for (line, bytes, status) in [
            ("POST /v1/nowhere", 60_000, 404),
            ("PUT /v1/status", 60_000, 405),
            ("POST /v1/leave", 100_000, 413),
        ] {
            let answer = ask_haltingly(agent.connect(), line, bytes);
            assert_eq!(answer.status, status, "{line}: {}", answer.text());
            assert_eq!(answer.json()["status"], status, "{line}");
        }
    }
    // There it is called by another name than the host's.
    let status = agent.status();
    let http = status["http"].as_str().expect("TCP");
    let stream = TcpStream::connect(http).expect("it listens");
    let answer = ask_haltingly(stream, "POST /v1/leave", 60_000);
    assert_eq!(answer.status, 403, "{}", answer.text());
    assert_eq!(agent.count("alive"), 1, "and it did not leave");
}

#[test]
fn half_requests_and_huge_headers_harm_nobody() {
    let lab = Lab::new();
    let agent = lab.agent("n1").start();
    for half in [
        "",
        "G",
        "GET /v1/members HTTP/1.1\r\nHo",
        "\r\n\r\n",
        "\u{0}\u{1}\u{2}\r\n\r\n",
    ] {
        let mut stream = agent.connect();
        stream.write_all(half.as_bytes()).expect("written");
    }
    let short = b"POST /v1/leave HTTP/1.1\r\nHost: headcount\r\nContent-Length: 99\r\n\r\n{";
    agent.connect().write_all(short).expect("written");
    let mut stream = agent.connect();
    stream.set_read_timeout(Some(PATIENCE)).expect("a time-out");
    let huge = format!(
        "GET /v1/status HTTP/1.1\r\nX: {}\r\n\r\n",
        "x".repeat(4 << 20)
    );
    // It may hang up while we still write.
    let _ = stream.write_all(huge.as_bytes());
    let mut said = Vec::new();
    let _ = stream.read_to_end(&mut said);
    let said = String::from_utf8_lossy(&said);
    assert!(
        said.is_empty() || said.contains(" 431 ") || said.contains(" 400 "),
        "{said}"
    );
    // A request that never ends keeps nobody else waiting.
    let mut dangling = agent.connect();
    dangling
        .write_all(b"GET /v1/members HTTP/1.1\r\n")
        .expect("written");
    assert_eq!(agent.count("alive"), 1);
    assert!(!agent.log().contains("panicked"), "{}", agent.log());
    drop(dangling);
}

#[test]
fn garbage_instead_of_http_is_a_bad_request() {
    let lab = Lab::new();
    let agent = lab.agent("n1").start();
    let answer = exchange(agent.connect(), b"how many are you?\r\n\r\n");
    assert_eq!(answer.status, 400);
    assert_eq!(agent.count("alive"), 1);
}
