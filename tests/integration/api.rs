//! The local API as a program in any language meets it: over the Unix socket and over TCP.

use std::{
    io::{BufRead, BufReader, Write},
    net::{SocketAddr, TcpStream},
};

use serde_json::Value;

use crate::support::{Body, Lab, PATIENCE, Watch, exchange, read_head, until};

#[test]
fn status_tells_who_this_agent_is() {
    let lab = Lab::new();
    let agent = lab.agent("n1").args(["--cluster", "blue"]).start();
    let status = agent.status();
    assert_eq!(status["name"], "n1");
    assert_eq!(status["cluster"], "blue");
    assert_eq!(status["generation"], 1);
    assert_eq!(status["version"], env!("CARGO_PKG_VERSION"));
    assert_eq!(status["counts"]["alive"], 1, "{status:#}");
    for key in ["id", "epoch", "health"] {
        assert!(!status[key].is_null(), "no {key} in {status:#}");
    }
    assert!(status["seq"].is_u64(), "{status:#}");
}

#[test]
fn port_zero_is_reported_as_the_port_that_the_system_chose() {
    let lab = Lab::new();
    let http = format!("{}:0", lab.host());
    let agent = lab.agent("n1").args(["--http", &http]).start();
    assert_ne!(agent.address().port(), 0);
    let own = agent.member("n1").expect("itself");
    assert_eq!(own["address"], agent.address().to_string());
    let status = agent.status();
    let http = status["http"].as_str().expect("the TCP address");
    let http: SocketAddr = http.parse().expect("an address");
    assert_ne!(http.port(), 0);
    let log = agent.log();
    assert!(log.contains(&agent.address().to_string()), "{log}");
    assert!(log.contains(&http.to_string()), "{log}");
}

#[test]
fn one_member_is_served_by_name_and_an_unknown_one_is_not_found() {
    let lab = Lab::new();
    let agent = lab.agent("n1").args(["--tag", "role=web"]).start();
    let one = agent.get("/v1/members/n1");
    assert_eq!(one.status, 200);
    let one = one.json();
    assert_eq!(one, agent.member("n1").expect("itself"));
    for key in [
        "name",
        "id",
        "address",
        "state",
        "generation",
        "incarnation",
        "tags",
        "since",
    ] {
        assert!(!one[key].is_null(), "no {key} in {one:#}");
    }
    let none = agent.get("/v1/members/n9");
    assert_eq!(none.status, 404);
    assert_eq!(
        none.header("content-type"),
        Some("application/problem+json")
    );
    assert!(none.text().contains("n9"), "{}", none.text());
}

#[test]
fn the_member_list_is_filtered_by_state_tag_and_name() {
    let lab = Lab::new();
    let first = lab.agent("n1").args(["--tag", "role=web"]).start();
    let tags = ["--tag", "role=db"];
    let _second = lab.agent("n2").args(tags).join(first.address()).start();
    until("two alive", || (first.count("alive") == 2).then_some(()));
    for (query, expected) in [
        ("state=alive", vec!["n1", "n2"]),
        ("state=failed", vec![]),
        ("tag=role:db", vec!["n2"]),
        ("tag=role:none", vec![]),
        ("name=n1", vec!["n1"]),
        ("state=alive&tag=role:web", vec!["n1"]),
    ] {
        let answer = first.get(&format!("/v1/members?{query}")).json();
        let listed = answer["members"].as_array().expect("a list");
        let mut names: Vec<_> = listed.iter().filter_map(|m| m["name"].as_str()).collect();
        names.sort_unstable();
        assert_eq!(names, expected, "{query}");
    }
}

#[test]
fn a_join_by_the_api_makes_two_clusters_one() {
    let lab = Lab::new();
    let first = lab.agent("n1").start();
    let second = lab.agent("n2").start();
    let body = format!("{{\"addresses\":[\"{}\"]}}", second.address());
    let answer = first.request("POST", "/v1/join", &body);
    assert!(matches!(answer.status, 200..=204), "{answer:?}");
    for agent in [&first, &second] {
        until("both", || (agent.count("alive") == 2).then_some(()));
    }
}

