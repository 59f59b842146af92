//! `Readers`: so many subscribers, read by one thread as fast as they come.

use std::{
    cell::RefCell,
    path::{Path, PathBuf},
    rc::Rc,
    sync::mpsc,
    thread::{self, JoinHandle},
    time::Duration,
};

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::UnixStream,
    runtime::Builder,
    sync::watch,
    task::LocalSet,
};

use crate::{support::Stopwatch, times::Times};

/// How long to wait for lines that are still to come.
const PATIENCE: Duration = Duration::from_secs(30);

pub(crate) struct Readers {
    /// How many changes there were, once that is known.
    changes: watch::Sender<Option<usize>>,
    thread: JoinHandle<Heard>,
}

/// What all of them heard.
#[derive(Default)]
pub(crate) struct Heard {
    /// When the last of them had each change, by the number in its reason.
    last: Vec<Option<Stopwatch>>,
    pub(crate) lines: usize,
    /// Numbers that some subscriber was not told.
    pub(crate) lost: usize,
}

impl Heard {
    /// From each change to the last subscriber that heard of it.
    pub(crate) fn times(&self, sent: &[Stopwatch]) -> Times {
        let both = sent.iter().zip(&self.last);
        let times = both.filter_map(|(sent, heard)| Some(sent.until((*heard)?)));
        Times::new(times.collect())
    }
}

impl Readers {
    /// Returns once each has its snapshot.
    pub(crate) fn open(socket: &Path, subscribers: usize) -> Self {
        let (changes, known) = watch::channel(None);
        let (ready, readiness) = mpsc::channel();
        let socket = socket.to_owned();
        allow_files(subscribers as u64 + 500);
        let thread = thread::spawn(move || {
            let runtime = Builder::new_current_thread().enable_all().build();
            let all = read_all(socket, subscribers, known, ready);
            LocalSet::new().block_on(&runtime.expect("a runtime"), all)
        });
        for _ in 0..subscribers {
            readiness.recv().expect("a snapshot");
        }
        Self { changes, thread }
    }

    /// Waits until each has so many changes.
    pub(crate) fn close(self, changes: usize) -> Heard {
        self.changes.send_replace(Some(changes));
        self.thread.join().expect("no panic")
    }
}

async fn read_all(
    socket: PathBuf,
    subscribers: usize,
    known: watch::Receiver<Option<usize>>,
    ready: mpsc::Sender<()>,
) -> Heard {
    let heard = Rc::new(RefCell::new(Heard::default()));
    let mut reading = tokio::task::JoinSet::new();
    for _ in 0..subscribers {
        let reader = Reader {
            heard: heard.clone(),
            ready: Some(ready.clone()),
            rest: Vec::new(),
            seq: 0,
            changes: 0,
        };
        reading.spawn_local(reader.read(socket.clone(), known.clone()));
    }
    reading.join_all().await;
    heard.take()
}

struct Reader {
    heard: Rc<RefCell<Heard>>,
    ready: Option<mpsc::Sender<()>>,
    /// The beginning of a line.
    rest: Vec<u8>,
    seq: u64,
    changes: usize,
}

impl Reader {
    async fn read(mut self, socket: PathBuf, mut known: watch::Receiver<Option<usize>>) {
        let mut stream = UnixStream::connect(socket).await.expect("it accepts");
        let request = b"GET /v1/watch HTTP/1.1\r\nHost: headcount\r\n\r\n";
        stream.write_all(request).await.expect("written");
        let mut buffer = [0; 16 * 1024];
        loop {
            let all = *known.borrow_and_update();
            if all.is_some_and(|all| self.changes >= all) {
                return;
            }
            let patience = all.map_or(Duration::MAX, |_| PATIENCE);
            tokio::select! {
                size = stream.read(&mut buffer) => self.take(&buffer[..size.expect("it goes on")]),
                changed = known.changed() => changed.expect("it is told"),
                () = tokio::time::sleep(patience) => return,
            }
        }
    }

    fn take(&mut self, bytes: &[u8]) {
        let now = Stopwatch::start();
        self.rest.extend_from_slice(bytes);
        while let Some(end) = self.rest.iter().position(|byte| *byte == b'\n') {
            let line: Vec<u8> = self.rest.drain(..=end).collect();
            let line = String::from_utf8_lossy(&line);
            if line.starts_with('{') {
                self.line(&line, now);
            }
        }
    }

    fn line(&mut self, line: &str, now: Stopwatch) {
        let Some(seq) = number(line, "\"seq\":") else {
            return;
        };
        if let Some(ready) = self.ready.take() {
            self.seq = seq;
            ready.send(()).expect("somebody waits");
        } else if let Some(change) = number(line, "\"app_reason\":\"") {
            let mut heard = self.heard.borrow_mut();
            heard.lost += usize::try_from(seq - self.seq - 1).expect("64 bits");
            heard.lines += 1;
            let index = usize::try_from(change).expect("64 bits");
            if heard.last.len() <= index {
                heard.last.resize(index + 1, None);
            }
            // Nobody has it later than the last one to read it.
            heard.last[index] = Some(now);
            (self.seq, self.changes) = (seq, self.changes + 1);
        }
    }
}

/// Lets this process have so many open files.
fn allow_files(wanted: u64) {
    let limit = getrlimit(Resource::Nofile);
    let maximum = limit.maximum.map(|maximum| maximum.max(wanted));
    let current = Some(wanted.max(limit.current.unwrap_or(wanted)));
    setrlimit(Resource::Nofile, Rlimit { current, maximum }).expect("so many open files");
}

/// The number that follows `key`.
fn number(line: &str, key: &str) -> Option<u64> {
    let (_, rest) = line.split_once(key)?;
    let digits = rest.find(|c: char| !c.is_ascii_digit())?;
    rest[..digits].parse().ok()
}
