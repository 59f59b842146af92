//! Whole agents on loopback: real sockets, real time, real nodes.

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::{SocketAddr, TcpStream, UdpSocket},
    os::unix::net::UnixStream,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    thread,
    time::Duration,
};

use serde_json::Value;
use tempfile::TempDir;
use tokio::sync::mpsc;

use super::{
    api::Doors,
    clock::Clock,
    local::Local,
    shared::{Facts, Reloadable, Shared},
    *,
};
use crate::{
    config::{Access, Config, Outputs},
    feed::{Epoch, Feed},
    swim::{Card, Change, Keys, MemberId, MemberState, MemberView, Profile},
};

const PATIENCE: Duration = Duration::from_secs(20);

struct Sidecar {
    config: Config,
    address: SocketAddr,
    http: Option<SocketAddr>,
    stop: mpsc::Sender<()>,
    thread: thread::JoinHandle<Result<Exit, Error>>,
}

pub(super) fn config(temp: &TempDir, name: &str, join: &[SocketAddr]) -> Config {
    static NUMBER: AtomicU32 = AtomicU32::new(0);
    let number = NUMBER.fetch_add(1, Ordering::Relaxed);
    Config {
        name: name.into(),
        bind: "127.0.0.1:0".parse().unwrap(),
        advertise: None,
        join: join
            .iter()
            .map(|address| address.to_string().parse().unwrap())
            .collect(),
        cluster: "test".into(),
        profile: Profile::Local,
        socket: temp.path().join(format!("{number}.sock")),
        http: None,
        access: Access::default(),
        data_dir: temp.path().join(name),
        tags: [("role".into(), "web".into())].into_iter().collect(),
        keys: Keys::default(),
        forget_after: None,
        restart_eta: None,
        key_file: None,
        max_members: 16_384,
        insecure: false,
        supervisor: None,
        outputs: Outputs::default(),
    }
}

impl Sidecar {
    fn start(config: Config) -> Self {
        let agent = Agent::bind(config.clone()).unwrap();
        let (address, http) = (agent.address(), agent.http_address());
        assert_eq!(agent.socket(), config.socket);
        let (stop, shutdown) = mpsc::channel(2);
        Self {
            config,
            address,
            http,
            stop,
            thread: thread::spawn(|| agent.run(shutdown)),
        }
    }

    fn ask(&self, method: &str, path: &str, body: &str) -> (u16, Value) {
        let stream = UnixStream::connect(&self.config.socket).unwrap();
        let (status, text) = exchange(stream, method, path, "headcount", body);
        (status, serde_json::from_str(&text).unwrap())
    }

    fn get(&self, path: &str) -> Value {
        self.ask("GET", path, "").1
    }

    /// Waits until the members in `state` number `count`.
    fn await_count(&self, state: &str, count: usize) {
        let mut status = Value::Null;
        for _ in 0..PATIENCE.as_millis() / 20 {
            status = self.get("/v1/status");
            if status["counts"][state] == count {
                return;
            }
            nap();
        }
        panic!("{count} {state} members were awaited: {status}");
    }

    fn watch(&self, query: &str) -> impl Iterator<Item = Value> + use<> {
        let mut stream = UnixStream::connect(&self.config.socket).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        write!(stream, "GET /v1/watch{query} HTTP/1.0\r\n\r\n").unwrap();
        let mut lines = BufReader::new(stream).lines().map(Result::unwrap);
        assert!(lines.next().unwrap().contains("200"));
        assert!(
            lines
                .by_ref()
                .take_while(|line| !line.is_empty())
                .all(|line| { !line.to_lowercase().starts_with("transfer-encoding") })
        );
        lines.map(|line| serde_json::from_str(&line).unwrap())
    }

    fn stop(self) -> Result<Exit, Error> {
        self.stop.try_send(()).unwrap();
        self.thread.join().unwrap()
    }
}

/// One request by HTTP/1.0, whose answer ends with the connection.
fn exchange(
    mut stream: impl Read + Write,
    method: &str,
    path: &str,
    host: &str,
    body: &str,
) -> (u16, String) {
    let length = body.len();
    write!(
        stream,
        "{method} {path} HTTP/1.0\r\nhost: {host}\r\ncontent-length: {length}\r\n\r\n{body}"
    )
    .unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    assert!(!head.to_lowercase().contains("transfer-encoding"), "{head}");
    (head[9..12].parse().unwrap(), body.into())
}

