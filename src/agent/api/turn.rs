//! One request of a connection: hyper reads and answers it, and gives the connection back.
//!
//! hyper would go on to the next request by itself, with a bare answer where it cannot read the
//! head, and with buffers of its own for whoever idles. So it is held when an answer is out, before
//! it looks for another head: that one is heard at the reception as the first one was.
//!
//! Nor would hyper notice the end of a connection while it keeps bytes that came after the request:
//! a line break too many would hide that the client of an answer that does not end is gone. What
//! comes after a connection's last request is thrown away here, and its end is told.

use std::{
    convert::Infallible,
    future::poll_fn,
    io,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    task::{Context, Poll, ready},
    time::Duration,
};

use axum::{
    body::Body,
    http::{HeaderMap, HeaderValue, Request, Response, Version, header},
};
use bytes::Bytes;
use hyper::{
    body::{Frame, Incoming, SizeHint},
    server::conn::http1,
    service::service_fn,
};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::agent::shared::Shared;

use super::{
    head::{HEAD_BYTES_MAX, HEADERS_MAX},
    hear_out::hear_out,
    patience::Patient,
    serve::Guest,
};

/// So long an answer waits for the rest of a request that it did not need.
const REST_TIMEOUT: Duration = Duration::from_secs(1);
/// What is thrown away at once of all that follows a last request.
const SCRAPS_BYTES: usize = 1_024;

/// Answers the request whose whole head is the next that `stream` says. Gives the connection back
/// when the answer is out, if there may be another request.
pub(super) async fn take_turn<T>(
    stream: Patient<T>,
    guest: &Guest,
    shared: &Shared,
) -> Result<Option<Patient<T>>, hyper::Error>
where
    T: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let turn = Arc::new(Turn::default());
    let [asked, watched] = [turn.clone(), turn.clone()];
    let guest = guest.clone();
    // Around all that may refuse. As a layer it would copy every route for each connection.
    let service = service_fn(move |request| asked.clone().answer(request, guest.clone()));
    let held = Held {
        stream,
        turn: watched,
    };
    let mut connection = http1::Builder::new()
        .max_headers(HEADERS_MAX)
        .max_buf_size(HEAD_BYTES_MAX)
        .serve_connection(TokioIo::new(held), service);
    tokio::select! {
        // A request that came before the end is answered.
        biased;
        driven = turn.drive(&mut connection) => driven?,
        () = shared.ended() => {
            Pin::new(&mut connection).graceful_shutdown();
            turn.drive(&mut connection).await?;
            return Ok(None);
        }
    }
    if !turn.goes_on.load(Relaxed) {
        return Ok(None);
    }
    let parts = connection.into_parts();
    let mut stream = parts.io.into_inner().stream;
    stream.put_back(&parts.read_buf);
    Ok(Some(stream))
}

/// How far an answer has come. Whoever says or reads this does so in the same task.
#[derive(Debug, Default)]
struct Turn {
    /// The connection may be asked again.
    goes_on: AtomicBool,
    /// It may not: this answer is its last.
    is_last: AtomicBool,
    /// hyper has all of the answer.
    is_told: AtomicBool,
    /// And has written it.
    is_out: AtomicBool,
}

impl Turn {
    async fn answer(
        self: Arc<Self>,
        request: Request<Incoming>,
        guest: Guest,
    ) -> Result<Response<Told>, Infallible> {
        let version = request.version();
        let is_kept = version == Version::HTTP_11 && !is_last(request.headers());
        let mut request = request.map(Body::new);
        request.extensions_mut().insert(guest.caller);
        if let Some(door) = guest.door {
            request.extensions_mut().insert(door);
        }
        let reception = guest.entrance.reception.clone();
        let mut answer = hear_out(request, guest.router, reception, REST_TIMEOUT).await?;
        if version == Version::HTTP_10 {
            // In one of 1.1 hyper would promise whoever asks for it to go on, beside that.
            *answer.version_mut() = version;
            let close = HeaderValue::from_static("close");
            answer.headers_mut().insert(header::CONNECTION, close);
        }
        // What follows a request of which a part did not come cannot be told from that part.
        let goes_on = is_kept && !is_last(answer.headers());
        self.goes_on.store(goes_on, Relaxed);
        self.is_last.store(!goes_on, Relaxed);
        Ok(answer.map(|body| Told { body, turn: self }))
    }

    /// Lets hyper work until the answer is out, or there will be none.
    async fn drive<C>(&self, connection: &mut C) -> Result<(), hyper::Error>
    where
        C: Future<Output = Result<(), hyper::Error>> + Unpin,
    {
        poll_fn(|context| {
            let mut driven = Pin::new(&mut *connection).poll(context);
            // hyper may take the end of an answer after it has flushed: then it flushes once more.
            if driven.is_pending() && self.is_told.load(Relaxed) && !self.is_out.load(Relaxed) {
                driven = Pin::new(&mut *connection).poll(context);
            }
            match self.is_out.load(Relaxed) {
                true => Poll::Ready(Ok(())),
                false => driven,
            }
        })
        .await
    }
}

/// Whether a message says that it is the connection's last (RFC 9112, 9.6).
fn is_last(headers: &HeaderMap) -> bool {
    let values = headers.get_all(header::CONNECTION).iter();
    let mut options = values.flat_map(|value| value.as_bytes().split(|byte| *byte == b','));
    options.any(|option| option.trim_ascii().eq_ignore_ascii_case(b"close"))
}

/// The body of an answer. hyper drops it as soon as it has all of it.
#[derive(Debug)]
struct Told {
    body: Body,
    turn: Arc<Turn>,
}

impl hyper::body::Body for Told {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        Pin::new(&mut self.body).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl Drop for Told {
    fn drop(&mut self) {
        self.turn.is_told.store(true, Relaxed);
    }
}

/// A connection that holds hyper as soon as an answer is out: hyper flushes what it has written
/// before it looks for another head, and is kept waiting there. It flushes whenever it works, with
/// nothing to write too, so that a last answer is given up there when nobody is left to hear it.
#[derive(Debug)]
struct Held<T> {
    stream: Patient<T>,
    turn: Arc<Turn>,
}

impl<T: AsyncRead + Unpin> Held<T> {
    /// Ready when the other side has said all that it ever will, which concerns nobody.
    fn poll_end(&mut self, context: &mut Context<'_>) -> Poll<()> {
        let mut scraps = [0; SCRAPS_BYTES];
        loop {
            let mut buffer = ReadBuf::new(&mut scraps);
            let read = ready!(Pin::new(&mut self.stream).poll_read(context, &mut buffer));
            if read.is_err() || buffer.filled().is_empty() {
                return Poll::Ready(());
            }
        }
    }
}

impl<T: AsyncRead + Unpin> AsyncRead for Held<T> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.turn.is_last.load(Relaxed) {
            return self.poll_end(context).map(Ok);
        }
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl<T: AsyncRead + AsyncWrite + Unpin> AsyncWrite for Held<T> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    /// Nobody is woken when this waits with the answer out: [`Turn::drive`] looks after each poll.
    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(Pin::new(&mut self.stream).poll_flush(context))?;
        if self.turn.is_told.load(Relaxed) {
            self.turn.is_out.store(true, Relaxed);
            return Poll::Pending;
        }
        if self.turn.is_last.load(Relaxed) && self.poll_end(context).is_ready() {
            return Poll::Ready(Err(io::ErrorKind::UnexpectedEof.into()));
        }
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(context, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
}
