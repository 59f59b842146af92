//! The routes, driven in process with a hand-made feed and nobody behind the commands.

use std::{sync::Arc, time::Duration};

use axum::{
    Router,
    body::Body,
    http::{Request, Response, StatusCode, header},
};
use http_body_util::BodyExt;
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, DuplexStream},
    sync::mpsc,
    time::timeout,
};
use tower_service::Service;

use super::{
    access::Door,
    caller::Caller,
    patience::Patient,
    serve::{Entrance, Guest, House},
    *,
};
use crate::{
    agent::{
        clock::Clock,
        local::Rights,
        shared::{Command, Facts, Raising, Reloadable, Removal},
    },
    config::Token,
    feed::{Epoch, Feed},
    swim::{
        AppStatus, Card, Change, Keys, MemberId, MemberState, MemberView, Profile, Removed, Tags,
    },
};

struct Desk {
    shared: Arc<Shared>,
    commands: mpsc::Receiver<Command>,
    router: Router,
}

impl Desk {
    fn new() -> Self {
        let clock = Clock::start();
        let address = "127.0.0.1:7946".parse().unwrap();
        let facts = Facts {
            id: MemberId::new("test", "n1"),
            name: "n1".into(),
            cluster: "test".into(),
            bind: address,
            key_file: None,
            socket: "/tmp/s".into(),
            http: None,
            restart_eta: None,
            seeks_others: false,
        };
        let own = view("n1", MemberState::Alive);
        let feed = Feed::new(Epoch(0xe), clock.now(), &own).with_journal_limits(4, 1 << 20);
        let began = Reloadable {
            keys: Keys::default(),
            profile: Profile::Lan,
        };
        let (shared, commands) = Shared::new(clock, facts, began, feed);
        tokio::spawn(shared.clone().relay());
        Self {
            router: router(shared.clone()),
            shared,
            commands,
        }
    }

    fn publish(&self, change: &Change) {
        self.shared.publish(self.shared.clock.now(), change);
    }

    fn join(&self, name: &str) {
        self.publish(&Change::Join {
            member: view(name, MemberState::Alive),
            previous: None,
        });
    }

    async fn send(&mut self, request: Request<Body>) -> Response<Body> {
        self.router.call(request).await.unwrap()
    }

    async fn get(&mut self, path: &str) -> (StatusCode, Value) {
        answer(self.send(request("GET", path, "")).await).await
    }

    async fn ask(&mut self, method: &str, path: &str, body: &str) -> (StatusCode, Value) {
        answer(self.send(request(method, path, body)).await).await
    }

    async fn names(&mut self, path: &str) -> Vec<String> {
        let (status, listing) = self.get(path).await;
        assert_eq!(status, StatusCode::OK, "{listing}");
        let members = listing["members"].as_array().unwrap();
        let name = |member: &Value| member["name"].as_str().unwrap().to_owned();
        members.iter().map(name).collect()
    }
}

fn view(name: &str, state: MemberState) -> MemberView {
    MemberView {
        card: Arc::new(Card {
            id: MemberId::new("test", name),
            name: name.into(),
            generation: 1,
            address: "127.0.0.1:7946".parse().unwrap(),
            tags: Tags::from_iter([("initial".into(), name[..1].into())]),
        }),
        state,
        incarnation: 0,
        suspicion: None,
        reason: None,
        down_since: None,
        app: None,
    }
}

fn request(method: &str, path: &str, body: &str) -> Request<Body> {
    Request::builder()
        .method(method)
        .uri(path)
        .body(Body::from(body.to_owned()))
        .unwrap()
}

async fn answer(response: Response<Body>) -> (StatusCode, Value) {
    let status = response.status();
    let kind = response.headers()[header::CONTENT_TYPE].clone();
    let bytes = response.into_body().collect().await.unwrap().to_bytes();
    let json: Value = serde_json::from_slice(&bytes).unwrap();
    if !status.is_success() {
        assert_eq!(kind, "application/problem+json");
        assert_eq!(json["status"], status.as_u16());
        assert!(json["type"].is_string() && json["title"].is_string());
    }
    (status, json)
}

