//! Clients that nobody should write, in numbers that nobody should have: each gets a problem
//! document, the agent stays small, and everybody else is served.

use std::{
    fs,
    io::{BufRead, BufReader, Read, Write},
    net::{SocketAddr, TcpStream},
    os::unix::{fs::PermissionsExt, net::UnixStream},
    sync::{Mutex, MutexGuard, PoisonError},
};

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use serde_json::{Value, json};

use crate::support::{Agent, Body, Lab, PATIENCE, Response, Watch, exchange, read_head, until};

/// Connections at once, more than twice as many as the agent takes.
const CROWD: usize = 10_000;
/// Connections that have begun to ask, somewhat more than the agent takes.
const SIEGE: usize = 4_200;
/// Streams among them; a divisor.
const STREAMS: usize = 4;
/// Streams that the agent takes on TCP, and connections beside them.
const TCP_STREAMS: usize = 960;
const TCP_OTHERS: usize = 64;
/// Connections of either kind whose memory is compared.
const IDLERS: usize = 1_000;
/// What one of these tests may have open at once, and what others may that run beside it.
const FILES: u64 = (CROWD + 1_500) as u64;
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
    kib(agent) / 1024
}

fn kib(agent: &Agent) -> u64 {
    let pid = &agent.status()["pid"];
    let status = fs::read_to_string(format!("/proc/{pid}/status")).expect("it runs");
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let line = line.expect("its size").trim().trim_end_matches(" kB");
    line.parse().expect("a number")
}

/// Lets so many files be open. The tests that need them take turns.
fn allow_files() -> MutexGuard<'static, ()> {
    static TURN: Mutex<()> = Mutex::new(());
    let turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    let limit = getrlimit(Resource::Nofile);
    let maximum = limit.maximum.map(|maximum| maximum.max(FILES));
    let current = Some(FILES.max(limit.current.unwrap_or(FILES)));
    setrlimit(Resource::Nofile, Rlimit { current, maximum }).expect("so many open files");
    turn
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
    let _turn = allow_files();
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

/// A connection that does not wait for ever.
fn connect(agent: &Agent) -> UnixStream {
    let stream = agent.connect();
    stream.set_read_timeout(Some(PATIENCE)).expect("a time-out");
    stream
}

/// Asks something that can be answered, and goes on.
const ASK: &[u8] = b"GET /v1/status HTTP/1.1\r\nHost: headcount\r\n\r\n";

/// What comes until the connection ends.
fn rest(mut stream: impl Read) -> String {
    let mut rest = String::new();
    stream.read_to_string(&mut rest).expect("its end");
    rest
}

/// Begins so many connections that not all have a place, with streams among them, and has the agent
/// do something else meanwhile.
fn besiege(agent: &Agent, reason: &str, begin: impl Fn() -> UnixStream) -> Vec<UnixStream> {
    let mut watches = Vec::new();
    let mut crowd = Vec::new();
    for number in 0..SIEGE {
        if number % (SIEGE / STREAMS) == 0 {
            watches.push(agent.watch());
        }
        crowd.push(begin());
    }
    say(agent, reason);
    assert_eq!(watches.len(), STREAMS);
    for watch in &watches {
        heard(watch, reason);
    }
    crowd
}

#[test]
fn whoever_asked_once_or_stopped_in_a_body_keeps_nobody_from_being_served() {
    let _turn = allow_files();
    let lab = Lab::new();
    let agent = lab.agent("n1").start();
    let stopped = besiege(&agent, "amid half requests", || {
        let mut stream = connect(&agent);
        let half = b"PUT /v1/tags HTTP/1.1\r\nContent-Length: 99\r\n\r\n{";
        stream.write_all(half).expect("written");
        stream
    });
    let answer = rest(&stopped[0]);
    assert!(
        answer.contains(" 503 ") && answer.contains("had not asked to the end"),
        "{answer}"
    );
    // Of them, too, each gives way to one who asks.
    let idle = besiege(&agent, "amid idlers", || {
        let stream = connect(&agent);
        assert_eq!(exchange(&stream, ASK).status, 200);
        stream
    });
    assert_eq!(rest(&idle[0]), "", "nothing was asked");
}

