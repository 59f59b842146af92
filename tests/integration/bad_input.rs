//! What nobody should send, and what operators mistype: each is answered with one line that names
//! the thing and what to do about it, and nothing else happens.

use std::{
    fs,
    io::{PipeReader, PipeWriter, Read, Write},
    net::{TcpStream, UdpSocket},
    os::unix::net::UnixListener,
    time::Duration,
};

use rustix::{io::ioctl_fionbio, process::Signal};

use crate::support::{Agent, Finished, Lab, PATIENCE, await_members, draws, pause, run, until};

/// The first byte of everything that agents send.
const MAGIC: u8 = 0xC7;

/// Sends `datagrams` to the agent and waits until it counted each as junk.
fn send_junk(agent: &Agent, datagrams: &[Vec<u8>]) {
    let before = agent.metric("headcount_junk_total");
    let socket = UdpSocket::bind((agent.address().ip(), 0)).expect("a socket");
    for (sent, datagram) in datagrams.iter().enumerate() {
        socket.send_to(datagram, agent.address()).expect("sent");
        if sent % 50 == 49 {
            // No faster than it is read: what the kernel drops cannot be counted.
            await_junk(agent, before + sent as f64 + 1.0);
        }
    }
    await_junk(agent, before + datagrams.len() as f64);
}

fn await_junk(agent: &Agent, count: f64) {
    let what = format!("{count} datagrams counted as junk");
    until(&what, || {
        (agent.metric("headcount_junk_total") >= count).then_some(())
    });
}

/// The first datagram that an agent of `cluster` sends to a seed.
fn hello(lab: &Lab, cluster: &str) -> Vec<u8> {
    let ear = UdpSocket::bind((lab.host(), 0)).expect("a socket");
    ear.set_read_timeout(Some(PATIENCE)).expect("a time-out");
    let seed = ear.local_addr().expect("bound");
    let _speaker = lab
        .agent(&format!("from-{cluster}"))
        .args(["--cluster", cluster])
        .join(seed)
        .start();
    let mut bytes = vec![0; 2_000];
    let size = ear.recv(&mut bytes).expect("a hello");
    bytes.truncate(size);
    bytes
}

/// Runs `act`, which must change nothing that `agent` believes.
fn changes_nothing(agent: &Agent, act: impl FnOnce()) {
    let before = agent.members();
    act();
    assert_eq!(agent.members(), before);
    assert!(!agent.log().contains("panicked"), "{}", agent.log());
}

#[test]
fn random_and_oversized_datagrams_change_nothing_and_are_counted() {
    let lab = Lab::new();
    let agents = lab.cluster(2);
    let mut draws = draws(1).flat_map(u64::to_le_bytes);
    let junk: Vec<Vec<u8>> = (0..200)
        .map(|round| {
            let length = if round % 10 == 0 {
                300 * round
            } else {
                7 * round
            };
            let mut datagram: Vec<u8> = draws.by_ref().take(length).collect();
            if let (true, Some(first)) = (round % 2 == 0, datagram.first_mut()) {
                // As our own begin, so that more than the first check is met.
                *first = MAGIC;
            }
            datagram
        })
        .collect();
    changes_nothing(&agents[0], || send_junk(&agents[0], &junk));
    await_members(&agents, "alive", 2);
}

#[test]
fn damaged_datagrams_change_nothing_and_are_counted() {
    let lab = Lab::new();
    let agent = lab.agent("n1").start();
    let whole = hello(&lab, "default");
    let truncated = (0..whole.len()).map(|length| whole[..length].to_vec());
    let flipped = (0..whole.len() * 8).map(|bit| {
        let mut damaged = whole.clone();
        damaged[bit / 8] ^= 1 << (bit % 8);
        damaged
    });
    let damaged: Vec<_> = truncated.chain(flipped).collect();
    changes_nothing(&agent, || send_junk(&agent, &damaged));
}

