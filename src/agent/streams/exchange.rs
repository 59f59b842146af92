//! One stream's task: it reads and writes until either side has had enough.

use std::{io, net::SocketAddr, time::Duration};

use bytes::Bytes;
use tokio::{
    io::AsyncRead,
    net::TcpStream,
    sync::{mpsc, oneshot},
    time::timeout,
};
use tracing::debug;

use crate::swim::{FRAME_BYTES_MAX, StreamEnd, StreamId};

use super::{
    Message, StreamEvent,
    frames::{self, Budget, FRAME_TIMEOUT},
};

/// How long whom we dialed may take to send the head of its first frame.
const FIRST_FRAME_TIMEOUT: Duration = Duration::from_secs(5);
/// How long the other end may take to read what is left, after one end closed.
const LINGER_TIMEOUT: Duration = Duration::from_secs(2);

/// What a stream's task has of its own.
#[derive(Debug)]
pub(super) struct Line {
    stream: StreamId,
    peer: SocketAddr,
    frames: mpsc::Receiver<Bytes>,
    /// Comes when the node took what the peer opened with; until then nothing more is read.
    trusted: Option<oneshot::Receiver<()>>,
}

impl Line {
    pub(super) fn new(stream: StreamId, peer: SocketAddr, frames: mpsc::Receiver<Bytes>) -> Self {
        Self {
            stream,
            peer,
            frames,
            trusted: None,
        }
    }

    /// The same, of a peer who is to be trusted first.
    pub(super) fn once(self, trusted: oneshot::Receiver<()>) -> Self {
        let trusted = Some(trusted);
        Self { trusted, ..self }
    }
}

/// What every stream's task shares.
#[derive(Clone, Debug)]
pub(super) struct Tasks {
    messages: mpsc::Sender<Message>,
    pub(super) budget: Budget,
}

impl Tasks {
    pub(super) fn new(messages: mpsc::Sender<Message>) -> Self {
        let budget = Budget::default();
        Self { messages, budget }
    }

    pub(super) async fn tell(&self, event: StreamEvent) {
        // The protocol is gone when this fails, and with it everyone who would want to know.
        let _ = self.messages.send(Message::Event(event)).await;
    }

    /// An open stream is over.
    async fn closed(&self, stream: StreamId) {
        let end = StreamEnd::Closed;
        self.tell(StreamEvent::Closed { stream, end }).await;
    }

    /// Lives one stream to its end.
    pub(super) async fn exchange(&self, line: Line, mut tcp: TcpStream) {
        let _ = tcp.set_nodelay(true);
        let (reader, writer) = tcp.split();
        let (stream, peer) = (line.stream, line.peer);
        let trusted = line.trusted;
        let reading = async {
            let result = self.read_frames(stream, trusted, reader).await;
            if let Err(error) = result {
                debug!(%peer, %error, "a stream broke");
            }
            self.closed(stream).await;
        };
        let writing = frames::write_all(writer, line.frames);
        tokio::pin!(reading, writing);
        tokio::select! {
            // The node hears of it and lets the queue go, which ends the writing.
            () = &mut reading => drop(timeout(LINGER_TIMEOUT, writing).await),
            // Reading on keeps the kernel from answering late bytes with a reset, which could
            // take away what the peer has not read yet.
            _ = &mut writing => if timeout(LINGER_TIMEOUT, reading).await.is_err() {
                self.closed(stream).await;
            },
        }
    }

    async fn read_frames(
        &self,
        stream: StreamId,
        trusted: Option<oneshot::Receiver<()>>,
        mut reader: impl AsyncRead + Unpin,
    ) -> io::Result<()> {
        let mut patience = FIRST_FRAME_TIMEOUT;
        if let Some(trusted) = trusted {
            if trusted.await.is_err() {
                // The node closed the stream without a word: nothing more is to be read.
                return Ok(());
            }
            patience = FRAME_TIMEOUT;
        }
        loop {
            let head = frames::read_length(&mut reader, FRAME_BYTES_MAX);
            let Some(length) = timeout(patience, head).await?? else {
                return Ok(());
            };
            let frame = self.budget.read(&mut reader, length);
            let event = StreamEvent::Frame {
                stream,
                frame: timeout(FRAME_TIMEOUT, frame).await??,
            };
            self.tell(event).await;
            patience = FRAME_TIMEOUT;
        }
    }
}