/// Where the agent's API is on TCP.
fn http(agent: &Agent) -> SocketAddr {
    let status = agent.status();
    let http = status["http"].as_str().expect("an address");
    http.parse().expect("an address")
}

#[test]
fn whoever_has_no_token_and_does_not_read_keeps_nobody_from_being_served() {
    let _turn = allow_files();
    let lab = Lab::new();
    let token = lab.dir().join("token");
    fs::write(&token, "correct-horse-battery-staple").expect("our own folder");
    fs::set_permissions(&token, fs::Permissions::from_mode(0o600)).expect("our own file");
    let (bind, token) = (format!("{}:0", lab.host()), token.display().to_string());
    let args = ["--http", &bind, "--http-token-file", &token];
    let agent = lab.agent("n1").args(args).start();
    let http = http(&agent);
    // More answers than the kernel keeps for who does not read.
    let asks = ASK.repeat(1_000);
    let crowd: Vec<_> = (0..SIEGE)
        .map(|_| {
            let mut stranger = connect_tcp(http);
            // It may have been sent away already.
            let _ = stranger.write_all(&asks);
            stranger
        })
        .collect();
    say(&agent, "besieged on TCP");
    let shown = "GET /v1/status HTTP/1.1\r\n\
        Authorization: Bearer correct-horse-battery-staple\r\n\r\n";
    assert_eq!(exchange(connect_tcp(http), shown.as_bytes()).status, 200);
    drop(crowd);
}

#[test]
fn whoever_comes_by_tcp_takes_no_place_of_the_socket() {
    let _turn = allow_files();
    let lab = Lab::new();
    let bind = format!("{}:0", lab.host());
    let agent = lab.agent("n1").args(["--http", &bind]).start();
    let http = http(&agent);
    // Whoever is told changes does not give way.
    let streams: Vec<_> = (0..TCP_STREAMS)
        .map(|_| ask_tcp(http, "/v1/watch"))
        .collect();
    let is_told = |stream: &(u16, _)| stream.0 == 200;
    assert!(streams.iter().all(is_told));
    assert_eq!(ask_tcp(http, "/v1/watch").0, 503);
    agent.watch();
    // Those who idle do, to whoever comes as they came.
    let idle = connect(&agent);
    assert_eq!(exchange(&idle, ASK).status, 200);
    let asking = (0..2 * TCP_OTHERS).map(|_| ask_tcp(http, "/v1/status"));
    let idlers: Vec<_> = asking.collect();
    assert!(idlers.iter().all(is_told));
    assert_eq!(exchange(&idle, ASK).status, 200);
    drop((streams, idlers));
}

fn connect_tcp(http: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(http).expect("it listens");
    stream.set_read_timeout(Some(PATIENCE)).expect("a time-out");
    stream
}

/// The status of an answer, and its connection.
fn ask_tcp(http: SocketAddr, path: &str) -> (u16, BufReader<TcpStream>) {
    let mut stream = connect_tcp(http);
    let request = format!("GET {path} HTTP/1.1\r\nHost: {http}\r\n\r\n");
    stream.write_all(request.as_bytes()).expect("written");
    let mut reader = BufReader::new(stream);
    let (status, _) = read_head(&mut reader).expect("an answer");
    (status, reader)
}

#[test]
fn a_connection_costs_no_more_on_tcp() {
    let _turn = allow_files();
    let lab = Lab::new();
    let bind = format!("{}:0", lab.host());
    let agent = lab.agent("n1").args(["--http", &bind]).start();
    let http = http(&agent);
    let before = kib(&agent);
    let crowd: Vec<_> = (0..IDLERS).map(|_| connect_tcp(http)).collect();
    // Whoever came before is there by now.
    assert_eq!(ask_tcp(http, "/v1/status").0, 200);
    let tcp = kib(&agent) - before;
    let others: Vec<_> = (0..IDLERS).map(|_| connect(&agent)).collect();
    let socket = kib(&agent) - tcp - before;
    assert!(tcp <= 2 * socket, "{tcp} and {socket} KiB");
    drop((crowd, others));
}