#[test]
fn another_cluster_and_a_future_version_are_counted_by_name() {
    let lab = Lab::new();
    let agent = lab.agent("n1").start();
    let foreign = hello(&lab, "red");
    changes_nothing(&agent, || {
        send_junk(&agent, &[foreign.clone(), foreign.clone()])
    });
    assert!(agent.metric("headcount_junk_total{reason=\"cluster\"") >= 2.0);
    agent.await_logged(&["\"red\""]);
    let mut future = hello(&lab, "blue");
    future[1] = 99;
    changes_nothing(&agent, || {
        send_junk(&agent, &[future.clone(), future.clone()])
    });
    assert!(agent.metric("headcount_junk_total{reason=\"version\"") >= 2.0);
    agent.await_logged(&["format 99"]);
}

#[test]
fn junk_on_the_stream_port_changes_nothing_and_keeps_nobody_out() {
    let lab = Lab::new();
    let agents = lab.cluster(2);
    let mut draws = draws(3).flat_map(u64::to_le_bytes);
    let mut held = Vec::new();
    changes_nothing(&agents[0], || {
        for round in 0..60 {
            let mut stream = TcpStream::connect(agents[0].address()).expect("it accepts");
            let length = [0, 3, 40, 4_000][round % 4];
            let mut junk: Vec<u8> = draws.by_ref().take(length).collect();
            if let (true, Some(announced)) = (round % 8 > 3, junk.first_chunk_mut::<4>()) {
                // As long as a frame may be, and then nothing.
                *announced = 1_000_000_u32.to_be_bytes();
            }
            // It may hang up while we still write.
            let _ = stream.write_all(&junk);
            held.push(stream);
        }
    });
    let _third = lab.agent("n3").join(agents[0].address()).start();
    await_members(&agents, "alive", 3);
    drop(held);
}

#[test]
fn an_agent_whose_log_nobody_reads_lives_on() {
    let lab = Lab::new();
    let (reader, writer) = std::io::pipe().expect("a pipe");
    drop(reader);
    let agents = [lab.agent("n1").start_logging_to(writer)];
    let other = lab.agent("n2").join(agents[0].address()).start();
    await_members(&agents, "alive", 2);
    other.kill();
    await_members(&agents, "failed", 1);
}

/// A pipe that is full already, whose reader is there and does not read.
fn full_pipe() -> (PipeReader, PipeWriter) {
    let (reader, mut writer) = std::io::pipe().expect("a pipe");
    ioctl_fionbio(&writer, true).expect("set");
    for chunk in [&[b'.'; 4096][..], b"."] {
        while writer.write(chunk).is_ok() {}
    }
    ioctl_fionbio(&writer, false).expect("set");
    (reader, writer)
}

#[test]
fn an_agent_whose_log_stands_still_lives_on_and_ends_when_told() {
    let lab = Lab::new();
    let peer = lab.agent("n1").start();
    let watch = peer.watch();
    let (mut reader, writer) = full_pipe();
    let stuck = lab.agent("n2").join(peer.address());
    let mut agents = [
        peer,
        stuck
            .args(["--log-level", "debug"])
            .start_logging_to(writer),
    ];
    let other = lab.agent("n3").join(agents[0].address()).start();
    await_members(&agents, "alive", 3);
    other.kill();
    await_members(&agents, "failed", 1);
    assert_eq!(watch.count("suspect", "n2"), 0);
    let [_, stuck] = &mut agents;
    stuck.signal(Signal::TERM);
    assert_eq!(stuck.exit_code(), 0);
    watch.wait_for("left", "n2");
    // It really was full: not a word got through.
    let mut rest = String::new();
    reader.read_to_string(&mut rest).expect("text");
    assert_eq!(rest.trim_matches('.'), "");
}

#[test]
fn a_refusal_that_nobody_reads_ends_all_the_same() {
    let lab = Lab::new();
    let holder = lab.agent("n1").start();
    let (_reader, writer) = full_pipe();
    let twin = lab.agent("n1").folder("twin").join(holder.address());
    assert_eq!(twin.exit_code_logging_to(writer), 2);
}

#[test]
fn a_bind_address_must_be_one() {
    let lab = Lab::new();
    let ended = lab.agent("n1").bind("port-seven").finish();
    ended.refused(2, &["port-seven", "hint:"]);
}