/// Reads a stream until it has `lines` lines.
async fn read(body: &mut Body, lines: usize) -> Vec<String> {
    let mut text = String::new();
    while text.matches('\n').count() < lines {
        let frame = timeout(Duration::from_secs(5), body.frame()).await;
        let frame = frame.expect("the stream has more to say").unwrap().unwrap();
        text += std::str::from_utf8(frame.data_ref().unwrap()).unwrap();
    }
    text.lines().map(str::to_owned).collect()
}

#[tokio::test]
async fn members_are_listed_and_filtered() {
    let mut desk = Desk::new();
    desk.join("n2");
    desk.join("m3");
    desk.publish(&Change::Failed(view("n2", MemberState::Failed)));
    assert_eq!(desk.names("/v1/members").await, ["m3", "n1", "n2"]);
    assert_eq!(desk.names("/v1/members?state=alive").await, ["m3", "n1"]);
    assert_eq!(desk.names("/v1/members?tag=initial:n").await, ["n1", "n2"]);
    let both = "/v1/members?state=failed,left&tag=initial%3An";
    assert_eq!(desk.names(both).await, ["n2"]);
    let either = "/v1/members?name=n1&name=m3";
    assert_eq!(desk.names(either).await, ["m3", "n1"]);
    let (_, listing) = desk.get("/v1/members").await;
    assert_eq!(listing["epoch"], "000000000000000e");
    assert_eq!(listing["seq"], 3);
    for wrong in ["state=dead", "tag=role", "colour=red"] {
        let (status, problem) = desk.get(&format!("/v1/members?{wrong}")).await;
        assert_eq!(status, StatusCode::BAD_REQUEST, "{problem}");
    }
}

