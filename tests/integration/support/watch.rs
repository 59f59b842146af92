//! `Watch`: one consumer of an agent's event stream, reading everything as fast as it comes.

use std::{
    collections::BTreeMap,
    io::{BufRead, BufReader, Write},
    net::Shutdown,
    os::unix::net::UnixStream,
    path::Path,
    sync::{Arc, Condvar, Mutex, MutexGuard},
    thread,
};

use serde_json::Value;

use super::{Body, PATIENCE, Stopwatch, read_head};

/// A consumer that keeps every record in the order received. It checks what every consumer may
/// rely on: the first record is a snapshot, and after it the numbers have no hole.
pub(crate) struct Watch {
    whose: String,
    heard: Arc<(Mutex<Heard>, Condvar)>,
    socket: UnixStream,
}

#[derive(Default)]
struct Heard {
    records: Vec<Value>,
    /// When each came out of the socket.
    received: Vec<Stopwatch>,
    /// The number of the last record; `None` until there was a snapshot.
    seq: Option<u64>,
    ended: bool,
    broken: Option<String>,
}

impl Watch {
    /// Watches everything from now on: a snapshot comes first.
    pub(crate) fn open(whose: &str, socket: &Path) -> Self {
        Self::start(whose, socket, "/v1/watch", None)
    }

    /// Continues after record `seq` of `epoch`.
    pub(crate) fn resume(whose: &str, socket: &Path, epoch: &str, seq: u64) -> Self {
        let path = format!("/v1/watch?resume={epoch}:{seq}");
        Self::start(whose, socket, &path, Some(seq))
    }

    fn start(whose: &str, path: &Path, target: &str, resumed: Option<u64>) -> Self {
        let socket = UnixStream::connect(path).expect("the agent's socket accepts");
        let mut writer = &socket;
        write!(writer, "GET {target} HTTP/1.1\r\nHost: headcount\r\n\r\n").expect("written");
        let heard = Heard {
            seq: resumed,
            ..Heard::default()
        };
        let heard = Arc::new((Mutex::new(heard), Condvar::new()));
        let watch = Self {
            whose: whose.to_owned(),
            heard: Arc::clone(&heard),
            socket: socket.try_clone().expect("a second handle"),
        };
        thread::spawn(move || listen(socket, &heard));
        watch.wait("the first record", |records| records.first().map(|_| ()));
        watch
    }

    /// Waits until `look` finds what it wants among all records so far.
    ///
    /// # Panics
    /// After [`PATIENCE`]; when the stream ended or broke its promises.
    pub(crate) fn wait<T>(&self, what: &str, mut look: impl FnMut(&[Value]) -> Option<T>) -> T {
        self.wait_timed(what, |records, _| look(records))
    }

    /// Waits for a record of type `kind` about `member` that comes after `since`, and tells when
    /// the first came.
    pub(crate) fn wait_received(&self, kind: &str, member: &str, since: Stopwatch) -> Stopwatch {
        self.wait_timed(&format!("{kind} of {member}"), |records, received| {
            first_received(records, received, (kind, member), since)
        })
    }

    /// When the first record of type `kind` about `member` after `since` came, if one did.
    pub(crate) fn received(&self, kind: &str, member: &str, since: Stopwatch) -> Option<Stopwatch> {
        let heard = self.lock();
        first_received(&heard.records, &heard.received, (kind, member), since)
    }

    fn wait_timed<T>(
        &self,
        what: &str,
        mut look: impl FnMut(&[Value], &[Stopwatch]) -> Option<T>,
    ) -> T {
        let (heard, changed) = &*self.heard;
        let mut found = None;
        let (heard, _) = changed
            .wait_timeout_while(heard.lock().expect("no panic"), PATIENCE, |heard| {
                found = look(&heard.records, &heard.received);
                found.is_none() && !heard.ended && heard.broken.is_none()
            })
            .expect("no panic");
        let whose = &self.whose;
        if let Some(broken) = &heard.broken {
            panic!("{whose}'s stream broke its promise: {broken}");
        }
        found.unwrap_or_else(|| {
            let said: Vec<_> = heard.records.iter().map(summary).collect();
            let ended = if heard.ended { " (stream ended)" } else { "" };
            panic!("waited in vain at {whose}{ended}: {what}; it said {said:#?}")
        })
    }

    /// Waits for a record of type `kind` about `member` and gives the first.
    pub(crate) fn wait_for(&self, kind: &str, member: &str) -> Value {
        self.wait(&format!("{kind} of {member}"), |records| {
            records.iter().find(|r| is(r, kind, member)).cloned()
        })
    }

