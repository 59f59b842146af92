//! Streams: TCP connections that carry length-prefixed frames between two nodes.
//!
//! Whoever connects may be anybody: it waits at the [`entrance`] until it has said one whole, small
//! frame. Each stream is a task of its own with a bounded queue in each direction, a bounded life
//! and a share of one budget of bytes, so that nothing a peer does can block the protocol or grow
//! its memory. A stream that breaks a bound is closed; that is all the node hears of it.

mod entrance;
mod exchange;
mod frames;

use std::{
    collections::BTreeMap,
    io,
    net::{IpAddr, SocketAddr},
    sync::Arc,
    time::Duration,
};

use bytes::Bytes;
use tokio::{
    net::{TcpListener, TcpSocket, TcpStream},
    sync::{Semaphore, mpsc, oneshot},
    time::timeout,
};
use tracing::debug;

use crate::swim::{STREAMS_BEGUN_MAX, StreamEnd, StreamId};

use super::{clock::Clock, shared::Tallies};
use entrance::{Accepted, Entrance};
use exchange::{Line, Tasks};
pub(super) use frames::Frame;

const DIAL_TIMEOUT: Duration = Duration::from_secs(5);
/// Frames waiting to be written to one stream.
const FRAMES_QUEUED_MAX: usize = 8;
/// Events waiting for the protocol, of all streams together.
const EVENTS_QUEUED_MAX: usize = 16;

/// What happened on a stream.
#[derive(Debug)]
pub(super) enum StreamEvent {
    /// The stream is over.
    Closed { stream: StreamId, end: StreamEnd },
    /// A whole frame arrived.
    Frame { stream: StreamId, frame: Frame },
}

/// What the tasks tell.
#[derive(Debug)]
enum Message {
    /// A peer connected and said something.
    Accepted(Accepted),
    Event(StreamEvent),
}

/// Every open stream.
#[derive(Debug)]
pub(super) struct Streams {
    open: BTreeMap<StreamId, Open>,
    /// Streams that we opened leave from here, as our datagrams do.
    local: IpAddr,
    dialed: Arc<Semaphore>,
    /// The next stream that a peer opens; odd, as those we open are even.
    next_accepted: u64,
    tasks: Tasks,
    messages: mpsc::Receiver<Message>,
}

/// Our end of a stream's task.
#[derive(Debug)]
struct Open {
    frames: mpsc::Sender<Bytes>,
    /// Tells a peer's task that the node took what the peer opened with.
    trust: Option<oneshot::Sender<()>>,
}

impl Streams {
    /// Accepts at `listener` and dials from `local`; counts connections that were closed to make
    /// room for others, or could not be accepted. Must be called inside a runtime.
    pub(super) fn new(
        listener: TcpListener,
        local: IpAddr,
        clock: Clock,
        tallies: Arc<Tallies>,
    ) -> Self {
        let (sender, messages) = mpsc::channel(EVENTS_QUEUED_MAX);
        let entrance = Entrance::new(clock, sender.clone(), tallies);
        tokio::spawn(entrance.run(listener));
        Self {
            open: BTreeMap::new(),
            local,
            dialed: Arc::new(Semaphore::new(STREAMS_BEGUN_MAX)),
            next_accepted: 1,
            tasks: Tasks::new(sender),
            messages,
        }
    }

    /// Open streams.
    pub(super) fn len(&self) -> usize {
        self.open.len()
    }

    /// The next thing that happens to a stream the node still knows.
    pub(super) async fn next(&mut self) -> StreamEvent {
        loop {
            let message = self.messages.recv().await;
            match message.expect("we hold a sender ourselves") {
                Message::Accepted(accepted) => return self.admit(accepted),
                Message::Event(event) if self.concerns(&event) => return event,
                Message::Event(_) => {}
            }
        }
    }

    fn concerns(&mut self, event: &StreamEvent) -> bool {
        match event {
            StreamEvent::Closed { stream, .. } => self.open.remove(stream).is_some(),
            StreamEvent::Frame { stream, .. } => self.open.contains_key(stream),
        }
    }

    fn admit(&mut self, accepted: Accepted) -> StreamEvent {
        let stream = StreamId(self.next_accepted);
        self.next_accepted += 2;
        let Accepted {
            tcp,
            from,
            opening,
            place,
        } = accepted;
        let (trust, trusted) = oneshot::channel();
        let frames = self.open(stream, Some(trust));
        let (tasks, line) = (self.tasks.clone(), Line::new(stream, from, frames));
        tokio::spawn(async move {
            tasks.exchange(line.once(trusted), tcp).await;
            drop(place);
        });
        StreamEvent::Frame {
            stream,
            frame: opening,
        }
    }

    fn open(
        &mut self,
        stream: StreamId,
        trust: Option<oneshot::Sender<()>>,
    ) -> mpsc::Receiver<Bytes> {
        let (frames, queued) = mpsc::channel(FRAMES_QUEUED_MAX);
        self.open.insert(stream, Open { frames, trust });
        queued
    }

    /// Dials `to` and writes `frame`. Failure is told as the stream's end.
    pub(super) fn dial(&mut self, stream: StreamId, to: SocketAddr, frame: Bytes) {
        let permit = self.dialed.clone().try_acquire_owned();
        let frames = self.open(stream, None);
        self.write(stream, frame);
        let (tasks, local) = (self.tasks.clone(), self.local);
        let line = Line::new(stream, to, frames);
        tokio::spawn(async move {
            let mut end = StreamEnd::Unreachable;
            if let Ok(_permit) = permit {
                match timeout(DIAL_TIMEOUT, connect(local, to)).await {
                    Ok(Ok(tcp)) => return tasks.exchange(line, tcp).await,
                    Ok(Err(error)) => {
                        debug!(%to, %error, "dialing failed");
                        if error.kind() == io::ErrorKind::ConnectionRefused {
                            end = StreamEnd::Refused;
                        }
                    }
                    Err(_) => debug!(%to, "dialing took too long"),
                }
            }
            tasks.tell(StreamEvent::Closed { stream, end }).await;
        });
    }

    /// Queues a frame. A peer that does not read what it asked for loses its stream: nothing
    /// more is queued, and the end is told once what was queued before is out.
    ///
    /// The node answers nobody but those who said something genuine.
    pub(super) fn write(&mut self, stream: StreamId, frame: Bytes) {
        if let Some(open) = self.open.get_mut(&stream) {
            if let Some(trust) = open.trust.take() {
                // A stream that broke meanwhile needs no trust.
                let _ = trust.send(());
            }
            if open.frames.try_send(frame).is_err() {
                open.frames = mpsc::channel(1).0;
            }
        }
    }

    /// Closes the stream once everything queued is out.
    pub(super) fn close(&mut self, stream: StreamId) {
        self.open.remove(&stream);
    }
}

async fn connect(local: IpAddr, to: SocketAddr) -> io::Result<TcpStream> {
    let socket = match to {
        SocketAddr::V4(_) => TcpSocket::new_v4()?,
        SocketAddr::V6(_) => TcpSocket::new_v6()?,
    };
    if !local.is_unspecified() && local.is_ipv4() == to.is_ipv4() {
        socket.bind(SocketAddr::new(local, 0))?;
    }
    socket.connect(to).await
}

#[cfg(test)]
mod tests;
