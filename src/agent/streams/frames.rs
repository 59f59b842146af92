//! Frames on the wire: four bytes of length, the most significant first, and so many more.

use std::{io, sync::Arc, time::Duration};

use bytes::{Bytes, BytesMut};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    sync::{OwnedSemaphorePermit, Semaphore, mpsc},
    time::timeout,
};

/// How long a frame may take, and the pause before it. The node knows for what it waits, and closes
/// what it does not need any more.
pub(super) const FRAME_TIMEOUT: Duration = Duration::from_secs(30);
/// Frames being read, of all streams whose other end we know, in KiB.
const BUDGET_KIB: u32 = 64 * 1024;
/// A frame is given memory in steps of this size, as its bytes arrive.
const STEP_BYTES: usize = 64 * 1024;

/// A frame and its share of the budget, given back when it is dropped.
#[derive(Debug)]
pub(in crate::agent) struct Frame {
    pub(in crate::agent) bytes: BytesMut,
    /// What a peer opens with has none: there are few of them, and they are small.
    _share: Option<OwnedSemaphorePermit>,
}

/// Bytes that the frames of all streams may take together.
#[derive(Clone, Debug)]
pub(super) struct Budget(Arc<Semaphore>);

impl Default for Budget {
    fn default() -> Self {
        Self(Arc::new(Semaphore::new(BUDGET_KIB as usize)))
    }
}

impl Budget {
    /// Waits until there is room for the whole frame, and reads it: frames that held a part each
    /// could wait for each other.
    pub(super) async fn read(
        &self,
        reader: &mut (impl AsyncRead + Unpin),
        length: usize,
    ) -> io::Result<Frame> {
        let kib = u32::try_from(length.div_ceil(1024)).expect("a frame is 16 MiB at most");
        let share = self.0.clone().acquire_many_owned(kib).await;
        let share = share.map_err(io::Error::other)?;
        Ok(Frame {
            bytes: read_bytes(reader, length).await?,
            _share: Some(share),
        })
    }

    #[cfg(test)]
    pub(super) fn is_whole(&self) -> bool {
        self.0.available_permits() == BUDGET_KIB as usize
    }
}

/// A frame of `bytes_max` at most, beside the budget; nothing when the peer ended the stream.
pub(super) async fn read_small(
    reader: &mut (impl AsyncRead + Unpin),
    bytes_max: usize,
) -> io::Result<Option<Frame>> {
    let Some(length) = read_length(reader, bytes_max).await? else {
        return Ok(None);
    };
    Ok(Some(Frame {
        bytes: read_bytes(reader, length).await?,
        _share: None,
    }))
}

/// The length of the next frame; nothing when the peer ended the stream between two frames.
pub(super) async fn read_length(
    reader: &mut (impl AsyncRead + Unpin),
    bytes_max: usize,
) -> io::Result<Option<usize>> {
    let mut head = [0; 4];
    if reader.read(&mut head[..1]).await? == 0 {
        return Ok(None);
    }
    reader.read_exact(&mut head[1..]).await?;
    let length = u32::from_be_bytes(head) as usize;
    if length > bytes_max {
        let error = format!("a frame of {length} bytes was announced, {bytes_max} are allowed");
        return Err(io::Error::other(error));
    }
    Ok(Some(length))
}

/// Takes memory only for what has arrived.
async fn read_bytes(reader: &mut (impl AsyncRead + Unpin), length: usize) -> io::Result<BytesMut> {
    let mut bytes = BytesMut::new();
    while bytes.len() < length {
        let step = (length - bytes.len()).min(STEP_BYTES);
        let end = bytes.len() + step;
        bytes.reserve(step);
        while bytes.len() < end {
            let missing = (end - bytes.len()) as u64;
            if (&mut *reader).take(missing).read_buf(&mut bytes).await? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
    }
    Ok(bytes)
}

/// Writes whatever comes, until nothing more will, or a frame is not taken in time.
pub(super) async fn write_all(
    mut writer: impl AsyncWrite + Unpin,
    mut frames: mpsc::Receiver<Bytes>,
) -> io::Result<()> {
    while let Some(frame) = frames.recv().await {
        let length = u32::try_from(frame.len()).expect("a frame is 16 MiB at most");
        let writing = async {
            writer.write_all(&length.to_be_bytes()).await?;
            writer.write_all(&frame).await
        };
        timeout(FRAME_TIMEOUT, writing).await??;
    }
    writer.shutdown().await
}

#[cfg(test)]
mod tests {
    use std::future::ready;

    use super::*;

    #[tokio::test]
    async fn frames_wait_their_turn_for_memory() {
        let budget = Budget::default();
        let taken = budget.0.acquire_many(BUDGET_KIB).await.unwrap();
        let mut said = &b"hi"[..];
        let reading = budget.read(&mut said, 2);
        tokio::pin!(reading);
        tokio::select! {
            biased;
            _ = &mut reading => panic!("there was no room"),
            () = ready(()) => {}
        }
        drop(taken);
        assert_eq!(&reading.await.unwrap().bytes[..], b"hi");
        assert!(budget.is_whole());
    }
}