#[test]
fn a_bind_address_must_be_on_this_host() {
    let lab = Lab::new();
    let elsewhere = lab.agent("n1").bind("192.0.2.1:7946");
    let ended = elsewhere.args(["--insecure"]).finish();
    ended.refused(2, &["192.0.2.1:7946", "hint:"]);
}

#[test]
fn an_address_off_loopback_wants_a_key_or_consent() {
    let lab = Lab::new();
    let ended = lab.agent("n1").bind("192.0.2.1:7946").finish();
    ended.refused(2, &["192.0.2.1:7946", "keys generate", "--insecure"]);
}

#[test]
fn a_bind_address_in_use_is_named() {
    let lab = Lab::new();
    let holder = UdpSocket::bind((lab.host(), 0)).expect("a socket");
    let held = holder.local_addr().expect("bound").to_string();
    let ended = lab.agent("n1").bind(&held).finish();
    ended.refused(2, &[&held, "in use", "hint:"]);
}

#[test]
fn a_socket_held_by_a_live_agent_is_refused_and_a_stale_one_replaced() {
    let lab = Lab::new();
    let agent = lab.agent("n1").start();
    let socket = agent.socket().display().to_string();
    let second = ["--socket", &socket];
    let ended = lab.agent("n2").args(second).finish();
    ended.refused(2, &[&socket, "hint:"]);
    assert_eq!(agent.status()["name"], "n1");
    // A killed process leaves its socket file behind; its next life takes it over.
    let again = agent.kill();
    assert!(again.socket().exists());
    assert_eq!(again.start().status()["generation"], 2);
}

#[test]
fn a_file_that_is_no_socket_is_never_replaced() {
    let lab = Lab::new();
    let file = lab.dir().join("precious");
    fs::write(&file, "data").expect("written");
    let path = file.display().to_string();
    let ended = lab.agent("n1").args(["--socket", &path]).finish();
    ended.refused(2, &[&path, "hint:"]);
    assert_eq!(fs::read_to_string(&file).expect("still there"), "data");
}

#[test]
fn a_socket_path_too_long_or_not_writable_is_refused() {
    let lab = Lab::new();
    let long = lab.dir().join("x".repeat(120)).display().to_string();
    for path in [long.as_str(), "/proc/headcount.sock"] {
        let ended = lab.agent("n1").args(["--socket", path]).finish();
        ended.refused(2, &[path, "hint:"]);
    }
}

#[test]
fn nobody_listening_at_the_socket_is_said_with_what_to_do() {
    let lab = Lab::new();
    let absent = lab.dir().join("absent");
    let stale = lab.dir().join("stale");
    drop(UnixListener::bind(&stale).expect("a socket file"));
    for path in [absent.as_path(), stale.as_path()] {
        for command in ["members", "status", "leave"] {
            let path = path.display().to_string();
            run([command, "--socket", &path]).refused(2, &[&path, "hint:"]);
        }
    }
}

#[test]
fn an_unknown_flag_key_or_subcommand_is_named_with_the_nearest() {
    let lab = Lab::new();
    let flag = run(["agent", "--bnd", "127.0.0.1:0"]);
    flag.refused(2, &["--bnd", "--bind", "\nhint: "]);
    let taste = run(["watch", "--confidence", "stable:soon"]);
    taste.refused(2, &["--confidence", "stable:soon", "stable:10s"]);
    run(["agnet"]).refused(2, &["agnet", "agent", "\nhint: "]);
    let file = lab.dir().join("headcount.toml");
    let with_config = |text: &str| -> Finished {
        fs::write(&file, text).expect("written");
        let config = file.display().to_string();
        lab.agent("n1").args(["--config", &config]).finish()
    };
    let file = file.display().to_string();
    with_config("bnd = \"127.0.0.1:0\"\n").refused(2, &[&file, "bnd", "bind", "hint:"]);
    with_config("profile = \"fast\"\n").refused(2, &["profile", "fast", "lan", "wan", "local"]);
    with_config("join = 7\n").refused(2, &[&file, "join"]);
    with_config("join = [\n").refused(2, &[&file]);
    let absent = lab.agent("n1").args(["--config", "/absent.toml"]).finish();
    absent.refused(2, &["/absent.toml", "hint:"]);
}