#[expect(clippy::disallowed_methods, reason = "real processes take real time")]
fn nap() {
    thread::sleep(Duration::from_millis(20));
}

fn cluster(temp: &TempDir, size: usize) -> Vec<Sidecar> {
    let seed = Sidecar::start(config(temp, "n1", &[]));
    let rest = (2..=size)
        .map(|number| Sidecar::start(config(temp, &format!("n{number}"), &[seed.address])));
    let mut all: Vec<_> = rest.collect();
    all.insert(0, seed);
    for sidecar in &all {
        sidecar.await_count("alive", size);
    }
    all
}

#[test]
fn agents_find_each_other_and_say_goodbye() {
    let temp = tempfile::tempdir().unwrap();
    let mut all = cluster(&temp, 5);
    let members = all[3].get("/v1/members?tag=role:web");
    assert_eq!(members["members"].as_array().unwrap().len(), 5);
    let mut stream = all[0].watch("?types=left,failed,suspect&name=n5");
    assert_eq!(stream.next().unwrap()["type"], "snapshot");
    let leaver = all.pop().unwrap();
    let (status, answer) = leaver.ask("POST", "/v1/leave", r#"{"reason":"upgrade"}"#);
    assert_eq!((status, &answer["left"]), (200, &Value::Bool(true)));
    assert_eq!(leaver.thread.join().unwrap().unwrap(), Exit::Left);
    assert!(!leaver.config.socket.exists());
    let left = stream.next().unwrap();
    assert_eq!(
        (&left["type"], &left["reason"]),
        (&"left".into(), &"upgrade".into())
    );
    for sidecar in &all {
        sidecar.await_count("left", 1);
        assert_eq!(sidecar.get("/v1/status")["counts"]["failed"], 0);
    }
    for sidecar in all {
        assert_eq!(sidecar.stop().unwrap(), Exit::Left);
    }
}

#[test]
fn one_signal_while_it_leaves_by_request_is_only_the_first() {
    let temp = tempfile::tempdir().unwrap();
    let mut all = cluster(&temp, 3);
    let leaver = all.pop().unwrap();
    let mut stream = UnixStream::connect(&leaver.config.socket).unwrap();
    write!(
        stream,
        "POST /v1/leave HTTP/1.0\r\nhost: headcount\r\ncontent-length: 0\r\n\r\n"
    )
    .unwrap();
    nap();
    // It may have left by now; then nobody hears this.
    let _ = leaver.stop.try_send(());
    assert_eq!(leaver.thread.join().unwrap().unwrap(), Exit::Left);
    for sidecar in all {
        sidecar.stop().unwrap();
    }
}

#[test]
fn a_stream_equals_the_listing_and_resumes_where_it_was() {
    let temp = tempfile::tempdir().unwrap();
    let seed = Sidecar::start(config(&temp, "n1", &[]));
    let mut stream = seed.watch("");
    let snapshot = stream.next().unwrap();
    assert_eq!(snapshot["members"][0]["name"], "n1");
    let other = Sidecar::start(config(&temp, "n2", &[seed.address]));
    seed.await_count("alive", 2);
    let mut seq = snapshot["seq"].as_u64().unwrap();
    let joined = loop {
        let change = stream.next().unwrap();
        assert_eq!(change["seq"], seq + 1);
        seq += 1;
        if change["type"] == "join" && change["member"]["name"] == "n2" {
            break change;
        }
    };
    assert_eq!(joined["member"], seed.get("/v1/members/n2"));
    let resume = format!(
        "?resume={}:{}",
        snapshot["epoch"].as_str().unwrap(),
        seq - 1
    );
    assert_eq!(seed.watch(&resume).next().unwrap(), joined);
    other.stop().unwrap();
    seed.stop().unwrap();
    assert_eq!(stream.last().unwrap()["member"]["name"], "n1");
}

#[test]
fn the_newcomer_with_a_taken_name_stops() {
    let temp = tempfile::tempdir().unwrap();
    let all = cluster(&temp, 2);
    let twin = Sidecar::start(Config {
        data_dir: temp.path().join("elsewhere"),
        ..config(&temp, "n2", &[all[0].address])
    });
    let error = twin.thread.join().unwrap().unwrap_err();
    assert!(error.hint().unwrap().contains("--name"));
    let Error::Conflict { name, holder, .. } = error else {
        panic!("{error}");
    };
    assert_eq!((name.as_str(), holder), ("n2", all[1].address));
    for sidecar in all {
        assert_eq!(sidecar.stop().unwrap(), Exit::Left);
    }
}

#[test]
fn who_comes_back_has_the_next_generation() {
    let temp = tempfile::tempdir().unwrap();
    let seed = Sidecar::start(config(&temp, "n1", &[]));
    let other = config(&temp, "n2", &[seed.address]);
    let first = Sidecar::start(other.clone());
    seed.await_count("alive", 2);
    let mut stream = seed.watch("?types=join");
    stream.next();
    first.stop().unwrap();
    seed.await_count("left", 1);
    let second = Sidecar::start(other);
    let join = stream.next().unwrap();
    assert_eq!(join["previous"], "left");
    assert_eq!(join["member"]["generation"], 2);
    second.stop().unwrap();
    seed.stop().unwrap();
}

#[test]
fn members_can_be_joined_and_removed_by_request() {
    let temp = tempfile::tempdir().unwrap();
    let one = Sidecar::start(config(&temp, "n1", &[]));
    let two = Sidecar::start(config(&temp, "n2", &[]));
    let address = two.address.to_string();
    let body = serde_json::json!({"addresses": [&address]}).to_string();
    let (status, answer) = one.ask("POST", "/v1/join", &body);
    assert_eq!((status, &answer["joined"][0]), (200, &Value::from(address)));
    two.await_count("alive", 2);
    let (status, problem) = one.ask("DELETE", "/v1/members/n2", "");
    assert_eq!(status, 409, "{problem}");
    assert_eq!(one.ask("DELETE", "/v1/members/nobody", "").0, 404);
    two.stop().unwrap();
    one.await_count("left", 1);
    assert_eq!(one.ask("DELETE", "/v1/members/n2", "").0, 200);
    assert_eq!(one.ask("GET", "/v1/members/n2", "").0, 404);
    one.stop().unwrap();
}

#[test]
fn noise_on_the_gossip_port_is_counted_and_changes_nothing() {
    let temp = tempfile::tempdir().unwrap();
    let all = cluster(&temp, 2);
    let noise = UdpSocket::bind("127.0.0.1:0").unwrap();
    for size in [0, 1, 20, 1_400, 1_401, 60_000] {
        noise.send_to(&vec![0xa5; size], all[0].address).unwrap();
    }
    let mut stream = TcpStream::connect(all[0].address).unwrap();
    stream.write_all(&[0, 0, 0, 4, 1, 2, 3, 4]).unwrap();
    let junk = || {
        let unix = UnixStream::connect(&all[0].config.socket).unwrap();
        let (_, text) = exchange(unix, "GET", "/metrics", "headcount", "");
        let lines = text
            .lines()
            .filter(|line| line.starts_with("headcount_junk_total"));
        lines
            .map(|line| line.rsplit(' ').next().unwrap().parse::<u64>().unwrap())
            .sum::<u64>()
    };
    for _ in 0..250 {
        if junk() >= 7 {
            break;
        }
        nap();
    }
    assert_eq!(junk(), 7);
    assert_eq!(all[0].get("/v1/status")["counts"]["alive"], 2);
    for sidecar in all {
        sidecar.stop().unwrap();
    }
}

#[test]
fn tcp_is_for_those_who_mean_this_host() {
    let temp = tempfile::tempdir().unwrap();
    let sidecar = Sidecar::start(Config {
        http: Some("127.0.0.1:0".parse().unwrap()),
        ..config(&temp, "n1", &[])
    });
    let address = sidecar.http.unwrap();
    let ask = |host: &str| {
        let stream = TcpStream::connect(address).unwrap();
        exchange(stream, "GET", "/v1/status", host, "")
    };
    assert_eq!(ask(&address.to_string()).0, 200);
    assert_eq!(ask("localhost:1").0, 200);
    let (status, problem) = ask("evil.example");
    assert_eq!(status, 403);
    assert!(problem.contains("evil.example"));
    sidecar.stop().unwrap();
}

#[test]
fn what_is_taken_is_refused_by_name() {
    let temp = tempfile::tempdir().unwrap();
    let first = Sidecar::start(config(&temp, "n1", &[]));
    let taken = Config {
        bind: first.address,
        ..config(&temp, "n2", &[])
    };
    let error = Agent::bind(taken.clone()).unwrap_err();
    assert!(error.to_string().contains(&first.address.to_string()));
    assert!(!taken.socket.exists(), "nothing is left behind");
    let error = Agent::bind(Config {
        socket: first.config.socket.clone(),
        ..config(&temp, "n2", &[])
    });
    assert!(matches!(error, Err(Error::SocketInUse { .. })));
    first.stop().unwrap();
}

/// The API alone, on a socket in `temp`; its feed is ours to fill.
fn serve(temp: &TempDir) -> (PathBuf, Arc<Shared>, thread::JoinHandle<()>) {
    let config = config(temp, "n1", &[]);
    let (clock, address) = (Clock::start(), config.bind);
    let facts = Facts::new(&config, address, None);
    let feed = Feed::new(Epoch(1), clock.now(), &big("n1", 0));
    let began = Reloadable {
        keys: Keys::default(),
        profile: config.profile,
    };
    let (shared, _) = Shared::new(clock, facts, began, feed);
    let Local {
        listener,
        file,
        guard,
        ..
    } = Local::bind(&config.socket, &config.access).unwrap();
    let doors = Doors {
        local: (listener, guard),
        http: None,
        token: None,
    };
    let served = shared.clone();
    let path = config.socket.clone();
    let thread = thread::spawn(move || {
        // The file is gone only when nobody asks any more.
        let _file = file;
        let mut builder = tokio::runtime::Builder::new_current_thread();
        let runtime = builder.enable_all().build().unwrap();
        runtime.block_on(api::serve(doors, served)).unwrap();
    });
    (path, shared, thread)
}

/// A member whose record takes half a kilobyte and more.
fn big(name: &str, incarnation: u32) -> MemberView {
    MemberView {
        card: Arc::new(Card {
            id: MemberId::new("test", name),
            name: name.into(),
            generation: 1,
            address: "127.0.0.1:7946".parse().unwrap(),
            tags: [("filler".into(), "x".repeat(500))].into_iter().collect(),
        }),
        state: MemberState::Alive,
        incarnation,
        suspicion: None,
        reason: None,
        down_since: None,
        app: None,
    }
}

#[test]
fn a_subscriber_that_never_reads_delays_nobody() {
    const CHANGES: u32 = 40_000;
    let temp = tempfile::tempdir().unwrap();
    let (socket, shared, serving) = serve(&temp);
    let stuck: Vec<_> = (0..10).map(|_| open_watch(&socket)).collect();
    let mut reading = follow(open_watch(&socket));
    assert_eq!(reading.next().unwrap()["type"], "snapshot");
    for number in 1..=CHANGES {
        let change = Change::Update(big("n1", number));
        shared.publish(shared.clock.now(), &change);
        // Some 30 MB in all, far more than any socket and the journal hold.
        if number % 1_000 == 0 {
            let told = reading.by_ref().filter(|line| line["type"] != "heartbeat");
            let seqs: Vec<_> = told.take(1_000).map(|line| line["seq"].as_u64()).collect();
            let expected: Vec<_> = (number - 999..=number).map(|n| Some(n.into())).collect();
            assert_eq!(seqs, expected);
        }
    }
    for stream in stuck {
        let mut gaps = follow(stream).skip_while(|line| line["type"] != "gap");
        // None where the agent lost patience with it first.
        if gaps.next().is_some() {
            let snapshot = gaps.next().unwrap();
            assert_eq!(snapshot["type"], "snapshot");
            assert_eq!(snapshot["seq"], CHANGES);
        }
    }
    shared.end();
    serving.join().unwrap();
}

/// The lines of a stream, its HTTP frames taken off.
fn follow(stream: UnixStream) -> impl Iterator<Item = Value> {
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let lines = BufReader::new(stream).lines().map_while(Result::ok);
    let records = lines.filter(|line| line.starts_with('{'));
    records.map(|line| serde_json::from_str(&line).unwrap())
}

/// By HTTP/1.0, so that nothing stands between the lines.
fn open_watch(socket: &Path) -> UnixStream {
    let mut stream = UnixStream::connect(PathBuf::from(socket)).unwrap();
    stream
        .write_all(b"GET /v1/watch HTTP/1.0\r\nhost: headcount\r\n\r\n")
        .unwrap();
    stream
}