#[test]
fn a_resumed_stream_goes_on_without_a_hole() {
    let lab = Lab::new();
    let first = lab.agent("n1").start();
    let watch = first.watch();
    let status = first.status();
    let epoch = status["epoch"].as_str().expect("an epoch");
    let seq = status["seq"].as_u64().expect("a number");
    let _others = ["n2", "n3"].map(|name| lab.agent(name).join(first.address()).start());
    watch.wait_for("join", "n2");
    watch.wait_for("join", "n3");
    let all = watch.records();
    let missed = all.iter().filter(|r| r["seq"].as_u64() > Some(seq));
    let missed: Vec<_> = missed.filter(|r| r["type"] != "heartbeat").collect();
    let last = missed.last().expect("some").get("seq").expect("a number");
    let resumed = Watch::resume("n1", &first.socket(), epoch, seq);
    resumed.wait_for_seq(last.as_u64().expect("a number"));
    let records = resumed.records();
    assert_eq!(
        records.iter().take(missed.len()).collect::<Vec<_>>(),
        missed
    );
}

#[test]
fn a_resume_from_another_epoch_gets_a_snapshot_instead() {
    let lab = Lab::new();
    let agent = lab.agent("n1").start();
    let resumed = Watch::resume("n1", &agent.socket(), "0000000000000000", 0);
    let first = resumed.records().remove(0);
    assert!(
        first["type"] == "snapshot" || first["type"] == "gap",
        "{first:#}"
    );
    resumed.wait_for_kind("snapshot");
}

#[test]
fn a_filtered_stream_tells_only_what_was_asked_for() {
    let lab = Lab::new();
    let first = lab.agent("n1").start();
    let head = "GET /v1/watch?types=join&name=n3 HTTP/1.1\r\nHost: headcount\r\n\r\n";
    let mut lines = stream_lines(first.connect(), head).1;
    let snapshot = lines.next().expect("a snapshot");
    assert!(snapshot.contains("snapshot"), "{snapshot}");
    let _others = ["n2", "n3"].map(|name| lab.agent(name).join(first.address()).start());
    let told = lines.find(|line| !line.contains("\"heartbeat\""));
    let told: Value = serde_json::from_str(&told.expect("a change")).expect("JSON");
    assert_eq!(
        (&told["type"], &told["member"]["name"]),
        (&"join".into(), &"n3".into())
    );
}

#[test]
fn a_heartbeat_says_again_what_the_snapshot_said_while_nothing_changes() {
    let lab = Lab::new();
    let agent = lab.agent("n1").start();
    let watch = agent.watch();
    let heartbeat = watch.wait_for_kind("heartbeat");
    let snapshot = watch.records().remove(0);
    assert!(snapshot["digest"].is_string(), "{snapshot:#}");
    for key in ["digest", "seq"] {
        assert_eq!(heartbeat[key], snapshot[key], "{key}");
    }
}

#[test]
fn server_sent_events_continue_after_the_last_event_id() {
    let lab = Lab::new();
    let first = lab.agent("n1").start();
    let ask = |extra: &str| {
        let head = "GET /v1/watch HTTP/1.1\r\nHost: headcount\r\nAccept: text/event-stream\r\n";
        stream_lines(first.connect(), &format!("{head}{extra}\r\n"))
    };
    let (headers, mut lines) = ask("");
    assert!(headers.contains("text/event-stream"), "{headers}");
    let id = lines.find_map(|line| line.strip_prefix("id:").map(|id| id.trim().to_owned()));
    let id = id.expect("the snapshot has an id");
    let _second = lab.agent("n2").join(first.address()).start();
    until("n2 at n1", || first.member("n2"));
    let (_, mut lines) = ask(&format!("Last-Event-ID: {id}\r\n"));
    let data = lines.find_map(|line| line.strip_prefix("data:").map(str::to_owned));
    let record: Value = serde_json::from_str(&data.expect("data")).expect("JSON");
    assert_eq!(record["type"], "join", "{record:#}");
    assert_eq!(record["member"]["name"], "n2", "{record:#}");
}

