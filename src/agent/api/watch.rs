//! `GET /v1/watch`: the stream of changes, as NDJSON or as server-sent events.

use std::{sync::Arc, time::Duration};

use axum::{
    body::Body,
    extract::State,
    http::{HeaderMap, StatusCode, Uri, header},
    response::{IntoResponse, Response},
};
use bytes::{BufMut, Bytes, BytesMut};
use tokio::{
    sync::{mpsc, watch},
    time::{Interval, MissedTickBehavior, interval},
};

use crate::{
    agent::shared::{Place, Pulse, Shared},
    feed::{self, Batch, Epoch, Line, Position, Subscriber},
};

use super::{Problem, body::TaskBody, query};

/// How often a stream says that it is alive and complete.
const HEARTBEAT: Duration = Duration::from_secs(10);
/// Streams at once; some connections stay free for those who only ask.
const SUBSCRIBERS_MAX: usize = 960;
const LAST_EVENT_ID: &str = "last-event-id";

pub(super) async fn follow(
    State(shared): State<Arc<Shared>>,
    uri: Uri,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let mut wish = query::stream(&uri)?;
    if wish.resume.is_none() {
        wish.resume = last_event(&headers);
    }
    let place = shared.take_place(SUBSCRIBERS_MAX).ok_or_else(|| {
        let detail = format!("{SUBSCRIBERS_MAX} streams are open already");
        Problem::new(StatusCode::SERVICE_UNAVAILABLE, detail)
    })?;
    let format = format(&headers);
    let (sender, body) = mpsc::channel(1);
    let stream = Stream {
        format,
        epoch: shared.feed().epoch(),
        subscriber: Subscriber::new(wish.filter, wish.resume),
        sender,
        _place: place,
    };
    tokio::spawn(stream.run(shared));
    let headers = [
        (header::CONTENT_TYPE, format.content_type()),
        (header::CACHE_CONTROL, "no-cache"),
    ];
    Ok((headers, Body::new(TaskBody(body))).into_response())
}

/// A browser that reconnects says where it was. One that says something else starts anew: it
/// could not be told anyway.
fn last_event(headers: &HeaderMap) -> Option<Position> {
    headers.get(LAST_EVENT_ID)?.to_str().ok()?.parse().ok()
}

fn format(headers: &HeaderMap) -> Format {
    let mut accepted = headers.get_all(header::ACCEPT).iter();
    let is_sse = |value: &header::HeaderValue| {
        value
            .to_str()
            .is_ok_and(|value| value.contains("text/event-stream"))
    };
    if accepted.any(is_sse) {
        Format::Sse
    } else {
        Format::Ndjson
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Format {
    Ndjson,
    Sse,
}

/// One consumer's stream. What it sends waits here, one chunk at a time, until it was taken.
#[derive(Debug)]
struct Stream {
    format: Format,
    epoch: Epoch,
    subscriber: Subscriber,
    sender: mpsc::Sender<Bytes>,
    _place: Place,
}

/// The consumer has gone.
#[derive(Debug)]
struct Gone;

impl Stream {
    async fn run(mut self, shared: Arc<Shared>) {
        let mut pulse = shared.pulse.subscribe();
        let mut heartbeat = interval(HEARTBEAT);
        heartbeat.set_missed_tick_behavior(MissedTickBehavior::Delay);
        heartbeat.reset();
        while self.turn(&shared, &mut pulse, &mut heartbeat).await.is_ok() {}
    }

    /// Sends everything there is, then waits for more. Ends with the agent.
    async fn turn(
        &mut self,
        shared: &Shared,
        pulse: &mut watch::Receiver<Pulse>,
        heartbeat: &mut Interval,
    ) -> Result<(), Gone> {
        let is_last = pulse.borrow_and_update().ended;
        self.catch_up(shared).await?;
        if is_last {
            return Err(Gone);
        }
        tokio::select! {
            changed = pulse.changed() => changed.map_err(|_| Gone),
            () = self.sender.closed() => Err(Gone),
            _ = heartbeat.tick() => {
                let seq = self.subscriber.seq();
                self.send_record(seq, feed::heartbeat(seq, shared.clock.now())).await
            }
        }
    }

    async fn catch_up(&mut self, shared: &Shared) -> Result<(), Gone> {
        loop {
            let batch = self.subscriber.pull(&shared.feed());
            match batch {
                Batch::Nothing => return Ok(()),
                Batch::Changes(lines) if lines.is_empty() => {}
                Batch::Changes(lines) => self.send(self.chunk(&lines)).await?,
                Batch::Snapshot { gap, snapshot } => {
                    if let Some((from, to)) = gap {
                        self.send_gap(feed::gap(from, to)).await?;
                    }
                    let seq = snapshot.seq;
                    let at = shared.clock.now();
                    self.send_pieces(seq, snapshot.record(at)).await?;
                }
            }
        }
    }

    fn chunk(&self, lines: &[Line]) -> Bytes {
        let size = lines.iter().map(|line| line.json.len() + 64).sum();
        let mut chunk = BytesMut::with_capacity(size);
        for line in lines {
            self.begin(&mut chunk, line.seq);
            chunk.put_slice(&line.json);
            self.finish(&mut chunk);
        }
        chunk.freeze()
    }

    async fn send_record(&self, seq: u64, json: Bytes) -> Result<(), Gone> {
        self.send(self.chunk(&[Line { seq, json }])).await
    }

    /// A gap carries no id: who reconnects before its snapshot came must be told again.
    async fn send_gap(&self, json: Bytes) -> Result<(), Gone> {
        let mut chunk = BytesMut::new();
        if self.format == Format::Sse {
            chunk.put_slice(b"data: ");
        }
        chunk.put_slice(&json);
        self.finish(&mut chunk);
        self.send(chunk.freeze()).await
    }

    async fn send_pieces(&self, seq: u64, pieces: feed::Pieces) -> Result<(), Gone> {
        let (mut head, mut tail) = (BytesMut::new(), BytesMut::new());
        self.begin(&mut head, seq);
        self.finish(&mut tail);
        let parts = [head.freeze()].into_iter().chain(pieces);
        for part in parts.chain([tail.freeze()]) {
            if !part.is_empty() {
                self.send(part).await?;
            }
        }
        Ok(())
    }

    fn begin(&self, chunk: &mut BytesMut, seq: u64) {
        if self.format == Format::Sse {
            let epoch = self.epoch;
            let id = Position { epoch, seq };
            chunk.put_slice(format!("id: {id}\ndata: ").as_bytes());
        }
    }

    fn finish(&self, chunk: &mut BytesMut) {
        if self.format == Format::Sse {
            chunk.put_slice(b"\n");
        }
    }

    async fn send(&self, chunk: Bytes) -> Result<(), Gone> {
        self.sender.send(chunk).await.map_err(|_| Gone)
    }
}

impl Format {
    const fn content_type(self) -> &'static str {
        match self {
            Self::Ndjson => "application/x-ndjson",
            Self::Sse => "text/event-stream",
        }
    }
}