#[test]
fn a_name_or_cluster_or_tag_that_cannot_be_is_refused() {
    let lab = Lab::new();
    lab.agent("n 1").finish().refused(2, &["n 1", "hint:"]);
    let cluster = lab.agent("n1").args(["--cluster", "my cluster"]);
    cluster.finish().refused(2, &["my cluster", "hint:"]);
    let tag = lab.agent("n1").args(["--tag", "role"]);
    tag.finish().refused(2, &["role", "hint:"]);
    let huge = format!("role={}", "x".repeat(16_500));
    let tag = lab.agent("n1").args(["--tag", &huge]);
    tag.finish().refused(2, &["16384", "hint:"]);
}

#[test]
fn a_data_directory_that_cannot_be_written_is_a_warning() {
    let lab = Lab::new();
    let folder = "/proc/headcount";
    let agent = lab.agent("n1").args(["--data-dir", folder]).start();
    agent.await_logged(&["WARN", folder]);
    let status = agent.status();
    assert_eq!(
        (&status["generation"], &status["health"]),
        (&1.into(), &"degraded".into())
    );
    assert!(
        status["health_reasons"]
            .to_string()
            .contains("data directory"),
        "{status:#}"
    );
}

#[test]
fn seeds_that_do_not_resolve_or_answer_are_tried_on_and_mentioned_once() {
    let lab = Lab::new();
    // Too long for a name, so that it is refused without asking any server.
    let nowhere = format!("{}.invalid:7946", "x".repeat(70));
    let dead = lab.reserve().to_string();
    let agent = lab
        .agent("n1")
        .args(["--join", &nowhere, "--join", &dead])
        .start();
    for seed in [&nowhere, &dead] {
        until("the seed is mentioned", || {
            (agent.logged(&[seed, "still trying"]) > 0).then_some(())
        });
    }
    pause(Duration::from_secs(3));
    for seed in [&nowhere, &dead] {
        let mentions = agent.logged(&[seed, "still trying"]);
        assert_eq!(mentions, 1, "{seed}: {}", agent.log());
    }
    assert_eq!(agent.count("alive"), 1);
}

#[test]
fn removing_an_unknown_or_alive_member_is_a_no() {
    let lab = Lab::new();
    let agents = lab.cluster(2);
    let socket = agents[0].socket().display().to_string();
    let remove = |name| run(["remove", name, "--socket", &socket]);
    remove("nobody").refused(1, &["nobody", "hint:"]);
    remove("n2").refused(1, &["n2", "alive", "hint:"]);
    await_members(&agents, "alive", 2);
}

#[test]
fn a_command_line_seed_that_is_no_address_is_refused() {
    let lab = Lab::new();
    let agent = lab.agent("n1").start();
    let socket = agent.socket().display().to_string();
    let ended = run(["join", "host:port:port", "--socket", &socket]);
    assert!(matches!(ended.code(), 1 | 2), "{ended:#?}");
    assert!(ended.stderr.contains("host:port:port"), "{ended:#?}");
    // What cannot be joined is not offered either.
    let ended = run(["join", "", "--socket", &socket]);
    assert!(ended.stderr.contains("or srv:NAME"), "{ended:#?}");
    assert!(!ended.stderr.contains("file:"), "{ended:#?}");
    let ended = run(["join", "file:/etc/hostname", "--socket", &socket]);
    assert!(ended.stderr.contains("is a file"), "{ended:#?}");
    assert!(!ended.stderr.contains("cannot resolve"), "{ended:#?}");
    let refused = lab.agent("n2").args(["--join", ""]).finish();
    refused.refused(2, &["join", "file:/etc/headcount/seeds"]);
}

#[test]
fn hello_of_this_version_is_what_the_damage_is_made_from() {
    let lab = Lab::new();
    let bytes = hello(&lab, "default");
    assert_eq!(bytes[0], MAGIC);
    assert_eq!(bytes[1], headcount::swim::WIRE_VERSION);
    assert!(bytes.len() <= headcount::swim::PACKET_BYTES_MAX);
}
