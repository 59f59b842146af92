//! `Patient`: a connection that ends when the other side stays stuck.

use std::{
    io, mem,
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use bytes::Bytes;
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    time::{Sleep, sleep},
};

/// A connection whose writes fail once nothing could be written for a while. Waiting for
/// something to write is not being stuck. What was read of it too early can be put back.
#[derive(Debug)]
pub(super) struct Patient<T> {
    inner: T,
    heard: Bytes,
    patience: Duration,
    /// Runs while a write waits.
    stuck: Option<Pin<Box<Sleep>>>,
}

impl<T> Patient<T> {
    pub(super) const fn new(inner: T, patience: Duration) -> Self {
        Self {
            inner,
            heard: Bytes::new(),
            patience,
            stuck: None,
        }
    }

    /// What was `heard` is read again, before everything else.
    pub(super) fn put_back(&mut self, heard: &[u8]) {
        // A copy: a few bytes must not keep the large buffer that they came in.
        let rest = mem::take(&mut self.heard);
        self.heard = [heard, &rest[..]].concat().into();
    }

    /// Passes what a write said on, unless it has been waiting for too long.
    fn watch<R>(
        &mut self,
        context: &mut Context<'_>,
        written: Poll<io::Result<R>>,
    ) -> Poll<io::Result<R>> {
        if written.is_ready() {
            self.stuck = None;
            return written;
        }
        let patience = self.patience;
        let stuck = self.stuck.get_or_insert_with(|| Box::pin(sleep(patience)));
        ready!(stuck.as_mut().poll(context));
        Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
    }
}

impl<T: AsyncRead + Unpin> AsyncRead for Patient<T> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.heard.is_empty() {
            return Pin::new(&mut self.inner).poll_read(context, buffer);
        }
        let size = self.heard.len().min(buffer.remaining());
        buffer.put_slice(&self.heard.split_to(size));
        Poll::Ready(Ok(()))
    }
}

impl<T: AsyncWrite + Unpin> AsyncWrite for Patient<T> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.inner).poll_write(context, bytes);
        self.watch(context, written)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let flushed = Pin::new(&mut self.inner).poll_flush(context);
        self.watch(context, flushed)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(context)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.inner).poll_write_vectored(context, slices);
        self.watch(context, written)
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;

    #[tokio::test]
    async fn what_was_put_back_is_read_first() {
        let (near, mut far) = tokio::io::duplex(16);
        far.write_all(b" you").await.unwrap();
        drop(far);
        let mut patient = Patient::new(near, Duration::ZERO);
        patient.put_back(b" are");
        patient.put_back(b"how");
        let mut said = String::new();
        patient.read_to_string(&mut said).await.unwrap();
        assert_eq!(said, "how are you");
    }

    #[tokio::test]
    async fn a_reader_that_stays_stuck_is_given_up_and_a_slow_one_is_not() {
        let (near, mut far) = tokio::io::duplex(16);
        let mut patient = Patient::new(near, Duration::from_millis(200));
        for _ in 0..4 {
            patient.write_all(&[0; 16]).await.unwrap();
            sleep(Duration::from_millis(100)).await;
            far.read_exact(&mut [0; 16]).await.unwrap();
        }
        let error = patient.write_all(&[0; 17]).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
    }
}
