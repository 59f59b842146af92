//! Streams: TCP connections that carry length-prefixed frames between two nodes.
//!
//! Each stream is a task of its own with a bounded queue in each direction, a bounded life and a
//! share of one budget of bytes, so that nothing a peer does can block the protocol or grow its
//! memory. A stream that breaks a bound is closed; that is all the node hears of it.

use std::{
    collections::BTreeMap,
    io,
    net::{IpAddr, SocketAddr},
    sync::Arc,
    time::Duration,
};

use bytes::{Bytes, BytesMut};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::{TcpListener, TcpSocket, TcpStream},
    sync::{OwnedSemaphorePermit, Semaphore, mpsc},
    time::timeout,
};
use tracing::debug;

use crate::swim::{FRAME_BYTES_MAX, StreamEnd, StreamId};

use super::gossip::canonical;

/// Streams that peers opened, at once. More of them wait in the kernel.
const ACCEPTED_MAX: usize = 48;
/// Streams that we opened, at once. More of them are closed before they open.
const DIALED_MAX: usize = 16;
const DIAL_TIMEOUT: Duration = Duration::from_secs(5);
/// How long a peer that connected may take to send the head of its first frame.
const FIRST_FRAME_TIMEOUT: Duration = Duration::from_secs(5);
/// The whole life of a stream.
const EXCHANGE_TIMEOUT: Duration = Duration::from_secs(30);
/// How long the other end may take to read what is left, after one end closed.
const LINGER_TIMEOUT: Duration = Duration::from_secs(2);
/// Frames waiting to be written to one stream.
const FRAMES_QUEUED_MAX: usize = 8;
/// Events waiting for the protocol, of all streams together.
const EVENTS_QUEUED_MAX: usize = 16;
/// Frames being read, of all streams together, in KiB.
const BUDGET_KIB: usize = 64 * 1024;
/// A frame is given memory in steps of this size, as its bytes arrive.
const STEP_BYTES: usize = 64 * 1024;

/// What happened on a stream.
#[derive(Debug)]
pub(super) enum StreamEvent {
    /// A peer connected.
    Accepted {
        tcp: TcpStream,
        from: SocketAddr,
        permit: OwnedSemaphorePermit,
    },
    /// The stream is over.
    Closed { stream: StreamId, end: StreamEnd },
    /// A whole frame arrived.
    Frame {
        stream: StreamId,
        from: SocketAddr,
        frame: Frame,
    },
}

/// A frame and its share of the budget, given back when it is dropped.
#[derive(Debug)]
pub(super) struct Frame {
    pub(super) bytes: BytesMut,
    _share: OwnedSemaphorePermit,
}

/// Every open stream.
#[derive(Debug)]
pub(super) struct Streams {
    open: BTreeMap<StreamId, mpsc::Sender<Bytes>>,
    /// Streams that we opened leave from here, as our datagrams do.
    local: IpAddr,
    dialed: Arc<Semaphore>,
    /// The next stream that a peer opens; odd, as those we open are even.
    next_accepted: u64,
    tasks: Tasks,
    events: mpsc::Receiver<StreamEvent>,
}

/// What every stream's task shares.
#[derive(Clone, Debug)]
struct Tasks {
    events: mpsc::Sender<StreamEvent>,
    budget: Arc<Semaphore>,
}

impl Streams {
    /// Accepts at `listener` and dials from `local`. Must be called inside a runtime.
    pub(super) fn new(listener: TcpListener, local: IpAddr) -> Self {
        let (sender, events) = mpsc::channel(EVENTS_QUEUED_MAX);
        tokio::spawn(accept(listener, sender.clone()));
        Self {
            open: BTreeMap::new(),
            local,
            dialed: Arc::new(Semaphore::new(DIALED_MAX)),
            next_accepted: 1,
            tasks: Tasks {
                events: sender,
                budget: Arc::new(Semaphore::new(BUDGET_KIB)),
            },
            events,
        }
    }

    /// Open streams.
    pub(super) fn len(&self) -> usize {
        self.open.len()
    }

    /// The next thing that happens to a stream the node still knows.
    pub(super) async fn next(&mut self) -> StreamEvent {
        loop {
            let event = self.events.recv().await;
            match event.expect("we hold a sender ourselves") {
                StreamEvent::Accepted { tcp, from, permit } => self.admit(tcp, from, permit),
                StreamEvent::Closed { stream, .. } if self.open.remove(&stream).is_none() => {}
                StreamEvent::Frame { stream, .. } if !self.open.contains_key(&stream) => {}
                event => return event,
            }
        }
    }