    /// Waits for a record of type `kind`, whatever it is about.
    pub(crate) fn wait_for_kind(&self, kind: &str) -> Value {
        self.wait(kind, |records| {
            records.iter().find(|r| r["type"] == kind).cloned()
        })
    }

    /// Waits until everything up to `seq` was received.
    pub(crate) fn wait_for_seq(&self, seq: u64) {
        self.wait(&format!("record {seq}"), |records| {
            let last = records.last().and_then(|record| record["seq"].as_u64());
            (last >= Some(seq)).then_some(())
        });
    }

    /// How many records of type `kind` about `member` came so far.
    pub(crate) fn count(&self, kind: &str, member: &str) -> usize {
        let heard = self.lock();
        heard.records.iter().filter(|r| is(r, kind, member)).count()
    }

    /// The types of all changes about `member` so far, in order.
    pub(crate) fn story(&self, member: &str) -> Vec<String> {
        let heard = self.lock();
        let about = heard
            .records
            .iter()
            .filter(|r| r["member"]["name"] == member);
        about.map(|r| text(&r["type"])).collect()
    }

    /// All records so far.
    pub(crate) fn records(&self) -> Vec<Value> {
        self.lock().records.clone()
    }

    /// The members by name, as a consumer knows them from the snapshot and the changes up to
    /// `seq`.
    pub(crate) fn replay(&self, seq: u64) -> BTreeMap<String, Value> {
        let mut members = BTreeMap::new();
        for record in self.records() {
            if record["seq"].as_u64() > Some(seq) {
                break;
            }
            if record["type"] == "snapshot" {
                members.clear();
                let listed = record["members"].as_array().expect("a list of members");
                members.extend(listed.iter().map(|m| (text(&m["name"]), m.clone())));
            }
            let name = text(&record["member"]["name"]);
            match record["member"].is_null() {
                true => {}
                false if record["type"] == "removed" => drop(members.remove(&name)),
                false => drop(members.insert(name, record["member"].clone())),
            }
        }
        members
    }

    fn lock(&self) -> MutexGuard<'_, Heard> {
        self.heard.0.lock().expect("no panic")
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        // The reader ends by itself; an agent that is gone has closed it already.
        let _ = self.socket.shutdown(Shutdown::Both);
    }
}

fn first_received(
    records: &[Value],
    received: &[Stopwatch],
    (kind, member): (&str, &str),
    since: Stopwatch,
) -> Option<Stopwatch> {
    let mut timed = records.iter().zip(received);
    let found = timed.find(|(record, at)| **at > since && is(record, kind, member));
    found.map(|(_, at)| *at)
}

fn is(record: &Value, kind: &str, member: &str) -> bool {
    let about = [&record["member"]["name"], &record["from"]];
    record["type"] == kind && about.iter().any(|name| **name == member)
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

fn summary(record: &Value) -> String {
    let (kind, seq) = (text(&record["type"]), &record["seq"]);
    format!("{seq} {kind} {}", text(&record["member"]["name"]))
}

fn listen(socket: UnixStream, heard: &(Mutex<Heard>, Condvar)) {
    let mut reader = BufReader::new(socket);
    if let Some((status, headers)) = read_head(&mut reader) {
        let body = BufReader::new(Body::new(reader, &headers));
        for line in body.lines().map_while(Result::ok) {
            let at = Stopwatch::start();
            let mut heard_now = heard.0.lock().expect("no panic");
            match status {
                200 => heard_now.push(&line, at),
                _ => heard_now.broken = Some(format!("status {status}: {line}")),
            }
            heard.1.notify_all();
        }
    }
    heard.0.lock().expect("no panic").ended = true;
    heard.1.notify_all();
}

impl Heard {
    fn push(&mut self, line: &str, at: Stopwatch) {
        let Ok(record) = serde_json::from_str::<Value>(line) else {
            self.broken = Some(format!("not JSON: {line}"));
            return;
        };
        let seq = record["seq"].as_u64();
        let expected = match record["type"].as_str() {
            Some("snapshot" | "gap") => seq,
            Some("heartbeat") => self.seq,
            Some(_) => self.seq.map(|last| last + 1),
            None => None,
        };
        if seq != expected {
            self.broken = Some(format!("expected number {expected:?}: {line}"));
        }
        self.seq = seq.or(self.seq);
        self.records.push(record);
        self.received.push(at);
    }
}
