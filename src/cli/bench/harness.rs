//! What the harness itself adds to every time: from a line's being written to its time stamp, at
//! as many consumers as there are agents, all of which are told at the same moment.

use std::{
    io::{self, BufRead, BufReader, Write},
    os::unix::net::{UnixListener, UnixStream},
    path::Path,
    sync::mpsc,
    thread,
    time::Duration,
};

use serde_json::json;
use tokio::time::sleep;

use super::{
    crowd::{Crowd, Word},
    metric::Metric,
    ours::follow,
    samples::Samples,
};
use crate::cli::{Failure, moment::Stopwatch};

/// So many lines at each consumer.
const LINES: u32 = 50;
const EVERY: Duration = Duration::from_millis(10);
/// So often nothing may be heard for a while.
const QUIETS_MAX: u32 = 100;
const AT: &str = "2026-01-05T10:00:00.000Z";

/// Measures it with so many consumers.
///
/// # Errors
/// When sockets cannot be made.
pub(super) async fn measure(consumers: u16, samples: &mut Samples) -> Result<(), Failure> {
    let trouble = |error| Failure::trouble(format!("cannot measure the harness: {error}"));
    let dir = tempfile::tempdir().map_err(trouble)?;
    let clock = Stopwatch::start();
    let mut crowd = Crowd::new(clock);
    let (streams, accepted) = mpsc::channel();
    for number in 0..consumers {
        let path = dir.path().join(format!("{number}.sock"));
        serve(&path, streams.clone()).map_err(trouble)?;
        crowd.listen(&number.to_string(), |ear| follow(path, ear));
    }
    let (strokes, struck) = mpsc::channel();
    let write = move || write(clock, &accepted, usize::from(consumers), &struck);
    thread::Builder::new().spawn(write).map_err(trouble)?;
    for _ in 0..LINES {
        sleep(EVERY).await;
        // A writer that is gone is noticed by what is not heard.
        let _ = strokes.send(());
        for _ in 0..consumers {
            let error = heard(&mut crowd).await?;
            samples.note_time(Metric::Harness, 1, error);
        }
    }
    Ok(())
}

/// How late the next line was stamped.
async fn heard(crowd: &mut Crowd) -> Result<Duration, Failure> {
    let mut quiets = 0;
    while quiets < QUIETS_MAX {
        match crowd.next().await {
            Some(heard) if heard.word == Word::Join => {
                let written = heard.about.parse().map_or(heard.at, Duration::from_nanos);
                return Ok(heard.at.saturating_sub(written));
            }
            Some(_) => {}
            None => quiets += 1,
        }
    }
    Err(Failure::trouble("the harness does not hear itself"))
}

/// Gives the connection of the first consumer that asks for a stream, which has begun.
fn serve(path: &Path, streams: mpsc::Sender<UnixStream>) -> io::Result<()> {
    let listener = UnixListener::bind(path)?;
    let body = move || {
        // Whoever only looks whether there is somebody asks for nothing.
        let asked = listener
            .incoming()
            .find_map(|stream| begun(stream.ok()?).ok()?);
        // A harness that ends needs no more.
        let _ = asked.map(|stream| streams.send(stream));
    };
    thread::Builder::new().spawn(body).map(drop)
}

fn begun(mut stream: UnixStream) -> io::Result<Option<UnixStream>> {
    let lines = BufReader::new(stream.try_clone()?).lines();
    let mut lines = lines.map_while(Result::ok);
    if !lines.any(|line| line.is_empty()) {
        return Ok(None);
    }
    let head = "HTTP/1.1 200 OK\r\nContent-Type: application/x-ndjson\r\n\r\n";
    let snapshot = json!({"type": "snapshot", "epoch": "0", "seq": 0, "at": AT, "members": []});
    writeln!(stream, "{head}{snapshot}")?;
    Ok(Some(stream))
}

/// Writes a line to every consumer for each stroke, once all of them are there.
fn write(
    clock: Stopwatch,
    accepted: &mpsc::Receiver<UnixStream>,
    consumers: usize,
    struck: &mpsc::Receiver<()>,
) {
    let mut streams: Vec<_> = accepted.iter().take(consumers).collect();
    for (seq, ()) in (1_u64..).zip(struck.iter()) {
        for stream in &mut streams {
            let written = clock.elapsed().as_nanos();
            let member = json!({"name": written.to_string(), "id": "0", "state": "alive",
                "address": "127.0.0.1:1", "generation": 1, "incarnation": 0, "tags": {},
                "since": AT});
            let line = json!({"type": "join", "seq": seq, "at": AT, "member": member});
            // Who is gone is noticed by what is not heard.
            let _ = stream.write_all(format!("{line}\n").as_bytes());
        }
    }
}
