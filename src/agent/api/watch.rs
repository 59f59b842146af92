//! `GET /v1/watch`: the stream of changes, as NDJSON or as server-sent events.

use std::{convert::Infallible, iter, mem, sync::Arc, time::Duration};

use axum::{
    Extension,
    body::Body,
    extract::State,
    http::{HeaderMap, StatusCode, Uri, header},
    response::{IntoResponse, Response},
};
use bytes::{BufMut, Bytes, BytesMut};
use futures_util::stream::unfold;
use tokio::{
    sync::watch,
    time::{Interval, MissedTickBehavior, interval},
};

use crate::{
    agent::shared::{Place, Pulse, Shared, Way},
    feed::{self, Batch, Epoch, Line, Position, Subscriber},
    swim::Timestamp,
};

use super::{
    Problem,
    access::Door,
    query::{self, Wish},
};

/// How often a stream says that it is alive and complete.
const HEARTBEAT: Duration = Duration::from_secs(10);
/// Streams at once on the socket, and on TCP; some connections of each stay free for those who only
/// ask.
const SOCKET_STREAMS_MAX: usize = 3_840;
const TCP_STREAMS_MAX: usize = 960;
const LAST_EVENT_ID: &str = "last-event-id";

pub(super) async fn follow(
    State(shared): State<Arc<Shared>>,
    door: Option<Extension<Door>>,
    uri: Uri,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let Wish { taste, resume } = query::stream(&uri)?;
    // A browser repeats the address it began with, and says where it is by now.
    let resume = last_event(&headers).or(resume);
    let (way, max) = match door {
        None => (Way::Socket, SOCKET_STREAMS_MAX),
        Some(_) => (Way::Tcp, TCP_STREAMS_MAX),
    };
    let place = shared.take_place(way, max).ok_or_else(|| {
        let detail = format!("{max} streams are open already");
        Problem::new(StatusCode::SERVICE_UNAVAILABLE, detail)
    })?;
    let format = format(&headers);
    let subscriber = Subscriber::new(taste, resume, shared.clock.now());
    let stream = Stream::new(shared, format, subscriber, place);
    let body = Body::from_stream(unfold(stream, Stream::next));
    let headers = [
        (header::CONTENT_TYPE, format.content_type()),
        (header::CACHE_CONTROL, "no-cache"),
        // Nothing else is answered here, and so nothing that is asked hides a reader's end.
        (header::CONNECTION, "close"),
    ];
    Ok((headers, body).into_response())
}

/// A browser that reconnects says where it was. What is no position is as good as nothing: it
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

/// One consumer's stream. It is asked for the next chunk when the one before was taken, so that
/// nothing waits for a consumer but what it has not read.
struct Stream {
    shared: Arc<Shared>,
    format: Format,
    epoch: Epoch,
    subscriber: Subscriber,
    pulse: watch::Receiver<Pulse>,
    heartbeat: Interval,
    is_heartbeat_due: bool,
    /// What is left of a snapshot.
    rest: Box<dyn Iterator<Item = Bytes> + Send>,
    _place: Place,
}

/// What a stream does next.
enum Step {
    Send(Bytes),
    /// Look again when there is news, at the latest then.
    Wait(Option<Timestamp>),
}

impl Stream {
    fn new(shared: Arc<Shared>, format: Format, subscriber: Subscriber, place: Place) -> Self {
        let mut heartbeat = interval(HEARTBEAT);
        heartbeat.set_missed_tick_behavior(MissedTickBehavior::Delay);
        heartbeat.reset();
        let epoch = shared.feed().epoch();
        Self {
            format,
            epoch,
            subscriber,
            pulse: shared.relayed.subscribe(),
            heartbeat,
            is_heartbeat_due: false,
            rest: Box::new(iter::empty()),
            shared,
            _place: place,
        }
    }

    /// The next chunk, and the stream after it. Ends with the agent.
    async fn next(mut self) -> Option<(Result<Bytes, Infallible>, Self)> {
        loop {
            let is_last = self.pulse.borrow_and_update().ended;
            match self.step() {
                Step::Send(chunk) if chunk.is_empty() => {}
                Step::Send(chunk) => return Some((Ok(chunk), self)),
                Step::Wait(_) if is_last => return None,
                Step::Wait(until) => self.wait(until).await?,
            }
        }
    }

    fn step(&mut self) -> Step {
        if let Some(piece) = self.rest.next() {
            return Step::Send(piece);
        }
        let shared = self.shared.clone();
        let now = shared.clock.now();
        let feed = shared.feed();
        match self.subscriber.pull(&feed, now) {
            Batch::Changes(lines) => {
                drop(feed);
                Step::Send(self.chunk(&lines))
            }
            Batch::Nothing { .. } if mem::take(&mut self.is_heartbeat_due) => {
                let line = self.subscriber.heartbeat(&feed, now);
                drop(feed);
                Step::Send(self.chunk(line.as_slice()))
            }
            Batch::Nothing { until } => Step::Wait(until),
            Batch::Snapshot { gap, snapshot } => {
                drop(feed);
                self.begin_anew(gap, snapshot.seq, snapshot.record(now));
                Step::Send(Bytes::new())
            }
        }
    }

    async fn wait(&mut self, until: Option<Timestamp>) -> Option<()> {
        tokio::select! {
            changed = self.pulse.changed() => changed.ok()?,
            () = self.shared.clock.reach(until) => {}
            _ = self.heartbeat.tick() => self.is_heartbeat_due = true,
        }
        Some(())
    }

    fn begin_anew(&mut self, gap: Option<(u64, u64)>, seq: u64, pieces: feed::Pieces) {
        let (mut head, mut tail) = (BytesMut::new(), BytesMut::new());
        if let Some((from, to)) = gap {
            self.shared.tallies.gaps.add_one();
            self.put_gap(&mut head, &feed::gap(from, to));
        }
        self.begin(&mut head, seq);
        self.finish(&mut tail);
        let whole = [head.freeze()].into_iter().chain(pieces);
        self.rest = Box::new(whole.chain([tail.freeze()]));
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

    /// A gap carries no id: who reconnects before its snapshot came must be told again.
    fn put_gap(&self, chunk: &mut BytesMut, json: &[u8]) {
        if self.format == Format::Sse {
            chunk.put_slice(b"data: ");
        }
        chunk.put_slice(json);
        self.finish(chunk);
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
}

impl Format {
    const fn content_type(self) -> &'static str {
        match self {
            Self::Ndjson => "application/x-ndjson",
            Self::Sse => "text/event-stream",
        }
    }
}