#[tokio::test]
async fn one_member_is_found_by_name() {
    let mut desk = Desk::new();
    desk.join("n 2/é");
    let (status, member) = desk.get("/v1/members/n%202%2F%C3%A9").await;
    assert_eq!((status, &member["name"]), (StatusCode::OK, &json!("n 2/é")));
    let (status, problem) = desk.get("/v1/members/nobody").await;
    assert_eq!(status, StatusCode::NOT_FOUND);
    assert_eq!(problem["detail"], r#"no member is called "nobody""#);
}

#[tokio::test]
async fn status_says_who_we_are() {
    let mut desk = Desk::new();
    desk.join("n2");
    let (_, status) = desk.get("/v1/status").await;
    assert_eq!(status["name"], "n1");
    assert_eq!(
        status["counts"],
        json!({"alive":2,"suspect":0,"failed":0,"left":0})
    );
    assert_eq!(status["health"], "ok");
    assert_eq!(status["pid"], std::process::id());
    desk.publish(&Change::Isolated);
    assert_eq!(desk.get("/v1/status").await.1["health"], "isolated");
}

#[tokio::test]
async fn what_is_not_there_is_a_problem_too() {
    let mut desk = Desk::new();
    assert_eq!(desk.get("/v2").await.0, StatusCode::NOT_FOUND);
    let response = desk.send(request("PUT", "/v1/members/n1", "")).await;
    assert_eq!(response.headers()[header::ALLOW], "GET,HEAD,DELETE");
    let (status, _) = answer(response).await;
    assert_eq!(status, StatusCode::METHOD_NOT_ALLOWED);
}

#[tokio::test]
async fn malformed_bodies_change_nothing() {
    let mut desk = Desk::new();
    let huge = format!(r#"{{"addresses":["{}"]}}"#, "x".repeat(REQUEST_BYTES_MAX));
    let bad = StatusCode::BAD_REQUEST;
    for (path, body, expected) in [
        ("/v1/join", "", bad),
        ("/v1/join", "{", bad),
        ("/v1/join", "\u{1}", bad),
        ("/v1/join", r#"{"addresses":[]}"#, bad),
        ("/v1/join", r#"{"addresses":"n1"}"#, bad),
        ("/v1/join", r#"{"addresses":["n1:x"]}"#, bad),
        ("/v1/join", r#"{"addresses":["nowhere.invalid"]}"#, bad),
        ("/v1/join", &huge, StatusCode::PAYLOAD_TOO_LARGE),
        ("/v1/leave", "[1]", bad),
        ("/v1/leave", r#"{"reasons":"x"}"#, bad),
    ] {
        let (status, problem) = desk.ask("POST", path, body).await;
        assert_eq!(status, expected, "{path}: {problem}");
    }
    assert!(desk.commands.try_recv().is_err());
}

#[tokio::test]
async fn join_names_the_address_that_is_wrong() {
    let mut desk = Desk::new();
    let body = r#"{"addresses":["127.0.0.1:1","10.0.0.256"]}"#;
    let (_, problem) = desk.ask("POST", "/v1/join", body).await;
    assert!(problem["detail"].as_str().unwrap().contains("10.0.0.256"));
}

#[tokio::test]
async fn join_takes_no_more_than_so_many_addresses_and_no_file() {
    let mut desk = Desk::new();
    let many: Vec<_> = (0..257)
        .map(|port| format!("127.0.0.1:{}", 1 + port))
        .collect();
    for (addresses, words) in [
        (&many[..], ["257 addresses", "at most 256"]),
        (
            &["file:/etc/hostname".into()],
            [
                "\"file:/etc/hostname\" is a file",
                "only the agent's configuration",
            ],
        ),
        (&[String::new()], ["\"\" is neither", "or srv:NAME"]),
    ] {
        let body = json!({"addresses": addresses}).to_string();
        let (status, problem) = desk.ask("POST", "/v1/join", &body).await;
        assert_eq!(status, StatusCode::BAD_REQUEST, "{problem}");
        let detail = problem["detail"].as_str().unwrap();
        assert!(words.iter().all(|word| detail.contains(word)), "{detail}");
        assert!(!detail.contains("cannot resolve"), "{detail}");
    }
    assert!(desk.commands.try_recv().is_err());
    // As many as that are taken; the protocol is gone by then.
    drop(desk.commands);
    desk.commands = mpsc::channel(1).1;
    let body = json!({"addresses": many[1..]}).to_string();
    let (status, _) = desk.ask("POST", "/v1/join", &body).await;
    assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE);
}

#[tokio::test]
async fn join_tells_who_answered() {
    let mut desk = Desk::new();
    let shared = desk.shared.clone();
    let mut commands = desk.commands;
    let protocol = tokio::spawn(async move {
        let Some(Command::Contact(addresses)) = commands.recv().await else {
            panic!("a join contacts");
        };
        for address in &addresses {
            shared.joined.send(*address).unwrap();
        }
        addresses
    });
    desk.commands = mpsc::channel(1).1;
    let body = r#"{"addresses":["127.0.0.1:1","127.0.0.2"]}"#;
    let (status, answer) = desk.ask("POST", "/v1/join", body).await;
    assert_eq!(status, StatusCode::OK);
    let expected = json!({"joined":["127.0.0.1:1","127.0.0.2"],"pending":[]});
    assert_eq!(answer, expected);
    assert_eq!(protocol.await.unwrap().len(), 2);
}

#[tokio::test]
async fn status_says_why_this_agent_is_not_well() {
    let mut desk = Desk::new();
    let (_, well) = desk.get("/v1/status").await;
    assert_eq!(
        (&well["health"], &well["health_reasons"]),
        (&json!("ok"), &Value::Null)
    );
    desk.shared.tallies.data_dir.failed();
    let (_, status) = desk.get("/v1/status").await;
    let reason = "the data directory cannot be written to";
    assert_eq!(
        (&status["health"], &status["health_reasons"]),
        (&json!("degraded"), &json!([reason]))
    );
    desk.shared.tallies.data_dir.succeeded();
    desk.publish(&Change::Isolated);
    let now = desk.shared.clock.now();
    desk.shared.vitals().node.unread_at = Some(now);
    let (_, status) = desk.get("/v1/status").await;
    assert_eq!(status["health"], "isolated");
    let reasons = status["health_reasons"].to_string();
    assert!(reasons.contains("keys that it lacks"), "{reasons}");
    // Whoever is not alone hears strangers with other keys, and is none the worse.
    desk.join("n2");
    desk.publish(&Change::Healed { members: 1 });
    assert_eq!(desk.get("/v1/status").await.1["health"], "ok");
}

#[tokio::test]
async fn removal_answers_what_the_protocol_says() {
    let counted = Removed {
        name: "n2".into(),
        applied_by: 3,
        missing: vec!["n4".into()],
    };
    let answer = json!({"removed": "n2", "applied_by": 3, "members": 4, "missing": ["n4"]});
    for (removal, expected) in [
        (Removal::Done(counted), StatusCode::OK),
        (Removal::Unknown, StatusCode::NOT_FOUND),
        (Removal::Refused(MemberState::Alive), StatusCode::CONFLICT),
    ] {
        let mut desk = Desk::new();
        let mut commands = std::mem::replace(&mut desk.commands, mpsc::channel(1).1);
        tokio::spawn(async move {
            if let Some(Command::Remove { name, reply }) = commands.recv().await {
                assert_eq!(name, "n2");
                reply.send(removal).unwrap();
            }
        });
        let (status, said) = desk.ask("DELETE", "/v1/members/n2", "").await;
        assert_eq!(status, expected);
        assert_eq!(said == answer, status == StatusCode::OK, "{said}");
    }
}

#[tokio::test]
async fn an_event_too_many_is_told_when_to_come_back() {
    let mut desk = Desk::new();
    let mut commands = std::mem::replace(&mut desk.commands, mpsc::channel(1).1);
    tokio::spawn(async move {
        if let Some(Command::Event { reply, .. }) = commands.recv().await {
            reply.send(Raising::Full).unwrap();
        }
        // And of an agent that is leaving nobody would hear.
        drop(commands.recv().await);
    });
    let event = || request("POST", "/v1/events", r#"{"name":"deploy"}"#);
    let response = desk.send(event()).await;
    assert_eq!(response.headers()[header::RETRY_AFTER], "1");
    let (status, problem) = answer(response).await;
    assert_eq!(status, StatusCode::TOO_MANY_REQUESTS, "{problem}");
    let (status, _) = answer(desk.send(event()).await).await;
    assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE);
}

#[tokio::test]
async fn a_stream_is_a_snapshot_and_every_change() {
    let mut desk = Desk::new();
    desk.join("n2");
    let response = desk.send(request("GET", "/v1/watch", "")).await;
    assert_eq!(
        response.headers()[header::CONTENT_TYPE],
        "application/x-ndjson"
    );
    let mut body = response.into_body();
    let lines = read(&mut body, 1).await;
    assert!(lines[0].starts_with(r#"{"type":"snapshot","epoch":"000000000000000e","seq":1,"#));
    assert_eq!(desk.shared.subscribers(), 1);
    desk.join("n3");
    let lines = read(&mut body, 1).await;
    assert!(lines[0].starts_with(r#"{"type":"join","seq":2,"#));
    drop(body);
    while desk.shared.subscribers() > 0 {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn a_stream_resumes_or_says_what_it_misses() {
    let mut desk = Desk::new();
    for number in 0..6 {
        desk.join(&format!("m{number}"));
    }
    let resume = |seq: u64| format!("/v1/watch?resume=000000000000000e:{seq}");
    let mut body = desk.send(request("GET", &resume(4), "")).await.into_body();
    let lines = read(&mut body, 2).await;
    assert!(lines[0].starts_with(r#"{"type":"join","seq":5,"#));
    let mut body = desk.send(request("GET", &resume(1), "")).await.into_body();
    let lines = read(&mut body, 2).await;
    assert_eq!(lines[0], r#"{"type":"gap","from":2,"to":6}"#);
    assert!(lines[1].starts_with(r#"{"type":"snapshot","epoch":"000000000000000e","seq":6,"#));
    let (status, _) = desk.get("/v1/watch?resume=yesterday").await;
    assert_eq!(status, StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn server_sent_events_carry_their_position() {
    let mut desk = Desk::new();
    desk.join("n2");
    let ask = |last: &str| {
        Request::builder()
            .uri("/v1/watch")
            .header(header::ACCEPT, "text/event-stream")
            .header("last-event-id", last)
            .body(Body::empty())
            .unwrap()
    };
    let response = desk.send(ask("")).await;
    assert_eq!(
        response.headers()[header::CONTENT_TYPE],
        "text/event-stream"
    );
    let lines = read(&mut response.into_body(), 3).await;
    assert_eq!(lines[0], "id: 000000000000000e:1");
    assert!(lines[1].starts_with(r#"data: {"type":"snapshot","#));
    assert_eq!(lines[2], "");
    let response = desk.send(ask("000000000000000e:0")).await;
    let lines = read(&mut response.into_body(), 3).await;
    assert_eq!(lines[0], "id: 000000000000000e:1");
    assert!(lines[1].starts_with(r#"data: {"type":"join","#));
}

#[tokio::test]
async fn where_a_browser_is_by_now_counts_more_than_where_it_began() {
    let mut desk = Desk::new();
    (0..3).for_each(|number| desk.join(&format!("m{number}")));
    let request = Request::builder()
        .uri("/v1/watch?resume=000000000000000e:0")
        .header(header::ACCEPT, "text/event-stream")
        .header("last-event-id", "000000000000000e:2")
        .body(Body::empty())
        .unwrap();
    let lines = read(&mut desk.send(request).await.into_body(), 3).await;
    assert_eq!(lines[0], "id: 000000000000000e:3");
}

#[tokio::test]
async fn a_connection_that_nobody_reads_is_known_by_its_error() {
    let desk = Desk::new();
    let house = House::new(desk.shared.clone());
    for (patience, expected) in [(Duration::from_millis(50), true), (Duration::MAX, false)] {
        let (near, far) = tokio::io::duplex(64);
        let mut stream = Patient::new(near, patience);
        stream.put_back(b"GET /metrics HTTP/1.1\r\n\r\n");
        // It hangs up, or does not read.
        let _far = expected.then_some(far);
        let guest = house.local(Rights::Full, Caller::Local(None));
        let broken = turn::take_turn(stream, &guest, &desk.shared).await;
        let error = broken.expect_err("nobody reads");
        assert_eq!(serve::is_stuck(&error), expected, "{error:?}");
    }
}

/// A connection of one who may do everything, and how it came in.
fn attended(desk: &Desk) -> (DuplexStream, Arc<Entrance>) {
    let house = House::new(desk.shared.clone());
    let guest = house.local(Rights::Full, Caller::Local(None));
    let entrance = guest.entrance.clone();
    (attend(house, guest), entrance)
}

fn attend(house: House, guest: Guest) -> DuplexStream {
    let (near, far) = tokio::io::duplex(4_096);
    tokio::spawn(async move { house.attend(near, guest).await });
    far
}

/// What is told until the connection ends, and the statuses in it.
async fn told(mut far: DuplexStream) -> (String, Vec<u16>) {
    let mut text = String::new();
    far.read_to_string(&mut text).await.unwrap();
    let lines = text.split("HTTP/1.1 ").skip(1);
    let statuses = lines.map(|line| line[..3].parse().unwrap()).collect();
    (text, statuses)
}

#[tokio::test]
async fn a_connection_goes_on_after_a_refusal_whose_body_came_late() {
    let desk = Desk::new();
    let (mut far, _) = attended(&desk);
    // More than lies in between.
    let body = vec![b'x'; 3 * 4_096];
    for (line, more) in [
        ("POST /v2", "X: y"),
        ("PUT /v1/status", "Connection: close"),
    ] {
        let length = body.len();
        let head = format!("{line} HTTP/1.1\r\n{more}\r\nContent-Length: {length}\r\n\r\n");
        far.write_all(head.as_bytes()).await.unwrap();
        // An answer that does not wait would come now.
        for _ in 0..10 {
            tokio::task::yield_now().await;
        }
        far.write_all(&body).await.unwrap();
    }
    assert_eq!(told(far).await.1, [404, 405]);
}

#[tokio::test]
async fn every_head_of_a_connection_is_refused_with_a_reason() {
    let desk = Desk::new();
    for good in [
        "GET /v1/status HTTP/1.1\r\n\r\n",
        "HEAD /v1/status HTTP/1.1\r\n\r\n",
        "POST /v2 HTTP/1.1\r\nContent-Length: 3\r\n\r\nabc",
        "POST /v2 HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n",
        "PUT /v2 HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 0\r\n\r\n",
    ] {
        let (mut far, _) = attended(&desk);
        let requests = format!("{good}{good}how many are you?\r\n\r\n");
        far.write_all(requests.as_bytes()).await.unwrap();
        let (text, statuses) = told(far).await;
        assert_eq!(statuses.len(), 3, "{good}: {text}");
        assert_eq!(statuses[0], statuses[1], "{good}: {text}");
        assert_eq!(statuses[2], 400, "{good}: {text}");
        let (_, refusal) = text.rsplit_once("HTTP/1.1 ").unwrap();
        assert!(refusal.contains("application/problem+json"), "{refusal}");
        assert!(refusal.contains("connection: close"), "{refusal}");
    }
}

#[tokio::test]
async fn an_answer_before_the_end_of_its_request_is_the_last_one() {
    let desk = Desk::new();
    let (mut far, _) = attended(&desk);
    let half = "POST /v2 HTTP/1.1\r\nContent-Length: 9\r\n\r\nabc";
    far.write_all(half.as_bytes()).await.unwrap();
    let (text, statuses) = told(far).await;
    assert_eq!(statuses, [404]);
    assert!(text.contains("connection: close"), "{text}");
}

#[tokio::test]
async fn whoever_has_no_right_to_ask_is_refused_once() {
    let desk = Desk::new();
    let house = House::new(desk.shared.clone());
    for (token, headers, status) in [
        (Some("correct-horse-battery"), "", 401),
        (None, "Host: evil.example\r\n", 403),
    ] {
        let door = Door {
            local: "127.0.0.1".parse().unwrap(),
            token: token.map(|token| Arc::new(Token::new(token))),
        };
        let mut far = attend(house.clone(), house.stranger(door, "a test".into()));
        let request = format!("GET /v1/status HTTP/1.1\r\n{headers}\r\n");
        far.write_all(request.repeat(10).as_bytes()).await.unwrap();
        let (text, statuses) = told(far).await;
        assert_eq!(statuses, [status], "{text}");
        assert!(text.contains("connection: close"), "{text}");
    }
}

#[tokio::test]
async fn more_than_the_request_does_not_hide_the_end_of_one_who_waits_for_more() {
    let body = r#"{"connection":true}"#;
    let counted = format!("Content-Length: {}\r\n\r\n{body}", body.len());
    let chunked = format!(
        "Transfer-Encoding: chunked\r\n\r\n{:x}\r\n{body}\r\n0\r\n\r\n",
        body.len()
    );
    let lease = |framed: &str| format!("PUT /v1/app HTTP/1.1\r\n{framed}");
    let watch = "GET /v1/watch HTTP/1.1\r\n\r\n".to_owned();
    for request in [lease(&counted), lease(&chunked), watch] {
        for (at_once, later) in [("", ""), ("\r\n", ""), ("", "\n"), ("\n", &request[..])] {
            is_missed(&format!("{request}{at_once}"), later).await;
        }
    }
}

/// Holds a lease or a stream by this request, says something else later, and hangs up.
async fn is_missed(request: &str, later: &str) {
    let mut desk = Desk::new();
    let (mut far, _) = attended(&desk);
    far.write_all(request.as_bytes()).await.unwrap();
    let is_lease = request.starts_with("PUT");
    if is_lease {
        hear_app(&mut desk, "up").await;
    }
    let mut told = String::new();
    while !told.contains("}\n") {
        told.push(far.read_u8().await.unwrap().into());
    }
    far.write_all(later.as_bytes()).await.unwrap();
    if is_lease {
        // It is neither heard nor taken for the end.
        tokio::task::yield_now().await;
        assert!(desk.commands.try_recv().is_err(), "{request:?} {later:?}");
    }
    drop(far);
    if is_lease {
        return hear_app(&mut desk, "down").await;
    }
    // A heartbeat would not find out so soon.
    for _ in 0..1_000 {
        if desk.shared.subscribers() == 0 {
            return;
        }
        tokio::task::yield_now().await;
    }
    panic!("{request:?} {later:?}: its stream goes on");
}

/// Waits until the protocol is told this of the application.
async fn hear_app(desk: &mut Desk, said: &str) {
    let heard = timeout(Duration::from_secs(20), desk.commands.recv()).await;
    let Ok(Some(Command::App { status, reply })) = heard else {
        panic!("nothing of the application, which is {said}");
    };
    assert_eq!(status.as_ref().map(AppStatus::as_str), Some(said));
    // Nobody waits for an answer about an application that is gone.
    let _ = reply.send(());
}

#[tokio::test]
async fn whoever_idles_gives_way_without_a_word_and_whoever_is_answered_does_not() {
    let desk = Desk::new();
    let (mut far, entrance) = attended(&desk);
    let request = b"GET /v1/status HTTP/1.1\r\n\r\n";
    far.write_all(request).await.unwrap();
    assert_eq!(far.read_u8().await.unwrap(), b'H');
    // It idles as soon as the answer is out.
    while !entrance.reception.make_room() {
        tokio::task::yield_now().await;
    }
    let (rest, more) = told(far).await;
    assert!(rest.starts_with("TTP/1.1 200 OK"), "{rest}");
    assert!(more.is_empty(), "{rest}");

    let (mut far, entrance) = attended(&desk);
    let request = b"GET /v1/watch HTTP/1.1\r\n\r\n";
    far.write_all(request).await.unwrap();
    assert_eq!(far.read_u8().await.unwrap(), b'H');
    assert!(!entrance.reception.make_room());
    desk.shared.end();
    assert!(told(far).await.0.contains("snapshot"));
}

#[tokio::test]
async fn whoever_asks_by_http_1_0_is_not_told_that_it_may_ask_again() {
    for more in ["", "Connection: keep-alive\r\n"] {
        let desk = Desk::new();
        let (mut far, _) = attended(&desk);
        let request = format!("GET /v1/status HTTP/1.0\r\n{more}\r\n");
        far.write_all(request.as_bytes()).await.unwrap();
        let (text, _) = told(far).await;
        assert!(text.starts_with("HTTP/1.0 200 OK"), "{text}");
        assert!(text.contains("\r\nconnection: close\r\n"), "{text}");
        assert!(!text.contains("keep-alive"), "{text}");
    }
}

#[tokio::test]
async fn a_stream_ends_with_the_agent_after_its_last_line() {
    let mut desk = Desk::new();
    let mut body = desk
        .send(request("GET", "/v1/watch?types=left", ""))
        .await
        .into_body();
    read(&mut body, 1).await;
    desk.join("n2");
    desk.publish(&Change::Left(view("n1", MemberState::Left)));
    desk.shared.end();
    let rest = timeout(Duration::from_secs(5), body.collect()).await;
    let rest = rest.unwrap().unwrap().to_bytes();
    let rest = std::str::from_utf8(&rest).unwrap();
    assert!(rest.starts_with(r#"{"type":"left","seq":2,"#) && rest.lines().count() == 1);
}

#[tokio::test]
async fn metrics_are_prometheus_text() {
    let mut desk = Desk::new();
    desk.join("n2");
    let response = desk.send(request("GET", "/metrics", "")).await;
    let bytes = response.into_body().collect().await.unwrap().to_bytes();
    let text = std::str::from_utf8(&bytes).unwrap();
    for line in [
        "headcount_members{state=\"alive\"} 2",
        "headcount_seq 1",
        "headcount_junk_total{reason=\"checksum\"} 0",
        "headcount_subscribers 0",
        "headcount_gaps_total 0",
        "headcount_connections_stuck_total 0",
    ] {
        assert!(text.lines().any(|found| found == line), "{line}\n{text}");
    }
    let mut typed = std::collections::BTreeSet::new();
    for line in text.lines().filter(|line| line.starts_with("# TYPE")) {
        assert!(typed.insert(line), "{line} twice");
    }
}

#[tokio::test]
async fn a_body_that_is_announced_too_large_is_not_awaited() {
    let mut desk = Desk::new();
    let mut request = request("POST", "/v1/leave", "");
    let length = header::HeaderValue::from_static("99999999999");
    request.headers_mut().insert(header::CONTENT_LENGTH, length);
    let (status, _) = answer(desk.send(request).await).await;
    assert_eq!(status, StatusCode::PAYLOAD_TOO_LARGE);
}

#[tokio::test]
async fn a_name_that_is_no_text_is_a_problem() {
    let mut desk = Desk::new();
    for method in ["GET", "DELETE"] {
        let (status, _) = desk.ask(method, "/v1/members/%ff", "").await;
        assert_eq!(status, StatusCode::BAD_REQUEST);
    }
}

#[tokio::test]
async fn our_own_address_among_others_is_left_out() {
    let mut desk = Desk::new();
    let (shared, mut commands) = (desk.shared.clone(), desk.commands);
    let protocol = tokio::spawn(async move {
        let Some(Command::Contact(addresses)) = commands.recv().await else {
            panic!("no contact");
        };
        shared.joined.send(addresses[0]).unwrap();
        addresses
    });
    desk.commands = mpsc::channel(1).1;
    let body = r#"{"addresses":["127.0.0.1","127.0.0.1:1"]}"#;
    let (status, answer) = desk.ask("POST", "/v1/join", body).await;
    let expected = json!({"joined": ["127.0.0.1:1"], "pending": []});
    assert_eq!((status, answer), (StatusCode::OK, expected));
    assert_eq!(protocol.await.unwrap(), ["127.0.0.1:1".parse().unwrap()]);
}

#[tokio::test]
async fn joining_ourselves_is_pointless() {
    let mut desk = Desk::new();
    let body = r#"{"addresses":["127.0.0.1"]}"#;
    let (_, problem) = desk.ask("POST", "/v1/join", body).await;
    assert_eq!(problem["detail"], "127.0.0.1:7946 is this agent itself");
}

#[tokio::test]
async fn an_application_that_goes_before_its_answer_is_missed() {
    let mut desk = Desk::new();
    let asks = request("PUT", "/v1/app", r#"{"connection":true}"#);
    let asking = tokio::spawn(desk.router.clone().call(asks));
    let Some(Command::App { status, reply }) = desk.commands.recv().await else {
        panic!("a word about the application");
    };
    assert_eq!(status, Some(AppStatus::Up));
    asking.abort();
    let Some(Command::App { status, .. }) = desk.commands.recv().await else {
        panic!("another one");
    };
    assert_eq!(status, Some(AppStatus::down("its connection closed")));
    drop(reply);
}