#[test]
fn an_old_http_client_gets_an_unchunked_stream() {
    let lab = Lab::new();
    let agent = lab.agent("n1").start();
    let (headers, mut lines) = stream_lines(agent.connect(), "GET /v1/watch HTTP/1.0\r\n\r\n");
    assert!(!headers.to_lowercase().contains("chunked"), "{headers}");
    let first: Value = serde_json::from_str(&lines.next().expect("a line")).expect("JSON");
    assert_eq!(first["type"], "snapshot");
    let whole = exchange(agent.connect(), b"GET /v1/members HTTP/1.0\r\n\r\n");
    assert_eq!(
        (whole.status, whole.header("transfer-encoding")),
        (200, None)
    );
}

#[test]
fn tcp_serves_the_same_routes_to_local_names_only() {
    let lab = Lab::new();
    let http = format!("{}:0", lab.host());
    let agent = lab.agent("n1").args(["--http", &http]).start();
    let status = agent.status();
    let http: SocketAddr = status["http"]
        .as_str()
        .expect("TCP")
        .parse()
        .expect("an address");
    let ask = |host: &str| {
        let stream = TcpStream::connect(http).expect("it listens");
        let head = format!("GET /v1/members HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
        exchange(stream, head.as_bytes())
    };
    let local = ask(&http.to_string());
    assert_eq!(local.status, 200, "{}", local.text());
    assert_eq!(local.json()["members"][0]["name"], "n1");
    // A page on the web can make a browser ask a loopback address, but not forge this header.
    let foreign = ask("rebound.example.com");
    assert!(matches!(foreign.status, 403 | 421), "{}", foreign.text());
}

#[test]
fn metrics_are_prometheus_text() {
    let lab = Lab::new();
    let agent = lab.agent("n1").start();
    let metrics = agent.get("/metrics");
    let kind = metrics
        .header("content-type")
        .unwrap_or_default()
        .to_owned();
    assert!(kind.starts_with("text/plain"), "{kind}");
    let text = metrics.text();
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        let (name, value) = line.rsplit_once(' ').expect("a name and a value");
        assert!(name.starts_with("headcount_"), "{line}");
        assert!(value.parse::<f64>().is_ok(), "{line}");
    }
    for name in text.lines().filter_map(|line| line.strip_prefix("# TYPE ")) {
        let name = name.split(' ').next().expect("a name");
        assert!(
            text.contains(&format!("# HELP {name} ")),
            "{name} without help"
        );
    }
    assert_eq!(agent.metric("headcount_members{state=\"alive\"}"), 1.0);
}

#[test]
fn requests_on_one_connection_are_answered_in_turn() {
    let lab = Lab::new();
    let agent = lab.agent("n1").start();
    let stream = agent.connect();
    stream.set_read_timeout(Some(PATIENCE)).expect("a time-out");
    let mut reader = BufReader::new(stream);
    for _ in 0..3 {
        let head = b"GET /v1/members/n1 HTTP/1.1\r\nHost: headcount\r\n\r\n";
        reader.get_mut().write_all(head).expect("written");
        let (status, headers) = read_head(&mut reader).expect("an answer");
        assert_eq!(status, 200);
        let mut body = String::new();
        let mut framed = Body::new(&mut reader, &headers);
        std::io::Read::read_to_string(&mut framed, &mut body).expect("a body");
        assert!(body.contains("n1"), "{body}");
    }
}

/// Sends `head` and gives the answer's headers as text and its lines as they come.
fn stream_lines(
    mut stream: std::os::unix::net::UnixStream,
    head: &str,
) -> (String, impl Iterator<Item = String> + use<>) {
    stream.set_read_timeout(Some(PATIENCE)).expect("a time-out");
    stream.write_all(head.as_bytes()).expect("written");
    let mut reader = BufReader::new(stream);
    let (status, headers) = read_head(&mut reader).expect("an answer");
    assert_eq!(status, 200, "{headers:?}");
    let body = BufReader::new(Body::new(reader, &headers));
    (format!("{headers:?}"), body.lines().map_while(Result::ok))
}