    fn admit(&mut self, tcp: TcpStream, from: SocketAddr, permit: OwnedSemaphorePermit) {
        let stream = StreamId(self.next_accepted);
        self.next_accepted += 2;
        let (sender, frames) = mpsc::channel(FRAMES_QUEUED_MAX);
        self.open.insert(stream, sender);
        let tasks = self.tasks.clone();
        tokio::spawn(async move {
            tasks.exchange(stream, tcp, from, frames).await;
            drop(permit);
        });
    }

    /// Dials `to` and writes `frame`. Failure is told as the stream's end.
    pub(super) fn dial(&mut self, stream: StreamId, to: SocketAddr, frame: Bytes) {
        let (sender, frames) = mpsc::channel(FRAMES_QUEUED_MAX);
        let permit = self.dialed.clone().try_acquire_owned();
        let _ = sender.try_send(frame);
        self.open.insert(stream, sender);
        let (tasks, local) = (self.tasks.clone(), self.local);
        tokio::spawn(async move {
            let mut end = StreamEnd::Unreachable;
            if let Ok(_permit) = permit {
                match timeout(DIAL_TIMEOUT, connect(local, to)).await {
                    Ok(Ok(tcp)) => return tasks.exchange(stream, tcp, to, frames).await,
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
    pub(super) fn write(&mut self, stream: StreamId, frame: Bytes) {
        if let Some(sender) = self.open.get_mut(&stream)
            && sender.try_send(frame).is_err()
        {
            *sender = mpsc::channel(1).0;
        }
    }

    /// Closes the stream once everything queued is out.
    pub(super) fn close(&mut self, stream: StreamId) {
        self.open.remove(&stream);
    }
}

async fn accept(listener: TcpListener, events: mpsc::Sender<StreamEvent>) {
    let places = Arc::new(Semaphore::new(ACCEPTED_MAX));
    while let Ok(permit) = places.clone().acquire_owned().await {
        match listener.accept().await {
            Ok((tcp, from)) => {
                let from = canonical(from);
                let event = StreamEvent::Accepted { tcp, from, permit };
                if events.send(event).await.is_err() {
                    return;
                }
            }
            Err(error) => {
                // Out of file descriptors, most likely: busy waiting would not free any.
                debug!(%error, "accepting a stream failed");
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        }
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

impl Tasks {
    async fn tell(&self, event: StreamEvent) {
        // The protocol is gone when this fails, and with it everyone who would want to know.
        let _ = self.events.send(event).await;
    }

    /// An open stream is over.
    async fn closed(&self, stream: StreamId) {
        let end = StreamEnd::Closed;
        self.tell(StreamEvent::Closed { stream, end }).await;
    }

    /// Lives one stream from its first byte to its end.
    async fn exchange(
        &self,
        stream: StreamId,
        tcp: TcpStream,
        from: SocketAddr,
        frames: mpsc::Receiver<Bytes>,
    ) {
        let _ = tcp.set_nodelay(true);
        let life = self.both_ways(stream, tcp, from, frames);
        if timeout(EXCHANGE_TIMEOUT, life).await.is_err() {
            debug!(%from, "a stream took too long");
            self.closed(stream).await;
        }
    }

    async fn both_ways(
        &self,
        stream: StreamId,
        mut tcp: TcpStream,
        from: SocketAddr,
        frames: mpsc::Receiver<Bytes>,
    ) {
        let (reader, writer) = tcp.split();
        let reading = async {
            let result = self.read_frames(stream, from, reader).await;
            if let Err(error) = result {
                debug!(%from, %error, "a stream broke");
            }
            self.closed(stream).await;
        };
        let writing = write_frames(writer, frames);
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
        from: SocketAddr,
        mut reader: impl AsyncRead + Unpin,
    ) -> io::Result<()> {
        let mut patience = FIRST_FRAME_TIMEOUT;
        while let Some(length) = timeout(patience, read_length(&mut reader)).await?? {
            let frame = self.read_frame(&mut reader, length).await?;
            let event = StreamEvent::Frame {
                stream,
                from,
                frame,
            };
            self.tell(event).await;
            patience = EXCHANGE_TIMEOUT;
        }
        Ok(())
    }

    /// Reads a frame, taking memory only for what has arrived.
    async fn read_frame(
        &self,
        reader: &mut (impl AsyncRead + Unpin),
        length: usize,
    ) -> io::Result<Frame> {
        let mut bytes = BytesMut::new();
        let mut share = self.share(0)?;
        while bytes.len() < length {
            let step = (length - bytes.len()).min(STEP_BYTES);
            share.merge(self.share(step)?);
            let end = bytes.len() + step;
            bytes.reserve(step);
            while bytes.len() < end {
                let missing = (end - bytes.len()) as u64;
                if (&mut *reader).take(missing).read_buf(&mut bytes).await? == 0 {
                    return Err(io::ErrorKind::UnexpectedEof.into());
                }
            }
        }
        Ok(Frame {
            bytes,
            _share: share,
        })
    }

    fn share(&self, bytes: usize) -> io::Result<OwnedSemaphorePermit> {
        let kib = u32::try_from(bytes.div_ceil(1024)).expect("a step is 64 KiB at most");
        let share = self.budget.clone().try_acquire_many_owned(kib);
        share.map_err(|_| io::Error::other("too many bytes of frames at once"))
    }
}

/// The length of the next frame; nothing when the peer ended the stream between two frames.
async fn read_length(reader: &mut (impl AsyncRead + Unpin)) -> io::Result<Option<usize>> {
    let mut head = [0; 4];
    if reader.read(&mut head[..1]).await? == 0 {
        return Ok(None);
    }
    reader.read_exact(&mut head[1..]).await?;
    let length = u32::from_be_bytes(head) as usize;
    if length > FRAME_BYTES_MAX {
        return Err(io::Error::other(
            "a frame of more than 16 MiB was announced",
        ));
    }
    Ok(Some(length))
}

async fn write_frames(
    mut writer: impl AsyncWrite + Unpin,
    mut frames: mpsc::Receiver<Bytes>,
) -> io::Result<()> {
    while let Some(frame) = frames.recv().await {
        let length = u32::try_from(frame.len()).expect("a frame is 16 MiB at most");
        writer.write_all(&length.to_be_bytes()).await?;
        writer.write_all(&frame).await?;
    }
    writer.shutdown().await
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn streams() -> (Streams, SocketAddr) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        (Streams::new(listener, address.ip()), address)
    }

    async fn frame(streams: &mut Streams) -> (StreamId, BytesMut) {
        match timeout(Duration::from_secs(5), streams.next())
            .await
            .unwrap()
        {
            StreamEvent::Frame { stream, frame, .. } => (stream, frame.bytes),
            other => panic!("{other:?} instead of a frame"),
        }
    }

    async fn closed(streams: &mut Streams) -> (StreamId, StreamEnd) {
        match timeout(Duration::from_secs(5), streams.next())
            .await
            .unwrap()
        {
            StreamEvent::Closed { stream, end } => (stream, end),
            other => panic!("{other:?} instead of an end"),
        }
    }

    #[tokio::test]
    async fn a_question_and_its_answer_then_the_end() {
        let (mut here, _) = streams().await;
        let (mut there, address) = streams().await;
        let question = Bytes::from(vec![7; 3_000_000]);
        here.dial(StreamId(2), address, question.clone());
        let (stream, heard) = frame(&mut there).await;
        assert_eq!((stream, heard.freeze()), (StreamId(1), question));
        there.write(stream, Bytes::from_static(b"answer"));
        there.close(stream);
        let (stream, heard) = frame(&mut here).await;
        assert_eq!((stream, &heard[..]), (StreamId(2), &b"answer"[..]));
        assert_eq!(closed(&mut here).await, (StreamId(2), StreamEnd::Closed));
        assert_eq!((here.len(), there.len()), (0, 0));
        assert_eq!(there.tasks.budget.available_permits(), BUDGET_KIB);
    }

    #[tokio::test]
    async fn dialing_nobody_is_refused() {
        let (mut here, _) = streams().await;
        let nobody = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = nobody.local_addr().unwrap();
        drop(nobody);
        here.dial(StreamId(2), address, Bytes::new());
        assert_eq!(closed(&mut here).await, (StreamId(2), StreamEnd::Refused));
    }

    #[tokio::test]
    async fn a_length_that_lies_closes_the_stream_and_takes_no_memory() {
        let (mut here, address) = streams().await;
        for head in [u32::MAX, 16 << 20] {
            let mut peer = TcpStream::connect(address).await.unwrap();
            peer.write_all(&head.to_be_bytes()).await.unwrap();
            peer.write_all(b"hardly anything").await.unwrap();
            peer.shutdown().await.unwrap();
            closed(&mut here).await;
        }
        assert_eq!(here.tasks.budget.available_permits(), BUDGET_KIB);
    }

    #[tokio::test]
    async fn more_streams_than_allowed_wait_their_turn() {
        let (mut here, address) = streams().await;
        let mut peers = Vec::new();
        for number in 0..60u8 {
            let mut peer = TcpStream::connect(address).await.unwrap();
            peer.write_all(&[0, 0, 0, 1, number]).await.unwrap();
            peers.push(peer);
        }
        for _ in 0..ACCEPTED_MAX {
            frame(&mut here).await;
        }
        assert_eq!(here.len(), ACCEPTED_MAX);
        drop(peers);
        let mut rest = 60 - ACCEPTED_MAX;
        while rest > 0 {
            match here.next().await {
                StreamEvent::Frame { .. } => rest -= 1,
                StreamEvent::Closed { .. } => {}
                other => panic!("{other:?}"),
            }
        }
    }
}