/// Heads that cannot be read, with the status of the refusal and what it says.
fn unreadable() -> Vec<(String, u16, &'static str)> {
    let get = |headers: String| format!("GET /v1/status HTTP/1.1\r\n{headers}\r\n\r\n");
    let framed = |framing: &str| format!("PUT /v1/tags HTTP/1.1\r\n{framing}\r\n\r\n");
    vec![
        (
            get(format!("X: {}", "x".repeat(20_000))),
            431,
            "16384 bytes",
        ),
        (get("X: y\r\n".repeat(100)), 431, "64 headers"),
        ("how many are you?\r\n\r\n".into(), 400, "HTTP/1.1"),
        ("\u{16}\u{3}\u{1}".into(), 400, "HTTP/1.1"),
        (framed("Content-Length: much"), 400, "Content-Length"),
        (framed("Transfer-Encoding: gzip"), 400, "Transfer-Encoding"),
    ]
}

#[test]
fn a_head_that_cannot_be_read_is_a_problem() {
    let lab = Lab::new();
    let agent = lab.agent("n1").start();
    for (head, status, words) in unreadable() {
        let answer = exchange(agent.connect(), head.as_bytes());
        is_problem(&answer, status, &[words]);
    }
}

#[test]
fn a_later_head_that_cannot_be_read_is_the_same_problem() {
    let lab = Lab::new();
    let agent = lab.agent("n1").start();
    for (head, status, words) in unreadable() {
        let first = exchange(agent.connect(), head.as_bytes());
        let stream = connect(&agent);
        for _ in 0..2 {
            assert_eq!(exchange(&stream, ASK).status, 200);
        }
        let later = exchange(&stream, head.as_bytes());
        is_problem(&later, status, &[words]);
        assert_eq!(later.headers, first.headers);
        assert_eq!(later.json(), first.json());
        assert_eq!(rest(&stream), "", "it goes on");
    }
}

#[test]
fn of_requests_sent_together_only_those_that_can_be_read_are_answered() {
    let lab = Lab::new();
    let agent = lab.agent("n1").start();
    for (head, status, words) in unreadable() {
        let mut stream = connect(&agent);
        let together = [ASK, ASK, head.as_bytes(), ASK].concat();
        // It may hang up while we still write.
        let _ = stream.write_all(&together);
        let mut reader = BufReader::new(stream);
        assert_eq!(answer(&mut reader).status, 200);
        assert_eq!(answer(&mut reader).status, 200);
        is_problem(&answer(&mut reader), status, &[words]);
        assert_eq!(rest(reader), "", "it goes on");
    }
}

/// The next of several answers.
fn answer(reader: &mut impl BufRead) -> Response {
    let (status, headers) = read_head(reader).expect("an HTTP answer");
    let mut body = Vec::new();
    let mut framed = Body::new(reader, &headers);
    framed.read_to_end(&mut body).expect("the whole body");
    Response {
        status,
        headers,
        body,
    }
}

#[test]
fn whoever_is_answered_before_its_body_came_holds_no_connection() {
    let lab = Lab::new();
    let agent = lab.agent("n1").start();
    let stream = connect(&agent);
    let half = b"POST /v1/nowhere HTTP/1.1\r\nHost: headcount\r\nContent-Length: 99\r\n\r\n{";
    let answer = exchange(&stream, half);
    is_problem(&answer, 404, &["/v1/nowhere"]);
    assert_eq!(answer.header("connection"), Some("close"));
    assert_eq!(rest(&stream), "", "it goes on");
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
