//! The slow reader test with Debian's `serf`, where it is installed, over its RPC, which
//! is MessagePack maps: a header and a body each.

use std::{
    io::{self, Read, Write},
    net::{Ipv4Addr, TcpStream},
    process::{Command, Stdio},
    thread,
    time::Duration,
};

use crate::{
    changes::Pace,
    support::{Lab, Running, Stopwatch, pause, until},
};

/// How many events each reader got.
pub(crate) struct Told {
    pub(crate) fast: usize,
    pub(crate) slow: usize,
}

/// A reader knows that nothing more comes when nothing came for so long.
const SILENCE: Duration = Duration::from_secs(5);
/// With it an event is as long as one of our lines.
const PAYLOAD_BYTES: usize = 300;
/// Marks an event on the wire.
const MARK: &str = "bench-event";

/// So many events at this rate; `None` where it is not installed.
pub(crate) fn measure(pace: Pace) -> Option<Told> {
    let version = Command::new("serf").arg("version").output();
    if !version.is_ok_and(|output| output.status.success()) {
        return None;
    }
    let lab = Lab::new();
    let host = lab.host();
    let mut command = Command::new("serf");
    command.args(["agent", "-log-level=err", "-node=bench"]);
    command.arg(format!("-bind={host}:7946"));
    command.arg(format!("-rpc-addr={host}:7373"));
    command.stdin(Stdio::null());
    let _agent = Running::start(command.stdout(Stdio::null()).stderr(Stdio::null()));
    let [fast, slow] = [(); 2].map(|()| stream(host));
    let fast = thread::spawn(move || count(fast));
    send(host, pace);
    let slow = count(slow);
    let fast = fast.join().expect("no panic");
    Some(Told { fast, slow })
}

fn connect(host: Ipv4Addr) -> TcpStream {
    let mut tcp = until("serf answers", || TcpStream::connect((host, 7373)).ok());
    let version = [&text("Version")[..], &[1]].concat();
    call(&mut tcp, "handshake", &[&version]).expect("written");
    await_answer(&mut tcp);
    tcp
}

/// A reader of all events.
fn stream(host: Ipv4Addr) -> TcpStream {
    let mut tcp = connect(host);
    let kind = [text("Type"), text("*")].concat();
    call(&mut tcp, "stream", &[&kind]).expect("written");
    await_answer(&mut tcp);
    tcp
}

fn send(host: Ipv4Addr, pace: Pace) {
    let mut tcp = connect(host);
    let mut answers = tcp.try_clone().expect("a second handle");
    thread::spawn(move || io::copy(&mut answers, &mut io::sink()));
    let begun = Stopwatch::start();
    for number in 0..pace.changes {
        let due = Duration::from_secs(1) / pace.per_second * number;
        pause(due.saturating_sub(begun.elapsed()));
        let name = [text("Name"), text(MARK)].concat();
        let payload = [text("Payload"), text(&format!("{number:0>PAYLOAD_BYTES$}"))].concat();
        call(&mut tcp, "event", &[&name, &payload]).expect("written");
    }
}

/// Events that come before it falls silent.
fn count(mut tcp: TcpStream) -> usize {
    tcp.set_read_timeout(Some(SILENCE)).expect("a time-out");
    let mut all = Vec::new();
    // It ends by falling silent.
    let _ = tcp.read_to_end(&mut all);
    let marks = all.windows(MARK.len());
    marks.filter(|bytes| *bytes == MARK.as_bytes()).count()
}

/// A request: what to do, and pairs of keys and values.
fn call(tcp: &mut TcpStream, command: &str, pairs: &[&[u8]]) -> io::Result<()> {
    let map = |pairs: usize| 0x80 | u8::try_from(pairs).expect("few");
    let mut request = vec![map(2)];
    request.extend([text("Command"), text(command), text("Seq")].concat());
    request.extend([1, map(pairs.len())]);
    request.extend(pairs.concat());
    tcp.write_all(&request)
}

fn await_answer(tcp: &mut TcpStream) {
    let read = tcp.read(&mut [0; 256]).expect("an answer");
    assert!(read > 0, "serf hung up");
}

fn text(text: &str) -> Vec<u8> {
    let length = u16::try_from(text.len()).expect("short").to_be_bytes();
    let head = match text.len() {
        0..32 => vec![0xa0 | length[1]],
        _ => vec![0xda, length[0], length[1]],
    };
    [&head, text.as_bytes()].concat()
}
